/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/builtins.h"

#include <stdio.h>

#include "jinja/args.h"
#include "jinja/dict.h"
#include "jinja/print.h"
#include "jinja/strftime.h"
#include "jinja/walk.h"

enum { RANGE_MAX = 100000 }; /* the sandbox's own limit */

static int make_range(struct run *r, int64_t start, int64_t stop, int64_t step, struct value *out)
{
    struct range *range;
    if (step == 0) return run_raise(r, "range() arg 3 must not be zero");
    bool empty = step > 0 ? start >= stop : start <= stop;
    uint64_t span = step > 0 ? (uint64_t)stop - (uint64_t)start : (uint64_t)start - (uint64_t)stop;
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    uint64_t count = empty ? 0 : (span - 1) / stride + 1;
    if (count > RANGE_MAX) return run_raise(r, "a range of more than %d items", RANGE_MAX);
    int err = run_alloc(r, 1, sizeof *range, &range);
    if (err) return err;
    *range = (struct range){start, stop, step, (size_t)count};
    *out = (struct value){.kind = KIND_RANGE, .own = true, .range = range};
    return 0;
}

static int builtin_range(struct run *r, const struct value *self UNUSED, const struct args *args,
                         struct value *out)
{
    int64_t numbers[3] = {0, 0, 1};
    bool own = true;
    if (args->named_count) return run_raise(r, "range() takes no keyword arguments");
    if (!args->count || args->count > 3) return run_raise(r, "range expected 1 to 3 arguments");
    for (size_t i = 0; i < args->count; i++) {
        int err = arg_int(r, &args->items[i], 0, &numbers[args->count == 1 ? 1 : i]);
        if (err) return err;
        own = own && args->items[i].own;
    }
    int err = make_range(r, numbers[0], numbers[1], numbers[2], out);
    if (!err) out->own = own;
    return err;
}

static int add_pairs(struct run *r, const struct value *pairs, struct dict *d)
{
    struct walk w;
    struct value pair;
    const struct list *members;
    int err = walk_start(r, pairs, &w);
    while (!err && !(err = walk_next(r, &w, &pair))) {
        err = value_members(r, &pair, &members);
        if (!err && members->count != 2) err = run_raise(r, "a pair is wanted for a dict");
        if (!err) err = dict_put(r, d, &members->items[0], &members->items[1]);
    }
    return err == WALK_END ? 0 : err;
}

static int add_dict(struct run *r, const struct dict *from, struct dict *d)
{
    int err = 0;
    for (size_t i = 0; !err && i < from->count; i++)
        err = dict_put(r, d, &from->entries[i].key, &from->entries[i].value);
    return err;
}

static int builtin_dict(struct run *r, const struct value *self UNUSED, const struct args *args,
                        struct value *out)
{
    if (args->count > 1) return run_raise(r, "dict expected at most 1 argument");
    int err = dict_new(r, args->named_count, out);
    if (!err && args->count)
        err = args->items[0].kind == KIND_DICT ? add_dict(r, args->items[0].dict, out->dict)
                                               : add_pairs(r, &args->items[0], out->dict);
    for (size_t i = 0; !err && i < args->named_count; i++) {
        struct value name = value_text(args->named[i].name, true);
        err = dict_put(r, out->dict, &name, &args->named[i].value);
    }
    return err;
}

static int builtin_namespace(struct run *r, const struct value *self, const struct args *args,
                             struct value *out)
{
    struct space *space;
    struct value dict;
    int err = builtin_dict(r, self, args, &dict);
    if (!err) err = run_alloc(r, 1, sizeof *space, &space);
    if (err) return err;
    space->dict = dict.dict;
    *out = (struct value){.kind = KIND_SPACE, .own = true, .space = space};
    return 0;
}

static int builtin_cycler(struct run *r, const struct value *self UNUSED, const struct args *args,
                          struct value *out)
{
    struct cycler *c;
    struct value *items;
    if (!args->count || args->named_count)
        return run_raise(r, "at least one item has to be provided");
    int err = run_alloc(r, 1, sizeof *c, &c);
    if (!err) err = run_alloc(r, args->count, sizeof *items, &items);
    if (err) return err;
    memcpy(items, args->items, args->count * sizeof *items);
    *c = (struct cycler){items, args->count, 0};
    *out = (struct value){.kind = KIND_CYCLER, .own = true, .cycler = c};
    return 0;
}

static int builtin_joiner(struct run *r, const struct value *self UNUSED, const struct args *args,
                          struct value *out)
{
    struct joiner *j;
    int err = run_alloc(r, 1, sizeof *j, &j);
    if (err) return err;
    *j = (struct joiner){.separator = value_text(STR(", "), true)};
    if (arg_given(&args->items[0])) j->separator = args->items[0];
    *out = (struct value){.kind = KIND_JOINER, .own = true, .joiner = j};
    return 0;
}

static int raise_exception(struct run *r, const struct value *self UNUSED, const struct args *args,
                           struct value *out)
{
    struct value text;
    int err = value_to_text(r, &args->items[0], &text);
    if (err) return err;
    *out = VALUE_NONE;
    if (!r->failure) r->why->raised = true;
    if (!text.len || !text.bytes[0]) text = value_text(STR("an exception without a message"), true);
    return run_raise(r, "%.*s", (int)MIN(text.len, JINJA_WHY_MAX - 1U), text.bytes);
}

static const struct builtin builtins[] = {
    {"range", builtin_range, "*"},
    {"dict", builtin_dict, "*"},
    {"namespace", builtin_namespace, "*"},
    {"cycler", builtin_cycler, "*"},
    {"joiner", builtin_joiner, "?sep"},
    {"raise_exception", raise_exception, "message"},
    {"strftime_now", strftime_now, "format"},
};

struct value builtins_find(struct str name)
{
    const struct builtin *b = builtin_find(builtins, ARRAY_LEN(builtins), name);
    if (!b) return VALUE_MISSING;
    return (struct value){.kind = KIND_FUNCTION, .own = true, .function = b};
}
