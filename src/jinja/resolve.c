/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/resolve.h"

#include "jinja/children.h"

enum { NAMES_MAX = 4096 };

struct symbol {
    struct str name;
    struct load load;
    bool is_parameter; /* set by whoever enters the scope */
};

struct frame {
    struct frame *parent;
    struct function *function; /* whose activation holds it */
    unsigned level;            /* functions around that one */
    unsigned branches;         /* of `if` around what is looked at */
    struct symbol *symbols;
    size_t count, cap;
};

struct resolver {
    struct run *r;
    struct globals *globals;
    struct frame *frame;
};

/* --- symbols --- */

static struct symbol *own_symbol(const struct frame *f, struct str name)
{
    for (size_t i = 0; i < f->count; i++)
        if (str_eq(f->symbols[i].name, name)) return &f->symbols[i];
    return NULL;
}

static struct symbol *find_symbol(const struct frame *f, struct str name, const struct frame **home)
{
    for (; f; f = f->parent) {
        struct symbol *s = own_symbol(f, name);
        if (!s) continue;
        *home = f;
        return s;
    }
    return NULL;
}

static int add_symbol(struct resolver *rs, struct str name, struct load load)
{
    struct frame *f = rs->frame;
    if (f->count >= NAMES_MAX) return run_fail(rs->r, ERR_TOO_LARGE, "too many variables");
    int err = run_grow(rs->r, &f->symbols, f->count, &f->cap, sizeof *f->symbols);
    if (err) return err;
    load.slot = f->function->slots++;
    f->symbols[f->count++] = (struct symbol){.name = name, .load = load};
    return 0;
}

static int global_number(struct resolver *rs, struct str name, uint32_t *out)
{
    struct globals *g = rs->globals;
    for (size_t i = 0; i < g->count; i++) {
        if (!str_eq(g->names[i], name)) continue;
        *out = (uint32_t)i;
        return 0;
    }
    if (g->count >= NAMES_MAX) return run_fail(rs->r, ERR_TOO_LARGE, "too many variables");
    int err = run_grow(rs->r, &g->names, g->count, &g->cap, sizeof *g->names);
    if (err) return err;
    *out = (uint32_t)g->count;
    g->names[g->count++] = name;
    return 0;
}

static int add_global(struct resolver *rs, struct str name)
{
    struct load load = {.how = LOAD_GLOBAL};
    int err = global_number(rs, name, &load.global);
    return err ? err : add_symbol(rs, name, load);
}

static int declare_load(struct resolver *rs, struct str name)
{
    const struct frame *home;
    return find_symbol(rs->frame, name, &home) ? 0 : add_global(rs, name);
}

/* Set in a branch that is perhaps not taken, the name is what it was around. */
static int declare_store(struct resolver *rs, struct str name)
{
    const struct frame *home, *f = rs->frame;
    if (own_symbol(f, name)) return 0;
    const struct symbol *outer = find_symbol(f->parent, name, &home);
    if (outer) {
        struct load load = {.how = LOAD_OUTER};
        load.outer = (struct place){outer->load.slot, (uint16_t)(f->level - home->level)};
        return add_symbol(rs, name, load);
    }
    return f->branches ? add_global(rs, name) : add_symbol(rs, name, (struct load){0});
}

static int declare_parameter(struct resolver *rs, struct str name, uint32_t *slot)
{
    struct symbol *s = own_symbol(rs->frame, name);
    if (!s) {
        int err = add_symbol(rs, name, (struct load){0});
        if (err) return err;
        s = &rs->frame->symbols[rs->frame->count - 1];
    }
    s->load.how = LOAD_NOTHING;
    s->is_parameter = true;
    if (slot) *slot = s->load.slot;
    return 0;
}

static int declare_parameters_of(struct resolver *rs, const struct node *target)
{
    int err = 0;
    if (target->type != NODE_TUPLE) return declare_parameter(rs, target->variable.name, NULL);
    for (size_t i = 0; !err && i < target->items.count; i++)
        err = declare_parameters_of(rs, target->items.list[i]);
    return err;
}

/* --- first look: which names a scope has --- */

