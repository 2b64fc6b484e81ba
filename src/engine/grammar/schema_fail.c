/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to fail a schema: one for each keyword that can be broken, and how. */
#include "engine/grammar/schema_priv.h"

struct failing {
    struct schema_job *job;
    const struct shape *shape;
    const struct demand *from; /* to be failed */
    const struct way *ways;
    bool lost;
};

typedef void (*fail_fn)(struct failing *f, struct str keyword, const struct json *at);

static void add_way(struct failing *f, const struct demands *demands)
{
    struct way *w = schema__push(f->job, &f->ways, sizeof *w);
    if (w) w->demands = demands;
}

/* A way of one demand, unless values of this shape have none of its kinds. */
static void add(struct failing *f, unsigned kinds, struct demand d)
{
    if (!(f->shape->kinds & kinds)) return;
    d.within = f->from;
    add_way(f, schema__with(f->job, NULL, d));
}

static struct demand demand(enum demand_kind kind, const struct json *schema)
{
    return (struct demand){.kind = kind, .schema = schema};
}

static const struct demands * and (struct failing * f, const struct demands *list,
                                   enum demand_kind kind, const struct json *schema)
{
    struct demand d = demand(kind, schema);
    d.within = f->from;
    return schema__with(f->job, list, d);
}

/* --- schemas in place --- */

static void fail_ref(struct failing *f, struct str keyword, const struct json *at)
{
    const struct json *target = schema__target(f->job, f->from->schema, at);
    (void)keyword;
    if (target) add(f, IS_ANY, demand(DEMAND_FAILS, target));
}

static void fail_all_of(struct failing *f, struct str keyword, const struct json *at)
{
    struct json_iter it = {0};
    const struct json *v;
    (void)keyword;
    while (json_next_item(at, &it, &v))
        add(f, IS_ANY, demand(DEMAND_FAILS, v));
}

static void fail_any_of(struct failing *f, struct str keyword, const struct json *at)
{
    struct json_iter it = {0};
    const struct json *v;
    const struct demands *all = NULL;
    (void)keyword;
    while (json_next_item(at, &it, &v))
        all = and(f, all, DEMAND_FAILS, v);
    if (all) add_way(f, all);
}

/* None of them, or two. */
static void fail_one_of(struct failing *f, struct str keyword, const struct json *at)
{
    size_t count = json_count(at);
    fail_any_of(f, keyword, at);
    f->lost |= count > 8;
    for (size_t i = 0; count <= 8 && i < count; i++)
        for (size_t k = i + 1; k < count; k++)
            add_way(f, and(f, and(f, NULL, DEMAND_MEETS, json_at(at, i)), DEMAND_MEETS,
                           json_at(at, k)));
}

static void fail_not(struct failing *f, struct str keyword, const struct json *at)
{
    (void)keyword;
    add(f, IS_ANY, demand(DEMAND_MEETS, at));
}

static void fail_if(struct failing *f, struct str keyword, const struct json *at)
{
    const struct json *then = json_get(f->from->schema, "then");
    const struct json *otherwise = json_get(f->from->schema, "else");
    (void)keyword;
    if (then) add_way(f, and(f, and(f, NULL, DEMAND_MEETS, at), DEMAND_FAILS, then));
    if (otherwise) add_way(f, and(f, and(f, NULL, DEMAND_FAILS, at), DEMAND_FAILS, otherwise));
}

/* --- values --- */

static void fail_type(struct failing *f, struct str keyword, const struct json *at)
{
    unsigned kinds = schema__kinds(at);
    struct demand d = {.kind = DEMAND_KINDS, .kinds = IS_ANY & ~kinds};
    (void)keyword;
    f->lost |= !kinds;
    if (kinds) add(f, d.kinds, d);
}

static void fail_values(struct failing *f, struct str keyword, const struct json *at)
{
    add(f, IS_ANY, (struct demand){.kind = DEMAND_OTHER, .at = at, .name = keyword});
}

