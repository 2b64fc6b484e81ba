/* SPDX-License-Identifier: Apache-2.0 */
/* Demands, read into a shape: what each keyword means for it. */
#include "base/err.h"
#include "engine/grammar/schema_priv.h"

void schema__init_shape(struct shape *s)
{
    *s = (struct shape){.kinds = IS_ANY,
                        .length_most = SCHEMA_NO_LIMIT,
                        .items_most = SCHEMA_NO_LIMIT,
                        .members_most = SCHEMA_NO_LIMIT};
}

typedef void (*read_fn)(struct schema_job *job, struct shape *s, const struct demand *from,
                        const struct json *at);

static struct demand meets(const struct json *schema, const struct demand *within)
{
    return (struct demand){.kind = DEMAND_MEETS, .schema = schema, .within = within};
}

/* --- schemas in place --- */

static void read_ref(struct schema_job *job, struct shape *s, const struct demand *from,
                     const struct json *at)
{
    const struct json *target = schema__target(job, from->schema, at);
    struct demand d = meets(target, from);
    if (target) schema__read(job, s, &d);
}

static void read_dynamic(struct schema_job *job, struct shape *s, const struct demand *from,
                         const struct json *at)
{
    (void)s;
    (void)at;
    schema__refuse(job, from->schema, "$dynamicRef", "it is not supported");
}

static void read_all_of(struct schema_job *job, struct shape *s, const struct demand *from,
                        const struct json *at)
{
    struct json_iter it = {0};
    const struct json *v;
    while (json_type(at) == JSON_ARRAY && json_next_item(at, &it, &v)) {
        struct demand d = meets(v, from);
        schema__read(job, s, &d);
    }
}

static void open_choice(struct schema_job *job, struct shape *s, enum choice_kind kind,
                        const struct demand *from, const struct json *at)
{
    struct choice *c = schema__push(job, &s->choices, sizeof *c);
    if (!c) return;
    c->kind = kind;
    c->from = *from;
    c->at = at;
}

static void read_any_of(struct schema_job *job, struct shape *s, const struct demand *from,
                        const struct json *at)
{
    open_choice(job, s, CHOICE_ANY, from, at);
}

static void read_one_of(struct schema_job *job, struct shape *s, const struct demand *from,
                        const struct json *at)
{
    open_choice(job, s, CHOICE_ONE, from, at);
}

static void read_if(struct schema_job *job, struct shape *s, const struct demand *from,
                    const struct json *at)
{
    if (json_get(from->schema, "then") || json_get(from->schema, "else"))
        open_choice(job, s, CHOICE_IF, from, at);
}

static void read_not(struct schema_job *job, struct shape *s, const struct demand *from,
                     const struct json *at)
{
    struct demand d = {.kind = DEMAND_FAILS, .schema = at, .within = from};
    s->fails = schema__with(job, s->fails, d);
}

static void read_dependencies(struct schema_job *job, struct shape *s, const struct demand *from,
                              const struct json *at)
{
    struct json_iter it = {0};
    struct demand d = *from;
    const struct json *v;
    while (json_type(at) == JSON_OBJECT && json_next_member(at, &it, &d.name, &v))
        open_choice(job, s, CHOICE_DEPEND, &d, v);
}

/* --- any kind --- */

static void read_type(struct schema_job *job, struct shape *s, const struct demand *from,
                      const struct json *at)
{
    (void)job;
    (void)from;
    s->kinds &= schema__kinds(at);
}

static void read_values(struct schema_job *job, struct shape *s, const struct json *at, bool single)
{
    struct values *v = schema__push(job, &s->values, sizeof *v);
    if (!v) return;
    v->at = at;
    v->single = single;
}

static void read_enum(struct schema_job *job, struct shape *s, const struct demand *from,
                      const struct json *at)
{
    (void)from;
    read_values(job, s, at, false);
}

static void read_const(struct schema_job *job, struct shape *s, const struct demand *from,
                       const struct json *at)
{
    (void)from;
    read_values(job, s, at, true);
}

/* --- numbers --- */

static const char too_many_digits[] = "it must be a number of no more than 400 digits";

static void raise(struct bound *b, const struct bound *other)
{
    int way = b->set ? decimal_compare(&other->at, &b->at) : 1;
    if (way > 0 || (way == 0 && other->strict)) *b = *other;
}

