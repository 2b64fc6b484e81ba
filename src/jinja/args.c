/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/args.h"

/* The next name of a list of parameters. */
static bool next_param(struct str *rest, struct str *name, bool *optional)
{
    if (!str_cut(rest, ' ', name) || name->len == 0) return false;
    *optional = name->ptr[0] == '?';
    if (*optional) *name = str_skip(*name, 1);
    return true;
}

static const struct value *find_named(const struct args *args, struct str name)
{
    for (size_t i = 0; i < args->named_count; i++)
        if (str_eq(args->named[i].name, name)) return &args->named[i].value;
    return NULL;
}

const struct value *arg_named(const struct args *args, const char *name)
{
    return find_named(args, str_of(name));
}

static int bind_one(struct run *r, const struct builtin *b, const struct args *args, size_t i,
                    struct str name, bool optional, struct value *out, size_t *named_used)
{
    const struct value *named = args->named_count ? find_named(args, name) : NULL;
    *named_used += named != NULL;
    if (i < args->count && named) return run_raise(r, "%s() got an argument twice", b->name);
    if (i < args->count)
        *out = args->items[i];
    else if (named)
        *out = *named;
    else if (optional)
        *out = VALUE_MISSING;
    else
        return run_raise(r, "%s() lacks an argument", b->name);
    return 0;
}

static int bind(struct run *r, const struct builtin *b, const struct args *args,
                struct value room[PARAMS_MAX], size_t *count)
{
    struct str rest = str_of(b->params), name;
    size_t n = 0, named_used = 0;
    bool optional;
    while (next_param(&rest, &name, &optional)) {
        assert(n < PARAMS_MAX);
        int err = bind_one(r, b, args, n, name, optional, &room[n], &named_used);
        if (err) return err;
        n++;
    }
    if (args->count > n) return run_raise(r, "%s() got too many arguments", b->name);
    if (named_used < args->named_count)
        return run_raise(r, "%s() got an unexpected keyword argument", b->name);
    *count = n;
    return 0;
}

int builtin_call(struct run *r, const struct builtin *b, const struct value *self,
                 const struct args *args, struct value *out)
{
    struct value room[PARAMS_MAX];
    struct args bound = {.items = room};
    if (b->params[0] == '*') return b->fn(r, self, args, out);
    int err = bind(r, b, args, room, &bound.count);
    return err ? err : b->fn(r, self, &bound, out);
}

const struct builtin *builtin_find(const struct builtin *table, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(str_of(table[i].name), name)) return &table[i];
    return NULL;
}

int arg_int(struct run *r, const struct value *v, int64_t otherwise, int64_t *out)
{
    *out = otherwise;
    if (!arg_given(v) || value_to_int(v, out)) return 0;
    return run_raise(r, "'%s' object cannot be interpreted as an integer", value_type(v));
}

int arg_text(struct run *r, const struct value *v, struct value *out)
{
    if (v->kind != KIND_TEXT) return run_raise(r, "a string is wanted, not %s", value_type(v));
    *out = *v;
    return 0;
}
