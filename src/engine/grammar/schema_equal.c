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

bool schema__is_listed(const struct values *x, const struct json *v)
{
    struct json_iter it = {0};
    const struct json *other;
    if (x->single) return schema__equal(x->at, v);
    while (json_next_item(x->at, &it, &other))
        if (schema__equal(other, v)) return true;
    return false;
}