static void lower(struct bound *b, const struct bound *other)
{
    int way = b->set ? decimal_compare(&other->at, &b->at) : -1;
    if (way < 0 || (way == 0 && other->strict)) *b = *other;
}

static void bound(struct schema_job *job, struct shape *s, const struct demand *from,
                  const struct json *at, bool is_low, bool strict)
{
    struct bound b = {.set = true, .strict = strict};
    if (decimal_of(&job->arena, at, &b.at)) {
        schema__refuse(job, from->schema, is_low ? "minimum" : "maximum", too_many_digits);
        return;
    }
    if (is_low)
        raise(&s->low, &b);
    else
        lower(&s->high, &b);
}

static void read_minimum(struct schema_job *job, struct shape *s, const struct demand *from,
                         const struct json *at)
{
    bound(job, s, from, at, true, json_bool_or(from->schema, "exclusiveMinimum", false));
}

static void read_maximum(struct schema_job *job, struct shape *s, const struct demand *from,
                         const struct json *at)
{
    bound(job, s, from, at, false, json_bool_or(from->schema, "exclusiveMaximum", false));
}

static void read_above(struct schema_job *job, struct shape *s, const struct demand *from,
                       const struct json *at)
{
    if (json_type(at) != JSON_BOOL) bound(job, s, from, at, true, true);
}

static void read_below(struct schema_job *job, struct shape *s, const struct demand *from,
                       const struct json *at)
{
    if (json_type(at) != JSON_BOOL) bound(job, s, from, at, false, true);
}

static void read_multiple(struct schema_job *job, struct shape *s, const struct demand *from,
                          const struct json *at)
{
    struct numbers *m = schema__push(job, &s->multiples, sizeof *m);
    if (!m) return;
    m->at = from->schema;
    m->breaks = from->kind == DEMAND_BREAKS;
    if (decimal_of(&job->arena, at, &m->of))
        schema__refuse(job, from->schema, "multipleOf", too_many_digits);
}

/* --- limits --- */

static void at_least(struct schema_job *job, const struct demand *from, const char *keyword,
                     const struct json *at, uint64_t *least)
{
    uint64_t n;
    if (schema__limit(job, from->schema, str_of(keyword), at, &n)) *least = MAX(*least, n);
}

static void at_most(struct schema_job *job, const struct demand *from, const char *keyword,
                    const struct json *at, uint64_t *most)
{
    uint64_t n;
    if (schema__limit(job, from->schema, str_of(keyword), at, &n)) *most = MIN(*most, n);
}

#define LIMIT(fn, keyword, way, field)                                                 \
    static void fn(struct schema_job *job, struct shape *s, const struct demand *from, \
                   const struct json *at)                                              \
    {                                                                                  \
        way(job, from, keyword, at, &s->field);                                        \
    }
LIMIT(read_min_length, "minLength", at_least, length_least)
LIMIT(read_max_length, "maxLength", at_most, length_most)
LIMIT(read_min_items, "minItems", at_least, items_least)
LIMIT(read_max_items, "maxItems", at_most, items_most)
LIMIT(read_max_members, "maxProperties", at_most, members_most)
#undef LIMIT

static void read_min_members(struct schema_job *job, struct shape *s, const struct demand *from,
                             const struct json *at)
{
    at_least(job, from, "minProperties", at, &s->members_least);
    s->members_at = from->schema;
}

/* --- strings --- */

static void add_string(struct schema_job *job, struct shape *s, const struct demand *from,
                       const struct json *at, bool format)
{
    struct strings *x = schema__push(job, &s->strings, sizeof *x);
    if (!x) return;
    x->at = at;
    x->schema = from->schema;
    x->format = format;
    x->breaks = from->kind == DEMAND_BREAKS;
}

static void read_pattern(struct schema_job *job, struct shape *s, const struct demand *from,
                         const struct json *at)
{
    add_string(job, s, from, at, false);
}

static void read_format(struct schema_job *job, struct shape *s, const struct demand *from,
                        const struct json *at)
{
    add_string(job, s, from, at, true);
}

/* --- arrays --- */

