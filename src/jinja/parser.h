/* SPDX-License-Identifier: Apache-2.0 */
/* What the parsers of expressions and of statements share: the tokens, and making nodes. */
#ifndef HOSTLER_JINJA_PARSER_H
#define HOSTLER_JINJA_PARSER_H

#include "jinja/lex.h"
#include "jinja/node.h"

/* Names with a meaning of their own, if they are read within. */
struct seen {
    bool loop, caller, varargs, kwargs;
};

struct parser;
typedef int (*parse_expression_fn)(struct parser *p, bool conditional, struct node **out);

struct parser {
    struct run *r;
    const struct token *token;      /* the current one; TOKEN_END has no successor */
    parse_expression_fn expression; /* parse_expression, for what is below it */
    unsigned depth;
    unsigned loops; /* that `break` could end */
    struct seen seen;
};

static inline bool parser_is(const struct parser *p, enum token_type type)
{
    return p->token->type == type;
}

bool parser_is_name(const struct parser *p, const char *name); /* the current token */
bool parser_next_is_name(const struct parser *p, const char *name);

void parser_advance(struct parser *p);
bool parser_skip(struct parser *p, enum token_type type); /* if it is the current one */
bool parser_skip_name(struct parser *p, const char *name);

MUST_CHECK int parser_fail(struct parser *p, const char *expected);
MUST_CHECK int parser_expect(struct parser *p, enum token_type type, const char *what);
MUST_CHECK int parser_expect_name(struct parser *p, struct str *out);

MUST_CHECK int parser_enter(struct parser *p);

/* A node at the token; zeroed otherwise. */
MUST_CHECK int parser_node(struct parser *p, enum node_type type, const struct token *at,
                           struct node **out);

/* Makes `n` at least as high as what is below it. ERR_DEPTH. */
MUST_CHECK int parser_above(struct parser *p, struct node *n, const struct node *below);

MUST_CHECK int nodes_add(struct parser *p, struct nodes *nodes, struct node *n);

/* --- expressions --- */

MUST_CHECK int parse_expression(struct parser *p, bool conditional, struct node **out);

/* With commas a tuple. `end`: a name that ends it, NULL: none. */
MUST_CHECK int parse_tuple(struct parser *p, bool conditional, const char *end, struct node **out);

/* What is assigned to: names, members of namespaces (`members`), tuples of these. */
MUST_CHECK int parse_target(struct parser *p, const char *end, bool members, struct node **out);

/* Filters behind a '|', for blocks: the innermost one has no operand. `inline_start`: the first
 * one's '|' is left out. *out NULL: there is none. */
MUST_CHECK int parse_filters(struct parser *p, bool inline_start, struct node **out);

#endif
