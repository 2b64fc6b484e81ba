/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/render.h"

#include "jinja/dict.h"
#include "jinja/expression.h"
#include "jinja/iteration.h"
#include "jinja/macro.h"
#include "jinja/walk.h"

/* How a body ended, besides errors. */
enum { FLOW_BREAK = 1, FLOW_CONTINUE = 2 };

static int run_body(struct run *r, const struct nodes *body);

/* --- scopes --- */

static void enter_scope(struct run *r, const struct scope *scope)
{
    struct activation *here = r->here;
    for (size_t i = 0; i < scope->count; i++) {
        const struct load *load = &scope->loads[i];
        struct value *slot = &here->slots[load->slot];
        switch (load->how) {
        case LOAD_NOTHING: *slot = VALUE_MISSING; break;
        case LOAD_GLOBAL: *slot = r->globals[load->global]; break;
        case LOAD_OUTER: *slot = *macro_place(here, load->outer); break;
        }
    }
}

static int new_activation(struct run *r, const struct function *f, struct activation *outer,
                          struct activation **out)
{
    struct activation *a;
    size_t bytes = sizeof *a + f->slots * sizeof *a->slots;
    int err = run_alloc(r, 1, bytes, &a);
    if (err) return err;
    memset(a, 0, bytes);
    a->outer = outer;
    *out = a;
    return 0;
}

/* Runs a body that writes into a text of its own. */
static int catch_body(struct run *r, const struct nodes *body, struct value *out)
{
    struct sink s = {0}, *before = r->out;
    r->out = &s;
    int err = run_body(r, body);
    r->out = before;
    return err ? err : sink_end(r, &s, out);
}

/* What a block wrote, through its filters. */
static int filter_caught(struct run *r, const struct node *filter, struct value *text)
{
    const struct value *before = r->caught;
    struct value caught = *text;
    if (!filter) return 0;
    r->caught = &caught;
    int err = expression_value(r, filter, text);
    r->caught = before;
    return err;
}

/* --- assignment --- */

static int assign(struct run *r, const struct node *target, const struct value *v);

static int assign_member(struct run *r, const struct node *target, const struct value *v)
{
    const struct value *space = macro_place(r->here, target->variable.place);
    struct value name = value_text(target->variable.member, true);
    r->at = target->at;
    if (space->kind != KIND_SPACE)
        return run_raise(r, "cannot assign attribute on non-namespace object");
    return dict_put(r, space->space->dict, &name, v);
}

static int unpack(struct run *r, const struct nodes *targets, const struct value *v)
{
    const struct list *members;
    int err = value_members(r, v, &members);
    if (err) return err;
    if (members->count != targets->count)
        return run_raise(r, "%s values to unpack (expected %zu)",
                         members->count > targets->count ? "too many" : "not enough",
                         targets->count);
    for (size_t i = 0; !err && i < targets->count; i++)
        err = assign(r, targets->list[i], &members->items[i]);
    return err;
}

static int assign(struct run *r, const struct node *target, const struct value *v)
{
    if (target->type == NODE_VARIABLE) {
        *macro_place(r->here, target->variable.place) = *v;
        return 0;
    }
    if (target->type == NODE_MEMBER) return assign_member(r, target, v);
    r->at = target->at;
    return unpack(r, &target->items, v);
}

static int run_set(struct run *r, const struct node *n)
{
    struct value v;
    int err = expression_value(r, n->set.value, &v);
    return err ? err : assign(r, n->set.target, &v);
}

static int run_set_block(struct run *r, const struct node *n)
{
    struct value text;
    enter_scope(r, &n->set.scope);
    int err = catch_body(r, &n->set.body, &text);
    if (!err) err = filter_caught(r, n->set.value, &text);
    return err ? err : assign(r, n->set.target, &text);
}

static int run_filter_block(struct run *r, const struct node *n)
{
    struct value text;
    enter_scope(r, &n->set.scope);
    int err = catch_body(r, &n->set.body, &text);
    if (!err) err = filter_caught(r, n->set.value, &text);
    if (err) return err;
    if (text.kind == KIND_TEXT) return sink_put_text(r, r->out, &text);
    return run_raise(r, "the block's filter gives no text");
}

