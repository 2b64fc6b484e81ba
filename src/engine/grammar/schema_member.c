/* SPDX-License-Identifier: Apache-2.0 */
/* What a shape demands of a property's value, or an item's. */
#include "engine/grammar/schema_priv.h"

static const struct demands *meets(struct schema_job *job, const struct demands *list,
                                   const struct json *schema)
{
    if (schema__is_true(schema)) return list;
    return schema__with(job, list, (struct demand){.kind = DEMAND_MEETS, .schema = schema});
}

static const struct demands *by_schema(struct schema_job *job, const struct members *m,
                                       struct str name, const struct demands *list)
{
    struct json_iter it = {0};
    struct str pattern;
    const struct json *v, *named = schema__member(m->named, name);
    bool known = named;
    if (named) list = meets(job, list, named);
    while (json_type(m->patterns) == JSON_OBJECT &&
           json_next_member(m->patterns, &it, &pattern, &v)) {
        term p = schema__pattern(job, m->patterns, pattern);
        if (job->err || !schema__text_takes(job, p, name)) continue;
        known = true;
        list = meets(job, list, v);
    }
    return known || !m->others ? list : meets(job, list, m->others);
}

const struct demands *schema__property(struct schema_job *job, const struct shape *s,
                                       struct str name)
{
    const struct demands *list = NULL;
    for (const struct members *m = s->members; m; m = m->next)
        list = by_schema(job, m, name, list);
    for (const struct demands *w = s->wrong; w; w = w->next)
        if (str_eq(w->demand.name, name)) {
            struct demand d = w->demand;
            d.name = STR_NULL;
            list = schema__with(job, list, d);
        }
    return list;
}

size_t schema__prefix(const struct shape *s)
{
    size_t most = 0;
    for (const struct lists *l = s->lists; l; l = l->next)
        most = MAX(most, json_count(l->prefix));
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
    return list;
}
