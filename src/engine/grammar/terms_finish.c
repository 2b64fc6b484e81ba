/* SPDX-License-Identifier: Apache-2.0 */
/* The end of making a set, and how another one takes it over. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/grammar/terms_priv.h"

uint32_t terms_add_rule(struct terms *t)
{
    if (!terms__grow(t, &t->rules, t->rule_count, &t->rule_cap, sizeof *t->rules)) return 0;
    t->rules[t->rule_count] = (struct rule){.body = UNKNOWN};
    return t->rule_count++;
}

void terms_set_rule(struct terms *t, uint32_t rule, term body)
{
    if (!t->failed) t->rules[rule].body = body;
}

term term_rule(struct terms *t, uint32_t rule)
{
    struct node n = {.kind = TERM_KIND_RULE, .has_rules = true, .a = rule};
    if (t->failed) return TERM_NONE;
    if (t->source_count) {
        n.may_end = t->rules[rule].may_end;
        n.starts = t->rules[rule].starts;
    }
    return terms__intern(t, &n);
}

/* --- what is known of each term once all rules are there --- */

static void learn_list(const struct terms *t, struct node *n)
{
    n->possible = POSSIBLE_NO;
    n->may_end = false;
    for (uint32_t i = 0; i < n->b; i++) {
        const struct node *x = &t->nodes[t->lists[n->a + i]];
        if (x->possible != POSSIBLE_YES) continue;
        n->possible = POSSIBLE_YES;
        n->may_end |= x->may_end;
        n->starts = byte_set_or(n->starts, &x->starts);
    }
}

static void learn_cat(const struct terms *t, struct node *n)
{
    const struct node *x = &t->nodes[n->a], *y = &t->nodes[n->b];
    bool both = x->possible == POSSIBLE_YES && y->possible == POSSIBLE_YES;
    n->possible = both ? POSSIBLE_YES : POSSIBLE_NO;
    n->may_end = both && x->may_end && y->may_end;
    n->starts = x->may_end ? byte_set_or(x->starts, &y->starts) : x->starts;
}

static void learn_repeat(const struct terms *t, struct node *n)
{
    const struct node *x = &t->nodes[n->a];
    n->may_end = !n->least || x->may_end;
    n->possible = !n->least || x->possible == POSSIBLE_YES ? POSSIBLE_YES : POSSIBLE_NO;
    n->starts = x->starts;
}

static void learn(const struct terms *t, struct node *n)
{
    if (!n->has_rules) {
        n->possible = n->kind == TERM_KIND_NONE ? POSSIBLE_NO : POSSIBLE_YES;
        return;
    }
    if (n->kind == TERM_KIND_OR) learn_list(t, n);
    if (n->kind == TERM_KIND_CAT) learn_cat(t, n);
    if (n->kind == TERM_KIND_REPEAT) learn_repeat(t, n);
    if (n->kind == TERM_KIND_RULE) {
        const struct rule *r = &t->rules[n->a];
        n->possible = r->possible ? POSSIBLE_YES : POSSIBLE_NO;
        n->may_end = r->may_end;
        n->starts = r->starts;
    }
}

/* Parts have smaller numbers than what they are part of, so one pass does for given rules. */
static bool learn_all(struct terms *t)
{
    bool changed = false;
    for (uint32_t i = 0; i < t->count; i++)
        learn(t, &t->nodes[i]);
    for (uint32_t i = 0; i < t->rule_count; i++) {
        struct rule *r = &t->rules[i];
        const struct node *n = &t->nodes[r->body == UNKNOWN ? TERM_NONE : r->body];
        bool possible = n->possible == POSSIBLE_YES;
        changed |= r->possible != possible || r->may_end != n->may_end ||
                   memcmp(&r->starts, &n->starts, sizeof r->starts) != 0;
        r->possible = possible;
        r->may_end = n->may_end;
        r->starts = n->starts;
    }
    return changed;
}

/* --- left recursion --- */

enum { UNVISITED, VISITING, VISITED };

/* 0, ERR_INVALID: one of the rules that `a` begins with begins with itself; ERR_TOO_LARGE: they are
 * too deep in each other. */
static int walk(struct terms *t, term a, unsigned depth, uint32_t *rule)
{
    int err = 0;
    if (depth > TERMS_DEPTH_MAX / 2) return ERR_TOO_LARGE;
    for (; !err && t->nodes[a].kind == TERM_KIND_CAT && t->nodes[a].has_rules; a = t->nodes[a].b) {
        err = walk(t, t->nodes[a].a, depth + 1, rule);
        if (!t->nodes[t->nodes[a].a].may_end) return err;
    }
    const struct node *n = &t->nodes[a];
    if (err || !n->has_rules) return err;
    for (uint32_t i = 0; !err && n->kind == TERM_KIND_OR && i < n->b; i++)
        err = walk(t, t->lists[n->a + i], depth + 1, rule);
    if (err || n->kind == TERM_KIND_OR) return err;
    if (n->kind == TERM_KIND_REPEAT) return walk(t, n->a, depth + 1, rule);
    struct rule *r = &t->rules[n->a];
    if (r->visited == VISITED || r->body == UNKNOWN) return 0;
    if (r->visited == VISITING) {
        *rule = n->a;
        return ERR_INVALID;
    }
    r->visited = VISITING;
    err = walk(t, r->body, depth + 1, rule);
    r->visited = VISITED;
    return err;
}

