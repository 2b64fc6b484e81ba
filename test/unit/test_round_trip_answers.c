/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: a chat runtime's answer becomes one of Messages, and that becomes a chat's again, with
 * the same in it; whole and streamed. What is lost: that a refusal was one is told only by the
 * reason of the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "generate.h"
#include "translate.h"

enum { ANSWERS = 400, CALLS_MAX = 3 };

struct answer {
    struct str content, reasoning; /* empty: none */
    struct {
        struct str id, name, arguments;
    } calls[CALLS_MAX];
    unsigned count;
    struct str finish;
};

static struct answer make_answer(struct generate *g)
{
    static const char *const ends[] = {"stop", "length", "content_filter"};
    struct answer a = {.finish = str_of(ends[generate_below(g, ARRAY_LEN(ends))])};
    if (generate_once_in(g, 2)) a.content = generate_text(g);
    if (generate_once_in(g, 2)) a.reasoning = generate_text(g);
    a.count = generate_below(g, CALLS_MAX + 1);
    for (unsigned i = 0; i < a.count; i++) {
        a.calls[i].id = arena_printf(&g->arena, "call_%u", i);
        a.calls[i].name = arena_printf(&g->arena, "tool_%u", generate_below(g, 2));
        a.calls[i].arguments = generate_object(g);
    }
    if (a.count && str_eq(a.finish, STR("stop"))) a.finish = STR("tool_calls");
    return a;
}

/* --- as a chat runtime says it --- */

static void write_function(struct json_writer *w, struct str name, struct str arguments)
{
    json_write_key(w, "function");
    json_write_object(w);
    if (name.len) json_write_str_member(w, "name", name);
    json_write_str_member(w, "arguments", arguments);
    json_write_object_end(w);
}

static void write_choice(struct json_writer *w, const char *message)
{
    json_write_object(w);
    json_write_key(w, "choices");
    json_write_array(w);
    json_write_object(w);
    json_write_u64_member(w, "index", 0);
    json_write_key(w, message);
    json_write_object(w);
}

static void write_choice_end(struct json_writer *w, struct str finish)
{
    json_write_object_end(w);
    if (finish.len) json_write_str_member(w, "finish_reason", finish);
    json_write_object_end(w);
    json_write_array_end(w);
    json_write_object_end(w);
}

static void write_call(struct json_writer *w, const struct answer *a, unsigned i,
                       struct str arguments)
{
    json_write_object(w);
    json_write_u64_member(w, "index", i);
    json_write_str_member(w, "id", a->calls[i].id);
    write_function(w, a->calls[i].name, arguments);
    json_write_object_end(w);
}

static void feed_whole(struct translate *x, const struct answer *a)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 20);
    json_write_init(&w, &out);
    write_choice(&w, "message");
    if (a->content.len) json_write_str_member(&w, "content", a->content);
    if (a->reasoning.len) json_write_str_member(&w, "reasoning_content", a->reasoning);
    json_write_key(&w, "tool_calls");
    json_write_array(&w);
    for (unsigned i = 0; i < a->count; i++)
        write_call(&w, a, i, a->calls[i].arguments);
    json_write_array_end(&w);
    write_choice_end(&w, a->finish);
    assert_int_equal(json_write_end(&w), 0);
    assert_int_equal(translator_whole(&x->translator, buf_str(&out)), 0);
    buf_fini(&out);
}

static void feed_text(struct generate *g, struct translate *x, const char *member, struct str text)
{
    while (text.len) {
        struct buf out;
        struct json_writer w;
        buf_init(&out, 1 << 20);
        json_write_init(&w, &out);
        write_choice(&w, "delta");
        json_write_str_member(&w, member, generate_piece(g, &text));
        write_choice_end(&w, STR(""));
        assert_int_equal(json_write_end(&w), 0);
        assert_int_equal(translator_event(&x->translator, STR(""), buf_str(&out)), 0);
        buf_fini(&out);
    }
}

/* One piece of one call's arguments; the first one names it. */
static void feed_call(struct translate *x, const struct answer *a, unsigned i, bool first,
                      struct str piece)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 20);
    json_write_init(&w, &out);
    write_choice(&w, "delta");
    json_write_key(&w, "tool_calls");
    json_write_array(&w);
    if (first) {
        write_call(&w, a, i, piece);
    } else {
        json_write_object(&w);
        json_write_u64_member(&w, "index", i);
        write_function(&w, STR(""), piece);
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    write_choice_end(&w, STR(""));
    assert_int_equal(json_write_end(&w), 0);
    assert_int_equal(translator_event(&x->translator, STR(""), buf_str(&out)), 0);
    buf_fini(&out);
}

/* Now and then in turns. */
static void feed_calls(struct generate *g, struct translate *x, const struct answer *a)
{
    struct str rest[CALLS_MAX];
    bool mixed = generate_once_in(g, 3);
    size_t left = 0;
    for (unsigned i = 0; i < a->count; i++) {
        rest[i] = a->calls[i].arguments;
        feed_call(x, a, i, true, STR(""));
        while (!mixed && rest[i].len)
            feed_call(x, a, i, false, generate_piece(g, &rest[i]));
        left += rest[i].len;
    }
    while (left) {
        unsigned i = generate_below(g, a->count);
        struct str piece = generate_piece(g, &rest[i]);
        if (piece.len) feed_call(x, a, i, false, piece);
        left -= piece.len;
    }
}

