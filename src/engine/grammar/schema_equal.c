/* SPDX-License-Identifier: Apache-2.0 */
/* Whether two values are the same to JSON Schema, and lists of values. */
#include "engine/grammar/schema_priv.h"

static bool equal_numbers(const struct json *a, const struct json *b)
{
    struct arena arena;
    struct decimal x, y;
    arena_init(&arena, 1 << 14, 1 << 12);
    bool same =
        !decimal_of(&arena, a, &x) && !decimal_of(&arena, b, &y) && !decimal_compare(&x, &y);
    arena_fini(&arena);
    return same;
}

static bool equal_arrays(const struct json *a, const struct json *b)
{
    struct json_iter i = {0}, k = {0};
    const struct json *x, *y;
    while (json_next_item(a, &i, &x))
        if (!json_next_item(b, &k, &y) || !schema__equal(x, y)) return false;
    return true;
}

static bool equal_objects(const struct json *a, const struct json *b)
{
    struct json_iter i = {0};
    struct str name;
    const struct json *x;
    while (json_next_member(a, &i, &name, &x))
        if (!schema__equal(x, json_get_str(b, name))) return false;
    return true;
}

bool schema__equal(const struct json *a, const struct json *b)
{
    struct str x, y;
    bool p = false, q = false;
    if (json_type(a) != json_type(b) || json_count(a) != json_count(b)) return false;
    switch (json_type(a)) {
    case JSON_BOOL: return json_to_bool(a, &p) && json_to_bool(b, &q) && p == q;
    case JSON_NUMBER: return equal_numbers(a, b);
    case JSON_STRING: return json_to_str(a, &x) && json_to_str(b, &y) && str_eq(x, y);
    case JSON_ARRAY: return equal_arrays(a, b);
    case JSON_OBJECT: return equal_objects(a, b);
    case JSON_NULL: return true;
    case JSON_NONE: break;
    }
    return false;
}

/* --- lists of values --- */

const struct json *schema__listed(const struct values *list, struct value_iter *at)
{
    const struct json *v;
    bool first = !at->done;
    at->done = true;
    if (list->single) return first ? list->at : NULL;
    return json_next_item(list->at, &at->it, &v) ? v : NULL;
}

bool schema__is_listed(const struct values *list, const struct json *v)
{
    struct value_iter at = {0};
    const struct json *other;
    while ((other = schema__listed(list, &at)))
        if (schema__equal(other, v)) return true;
    return false;
}

term schema__others(struct schema_job *job, const struct shape *s, schema_add_fn fn)
{
    struct term_list list = {0};
    for (const struct values *x = s->others; x; x = x->next) {
        struct value_iter at = {0};
        const struct json *v;
        while ((v = schema__listed(x, &at)))
            fn(job, &list, v);
    }
    return schema__one_of(job, &list);
}
