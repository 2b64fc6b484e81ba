/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/args.h"
#include "jinja/dict.h"
#include "jinja/filter_tables.h"
#include "jinja/getter.h"
#include "jinja/letters.h"
#include "jinja/number.h"
#include "jinja/print.h"
#include "jinja/sort.h"
#include "jinja/text_parts.h"
#include "jinja/walk.h"

#define FILTER(name)                                                                      \
    static int name(struct run *r, const struct value *v, const struct args *args UNUSED, \
                    struct value *out)

/* --- ends and wholes --- */

FILTER(filter_first)
{
    struct walk w;
    int err = walk_start(r, v, &w);
    if (!err) err = walk_next(r, &w, out);
    if (err != WALK_END) return err;
    *out = value_undefined(STR("first"));
    return 0;
}

static bool can_reverse(const struct value *v)
{
    return value_is_sequence(v) || v->kind == KIND_VIEW || v->kind == KIND_DICT ||
           v->kind == KIND_RANGE || v->kind == KIND_TEXT || v->kind == KIND_UNDEFINED;
}

FILTER(filter_last)
{
    const struct list *members;
    if (v->kind == KIND_TEXT || v->kind == KIND_RANGE || value_is_sequence(v)) {
        int err = value_index(r, v, -1, out);
        if (!err && out->kind == KIND_MISSING) *out = value_undefined(STR("last"));
        return err;
    }
    if (!can_reverse(v)) return run_raise(r, "'%s' object is not reversible", value_type(v));
    int err = value_members(r, v, &members);
    if (err) return err;
    *out = members->count ? members->items[members->count - 1] : value_undefined(STR("last"));
    return 0;
}

FILTER(filter_list)
{
    const struct list *members;
    int err = value_members(r, v, &members);
    if (!err) err = list_new(r, KIND_LIST, 0, out);
    if (err) return err;
    out->list->items = members->items;
    out->list->count = members->count;
    return 0;
}

static int reverse_text(struct run *r, const struct value *v, struct value *out)
{
    struct sink s = {0};
    struct str text = value_str(v);
    int err = 0;
    for (size_t at = text.len; !err && at > 0;) {
        size_t step = text_step_back(text, at);
        err = sink_put_part(r, &s, v, at - step, at);
        at -= step;
    }
    return err ? err : sink_end(r, &s, out);
}

FILTER(filter_reverse)
{
    const struct list *members;
    if (v->kind == KIND_TEXT) return reverse_text(r, v, out);
    int err = value_members(r, v, &members);
    if (!err) err = run_charge(r, members->count / 8);
    if (!err) err = list_new(r, can_reverse(v) ? KIND_STREAM : KIND_LIST, members->count, out);
    for (size_t i = 0; !err && i < members->count; i++)
        out->list->items[i] = members->items[members->count - 1 - i];
    return err;
}

FILTER(filter_items)
{
    struct items items = {0};
    int err = 0;
    if (v->kind != KIND_DICT && v->kind != KIND_UNDEFINED)
        return run_raise(r, "Can only get item pairs from a mapping.");
    for (size_t i = 0; v->kind == KIND_DICT && !err && i < v->dict->count; i++) {
        struct value pair;
        err = list_new(r, KIND_TUPLE, 2, &pair);
        if (err) return err;
        pair.list->items[0] = v->dict->entries[i].key;
        pair.list->items[1] = v->dict->entries[i].value;
        err = items_add(r, &items, &pair);
    }
    return err ? err : stream_of(r, &items, out);
}

FILTER(filter_join)
{
    struct value separator = value_text(STR(""), true), items = *v;
    struct getter getter;
    int err = 0;
    if (arg_given(&args->items[0])) err = value_to_text(r, &args->items[0], &separator);
    if (!err && arg_given(&args->items[1]) && args->items[1].kind != KIND_NONE) {
        err = getter_init(r, &getter, &args->items[1], false);
        if (!err) err = getter_map(r, &getter, v, &items);
    }
    return err ? err : text_join_all(r, &separator, &items, true, out);
}

/* --- groups of so many --- */

static int add_row(struct run *r, struct items *rows, const struct value *from, size_t count,
                   size_t fills, const struct value *fill)
{
    struct value row;
    int err = run_charge(r, (count + fills) / 8 + 1);
    if (!err) err = list_new(r, KIND_LIST, count + fills, &row);
    if (err) return err;
    if (count) memcpy(row.list->items, from, count * sizeof row);
    for (size_t i = 0; i < fills; i++)
        row.list->items[count + i] = *fill;
    return items_add(r, rows, &row);
}

