/* SPDX-License-Identifier: Apache-2.0 */
/* Says which texts a schema's terms take, for test/e2e/test_schema.py: reads lines of JSON
 *
 *     {"schema": {...}, "texts": ["...", ...]}
 *
 * and prints for each {"taken": [true, ...], "us": 123}, `us` being what compiling took, or
 * {"error": "ERR_UNSUPPORTED", "why": "#/properties/a: ...", "us": 123}. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/schema.h"
#include "json/write.h"

enum { LINE_MAX_BYTES = 64 << 20 };

static int compile(struct terms *t, const struct json *schema, struct grammar_why *why)
{
    static const struct schema_options options = {.spaces = true};
    term root = TERM_NONE;
    int err = schema_term(t, schema, &options, why, &root);
    if (!err) err = terms_finish(t, root, NULL);
    if (!err && terms_root(t) == TERM_NONE) err = ERR_INVALID;
    return err;
}

/* As an engine does: in an automaton's set, which imports what it reaches. */
static void write_taken(struct json_writer *w, struct terms *compiled, const struct json *texts)
{
    struct terms *t = terms_new(GRAMMAR_BYTES_MAX);
    struct json_iter it = {0};
    const struct json *v;
    struct str text = STR_NULL;
    if (!t) abort();
    term root = terms_import(t, compiled);
    json_write_key(w, "taken");
    json_write_array(w);
    while (json_next_item(texts, &it, &v))
        json_write_bool(w, json_to_str(v, &text) && term_takes(t, root, text));
    json_write_array_end(w);
    json_write_bool_member(w, "failed", terms_failed(t));
    terms_free(t);
}

static void check(struct json_writer *w, struct arena *arena, const struct json *line)
{
    struct grammar_why why = {.arena = arena};
    uint64_t start = clock_mono_us();
    struct terms *t = terms_new(GRAMMAR_BYTES_MAX);
    int err = t ? compile(t, json_get(line, "schema"), &why) : ERR_TOO_LARGE;
    uint64_t us = clock_mono_us() - start;
    json_write_object(w);
    if (err) json_write_str_member(w, "error", str_of(err_name(err)));
    if (err)
        json_write_str_member(w, "why", why.text);
    else
        write_taken(w, t, json_get(line, "texts"));
    json_write_u64_member(w, "us", us);
    json_write_object_end(w);
    terms_free(t);
}

static int answer(struct arena *arena, struct str text)
{
    const struct json *line;
    struct json_writer w;
    struct buf out;
    int err = json_parse(arena, text, &line, NULL);
    buf_init(&out, LINE_MAX_BYTES);
    json_write_init(&w, &out);
    if (!err) check(&w, arena, line);
    if (!err) err = json_write_end(&w);
    if (!err) (void)printf("%.*s\n", (int)buf_len(&out), buf_str(&out).ptr);
    buf_fini(&out);
    return err;
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    int err = 0;
    while (!err && (len = getline(&line, &room, stdin)) > 0) {
        struct arena arena;
        arena_init(&arena, 1 << 30, 1 << 20);
        err = answer(&arena, str_n(line, (size_t)len));
        arena_fini(&arena);
        (void)fflush(stdout);
    }
    free(line);
    if (err) (void)fprintf(stderr, "grammar-check: %s\n", err_text(err));
    return err ? 1 : 0;
}
