/* SPDX-License-Identifier: Apache-2.0 */
/* Derivatives, and the search for a text in what has AND and NOT. */
#include "engine/grammar/terms_priv.h"

enum { ROW_EFFORT = 8 }; /* of a new row, by its size */

static term next_of_list(struct terms *t, const struct node *n, unsigned char byte)
{
    uint32_t from = t->scratch_count;
    for (uint32_t i = 0; i < n->b; i++) {
        term a = term_next(t, t->lists[n->a + i], byte);
        if (a == TERM_NONE && n->kind == TERM_KIND_AND) {
            t->scratch_count = from;
            return TERM_NONE;
        }
        if (a != TERM_NONE) terms__push(t, a);
    }
    return n->kind == TERM_KIND_OR ? terms__or_from(t, from) : terms__and_from(t, from);
}

static term next_of_cat(struct terms *t, const struct node *n, unsigned char byte)
{
    term first = term_next(t, n->a, byte);
    bool skips = t->nodes[n->a].may_end;
    term a = term_cat(t, first, n->b);
    return skips ? term_or(t, a, term_next(t, n->b, byte)) : a;
}

static term next_of_repeat(struct terms *t, const struct node *n, unsigned char byte)
{
    term first = term_next(t, n->a, byte);
    uint32_t most = n->most == TERM_ANY_NUMBER ? n->most : n->most - 1;
    return term_cat(t, first, term_repeat(t, n->a, n->least - (n->least > 0), most));
}

static term next_of_multiple(struct terms *t, const struct node *n, unsigned char byte)
{
    return term_multiple(t, n->a, (uint32_t)((n->b * UINT64_C(10) + (byte - '0')) % n->a));
}

static term if_possible(struct terms *t, term a);

/* False, and failed: there was too much. */
static bool work(struct terms *t, uint32_t amount)
{
    if (amount > t->work_max - t->work) t->failed = true;
    if (!t->failed) t->work += amount;
    return terms_spend(t, amount);
}

/* A long list takes as long as several short ones. */
static uint32_t list_work(const struct node *n)
{
    return n->kind == TERM_KIND_NOT ? 1 : 1 + n->b / 4;
}

static term compute(struct terms *t, term a, unsigned char byte)
{
    const struct node n = t->nodes[a];
    switch ((enum term_kind)n.kind) {
    case TERM_KIND_BYTE: return TERM_EMPTY;
    case TERM_KIND_CAT: return next_of_cat(t, &n, byte);
    case TERM_KIND_OR: return next_of_list(t, &n, byte);
    case TERM_KIND_REPEAT: return next_of_repeat(t, &n, byte);
    case TERM_KIND_RULE: return term_next(t, terms__rule_body(t, n.a), byte);
    case TERM_KIND_MULTIPLE: return next_of_multiple(t, &n, byte);
    case TERM_KIND_NOT: return term_not(t, term_next(t, n.a, byte));
    case TERM_KIND_AND: return if_possible(t, next_of_list(t, &n, byte));
    case TERM_KIND_NONE:
    case TERM_KIND_EMPTY: break;
    }
    return TERM_NONE;
}

/* A CAT whose beginning must come needs no row: that is its beginning's. */
static bool wants_row(const struct terms *t, const struct node *n)
{
    return n->kind != TERM_KIND_BYTE && (n->kind != TERM_KIND_CAT || t->nodes[n->a].may_end);
}

static uint32_t *new_row(struct terms *t, term a)
{
    uint32_t *row = terms_spend(t, ROW_EFFORT) ? terms__take(t, 256 * sizeof *row) : NULL;
    if (!row) return NULL;
    for (unsigned i = 0; i < 256; i++)
        row[i] = byte_set_has(&t->nodes[a].starts, (unsigned char)i) ? UNKNOWN : TERM_NONE;
    t->nodes[a].next = row;
    return row;
}