static void fail_keyword(struct failing *f, unsigned kinds, struct str keyword,
                         const struct json *at)
{
    if (json_type(at) == JSON_BOOL) return; /* exclusiveMinimum of old */
    add(f, kinds,
        (struct demand){
            .kind = DEMAND_BREAKS, .schema = f->from->schema, .at = at, .name = keyword});
}

static void fail_number(struct failing *f, struct str keyword, const struct json *at)
{
    fail_keyword(f, IS_NUMBER, keyword, at);
}

static void fail_multiple(struct failing *f, struct str keyword, const struct json *at)
{
    int64_t n;
    if (json_to_i64(at, &n))
        fail_keyword(f, IS_NUMBER, keyword, at);
    else
        f->lost = true;
}

static void fail_string(struct failing *f, struct str keyword, const struct json *at)
{
    fail_keyword(f, IS_STRING, keyword, at);
}

static void fail_array(struct failing *f, struct str keyword, const struct json *at)
{
    fail_keyword(f, IS_ARRAY, keyword, at);
}

static void fail_object(struct failing *f, struct str keyword, const struct json *at)
{
    fail_keyword(f, IS_OBJECT, keyword, at);
}

/* --- parts --- */

static void fail_items(struct failing *f, struct str keyword, const struct json *at)
{
    (void)keyword;
    if (schema__is_true(at) || !(f->shape->kinds & IS_ARRAY)) return;
    if (json_type(at) == JSON_ARRAY || json_get(f->from->schema, "prefixItems"))
        f->lost = true;
    else
        add(f, IS_ARRAY, (struct demand){.kind = DEMAND_ITEM, .at = at});
}

static void fail_contains(struct failing *f, struct str keyword, const struct json *at)
{
    int64_t least = json_i64_or(f->from->schema, "minContains", 1);
    (void)keyword;
    f->lost |= least > 1 || json_get(f->from->schema, "maxContains");
    if (least == 1) add(f, IS_ARRAY, (struct demand){.kind = DEMAND_NO_ITEM, .at = at});
}

static void fail_required(struct failing *f, struct str keyword, const struct json *at)
{
    struct json_iter it = {0};
    struct demand d = {.kind = DEMAND_LACKS};
    const struct json *v;
    (void)keyword;
    while (json_type(at) == JSON_ARRAY && json_next_item(at, &it, &v))
        if (json_to_str(v, &d.name) && !schema__named(f->shape->required, d.name))
            add(f, IS_OBJECT, d);
}

static void add_wrong(struct failing *f, struct str name, const struct json *schema)
{
    if (schema__is_true(schema) || schema__named(f->shape->forbidden, name)) return;
    add(f, IS_OBJECT, (struct demand){.kind = DEMAND_WRONG, .name = name, .at = schema});
}

static void fail_properties(struct failing *f, struct str keyword, const struct json *at)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *v;
    (void)keyword;
    while (json_type(at) == JSON_OBJECT && json_next_member(at, &it, &name, &v))
        add_wrong(f, name, v);
}

/* Those that the shape names and the set has fail `at`. */
static void add_known(struct failing *f, const struct demand *key, const struct json *at)
{
    struct str name;
    const struct json *v;
    for (const struct members *m = f->shape->members; m; m = m->next) {
        struct json_iter it = {0};
        while (json_type(m->named) == JSON_OBJECT && json_next_member(m->named, &it, &name, &v))
            if (schema__is_key(f->job, key, name)) add_wrong(f, name, at);
    }
    for (const struct names *n = f->shape->required; n; n = n->next)
        if (schema__is_key(f->job, key, n->name)) add_wrong(f, n->name, at);
}

/* A property of the set is wrong. One without a place need only be there where none may: if it came
 * twice, only one of both would have to be wrong. */
static void add_key(struct failing *f, struct demand key, const struct json *at)
{
    if (schema__is_true(at) || !(f->shape->kinds & IS_OBJECT)) return;
    add_known(f, &key, at);
    if (schema__is_false(at))
        add(f, IS_OBJECT, key);
    else
        f->lost = true;
}

