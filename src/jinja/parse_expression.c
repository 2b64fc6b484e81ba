/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions, loosest binding first. */
#include "jinja/filters.h"
#include "jinja/parse_primary.h"
#include "jinja/parser.h"
#include "jinja/tests.h"

static int parse_or(struct parser *p, struct node **out);
static int parse_unary(struct parser *p, bool filtered, struct node **out);

/* A node over the two. */
static int make_pair(struct parser *p, enum node_type type, const struct token *at,
                     struct node *left, struct node *right, struct node **out)
{
    struct node *n;
    int err = parser_node(p, type, at, &n);
    if (err) return err;
    n->left = left;
    n->right = right;
    err = parser_above(p, n, left);
    if (!err) err = parser_above(p, n, right);
    *out = n;
    return err;
}

static int parse_if_else(struct parser *p, struct node **out)
{
    const struct token *at = p->token;
    struct node *n;
    int err = parse_or(p, out);
    while (!err && parser_skip_name(p, "if")) {
        err = parser_node(p, NODE_IF_ELSE, at, &n);
        if (err) return err;
        n->yes = *out;
        err = parse_or(p, &n->condition);
        if (!err && parser_skip_name(p, "else")) err = parse_expression(p, true, &n->no);
        if (!err) err = parser_above(p, n, n->yes);
        if (!err) err = parser_above(p, n, n->condition);
        if (!err) err = parser_above(p, n, n->no);
        *out = n;
    }
    return err;
}

int parse_expression(struct parser *p, bool conditional, struct node **out)
{
    int err = parser_enter(p);
    if (!err) err = conditional ? parse_if_else(p, out) : parse_or(p, out);
    p->depth--;
    return err;
}

typedef int (*parse_fn)(struct parser *p, struct node **out);

/* left NAME right NAME right ... */
static int parse_chain(struct parser *p, const char *name, enum node_type type, parse_fn next,
                       struct node **out)
{
    const struct token *at = p->token;
    struct node *right;
    int err = next(p, out);
    while (!err && parser_skip_name(p, name)) {
        err = next(p, &right);
        if (!err) err = make_pair(p, type, at, *out, right, out);
    }
    return err;
}

/* --- comparisons --- */

static bool comparison(struct parser *p, enum compare *out)
{
    static const struct {
        enum token_type type;
        enum compare how;
    } signs[] = {{TOKEN_EQ, COMPARE_EQ}, {TOKEN_NE, COMPARE_NE}, {TOKEN_LT, COMPARE_LT},
                 {TOKEN_LE, COMPARE_LE}, {TOKEN_GT, COMPARE_GT}, {TOKEN_GE, COMPARE_GE}};
    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        if (!parser_skip(p, signs[i].type)) continue;
        *out = signs[i].how;
        return true;
    }
    *out = COMPARE_IN;
    if (parser_skip_name(p, "in")) return true;
    *out = COMPARE_NOT_IN;
    if (!parser_is_name(p, "not") || !parser_next_is_name(p, "in")) return false;
    parser_advance(p);
    parser_advance(p);
    return true;
}

static int parse_binary(struct parser *p, struct node **out);

static int parse_compare(struct parser *p, struct node **out)
{
    const struct token *at = p->token;
    struct node *n = NULL;
    enum compare how;
    int err = parse_binary(p, out);
    while (!err && comparison(p, &how)) {
        if (!n) {
            err = parser_node(p, NODE_COMPARE, at, &n);
            if (err) return err;
            n->first = *out;
            err = parser_above(p, n, *out);
            *out = n;
        }
        if (!err)
            err = run_grow(p->r, &n->operands, n->operand_count, &n->operand_cap,
                           sizeof *n->operands);
        if (err) return err;
        struct operand *operand = &n->operands[n->operand_count++];
        operand->how = how;
        err = parse_binary(p, &operand->node);
        if (!err) err = parser_above(p, n, operand->node);
    }
    return err;
}

static int parse_not(struct parser *p, struct node **out)
{
    const struct token *at = p->token;
    if (!parser_skip_name(p, "not")) return parse_compare(p, out);
    struct node *below;
    int err = parser_enter(p);
    if (!err) err = parse_not(p, &below);
    p->depth--;
    return err ? err : make_pair(p, NODE_NOT, at, below, NULL, out);
}

static int parse_and(struct parser *p, struct node **out)
{
    return parse_chain(p, "and", NODE_AND, parse_not, out);
}

static int parse_or(struct parser *p, struct node **out)
{
    return parse_chain(p, "or", NODE_OR, parse_and, out);
}

/* --- arithmetic --- */

static bool sign_of(struct parser *p, bool product, enum binary *out)
{
    static const struct {
        enum token_type type;
        enum binary op;
        bool product;
    } rows[] = {{TOKEN_ADD, BINARY_ADD, false},    {TOKEN_SUB, BINARY_SUB, false},
                {TOKEN_MUL, BINARY_MUL, true},     {TOKEN_DIV, BINARY_DIV, true},
                {TOKEN_FLOOR, BINARY_FLOOR, true}, {TOKEN_MOD, BINARY_MOD, true}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].product != product || !parser_skip(p, rows[i].type)) continue;
        *out = rows[i].op;
        return true;
    }
    return false;
}

static int parse_power(struct parser *p, struct node **out)
{
    const struct token *at = p->token;
    struct node *right;
    int err = parse_unary(p, true, out);
    while (!err && parser_skip(p, TOKEN_POW)) {
        err = parse_unary(p, true, &right);
        if (!err) err = make_pair(p, NODE_BINARY, at, *out, right, out);
        if (!err) (*out)->op = BINARY_POW;
    }
    return err;
}

