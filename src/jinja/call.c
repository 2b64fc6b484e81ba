/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/call.h"

#include "jinja/args.h"

static int call_joiner(struct joiner *j, struct value *out)
{
    *out = j->used ? j->separator : value_text(STR(""), true);
    j->used = true;
    return 0;
}

static int call_undefined(struct run *r, const struct value *v)
{
    if (!v->len) return run_raise(r, "the value is undefined and cannot be called");
    return run_raise(r, "'%.*s' is undefined", (int)MIN(v->len, 100U), v->bytes);
}

int call_method(struct run *r, const struct builtin *method, const struct value *self,
                const struct args *args, struct value *out)
{
    int err = builtin_call(r, method, self, args, out);
    if (!err && self->markup && out->kind == KIND_TEXT) out->markup = true;
    return err;
}

int call_value(struct run *r, const struct value *callee, const struct args *args,
               struct value *out)
{
    switch ((enum kind)callee->kind) {
    case KIND_FUNCTION: return builtin_call(r, callee->function, callee, args, out);
    case KIND_METHOD:
        return call_method(r, callee->bound->function, &callee->bound->self, args, out);
    case KIND_MACRO: return r->hooks->macro(r, callee->macro, args, out);
    case KIND_LOOP: return r->hooks->recurse(r, callee->loop, args, out);
    case KIND_JOINER:
        if (args->count || args->named_count) return run_raise(r, "a joiner takes no arguments");
        return call_joiner(callee->joiner, out);
    case KIND_UNDEFINED: return call_undefined(r, callee);
    default: return run_raise(r, "'%s' object is not callable", value_type(callee));
    }
}
