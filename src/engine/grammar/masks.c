/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/masks.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

/* Where a token goes on behind what a state begins with. */
struct edge {
    uint32_t node;  /* its next byte's */
    uint32_t count; /* complete repetitions before it */
};

struct counted {
    int32_t token;
    uint32_t count; /* repetitions that it begins */
};

/* What a walk over the vocabulary found for a beginning. */
struct profile {
    term head;
    bool counts;             /* it stands for every number of its repetitions */
    struct byte_set goes_on; /* bytes that it takes where it could end, too */
    uint64_t *bits;          /* tokens that end within it */
    struct edge *edges;      /* by byte */
    uint32_t edge_count, edge_cap;
    struct counted *tokens; /* most repetitions first */
    uint32_t token_count, token_cap;
};

/* The mask of a whole state. */
struct kept {
    term state;
    uint64_t bits[];
};

struct masks {
    const struct trie *trie;
    struct terms *terms;
    bool failed;
    size_t bytes, bytes_max; /* profiles and kept masks */
    uint32_t words;
    struct map profiles; /* by head */
    struct map kept;     /* by state */
    uint64_t *spare;     /* of one beginning */
    term *states;        /* of a walk, by depth */
    uint32_t *counts;    /* likewise: complete repetitions */
};

static struct str key_of(const term *a)
{
    return str_n((const char *)a, sizeof *a);
}

static void *take(struct masks *m, size_t size)
{
    if (m->failed || size > m->bytes_max - m->bytes) return NULL;
    void *out = mem_try_zero(1, size);
    if (out) m->bytes += size;
    return out;
}

static bool grow(struct masks *m, void *array, uint32_t count, uint32_t *cap, size_t size)
{
    void **p = array;
    if (count < *cap) return true;
    uint32_t wanted = *cap ? *cap * 2 : 256;
    size_t more = (wanted - *cap) * size;
    void *out = m->failed || more > m->bytes_max - m->bytes ? NULL : mem_try_grow(*p, wanted, size);
    m->failed |= !out;
    if (!out) return false;
    *p = out;
    *cap = wanted;
    m->bytes += more;
    return true;
}

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
    m->states = mem_try_zero(trie->depth_max + 1, sizeof *m->states);
    m->counts = mem_try_zero(trie->depth_max + 1, sizeof *m->counts);
    if (m->terms && m->spare && m->states && m->counts) return m;
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

static void profile_free(struct profile *p)
{
    if (!p) return;
    free(p->bits);
    free(p->edges);
    free(p->tokens);
    free(p);
}

void masks_free(struct masks *m)
{
    size_t at = 0;
    struct str key;
    void *value;
    if (!m) return;
    forget_kept(m);
    while (map_next(&m->profiles, &at, &key, &value))
        profile_free(value);
    map_fini(&m->profiles);
    map_fini(&m->kept);
    terms_free(m->terms);
    free(m->spare);
    free(m->states);
    free(m->counts);
    free(m);
}

struct terms *masks_terms(struct masks *m)
{
    return m->terms;
}

bool masks_failed(const struct masks *m)
{
    return m->failed || terms_failed(m->terms);
}

uint32_t masks_words(const struct masks *m)
{
    return m->words;
}

static void set(uint64_t *bits, int32_t token)
{
    bits[token / 64] |= UINT64_C(1) << (token % 64);
}

static void clear(uint64_t *bits, int32_t token)
{
    bits[token / 64] &= ~(UINT64_C(1) << (token % 64));
}

static void set_tokens(const struct trie *t, uint32_t node, uint64_t *bits)
{
    for (uint32_t i = t->nodes[node].first_token; i < t->nodes[node + 1].first_token; i++)
        set(bits, t->tokens[i]);
}

/* --- walks --- */

/* Sets the tokens below a node that has led to `state`. */
static void walk(struct masks *m, term state, uint32_t node, uint64_t *bits)
{
    const struct trie_node *nodes = m->trie->nodes;
    m->states[nodes[node].depth] = state;
    for (uint32_t i = node + 1, end = nodes[node].end; i < end;) {
        const struct trie_node *n = &nodes[i];
        term s = term_next(m->terms, m->states[n->depth - 1], n->byte);
        if (s == TERM_NONE) {
            i = n->end;
            continue;
        }
        m->states[n->depth] = s;
        set_tokens(m->trie, i++, bits);
    }
}

/* How often a repeated term was there, once `state` was reached from a state where it was `before`
 * times. False: it cannot be told. */
static bool count(struct masks *m, term head, term state, uint32_t *times)
{
    if (state == head)
        ++*times;
    else if (term_kind(m->terms, state) != TERM_KIND_CAT || term_rest(m->terms, state) != head ||
             term_may_end(m->terms, term_first(m->terms, state)))
        return false;
    return true;
}

static bool add_edge(struct masks *m, struct profile *p, uint32_t node, uint32_t times)
{
    if (!grow(m, &p->edges, p->edge_count, &p->edge_cap, sizeof *p->edges)) return false;
    p->edges[p->edge_count++] = (struct edge){node, times};
    return true;
}

static bool add_tokens(struct masks *m, struct profile *p, uint32_t node, uint32_t times)
{
    const struct trie_node *n = &m->trie->nodes[node];
    set_tokens(m->trie, node, p->bits);
    for (uint32_t i = n->first_token; p->counts && i < n[1].first_token; i++) {
        if (!grow(m, &p->tokens, p->token_count, &p->token_cap, sizeof *p->tokens)) return false;
        p->tokens[p->token_count++] = (struct counted){m->trie->tokens[i], times};
    }
    return true;
}

