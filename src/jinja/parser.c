/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/parser.h"

static bool names(const struct token *t, const char *name)
{
    return t->type == TOKEN_NAME && str_eq(t->text, str_of(name));
}

bool parser_is_name(const struct parser *p, const char *name)
{
    return names(p->token, name);
}

bool parser_next_is_name(const struct parser *p, const char *name)
{
    return p->token->type != TOKEN_END && names(p->token + 1, name);
}

void parser_advance(struct parser *p)
{
    if (p->token->type != TOKEN_END) p->token++;
}

bool parser_skip(struct parser *p, enum token_type type)
{
    if (p->token->type != type) return false;
    parser_advance(p);
    return true;
}

bool parser_skip_name(struct parser *p, const char *name)
{
    if (!parser_is_name(p, name)) return false;
    parser_advance(p);
    return true;
}

int parser_fail(struct parser *p, const char *expected)
{
    struct str found = lex_describe(p->token);
    p->r->at = p->token->at;
    return run_fail(p->r, ERR_SYNTAX, "expected %s, got %" STR_FMT, expected, STR_ARG(found));
}

int parser_expect(struct parser *p, enum token_type type, const char *what)
{
    return parser_skip(p, type) ? 0 : parser_fail(p, what);
}

int parser_expect_name(struct parser *p, struct str *out)
{
    if (!parser_is(p, TOKEN_NAME)) return parser_fail(p, "a name");
    *out = p->token->text;
    parser_advance(p);
    return 0;
}

int parser_enter(struct parser *p)
{
    if (++p->depth <= NODE_HEIGHT_MAX) return 0;
    p->r->at = p->token->at;
    return run_fail(p->r, ERR_DEPTH, "nested too deeply");
}

int parser_node(struct parser *p, enum node_type type, const struct token *at, struct node **out)
{
    struct node *n;
    int err = run_alloc(p->r, 1, sizeof *n, &n);
    if (err) return err;
    memset(n, 0, sizeof *n);
    n->type = (uint8_t)type;
    n->at = at->at;
    n->height = 1;
    *out = n;
    return 0;
}

int parser_above(struct parser *p, struct node *n, const struct node *below)
{
    if (!below || n->height > below->height) return 0;
    n->height = (uint16_t)(below->height + 1);
    if (n->height <= NODE_HEIGHT_MAX) return 0;
    p->r->at = n->at;
    return run_fail(p->r, ERR_DEPTH, "nested too deeply");
}

int nodes_add(struct parser *p, struct nodes *nodes, struct node *n)
{
    int err = run_grow(p->r, &nodes->list, nodes->count, &nodes->cap, sizeof(struct node *));
    if (err) return err;
    nodes->list[nodes->count++] = n;
    return 0;
}
