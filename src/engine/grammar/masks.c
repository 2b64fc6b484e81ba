/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/grammar/masks_priv.h"

/* The mask of a whole state. */
struct kept {
    term state;
    uint64_t bits[];
};

struct masks *masks_new(const struct trie *trie, size_t bytes)
{
    struct masks *m = mem_try_zero(1, sizeof *m);
    if (!m) return NULL;
    m->trie = trie;
    m->bytes_max = bytes / 2;
    m->words = (trie->vocab + 63) / 64;
    map_init(&m->profiles);
    map_init(&m->kept);
    m->terms = terms_new(bytes - bytes / 2);
    m->spare = mem_try_zero(m->words, sizeof *m->spare);
    m->levels = mem_try_zero(trie->depth_max + 1, sizeof *m->levels);
    if (m->terms && m->spare && m->levels) return m;
    masks_free(m);
    return NULL;
}

static void forget_kept(struct masks *m)
{
    size_t at = 0;
    struct str key;
    void *value;
    while (map_next(&m->kept, &at, &key, &value)) {
        m->bytes -= sizeof(struct kept) + m->words * sizeof(uint64_t);
        free(value);
    }
    map_fini(&m->kept);
    map_init(&m->kept);
}

void masks_free(struct masks *m)
{
    if (!m) return;
    forget_kept(m);
    masks__forget_profiles(m);
    map_fini(&m->kept);
    terms_free(m->terms);
    free(m->spare);
    free(m->levels);
    free(m);
}

struct terms *masks_terms(struct masks *m)
{
    return m->terms;
}

uint32_t masks_words(const struct masks *m)
{
    return m->words;
}

static void clear(uint64_t *bits, int32_t token)
{
    bits[token / 64] &= ~(UINT64_C(1) << (token % 64));
}

/* --- one state --- */

static void add_head(struct masks *m, const struct profile *p, uint32_t most, uint64_t *out)
{
    const uint64_t *bits = p->bits;
    if (p->counts && p->most > most) {
        memcpy(m->spare, bits, m->words * sizeof *bits);
        for (uint32_t i = 0; i < p->with[most]; i++)
            clear(m->spare, p->tokens[i]);
        bits = m->spare;
    }
    for (uint32_t i = 0; i < m->words; i++)
        out[i] |= bits[i];
}

static bool meet(const struct byte_set *a, const struct byte_set *b)
{
    for (unsigned i = 0; i < 4; i++)
        if (a->bits[i] & b->bits[i]) return true;
    return false;
}

/* Tokens that end what `p` is about, after `least` to `most` times, and begin the rest. */
static void add_edges(struct masks *m, const struct profile *p, uint32_t least, uint32_t most,
                      term rest, uint64_t *out)
{
    const struct byte_set starts = *term_starts(m->terms, rest);
    for (unsigned byte = 0; byte < 256; byte++) {
        uint32_t i = p->edges_of[byte], end = p->edges_of[byte + 1];
        if (i == end || !byte_set_has(&starts, (uint8_t)byte)) continue;
        term s = term_next(m->terms, rest, (uint8_t)byte);
        for (; s != TERM_NONE && i < end; i++) {
            const struct edge *e = &p->edges[i];
            if (e->count < least || e->count > most) continue;
            trie_add_tokens(m->trie, e->node, out);
            masks__walk(m, s, e->node, out);
        }
    }
}

static void add_state(struct masks *m, term state, uint64_t *out);

static void add_cat(struct masks *m, term state, term head, term rest, uint64_t *out)
{
    uint32_t least = 0, most = TERM_ANY_NUMBER;
    const struct profile *p = masks__profile(m, head);
    if (!p || !terms_spend(m->terms, m->words / 4)) return;
    if (p->counts) term_times(m->terms, head, &least, &most);
    if (meet(&p->goes_on, term_starts(m->terms, rest))) {
        masks__walk(m, state, 0, out);
        return;
    }
    add_head(m, p, most, out);
    if (rest == TERM_EMPTY) return;
    add_edges(m, p, least, most, rest, out);
    if (term_may_end(m->terms, head)) add_state(m, rest, out);
}

static void add_state(struct masks *m, term state, uint64_t *out)
{
    size_t n = 0;
    enum term_kind kind = term_kind(m->terms, state);
    if (kind == TERM_KIND_OR) {
        (void)term_list(m->terms, state, &n);
        for (size_t i = 0; i < n; i++) /* what is added may move the list */
            add_state(m, term_list(m->terms, state, &n)[i], out);
    } else if (kind == TERM_KIND_CAT) {
        add_cat(m, state, term_first(m->terms, state), term_rest(m->terms, state), out);
    } else if (state != TERM_EMPTY && state != TERM_NONE) {
        add_cat(m, state, state, TERM_EMPTY, out);
    }
}

const uint64_t *masks_of(struct masks *m, term state)
{
    struct kept *k = map_get(&m->kept, masks__key(&state));
    if (k) return k->bits;
    size_t size = sizeof *k + m->words * sizeof *k->bits;
    if (m->bytes_max - m->bytes < m->bytes_max / 4) forget_kept(m);
    k = masks_failed(m) ? NULL : masks__take(m, size);
    m->failed |= !k;
    if (!k) return NULL;
    k->state = state;
    add_state(m, state, k->bits);
    if (masks_failed(m)) {
        m->bytes -= size;
        free(k);
        return NULL;
    }
    map_put(&m->kept, masks__key(&k->state), k);
    return k->bits;
}
