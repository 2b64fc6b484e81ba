/* SPDX-License-Identifier: Apache-2.0 */
/* A `struct json` is a yyjson_val by another name, so that no header shows the library. */
#include "json/json.h"

#include <math.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/err.h"
#include "json/json_priv.h"

static inline yyjson_val *val_of(const struct json *v)
{
    return (yyjson_val *)(uintptr_t)v;
}

static inline const struct json *json_of(const yyjson_val *v)
{
    return (const struct json *)(const void *)v;
}

enum json_type json_type(const struct json *v)
{
    switch (yyjson_get_type(val_of(v))) {
    case YYJSON_TYPE_NULL: return JSON_NULL;
    case YYJSON_TYPE_BOOL: return JSON_BOOL;
    case YYJSON_TYPE_RAW: /* a number beyond the range of 64 bits */
    case YYJSON_TYPE_NUM: return JSON_NUMBER;
    case YYJSON_TYPE_STR: return JSON_STRING;
    case YYJSON_TYPE_ARR: return JSON_ARRAY;
    case YYJSON_TYPE_OBJ: return JSON_OBJECT;
    default: return JSON_NONE;
    }
}

const struct json *json_get(const struct json *v, const char *name)
{
    return json_of(yyjson_obj_get(val_of(v), name));
}

const struct json *json_get_str(const struct json *v, struct str name)
{
    return json_of(yyjson_obj_getn(val_of(v), name.len ? name.ptr : "", name.len));
}

static size_t times_in(const struct json *v, struct str wanted)
{
    size_t times = 0;
    struct str name;
    const struct json *value;
    for (struct json_iter it = {0}; json_next_member(v, &it, &name, &value);)
        times += str_eq(name, wanted);
    return times;
}

int json_unique(const struct json *v, const char *const *names, const char **which)
{
    for (; *names; names++) {
        if (times_in(v, str_of(*names)) < 2) continue;
        *which = *names;
        return ERR_DUPLICATE;
    }
    return 0;
}

size_t json_count(const struct json *v)
{
    yyjson_val *val = val_of(v);
    return yyjson_is_arr(val) ? yyjson_arr_size(val) : yyjson_obj_size(val);
}

const struct json *json_at(const struct json *array, size_t index)
{
    return json_of(yyjson_arr_get(val_of(array), index));
}

bool json_next_member(const struct json *object, struct json_iter *it, struct str *name,
                      const struct json **value)
{
    yyjson_obj_iter inner;
    if (!yyjson_obj_iter_init(val_of(object), &inner)) return false;
    if (it->at) {
        inner.idx = it->index;
        inner.cur = (yyjson_val *)(uintptr_t)it->at;
    }
    yyjson_val *key = yyjson_obj_iter_next(&inner);
    if (!key) return false;
    *it = (struct json_iter){inner.cur, inner.idx};
    *name = str_n(yyjson_get_str(key), yyjson_get_len(key));
    *value = json_of(yyjson_obj_iter_get_val(key));
    return true;
}

bool json_next_item(const struct json *array, struct json_iter *it, const struct json **value)
{
    yyjson_arr_iter inner;
    if (!yyjson_arr_iter_init(val_of(array), &inner)) return false;
    if (it->at) {
        inner.idx = it->index;
        inner.cur = (yyjson_val *)(uintptr_t)it->at;
    }
    yyjson_val *item = yyjson_arr_iter_next(&inner);
    if (!item) return false;
    *it = (struct json_iter){inner.cur, inner.idx};
    *value = json_of(item);
    return true;
}

bool json_to_str(const struct json *v, struct str *out)
{
    yyjson_val *val = val_of(v);
    if (!yyjson_is_str(val)) return false;
    *out = str_n(yyjson_get_str(val), yyjson_get_len(val));
    return true;
}

bool json_to_bool(const struct json *v, bool *out)
{
    if (!yyjson_is_bool(val_of(v))) return false;
    *out = yyjson_get_bool(val_of(v));
    return true;
}

bool json_to_i64(const struct json *v, int64_t *out)
{
    yyjson_val *val = val_of(v);
    if (yyjson_is_uint(val) && yyjson_get_uint(val) > INT64_MAX) return false;
    if (yyjson_is_real(val)) return json__whole(yyjson_get_real(val), out);
    if (!yyjson_is_int(val)) return false;
    *out = yyjson_get_sint(val);
    return true;
}

bool json_to_double(const struct json *v, double *out)
{
    yyjson_val *val = val_of(v);
    double number;
    if (yyjson_is_raw(val))
        number = strtod(yyjson_get_raw(val), NULL);
    else if (yyjson_is_num(val))
        number = yyjson_get_num(val);
    else
        return false;
    if (!isfinite(number)) return false;
    *out = number;
    return true;
}

/* Without fraction and exponent. */
static bool has_only_digits(struct str number)
{
    for (size_t i = number.ptr[0] == '-'; i < number.len; i++)
        if (!json__is_digit((unsigned char)number.ptr[i])) return false;
    return true;
}

enum json_number json_number(const struct json *v)
{
    yyjson_val *val = val_of(v);
    if (yyjson_is_raw(val)) {
        struct str text = str_n(yyjson_get_raw(val), yyjson_get_len(val));
        return has_only_digits(text) ? JSON_BIG_INTEGER : JSON_REAL;
    }
    if (yyjson_is_real(val)) return JSON_REAL;
    if (!yyjson_is_int(val)) return JSON_NO_NUMBER;
    return yyjson_is_uint(val) && yyjson_get_uint(val) > INT64_MAX ? JSON_BIG_INTEGER
                                                                   : JSON_INTEGER;
}

struct str json_digits(const struct json *v, char room[STR_U64_ROOM])
{
    yyjson_val *val = val_of(v);
    if (yyjson_is_raw(val)) return str_n(yyjson_get_raw(val), yyjson_get_len(val));
    return str_of_u64(yyjson_get_uint(val), 10, room);
}

double json_real(const struct json *v)
{
    yyjson_val *val = val_of(v);
    return yyjson_is_raw(val) ? strtod(yyjson_get_raw(val), NULL) : yyjson_get_num(val);
}

struct str json_str_or(const struct json *object, const char *name, struct str otherwise)
{
    json_to_str(json_get(object, name), &otherwise);
    return otherwise;
}

bool json_bool_or(const struct json *object, const char *name, bool otherwise)
{
    json_to_bool(json_get(object, name), &otherwise);
    return otherwise;
}

int64_t json_i64_or(const struct json *object, const char *name, int64_t otherwise)
{
    json_to_i64(json_get(object, name), &otherwise);
    return otherwise;
}