static int parse_product(struct parser *p, struct node **out)
{
    const struct token *at = p->token;
    struct node *right;
    enum binary op;
    int err = parse_power(p, out);
    while (!err && sign_of(p, true, &op)) {
        err = parse_power(p, &right);
        if (!err) err = make_pair(p, NODE_BINARY, at, *out, right, out);
        if (!err) (*out)->op = (uint8_t)op;
    }
    return err;
}

static int add_item(struct parser *p, struct node *list, struct node *item)
{
    int err = nodes_add(p, &list->items, item);
    return err ? err : parser_above(p, list, item);
}

static int parse_concat(struct parser *p, struct node **out)
{
    const struct token *at = p->token;
    struct node *n, *right;
    int err = parse_product(p, out);
    if (err || !parser_is(p, TOKEN_TILDE)) return err;
    err = parser_node(p, NODE_CONCAT, at, &n);
    if (!err) err = add_item(p, n, *out);
    while (!err && parser_skip(p, TOKEN_TILDE)) {
        err = parse_product(p, &right);
        if (!err) err = add_item(p, n, right);
    }
    *out = n;
    return err;
}

static int parse_binary(struct parser *p, struct node **out)
{
    const struct token *at = p->token;
    struct node *right;
    enum binary op;
    int err = parse_concat(p, out);
    while (!err && sign_of(p, false, &op)) {
        err = parse_concat(p, &right);
        if (!err) err = make_pair(p, NODE_BINARY, at, *out, right, out);
        if (!err) (*out)->op = (uint8_t)op;
    }
    return err;
}

/* --- filters and tests --- */

/* "a" or "a.b", as written. */
static int dotted_name(struct parser *p, struct str *out)
{
    int err = parser_expect_name(p, out);
    while (!err && parser_skip(p, TOKEN_DOT)) {
        struct str more;
        err = parser_expect_name(p, &more);
        if (!err) *out = str_n(out->ptr, (size_t)(more.ptr + more.len - out->ptr));
    }
    return err;
}

static int finish_call(struct parser *p, struct node *n)
{
    int err = parser_above(p, n, n->callee);
    return err ? err : parse_call_heights(p, n);
}

static int parse_filter(struct parser *p, struct node *below, struct node **out)
{
    struct node *n;
    int err = parser_node(p, NODE_FILTER, p->token, &n);
    if (err) return err;
    n->callee = below;
    err = dotted_name(p, &n->name);
    if (err) return err;
    n->builtin = filter_find(n->name);
    if (parser_is(p, TOKEN_LEFT_PAREN)) err = parse_call_arguments(p, &n->call);
    *out = n;
    return err ? err : finish_call(p, n);
}

int parse_filters(struct parser *p, bool inline_start, struct node **out)
{
    int err = 0;
    *out = NULL;
    while (!err && (inline_start || parser_skip(p, TOKEN_PIPE))) {
        inline_start = false;
        err = parse_filter(p, *out, out);
    }
    return err;
}

/* The argument of "is divisibleby 3". */
static int parse_bare_argument(struct parser *p, struct node *test)
{
    struct node *argument;
    if (parser_is_name(p, "else") || parser_is_name(p, "or") || parser_is_name(p, "and")) return 0;
    switch (p->token->type) {
    case TOKEN_NAME:
    case TOKEN_STRING:
    case TOKEN_INTEGER:
    case TOKEN_FLOAT:
    case TOKEN_LEFT_BRACKET:
    case TOKEN_LEFT_BRACE: break;
    default: return 0;
    }
    if (parser_is_name(p, "is")) return parser_fail(p, "no second test with is");
    int err = parse_primary(p, false, &argument);
    if (!err) err = parse_postfix(p, &argument);
    if (!err) err = run_alloc(p->r, 1, sizeof *test->call, &test->call);
    if (err) return err;
    *test->call = (struct call){0};
    return nodes_add(p, &test->call->items, argument);
}

/* After "is". */
static int parse_test(struct parser *p, struct node **out)
{
    struct node *n;
    const struct token *at = p->token;
    bool negated = parser_skip_name(p, "not");
    int err = parser_node(p, NODE_TEST, p->token, &n);
    if (err) return err;
    n->callee = *out;
    err = dotted_name(p, &n->name);
    if (err) return err;
    n->builtin = test_find(n->name);
    err = parser_is(p, TOKEN_LEFT_PAREN) ? parse_call_arguments(p, &n->call)
                                         : parse_bare_argument(p, n);
    if (!err) err = finish_call(p, n);
    *out = n;
    return err || !negated ? err : make_pair(p, NODE_NOT, at, n, NULL, out);
}

static int parse_filters_and_tests(struct parser *p, struct node **out)
{
    int err = 0;
    while (!err) {
        if (parser_skip(p, TOKEN_PIPE))
            err = parse_filter(p, *out, out);
        else if (parser_skip_name(p, "is"))
            err = parse_test(p, out);
        else if (parser_is(p, TOKEN_LEFT_PAREN))
            err = parse_call(p, out);
        else
            break;
    }
    return err;
}

static int parse_unary(struct parser *p, bool filtered, struct node **out)
{
    const struct token *at = p->token;
    bool minus = parser_skip(p, TOKEN_SUB), plus = !minus && parser_skip(p, TOKEN_ADD);
    int err;
    if (minus || plus) {
        struct node *below;
        err = parser_enter(p);
        if (!err) err = parse_unary(p, false, &below);
        p->depth--;
        if (!err) err = make_pair(p, minus ? NODE_NEGATE : NODE_PLUS, at, below, NULL, out);
    } else {
        err = parse_primary(p, false, out);
    }
    if (!err) err = parse_postfix(p, out);
    if (!err && filtered) err = parse_filters_and_tests(p, out);
    return err;
}
