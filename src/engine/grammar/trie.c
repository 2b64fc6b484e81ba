/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum { TEXTS_MAX = 256 << 20 };

struct entry {
    const char *text;
    uint32_t len;
    int32_t token;
};

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int c = memcmp(x->text, y->text, MIN(x->len, y->len));
    if (c) return c;
    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    return x->token < y->token ? -1 : 1;
}

static uint32_t common(const struct entry *a, const struct entry *b)
{
    uint32_t n = 0;
    while (n < a->len && n < b->len && a->text[n] == b->text[n])
        n++;
    return n;
}

static size_t count_nodes(const struct entry *entries, uint32_t count)
{
    size_t n = 1;
    for (uint32_t i = 0; i < count; i++)
        n += entries[i].len - (i ? common(&entries[i - 1], &entries[i]) : 0);
    return n;
}

/* `open`: the nodes that the present text goes through. */
static void fill(struct trie *t, const struct entry *entries, uint32_t count, uint32_t *open)
{
    uint32_t depth = 0;
    t->nodes[t->count++] = (struct trie_node){0};
    open[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t shared = i ? common(&entries[i - 1], &entries[i]) : 0;
        while (depth > shared)
            t->nodes[open[depth--]].end = t->count;
        while (depth < entries[i].len) {
            open[++depth] = t->count;
            t->nodes[t->count++] = (struct trie_node){.first_token = t->token_count,
                                                      .depth = (uint16_t)depth,
                                                      .byte = (uint8_t)entries[i].text[depth - 1]};
        }
        t->depth_max = MAX(t->depth_max, depth);
        t->tokens[t->token_count++] = entries[i].token;
    }
    for (;; depth--) {
        t->nodes[open[depth]].end = t->count;
        if (!depth) break;
    }
    t->nodes[t->count] = (struct trie_node){.first_token = t->token_count};
}

/* From the last node to the first: what lies below one comes behind it. */
static void mark_plain(struct trie *t)
{
    for (uint32_t i = t->count; i-- > 1;) {
        struct trie_node *n = &t->nodes[i];
        n->plain = trie_is_plain(n->byte);
        for (uint32_t child = i + 1; n->plain && child < n->end; child = t->nodes[child].end)
            n->plain = t->nodes[child].plain;
    }
}

static bool build(struct trie *t, const struct entry *entries, uint32_t count)
{
    uint32_t *open = mem_try((VOCAB_PIECE_MAX + 1) * sizeof *open);
    t->nodes = mem_try((count_nodes(entries, count) + 1) * sizeof *t->nodes);
    t->tokens = mem_try((count + 1) * sizeof *t->tokens);
    bool ok = open && t->nodes && t->tokens;
    if (ok) fill(t, entries, count, open);
    if (ok) mark_plain(t);
    free(open);
    return ok;
}

struct trie *trie_new(const struct str *texts, uint32_t vocab)
{
    struct trie *t = mem_try_zero(1, sizeof *t);
    struct entry *entries = mem_try((vocab + 1) * sizeof *entries);
    uint32_t n = 0;
    bool built = false;
    for (uint32_t i = 0; entries && i < vocab; i++)
        if (texts[i].len)
            entries[n++] = (struct entry){texts[i].ptr, (uint32_t)texts[i].len, (int32_t)i};
    if (t && entries) {
        t->vocab = vocab;
        qsort(entries, n, sizeof *entries, compare);
        built = build(t, entries, n);
    }
    free(entries);
    if (built) return t;
    trie_free(t);
    return NULL;
}

/* All tokens' texts, one behind the other. */
static int read_texts(const struct vocab *vocab, struct buf *all, struct str *texts)
{
    char piece[VOCAB_PIECE_MAX];
    const char *at;
    uint32_t count = vocab_info(vocab)->count;
    for (uint32_t i = 0; i < count; i++) {
        texts[i].len = vocab_piece(vocab, (int32_t)i, false, piece);
        int err = buf_append(all, str_n(piece, texts[i].len));
        if (err) return err;
    }
    at = buf_str(all).ptr;
    for (uint32_t i = 0; i < count; at += texts[i++].len)
        texts[i].ptr = at;
    return 0;
}

struct trie *trie_of_vocab(const struct vocab *vocab)
{
    struct trie *t = NULL;
    struct buf all;
    buf_init(&all, TEXTS_MAX);
    struct str *texts = mem_try_zero(vocab_info(vocab)->count + 1, sizeof *texts);
    if (texts && read_texts(vocab, &all, texts) == 0) t = trie_new(texts, vocab_info(vocab)->count);
    free(texts);
    buf_fini(&all);
    return t;
}

void trie_free(struct trie *t)
{
    if (!t) return;
    free(t->nodes);
    free(t->tokens);
    free(t);
}

uint32_t trie_find(const struct trie *t, uint32_t node, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint32_t end = t->nodes[node].end, child = node + 1;
        while (child < end && t->nodes[child].byte != (unsigned char)text.ptr[i])
            child = t->nodes[child].end;
        if (child >= end) return 0;
        node = child;
    }
    return text.len ? node : 0;
}

void trie_add_tokens(const struct trie *t, uint32_t node, uint64_t *bits)
{
    for (uint32_t i = t->nodes[node].first_token; i < t->nodes[node + 1].first_token; i++)
        token_set_add(bits, t->tokens[i]);
}
