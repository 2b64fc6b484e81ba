/* SPDX-License-Identifier: Apache-2.0 */
/* Goals: lists of demands, each of which becomes a term once. What has members or items is a rule,
 * whose body is made later: so schemas may refer to each other as they like. */
#include <stdlib.h>

#include "base/err.h"
#include "engine/grammar/chars.h"
#include "engine/grammar/schema_priv.h"

/* --- each goal once --- */

static int compare_pointers(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;
    return x < y ? -1 : x > y;
}

static int compare_demands(const void *a, const void *b)
{
    const struct demand *x = a, *y = b;
    int way = compare_pointers(x->schema, y->schema);
    if (!way) way = compare_pointers(x->at, y->at);
    if (!way) way = (int)x->kind - (int)y->kind;
    if (!way) way = (int)x->kinds - (int)y->kinds;
    return way ? way : str_cmp(x->name, y->name);
}

enum { HOPS_MAX = 16 };

/* A schema that is only a $ref means what it refers to, which so becomes one goal for all. */
static struct demand straight(struct schema_job *job, struct demand d)
{
    const struct json *ref = json_get(d.schema, "$ref");
    for (unsigned i = 0; d.kind == DEMAND_MEETS && json_type(ref) == JSON_STRING; i++) {
        if (i == HOPS_MAX || job->err || (json_count(d.schema) > 1 && !job->old_refs)) break;
        d.schema = schema__target(job, d.schema, ref);
        ref = json_get(d.schema, "$ref");
    }
    return d;
}

/* The list in an order of its own, each demand once. */
static void set_demands(struct schema_job *job, struct goal *g, const struct demands *list)
{
    size_t count = 0, kept = 0;
    for (const struct demands *x = list; x; x = x->next)
        count++;
    struct demand *all = schema__take(job, (count + 1) * sizeof *all);
    if (!all) return;
    for (size_t i = 0; i < count; i++, list = list->next) {
        all[i] = straight(job, list->demand);
        all[i].within = NULL;
    }
    if (count) qsort(all, count, sizeof *all, compare_demands);
    for (size_t i = 0; i < count; i++)
        if (!kept || compare_demands(&all[kept - 1], &all[i]) != 0) all[kept++] = all[i];
    g->demands = all;
    g->count = kept;
}

static size_t hash(const struct goal *g)
{
    uint64_t h = g->count;
    for (size_t i = 0; i < g->count; i++) {
        h = (h ^ (uintptr_t)g->demands[i].schema) * 0x9e3779b97f4a7c15u;
        h = (h ^ (uintptr_t)g->demands[i].at ^ g->demands[i].kind) * 0x9e3779b97f4a7c15u;
    }
    return (size_t)(h >> 32) % SCHEMA_GOALS;
}

static bool same(const struct goal *a, const struct goal *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (compare_demands(&a->demands[i], &b->demands[i]) != 0) return false;
    return true;
}

static struct goal *find(struct schema_job *job, const struct goal *wanted, size_t slot)
{
    for (struct goal *g = job->goals[slot]; g; g = g->same_hash)
        if (same(g, wanted)) return g;
    return NULL;
}

/* --- its term --- */

static term alone(struct schema_job *job, const struct shape *s, unsigned kind, struct str text)
{
    return s->kinds & kind ? term_text(job->t, text) : TERM_NONE;
}

static term string(struct schema_job *job, const struct shape *s)
{
    term quote = term_byte(job->t, '"'), text = schema__string(job, s);
    return term_cat(job->t, quote, term_cat(job->t, text, quote));
}

static term listed(struct schema_job *job, const struct shape *s)
{
    struct value_iter at = {0};
    const struct json *v;
    struct term_list list = {0};
    while ((v = schema__next_value(job, s, &at)))
        schema__add_term(job, &list, schema__value(job, v, s->kinds));
    return schema__one_of(job, &list);
}

term schema__scalars(struct schema_job *job, const struct shape *s)
{
    if (s->values) return listed(job, s);
    const term all[] = {
        alone(job, s, IS_NULL, STR("null")),
        alone(job, s, IS_TRUE, STR("true")),
        alone(job, s, IS_FALSE, STR("false")),
        schema__number(job, s),
        string(job, s),
    };
    return term_or_all(job->t, all, ARRAY_LEN(all));
}

struct gathering {
    struct goal *goal;
    struct term_list scalars;
    size_t shapes;
};

static bool gather(struct schema_job *job, const struct shape *s, void *user)
{
    struct gathering *g = user;
    if (g->shapes++ >= SCHEMA_SHAPES_MAX) schema__fail(job, ERR_TOO_LARGE);
    schema__add_term(job, &g->scalars, schema__scalars(job, s));
    if (s->values || !(s->kinds & (IS_ARRAY | IS_OBJECT))) return !job->err;
    struct shapes *made = schema__push(job, &g->goal->shapes, sizeof *made);
    if (made) made->shape = *s;
    return !job->err;
}

static void open_rule(struct schema_job *job, struct goal *g)
{
    g->rule = terms_add_rule(job->t);
    g->term = term_or(job->t, g->term, term_rule(job->t, g->rule));
    *job->open_end = g;
    job->open_end = &g->next;
}

term schema__goal(struct schema_job *job, const struct demands *list)
{
    struct goal *g = schema__take(job, sizeof *g);
    if (!g) return TERM_NONE;
    set_demands(job, g, list);
    size_t slot = hash(g);
    struct goal *known = find(job, g, slot);
    if (known) return known->term;
    g->same_hash = job->goals[slot];
    job->goals[slot] = g;
    struct gathering gathering = {.goal = g};
    (void)schema__each_of(job, list, gather, &gathering);
    g->term = schema__one_of(job, &gathering.scalars);
    if (g->shapes) open_rule(job, g);
    return job->err ? TERM_NONE : g->term;
}

/* --- names --- */

static bool gather_names(struct schema_job *job, const struct shape *s, void *user)
{
    struct term_list *texts = user;
    struct value_iter at = {0};
    const struct json *v;
    struct str text;
    if (!s->values) schema__add_term(job, texts, schema__string(job, s));
    while (s->values && (v = schema__next_value(job, s, &at)))
        if (json_to_str(v, &text))
            schema__add_term(job, texts, chars_text(job->t, text, CHARS_JSON));
    return !job->err;
}

term schema__key(struct schema_job *job, const struct demands *list)
{
    struct term_list texts = {0};
    (void)schema__each_of(job, list, gather_names, &texts);
    return term_and(job->t, schema__plain_text(job), schema__one_of(job, &texts));
}
