/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/grammar.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/grammar/call_term.h"
#include "engine/grammar/chars.h"
#include "engine/grammar/gbnf.h"
#include "engine/grammar/regex.h"
#include "engine/grammar/schema.h"

static const struct schema_options options = {.spaces = true, .closed = true};

static int choice_term(struct terms *t, const struct json *texts, struct grammar_why *why,
                       term *out)
{
    term *all = mem_try((json_count(texts) + 1) * sizeof *all);
    struct json_iter it = {0};
    const struct json *item;
    struct str text;
    size_t n = 0;
    int err = all ? 0 : grammar_refuse(why, "there is no memory for so many choices");
    while (!err && json_next_item(texts, &it, &item)) {
        if (json_to_str(item, &text))
            all[n++] = term_text(t, text);
        else
            err = grammar_refuse(why, "a choice must be a string");
    }
    if (!err) *out = term_or_all(t, all, n);
    free(all);
    return err;
}

static int root_term(struct terms *t, const struct grammar_spec *spec, struct grammar_why *why,
                     term *out);

static int calls_term(struct terms *t, const struct grammar_spec *spec, struct grammar_why *why,
                      term *out)
{
    term otherwise = TERM_NONE;
    int err = call_term(t, spec->calls, why, out);
    if (!err && spec->otherwise) err = root_term(t, spec->otherwise, why, &otherwise);
    *out = term_or(t, *out, otherwise);
    return err;
}

static int root_term(struct terms *t, const struct grammar_spec *spec, struct grammar_why *why,
                     term *out)
{
    switch (spec->kind) {
    case GRAMMAR_JSON: *out = schema_any_object(t, &options); return 0;
    case GRAMMAR_SCHEMA: return schema_term(t, spec->json, &options, why, out);
    case GRAMMAR_REGEX: return regex_term(t, spec->text, true, CHARS_PLAIN, why, out);
    case GRAMMAR_CHOICE: return choice_term(t, spec->json, why, out);
    case GRAMMAR_GBNF: return gbnf_term(t, spec->text, why, out);
    case GRAMMAR_CALLS: return calls_term(t, spec, why, out);
    }
    return ERR_INVALID;
}

/* Why it is too large: memory and work are limits of the terms, depth is another. */
static void refuse_size(const struct terms *t, struct grammar_why *why)
{
    if (!t || terms_failed(t))
        (void)grammar_refuse(why, "it takes more than %d MiB, or too long, to compile",
                             GRAMMAR_BYTES_MAX >> 20);
    else
        (void)grammar_refuse(why, "rules begin with each other more than %d deep",
                             TERMS_DEPTH_MAX / 2);
}

static void refuse_recursion(const struct grammar_spec *spec, uint32_t rule,
                             struct grammar_why *why)
{
    if (spec->kind == GRAMMAR_GBNF) gbnf_refuse_recursion(spec->text, rule, why);
    (void)grammar_refuse(why, "left recursion: a rule of it begins with itself");
}

/* Ends the making; why it cannot be had. */
static int finish(struct terms *t, const struct grammar_spec *spec, term root,
                  struct grammar_why *why)
{
    uint32_t rule = 0;
    int err = terms_failed(t) ? ERR_TOO_LARGE : terms_finish(t, root, &rule);
    if (err == ERR_TOO_LARGE) refuse_size(t, why);
    if (err == ERR_INVALID) refuse_recursion(spec, rule, why);
    if (err || terms_root(t) != TERM_NONE) return err;
    (void)grammar_refuse(why, "no text can ever satisfy it");
    return ERR_INVALID;
}

int grammar_compile(const struct grammar_spec *spec, struct grammar_why *why, struct terms **out)
{
    term root = TERM_NONE;
    struct terms *t = terms_new(GRAMMAR_BYTES_MAX);
    if (t) terms_limit_effort(t, GRAMMAR_EFFORT_MAX);
    int err = t ? root_term(t, spec, why, &root) : ERR_TOO_LARGE;
    if (!t || (err && terms_failed(t))) refuse_size(t, why);
    if (!err) err = finish(t, spec, root, why);
    if (err)
        terms_free(t);
    else
        *out = t;
    return err;
}

void grammar_prepare(struct masks *m)
{
    struct terms *t = masks_terms(m);
    (void)masks_of(m, term_repeat(t, chars_json_any(t), 0, TERM_ANY_NUMBER));
    (void)masks_of(m, term_repeat(t, chars_any(t, CHARS_JSON), 0, TERM_ANY_NUMBER));
}
