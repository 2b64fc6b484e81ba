/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/expression.h"

#include "jinja/args.h"
#include "jinja/attribute.h"
#include "jinja/call.h"
#include "jinja/dict.h"
#include "jinja/macro.h"
#include "jinja/number.h"
#include "jinja/print.h"
#include "jinja/walk.h"

static int evaluate(struct run *r, const struct node *n, struct value *out);

/* --- literals and names --- */

static void variable(struct run *r, const struct node *n, struct value *out)
{
    *out = *macro_place(r->here, n->variable.place);
    if (out->kind == KIND_MISSING) *out = value_undefined(n->variable.name);
}

int expression_value(struct run *r, const struct node *n, struct value *out)
{
    int err = run_charge(r, 1);
    if (err) return err;
    if (n->type == NODE_CONSTANT) {
        *out = n->constant;
        return 0;
    }
    if (n->type == NODE_VARIABLE) {
        variable(r, n, out);
        return 0;
    }
    err = run_enter(r);
    if (!err) err = evaluate(r, n, out);
    run_leave(r);
    return err;
}

static int list(struct run *r, const struct node *n, enum kind kind, struct value *out)
{
    struct value made;
    int err = list_new(r, kind, n->items.count, &made);
    for (size_t i = 0; !err && i < n->items.count; i++)
        err = expression_value(r, n->items.list[i], &made.list->items[i]);
    *out = made;
    return err;
}

static int dict(struct run *r, const struct node *n, struct value *out)
{
    struct value made, key, v;
    int err = dict_new(r, n->items.count / 2, &made);
    for (size_t i = 0; !err && i + 1 < n->items.count; i += 2) {
        err = expression_value(r, n->items.list[i], &key);
        if (!err) err = expression_value(r, n->items.list[i + 1], &v);
        if (!err) err = dict_put(r, made.dict, &key, &v);
    }
    *out = made;
    return err;
}

static int concat(struct run *r, const struct node *n, struct value *out)
{
    struct sink s = {0};
    struct value v;
    int err = 0;
    for (size_t i = 0; !err && i < n->items.count; i++) {
        err = expression_value(r, n->items.list[i], &v);
        if (!err) err = print_str(r, &s, &v);
    }
    return err ? err : sink_end(r, &s, out);
}

/* --- members --- */

static int attribute(struct run *r, const struct node *n, struct value *out)
{
    struct value object;
    int err = expression_value(r, n->left, &object);
    if (err) return err;
    r->at = n->at;
    return attribute_get(r, &object, &n->key, n->op, out);
}

static int item(struct run *r, const struct node *n, struct value *out)
{
    struct value object, key;
    int err = expression_value(r, n->left, &object);
    if (!err) err = expression_value(r, n->right, &key);
    if (err) return err;
    r->at = n->at;
    return attribute_item(r, &object, &key, out);
}

static int slice(struct run *r, const struct node *n, struct value *out)
{
    struct value object, bounds[3];
    int err = expression_value(r, n->left_of_slice, &object);
    for (size_t i = 0; !err && i < 3; i++) {
        bounds[i] = VALUE_NONE;
        if (n->bounds[i]) err = expression_value(r, n->bounds[i], &bounds[i]);
    }
    if (err) return err;
    r->at = n->at;
    return value_slice(r, &object, &bounds[0], &bounds[1], &bounds[2], out);
}

/* --- calls --- */

enum { ARGS_ON_STACK = 4 };

struct arguments {
    struct args args;
    struct value few[ARGS_ON_STACK];
    struct named few_named[ARGS_ON_STACK];
};

static int add_star(struct run *r, const struct node *star, struct value *items, size_t *count,
                    size_t room)
{
    struct value list;
    const struct list *members;
    int err = expression_value(r, star, &list);
    if (!err) err = value_members(r, &list, &members);
    if (err) return err;
    for (size_t i = 0; i < members->count && *count < room; i++)
        items[(*count)++] = members->items[i];
    if (members->count > room) return run_fail(r, ERR_TOO_LARGE, "too many arguments");
    return 0;
}

enum { STAR_MAX = 64 };

static int fill_items(struct run *r, const struct call *call, struct arguments *a)
{
    size_t count = 0, room = call->items.count + (call->star ? STAR_MAX : 0);
    struct value *items = a->few;
    int err = room > ARGS_ON_STACK ? run_alloc(r, room, sizeof *items, &items) : 0;
    for (; !err && count < call->items.count; count++)
        err = expression_value(r, call->items.list[count], &items[count]);
    if (!err && call->star) err = add_star(r, call->star, items, &count, room);
    a->args.items = items;
    a->args.count = count;
    return err;
}

