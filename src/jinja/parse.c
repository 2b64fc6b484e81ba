/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/parse.h"

#include "jinja/parser.h"

typedef int (*statement_fn)(struct parser *p, const struct token *at, struct node **out);

static int parse_statement(struct parser *p, struct node **out);

/* --- bodies --- */

static bool at_end_tag(const struct parser *p, const char *const *ends)
{
    for (; ends && *ends; ends++)
        if (parser_is_name(p, *ends)) return true;
    return false;
}

static int add(struct parser *p, enum node_type type, struct nodes *body, struct node **out)
{
    int err = parser_node(p, type, p->token, out);
    return err ? err : nodes_add(p, body, *out);
}

static int parse_data(struct parser *p, struct nodes *body)
{
    struct node *n;
    int err = add(p, NODE_TEXT, body, &n);
    if (err) return err;
    n->text = p->token->text;
    parser_advance(p);
    return 0;
}

static int parse_print(struct parser *p, struct nodes *body)
{
    struct node *n;
    int err = add(p, NODE_PRINT, body, &n);
    parser_advance(p);
    if (!err) err = parse_tuple(p, true, NULL, &n->left);
    if (!err) err = parser_above(p, n, n->left);
    return err ? err : parser_expect(p, TOKEN_VARIABLE_END, "'}}'");
}

static int lacks_end(struct parser *p, const char *const *ends)
{
    p->r->at = p->token->at;
    return run_fail(p->r, ERR_SYNTAX, "the template ends before '%s'", ends[0]);
}

/* Up to a tag of `ends` (NULL: the template's end), whose name is then the current token. */
static int parse_until(struct parser *p, const char *const *ends, struct nodes *body)
{
    struct node *n;
    int err = 0;
    while (!err && !parser_is(p, TOKEN_END)) {
        if (parser_is(p, TOKEN_DATA)) {
            err = parse_data(p, body);
        } else if (parser_is(p, TOKEN_VARIABLE_BEGIN)) {
            err = parse_print(p, body);
        } else {
            parser_advance(p);
            if (at_end_tag(p, ends)) return 0;
            err = parse_statement(p, &n);
            if (!err) err = nodes_add(p, body, n);
            if (!err) err = parser_expect(p, TOKEN_BLOCK_END, "'%}'");
        }
    }
    return err || !ends ? err : lacks_end(p, ends);
}

/* The rest of a tag and what follows it. */
static int parse_body(struct parser *p, const char *const *ends, struct nodes *body)
{
    parser_skip(p, TOKEN_COLON);
    int err = parser_expect(p, TOKEN_BLOCK_END, "'%}'");
    if (!err) err = parser_enter(p);
    if (!err) err = parse_until(p, ends, body);
    p->depth--;
    return err;
}

/* A body with one possible end, which is taken with it. */
static int parse_whole_body(struct parser *p, const char *end, struct nodes *body)
{
    const char *const ends[] = {end, NULL};
    int err = parse_body(p, ends, body);
    if (!err) parser_advance(p);
    return err;
}

static int body_above(struct parser *p, struct node *n, const struct nodes *body)
{
    int err = 0;
    for (size_t i = 0; !err && i < body->count; i++)
        err = parser_above(p, n, body->list[i]);
    return err;
}

/* --- if --- */

static int parse_branch(struct parser *p, struct node *n, bool tested)
{
    static const char *const more[] = {"endif", "elif", "else", NULL}, *const last[] = {"endif",
                                                                                        NULL};
    int err = run_grow(p->r, &n->branches, n->branch_count, &n->branch_cap, sizeof *n->branches);
    if (err) return err;
    struct branch *b = &n->branches[n->branch_count++];
    *b = (struct branch){0};
    if (tested) err = parse_tuple(p, false, NULL, &b->test);
    if (!err && tested) err = parser_above(p, n, b->test);
    if (!err) err = parse_body(p, tested ? more : last, &b->body);
    return err ? err : body_above(p, n, &b->body);
}