static bool fills(const struct value *fill)
{
    return arg_given(fill) && fill->kind != KIND_NONE;
}

FILTER(filter_batch)
{
    struct items rows = {0};
    const struct list *members;
    int64_t size;
    int err = value_members(r, v, &members);
    if (err) return err;
    /* Only compared with, so that what is no number is never reached. */
    if (!value_to_int(&args->items[0], &size) || size <= 0) size = INT64_MAX / 2;
    for (size_t at = 0; !err && at < members->count;) {
        size_t count = MIN((size_t)size, members->count - at);
        size_t missing = fills(&args->items[1]) ? (size_t)size - count : 0;
        err = add_row(r, &rows, members->items + at, count, missing, &args->items[1]);
        at += count;
    }
    return err ? err : stream_of(r, &rows, out);
}

FILTER(filter_slice)
{
    struct items rows = {0};
    const struct list *members;
    int64_t slices;
    int err = value_members(r, v, &members);
    if (!err) err = arg_int(r, &args->items[0], 0, &slices);
    if (!err && slices == 0) err = run_raise(r, "integer division or modulo by zero");
    if (err) return err;
    size_t each = slices > 0 ? members->count / (size_t)slices : 0, at = 0;
    size_t longer = slices > 0 ? members->count % (size_t)slices : 0;
    for (int64_t i = 0; !err && i < slices; i++) {
        bool has_extra = (size_t)i < longer;
        size_t missing = fills(&args->items[1]) && !has_extra ? 1 : 0;
        err = add_row(r, &rows, members->items + at, each + has_extra, missing, &args->items[1]);
        at += each + has_extra;
    }
    return err ? err : stream_of(r, &rows, out);
}

/* --- order --- */

static int keyed_members(struct run *r, const struct value *v, const struct getter *getter,
                         bool several, struct keyed **out, size_t *count)
{
    const struct list *members;
    int err = value_members(r, v, &members);
    if (!err) err = run_alloc(r, members->count, sizeof **out, out);
    if (err) return err;
    *count = members->count;
    for (size_t i = 0; !err && i < members->count; i++) {
        struct keyed *k = &(*out)[i];
        k->value = members->items[i];
        err = several ? getter_get_all(r, getter, &k->value, &k->key)
                      : getter_get(r, getter, &k->value, &k->key);
    }
    return err;
}

FILTER(filter_sort)
{
    struct getter getter;
    struct keyed *list;
    size_t count = 0;
    int err = getter_init(r, &getter, &args->items[2], !arg_true(&args->items[1]));
    if (!err) err = keyed_members(r, v, &getter, true, &list, &count);
    if (!err) err = sort_keyed(r, list, count, arg_true(&args->items[0]));
    if (!err) err = list_new(r, KIND_LIST, count, out);
    for (size_t i = 0; !err && i < count; i++)
        out->list->items[i] = list[i].value;
    return err;
}

static int sort_pairs(struct run *r, const struct dict *d, bool by_value, bool fold,
                      struct keyed *list)
{
    for (size_t i = 0; i < d->count; i++) {
        struct value pair;
        int err = list_new(r, KIND_TUPLE, 2, &pair);
        if (err) return err;
        pair.list->items[0] = d->entries[i].key;
        pair.list->items[1] = d->entries[i].value;
        list[i] = (struct keyed){pair.list->items[by_value], pair};
        if (fold) err = getter_fold(r, &list[i].key);
        if (err) return err;
    }
    return 0;
}

FILTER(filter_dictsort)
{
    struct keyed *list;
    struct value by = value_text(STR("key"), true);
    int err = 0;
    if (arg_given(&args->items[1])) err = arg_text(r, &args->items[1], &by);
    if (err) return err;
    bool by_value = str_eq(value_str(&by), STR("value"));
    if (!by_value && !str_eq(value_str(&by), STR("key")))
        return run_raise(r, "You can only sort by either \"key\" or \"value\"");
    if (v->kind != KIND_DICT) return run_raise(r, "a mapping is wanted, not %s", value_type(v));
    err = run_alloc(r, v->dict->count, sizeof *list, &list);
    if (!err) err = sort_pairs(r, v->dict, by_value, !arg_true(&args->items[0]), list);
    if (!err) err = sort_keyed(r, list, v->dict->count, arg_true(&args->items[2]));
    if (!err) err = list_new(r, KIND_LIST, v->dict->count, out);
    for (size_t i = 0; !err && i < v->dict->count; i++)
        out->list->items[i] = list[i].value;
    return err;
}

