/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/filters.h"

#include "jinja/args.h"
#include "jinja/attribute.h"
#include "jinja/filter_tables.h"
#include "jinja/print.h"
#include "jinja/tojson.h"
#include "jinja/walk.h"

#define FILTER(name)                                                                      \
    static int name(struct run *r, const struct value *v, const struct args *args UNUSED, \
                    struct value *out)

FILTER(filter_default)
{
    bool missing = v->kind == KIND_UNDEFINED || (arg_true(&args->items[1]) && !value_is_true(v));
    *out = *v;
    if (missing) *out = arg_given(&args->items[0]) ? args->items[0] : value_text(STR(""), true);
    (void)r;
    return 0;
}

FILTER(filter_length)
{
    size_t length = 0;
    if (!value_length(v, &length))
        return run_raise(r, "object of type '%s' has no len()", value_type(v));
    *out = value_int((int64_t)length);
    return v->kind == KIND_TEXT ? run_charge_bytes(r, v->len) : 0;
}

FILTER(filter_attr)
{
    struct value name;
    int err = arg_text(r, &args->items[0], &name);
    if (!err && v->kind == KIND_UNDEFINED) return run_raise(r, "the value is undefined");
    return err ? err : attribute_only(r, v, &name, out);
}

FILTER(filter_string)
{
    return value_to_text(r, v, out);
}

static const struct builtin general[] = {
    {"tojson", tojson, "?ensure_ascii ?indent ?separators ?sort_keys"},
    {"default", filter_default, "?default_value ?boolean"},
    {"d", filter_default, "?default_value ?boolean"},
    {"length", filter_length, ""},
    {"count", filter_length, ""},
    {"attr", filter_attr, "name"},
    {"string", filter_string, ""},
};

const struct builtin *filter_find(struct str name)
{
    const struct builtin *b = builtin_find(general, ARRAY_LEN(general), name);
    if (!b) b = builtin_find(filters_of_text, filters_of_text_count, name);
    if (!b) b = builtin_find(filters_of_lists, filters_of_lists_count, name);
    if (!b) b = builtin_find(filters_of_numbers, filters_of_numbers_count, name);
    return b;
}