static int parse_if(struct parser *p, const struct token *at, struct node **out)
{
    int err = parser_node(p, NODE_IF, at, out);
    if (!err) err = parse_branch(p, *out, true);
    while (!err && parser_skip_name(p, "elif"))
        err = parse_branch(p, *out, true);
    if (!err && parser_skip_name(p, "else")) err = parse_branch(p, *out, false);
    if (!err) parser_advance(p);
    return err;
}

/* --- for --- */

static bool targets_name(const struct node *target, struct str name)
{
    if (target->type != NODE_TUPLE) return str_eq(target->variable.name, name);
    for (size_t i = 0; i < target->items.count; i++)
        if (targets_name(target->items.list[i], name)) return true;
    return false;
}

static int parse_for_head(struct parser *p, struct for_loop *loop, bool *recursive)
{
    int err = parse_target(p, "in", false, &loop->target);
    if (err) return err;
    if (targets_name(loop->target, STR("loop"))) return parser_fail(p, "another name than loop");
    if (!parser_skip_name(p, "in")) return parser_fail(p, "'in'");
    err = parse_tuple(p, false, "recursive", &loop->iter);
    if (!err && parser_skip_name(p, "if")) err = parse_expression(p, true, &loop->test);
    *recursive = !err && parser_skip_name(p, "recursive");
    return err;
}

static int parse_for_body(struct parser *p, struct for_loop *loop)
{
    static const char *const ends[] = {"endfor", "else", NULL};
    bool seen_before = p->seen.loop;
    p->seen.loop = false;
    p->loops++;
    int err = parse_body(p, ends, &loop->body);
    p->loops--;
    loop->extended = p->seen.loop;
    p->seen.loop = p->seen.loop || seen_before;
    if (err) return err;
    if (parser_skip_name(p, "else")) return parse_whole_body(p, "endfor", &loop->otherwise);
    parser_advance(p);
    return 0;
}

/* A recursive loop's body is a function. */
static int make_recursive(struct parser *p, struct for_loop *loop)
{
    int err = run_alloc(p->r, 1, sizeof *loop->function, &loop->function);
    if (err) return err;
    *loop->function = (struct function){0};
    loop->extended = true;
    return 0;
}

static int parse_for(struct parser *p, const struct token *at, struct node **out)
{
    bool recursive = false;
    int err = parser_node(p, NODE_FOR, at, out);
    if (!err) err = run_alloc(p->r, 1, sizeof *(*out)->loop, &(*out)->loop);
    if (err) return err;
    struct for_loop *loop = (*out)->loop;
    *loop = (struct for_loop){0};
    err = parse_for_head(p, loop, &recursive);
    if (!err) err = parse_for_body(p, loop);
    if (!err && recursive) err = make_recursive(p, loop);
    if (!err) err = parser_above(p, *out, loop->iter);
    if (!err) err = parser_above(p, *out, loop->test);
    if (!err) err = body_above(p, *out, &loop->body);
    return err ? err : body_above(p, *out, &loop->otherwise);
}

static int parse_leave(struct parser *p, enum node_type type, const struct token *at,
                       struct node **out)
{
    p->r->at = at->at;
    if (!p->loops) return run_fail(p->r, ERR_SYNTAX, "there is no loop here");
    return parser_node(p, type, at, out);
}

static int parse_break(struct parser *p, const struct token *at, struct node **out)
{
    return parse_leave(p, NODE_BREAK, at, out);
}

static int parse_continue(struct parser *p, const struct token *at, struct node **out)
{
    return parse_leave(p, NODE_CONTINUE, at, out);
}

/* --- set, with --- */

static int parse_set(struct parser *p, const struct token *at, struct node **out)
{
    int err = parser_node(p, NODE_SET, at, out);
    if (err) return err;
    struct node *n = *out;
    err = parse_target(p, NULL, true, &n->set.target);
    if (err) return err;
    if (parser_skip(p, TOKEN_ASSIGN)) {
        err = parse_tuple(p, true, NULL, &n->set.value);
        return err ? err : parser_above(p, n, n->set.value);
    }
    n->type = NODE_SET_BLOCK;
    err = parse_filters(p, false, &n->set.value);
    if (!err) err = parse_whole_body(p, "endset", &n->set.body);
    if (!err) err = parser_above(p, n, n->set.value);
    return err ? err : body_above(p, n, &n->set.body);
}

