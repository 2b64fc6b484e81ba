/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/jinja.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "jinja/attribute.h"
#include "jinja/builtins.h"
#include "jinja/filters.h"
#include "jinja/from_json.h"
#include "jinja/lex.h"
#include "jinja/macro.h"
#include "jinja/parse.h"
#include "jinja/render.h"
#include "jinja/resolve.h"
#include "jinja/tests.h"

enum {
    SOURCE_MAX = 1 << 20,
    COMPILE_MEMORY = 256 << 20, /* some hundred bytes for each of the source, at worst */
    COMPILE_BLOCK = 16 << 10
};

struct jinja {
    struct arena arena; /* holds all that is below, but for the locale */
    struct str source;
    struct tokens tokens;
    struct function root;
    struct globals globals;
    locale_t locale; /* what letters are; 0: there is none such */
};

/* --- compiling --- */

static int compile(struct run *r, struct jinja *t, struct str source)
{
    if (source.len > SOURCE_MAX) return run_fail(r, ERR_TOO_LARGE, "too long a template");
    int err = lex_normalise(r, source, &t->source);
    if (err) return err;
    r->source = t->source;
    if (!utf8_valid(t->source)) return run_fail(r, ERR_SYNTAX, "the template is not valid UTF-8");
    err = lex(r, &t->tokens);
    if (!err) err = parse_template(r, &t->tokens, &t->root.body);
    return err ? err : resolve(r, &t->root, &t->globals);
}

int jinja_compile(struct str source, struct jinja **out, struct jinja_error *why)
{
    struct jinja *t = mem_try_zero(1, sizeof *t);
    *why = (struct jinja_error){.line = 1, .column = 1};
    if (!t) {
        snprintf(why->text, sizeof why->text, "out of memory");
        return -ENOMEM;
    }
    arena_init(&t->arena, COMPILE_MEMORY, COMPILE_BLOCK);
    t->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    struct run r = {.arena = &t->arena,
                    .why = why,
                    .steps_left = UINT64_MAX,
                    .output_max = SOURCE_MAX,
                    .locale = t->locale};
    int err = compile(&r, t, source);
    if (err)
        jinja_free(t);
    else
        *out = t;
    return err;
}

void jinja_free(struct jinja *t)
{
    if (!t) return;
    arena_fini(&t->arena);
    if (t->locale) freelocale(t->locale);
    free(t);
}

bool jinja_mentions(const struct jinja *t, struct str name)
{
    for (size_t i = 0; i < t->tokens.count; i++) {
        const struct token *token = &t->tokens.list[i];
        if (token->type != TOKEN_NAME && token->type != TOKEN_STRING) continue;
        bool is_set = token->type == TOKEN_NAME && token[1].type == TOKEN_ASSIGN;
        if (!is_set && str_eq(token->text, name)) return true;
    }
    return false;
}

/* --- rendering --- */

static int member(struct run *r, const struct value *v, struct str name, bool attribute,
                  struct value *out)
{
    uint64_t index;
    struct value key = value_text(name, true);
    if (attribute) return attribute_get(r, v, &key, true, out);
    if (!str_to_u64(name, &index) && index <= INT64_MAX) key = value_int((int64_t)index);
    return attribute_item(r, v, &key, out);
}

static const struct hooks hooks = {
    .filter = filter_find,
    .test = test_find,
    .macro = render_macro,
    .recurse = render_recurse,
    .member = member,
};

static int variable_value(struct run *r, const struct jinja_variable *v, struct value *out)
{
    switch (v->kind) {
    case JINJA_JSON: return v->json ? from_json(r, v->json, out) : 0;
    case JINJA_OWN:
        if (v->text.len > TEXT_MAX) return run_fail(r, ERR_TOO_LARGE, "too long a text");
        *out = value_text(v->text.ptr ? v->text : STR(""), true);
        return 0;
    case JINJA_BOOL: *out = value_bool(v->value); return 0;
    }
    return 0;
}

/* The last one of a name counts. */
static int set_global(struct run *r, struct str name, const struct jinja_variable *variables,
                      size_t count, struct value *out)
{
    *out = builtins_find(name);
    for (size_t i = count; i-- > 0;)
        if (str_eq(variables[i].name, name)) return variable_value(r, &variables[i], out);
    return 0;
}

static int set_globals(struct run *r, const struct jinja *t, const struct jinja_variable *variables,
                       size_t count)
{
    int err = run_alloc(r, t->globals.count, sizeof *r->globals, &r->globals);
    for (size_t i = 0; !err && i < t->globals.count; i++)
        err = set_global(r, t->globals.names[i], variables, count, &r->globals[i]);
    return err;
}

/* The runs of the text as pieces. */
static int make_pieces(struct run *r, const struct sink *s, struct jinja_output *out)
{
    struct jinja_piece *pieces;
    size_t from = 0, count = s->marks_count + 1;
    *out = (struct jinja_output){.bytes = s->len};
    if (s->len == 0) return 0;
    int err = run_alloc(r, count, sizeof *pieces, &pieces);
    if (err) return err;
    for (size_t i = 0; i < count; i++) {
        bool last = i == s->marks_count;
        size_t end = last ? s->len : s->marks[i].end;
        pieces[i] = (struct jinja_piece){str_n(s->bytes + from, end - from),
                                         last ? s->last : s->marks[i].own};
        from = end;
    }
    out->pieces = pieces;
    out->count = count;
    return 0;
}

int jinja_render(const struct jinja *t, struct arena *arena, const struct jinja_variable *variables,
                 size_t count, int64_t now, const struct jinja_limits *limits,
                 struct jinja_output *out, struct jinja_error *why)
{
    struct sink sink = {0};
    struct run r = {.arena = arena,
                    .why = why,
                    .source = t->source,
                    .steps_left = limits->steps,
                    .output_max = MIN(limits->output, TEXT_MAX),
                    .hooks = &hooks,
                    .out = &sink,
                    .now = now,
                    .locale = t->locale};
    *why = (struct jinja_error){.line = 1, .column = 1};
    if (limits->time_us) r.deadline = clock_mono_us() + limits->time_us;
    int err = set_globals(&r, t, variables, count);
    if (!err) err = render_root(&r, &t->root);
    if (!err) err = r.failure;
    return err ? err : make_pieces(&r, &sink, out);
}