static int declare_body(struct resolver *rs, const struct nodes *body);

static int declare_expression(void *context, struct node *n)
{
    struct resolver *rs = context;
    if (n->type == NODE_VARIABLE || n->type == NODE_MEMBER)
        return declare_load(rs, n->variable.name);
    return children_visit(n, declare_expression, rs);
}

static int declare_target(struct resolver *rs, const struct node *target)
{
    int err = 0;
    if (target->type == NODE_MEMBER) return declare_load(rs, target->variable.name);
    if (target->type == NODE_VARIABLE) return declare_store(rs, target->variable.name);
    for (size_t i = 0; !err && i < target->items.count; i++)
        err = declare_target(rs, target->items.list[i]);
    return err;
}

static int declare_if(struct resolver *rs, struct node *n)
{
    int err = 0;
    for (size_t i = 0; !err && i < n->branch_count; i++) {
        if (i) rs->frame->branches++;
        if (n->branches[i].test) err = declare_expression(rs, n->branches[i].test);
        if (!i) rs->frame->branches++;
        if (!err) err = declare_body(rs, &n->branches[i].body);
        rs->frame->branches--;
    }
    return err;
}

static int declare_nodes(struct resolver *rs, const struct nodes *nodes)
{
    int err = 0;
    for (size_t i = 0; !err && i < nodes->count; i++)
        err = declare_expression(rs, nodes->list[i]);
    return err;
}

/* What is in scopes of its own is not looked at. */
static int declare_statement(struct resolver *rs, struct node *n)
{
    int err = 0;
    switch ((enum node_type)n->type) {
    case NODE_PRINT: return declare_expression(rs, n->left);
    case NODE_IF: return declare_if(rs, n);
    case NODE_FOR: return declare_expression(rs, n->loop->iter);
    case NODE_SET:
        err = declare_expression(rs, n->set.value);
        return err ? err : declare_target(rs, n->set.target);
    case NODE_SET_BLOCK: return declare_target(rs, n->set.target);
    case NODE_MACRO: return declare_store(rs, n->macro.name);
    case NODE_CALL_BLOCK: return declare_expression(rs, n->macro.call);
    case NODE_FILTER_BLOCK: return declare_expression(rs, n->set.value);
    case NODE_WITH: return declare_nodes(rs, &n->with.values);
    default: return 0;
    }
}

static int declare_body(struct resolver *rs, const struct nodes *body)
{
    int err = 0;
    for (size_t i = 0; !err && i < body->count; i++)
        err = declare_statement(rs, body->list[i]);
    return err;
}

/* --- second look: where they are --- */

static int resolve_body(struct resolver *rs, const struct nodes *body);

static int resolve_name(struct resolver *rs, struct str name, struct place *out)
{
    const struct frame *home = NULL;
    const struct symbol *s = find_symbol(rs->frame, name, &home);
    if (!s) { /* of a target only */
        int err = declare_load(rs, name);
        if (err) return err;
        s = find_symbol(rs->frame, name, &home);
    }
    *out = (struct place){s->load.slot, (uint16_t)(rs->frame->level - home->level)};
    return 0;
}

static int refuse_builtin(struct resolver *rs, const struct node *n)
{
    rs->r->at = n->at;
    return run_fail(rs->r, ERR_UNSUPPORTED, "there is no %s '%.*s'",
                    n->type == NODE_FILTER ? "filter" : "test", (int)MIN(n->name.len, (size_t)100),
                    n->name.ptr);
}

static int resolve_expression(void *context, struct node *n)
{
    struct resolver *rs = context;
    if (n->type == NODE_VARIABLE || n->type == NODE_MEMBER)
        return resolve_name(rs, n->variable.name, &n->variable.place);
    if ((n->type == NODE_FILTER || n->type == NODE_TEST) && !n->builtin && !rs->frame->branches)
        return refuse_builtin(rs, n);
    /* In a branch that may never be taken, what is not there is an error only when it is used. */
    bool branch = n->type == NODE_IF_ELSE;
    rs->frame->branches += branch;
    int err = children_visit(n, resolve_expression, rs);
    rs->frame->branches -= branch;
    return err;
}