static int parse_with_pair(struct parser *p, struct node *n)
{
    struct node *target, *value;
    int err = n->with.targets.count ? parser_expect(p, TOKEN_COMMA, "','") : 0;
    if (!err) err = parse_target(p, NULL, false, &target);
    if (!err) err = parser_expect(p, TOKEN_ASSIGN, "'='");
    if (!err) err = parse_expression(p, true, &value);
    if (!err) err = nodes_add(p, &n->with.targets, target);
    if (!err) err = nodes_add(p, &n->with.values, value);
    return err ? err : parser_above(p, n, value);
}

static int parse_with(struct parser *p, const struct token *at, struct node **out)
{
    int err = parser_node(p, NODE_WITH, at, out);
    while (!err && !parser_is(p, TOKEN_BLOCK_END) && !parser_is(p, TOKEN_COLON))
        err = parse_with_pair(p, *out);
    if (!err) err = parse_whole_body(p, "endwith", &(*out)->with.body);
    return err ? err : body_above(p, *out, &(*out)->with.body);
}

/* --- functions --- */

static int parse_parameter(struct parser *p, struct function *f)
{
    int err = run_grow(p->r, &f->parameters, f->count, &f->cap, sizeof *f->parameters);
    if (err) return err;
    struct parameter *parameter = &f->parameters[f->count];
    *parameter = (struct parameter){0};
    err = parser_expect_name(p, &parameter->name);
    if (err) return err;
    for (size_t i = 0; i < f->count; i++)
        if (str_eq(f->parameters[i].name, parameter->name))
            return parser_fail(p, "a parameter only once");
    f->count++;
    if (parser_skip(p, TOKEN_ASSIGN)) return parse_expression(p, true, &parameter->otherwise);
    if (f->count > 1 && parameter[-1].otherwise) return parser_fail(p, "a default");
    return 0;
}

static int parse_parameters(struct parser *p, struct function *f)
{
    int err = parser_expect(p, TOKEN_LEFT_PAREN, "'('");
    while (!err && !parser_is(p, TOKEN_RIGHT_PAREN)) {
        if (f->count) err = parser_expect(p, TOKEN_COMMA, "','");
        if (!err) err = parse_parameter(p, f);
    }
    return err ? err : parser_expect(p, TOKEN_RIGHT_PAREN, "')'");
}

static bool takes(const struct function *f, struct str name)
{
    for (size_t i = 0; i < f->count; i++)
        if (str_eq(f->parameters[i].name, name)) return true;
    return false;
}

/* What the body reads decides what else it is given. */
static int parse_function_body(struct parser *p, const char *end, struct function *f)
{
    struct seen before = p->seen;
    unsigned loops = p->loops;
    p->seen = (struct seen){.loop = before.loop};
    p->loops = 0;
    int err = parse_whole_body(p, end, &f->body);
    f->has_caller = p->seen.caller && !takes(f, STR("caller"));
    f->has_varargs = p->seen.varargs && !takes(f, STR("varargs"));
    f->has_kwargs = p->seen.kwargs && !takes(f, STR("kwargs"));
    p->seen.caller |= before.caller;
    p->seen.varargs |= before.varargs;
    p->seen.kwargs |= before.kwargs;
    p->loops = loops;
    return err;
}

static int function_above(struct parser *p, struct node *n, const struct function *f)
{
    int err = body_above(p, n, &f->body);
    for (size_t i = 0; !err && i < f->count; i++)
        err = parser_above(p, n, f->parameters[i].otherwise);
    return err;
}

static int make_function(struct parser *p, struct node *n)
{
    int err = run_alloc(p->r, 1, sizeof *n->macro.function, &n->macro.function);
    if (!err) *n->macro.function = (struct function){0};
    return err;
}

static int parse_macro(struct parser *p, const struct token *at, struct node **out)
{
    int err = parser_node(p, NODE_MACRO, at, out);
    if (!err) err = make_function(p, *out);
    if (err) return err;
    struct function *f = (*out)->macro.function;
    err = parser_expect_name(p, &f->name);
    (*out)->macro.name = f->name;
    if (!err) err = parse_parameters(p, f);
    if (!err) err = parse_function_body(p, "endmacro", f);
    return err ? err : function_above(p, *out, f);
}

