/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/iteration.h"

#include <inttypes.h>

#include "jinja/dict.h"

/* --- members --- */

static int peek(struct run *r, struct iteration *loop)
{
    if (loop->peeked || loop->ended) return 0;
    int err = loop->next(r, loop, &loop->after);
    loop->ended = err == WALK_END;
    loop->peeked = !err;
    return err == WALK_END ? 0 : err;
}

int iteration_advance(struct run *r, struct iteration *loop)
{
    struct value member;
    if (loop->peeked) {
        member = loop->after;
        loop->peeked = false;
    } else {
        int err = loop->ended ? WALK_END : loop->next(r, loop, &member);
        if (err) return err;
    }
    loop->index0++;
    loop->before = loop->current;
    loop->current = member;
    return 0;
}

static int next_of_rest(struct run *r, struct iteration *loop, struct value *out)
{
    return walk_next(r, &loop->walk, out);
}

/* Takes all that is left, to know how many there are. */
static int measure(struct run *r, struct iteration *loop)
{
    struct items rest = {0};
    struct value member, list;
    int err = 0;
    while (!err && !(err = loop->next(r, loop, &member)))
        err = items_add(r, &rest, &member);
    if (err != WALK_END) return err;
    err = items_end(r, &rest, KIND_LIST, &list);
    if (err) return err;
    loop->walk = (struct walk){.of = list};
    loop->next = next_of_rest;
    loop->length = (int64_t)rest.count + loop->index0 + 1 + loop->peeked;
    return 0;
}

static int length_of(struct run *r, struct iteration *loop, int64_t more, struct value *out)
{
    if (loop->length < 0) {
        int err = measure(r, loop);
        if (err) return err;
    }
    *out = value_int(loop->length + more);
    return 0;
}

/* --- attributes --- */

static int get_last(struct run *r, struct iteration *loop, struct value *out)
{
    int err = peek(r, loop);
    *out = value_bool(!loop->peeked);
    return err;
}

static int get_next_item(struct run *r, struct iteration *loop, struct value *out)
{
    int err = peek(r, loop);
    *out = loop->peeked ? loop->after : value_undefined(STR("nextitem"));
    return err;
}

int iteration_attribute(struct run *r, struct iteration *loop, struct str name, struct value *out)
{
    int64_t i = loop->index0;
    *out = VALUE_MISSING;
    if (str_eq(name, STR("index0"))) *out = value_int(i);
    if (str_eq(name, STR("index"))) *out = value_int(i + 1);
    if (str_eq(name, STR("first"))) *out = value_bool(i == 0);
    if (str_eq(name, STR("depth"))) *out = value_int((int64_t)loop->depth0 + 1);
    if (str_eq(name, STR("depth0"))) *out = value_int(loop->depth0);
    if (str_eq(name, STR("previtem")))
        *out = i == 0 ? value_undefined(STR("previtem")) : loop->before;
    if (out->kind != KIND_MISSING) return 0;
    if (str_eq(name, STR("last"))) return get_last(r, loop, out);
    if (str_eq(name, STR("nextitem"))) return get_next_item(r, loop, out);
    if (str_eq(name, STR("length"))) return length_of(r, loop, 0, out);
    if (str_eq(name, STR("revindex"))) return length_of(r, loop, -i, out);
    if (str_eq(name, STR("revindex0"))) return length_of(r, loop, -i - 1, out);
    return 0;
}

/* --- methods --- */

static int loop_cycle(struct run *r, const struct value *self, const struct args *args,
                      struct value *out)
{
    if (!args->count || args->named_count) return run_raise(r, "no items for cycling given");
    *out = args->items[(size_t)self->loop->index0 % args->count];
    return 0;
}

static int loop_changed(struct run *r, const struct value *self, const struct args *args,
                        struct value *out)
{
    struct value now;
    if (args->named_count) return run_raise(r, "changed() takes no keyword arguments");
    int err = list_new(r, KIND_TUPLE, args->count, &now);
    if (err) return err;
    if (args->count) memcpy(now.list->items, args->items, args->count * sizeof now);
    bool changed = !value_equal(r, &self->loop->changed, &now);
    if (changed) self->loop->changed = now;
    *out = value_bool(changed);
    return 0;
}

const struct builtin *iteration_method(struct str name)
{
    static const struct builtin methods[] = {
        {"cycle", loop_cycle, "*"},
        {"changed", loop_changed, "*"},
    };
    return builtin_find(methods, ARRAY_LEN(methods), name);
}

int iteration_print(struct run *r, struct sink *s, struct iteration *loop)
{
    struct value length;
    int err = length_of(r, loop, 0, &length);
    if (err) return err;
    return sink_printf(r, s, true, "<LoopContext %" PRId64 "/%" PRId64 ">", loop->index0 + 1,
                       length.integer);
}