/* The whole vocabulary from a beginning on. False: it failed, or does not count. */
static bool explore(struct masks *m, struct profile *p)
{
    const struct trie_node *nodes = m->trie->nodes;
    bool good = true;
    m->states[0] = p->head;
    m->counts[0] = 0;
    for (uint32_t i = 1; i < m->trie->count && good;) {
        const struct trie_node *n = &nodes[i];
        term before = m->states[n->depth - 1];
        uint32_t times = m->counts[n->depth - 1];
        term s = term_next(m->terms, before, n->byte);
        bool could_end = n->depth > 1 && term_may_end(m->terms, before);
        if (s == TERM_NONE) {
            if (could_end) good = add_edge(m, p, i, times);
            i = n->end;
            continue;
        }
        if (could_end) byte_set_add(&p->goes_on, n->byte);
        m->states[n->depth] = s;
        if (p->counts) good = count(m, p->head, s, &times);
        m->counts[n->depth] = times;
        good = good && add_tokens(m, p, i++, times + (p->counts && s != p->head));
    }
    return good && !masks_failed(m);
}

/* Edges by byte: `nodes` tells which. */
static void sort_edges(struct profile *p, const struct trie_node *nodes, struct edge *out)
{
    uint32_t at[257] = {0};
    for (uint32_t i = 0; i < p->edge_count; i++)
        at[nodes[p->edges[i].node].byte + 1]++;
    for (unsigned byte = 0; byte < 256; byte++)
        at[byte + 1] += at[byte];
    for (uint32_t i = 0; i < p->edge_count; i++)
        out[at[nodes[p->edges[i].node].byte]++] = p->edges[i];
}

static int compare_counted(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    return x->count > y->count ? -1 : x->count < y->count;
}

static struct profile *make_profile(struct masks *m, term head, bool counts)
{
    struct profile *p = take(m, sizeof *p);
    struct edge *sorted = NULL;
    if (!p) return NULL;
    *p = (struct profile){.head = head, .counts = counts};
    p->bits = take(m, m->words * sizeof *p->bits);
    bool good = p->bits && explore(m, p);
    if (good) sorted = mem_try((p->edge_count + 1) * sizeof *sorted);
    if (!sorted) {
        profile_free(p);
        return NULL;
    }
    sort_edges(p, m->trie->nodes, sorted);
    free(p->edges);
    p->edges = sorted;
    if (p->token_count) qsort(p->tokens, p->token_count, sizeof *p->tokens, compare_counted);
    map_put(&m->profiles, key_of(&p->head), p);
    return p;
}

/* What is repeated without any limit, for a repetition. */
static term unlimited(struct masks *m, term head)
{
    if (term_kind(m->terms, head) != TERM_KIND_REPEAT) return TERM_NONE;
    return term_repeat(m->terms, term_first(m->terms, head), 0, TERM_ANY_NUMBER);
}

/* What is known of a head; made when it is not. NULL: it failed. */
static const struct profile *find_profile(struct masks *m, term head, bool counts)
{
    struct profile *p = map_get(&m->profiles, key_of(&head));
    if (!p && counts) p = make_profile(m, head, true);
    if (!p && !masks_failed(m)) p = make_profile(m, head, false);
    m->failed |= !p;
    return p;
}

static const struct profile *profile_of(struct masks *m, term head)
{
    term any = unlimited(m, head);
    const struct profile *p = any == TERM_NONE ? NULL : find_profile(m, any, true);
    return p && p->counts ? p : find_profile(m, head, false);
}

/* --- masks --- */

static void add_head(struct masks *m, const struct profile *p, uint32_t most, uint64_t *out)
{
    const uint64_t *bits = p->bits;
    if (p->counts && p->token_count && p->tokens[0].count > most) {
        memcpy(m->spare, bits, m->words * sizeof *bits);
        for (uint32_t i = 0; i < p->token_count && p->tokens[i].count > most; i++)
            clear(m->spare, p->tokens[i].token);
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
    const struct trie_node *nodes = m->trie->nodes;
    const struct byte_set starts = *term_starts(m->terms, rest);
    for (uint32_t i = 0; i < p->edge_count;) {
        uint8_t byte = nodes[p->edges[i].node].byte;
        bool may = byte_set_has(&starts, byte);
        term s = may ? term_next(m->terms, rest, byte) : TERM_NONE;
        for (; i < p->edge_count && nodes[p->edges[i].node].byte == byte; i++) {
            const struct edge *e = &p->edges[i];
            if (s == TERM_NONE || e->count < least || e->count > most) continue;
            set_tokens(m->trie, e->node, out);
            walk(m, s, e->node, out);
        }
    }
}

static void add_state(struct masks *m, term state, uint64_t *out);

static void add_cat(struct masks *m, term state, term head, term rest, uint64_t *out)
{
    uint32_t least = 0, most = TERM_ANY_NUMBER;
    const struct profile *p = profile_of(m, head);
    if (!p) return;
    if (p->counts) term_times(m->terms, head, &least, &most);
    if (meet(&p->goes_on, term_starts(m->terms, rest))) {
        walk(m, state, 0, out);
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
    struct kept *k = map_get(&m->kept, key_of(&state));
    if (k) return k->bits;
    size_t size = sizeof *k + m->words * sizeof *k->bits;
    if (m->bytes_max - m->bytes < m->bytes_max / 4) forget_kept(m);
    k = masks_failed(m) ? NULL : take(m, size);
    m->failed |= !k;
    if (!k) return NULL;
    k->state = state;
    add_state(m, state, k->bits);
    if (masks_failed(m)) {
        m->bytes -= size;
        free(k);
        return NULL;
    }
    map_put(&m->kept, key_of(&k->state), k);
    return k->bits;
}