static void read_unique(struct schema_job *job, struct shape *s, const struct demand *from,
                        const struct json *at)
{
    bool yes = false;
    (void)job;
    if (json_to_bool(at, &yes) && yes) s->unique = from->schema;
}

static void read_contains(struct schema_job *job, struct shape *s, const struct demand *from,
                          const struct json *at)
{
    uint64_t least = 1;
    const struct json *low = json_get(from->schema, "minContains");
    if (json_get(from->schema, "maxContains"))
        schema__refuse(job, from->schema, "maxContains", "it is not supported");
    if (low && !schema__limit(job, from->schema, STR("minContains"), low, &least)) return;
    if (least > SCHEMA_HITS_MAX)
        schema__refuse(job, from->schema, "minContains", "more than 8 are not supported");
    struct hits *h = least ? schema__push(job, &s->hits, sizeof *h) : NULL;
    if (!h) return;
    h->demand = meets(at, NULL);
    h->least = (uint32_t)least;
}

static void add_unevaluated(struct schema_job *job, const struct unevaluated **list,
                            const struct demand *from, const struct json *at)
{
    struct unevaluated *made = at ? schema__push(job, list, sizeof *made) : NULL;
    if (!made) return;
    made->from = from;
    made->at = at;
}

static void read_lists(struct schema_job *job, struct shape *s, const struct demand *from)
{
    const struct json *schema = from->schema, *items = json_get(schema, "items");
    struct lists l = {.from = from, .prefix = json_get(schema, "prefixItems"), .rest = items};
    if (json_type(items) == JSON_ARRAY) {
        l.prefix = items;
        l.rest = json_get(schema, "additionalItems");
    }
    if (!l.rest)
        add_unevaluated(job, &s->unevaluated_items, from, json_get(schema, "unevaluatedItems"));
    if (!l.prefix && !l.rest) return;
    struct lists *made = schema__push(job, &s->lists, sizeof *made);
    if (!made) return;
    l.next = made->next;
    *made = l;
}

/* --- objects --- */

static void read_members(struct schema_job *job, struct shape *s, const struct demand *from)
{
    const struct json *schema = from->schema;
    struct members m = {.from = from,
                        .named = json_get(schema, "properties"),
                        .patterns = json_get(schema, "patternProperties"),
                        .others = json_get(schema, "additionalProperties")};
    if (!m.others)
        add_unevaluated(job, &s->unevaluated, from, json_get(schema, "unevaluatedProperties"));
    if (!m.named && !m.patterns && !m.others) return;
    struct members *made = schema__push(job, &s->members, sizeof *made);
    if (!made) return;
    m.next = made->next;
    *made = m;
}

static void add_name(struct schema_job *job, const struct names **list, struct str name)
{
    uint32_t count = 0;
    for (const struct names *n = *list; n; n = n->next, count++)
        if (str_eq(n->name, name)) return;
    if (count == SCHEMA_NAMES_MAX) schema__fail(job, ERR_TOO_LARGE);
    struct names *n = schema__push(job, list, sizeof *n);
    if (n) n->name = name;
}

static void read_required(struct schema_job *job, struct shape *s, const struct demand *from,
                          const struct json *at)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *v;
    (void)from;
    while (!job->err && json_next_item(at, &it, &v))
        if (json_to_str(v, &name)) add_name(job, &s->required, name);
}

static void read_names(struct schema_job *job, struct shape *s, const struct demand *from,
                       const struct json *at)
{
    (void)from;
    if (!schema__is_true(at)) s->keys = schema__with(job, s->keys, meets(at, NULL));
}

/* --- a whole schema --- */