static int add_star_star(struct run *r, const struct node *star, struct named *named, size_t *count,
                         size_t room)
{
    struct value v;
    int err = expression_value(r, star, &v);
    if (err) return err;
    if (v.kind != KIND_DICT) return run_raise(r, "argument after ** must be a mapping");
    for (size_t i = 0; i < v.dict->count; i++) {
        const struct entry *e = &v.dict->entries[i];
        if (e->key.kind != KIND_TEXT) return run_raise(r, "keywords must be strings");
        if (*count == room) return run_fail(r, ERR_TOO_LARGE, "too many arguments");
        named[(*count)++] = (struct named){value_str(&e->key), e->value};
    }
    return 0;
}

static int fill_named(struct run *r, const struct call *call, const struct value *caller,
                      struct arguments *a)
{
    size_t count = 0,
           room = call->named_count + (caller != NULL) + (call->star_star ? STAR_MAX : 0);
    struct named *named = a->few_named;
    int err = room > ARGS_ON_STACK ? run_alloc(r, room, sizeof *named, &named) : 0;
    for (; !err && count < call->named_count; count++) {
        named[count].name = call->named[count].name;
        err = expression_value(r, call->named[count].value, &named[count].value);
    }
    if (!err && caller) named[count++] = (struct named){STR("caller"), *caller};
    if (!err && call->star_star) err = add_star_star(r, call->star_star, named, &count, room);
    a->args.named = named;
    a->args.named_count = count;
    return err;
}

static int arguments(struct run *r, const struct call *call, const struct value *caller,
                     struct arguments *a)
{
    a->args = (struct args){0};
    if (!call) return 0;
    int err = fill_items(r, call, a);
    return err ? err : fill_named(r, call, caller, a);
}

/* object.method(...), without making a value of the method first. */
static int call_member(struct run *r, const struct node *n, const struct value *caller,
                       struct value *out)
{
    struct arguments a;
    struct value object, callee;
    const struct builtin *method = NULL;
    int err = expression_value(r, n->callee->left, &object);
    r->at = n->callee->at;
    if (!err) err = attribute_find(r, &object, &n->callee->key, n->callee->op, &method, &callee);
    if (!err) err = arguments(r, n->call, caller, &a);
    if (err) return err;
    r->at = n->at;
    return method ? call_method(r, method, &object, &a.args, out)
                  : call_value(r, &callee, &a.args, out);
}

int expression_call(struct run *r, const struct node *n, const struct value *caller,
                    struct value *out)
{
    struct arguments a;
    struct value callee;
    if (n->callee->type == NODE_ATTRIBUTE) return call_member(r, n, caller, out);
    int err = expression_value(r, n->callee, &callee);
    if (!err) err = arguments(r, n->call, caller, &a);
    if (err) return err;
    r->at = n->at;
    return call_value(r, &callee, &a.args, out);
}

static int no_builtin(struct run *r, const struct node *n)
{
    r->at = n->at;
    return run_fail(r, ERR_UNSUPPORTED, "there is no '%.*s'", (int)MIN(n->name.len, (size_t)100),
                    n->name.ptr);
}

/* A filter or test. */
static int apply(struct run *r, const struct node *n, struct value *out)
{
    struct arguments a;
    struct value self;
    int err = 0;
    if (!n->builtin) return no_builtin(r, n);
    if (n->callee)
        err = expression_value(r, n->callee, &self);
    else
        self = *r->caught;
    if (!err) err = arguments(r, n->call, NULL, &a);
    if (err) return err;
    r->at = n->at;
    return builtin_call(r, n->builtin, &self, &a.args, out);
}

/* --- operators --- */

static int compare_pair(struct run *r, enum compare how, const struct value *a,
                        const struct value *b, bool *out)
{
    int order = 0;
    switch (how) {
    case COMPARE_EQ: *out = value_equal(r, a, b); return 0;
    case COMPARE_NE: *out = !value_equal(r, a, b); return 0;
    case COMPARE_IN: return value_contains(r, b, a, out);
    case COMPARE_NOT_IN: {
        int err = value_contains(r, b, a, out);
        *out = !*out;
        return err;
    }
    default: break;
    }
    int err = value_order(r, a, b, &order);
    *out = how == COMPARE_LT   ? order < 0
           : how == COMPARE_LE ? order <= 0
           : how == COMPARE_GT ? order > 0
                               : order >= 0;
    return err;
}

static int compare(struct run *r, const struct node *n, struct value *out)
{
    struct value left, right;
    bool holds = true;
    int err = expression_value(r, n->first, &left);
    for (size_t i = 0; !err && holds && i < n->operand_count; i++) {
        err = expression_value(r, n->operands[i].node, &right);
        if (err) return err;
        r->at = n->at;
        err = compare_pair(r, n->operands[i].how, &left, &right, &holds);
        left = right;
    }
    *out = value_bool(holds);
    return err;
}