static int run_with(struct run *r, const struct node *n)
{
    const struct nodes *targets = &n->with.targets;
    struct value list;
    int err = list_new(r, KIND_TUPLE, targets->count, &list);
    for (size_t i = 0; !err && i < targets->count; i++)
        err = expression_value(r, n->with.values.list[i], &list.list->items[i]);
    if (err) return err;
    enter_scope(r, &n->with.scope);
    for (size_t i = 0; !err && i < targets->count; i++)
        err = assign(r, targets->list[i], &list.list->items[i]);
    return err ? err : run_body(r, &n->with.body);
}

/* --- loops --- */

/* Lets through what the loop's test holds for. */
static int next_tested(struct run *r, const struct for_loop *f, struct walk *walk,
                       struct activation *home, struct value *out)
{
    struct activation *before = r->here;
    struct value holds;
    int err;
    while (!(err = walk_next(r, walk, out))) {
        if (!f->test) return 0;
        r->here = home;
        enter_scope(r, &f->test_scope);
        err = assign(r, f->test_target, out);
        if (!err) err = expression_value(r, f->test, &holds);
        r->here = before;
        if (err || value_is_true(&holds)) return err;
    }
    return err;
}

static int next_of_loop(struct run *r, struct iteration *loop, struct value *out)
{
    return next_tested(r, loop->node->loop, &loop->walk, loop->home, out);
}

static int run_iteration(struct run *r, const struct for_loop *f, const struct value *member)
{
    enter_scope(r, &f->scope);
    int err = assign(r, f->target, member);
    if (!err) err = run_body(r, &f->body);
    return err == FLOW_CONTINUE ? 0 : err;
}

/* When no member is left: a loop without any runs its else. */
static int end_loop(struct run *r, const struct for_loop *f, int err, bool ran)
{
    if (err != WALK_END || ran || !f->otherwise.count) return err == WALK_END ? 0 : err;
    enter_scope(r, &f->else_scope);
    return run_body(r, &f->otherwise);
}

static int run_plain_loop(struct run *r, const struct for_loop *f, const struct value *over)
{
    struct walk walk;
    struct value member;
    bool ran = false;
    int flow = 0, err = walk_start(r, over, &walk);
    if (err) return err;
    while (!flow && !(err = next_tested(r, f, &walk, r->here, &member))) {
        ran = true;
        flow = run_iteration(r, f, &member);
        if (flow == FLOW_BREAK) return 0;
        if (flow) return flow;
    }
    return end_loop(r, f, err, ran);
}

static int new_loop(struct run *r, const struct node *n, const struct value *over, unsigned depth0,
                    struct iteration **out)
{
    struct iteration *loop;
    size_t count;
    int err = run_alloc(r, 1, sizeof *loop, &loop);
    if (err) return err;
    *loop = (struct iteration){.next = next_of_loop, .node = n, .home = r->here, .depth0 = depth0};
    loop->index0 = -1;
    loop->length = !n->loop->test && value_length(over, &count) ? (int64_t)count : -1;
    *out = loop;
    return walk_start(r, over, &loop->walk);
}

static int run_extended_loop(struct run *r, const struct node *n, const struct value *over,
                             unsigned depth0)
{
    const struct for_loop *f = n->loop;
    struct iteration *loop;
    int flow = 0, err = new_loop(r, n, over, depth0, &loop);
    if (err) return err;
    while (!(err = iteration_advance(r, loop))) {
        r->here->slots[f->loop_slot] = (struct value){.kind = KIND_LOOP, .own = true, .loop = loop};
        flow = run_iteration(r, f, &loop->current);
        if (flow == FLOW_BREAK) return 0;
        if (flow) return flow;
    }
    return end_loop(r, f, err, loop->index0 >= 0);
}

