/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/value.h"

bool value_is_number(const struct value *v)
{
    return v->kind == KIND_INT || v->kind == KIND_FLOAT || v->kind == KIND_BOOL ||
           v->kind == KIND_BIG;
}

bool value_to_double(const struct value *v, double *out)
{
    int64_t integer;
    if (v->kind == KIND_FLOAT)
        *out = v->real;
    else if (value_to_int(v, &integer))
        *out = (double)integer;
    else
        return false;
    return true;
}

bool value_is_true(const struct value *v)
{
    switch ((enum kind)v->kind) {
    case KIND_MISSING:
    case KIND_UNDEFINED:
    case KIND_NONE: return false;
    case KIND_BOOL: return v->truth;
    case KIND_INT: return v->integer != 0;
    case KIND_FLOAT: return v->real != 0;
    case KIND_TEXT: return v->len != 0;
    case KIND_LIST:
    case KIND_TUPLE:
    case KIND_VIEW: return v->list->count != 0;
    case KIND_DICT: return v->dict->count != 0;
    case KIND_RANGE: return v->range->count != 0;
    default: return true;
    }
}

const char *value_type(const struct value *v)
{
    static const char *const names[] = {
        [KIND_MISSING] = "Undefined", [KIND_UNDEFINED] = "Undefined",
        [KIND_NONE] = "NoneType",     [KIND_BOOL] = "bool",
        [KIND_INT] = "int",           [KIND_BIG] = "int",
        [KIND_FLOAT] = "float",       [KIND_TEXT] = "str",
        [KIND_LIST] = "list",         [KIND_TUPLE] = "tuple",
        [KIND_DICT] = "dict",         [KIND_RANGE] = "range",
        [KIND_STREAM] = "generator",  [KIND_SPACE] = "Namespace",
        [KIND_MACRO] = "Macro",       [KIND_FUNCTION] = "function",
        [KIND_METHOD] = "method",     [KIND_LOOP] = "LoopContext",
        [KIND_CYCLER] = "Cycler",     [KIND_JOINER] = "Joiner",
    };
    if (v->kind == KIND_VIEW) return v->list->name;
    return names[v->kind];
}

static bool is_own_within(struct run *r, const struct value *v, unsigned depth);

static bool all_own(struct run *r, const struct value *items, size_t count, unsigned depth)
{
    for (size_t i = 0; i < count; i++)
        if (!is_own_within(r, &items[i], depth)) return false;
    return true;
}

static bool dict_is_own(struct run *r, const struct dict *d, unsigned depth)
{
    for (size_t i = 0; i < d->count; i++)
        if (!is_own_within(r, &d->entries[i].key, depth) ||
            !is_own_within(r, &d->entries[i].value, depth))
            return false;
    return true;
}

static bool is_own_within(struct run *r, const struct value *v, unsigned depth)
{
    if (!v->own || v->marks) return false;
    if (depth > VALUE_DEPTH_MAX || run_charge(r, 1)) return false;
    switch ((enum kind)v->kind) {
    case KIND_LIST:
    case KIND_TUPLE:
    case KIND_VIEW: return all_own(r, v->list->items, v->list->count, depth + 1);
    case KIND_DICT: return dict_is_own(r, v->dict, depth + 1);
    default: return true;
    }
}

bool value_is_own(struct run *r, const struct value *v)
{
    return is_own_within(r, v, 0);
}

int list_new(struct run *r, enum kind kind, size_t count, struct value *out)
{
    struct list *list;
    size_t bytes;
    if (__builtin_mul_overflow(count, sizeof *list->items, &bytes) || bytes > SIZE_MAX / 4)
        return run_fail(r, ERR_TOO_LARGE, "too much memory");
    int err = run_alloc(r, 1, sizeof *list + bytes, &list);
    if (err) return err;
    *list = (struct list){.items = (struct value *)(void *)(list + 1), .count = count};
    *out = (struct value){.kind = (uint8_t)kind, .own = true, .list = list};
    return 0;
}

int items_add(struct run *r, struct items *items, const struct value *v)
{
    int err = run_grow(r, &items->list, items->count, &items->cap, sizeof *items->list);
    if (err) return err;
    items->list[items->count++] = *v;
    return 0;
}

int items_end(struct run *r, const struct items *items, enum kind kind, struct value *out)
{
    int err = list_new(r, kind, 0, out);
    if (err || !items->count) return err;
    out->list->items = items->list;
    out->list->count = items->count;
    return 0;
}