static int resolve_nodes(struct resolver *rs, const struct nodes *nodes)
{
    int err = 0;
    for (size_t i = 0; !err && i < nodes->count; i++)
        err = resolve_expression(rs, nodes->list[i]);
    return err;
}

static struct frame frame_within(struct resolver *rs, struct function *function)
{
    struct frame *parent = rs->frame;
    struct frame f = {.parent = parent, .function = parent->function, .level = parent->level};
    if (function) {
        f.function = function;
        f.level = parent->level + 1;
    }
    return f;
}

/* Notes what has to be done when the scope is entered. */
static int note_loads(struct run *r, const struct frame *f, struct scope *scope)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->symbols[i].is_parameter) continue;
        int err = run_grow(r, &scope->loads, scope->count, &scope->cap, sizeof *scope->loads);
        if (err) return err;
        scope->loads[scope->count++] = f->symbols[i].load;
    }
    return 0;
}

/* Leaves the innermost frame, whose names were found unless `err` says otherwise. */
static int finish_scope(struct resolver *rs, int err, struct scope *scope)
{
    const struct frame *f = rs->frame;
    rs->frame = f->parent;
    return err ? err : note_loads(rs->r, f, scope);
}

static int resolve_specials(struct resolver *rs, struct function *f)
{
    int err = 0;
    if (f->has_caller) err = declare_parameter(rs, STR("caller"), &f->caller);
    if (!err && f->has_kwargs) err = declare_parameter(rs, STR("kwargs"), &f->kwargs);
    if (!err && f->has_varargs) err = declare_parameter(rs, STR("varargs"), &f->varargs);
    return err;
}

static int resolve_function(struct resolver *rs, struct function *f)
{
    struct frame frame = frame_within(rs, f);
    int err = 0;
    rs->frame = &frame;
    for (size_t i = 0; !err && i < f->count; i++)
        err = declare_parameter(rs, f->parameters[i].name, &f->parameters[i].slot);
    for (size_t i = 0; !err && i < f->count; i++)
        if (f->parameters[i].otherwise) err = declare_expression(rs, f->parameters[i].otherwise);
    if (!err) err = declare_body(rs, &f->body);
    if (!err) err = resolve_specials(rs, f);
    for (size_t i = 0; !err && i < f->count; i++)
        if (f->parameters[i].otherwise) err = resolve_expression(rs, f->parameters[i].otherwise);
    if (!err) err = resolve_body(rs, &f->body);
    return finish_scope(rs, err, &f->scope);
}

/* A scope with nothing but a body and perhaps a filter. */
static int resolve_block(struct resolver *rs, struct node *filter, const struct nodes *body,
                         struct scope *scope)
{
    struct frame frame = frame_within(rs, NULL);
    rs->frame = &frame;
    int err = filter ? declare_expression(rs, filter) : 0;
    if (!err) err = declare_body(rs, body);
    if (!err && filter) err = resolve_expression(rs, filter);
    if (!err) err = resolve_body(rs, body);
    return finish_scope(rs, err, scope);
}

static int resolve_with(struct resolver *rs, struct node *n)
{
    int err = resolve_nodes(rs, &n->with.values);
    struct frame frame = frame_within(rs, NULL);
    rs->frame = &frame;
    for (size_t i = 0; !err && i < n->with.targets.count; i++)
        err = declare_parameters_of(rs, n->with.targets.list[i]);
    if (!err) err = declare_body(rs, &n->with.body);
    if (!err) err = resolve_nodes(rs, &n->with.targets);
    if (!err) err = resolve_body(rs, &n->with.body);
    return finish_scope(rs, err, &n->with.scope);
}

/* --- loops --- */

static int copy_target(struct resolver *rs, const struct node *target, struct node **out)
{
    int err = run_alloc(rs->r, 1, sizeof **out, out);
    if (err) return err;
    **out = *target;
    if (target->type != NODE_TUPLE) return 0;
    size_t count = target->items.count;
    err = run_alloc(rs->r, count, sizeof(struct node *), &(*out)->items.list);
    for (size_t i = 0; !err && i < count; i++)
        err = copy_target(rs, target->items.list[i], &(*out)->items.list[i]);
    return err;
}

