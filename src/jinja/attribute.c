/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/attribute.h"

#include "jinja/dict.h"
#include "jinja/iteration.h"
#include "jinja/macro.h"
#include "jinja/methods.h"
#include "jinja/walk.h"

static int of_undefined(struct run *r, const struct value *v, const struct value *name)
{
    struct str what = name->kind == KIND_TEXT ? value_str(name) : STR("its item");
    if (!v->len)
        return run_raise(r, "the value is undefined and has no '%.*s'",
                         (int)MIN(what.len, (size_t)80), what.ptr);
    return run_raise(r, "'%.*s' is undefined and has no '%.*s'", (int)MIN(v->len, 80U), v->bytes,
                     (int)MIN(what.len, (size_t)80), what.ptr);
}

static int of_space(struct run *r, const struct value *v, struct str name, struct value *out)
{
    const struct value *found = dict_get(r, v->space->dict, name);
    if (found) *out = *found;
    return 0;
}

static int of_macro(struct run *r, const struct macro *m, struct str name, struct value *out)
{
    const struct function *f = m->function;
    if (str_eq(name, STR("name"))) *out = value_text(f->name, true);
    if (str_eq(name, STR("catch_kwargs"))) *out = value_bool(f->has_kwargs);
    if (str_eq(name, STR("catch_varargs"))) *out = value_bool(f->has_varargs);
    if (str_eq(name, STR("caller"))) *out = value_bool(f->has_caller);
    if (!str_eq(name, STR("arguments"))) return 0;
    int err = list_new(r, KIND_TUPLE, f->count, out);
    for (size_t i = 0; !err && i < f->count; i++)
        out->list->items[i] = value_text(f->parameters[i].name, true);
    return err;
}

static void of_group(const struct value *v, struct str name, struct value *out)
{
    if (!v->list->grouped) return;
    if (str_eq(name, STR("grouper"))) *out = v->list->items[0];
    if (str_eq(name, STR("list"))) *out = v->list->items[1];
}

static void of_range(const struct range *range, struct str name, struct value *out)
{
    if (str_eq(name, STR("start"))) *out = value_int(range->start);
    if (str_eq(name, STR("stop"))) *out = value_int(range->stop);
    if (str_eq(name, STR("step"))) *out = value_int(range->step);
}

/* What the type has by that name, but for methods; KIND_MISSING. */
static int of_type(struct run *r, const struct value *v, struct str name, struct value *out)
{
    *out = VALUE_MISSING;
    switch ((enum kind)v->kind) {
    case KIND_LOOP: return iteration_attribute(r, v->loop, name, out);
    case KIND_SPACE: return of_space(r, v, name, out);
    case KIND_MACRO: return of_macro(r, v->macro, name, out);
    case KIND_TUPLE: of_group(v, name, out); return 0;
    case KIND_RANGE: of_range(v->range, name, out); return 0;
    case KIND_CYCLER:
        if (str_eq(name, STR("current"))) *out = v->cycler->items[v->cycler->at];
        return 0;
    default: return 0;
    }
}

static void of_dict(struct run *r, const struct value *v, struct str name, struct value *out)
{
    const struct value *found = dict_get(r, v->dict, name);
    *out = found ? *found : value_undefined(name);
}

int attribute_find(struct run *r, const struct value *v, const struct value *name,
                   bool may_be_method, const struct builtin **method, struct value *out)
{
    struct str text = value_str(name);
    *method = NULL;
    if (v->kind == KIND_UNDEFINED) return of_undefined(r, v, name);
    if (may_be_method) {
        bool refused;
        *method = method_find(v, text, &refused);
        if (*method) return 0;
        if (refused) {
            *out = value_undefined(text);
            return 0;
        }
    }
    if (v->kind == KIND_DICT) {
        of_dict(r, v, text, out);
        return 0;
    }
    int err = of_type(r, v, text, out);
    if (!err && out->kind == KIND_MISSING) *out = value_undefined(text);
    return err;
}

static int bind(struct run *r, const struct value *self, const struct builtin *function,
                struct value *out)
{
    struct bound *bound;
    int err = run_alloc(r, 1, sizeof *bound, &bound);
    if (err) return err;
    *bound = (struct bound){*self, function};
    *out = (struct value){.kind = KIND_METHOD, .own = true, .bound = bound};
    return 0;
}

int attribute_get(struct run *r, const struct value *v, const struct value *name,
                  bool may_be_method, struct value *out)
{
    const struct builtin *method;
    struct value self = *v; /* which *out may be */
    int err = attribute_find(r, &self, name, may_be_method, &method, out);
    return err || !method ? err : bind(r, &self, method, out);
}

int attribute_only(struct run *r, const struct value *v, const struct value *name,
                   struct value *out)
{
    bool refused;
    const struct builtin *method = method_find(v, value_str(name), &refused);
    if (method) return bind(r, v, method, out);
    int err = v->kind == KIND_DICT ? 0 : of_type(r, v, value_str(name), out);
    if (v->kind == KIND_DICT || out->kind == KIND_MISSING) *out = value_undefined(value_str(name));
    return err;
}

/* The name that an undefined item is told by. */
static struct value no_item(const struct value *key)
{
    return value_undefined(key->kind == KIND_TEXT ? value_str(key) : STR("item"));
}

int attribute_item(struct run *r, const struct value *v, const struct value *key, struct value *out)
{
    int64_t i;
    const struct value *found = NULL;
    struct value item = VALUE_MISSING;
    int err = 0;
    if (v->kind == KIND_UNDEFINED) return of_undefined(r, v, key);
    if (v->kind == KIND_DICT) {
        if (dict_find(r, v->dict, key, &found) && found) item = *found;
    } else if (value_to_int(key, &i)) {
        err = value_index(r, v, i, &item);
    }
    if (err) return err;
    if (item.kind == KIND_MISSING && key->kind == KIND_TEXT) return attribute_only(r, v, key, out);
    *out = item.kind == KIND_MISSING ? no_item(key) : item;
    return 0;
}
