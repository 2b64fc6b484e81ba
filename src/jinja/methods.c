/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/methods.h"

#include <math.h>

#include "jinja/args.h"
#include "jinja/dict.h"
#include "jinja/iteration.h"
#include "jinja/methods_text.h"

/* --- dict --- */

static int dict_get_method(struct run *r, const struct value *self, const struct args *args,
                           struct value *out)
{
    const struct value *found;
    if (!dict_find(r, self->dict, &args->items[0], &found))
        return run_raise(r, "unhashable type: '%s'", value_type(&args->items[0]));
    *out = arg_given(&args->items[1]) ? args->items[1] : VALUE_NONE;
    if (found) *out = *found;
    return 0;
}

static int view_new(struct run *r, const struct dict *d, const char *name, struct value *out)
{
    int err = run_charge(r, d->count);
    if (!err) err = list_new(r, KIND_VIEW, d->count, out);
    if (!err) out->list->name = name;
    return err;
}

static int dict_keys(struct run *r, const struct value *self, const struct args *args UNUSED,
                     struct value *out)
{
    int err = view_new(r, self->dict, "dict_keys", out);
    for (size_t i = 0; !err && i < self->dict->count; i++)
        out->list->items[i] = self->dict->entries[i].key;
    return err;
}

static int dict_values(struct run *r, const struct value *self, const struct args *args UNUSED,
                       struct value *out)
{
    int err = view_new(r, self->dict, "dict_values", out);
    for (size_t i = 0; !err && i < self->dict->count; i++)
        out->list->items[i] = self->dict->entries[i].value;
    return err;
}

static int dict_items(struct run *r, const struct value *self, const struct args *args UNUSED,
                      struct value *out)
{
    int err = view_new(r, self->dict, "dict_items", out);
    for (size_t i = 0; !err && i < self->dict->count; i++) {
        struct value *pair = &out->list->items[i];
        err = list_new(r, KIND_TUPLE, 2, pair);
        if (err) return err;
        pair->list->items[0] = self->dict->entries[i].key;
        pair->list->items[1] = self->dict->entries[i].value;
    }
    return err;
}

static int copy_method(struct run *r UNUSED, const struct value *self,
                       const struct args *args UNUSED, struct value *out)
{
    *out = *self; /* nothing can change it */
    return 0;
}

static const struct builtin dict_methods[] = {
    {"get", dict_get_method, "key ?default"},
    {"items", dict_items, ""},
    {"keys", dict_keys, ""},
    {"values", dict_values, ""},
    {"copy", copy_method, ""},
};

/* --- list and tuple --- */

static int list_index(struct run *r, const struct value *self, const struct args *args,
                      struct value *out)
{
    int64_t from, to, count = (int64_t)self->list->count;
    int err = arg_int(r, &args->items[1], 0, &from);
    if (!err) err = arg_int(r, &args->items[2], count, &to);
    if (err) return err;
    from = from < 0 ? MAX(from + count, 0) : from;
    to = to < 0 ? to + count : MIN(to, count);
    for (int64_t i = from; i < to; i++) {
        if (!value_equal(r, &self->list->items[i], &args->items[0])) continue;
        *out = value_int(i);
        return 0;
    }
    return run_raise(r, "the value is not in the list");
}

static int list_count(struct run *r, const struct value *self, const struct args *args,
                      struct value *out)
{
    int64_t count = 0;
    for (size_t i = 0; i < self->list->count; i++)
        count += value_equal(r, &self->list->items[i], &args->items[0]);
    *out = value_int(count);
    return 0;
}

static const struct builtin list_methods[] = {
    {"index", list_index, "value ?start ?stop"},
    {"count", list_count, "value"},
    {"copy", copy_method, ""},
};

/* --- range --- */

static bool range_position(const struct range *range, const struct value *v, int64_t *out)
{
    int64_t i;
    if (!value_to_int(v, &i) || !range->count) return false;
    int64_t away;
    if (__builtin_sub_overflow(i, range->start, &away)) return false;
    *out = away / range->step;
    return away % range->step == 0 && *out >= 0 && (size_t)*out < range->count;
}

