/* SPDX-License-Identifier: Apache-2.0 */
/* What a shape demands of a property's value, or an item's. */
#include "engine/grammar/schema_priv.h"

static bool matches(struct schema_job *job, const struct json *at, struct str pattern,
                    struct str name)
{
    term p = schema__pattern(job, at, pattern);
    return !job->err && schema__text_takes(job, p, name);
}

static bool matches_any(struct schema_job *job, const struct json *patterns, struct str name)
{
    struct json_iter it = {0};
    struct str pattern;
    const struct json *v;
    while (json_type(patterns) == JSON_OBJECT && json_next_member(patterns, &it, &pattern, &v))
        if (matches(job, patterns, pattern, name)) return true;
    return false;
}

static const struct demands *by_schema(struct schema_job *job, const struct members *m,
                                       struct str name, const struct demands *list)
{
    struct json_iter it = {0};
    struct str pattern;
    const struct json *v, *named = json_get_str(m->named, name);
    bool known = named;
    if (named) list = schema__meets(job, list, named);
    while (json_type(m->patterns) == JSON_OBJECT &&
           json_next_member(m->patterns, &it, &pattern, &v)) {
        if (!matches(job, m->patterns, pattern, name)) continue;
        known = true;
        list = schema__meets(job, list, v);
    }
    return known || !m->others ? list : schema__meets(job, list, m->others);
}

bool schema__is_within(const struct demand *from, const struct unevaluated *u)
{
    for (const struct demand *d = from; d && d->kind == DEMAND_MEETS; d = d->within)
        if (d->schema == u->from->schema) return true;
    return false;
}

bool schema__evaluates_all(const struct shape *s, const struct unevaluated *u)
{
    for (const struct members *m = s->members; m; m = m->next)
        if (m->others && schema__is_within(m->from, u)) return true;
    for (const struct unevaluated *x = s->unevaluated; x; x = x->next)
        if (x != u && schema__is_within(x->from, u)) return true;
    return false;
}

static bool is_evaluated(struct schema_job *job, const struct shape *s, const struct unevaluated *u,
                         struct str name)
{
    if (schema__evaluates_all(s, u)) return true;
    for (const struct members *m = s->members; m; m = m->next)
        if (schema__is_within(m->from, u) &&
            (json_get_str(m->named, name) || matches_any(job, m->patterns, name)))
            return true;
    return false;
}

const struct demands *schema__property(struct schema_job *job, const struct shape *s,
                                       struct str name)
{
    const struct demands *list = NULL;
    for (const struct members *m = s->members; m && schema__spend(job, 1); m = m->next)
        list = by_schema(job, m, name, list);
    for (const struct unevaluated *u = s->unevaluated; u; u = u->next)
        if (!is_evaluated(job, s, u, name)) list = schema__meets(job, list, u->at);
    for (const struct demands *w = s->wrong; w; w = w->next)
        if (str_eq(w->demand.name, name)) {
            struct demand d = w->demand;
            d.name = STR_NULL;
            list = schema__with(job, list, d);
        }
    return list;
}

bool schema__is_key(struct schema_job *job, const struct demand *d, struct str name)
{
    const struct json *patterns = json_get(d->schema, "patternProperties");
    if (d->at) return matches(job, patterns, d->name, name);
    return !json_get_str(json_get(d->schema, "properties"), name) &&
           !matches_any(job, patterns, name);
}

size_t schema__prefix(const struct shape *s)
{
    size_t most = 0;
    for (const struct lists *l = s->lists; l; l = l->next)
        most = MAX(most, json_count(l->prefix));
    return most;
}

/* How many items have been looked at by schemas that apply in place; SIZE_MAX: all. */
static size_t evaluated_items(const struct shape *s, const struct unevaluated *u)
{
    size_t most = 0;
    for (const struct lists *l = s->lists; l; l = l->next)
        if (schema__is_within(l->from, u))
            most = l->rest ? SIZE_MAX : MAX(most, json_count(l->prefix));
    for (const struct unevaluated *x = s->unevaluated_items; x; x = x->next)
        if (x != u && schema__is_within(x->from, u)) return SIZE_MAX;
    return most;
}

const struct demands *schema__item(struct schema_job *job, const struct shape *s, size_t index)
{
    const struct demands *list = NULL;
    for (const struct lists *l = s->lists; l; l = l->next) {
        bool own = index < json_count(l->prefix);
        const struct json *schema = own ? json_at(l->prefix, index) : l->rest;
        struct demand d = {.kind = l->fails ? DEMAND_FAILS : DEMAND_MEETS, .schema = schema};
        if (schema && (l->fails || !schema__is_true(schema))) list = schema__with(job, list, d);
    }
    for (const struct unevaluated *u = s->unevaluated_items; u; u = u->next)
        if (index >= evaluated_items(s, u)) list = schema__meets(job, list, u->at);
    return list;
}
