/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/words.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A word of which the beginning has come: tokens with the rest would complete it. */
struct split {
    struct str before; /* may be empty: then tokens that have the word anywhere count */
    struct str rest;
    struct split *next; /* one whose rest begins with the same byte */
    int32_t *tokens;
    uint32_t count, cap;
};

struct words {
    _Atomic uint32_t owners;
    const struct vocab *vocab;
    char *text; /* all words */
    size_t longest;
    struct split *splits;
    size_t count;
    struct split *by_first[256]; /* of the rest's bytes */
};

struct mask_words {
    struct masker masker;
    struct words *words;
    size_t len;
    char tail[]; /* of the answer: what a word may have begun with */
};

/* --- what completes them --- */

static void split_word(struct words *w, struct str word)
{
    w->longest = MAX(w->longest, word.len);
    for (size_t at = 0; at < word.len; at++) {
        struct split *s = &w->splits[w->count++];
        struct split **first = &w->by_first[(unsigned char)word.ptr[at]];
        *s = (struct split){str_sub(word, 0, at), str_skip(word, at), *first, NULL, 0, 0};
        *first = s;
    }
}

static bool add_token(struct split *s, int32_t token)
{
    if (s->count && s->tokens[s->count - 1] == token) return true; /* has it twice */
    if (s->count == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 16;
        int32_t *tokens = mem_try_grow(s->tokens, cap, sizeof *tokens);
        if (!tokens) return false;
        s->tokens = tokens;
        s->cap = cap;
    }
    s->tokens[s->count++] = token;
    return true;
}

/* Notes what the token completes. False: there is no memory. */
static bool look_at(struct words *w, int32_t token)
{
    char bytes[VOCAB_PIECE_MAX];
    struct str text = str_n(bytes, vocab_piece(w->vocab, token, false, bytes));
    for (size_t at = 0; at < text.len; at++) {
        struct str rest = str_skip(text, at);
        for (struct split *s = w->by_first[(unsigned char)rest.ptr[0]]; s; s = s->next) {
            bool counts = (at == 0 || s->before.len == 0) && str_starts(rest, s->rest);
            if (counts && !add_token(s, token)) return false;
        }
    }
    return true;
}

static size_t bytes_of(const struct str *texts, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += texts[i].len;
    return n;
}

struct words *words_new(const struct vocab *vocab, const struct str *texts, size_t count)
{
    size_t bytes = bytes_of(texts, count);
    struct words *w = mem_try_zero(1, sizeof *w);
    bool good = w;
    if (!w) return NULL;
    w->owners = 1;
    w->vocab = vocab;
    w->text = mem_try(bytes + 1);
    w->splits = mem_try_zero(bytes + 1, sizeof *w->splits);
    good = w->text && w->splits;
    for (size_t i = 0, at = 0; good && i < count; at += texts[i++].len) {
        memcpy(w->text + at, texts[i].ptr, texts[i].len);
        split_word(w, str_n(w->text + at, texts[i].len));
    }
    for (uint32_t i = 0; good && i < vocab_info(vocab)->count; i++)
        good = look_at(w, (int32_t)i);
    if (good) return w;
    words_free(w);
    return NULL;
}

struct words *words_share(struct words *w)
{
    atomic_fetch_add(&w->owners, 1);
    return w;
}

void words_free(struct words *w)
{
    if (!w || atomic_fetch_sub(&w->owners, 1) > 1) return;
    for (size_t i = 0; i < w->count; i++)
        free(w->splits[i].tokens);
    free(w->splits);
    free(w->text);
    free(w);
}

/* --- the masker --- */

static void mask(struct masker *m, float *logits, uint32_t vocab UNUSED)
{
    const struct mask_words *w = CONTAINER_OF(m, struct mask_words, masker);
    struct str tail = str_n(w->tail, w->len);
    for (size_t i = 0; i < w->words->count; i++) {
        const struct split *s = &w->words->splits[i];
        if (!s->count || !str_ends(tail, s->before)) continue;
        for (uint32_t k = 0; k < s->count; k++)
            logits[s->tokens[k]] = -INFINITY;
    }
}

/* The last bytes of tail and text. */
static void accept(struct masker *m, int32_t token)
{
    struct mask_words *w = CONTAINER_OF(m, struct mask_words, masker);
    char bytes[VOCAB_PIECE_MAX];
    size_t room = w->words->longest;
    struct str text = str_n(bytes, vocab_piece(w->words->vocab, token, false, bytes));
    if (text.len > room) text = str_skip(text, text.len - room);
    size_t kept = MIN(w->len, room - text.len);
    memmove(w->tail, w->tail + w->len - kept, kept);
    if (text.len) memcpy(w->tail + kept, text.ptr, text.len);
    w->len = kept + text.len;
}

static void free_words(struct masker *m)
{
    struct mask_words *w = CONTAINER_OF(m, struct mask_words, masker);
    words_free(w->words);
    free(w);
}

struct masker *mask_words_new(struct words *words)
{
    struct mask_words *w = mem_must(sizeof *w + words->longest);
    *w = (struct mask_words){
        .masker = {.mask = mask, .accept = accept, .free = free_words},
        .words = words_share(words),
    };
    return &w->masker;
}