/* The variables of a recursive loop are those of a function. */
static int run_recursive_loop(struct run *r, const struct node *n, const struct value *over,
                              struct activation *outer, unsigned depth0)
{
    struct activation *before = r->here;
    int err = new_activation(r, n->loop->function, outer, &r->here);
    if (!err) err = run_extended_loop(r, n, over, depth0);
    r->here = before;
    return err;
}

static int run_for(struct run *r, const struct node *n)
{
    struct value over;
    int err = expression_value(r, n->loop->iter, &over);
    if (err) return err;
    r->at = n->at;
    if (n->loop->function) return run_recursive_loop(r, n, &over, r->here, 0);
    return n->loop->extended ? run_extended_loop(r, n, &over, 0)
                             : run_plain_loop(r, n->loop, &over);
}

int render_recurse(struct run *r, struct iteration *loop, const struct args *args,
                   struct value *out)
{
    struct sink s = {0}, *before = r->out;
    if (!loop->node->loop->function)
        return run_raise(r, "the loop must be 'recursive' to be called");
    if (args->count != 1 || args->named_count) return run_raise(r, "loop() takes one argument");
    int err = run_enter(r);
    r->out = &s;
    if (!err)
        err =
            run_recursive_loop(r, loop->node, &args->items[0], loop->home->outer, loop->depth0 + 1);
    r->out = before;
    run_leave(r);
    return err ? err : sink_end(r, &s, out);
}

/* --- macros --- */

static int define_macro(struct run *r, const struct function *f, struct value *out)
{
    struct macro *m;
    int err = run_alloc(r, 1, sizeof *m, &m);
    if (err) return err;
    *m = (struct macro){f, r->here};
    *out = (struct value){.kind = KIND_MACRO, .own = true, .macro = m};
    return 0;
}

static int run_macro(struct run *r, const struct node *n)
{
    return define_macro(r, n->macro.function, macro_place(r->here, n->macro.place));
}

static int run_call_block(struct run *r, const struct node *n)
{
    struct value caller, text;
    int err = define_macro(r, n->macro.function, &caller);
    if (!err) err = expression_call(r, n->macro.call, &caller, &text);
    if (err) return err;
    struct sink *out = r->out;
    if (text.kind == KIND_TEXT) return sink_put_text(r, out, &text);
    return run_raise(r, "the call gives no text");
}

static bool take_named(const struct args *args, bool *used, struct str name, struct value *slot)
{
    for (size_t i = 0; i < args->named_count; i++) {
        if (used[i] || !str_eq(args->named[i].name, name)) continue;
        *slot = args->named[i].value;
        used[i] = true;
        return true;
    }
    return false;
}

static int take_varargs(struct run *r, const struct function *f, const struct args *args,
                        struct value *slots)
{
    size_t more = args->count > f->count ? args->count - f->count : 0;
    if (!f->has_varargs) {
        if (!more) return 0;
        return run_raise(r, "macro '%.*s' takes not more than %zu argument(s)",
                         (int)MIN(f->name.len, (size_t)100), f->name.ptr, f->count);
    }
    struct value *varargs = &slots[f->varargs];
    int err = list_new(r, KIND_TUPLE, more, varargs);
    for (size_t i = 0; !err && i < more; i++)
        varargs->list->items[i] = args->items[f->count + i];
    return err;
}

static int take_kwargs(struct run *r, const struct function *f, const struct args *args,
                       const bool *used, struct value *slots)
{
    int err = f->has_kwargs ? dict_new(r, args->named_count, &slots[f->kwargs]) : 0;
    for (size_t i = 0; !err && i < args->named_count; i++) {
        struct value name = value_text(args->named[i].name, true);
        if (used[i]) continue;
        if (!f->has_kwargs)
            return run_raise(r, "macro '%.*s' takes no keyword argument '%.*s'",
                             (int)MIN(f->name.len, (size_t)60), f->name.ptr,
                             (int)MIN(name.len, 60U), name.bytes);
        err = dict_put(r, slots[f->kwargs].dict, &name, &args->named[i].value);
    }
    return err;
}

