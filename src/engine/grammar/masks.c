/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/masks.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "engine/grammar/terms_priv.h"

/* Where a token goes on behind what a state begins with. */
struct edge {
    uint32_t node;  /* its next byte's */
    uint32_t count; /* complete repetitions before it */
};

/* Of a walk: what one of the bytes so far has led to. */
struct level {
    term state;
    const uint32_t *row; /* what follows it; NULL: to be asked for */
    uint32_t count;      /* complete repetitions */
    bool may_end;
};

/* What a walk over the vocabulary found for a beginning. */
struct profile {
    term head;
    bool counts;             /* it stands for every number of its repetitions */
    struct byte_set goes_on; /* bytes that it takes where it could end, too */
    uint64_t *bits;          /* tokens that end within it */
    struct edge *edges;      /* by byte */
    uint32_t edge_count, edge_cap;
    uint32_t
        *counts_of;  /* by place in the trie's tokens: repetitions that it begins; 0: not in it */
    int32_t *tokens; /* those in it, most repetitions first */
    uint32_t *with;  /* [n]: how many of these have more than n */
    uint32_t most;   /* of any token */
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
    struct map profiles;  /* by head */
    struct map kept;      /* by state */
    uint64_t *spare;      /* of one beginning */
    struct level *levels; /* of a walk, by depth */
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

static void profile_free(struct profile *p)
{
    if (!p) return;
    free(p->bits);
    free(p->edges);
    free(p->counts_of);
    free(p->tokens);
    free(p->with);
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
    free(m->levels);
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

static void enter(const struct terms *t, struct level *l, term state)
{
    const struct node *n = &t->nodes[state];
    l->state = state;
    l->row = n->next;
    l->may_end = n->may_end;
}

static inline term follow(struct terms *t, struct level *before, uint8_t byte)
{
    if (before->row && before->row[byte] != UNKNOWN) return before->row[byte];
    term s = term_next(t, before->state, byte);
    before->row = t->nodes[before->state].next;
    return s;
}

/* Sets the tokens below a node that has led to `state`. */
static void walk(struct masks *m, term state, uint32_t node, uint64_t *bits)
{
    const struct trie_node *nodes = m->trie->nodes;
    enter(m->terms, &m->levels[nodes[node].depth], state);
    for (uint32_t i = node + 1, end = nodes[node].end; i < end;) {
        const struct trie_node *n = &nodes[i];
        term s = follow(m->terms, &m->levels[n->depth - 1], n->byte);
        if (s == TERM_NONE) {
            i = n->end;
            continue;
        }
        enter(m->terms, &m->levels[n->depth], s);
        set_tokens(m->trie, i++, bits);
    }
}

/* How often a repeated term was there, once `state` was reached from a state where it was `before`
 * times. False: it cannot be told. */
static bool count(struct masks *m, term head, term state, uint32_t *times)
{
    *times += state == head;
    while (state != head) {
        if (term_kind(m->terms, state) != TERM_KIND_CAT ||
            term_may_end(m->terms, term_first(m->terms, state)))
            return false;
        state = term_rest(m->terms, state);
    }
    return true;
}

static bool add_edge(struct masks *m, struct profile *p, uint32_t node, uint32_t times)
{
    if (!grow(m, &p->edges, p->edge_count, &p->edge_cap, sizeof *p->edges)) return false;
    p->edges[p->edge_count++] = (struct edge){node, times};
    return true;
}

static void add_tokens(const struct masks *m, struct profile *p, uint32_t node, uint32_t times)
{
    const struct trie_node *n = &m->trie->nodes[node];
    set_tokens(m->trie, node, p->bits);
    if (!p->counts) return;
    for (uint32_t i = n->first_token; i < n[1].first_token; i++)
        p->counts_of[i] = times;
    p->most = MAX(p->most, times);
}

/* The whole vocabulary from a beginning on. False: it failed, or does not count. */
static bool explore(struct masks *m, struct profile *p)
{
    const struct trie_node *nodes = m->trie->nodes;
    bool good = true;
    m->levels[0].count = 0;
    enter(m->terms, &m->levels[0], p->head);
    for (uint32_t i = 1; i < m->trie->count && good;) {
        const struct trie_node *n = &nodes[i];
        struct level *before = &m->levels[n->depth - 1], *now = before + 1;
        term s = follow(m->terms, before, n->byte);
        bool could_end = before->may_end && n->depth > 1;
        if (s == TERM_NONE) {
            if (could_end) good = add_edge(m, p, i, before->count);
            i = n->end;
            continue;
        }
        if (could_end) byte_set_add(&p->goes_on, n->byte);
        enter(m->terms, now, s);
        now->count = before->count;
        if (p->counts) good = count(m, p->head, s, &now->count);
        add_tokens(m, p, i++, now->count + (s != p->head));
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

/* Those with the most repetitions first. */
static bool sort_tokens(struct masks *m, struct profile *p)
{
    uint32_t n = m->trie->token_count, sum = 0;
    p->with = take(m, (p->most + 2) * sizeof *p->with);
    p->tokens = take(m, (n + 1) * sizeof *p->tokens);
    if (!p->with || !p->tokens) return false;
    for (uint32_t i = 0; i < n; i++)
        p->with[p->counts_of[i]]++;
    for (uint32_t k = p->most + 1; k-- > 0;) {
        uint32_t have = p->with[k];
        p->with[k] = sum;
        sum += have;
    }
    for (uint32_t i = 0; i < n; i++) /* each begins where those with more end */
        p->tokens[p->with[p->counts_of[i]]++] = m->trie->tokens[i];
    for (uint32_t k = 0; k < p->most; k++)
        p->with[k] = p->with[k + 1];
    p->with[p->most] = 0;
    return true;
}

static bool sort(struct masks *m, struct profile *p)
{
    struct edge *edges = mem_try((p->edge_count + 1) * sizeof *edges);
    if (!edges) return false;
    sort_edges(p, m->trie->nodes, edges);
    free(p->edges);
    p->edges = edges;
    return !p->counts || sort_tokens(m, p);
}

static struct profile *make_profile(struct masks *m, term head, bool counts)
{
    struct profile *p = take(m, sizeof *p);
    if (!p) return NULL;
    *p = (struct profile){.head = head, .counts = counts};
    p->bits = take(m, m->words * sizeof *p->bits);
    if (counts) p->counts_of = take(m, (m->trie->token_count + 1) * sizeof *p->counts_of);
    if (!p->bits || (counts && !p->counts_of) || !explore(m, p) || !sort(m, p)) {
        profile_free(p);
        return NULL;
    }
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