static int range_index(struct run *r, const struct value *self, const struct args *args,
                       struct value *out)
{
    int64_t i;
    if (!range_position(self->range, &args->items[0], &i))
        return run_raise(r, "the value is not in the range");
    *out = value_int(i);
    return 0;
}

static int range_count(struct run *r UNUSED, const struct value *self, const struct args *args,
                       struct value *out)
{
    int64_t i;
    *out = value_int(range_position(self->range, &args->items[0], &i));
    return 0;
}

static const struct builtin range_methods[] = {{"index", range_index, "value"},
                                               {"count", range_count, "value"}};

/* --- numbers --- */

static int is_integer(struct run *r UNUSED, const struct value *self,
                      const struct args *args UNUSED, struct value *out)
{
    *out = value_bool(isfinite(self->real) && floor(self->real) == self->real);
    return 0;
}

static int bit_length(struct run *r UNUSED, const struct value *self,
                      const struct args *args UNUSED, struct value *out)
{
    int64_t n = 0;
    value_to_int(self, &n);
    uint64_t size = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    *out = value_int(size ? 64 - __builtin_clzll(size) : 0);
    return 0;
}

static const struct builtin float_methods[] = {{"is_integer", is_integer, ""}};
static const struct builtin int_methods[] = {{"bit_length", bit_length, ""}};

/* --- cycler --- */

static int cycler_next(struct run *r UNUSED, const struct value *self,
                       const struct args *args UNUSED, struct value *out)
{
    struct cycler *c = self->cycler;
    *out = c->items[c->at];
    c->at = (c->at + 1) % c->count;
    return 0;
}

static int cycler_reset(struct run *r UNUSED, const struct value *self,
                        const struct args *args UNUSED, struct value *out)
{
    self->cycler->at = 0;
    *out = VALUE_NONE;
    return 0;
}

static const struct builtin cycler_methods[] = {{"next", cycler_next, ""},
                                                {"reset", cycler_reset, ""}};

/* --- all of them --- */

static const char *const dict_refused[] = {"clear", "pop", "popitem", "setdefault", "update", NULL};
static const char *const list_refused[] = {"append", "clear",  "pop",    "reverse", "insert",
                                           "sort",   "extend", "remove", NULL};

static bool is_listed(const char *const *names, struct str name)
{
    for (; *names; names++)
        if (str_eq(str_of(*names), name)) return true;
    return false;
}

const struct builtin *method_find(const struct value *v, struct str name, bool *refused)
{
    *refused = false;
    switch ((enum kind)v->kind) {
    case KIND_TEXT: return builtin_find(text_methods, text_methods_count, name);
    case KIND_DICT:
        *refused = is_listed(dict_refused, name);
        return builtin_find(dict_methods, ARRAY_LEN(dict_methods), name);
    case KIND_LIST:
        *refused = is_listed(list_refused, name);
        return builtin_find(list_methods, ARRAY_LEN(list_methods), name);
    case KIND_TUPLE: return builtin_find(list_methods, 2, name);
    case KIND_RANGE: return builtin_find(range_methods, ARRAY_LEN(range_methods), name);
    case KIND_FLOAT: return builtin_find(float_methods, ARRAY_LEN(float_methods), name);
    case KIND_INT: return builtin_find(int_methods, ARRAY_LEN(int_methods), name);
    case KIND_LOOP: return iteration_method(name);
    case KIND_CYCLER: return builtin_find(cycler_methods, ARRAY_LEN(cycler_methods), name);
    default: return NULL;
    }
}

bool method_exists(struct str name)
{
    return builtin_find(text_methods, text_methods_count, name) ||
           builtin_find(dict_methods, ARRAY_LEN(dict_methods), name) ||
           builtin_find(list_methods, ARRAY_LEN(list_methods), name) ||
           builtin_find(float_methods, ARRAY_LEN(float_methods), name) ||
           builtin_find(int_methods, ARRAY_LEN(int_methods), name) || iteration_method(name) ||
           builtin_find(cycler_methods, ARRAY_LEN(cycler_methods), name) ||
           is_listed(dict_refused, name) || is_listed(list_refused, name);
}
