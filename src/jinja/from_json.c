/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/from_json.h"

#include "jinja/dict.h"
#include "jinja/text.h"

/* Documents are at most JSON_MAX_DEPTH deep. */
static int convert(struct run *r, const struct json *json, struct value *out);

static int convert_text(struct run *r, struct str s, struct value *out)
{
    if (s.len > TEXT_MAX) return run_fail(r, ERR_TOO_LARGE, "too long a text");
    *out = value_text(s, false);
    return 0;
}

static int convert_number(struct run *r, const struct json *json, struct value *out)
{
    int64_t integer;
    char room[STR_U64_ROOM];
    switch (json_number(json)) {
    case JSON_INTEGER:
        json_to_i64(json, &integer);
        *out = value_int(integer);
        break;
    case JSON_BIG_INTEGER: {
        int err = text_copy(r, json_digits(json, room), false, out);
        if (err) return err;
        out->kind = KIND_BIG;
        break;
    }
    default: *out = value_float(json_real(json)); break;
    }
    out->own = false;
    return 0;
}

static int convert_array(struct run *r, const struct json *json, struct value *out)
{
    const struct json *item;
    struct json_iter it = {0};
    int err = list_new(r, KIND_LIST, json_count(json), out);
    for (size_t i = 0; !err && json_next_item(json, &it, &item); i++)
        err = convert(r, item, &out->list->items[i]);
    return err;
}

static int convert_object(struct run *r, const struct json *json, struct value *out)
{
    const struct json *member;
    struct json_iter it = {0};
    struct str name;
    int err = dict_new(r, json_count(json), out);
    while (!err && json_next_member(json, &it, &name, &member)) {
        struct value key, v;
        err = convert_text(r, name, &key);
        if (!err) err = convert(r, member, &v);
        if (!err) err = dict_put(r, out->dict, &key, &v);
    }
    return err;
}

static int convert(struct run *r, const struct json *json, struct value *out)
{
    struct str text;
    bool truth = false;
    int err = run_charge(r, 1);
    if (err) return err;
    *out = VALUE_NONE;
    switch (json_type(json)) {
    case JSON_BOOL:
        json_to_bool(json, &truth);
        *out = value_bool(truth);
        break;
    case JSON_NUMBER: return convert_number(r, json, out);
    case JSON_STRING: json_to_str(json, &text); return convert_text(r, text, out);
    case JSON_ARRAY: err = convert_array(r, json, out); break;
    case JSON_OBJECT: err = convert_object(r, json, out); break;
    default: break;
    }
    out->own = false;
    return err;
}

int from_json(struct run *r, const struct json *json, struct value *out)
{
    return convert(r, json, out);
}