term term_next(struct terms *t, term a, unsigned char byte)
{
    const struct node *n = &t->nodes[a];
    uint32_t *row = n->next;
    if (row && row[byte] != UNKNOWN) return row[byte];
    if (!byte_set_has(&n->starts, byte)) return TERM_NONE;
    if (n->kind == TERM_KIND_CAT && t->nodes[n->a].kind == TERM_KIND_BYTE) return n->b;
    if (!row && wants_row(t, n)) row = new_row(t, a);
    if (t->depth == TERMS_DEPTH_MAX) t->failed = true;
    if (!work(t, 1)) return TERM_NONE;
    t->depth++;
    term out = compute(t, a, byte);
    t->depth--;
    if (t->failed) return TERM_NONE;
    if (row) row[byte] = out;
    return out;
}

term term_after(struct terms *t, term a, struct str text)
{
    for (size_t i = 0; i < text.len && a != TERM_NONE; i++)
        a = term_next(t, a, (unsigned char)text.ptr[i]);
    return a;
}

bool term_takes(struct terms *t, term a, struct str text)
{
    return term_may_end(t, term_after(t, a, text)) && !t->failed;
}

int term_forced(struct terms *t, term a)
{
    const struct byte_set *s = &t->nodes[a].starts;
    if (t->nodes[a].may_end || byte_set_count(s) != 1) return -1;
    for (unsigned i = 0; i < 4; i++)
        if (s->bits[i]) return (int)(i * 64) + __builtin_ctzll(s->bits[i]);
    return -1;
}

/* --- the search --- */

/* Two numbers on the scratch for each term that is looked at: itself, and where what led to it
 * lies. */
enum { SEARCH_WIDTH = 2 };

static void look_at(struct terms *t, term a, uint32_t parent)
{
    t->nodes[a].possible = POSSIBLE_NO;
    terms__push(t, a);
    terms__push(t, parent);
}

/* Only AND and NOT can turn out to take nothing: such others as do are never made. */
static enum possible known(const struct terms *t, term a)
{
    const struct node *n = &t->nodes[a];
    if (a == TERM_NONE) return POSSIBLE_NO;
    if (n->may_end || (n->kind != TERM_KIND_AND && n->kind != TERM_KIND_NOT)) return POSSIBLE_YES;
    return n->possible;
}

static term raw_next(struct terms *t, term a, unsigned char byte)
{
    const struct node n = t->nodes[a];
    if (!byte_set_has(&n.starts, byte) || !work(t, list_work(&n))) return TERM_NONE;
    if (n.kind == TERM_KIND_NOT) return terms__not(t, term_next(t, n.a, byte));
    return next_of_list(t, &n, byte);
}

/* Breadth first. What has been seen is marked NO: at the end all of it is, or what led to a text is
 * YES and the rest unknown again. */
static bool search(struct terms *t, term a)
{
    uint32_t from = t->scratch_count, last = UNKNOWN;
    look_at(t, a, UNKNOWN);
    for (uint32_t at = from; at < t->scratch_count && last == UNKNOWN; at += SEARCH_WIDTH) {
        for (unsigned byte = 0; byte < 256 && last == UNKNOWN && !t->failed; byte++) {
            term x = raw_next(t, t->scratch[at], (unsigned char)byte);
            enum possible p = known(t, x);
            if (p == POSSIBLE_YES) last = at;
            if (p == POSSIBLE_UNKNOWN) look_at(t, x, at);
        }
    }
    for (uint32_t i = from; last != UNKNOWN && i < t->scratch_count; i += SEARCH_WIDTH)
        t->nodes[t->scratch[i]].possible = POSSIBLE_UNKNOWN;
    for (uint32_t i = last; i != UNKNOWN; i = t->scratch[i + 1])
        t->nodes[t->scratch[i]].possible = POSSIBLE_YES;
    t->scratch_count = from;
    return last != UNKNOWN;
}

static term if_possible(struct terms *t, term a)
{
    enum possible p = known(t, a);
    return p == POSSIBLE_YES || (p == POSSIBLE_UNKNOWN && search(t, a)) ? a : TERM_NONE;
}

term term_and(struct terms *t, term a, term b)
{
    uint32_t from = t->scratch_count;
    if (a == b) return a;
    terms__push(t, a);
    terms__push(t, b);
    return if_possible(t, terms__and_from(t, from));
}

term term_not(struct terms *t, term a)
{
    return if_possible(t, terms__not(t, a));
}