static int extreme(struct run *r, const struct value *v, const struct args *args, bool max,
                   struct value *out)
{
    struct getter getter;
    struct keyed *list;
    size_t count = 0, best = 0;
    int err = getter_init(r, &getter, &args->items[1], !arg_true(&args->items[0]));
    if (!err) err = keyed_members(r, v, &getter, false, &list, &count);
    for (size_t i = 1; !err && i < count; i++) {
        int order = 0;
        err = value_order(r, &list[i].key, &list[best].key, &order);
        if (max ? order > 0 : order < 0) best = i;
    }
    if (!err) *out = count ? list[best].value : value_undefined(max ? STR("max") : STR("min"));
    return err;
}

FILTER(filter_min)
{
    return extreme(r, v, args, false, out);
}

FILTER(filter_max)
{
    return extreme(r, v, args, true, out);
}

FILTER(filter_unique)
{
    struct getter getter;
    struct keyed *list;
    struct items items = {0};
    struct value seen;
    const struct value *found;
    size_t count = 0;
    int err = getter_init(r, &getter, &args->items[1], !arg_true(&args->items[0]));
    if (!err) err = keyed_members(r, v, &getter, false, &list, &count);
    if (!err) err = dict_new(r, 8, &seen);
    for (size_t i = 0; !err && i < count; i++) {
        if (!dict_find(r, seen.dict, &list[i].key, &found))
            return run_raise(r, "unhashable type: '%s'", value_type(&list[i].key));
        if (found) continue;
        err = dict_put(r, seen.dict, &list[i].key, &list[i].key);
        if (!err) err = items_add(r, &items, &list[i].value);
    }
    return err ? err : stream_of(r, &items, out);
}

static int add_group(struct run *r, struct items *groups, const struct getter *getter,
                     const struct keyed *list, size_t count)
{
    struct value group, members;
    int err = list_new(r, KIND_TUPLE, 2, &group);
    if (!err) err = list_new(r, KIND_LIST, count, &members);
    if (err) return err;
    for (size_t i = 0; i < count; i++)
        members.list->items[i] = list[i].value;
    group.list->grouped = true;
    group.list->items[1] = members;
    err = getter_get(r, getter, &list[0].value, &group.list->items[0]);
    return err ? err : items_add(r, groups, &group);
}

FILTER(filter_groupby)
{
    struct getter getter, plain;
    struct keyed *list;
    struct items groups = {0};
    size_t count = 0, from = 0;
    int err = getter_init(r, &getter, &args->items[0], !arg_true(&args->items[2]));
    if (err) return err;
    if (fills(&args->items[1])) getter.otherwise = args->items[1];
    plain = getter;
    plain.fold = false;
    err = keyed_members(r, v, &getter, false, &list, &count);
    if (!err) err = sort_keyed(r, list, count, false);
    for (size_t i = 1; !err && i <= count; i++) {
        if (i < count && value_equal(r, &list[i].key, &list[from].key)) continue;
        err = add_group(r, &groups, &plain, list + from, i - from);
        from = i;
    }
    return err ? err : items_end(r, &groups, KIND_LIST, out);
}

FILTER(filter_sum)
{
    struct walk w;
    struct value item, sum = value_int(0), items = *v;
    struct getter getter;
    int err = 0;
    if (arg_given(&args->items[1])) sum = args->items[1];
    if (sum.kind == KIND_TEXT) return run_raise(r, "sum() can't sum strings");
    if (arg_given(&args->items[0]) && args->items[0].kind != KIND_NONE) {
        err = getter_init(r, &getter, &args->items[0], false);
        if (!err) err = getter_map(r, &getter, v, &items);
    }
    if (!err) err = walk_start(r, &items, &w);
    while (!err && !(err = walk_next(r, &w, &item))) {
        struct value before = sum;
        err = number_binary(r, BINARY_ADD, &before, &item, &sum);
    }
    *out = sum;
    return err == WALK_END ? 0 : err;
}

/* --- choice --- */

static int map_attribute(struct run *r, const struct value *v, const struct args *args,
                         struct value *out)
{
    struct getter getter;
    const struct value *otherwise = arg_named(args, "default");
    if (args->named_count > 1U + (otherwise != NULL))
        return run_raise(r, "map() got an unexpected keyword argument");
    int err = getter_init(r, &getter, arg_named(args, "attribute"), false);
    if (!err && otherwise && fills(otherwise)) getter.otherwise = *otherwise;
    return err ? err : getter_map(r, &getter, v, out);
}