static int parse_call_block(struct parser *p, const struct token *at, struct node **out)
{
    int err = parser_node(p, NODE_CALL_BLOCK, at, out);
    if (!err) err = make_function(p, *out);
    if (err) return err;
    struct node *n = *out;
    n->macro.function->name = STR("caller");
    if (parser_is(p, TOKEN_LEFT_PAREN)) err = parse_parameters(p, n->macro.function);
    if (!err) err = parse_expression(p, true, &n->macro.call);
    if (!err && n->macro.call->type != NODE_CALL) err = parser_fail(p, "a call");
    if (!err) err = parse_function_body(p, "endcall", n->macro.function);
    if (!err) err = parser_above(p, n, n->macro.call);
    return err ? err : function_above(p, n, n->macro.function);
}

/* --- the rest --- */

static int parse_filter_block(struct parser *p, const struct token *at, struct node **out)
{
    int err = parser_node(p, NODE_FILTER_BLOCK, at, out);
    if (!err) err = parse_filters(p, true, &(*out)->set.value);
    if (!err) err = parse_whole_body(p, "endfilter", &(*out)->set.body);
    if (!err) err = parser_above(p, *out, (*out)->set.value);
    return err ? err : body_above(p, *out, &(*out)->set.body);
}

static int parse_generation(struct parser *p, const struct token *at, struct node **out)
{
    unsigned loops = p->loops;
    p->loops = 0;
    int err = parser_node(p, NODE_GENERATION, at, out);
    if (!err) err = parse_whole_body(p, "endgeneration", &(*out)->set.body);
    p->loops = loops;
    return err ? err : body_above(p, *out, &(*out)->set.body);
}

static int parse_print_tag(struct parser *p, const struct token *at, struct node **out)
{
    int err = parser_node(p, NODE_PRINT, at, out);
    struct node *n = *out;
    if (!err) err = parser_node(p, NODE_CONCAT, at, &n->left);
    while (!err && !parser_is(p, TOKEN_BLOCK_END)) {
        struct node *item;
        if (n->left->items.count) err = parser_expect(p, TOKEN_COMMA, "','");
        if (!err) err = parse_expression(p, true, &item);
        if (!err) err = nodes_add(p, &n->left->items, item);
        if (!err) err = parser_above(p, n->left, item);
    }
    return err ? err : parser_above(p, n, n->left);
}

static int refuse(struct parser *p, const struct token *at)
{
    static const char *const known[] = {"include",    "import", "from",  "extends", "block",
                                        "autoescape", "trans",  "debug", "do"};
    p->r->at = at->at;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(at->text, str_of(known[i])))
            return run_fail(p->r, ERR_UNSUPPORTED, "the tag '%s' is not supported", known[i]);
    return run_fail(p->r, ERR_SYNTAX, "unknown tag '%.*s'", (int)MIN(at->text.len, (size_t)100),
                    at->text.ptr);
}

static int parse_statement(struct parser *p, struct node **out)
{
    static const struct {
        const char *name;
        statement_fn parse;
    } tags[] = {
        {"if", parse_if},           {"for", parse_for},
        {"set", parse_set},         {"macro", parse_macro},
        {"call", parse_call_block}, {"filter", parse_filter_block},
        {"with", parse_with},       {"generation", parse_generation},
        {"break", parse_break},     {"continue", parse_continue},
        {"print", parse_print_tag},
    };
    const struct token *at = p->token;
    if (!parser_is(p, TOKEN_NAME)) return parser_fail(p, "a tag's name");
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        if (!parser_is_name(p, tags[i].name)) continue;
        parser_advance(p);
        return tags[i].parse(p, at, out);
    }
    return refuse(p, at);
}

int parse_template(struct run *r, const struct tokens *tokens, struct nodes *out)
{
    struct parser p = {.r = r, .token = tokens->list, .expression = parse_expression};
    return parse_until(&p, NULL, out);
}