static int take_arguments(struct run *r, const struct function *f, const struct args *args,
                          struct value *slots)
{
    bool *used;
    int err = run_alloc(r, args->named_count, sizeof *used, &used);
    if (err) return err;
    memset(used, 0, args->named_count * sizeof *used);
    for (size_t i = 0; i < f->count; i++) {
        struct value *slot = &slots[f->parameters[i].slot];
        if (i < args->count)
            *slot = args->items[i];
        else
            take_named(args, used, f->parameters[i].name, slot);
    }
    if (f->has_caller && !take_named(args, used, STR("caller"), &slots[f->caller]))
        slots[f->caller] = value_undefined(STR("caller"));
    err = take_kwargs(r, f, args, used, slots);
    return err ? err : take_varargs(r, f, args, slots);
}

/* In the macro's own scope, one after the other. */
static int take_defaults(struct run *r, const struct function *f, struct value *slots)
{
    int err = 0;
    for (size_t i = 0; !err && i < f->count; i++) {
        const struct parameter *p = &f->parameters[i];
        if (slots[p->slot].kind != KIND_MISSING) continue;
        if (p->otherwise)
            err = expression_value(r, p->otherwise, &slots[p->slot]);
        else
            slots[p->slot] = value_undefined(p->name);
    }
    return err;
}

static int run_function(struct run *r, const struct function *f, const struct args *args,
                        struct value *out)
{
    int err = take_arguments(r, f, args, r->here->slots);
    if (err) return err;
    enter_scope(r, &f->scope);
    err = take_defaults(r, f, r->here->slots);
    return err ? err : catch_body(r, &f->body, out);
}

int render_macro(struct run *r, const struct macro *m, const struct args *args, struct value *out)
{
    struct activation *before = r->here;
    int err = run_enter(r);
    if (!err) err = new_activation(r, m->function, m->home, &r->here);
    if (!err) err = run_function(r, m->function, args, out);
    r->here = before;
    run_leave(r);
    return err;
}

/* --- statements --- */

static int run_if(struct run *r, const struct node *n)
{
    struct value holds;
    for (size_t i = 0; i < n->branch_count; i++) {
        const struct branch *b = &n->branches[i];
        if (b->test) {
            int err = expression_value(r, b->test, &holds);
            if (err) return err;
        }
        if (!b->test || value_is_true(&holds)) return run_body(r, &b->body);
    }
    return 0;
}

static int run_generation(struct run *r, const struct node *n)
{
    enter_scope(r, &n->set.scope);
    return run_body(r, &n->set.body);
}

static int run_statement(struct run *r, const struct node *n)
{
    switch ((enum node_type)n->type) {
    case NODE_TEXT: return sink_put(r, r->out, n->text, true);
    case NODE_PRINT: return expression_print(r, n->left);
    case NODE_IF: return run_if(r, n);
    case NODE_FOR: return run_for(r, n);
    case NODE_SET: return run_set(r, n);
    case NODE_SET_BLOCK: return run_set_block(r, n);
    case NODE_MACRO: return run_macro(r, n);
    case NODE_CALL_BLOCK: return run_call_block(r, n);
    case NODE_FILTER_BLOCK: return run_filter_block(r, n);
    case NODE_WITH: return run_with(r, n);
    case NODE_GENERATION: return run_generation(r, n);
    case NODE_BREAK: return FLOW_BREAK;
    case NODE_CONTINUE: return FLOW_CONTINUE;
    default: return run_raise(r, "no statement");
    }
}

static int run_body(struct run *r, const struct nodes *body)
{
    int err = run_enter(r);
    for (size_t i = 0; !err && i < body->count; i++) {
        err = run_charge(r, 1);
        if (!err) err = run_statement(r, body->list[i]);
    }
    run_leave(r);
    return err;
}

int render_root(struct run *r, const struct function *root)
{
    int err = new_activation(r, root, NULL, &r->here);
    if (err) return err;
    enter_scope(r, &root->scope);
    return run_body(r, &root->body);
}
