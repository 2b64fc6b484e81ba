/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes that no value can have, and demands that all of a shape's values meet, as far as that is seen
 * without much looking: so that branches which a property's value tells apart are not combined with
 * each other. */
#include "engine/grammar/schema_priv.h"

enum { LISTS_MAX = 16 };

/* Values that a property must be among, or must not. */
struct lists_of {
    struct values all[LISTS_MAX];
    size_t count;
};

static void add(struct lists_of *l, const struct json *schema)
{
    const struct json *only = json_get(schema, "const"), *some = json_get(schema, "enum");
    if (l->count == LISTS_MAX || (!only && json_type(some) != JSON_ARRAY)) return;
    l->all[l->count++] = (struct values){.at = only ? only : some, .single = only};
}

static struct lists_of wanted(const struct shape *s, struct str name)
{
    struct lists_of l = {.count = 0};
    for (const struct members *m = s->members; m; m = m->next)
        add(&l, json_get_str(m->named, name));
    return l;
}

/* Of schemas that say nothing else. */
static struct lists_of unwanted(const struct shape *s, struct str name)
{
    struct lists_of l = {.count = 0};
    for (const struct demands *w = s->wrong; w; w = w->next)
        if (str_eq(w->demand.name, name) && json_count(w->demand.schema) == 1)
            add(&l, w->demand.schema);
    return l;
}

static bool is_left(const struct json *v, const struct lists_of *in, const struct lists_of *out)
{
    for (size_t i = 0; i < in->count; i++)
        if (!schema__is_listed(&in->all[i], v)) return false;
    for (size_t i = 0; i < out->count; i++)
        if (schema__is_listed(&out->all[i], v)) return false;
    return true;
}

static bool is_any_left(const struct lists_of *in, const struct lists_of *out)
{
    struct value_iter at = {0};
    const struct json *v;
    if (in->count == 0) return true;
    while ((v = schema__listed(&in->all[0], &at)))
        if (is_left(v, in, out)) return true;
    return false;
}

static bool has_no_value(const struct shape *s, struct str name)
{
    struct lists_of in = wanted(s, name), out = unwanted(s, name);
    return in.count + out.count > 1 && !is_any_left(&in, &out);
}

/* The property is there, and none of the values that it may have is one of the schema's. */
static bool must_be_wrong(const struct shape *s, const struct demand *d)
{
    struct lists_of in = wanted(s, d->name), out = unwanted(s, d->name);
    size_t own = in.count;
    if (s->kinds != IS_OBJECT || !own || !schema__named(s->required, d->name)) return false;
    add(&in, d->at);
    return in.count > own && !is_any_left(&in, &out);
}

bool schema__is_implied(const struct shape *s, const struct demands *way)
{
    for (; way; way = way->next) {
        const struct demand *d = &way->demand;
        bool kinds = d->kind == DEMAND_KINDS && !(s->kinds & ~d->kinds);
        if (!kinds && !(d->kind == DEMAND_WRONG && must_be_wrong(s, d))) return false;
    }
    return true;
}

static bool is_dead_number(const struct shape *s)
{
    int way = s->low.set && s->high.set ? decimal_compare(&s->low.at, &s->high.at) : -1;
    return way > 0 || (way == 0 && (s->low.strict || s->high.strict));
}

static bool is_dead_object(const struct shape *s)
{
    if (s->members_least > s->members_most) return true;
    for (const struct names *n = s->required; n; n = n->next)
        if (schema__named(s->forbidden, n->name) || has_no_value(s, n->name)) return true;
    return false;
}

bool schema__is_dead(const struct shape *s)
{
    switch (s->kinds) {
    case 0: return true;
    case IS_WHOLE:
    case IS_BROKEN:
    case IS_NUMBER: return is_dead_number(s);
    case IS_STRING: return s->length_least > s->length_most;
    case IS_ARRAY: return s->items_least > s->items_most;
    case IS_OBJECT: return is_dead_object(s);
    default: return false;
    }
}