/* The filter or test that the first argument names; the others are its own. */
static int named_builtin(struct run *r, const struct args *args, bool test, struct args *rest,
                         const struct builtin **out)
{
    const struct value *name = args->items;
    *rest = *args;
    rest->items++;
    rest->count--;
    if (name->kind == KIND_TEXT)
        *out = test ? r->hooks->test(value_str(name)) : r->hooks->filter(value_str(name));
    else
        *out = NULL;
    if (*out) return 0;
    return run_raise(r, "there is no such %s", test ? "test" : "filter");
}

FILTER(filter_map)
{
    struct walk w;
    struct items items = {0};
    struct value item, mapped;
    struct args rest;
    const struct builtin *b = NULL;
    if (!value_is_true(v)) return stream_of(r, &items, out);
    if (!args->count && arg_named(args, "attribute")) return map_attribute(r, v, args, out);
    if (!args->count) return run_raise(r, "map requires a filter argument");
    int err = named_builtin(r, args, false, &rest, &b);
    if (!err) err = walk_start(r, v, &w);
    while (!err && !(err = walk_next(r, &w, &item))) {
        err = builtin_call(r, b, &item, &rest, &mapped);
        if (!err) err = items_add(r, &items, &mapped);
    }
    return err == WALK_END ? stream_of(r, &items, out) : err;
}

struct choice {
    bool wanted;
    bool by_attribute;
    struct getter getter;
    const struct builtin *test; /* NULL: truth itself */
    struct args rest;
};

static int choice_init(struct run *r, const struct args *args, struct choice *c)
{
    struct args left = *args;
    if (c->by_attribute) {
        if (!left.count) return run_raise(r, "Missing parameter for attribute name");
        int err = getter_init(r, &c->getter, left.items, false);
        if (err) return err;
        left.items++;
        left.count--;
    }
    return left.count ? named_builtin(r, &left, true, &c->rest, &c->test) : 0;
}

static int chosen(struct run *r, const struct choice *c, const struct value *item, bool *out)
{
    struct value v = *item, holds;
    int err = c->by_attribute ? getter_get(r, &c->getter, item, &v) : 0;
    if (!err && c->test) {
        err = builtin_call(r, c->test, &v, &c->rest, &holds);
        v = holds;
    }
    if (!err) *out = value_is_true(&v) == c->wanted;
    return err;
}

static int choose(struct run *r, const struct value *v, const struct args *args, bool wanted,
                  bool by_attribute, struct value *out)
{
    struct choice c = {.wanted = wanted, .by_attribute = by_attribute};
    struct walk w;
    struct items items = {0};
    struct value item;
    bool take = false;
    if (!value_is_true(v)) return stream_of(r, &items, out);
    int err = choice_init(r, args, &c);
    if (!err) err = walk_start(r, v, &w);
    while (!err && !(err = walk_next(r, &w, &item))) {
        err = chosen(r, &c, &item, &take);
        if (!err && take) err = items_add(r, &items, &item);
    }
    return err == WALK_END ? stream_of(r, &items, out) : err;
}

FILTER(filter_select)
{
    return choose(r, v, args, true, false, out);
}

FILTER(filter_reject)
{
    return choose(r, v, args, false, false, out);
}

FILTER(filter_selectattr)
{
    return choose(r, v, args, true, true, out);
}

FILTER(filter_rejectattr)
{
    return choose(r, v, args, false, true, out);
}

const struct builtin filters_of_lists[] = {
    {"first", filter_first, ""},
    {"last", filter_last, ""},
    {"list", filter_list, ""},
    {"join", filter_join, "?d ?attribute"},
    {"items", filter_items, ""},
    {"map", filter_map, "*"},
    {"select", filter_select, "*"},
    {"reject", filter_reject, "*"},
    {"selectattr", filter_selectattr, "*"},
    {"rejectattr", filter_rejectattr, "*"},
    {"reverse", filter_reverse, ""},
    {"sort", filter_sort, "?reverse ?case_sensitive ?attribute"},
    {"dictsort", filter_dictsort, "?case_sensitive ?by ?reverse"},
    {"min", filter_min, "?case_sensitive ?attribute"},
    {"max", filter_max, "?case_sensitive ?attribute"},
    {"unique", filter_unique, "?case_sensitive ?attribute"},
    {"groupby", filter_groupby, "attribute ?default ?case_sensitive"},
    {"sum", filter_sum, "?attribute ?start"},
    {"batch", filter_batch, "linecount ?fill_with"},
    {"slice", filter_slice, "slices ?fill_with"},
};

const size_t filters_of_lists_count = ARRAY_LEN(filters_of_lists);