static int binary(struct run *r, const struct node *n, struct value *out)
{
    struct value left, right;
    int err = expression_value(r, n->left, &left);
    if (!err) err = expression_value(r, n->right, &right);
    if (err) return err;
    r->at = n->at;
    return number_binary(r, (enum binary)n->op, &left, &right, out);
}

static int logic(struct run *r, const struct node *n, struct value *out)
{
    int err = expression_value(r, n->left, out);
    if (err || value_is_true(out) == (n->type == NODE_OR)) return err;
    return expression_value(r, n->right, out);
}

static int if_else(struct run *r, const struct node *n, struct value *out)
{
    struct value condition;
    int err = expression_value(r, n->condition, &condition);
    if (err) return err;
    if (value_is_true(&condition)) return expression_value(r, n->yes, out);
    if (n->no) return expression_value(r, n->no, out);
    *out = value_undefined(STR("the inline if-expression"));
    return 0;
}

static int unary(struct run *r, const struct node *n, struct value *out)
{
    struct value v;
    int64_t integer;
    int err = expression_value(r, n->left, &v);
    if (err) return err;
    r->at = n->at;
    if (n->type == NODE_NOT) {
        *out = value_bool(!value_is_true(&v));
        return 0;
    }
    if (n->type == NODE_NEGATE) return number_negate(r, &v, out);
    if (!value_is_number(&v)) return run_raise(r, "bad operand type for unary +");
    *out = v.kind == KIND_BOOL && value_to_int(&v, &integer) ? value_int(integer) : v;
    out->own = v.own;
    return 0;
}

static int evaluate(struct run *r, const struct node *n, struct value *out)
{
    switch ((enum node_type)n->type) {
    case NODE_LIST: return list(r, n, KIND_LIST, out);
    case NODE_TUPLE: return list(r, n, KIND_TUPLE, out);
    case NODE_DICT: return dict(r, n, out);
    case NODE_CONCAT: return concat(r, n, out);
    case NODE_ATTRIBUTE: return attribute(r, n, out);
    case NODE_ITEM: return item(r, n, out);
    case NODE_SLICE: return slice(r, n, out);
    case NODE_CALL: return expression_call(r, n, NULL, out);
    case NODE_FILTER:
    case NODE_TEST: return apply(r, n, out);
    case NODE_COMPARE: return compare(r, n, out);
    case NODE_BINARY: return binary(r, n, out);
    case NODE_AND:
    case NODE_OR: return logic(r, n, out);
    case NODE_IF_ELSE: return if_else(r, n, out);
    case NODE_NOT:
    case NODE_NEGATE:
    case NODE_PLUS: return unary(r, n, out);
    default: return run_raise(r, "no expression");
    }
}

/* --- printing --- */

static int print_concat(struct run *r, const struct node *n)
{
    struct value v;
    int err = 0;
    for (size_t i = 0; !err && i < n->items.count; i++) {
        err = expression_value(r, n->items.list[i], &v);
        if (!err) err = print_str(r, r->out, &v);
    }
    return err;
}

enum { SUM_MAX = 24 };

/* The summands of a + b + c, at most SUM_MAX; the first one may be a sum itself. */
static size_t summands(const struct node *n, const struct node *list[SUM_MAX])
{
    size_t count = 0, i = SUM_MAX;
    for (; n->type == NODE_BINARY && n->op == BINARY_ADD && i > 1; n = n->left)
        list[--i] = n->right;
    list[--i] = n;
    for (; i < SUM_MAX; i++)
        list[count++] = list[i];
    return count;
}

/* Folds what are not only plain texts, from the left. */
static int print_folded(struct run *r, struct value *v, size_t count)
{
    int err = 0;
    for (size_t i = 1; !err && i < count; i++) {
        struct value sum = v[0];
        err = number_binary(r, BINARY_ADD, &sum, &v[i], &v[0]);
    }
    return err ? err : print_str(r, r->out, &v[0]);
}

static int print_sum(struct run *r, const struct node *n)
{
    const struct node *list[SUM_MAX];
    struct value v[SUM_MAX];
    size_t count = summands(n, list);
    bool plain = true;
    int err = 0;
    for (size_t i = 0; !err && i < count; i++) {
        err = expression_value(r, list[i], &v[i]);
        if (!err) plain = plain && v[i].kind == KIND_TEXT && !v[i].markup;
    }
    if (err) return err;
    r->at = n->at;
    if (!plain) return print_folded(r, v, count);
    for (size_t i = 0; !err && i < count; i++)
        err = sink_put_text(r, r->out, &v[i]);
    return err;
}

int expression_print(struct run *r, const struct node *n)
{
    struct value v;
    if (n->type == NODE_CONCAT) return print_concat(r, n);
    if (n->type == NODE_BINARY && n->op == BINARY_ADD) return print_sum(r, n);
    int err = expression_value(r, n, &v);
    return err ? err : print_str(r, r->out, &v);
}