static const struct keyword {
    struct str name;
    read_fn read;
} keywords[] = {
    {STR_INIT("$ref"), read_ref},
    {STR_INIT("$dynamicRef"), read_dynamic},
    {STR_INIT("$recursiveRef"), read_dynamic},
    {STR_INIT("allOf"), read_all_of},
    {STR_INIT("anyOf"), read_any_of},
    {STR_INIT("oneOf"), read_one_of},
    {STR_INIT("not"), read_not},
    {STR_INIT("if"), read_if},
    {STR_INIT("dependencies"), read_dependencies},
    {STR_INIT("dependentRequired"), read_dependencies},
    {STR_INIT("dependentSchemas"), read_dependencies},
    {STR_INIT("type"), read_type},
    {STR_INIT("enum"), read_enum},
    {STR_INIT("const"), read_const},
    {STR_INIT("minimum"), read_minimum},
    {STR_INIT("maximum"), read_maximum},
    {STR_INIT("exclusiveMinimum"), read_above},
    {STR_INIT("exclusiveMaximum"), read_below},
    {STR_INIT("multipleOf"), read_multiple},
    {STR_INIT("minLength"), read_min_length},
    {STR_INIT("maxLength"), read_max_length},
    {STR_INIT("pattern"), read_pattern},
    {STR_INIT("format"), read_format},
    {STR_INIT("minItems"), read_min_items},
    {STR_INIT("maxItems"), read_max_items},
    {STR_INIT("uniqueItems"), read_unique},
    {STR_INIT("contains"), read_contains},
    {STR_INIT("required"), read_required},
    {STR_INIT("minProperties"), read_min_members},
    {STR_INIT("maxProperties"), read_max_members},
    {STR_INIT("propertyNames"), read_names},
};

static const struct keyword *find_keyword(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (str_eq(keywords[i].name, name)) return &keywords[i];
    return NULL;
}

/* Properties have the order in which their schemas stand: those of allOf and $ref before or behind
 * the own ones. */
static bool is_of_members(struct str name)
{
    return str_eq(name, STR("properties")) || str_eq(name, STR("patternProperties")) ||
           str_eq(name, STR("additionalProperties")) || str_eq(name, STR("unevaluatedProperties"));
}

static void read_object(struct schema_job *job, struct shape *s, const struct demand *from)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *v, *ref = json_get(from->schema, "$ref");
    bool has_members = false;
    if (job->old_refs && json_type(ref) == JSON_STRING) {
        read_ref(job, s, from, ref);
        return;
    }
    while (!job->err && json_next_member(from->schema, &it, &name, &v)) {
        const struct keyword *k = find_keyword(name);
        if (k) k->read(job, s, from, v);
        if (has_members || !is_of_members(name)) continue;
        read_members(job, s, from);
        has_members = true;
    }
    read_lists(job, s, from);
}

static bool was_read(struct schema_job *job, const struct shape *s, const struct json *schema)
{
    uint32_t count = 0;
    for (const struct demands *x = s->seen; x; x = x->next, count++)
        if (x->demand.schema == schema) return true;
    return !schema__spend(job, count / SCHEMA_CHEAP);
}

static void read_schema(struct schema_job *job, struct shape *s, const struct demand *d)
{
    bool yes;
    if (json_to_bool(d->schema, &yes)) {
        if (!yes) s->kinds = 0;
        return;
    }
    if (schema__circles(job, d) || was_read(job, s, d->schema)) return;
    schema__check(job, d->schema); /* $ref leads also to what is no schema */
    s->seen = schema__with(job, s->seen, *d);
    if (s->seen && !job->err) read_object(job, s, &s->seen->demand);
}

/* --- demands that come from failing a schema --- */

/* These are taken away as kinds; the others are compared with. */
static unsigned kind_alone(const struct json *v)
{
    bool yes = false;
    if (json_type(v) == JSON_NULL) return IS_NULL;
    if (json_to_bool(v, &yes)) return yes ? IS_TRUE : IS_FALSE;
    return 0;
}

static void read_other(struct schema_job *job, struct shape *s, const struct demand *d)
{
    struct value_iter at = {0};
    const struct json *v;
    struct values *x = schema__push(job, &s->others, sizeof *x);
    if (!x) return;
    x->at = d->at;
    x->single = str_eq(d->name, STR("const"));
    while ((v = schema__listed(x, &at)))
        s->kinds &= ~kind_alone(v);
}

static void read_has(struct schema_job *job, struct shape *s, struct str name)
{
    s->kinds &= IS_OBJECT;
    add_name(job, &s->required, name);
}

static void read_key(struct schema_job *job, struct shape *s, const struct demand *d)
{
    s->kinds &= IS_OBJECT;
    s->extra = schema__with(job, s->extra, *d);
}

