/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/parse_primary.h"

#include "jinja/methods.h"
#include "jinja/number.h"
#include "jinja/text.h"

/* --- literals --- */

static int make_constant(struct parser *p, const struct token *at, struct value v,
                         struct node **out)
{
    int err = parser_node(p, NODE_CONSTANT, at, out);
    if (!err) (*out)->constant = v;
    return err;
}

static bool constant_name(struct str name, struct value *out)
{
    static const struct {
        const char *name;
        int truth; /* -1: none */
    } rows[] = {{"true", 1}, {"True", 1}, {"false", 0}, {"False", 0}, {"none", -1}, {"None", -1}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!str_eq(name, str_of(rows[i].name))) continue;
        *out = rows[i].truth < 0 ? VALUE_NONE : value_bool(rows[i].truth);
        return true;
    }
    return false;
}

static void see(struct parser *p, struct str name)
{
    if (str_eq(name, STR("loop"))) p->seen.loop = true;
    if (str_eq(name, STR("caller"))) p->seen.caller = true;
    if (str_eq(name, STR("varargs"))) p->seen.varargs = true;
    if (str_eq(name, STR("kwargs"))) p->seen.kwargs = true;
}

static int parse_name(struct parser *p, bool members, struct node **out)
{
    const struct token *at = p->token;
    struct value constant;
    parser_advance(p);
    if (constant_name(at->text, &constant)) return make_constant(p, at, constant, out);
    bool member = members && parser_skip(p, TOKEN_DOT);
    int err = parser_node(p, member ? NODE_MEMBER : NODE_VARIABLE, at, out);
    if (err) return err;
    (*out)->variable.name = at->text;
    if (member) return parser_expect_name(p, &(*out)->variable.member);
    see(p, at->text);
    return 0;
}

/* Neighbouring literals are one. */
static int parse_string(struct parser *p, struct node **out)
{
    const struct token *at = p->token;
    struct value text = value_text(at->text, true);
    int err = 0;
    parser_advance(p);
    while (!err && parser_is(p, TOKEN_STRING)) {
        struct value more = value_text(p->token->text, true), left = text;
        err = text_join(p->r, &left, &more, &text);
        parser_advance(p);
    }
    return err ? err : make_constant(p, at, text, out);
}

static int parse_integer(struct parser *p, struct node **out)
{
    struct value v;
    const struct token *at = p->token;
    p->r->at = at->at;
    int err = number_of_text(p->r, at->text, 0, &v);
    if (err) return err < 0 ? err : parser_fail(p, "a number");
    parser_advance(p);
    return make_constant(p, at, v, out);
}

static int parse_float(struct parser *p, struct node **out)
{
    double real;
    const struct token *at = p->token;
    if (!number_float_of_text(at->text, &real)) return parser_fail(p, "a number");
    parser_advance(p);
    return make_constant(p, at, value_float(real), out);
}

static int add_item(struct parser *p, struct node *list)
{
    struct node *item;
    int err = p->expression(p, true, &item);
    if (!err) err = nodes_add(p, &list->items, item);
    return err ? err : parser_above(p, list, item);
}

static int parse_list(struct parser *p, struct node **out)
{
    int err = parser_node(p, NODE_LIST, p->token, out);
    parser_advance(p);
    while (!err && !parser_is(p, TOKEN_RIGHT_BRACKET)) {
        if ((*out)->items.count) err = parser_expect(p, TOKEN_COMMA, "','");
        if (err || parser_is(p, TOKEN_RIGHT_BRACKET)) break;
        err = add_item(p, *out);
    }
    return err ? err : parser_expect(p, TOKEN_RIGHT_BRACKET, "']'");
}

static int parse_dict(struct parser *p, struct node **out)
{
    int err = parser_node(p, NODE_DICT, p->token, out);
    parser_advance(p);
    while (!err && !parser_is(p, TOKEN_RIGHT_BRACE)) {
        if ((*out)->items.count) err = parser_expect(p, TOKEN_COMMA, "','");
        if (err || parser_is(p, TOKEN_RIGHT_BRACE)) break;
        err = add_item(p, *out);
        if (!err) err = parser_expect(p, TOKEN_COLON, "':'");
        if (!err) err = add_item(p, *out);
    }
    return err ? err : parser_expect(p, TOKEN_RIGHT_BRACE, "'}'");
}

/* --- tuples --- */

static bool tuple_ends(const struct parser *p, const char *end)
{
    return parser_is(p, TOKEN_VARIABLE_END) || parser_is(p, TOKEN_BLOCK_END) ||
           parser_is(p, TOKEN_RIGHT_PAREN) || (end && parser_is_name(p, end));
}

enum tuple_of { ITEMS_EXPRESSIONS, ITEMS_UNCONDITIONAL, ITEMS_TARGETS, ITEMS_TARGETS_MEMBERS };