static int resolve_loop_test(struct resolver *rs, struct for_loop *loop)
{
    if (!loop->test) return 0;
    struct frame frame = frame_within(rs, NULL);
    rs->frame = &frame;
    int err = copy_target(rs, loop->target, &loop->test_target);
    if (!err) err = declare_parameters_of(rs, loop->test_target);
    if (!err) err = declare_expression(rs, loop->test);
    if (!err) err = resolve_expression(rs, loop->test_target);
    if (!err) err = resolve_expression(rs, loop->test);
    return finish_scope(rs, err, &loop->test_scope);
}

static int resolve_loop_body(struct resolver *rs, struct for_loop *loop)
{
    struct frame frame = frame_within(rs, NULL);
    int err = 0;
    rs->frame = &frame;
    if (loop->extended) err = declare_parameter(rs, STR("loop"), &loop->loop_slot);
    if (!err) err = declare_parameters_of(rs, loop->target);
    if (!err) err = declare_body(rs, &loop->body);
    if (!err) err = resolve_expression(rs, loop->target);
    if (!err) err = resolve_body(rs, &loop->body);
    return finish_scope(rs, err, &loop->scope);
}

/* A recursive loop's scopes are in a function of their own, which has no names itself. */
static int resolve_for(struct resolver *rs, struct for_loop *loop)
{
    struct frame frame = frame_within(rs, loop->function), *before = rs->frame;
    int err = resolve_expression(rs, loop->iter);
    if (loop->function) rs->frame = &frame;
    if (!err) err = resolve_loop_test(rs, loop);
    if (!err) err = resolve_loop_body(rs, loop);
    if (!err) err = resolve_block(rs, NULL, &loop->otherwise, &loop->else_scope);
    rs->frame = before;
    return err;
}

static int resolve_if(struct resolver *rs, struct node *n)
{
    int err = 0;
    rs->frame->branches++;
    for (size_t i = 0; !err && i < n->branch_count; i++) {
        if (n->branches[i].test) err = resolve_expression(rs, n->branches[i].test);
        if (!err) err = resolve_body(rs, &n->branches[i].body);
    }
    rs->frame->branches--;
    return err;
}

static int resolve_statement(struct resolver *rs, struct node *n)
{
    int err = 0;
    switch ((enum node_type)n->type) {
    case NODE_PRINT: return resolve_expression(rs, n->left);
    case NODE_IF: return resolve_if(rs, n);
    case NODE_FOR: return resolve_for(rs, n->loop);
    case NODE_SET:
        err = resolve_expression(rs, n->set.value);
        return err ? err : resolve_expression(rs, n->set.target);
    case NODE_SET_BLOCK:
        err = resolve_block(rs, n->set.value, &n->set.body, &n->set.scope);
        return err ? err : resolve_expression(rs, n->set.target);
    case NODE_MACRO:
        err = resolve_function(rs, n->macro.function);
        return err ? err : resolve_name(rs, n->macro.name, &n->macro.place);
    case NODE_CALL_BLOCK:
        err = resolve_function(rs, n->macro.function);
        return err ? err : resolve_expression(rs, n->macro.call);
    case NODE_FILTER_BLOCK: return resolve_block(rs, n->set.value, &n->set.body, &n->set.scope);
    case NODE_WITH: return resolve_with(rs, n);
    case NODE_GENERATION: return resolve_block(rs, NULL, &n->set.body, &n->set.scope);
    default: return 0;
    }
}

static int resolve_body(struct resolver *rs, const struct nodes *body)
{
    int err = 0;
    for (size_t i = 0; !err && i < body->count; i++)
        err = resolve_statement(rs, body->list[i]);
    return err;
}

int resolve(struct run *r, struct function *root, struct globals *globals)
{
    struct frame frame = {.function = root};
    struct resolver rs = {.r = r, .globals = globals, .frame = &frame};
    int err = declare_body(&rs, &root->body);
    if (!err) err = resolve_body(&rs, &root->body);
    return finish_scope(&rs, err, &root->scope);
}
