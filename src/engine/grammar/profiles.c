/* SPDX-License-Identifier: Apache-2.0 */
/* Walks over the vocabulary, and what they find. */
#include <stdlib.h>

#include "base/mem.h"
#include "engine/grammar/masks_priv.h"
#include "engine/grammar/terms_priv.h"

enum { STEPS_COUNTED = 256, STEPS_PER_EFFORT = 4 }; /* of a walk: in one go; each is cheap */

bool masks_failed(const struct masks *m)
{
    return m->failed || terms_failed(m->terms);
}

void *masks__take(struct masks *m, size_t size)
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

void masks__forget_profiles(struct masks *m)
{
    size_t at = 0;
    struct str key;
    void *value;
    while (map_next(&m->profiles, &at, &key, &value))
        profile_free(value);
    map_fini(&m->profiles);
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

void masks__walk(struct masks *m, term state, uint32_t node, uint64_t *bits)
{
    const struct trie_node *nodes = m->trie->nodes;
    uint32_t steps = 0;
    enter(m->terms, &m->levels[nodes[node].depth], state);
    for (uint32_t i = node + 1, end = nodes[node].end; i < end;) {
        if (++steps % STEPS_COUNTED == 0 &&
            !terms_spend(m->terms, STEPS_COUNTED / STEPS_PER_EFFORT))
            return;
        const struct trie_node *n = &nodes[i];
        term s = follow(m->terms, &m->levels[n->depth - 1], n->byte);
        if (s == TERM_NONE) {
            i = n->end;
            continue;
        }
        enter(m->terms, &m->levels[n->depth], s);
        trie_add_tokens(m->trie, i++, bits);
    }
    (void)terms_spend(m->terms, steps % STEPS_COUNTED / STEPS_PER_EFFORT + 1);
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

static void add_edge(struct masks *m, struct profile *p, uint32_t node, uint32_t times)
{
    if (grow(m, &p->edges, p->edge_count, &p->edge_cap, sizeof *p->edges))
        p->edges[p->edge_count++] = (struct edge){node, times};
}

static void add_tokens(const struct masks *m, struct profile *p, uint32_t node, uint32_t times)
{
    const struct trie_node *n = &m->trie->nodes[node];
    trie_add_tokens(m->trie, node, p->bits);
    if (!p->counts) return;
    for (uint32_t i = n->first_token; i < n[1].first_token; i++)
        p->counts_of[i] = times;
    p->most = MAX(p->most, times);
}

/* True when each plain byte leads back to the beginning. */
static bool loops(struct masks *m, term head)
{
    for (unsigned byte = 0; byte < 256; byte++)
        if (trie_is_plain((uint8_t)byte) && term_next(m->terms, head, (uint8_t)byte) != head)
            return false;
    return true;
}

/* All below a plain node, from a beginning to which each of its bytes leads back. */
static void add_plain(const struct masks *m, struct profile *p, uint32_t node, uint32_t times)
{
    const struct trie *t = m->trie;
    uint32_t above = t->nodes[node].depth - 1u, end = t->nodes[node].end;
    uint32_t first = t->nodes[node].first_token, last = t->nodes[end].first_token;
    for (uint32_t i = first; i < last; i++)
        token_set_add(p->bits, t->tokens[i]);
    for (uint32_t i = node; p->counts && i < end; i++) {
        uint32_t now = times + t->nodes[i].depth - above;
        for (uint32_t k = t->nodes[i].first_token; k < t->nodes[i + 1].first_token; k++)
            p->counts_of[k] = now;
        p->most = MAX(p->most, now);
    }
}

/* What a node leads to from the one above it. Returns the next to look at. */
static uint32_t visit(struct masks *m, struct profile *p, uint32_t node)
{
    const struct trie_node *n = &m->trie->nodes[node];
    struct level *before = &m->levels[n->depth - 1], *now = before + 1;
    if (p->loops && n->plain && before->state == p->head) {
        add_plain(m, p, node, before->count);
        return n->end;
    }
    bool could_end = before->may_end && n->depth > 1;
    term s = follow(m->terms, before, n->byte);
    if (s == TERM_NONE) {
        if (could_end) add_edge(m, p, node, before->count);
        return n->end;
    }
    if (could_end) byte_set_add(&p->goes_on, n->byte);
    enter(m->terms, now, s);
    now->count = before->count;
    if (p->counts) p->lost = !count(m, p->head, s, &now->count);
    add_tokens(m, p, node, now->count + (s != p->head));
    return node + 1;
}

/* The whole vocabulary from a beginning on. False: it failed, or repetitions cannot be told. */
static bool explore(struct masks *m, struct profile *p)
{
    p->loops = loops(m, p->head);
    for (unsigned byte = 0; p->loops && byte < 256; byte++)
        if (trie_is_plain((uint8_t)byte) && term_may_end(m->terms, p->head))
            byte_set_add(&p->goes_on, (uint8_t)byte);
    m->levels[0].count = 0;
    enter(m->terms, &m->levels[0], p->head);
    uint32_t steps = 0;
    for (uint32_t i = 1; i < m->trie->count && !p->lost && !masks_failed(m);) {
        i = visit(m, p, i);
        if (++steps % STEPS_PER_EFFORT == 0) (void)terms_spend(m->terms, 1);
    }
    return !p->lost && !masks_failed(m);
}

static bool sort_edges(const struct masks *m, struct profile *p)
{
    const struct trie_node *nodes = m->trie->nodes;
    struct edge *out = mem_try((p->edge_count + 1) * sizeof *out);
    uint32_t at[256];
    if (!out) return false;
    for (uint32_t i = 0; i < p->edge_count; i++)
        p->edges_of[nodes[p->edges[i].node].byte + 1]++;
    for (unsigned byte = 0; byte < 256; byte++)
        p->edges_of[byte + 1] += at[byte] = p->edges_of[byte];
    for (uint32_t i = 0; i < p->edge_count; i++)
        out[at[nodes[p->edges[i].node].byte]++] = p->edges[i];
    free(p->edges);
    p->edges = out;
    return true;
}

/* Those with the most repetitions first. */
static bool sort_tokens(struct masks *m, struct profile *p)
{
    uint32_t n = m->trie->token_count, sum = 0;
    p->with = masks__take(m, (p->most + 2) * sizeof *p->with);
    p->tokens = masks__take(m, (n + 1) * sizeof *p->tokens);
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
    return sort_edges(m, p) && (!p->counts || sort_tokens(m, p));
}

static struct profile *make_profile(struct masks *m, term head, bool counts)
{
    struct profile *p = masks__take(m, sizeof *p);
    if (!p) return NULL;
    *p = (struct profile){.head = head, .counts = counts};
    p->bits = masks__take(m, m->words * sizeof *p->bits);
    if (counts) p->counts_of = masks__take(m, (m->trie->token_count + 1) * sizeof *p->counts_of);
    if (!p->bits || (counts && !p->counts_of) || !explore(m, p) || !sort(m, p)) {
        profile_free(p);
        return NULL;
    }
    map_put(&m->profiles, masks__key(&p->head), p);
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
    struct profile *p = map_get(&m->profiles, masks__key(&head));
    if (!p && counts) p = make_profile(m, head, true);
    if (!p && !masks_failed(m)) p = make_profile(m, head, false);
    m->failed |= !p;
    return p;
}

const struct profile *masks__profile(struct masks *m, term head)
{
    term any = unlimited(m, head);
    const struct profile *p = any == TERM_NONE ? NULL : find_profile(m, any, true);
    return p && p->counts ? p : find_profile(m, head, false);
}