static int parse_tuple_item(struct parser *p, enum tuple_of items, struct node **out)
{
    if (items == ITEMS_EXPRESSIONS || items == ITEMS_UNCONDITIONAL)
        return p->expression(p, items == ITEMS_EXPRESSIONS, out);
    int err = parser_enter(p);
    if (!err) err = parse_primary(p, items == ITEMS_TARGETS_MEMBERS, out);
    p->depth--;
    return err;
}

static int parse_items(struct parser *p, enum tuple_of items, const char *end, bool may_be_empty,
                       struct node **out)
{
    struct node *tuple, *item = NULL;
    bool is_tuple = false;
    int err = parser_node(p, NODE_TUPLE, p->token, &tuple);
    while (!err && !tuple_ends(p, end)) {
        err = parse_tuple_item(p, items, &item);
        if (!err) err = nodes_add(p, &tuple->items, item);
        if (!err) err = parser_above(p, tuple, item);
        if (err || !parser_skip(p, TOKEN_COMMA)) break;
        is_tuple = true;
    }
    if (!err && !is_tuple && !item && !may_be_empty) return parser_fail(p, "an expression");
    *out = is_tuple || !item ? tuple : item;
    return err;
}

int parse_tuple(struct parser *p, bool conditional, const char *end, struct node **out)
{
    return parse_items(p, conditional ? ITEMS_EXPRESSIONS : ITEMS_UNCONDITIONAL, end, false, out);
}

static bool can_be_target(const struct node *n)
{
    if (n->type == NODE_TUPLE) {
        for (size_t i = 0; i < n->items.count; i++)
            if (!can_be_target(n->items.list[i])) return false;
        return true;
    }
    return n->type == NODE_VARIABLE || n->type == NODE_MEMBER;
}

int parse_target(struct parser *p, const char *end, bool members, struct node **out)
{
    struct seen before = p->seen;
    const struct token *at = p->token;
    int err = parse_items(p, members ? ITEMS_TARGETS_MEMBERS : ITEMS_TARGETS, end, false, out);
    p->seen = before;
    if (err || can_be_target(*out)) return err;
    p->r->at = at->at;
    return run_fail(p->r, ERR_SYNTAX, "cannot assign to this");
}

static int parse_parentheses(struct parser *p, struct node **out)
{
    parser_advance(p);
    int err = parse_items(p, ITEMS_EXPRESSIONS, NULL, true, out);
    return err ? err : parser_expect(p, TOKEN_RIGHT_PAREN, "')'");
}

int parse_primary(struct parser *p, bool members, struct node **out)
{
    switch (p->token->type) {
    case TOKEN_NAME: return parse_name(p, members, out);
    case TOKEN_STRING: return parse_string(p, out);
    case TOKEN_INTEGER: return parse_integer(p, out);
    case TOKEN_FLOAT: return parse_float(p, out);
    case TOKEN_LEFT_PAREN: return parse_parentheses(p, out);
    case TOKEN_LEFT_BRACKET: return parse_list(p, out);
    case TOKEN_LEFT_BRACE: return parse_dict(p, out);
    default: return parser_fail(p, "an expression");
    }
}

/* --- members and subscripts --- */

static int parse_dot(struct parser *p, struct node **out)
{
    struct node *n;
    const struct token *at = p->token, *name = p->token + 1;
    parser_advance(p);
    bool number = name->type == TOKEN_INTEGER;
    if (!number && name->type != TOKEN_NAME) return parser_fail(p, "a name or number");
    int err = parser_node(p, number ? NODE_ITEM : NODE_ATTRIBUTE, at, &n);
    if (err) return err;
    n->left = *out;
    n->key = value_text(name->text, true);
    n->op = method_exists(name->text);
    if (number)
        err = parse_integer(p, &n->right);
    else
        parser_advance(p);
    *out = n;
    return err ? err : parser_above(p, n, n->left);
}

/* One bound of a slice; NULL when it is left out. */
static int parse_bound(struct parser *p, struct node **out)
{
    *out = NULL;
    if (parser_is(p, TOKEN_COLON) || parser_is(p, TOKEN_RIGHT_BRACKET) || parser_is(p, TOKEN_COMMA))
        return 0;
    return p->expression(p, true, out);
}

static int parse_slice(struct parser *p, struct node *object, struct node *from,
                       const struct token *at, struct node **out)
{
    struct node *n;
    int err = parser_node(p, NODE_SLICE, at, &n);
    if (err) return err;
    n->left_of_slice = object;
    n->bounds[0] = from;
    err = parse_bound(p, &n->bounds[1]);
    if (!err && parser_skip(p, TOKEN_COLON)) err = parse_bound(p, &n->bounds[2]);
    if (!err) err = parser_above(p, n, object);
    for (size_t i = 0; !err && i < 3; i++)
        err = parser_above(p, n, n->bounds[i]);
    *out = n;
    return err ? err : parser_expect(p, TOKEN_RIGHT_BRACKET, "']'");
}