int terms_finish(struct terms *t, term root, uint32_t *rule)
{
    uint32_t which = 0;
    int err = 0;
    if (t->failed) return ERR_TOO_LARGE;
    while (learn_all(t))
        ;
    for (uint32_t i = 0; !err && i < t->rule_count; i++)
        if (t->rules[i].visited == UNVISITED) err = walk(t, term_rule(t, i), 0, &which);
    if (t->failed) return ERR_TOO_LARGE;
    if (err == ERR_INVALID && rule) *rule = which;
    if (err) return err;
    t->root = t->nodes[root].possible == POSSIBLE_YES ? root : TERM_NONE;
    t->finished = true;
    return 0;
}

term terms_root(const struct terms *t)
{
    return t->root;
}

/* --- taking over --- */

static struct source *find_source(struct terms *t, const struct terms *from)
{
    for (uint32_t i = 0; i < t->source_count; i++)
        if (t->sources[i].from == from) return &t->sources[i];
    return NULL;
}

static struct source *add_source(struct terms *t, struct terms *from)
{
    if (!terms__grow(t, &t->sources, t->source_count, &t->source_cap, sizeof *t->sources))
        return NULL;
    struct source *s = &t->sources[t->source_count];
    *s = (struct source){.first_rule = t->rule_count};
    s->map = terms__take(t, from->count * sizeof *s->map);
    if (!s->map) return NULL;
    memset(s->map, 0xff, from->count * sizeof *s->map);
    s->from = terms_share(from);
    t->source_count++;
    for (uint32_t i = 0; i < from->rule_count; i++) {
        if (!terms__grow(t, &t->rules, t->rule_count, &t->rule_cap, sizeof *t->rules)) return NULL;
        struct rule *r = &t->rules[t->rule_count++];
        *r = from->rules[i];
        r->body = UNKNOWN;
        r->source = t->source_count - 1;
        r->number = i;
    }
    return s;
}

static term import(struct terms *t, uint32_t source, term a);

static term import_list(struct terms *t, uint32_t source, const struct node *n)
{
    const struct terms *from = t->sources[source].from;
    uint32_t mark = t->scratch_count;
    for (uint32_t i = 0; i < n->b; i++)
        terms__push(t, import(t, source, from->lists[n->a + i]));
    return n->kind == TERM_KIND_OR ? terms__or_from(t, mark) : terms__and_from(t, mark);
}

/* Along the whole of a CAT, whose end is made first. */
static term import_cat(struct terms *t, uint32_t source, term a)
{
    const struct terms *from = t->sources[source].from;
    uint32_t mark = t->scratch_count;
    for (; from->nodes[a].kind == TERM_KIND_CAT; a = from->nodes[a].b)
        terms__push(t, a);
    term out = import(t, source, a);
    while (t->scratch_count > mark && !t->failed) {
        term x = t->scratch[--t->scratch_count];
        out = term_cat(t, import(t, source, from->nodes[x].a), out);
        t->sources[source].map[x] = out;
    }
    t->scratch_count = mark;
    return out;
}

static term import_new(struct terms *t, uint32_t source, term a)
{
    const struct node *n = &t->sources[source].from->nodes[a];
    switch ((enum term_kind)n->kind) {
    case TERM_KIND_BYTE: return term_bytes(t, &n->starts);
    case TERM_KIND_CAT: return import_cat(t, source, a);
    case TERM_KIND_OR:
    case TERM_KIND_AND: return import_list(t, source, n);
    case TERM_KIND_NOT: return terms__not(t, import(t, source, n->a));
    case TERM_KIND_REPEAT: return term_repeat(t, import(t, source, n->a), n->least, n->most);
    case TERM_KIND_RULE: return term_rule(t, t->sources[source].first_rule + n->a);
    case TERM_KIND_MULTIPLE: return term_multiple(t, n->a, n->b);
    case TERM_KIND_EMPTY: return TERM_EMPTY;
    case TERM_KIND_NONE: break;
    }
    return TERM_NONE;
}

static term import(struct terms *t, uint32_t source, term a)
{
    if (t->failed || t->sources[source].from->nodes[a].possible != POSSIBLE_YES) return TERM_NONE;
    term out = t->sources[source].map[a];
    if (out != UNKNOWN) return out;
    out = import_new(t, source, a);
    t->sources[source].map[a] = out;
    return t->failed ? TERM_NONE : out;
}

term terms__rule_body(struct terms *t, uint32_t rule)
{
    const struct rule *r = &t->rules[rule];
    if (r->body != UNKNOWN) return r->body;
    uint32_t source = r->source;
    term body = import(t, source, t->sources[source].from->rules[r->number].body);
    t->rules[rule].body = body;
    return body;
}

term terms_import(struct terms *t, struct terms *from)
{
    assert(from->finished && !t->finished);
    struct source *s = find_source(t, from);
    if (!s) s = add_source(t, from);
    return s && !t->failed ? import(t, (uint32_t)(s - t->sources), from->root) : TERM_NONE;
}