static void read_wrong(struct schema_job *job, struct shape *s, const struct demand *d)
{
    struct demand fails = {.kind = DEMAND_FAILS, .schema = d->at, .name = d->name};
    read_has(job, s, d->name);
    if (!schema__is_false(d->at)) s->wrong = schema__with(job, s->wrong, fails);
}

static void read_item(struct schema_job *job, struct shape *s, const struct demand *d)
{
    s->kinds &= IS_ARRAY;
    struct hits *h = schema__push(job, &s->hits, sizeof *h);
    if (!h) return;
    h->demand = (struct demand){.kind = DEMAND_FAILS, .schema = d->at};
    h->least = 1;
}

static void read_no_item(struct schema_job *job, struct shape *s, const struct demand *d)
{
    s->kinds &= IS_ARRAY;
    struct lists *l = schema__push(job, &s->lists, sizeof *l);
    if (!l) return;
    l->rest = d->at;
    l->fails = true;
}

/* Above the highest, below the least, and so on. */
static void break_limit(struct schema_job *job, const struct demand *d, bool least, uint64_t *low,
                        uint64_t *high, bool *none)
{
    uint64_t n;
    if (!schema__limit(job, d->schema, d->name, d->at, &n)) return;
    *none |= least ? n == 0 : n == SCHEMA_NO_LIMIT;
    if (*none) return;
    if (least)
        *high = MIN(*high, n - 1);
    else
        *low = MAX(*low, n + 1);
}

static bool breaks(const struct demand *d, const char *keyword)
{
    return str_eq(d->name, str_of(keyword));
}

static void break_number(struct schema_job *job, struct shape *s, const struct demand *d)
{
    s->kinds &= IS_NUMBER;
    if (breaks(d, "multipleOf"))
        read_multiple(job, s, d, d->at);
    else if (breaks(d, "minimum"))
        bound(job, s, d, d->at, false, !json_bool_or(d->schema, "exclusiveMinimum", false));
    else if (breaks(d, "maximum"))
        bound(job, s, d, d->at, true, !json_bool_or(d->schema, "exclusiveMaximum", false));
    else
        bound(job, s, d, d->at, breaks(d, "exclusiveMaximum"), false);
}

static void read_breaks(struct schema_job *job, struct shape *s, const struct demand *d)
{
    bool none = false, least = str_starts(d->name, STR("min"));
    if (breaks(d, "pattern")) {
        s->kinds &= IS_STRING;
        read_pattern(job, s, d, d->at);
    } else if (str_ends(d->name, STR("Length"))) {
        s->kinds &= IS_STRING;
        break_limit(job, d, least, &s->length_least, &s->length_most, &none);
    } else if (str_ends(d->name, STR("Items"))) {
        s->kinds &= IS_ARRAY;
        break_limit(job, d, least, &s->items_least, &s->items_most, &none);
    } else if (str_ends(d->name, STR("Properties"))) {
        s->kinds &= IS_OBJECT;
        break_limit(job, d, least, &s->members_least, &s->members_most, &none);
    } else {
        break_number(job, s, d);
    }
    if (none) s->kinds = 0;
}

/* --- all demands --- */

void schema__read(struct schema_job *job, struct shape *s, const struct demand *d)
{
    if (!schema__spend(job, 1)) return;
    switch (d->kind) {
    case DEMAND_MEETS: read_schema(job, s, d); break;
    case DEMAND_FAILS: s->fails = schema__with(job, s->fails, *d); break;
    case DEMAND_KINDS: s->kinds &= d->kinds; break;
    case DEMAND_OTHER: read_other(job, s, d); break;
    case DEMAND_HAS: read_has(job, s, d->name); break;
    case DEMAND_LACKS: s->kinds &= IS_OBJECT; /* fall through */
    case DEMAND_WITHOUT: add_name(job, &s->forbidden, d->name); break;
    case DEMAND_KEY: read_key(job, s, d); break;
    case DEMAND_WRONG: read_wrong(job, s, d); break;
    case DEMAND_BREAKS: read_breaks(job, s, d); break;
    case DEMAND_ITEM: read_item(job, s, d); break;
    case DEMAND_NO_ITEM: read_no_item(job, s, d); break;
    }
}

void schema__read_all(struct schema_job *job, struct shape *s, const struct demands *list)
{
    for (; list && !job->err; list = list->next)
        schema__read(job, s, &list->demand);
}