static void feed_stream(struct generate *g, struct translate *x, const struct answer *a)
{
    struct buf out;
    struct json_writer w;
    feed_text(g, x, "reasoning_content", a->reasoning);
    feed_text(g, x, "content", a->content);
    feed_calls(g, x, a);
    buf_init(&out, 1 << 20);
    json_write_init(&w, &out);
    write_choice(&w, "delta");
    write_choice_end(&w, a->finish);
    assert_int_equal(json_write_end(&w), 0);
    assert_int_equal(translator_event(&x->translator, STR(""), buf_str(&out)), 0);
    buf_fini(&out);
}

/* --- as the client reads it --- */

static void add(struct arena *arena, struct str *to, const struct json *more)
{
    struct str text;
    if (json_to_str(more, &text)) *to = arena_try_cat(arena, *to, text);
}

/* A delta of a stream, or a whole message. */
static void take(struct arena *arena, struct answer *a, const struct json *choice,
                 const struct json *message)
{
    const struct json *call;
    int64_t place = 0;
    add(arena, &a->content, json_get(message, "content"));
    add(arena, &a->reasoning, json_get(message, "reasoning_content"));
    add(arena, &a->finish, json_get(choice, "finish_reason"));
    for (struct json_iter it = {0}; json_next_item(json_get(message, "tool_calls"), &it, &call);) {
        int64_t i = json_i64_or(call, "index", place++);
        assert_in_range(i, 0, CALLS_MAX - 1);
        a->count = MAX(a->count, (unsigned)i + 1);
        add(arena, &a->calls[i].id, json_get(call, "id"));
        add(arena, &a->calls[i].name, json_get(json_get(call, "function"), "name"));
        add(arena, &a->calls[i].arguments, json_get(json_get(call, "function"), "arguments"));
    }
}

static void read_answer(struct arena *arena, struct answer *a, struct str out, bool stream)
{
    struct str line;
    const struct json *doc;
    while (str_cut(&out, '\n', &line)) {
        if (line.len == 0 || str_eq(line, STR("data: [DONE]"))) continue;
        if (stream) line = str_skip(line, 6);
        assert_int_equal(json_parse(arena, line, &doc, NULL), 0);
        const struct json *choice = json_at(json_get(doc, "choices"), 0);
        take(arena, a, choice, json_get(choice, stream ? "delta" : "message"));
    }
}

static void pass_on(struct translate *from, struct translate *to, bool stream)
{
    struct str out = buf_str(&from->translator.out), line;
    if (!stream) {
        assert_int_equal(translator_whole(&to->translator, out), 0);
        return;
    }
    while (str_cut(&out, '\n', &line))
        if (str_starts(line, STR("data: ")))
            assert_int_equal(translator_event(&to->translator, STR(""), str_skip(line, 6)), 0);
}

/* --- comparing --- */

static void expect_str(unsigned seed, const char *what, struct str got, struct str expected)
{
    if (!str_eq(got, expected))
        fail_msg("seed %u, %s\n got      %" STR_FMT "\n expected %" STR_FMT, seed, what,
                 STR_ARG(got), STR_ARG(expected));
}

static void expect_same(unsigned seed, const struct answer *got, const struct answer *expected)
{
    expect_str(seed, "content", got->content, expected->content);
    expect_str(seed, "reasoning", got->reasoning, expected->reasoning);
    expect_str(seed, "finish", got->finish, expected->finish);
    assert_int_equal(got->count, expected->count);
    for (unsigned i = 0; i < got->count; i++) {
        expect_str(seed, "id", got->calls[i].id, expected->calls[i].id);
        expect_str(seed, "name", got->calls[i].name, expected->calls[i].name);
        expect_str(seed, "arguments", got->calls[i].arguments, expected->calls[i].arguments);
    }
}

static void answers_return(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < ANSWERS; seed++) {
        struct generate g;
        struct translate there, back;
        struct answer got = {0};
        struct usage usage = {.known = true, .prompt = 3, .completion = 4};
        bool stream = seed % 2;
        generate_begin(&g, seed);
        translate_begin(&there, SURFACE_MESSAGES, SURFACE_CHAT, stream);
        translate_begin(&back, SURFACE_CHAT, SURFACE_MESSAGES, stream);
        translate_answer(&there);
        translate_answer(&back);
        struct answer a = make_answer(&g);
        if (stream)
            feed_stream(&g, &there, &a);
        else
            feed_whole(&there, &a);
        assert_int_equal(translator_end(&there.translator, &usage), 0);
        pass_on(&there, &back, stream);
        assert_int_equal(translator_end(&back.translator, &usage), 0);
        read_answer(&g.arena, &got, buf_str(&back.translator.out), stream);
        expect_same(seed, &got, &a);
        translate_end(&there);
        translate_end(&back);
        generate_end(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_return)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