/* "a, b]" is one subscript, a tuple. */
static int parse_more_subscripts(struct parser *p, const struct token *at, struct node **out)
{
    struct node *tuple;
    int err = parser_node(p, NODE_TUPLE, at, &tuple);
    if (!err) err = nodes_add(p, &tuple->items, *out);
    if (!err) err = parser_above(p, tuple, *out);
    while (!err && parser_skip(p, TOKEN_COMMA))
        err = add_item(p, tuple);
    *out = tuple;
    return err;
}

static int parse_subscript(struct parser *p, struct node **out)
{
    const struct token *at = p->token;
    struct node *n, *key;
    parser_advance(p);
    int err = parse_bound(p, &key);
    if (err) return err;
    if (parser_skip(p, TOKEN_COLON)) return parse_slice(p, *out, key, at, out);
    if (!key) return parser_fail(p, "a subscript");
    if (parser_is(p, TOKEN_COMMA)) err = parse_more_subscripts(p, at, &key);
    if (!err) err = parser_expect(p, TOKEN_RIGHT_BRACKET, "']'");
    if (!err) err = parser_node(p, NODE_ITEM, at, &n);
    if (err) return err;
    n->left = *out;
    n->right = key;
    *out = n;
    err = parser_above(p, n, n->left);
    return err ? err : parser_above(p, n, key);
}

int parse_postfix(struct parser *p, struct node **out)
{
    int err = 0;
    while (!err) {
        if (parser_is(p, TOKEN_DOT))
            err = parse_dot(p, out);
        else if (parser_is(p, TOKEN_LEFT_BRACKET))
            err = parse_subscript(p, out);
        else if (parser_is(p, TOKEN_LEFT_PAREN))
            err = parse_call(p, out);
        else
            break;
    }
    return err;
}

/* --- calls --- */

static int parse_named(struct parser *p, struct call *call)
{
    int err =
        run_grow(p->r, &call->named, call->named_count, &call->named_cap, sizeof *call->named);
    if (err) return err;
    struct keyword *k = &call->named[call->named_count++];
    k->name = p->token->text;
    for (size_t i = 0; i + 1 < call->named_count; i++)
        if (str_eq(call->named[i].name, k->name)) return parser_fail(p, "an argument only once");
    parser_advance(p);
    parser_advance(p);
    return p->expression(p, true, &k->value);
}

static int parse_argument(struct parser *p, struct call *call)
{
    struct node *item;
    const char *order = "arguments in order";
    if (parser_is(p, TOKEN_MUL)) {
        if (call->star || call->star_star) return parser_fail(p, order);
        parser_advance(p);
        return p->expression(p, true, &call->star);
    }
    if (call->star_star) return parser_fail(p, order);
    if (parser_skip(p, TOKEN_POW)) return p->expression(p, true, &call->star_star);
    if (parser_is(p, TOKEN_NAME) && p->token[1].type == TOKEN_ASSIGN) return parse_named(p, call);
    if (call->star || call->named_count) return parser_fail(p, order);
    int err = p->expression(p, true, &item);
    return err ? err : nodes_add(p, &call->items, item);
}

int parse_call_arguments(struct parser *p, struct call **out)
{
    struct call *call;
    int err = run_alloc(p->r, 1, sizeof *call, &call);
    if (err) return err;
    *call = (struct call){0};
    *out = call;
    parser_advance(p);
    for (bool first = true; !err && !parser_is(p, TOKEN_RIGHT_PAREN); first = false) {
        if (!first) err = parser_expect(p, TOKEN_COMMA, "','");
        if (err || parser_is(p, TOKEN_RIGHT_PAREN)) break;
        err = parse_argument(p, call);
    }
    return err ? err : parser_expect(p, TOKEN_RIGHT_PAREN, "')'");
}

int parse_call_heights(struct parser *p, struct node *n)
{
    const struct call *call = n->call;
    if (!call) return 0;
    int err = parser_above(p, n, call->star);
    if (!err) err = parser_above(p, n, call->star_star);
    for (size_t i = 0; !err && i < call->items.count; i++)
        err = parser_above(p, n, call->items.list[i]);
    for (size_t i = 0; !err && i < call->named_count; i++)
        err = parser_above(p, n, call->named[i].value);
    return err;
}

int parse_call(struct parser *p, struct node **out)
{
    struct node *n;
    int err = parser_node(p, NODE_CALL, p->token, &n);
    if (!err) err = parse_call_arguments(p, &n->call);
    if (err) return err;
    n->callee = *out;
    *out = n;
    err = parser_above(p, n, n->callee);
    return err ? err : parse_call_heights(p, n);
}
