/* SPDX-License-Identifier: Apache-2.0 */
/* Says which texts a schema's terms take, for test/e2e/test_schema.py: reads lines of JSON
 *
 *     {"schema": {...}, "texts": ["...", ...], "samples": 3, "seed": 1}
 *
 * and prints for each {"taken": [true, ...], "samples": ["...", ...], "us": 123}, where samples are
 * random texts that are taken and `us` is the CPU time that compiling took, or
 * {"error": "ERR_UNSUPPORTED", "why": "#/properties/a: ...", "us": 123}. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "base/rand.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/schema.h"
#include "json/write.h"

enum {
    LINE_MAX_BYTES = 64 << 20,
    SAMPLE_LONG = 200, /* bytes, from where on it is to end */
    SAMPLE_MAX = 4000, /* and where it is given up */
    TRIES = 12,        /* for a byte that is readable */
};

static int compile(struct terms *t, const struct json *schema, struct grammar_why *why)
{
    static const struct schema_options options = {.spaces = true};
    term root = TERM_NONE;
    int err = schema_term(t, schema, &options, why, &root);
    if (!err) err = terms_finish(t, root, NULL);
    if (!err && terms_root(t) == TERM_NONE) err = ERR_INVALID;
    return err;
}

static void write_taken(struct json_writer *w, struct terms *t, term root, const struct json *texts)
{
    struct json_iter it = {0};
    const struct json *v;
    struct str text = STR_NULL;
    json_write_key(w, "taken");
    json_write_array(w);
    while (json_next_item(texts, &it, &v))
        json_write_bool(w, json_to_str(v, &text) && term_takes(t, root, text));
    json_write_array_end(w);
}

/* --- samples --- */

static term step(struct terms *t, term *at, unsigned char byte)
{
    term next = term_next(t, *at, byte);
    if (next != TERM_NONE) *at = next;
    return next;
}

/* One of the bytes that may come next; -1: there is none. What is long closes what is open. */
static int add_byte(struct terms *t, term *at, struct rng *r, size_t len)
{
    static const char closing[] = "\"}]0,:";
    for (size_t i = 0; len > SAMPLE_LONG && i < sizeof closing - 1; i++)
        if (step(t, at, (unsigned char)closing[i])) return closing[i];
    for (unsigned i = 0; i < TRIES; i++) {
        unsigned char byte = (unsigned char)(' ' + rng_below(r, 95));
        if (step(t, at, byte)) return byte;
    }
    unsigned first = (unsigned)rng_below(r, 256);
    for (unsigned i = 0; i < 256; i++)
        if (step(t, at, (unsigned char)(first + i))) return (unsigned char)(first + i);
    return -1;
}

/* False: it became too long, or cannot go on, which no term should let happen. */
static bool sample(struct terms *t, term at, struct rng *r, struct buf *out)
{
    for (size_t len = 0; len < SAMPLE_MAX; len++) {
        bool end = term_may_end(t, at) && (len > SAMPLE_LONG || rng_below(r, 4) == 0);
        int byte = end ? -1 : add_byte(t, &at, r, len);
        char c = (char)byte;
        if (byte < 0) return term_may_end(t, at);
        if (buf_append(out, str_n(&c, 1))) return false;
    }
    return false;
}

static void write_samples(struct json_writer *w, struct terms *t, term root,
                          const struct json *line)
{
    struct rng r;
    struct buf text;
    rng_seed(&r, (uint64_t)json_i64_or(line, "seed", 1));
    buf_init(&text, SAMPLE_MAX + 1);
    json_write_key(w, "samples");
    json_write_array(w);
    for (int64_t i = json_i64_or(line, "samples", 0); i > 0; i--) {
        buf_clear(&text);
        if (sample(t, root, &r, &text)) json_write_str(w, buf_str(&text));
    }
    json_write_array_end(w);
    buf_fini(&text);
}

/* --- lines --- */

/* As an engine does: in an automaton's set, which imports what it reaches. */
static void write_texts(struct json_writer *w, struct terms *compiled, const struct json *line)
{
    struct terms *t = terms_new(GRAMMAR_BYTES_MAX);
    if (!t) abort();
    term root = terms_import(t, compiled);
    write_taken(w, t, root, json_get(line, "texts"));
    write_samples(w, t, root, line);
    json_write_bool_member(w, "failed", terms_failed(t));
    terms_free(t);
}

static void check(struct json_writer *w, struct arena *arena, const struct json *line)
{
    struct grammar_why why = {.arena = arena};
    clock_t start = clock();
    struct terms *t = terms_new(GRAMMAR_BYTES_MAX);
    int err = t ? compile(t, json_get(line, "schema"), &why) : ERR_TOO_LARGE;
    uint64_t us = (uint64_t)(clock() - start) * 1000000 / CLOCKS_PER_SEC;
    json_write_object(w);
    if (err) json_write_str_member(w, "error", str_of(err_name(err)));
    if (err)
        json_write_str_member(w, "why", why.text);
    else
        write_texts(w, t, line);
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