static void fail_others(struct failing *f, struct str keyword, const struct json *at)
{
    (void)keyword;
    add_key(f, demand(DEMAND_KEY, f->from->schema), at);
}

static void fail_patterns(struct failing *f, struct str keyword, const struct json *at)
{
    struct demand key = demand(DEMAND_KEY, f->from->schema);
    struct json_iter it = {0};
    (void)keyword;
    while (json_type(at) == JSON_OBJECT && json_next_member(at, &it, &key.name, &key.at))
        add_key(f, key, key.at);
}

/* There are ways to break it, none of which can be said. */
static void fail_lost(struct failing *f, struct str keyword, const struct json *at)
{
    (void)keyword;
    (void)at;
    f->lost = true;
}

static const struct {
    struct str name;
    fail_fn fail;
} keywords[] = {
    {STR_INIT("$ref"), fail_ref},
    {STR_INIT("$dynamicRef"), fail_lost},
    {STR_INIT("$recursiveRef"), fail_lost},
    {STR_INIT("allOf"), fail_all_of},
    {STR_INIT("anyOf"), fail_any_of},
    {STR_INIT("oneOf"), fail_one_of},
    {STR_INIT("not"), fail_not},
    {STR_INIT("if"), fail_if},
    {STR_INIT("dependencies"), fail_lost},
    {STR_INIT("dependentRequired"), fail_lost},
    {STR_INIT("dependentSchemas"), fail_lost},
    {STR_INIT("type"), fail_type},
    {STR_INIT("enum"), fail_values},
    {STR_INIT("const"), fail_values},
    {STR_INIT("minimum"), fail_number},
    {STR_INIT("maximum"), fail_number},
    {STR_INIT("exclusiveMinimum"), fail_number},
    {STR_INIT("exclusiveMaximum"), fail_number},
    {STR_INIT("multipleOf"), fail_multiple},
    {STR_INIT("minLength"), fail_string},
    {STR_INIT("maxLength"), fail_string},
    {STR_INIT("pattern"), fail_string},
    {STR_INIT("format"), fail_lost},
    {STR_INIT("items"), fail_items},
    {STR_INIT("prefixItems"), fail_lost},
    {STR_INIT("unevaluatedItems"), fail_lost},
    {STR_INIT("minItems"), fail_array},
    {STR_INIT("maxItems"), fail_array},
    {STR_INIT("uniqueItems"), fail_lost},
    {STR_INIT("contains"), fail_contains},
    {STR_INIT("required"), fail_required},
    {STR_INIT("properties"), fail_properties},
    {STR_INIT("patternProperties"), fail_patterns},
    {STR_INIT("additionalProperties"), fail_others},
    {STR_INIT("unevaluatedProperties"), fail_lost},
    {STR_INIT("minProperties"), fail_object},
    {STR_INIT("maxProperties"), fail_object},
    {STR_INIT("propertyNames"), fail_lost},
};

static void fail_member(struct failing *f, struct str name, const struct json *at)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (str_eq(keywords[i].name, name)) keywords[i].fail(f, keywords[i].name, at);
}

const struct way *schema__ways_to_fail(struct schema_job *job, const struct shape *shape,
                                       const struct demand *d, bool *lost)
{
    struct failing f = {.job = job, .shape = shape, .from = d};
    const struct json *ref = json_get(d->schema, "$ref"), *v;
    bool only_ref = job->old_refs && json_type(ref) == JSON_STRING;
    struct json_iter it = {0};
    struct str name;
    *lost = false;
    if (schema__circles(job, d)) return NULL;
    schema__check(job, d->schema); /* $ref leads also to what is no schema */
    if (schema__is_false(d->schema)) add_way(&f, NULL);
    if (only_ref) fail_ref(&f, STR("$ref"), ref);
    while (!only_ref && json_type(d->schema) == JSON_OBJECT &&
           json_next_member(d->schema, &it, &name, &v))
        fail_member(&f, name, v);
    *lost = f.lost;
    return f.ways;
}
