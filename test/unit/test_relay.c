/* SPDX-License-Identifier: Apache-2.0 */
/* gate: the relay's filter gives the same bytes and the same usage however the stream is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialect/dialect.h"
#include "gate/relay.h"

#define CHUNK(text) \
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define USAGE                                                                                    \
    "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5," \
    "\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\n"
#define DONE "data: [DONE]\n\n"

static void add(struct buf *out, struct str s)
{
    assert_int_equal(buf_append(out, s), 0);
}

static void feed(struct relay *r, struct str piece, bool last, struct buf *out)
{
    char *copy = malloc(piece.len + 1);
    struct str slices[RELAY_SLICES];
    if (piece.len) memcpy(copy, piece.ptr, piece.len);
    unsigned n = relay_feed(r, str_n(copy, piece.len), last, slices);
    assert_in_range(n, 0, RELAY_SLICES);
    for (unsigned i = 0; i < n; i++)
        add(out, slices[i]);
    free(copy);
}

/* Feeds `text` cut at `cut` and then every `step`; the output is in *out. */
static void run(struct relay *r, struct str text, size_t cut, size_t step, struct buf *out)
{
    feed(r, str_sub(text, 0, cut), cut >= text.len, out);
    for (size_t at = cut; at < text.len; at += step)
        feed(r, str_sub(text, at, step), at + step >= text.len, out);
}

static void check_stream(bool strip, struct str text, struct str want, size_t cut, size_t step)
{
    struct relay r;
    struct buf out;
    relay_init(&r, dialect_openai.reader, true, strip);
    buf_init(&out, 1 << 20);
    run(&r, text, cut, step, &out);
    if (!str_eq(buf_str(&out), want))
        fail_msg("cut at %zu by %zu:\n%" STR_FMT "\nwant\n%" STR_FMT, cut, step,
                 STR_ARG(buf_str(&out)), STR_ARG(want));
    assert_true(r.done == (str_find(text, STR("[DONE]")) >= 0));
    assert_true(r.usage.known == (str_find(text, STR("usage\":{")) >= 0));
    if (r.usage.known) assert_int_equal(r.usage.prompt, 7);
    if (r.usage.known) assert_int_equal(r.usage.completion, 5);
    if (r.usage.known) assert_int_equal(r.usage.cached, 3);
    relay_fini(&r);
    buf_fini(&out);
}

static void check_all_cuts(bool strip, const char *text, const char *want)
{
    struct str s = str_of(text), w = str_of(want);
    for (size_t cut = 0; cut <= s.len; cut++)
        check_stream(strip, s, w, cut, s.len + 1);
    for (size_t step = 1; step < 40; step++)
        check_stream(strip, s, w, 0, step);
}

static void streams_pass_and_only_our_usage_is_left_out(void **state)
{
    (void)state;
    check_all_cuts(true, CHUNK("a") CHUNK("\xc3\xa9") USAGE DONE,
                   CHUNK("a") CHUNK("\xc3\xa9") DONE);
    check_all_cuts(false, CHUNK("a") USAGE DONE, CHUNK("a") USAGE DONE);
    check_all_cuts(true, CHUNK("a") DONE, CHUNK("a") DONE);
    check_all_cuts(true, ": ping\n\n" CHUNK("a") ": ping\r\n\r\n" DONE,
                   ": ping\n\n" CHUNK("a") ": ping\r\n\r\n" DONE);
    check_all_cuts(true, CHUNK("a") "data: {\"cut", CHUNK("a"));
    check_all_cuts(true, CHUNK("a") DONE CHUNK("b"), CHUNK("a") DONE);
    check_all_cuts(true, CHUNK("\\\"usage\\\": {}"), CHUNK("\\\"usage\\\": {}"));
    check_all_cuts(true, "event: x\n" CHUNK("a"), "event: x\n" CHUNK("a"));
    check_all_cuts(true, "data: not json \"usage\"\n\n" DONE, "data: not json \"usage\"\n\n" DONE);
}

/* vLLM's continuous_usage_stats: usage beside choices stays. */
static void usage_beside_choices_stays(void **state)
{
    (void)state;
    static const char text[] =
        "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,"
        "\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\n" DONE;
    check_all_cuts(true, text, text);
}

/* "usage": null in every chunk, as OpenAI sends it to who asked: our asking. */
static void null_usage_is_taken_out(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"choices\":[],\"usage\":null}", "{\"choices\":[]}"},
        {"{\"usage\":null,\"choices\":[]}", "{\"choices\":[]}"},
        {"{ \"usage\" : null , \"choices\":[]}", "{  \"choices\":[]}"},
        {"{\"id\":1 , \"usage\" : null}", "{\"id\":1 }"},
        {"{\"id\":1,\"usage\":null,\"obfuscation\":\"x\"}", "{\"id\":1,\"obfuscation\":\"x\"}"},
        {"{\"usage\":null}", "{\"usage\":null}"}, /* nothing to join */
        {"{\"choices\":[{\"index\":0,\"usage\":null}]}",
         "{\"choices\":[{\"index\":0,\"usage\":null}]}"},
        {"{\"x\":\",\\\"usage\\\":null\"}", "{\"x\":\",\\\"usage\\\":null\"}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[300], want[300];
        (void)snprintf(text, sizeof text, CHUNK("a") "data: %s\n\n" DONE, rows[i][0]);
        (void)snprintf(want, sizeof want, CHUNK("a") "data: %s\n\n" DONE, rows[i][1]);
        check_all_cuts(true, text, want);
        check_all_cuts(false, text, text);
    }
}

/* Events that differ within one string only are not looked into again; what they say must be the
 * same. */
static void events_alike_are_read_alike(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",
                                         "",
                                         " b",
                                         "\\n",
                                         "\\\"",
                                         "\\\\",
                                         "\\u20ac",
                                         "\xe2\x82\xac",
                                         "\\\"usage\\\":{",
                                         "{}[]",
                                         "\\\\\\\\"};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        char text[1000], want[1000];
        static const char form[] = "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]%s}\n\n";
        size_t n = 0, m = 0;
        for (int k = 0; k < 3; k++) {
            const char *piece = k == 1 ? pieces[i] : "x";
            n += (size_t)snprintf(text + n, sizeof text - n, form, piece, ",\"usage\":null");
            m += (size_t)snprintf(want + m, sizeof want - m, form, piece, "");
        }
        check_all_cuts(true, text, want);
    }
    /* a string that ends early: other members follow */
    static const char sly[] =
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{\"content\":\"\"}}],\"usage\":{"
        "\"prompt_tokens\":7,\"completion_tokens\":5,\"prompt_tokens_details\":{"
        "\"cached_tokens\":3}},\"y\":[{\"a\":{\"b\":\"\"}}]}\n\n";
    check_all_cuts(true, sly, sly);
}

/* The usage that our asking brought, in all its shapes. */
static void usage_of_our_asking_is_left_out_and_counted(void **state)
{
    (void)state;
#define NUMBERS                                     \
    "{\"prompt_tokens\":7,\"completion_tokens\":5," \
    "\"prompt_tokens_details\":{\"cached_tokens\":3}}"
    static const char *const rows[] = {
        "data: {\"usage\":" NUMBERS "}\n\n",
        "data: {\"choices\":null,\"usage\":" NUMBERS "}\n\n",
        "data: {\"choices\":[],\ndata: \"usage\":" NUMBERS "}\n\n",
        "data: {\"us\\u0061ge\":" NUMBERS "}\n\n",
        "data: {\"usage\":" NUMBERS ",\"choices\":[ ]}\r\n\r\n",
        "event: message\ndata: {\"usage\" : " NUMBERS ",\"timings\":{\"usage\":1}}\n\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[400];
        (void)snprintf(text, sizeof text, CHUNK("a") "%s" DONE, rows[i]);
        struct str s = str_of(text), want = STR(CHUNK("a") DONE);
        for (size_t cut = 0; cut <= s.len; cut++) {
            struct relay r;
            struct buf out;
            relay_init(&r, dialect_openai.reader, true, true);
            buf_init(&out, 4096);
            run(&r, s, cut, s.len + 1, &out);
            if (!str_eq(buf_str(&out), want) || !r.usage.known || r.usage.prompt != 7 ||
                r.usage.completion != 5 || r.usage.cached != 3)
                fail_msg("%s cut at %zu: %" STR_FMT, text, cut, STR_ARG(buf_str(&out)));
            relay_fini(&r);
            buf_fini(&out);
        }
        (void)snprintf(text, sizeof text, "\xef\xbb\xbf%s" DONE, rows[i]);
        struct relay r;
        struct buf out;
        relay_init(&r, dialect_openai.reader, true, true);
        buf_init(&out, 4096);
        run(&r, str_of(text), 1, 7, &out);
        assert_true(str_eq(buf_str(&out), STR(DONE)) && r.usage.known);
        relay_fini(&r);
        buf_fini(&out);
    }
}

/* More to leave out in one read than there are slices. */
static void many_holes_lose_nothing(void **state)
{
    (void)state;
    static const char *const holes[][2] = {
        {CHUNK("x") USAGE, CHUNK("x")},
        {"data: {\"x\":1,\"usage\":null}\n\n", "data: {\"x\":1}\n\n"},
        {"data: {\"usage\":null,\"x\":1}\n\n" USAGE, "data: {\"x\":1}\n\n"},
    };
    for (size_t row = 0; row < ARRAY_LEN(holes); row++) {
        struct buf text, want;
        buf_init(&text, 1 << 20);
        buf_init(&want, 1 << 20);
        for (int i = 0; i < 20; i++) {
            add(&text, str_of(holes[row][0]));
            add(&want, str_of(holes[row][1]));
        }
        add(&text, STR(CHUNK("y") "data: {\"a\":1}"));
        add(&want, STR(CHUNK("y") "data: {\"a\":1}\n\n"));
        for (size_t step = 1; step < buf_len(&text) + 100; step += 97) {
            struct relay r;
            struct buf out;
            relay_init(&r, dialect_openai.reader, true, true);
            buf_init(&out, 1 << 20);
            run(&r, buf_str(&text), 0, step, &out);
            assert_true(str_eq(buf_str(&out), buf_str(&want)));
            relay_fini(&r);
            buf_fini(&out);
        }
        buf_fini(&text);
        buf_fini(&want);
    }
}

/* Usage beside a choice, which stays. */
#define KEPT_USAGE "data: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":7}}\n\n"

/* An event larger than the relay looks into passes as it is, each byte once; those behind it are
 * looked into again. */
static void a_huge_event_passes(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 4 << 20);
    add(&text, STR(CHUNK("a") "data: "));
    for (int i = 0; i < RELAY_EVENT_MAX / 16 + 100; i++)
        add(&text, STR("0123456789abcdef"));
    add(&text, STR("\n\n" CHUNK("b") KEPT_USAGE DONE));
    for (size_t step = 4000; step < buf_len(&text); step *= 3) {
        struct relay r;
        struct buf out;
        relay_init(&r, dialect_openai.reader, true, true);
        buf_init(&out, 4 << 20);
        run(&r, buf_str(&text), 0, step, &out);
        assert_true(r.done && !relay_inside(&r) && r.usage.known);
        assert_true(str_eq(buf_str(&out), buf_str(&text)));
        relay_fini(&r);
        buf_fini(&out);
    }
    buf_fini(&text);
}

/* Where the usage stands in a huge event, and how it is cut, makes no difference. */
static void usage_is_read_in_a_huge_event(void **state)
{
    (void)state;
    static const char usage[] = "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}";
    for (int last = 0; last < 2; last++) {
        struct buf text, out;
        buf_init(&text, 4 << 20);
        add(&text, STR("data: {"));
        if (!last) add(&text, str_of(usage));
        add(&text, last ? STR("\"x\":{\"usage\":{}},\"y\":\"") : STR(",\"y\":\""));
        for (int i = 0; i < RELAY_EVENT_MAX / 16 + 100; i++)
            add(&text, STR("0123456789abcdef"));
        add(&text, last ? STR("\",") : STR("\""));
        if (last) add(&text, str_of(usage));
        add(&text, STR("}\n\n" DONE));
        for (size_t step = 4001; step < buf_len(&text); step *= 5) {
            struct relay r;
            relay_init(&r, dialect_openai.reader, true, true);
            buf_init(&out, 4 << 20);
            run(&r, buf_str(&text), 0, step, &out);
            assert_true(r.done && r.usage.known && !r.usage.estimated);
            assert_int_equal(r.usage.prompt, 7);
            assert_int_equal(r.usage.completion, 5);
            relay_fini(&r);
            buf_fini(&out);
        }
        buf_fini(&text);
    }
}

/* Whoever is in such an event when the bytes end has not seen the answer's end. */
static void a_stream_that_ends_in_a_huge_event_is_cut(void **state)
{
    (void)state;
    struct relay r;
    struct buf text, out;
    buf_init(&text, 4 << 20);
    buf_init(&out, 4 << 20);
    add(&text, STR("data: "));
    for (int i = 0; i < RELAY_EVENT_MAX / 16 + 100; i++)
        add(&text, STR("0123456789abcdef"));
    relay_init(&r, dialect_openai.reader, true, true);
    run(&r, buf_str(&text), 0, 65536, &out);
    assert_true(relay_inside(&r) && relay_cut(&r));
    feed(&r, STR("\n\n"), false, &out);
    assert_true(!relay_inside(&r) && relay_cut(&r));
    feed(&r, STR(DONE), true, &out);
    assert_false(relay_cut(&r));
    relay_fini(&r);
    buf_fini(&text);
    buf_fini(&out);
}

#define END(index, reason)                               \
    "data: {\"id\":\"c\",\"choices\":[{\"index\":" index \
    ",\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n"

static void a_stream_is_cut_before_its_end(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool cut;
    } rows[] = {
        {CHUNK("a") DONE, false},
        {CHUNK("a"), true},
        {CHUNK("a") "data: [DONE]\n", false},
        {"", true},
        {DONE, false},
        {CHUNK("a") "data: [DONE] \n\n", false},
        {CHUNK("a") "data: [DONE]x\n\n", true},
        {CHUNK("a") "data: {\"error\":\"boom\"}\n\n", false},
        {CHUNK("a") "data: { \"error\": {\"message\":\"boom\"}}\n\n", false},
        {CHUNK("a") "data: {\"error\":null}\n\n", true},
        {CHUNK("a") "event: error\ndata: {\"message\":\"boom\"}\n\n", false},
        {DONE "data: x", false},
        {CHUNK("a") "data: [DON", true},
        {CHUNK("a") "data: {\"id\":1,\"error\":{\"message\":\"boom\"}}\n\n", false},
        {CHUNK("a") "data: {\"choices\":[],\"err\\u006fr\":\"boom\"}\n\n", false},
        {CHUNK("a") "data: {\"choices\":[],\ndata: \"error\":\"boom\"}\n\n", false},
        {CHUNK("a") "data: {\"choices\":[{\"error\":\"x\"}]}\n\n", true},
        {CHUNK("a") "data: {\"x\":\"\\\"error\\\":1\"}\n\n", true},
        {CHUNK("a") "data: {\"id\":1,\"error\":\"\"}\n\n", true},
        {CHUNK("a") "data: {\"error\":\"boom\"}", false},
        {CHUNK("a") END("0", "stop"), false},
        {CHUNK("a") END("0", "stop") USAGE, false},
        {CHUNK("a") END("0", "length") ": bye\n\n", false},
        {CHUNK("a") END("0", ""), true},
        {CHUNK("a") END("1", "stop"), true},
        {CHUNK("a") END("1", "stop") END("0", "tool_calls"), false},
        {CHUNK("a") END("70", "stop"), true},
        {CHUNK(
             "a") "data: {\"choices\":[{\"finish_reason\":\"stop\",\"index\":0},{\"index\":1}]}\n\n",
         true},
        {CHUNK("a") "data: {\"choices\":[{\"finish_reason\":\"stop\",\"index\":0},"
                    "{\"index\":1,\"finish_reason\":\"stop\"}]}\n\n",
         false},
        {CHUNK("a") "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}", false},
        {CHUNK("a") "data: {\"choices\":[{\"finish_reason\":\"stop\"}]", true},
        {CHUNK(
             "a") "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"finish_reason\\\":\\\"s\\\"\"}}]}\n\n",
         true},
        {CHUNK("a") "data:[DONE]\r\n", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct relay r;
        struct buf out;
        relay_init(&r, dialect_openai.reader, true, false);
        buf_init(&out, 4096);
        run(&r, str_of(rows[i].text), 0, 7, &out);
        if (relay_cut(&r) != rows[i].cut) fail_msg("%s: %d", rows[i].text, relay_cut(&r));
        assert_true(r.done == (!r.error && !rows[i].cut)); /* its end was given */
        relay_fini(&r);
        buf_fini(&out);
    }
}

/* A body that is no event stream though it says so. */
static void a_bare_json_body_becomes_an_event(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"error\":{\"message\":\"x\"}}", "data: {\"error\":{\"message\":\"x\"}}\n\n"},
        {"{\"error\":{\"message\":\"x\"}}\n", "data: {\"error\":{\"message\":\"x\"}}\n\n"},
        {"{\"error\":\"x\"}\n\n", "data: {\"error\":\"x\"}\n\n"},
        {"{\n \"error\":\r\n\"x\"\n}\n", "data: {  \"error\":  \"x\" }\n\n"},
        {"<html>no</html>", ""},
        {"{\"error\":{\"mess", ""},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t step = 1; step < 50; step++) {
            struct relay r;
            struct buf out;
            relay_init(&r, dialect_openai.reader, true, true);
            buf_init(&out, 4096);
            run(&r, str_of(rows[i][0]), 0, step, &out);
            if (!rows[i][0][0]) feed(&r, STR_NULL, true, &out);
            if (!str_eq(buf_str(&out), str_of(rows[i][1])))
                fail_msg("%s by %zu: %" STR_FMT, rows[i][0], step, STR_ARG(buf_str(&out)));
            assert_true(r.error == (rows[i][1][0] != '\0') && relay_cut(&r) == !r.error);
            relay_fini(&r);
            buf_fini(&out);
        }
}

/* It is not overwritten by what is put together behind it in the same bytes. */
static void a_body_that_became_an_event_stays_while_others_are_joined(void **state)
{
    (void)state;
    static const char bare[] = "{\"x\":1}\n\n", event[] = "data: {\"x\":1}\n\n",
                      lines[] =
                          "data: {\"y\":\ndata: \"a line that is longer than what was made of "
                          "the body before it\"}\n\n";
    struct relay r;
    struct buf out, in, want;
    buf_init(&out, 4096);
    buf_init(&in, 4096);
    buf_init(&want, 4096);
    assert_int_equal(buf_printf(&in, "%s%s", bare, lines), 0);
    assert_int_equal(buf_printf(&want, "%s%s", event, lines), 0);
    relay_init(&r, dialect_openai.reader, true, false);
    feed(&r, buf_str(&in), false, &out);
    assert_true(str_eq(buf_str(&out), buf_str(&want)));
    relay_fini(&r);
    buf_fini(&out);
    buf_fini(&in);
    buf_fini(&want);
}

/* What an event's beginning says of it is known of those, too, that are too large to be kept: after a
 * response's last one, which has all of it once more, nothing is missing. */
static void a_large_event_may_be_the_last(void **state)
{
    (void)state;
    static const struct {
        const struct dialect *dialect;
        const char *before, *behind;
        bool done, error;
    } rows[] = {
        {&dialect_responses, "data: {\"type\":\"response.completed\",\"response\":{\"output\":[\"",
         "\"]}}\n\n", true, false},
        {&dialect_responses, "data: {\"type\":\"response.output_item.done\",\"item\":[\"",
         "\"]}\n\n", false, false},
        {&dialect_ollama, "{\"response\":\"\",\"done\":true,\"context\":[\"", "\"]}\n", true,
         false},
        {&dialect_openai, "data: {\"error\":{\"code\":1,\"message\":\"", "\"}}\n\n", false, true},
        {&dialect_openai, "data: {\"choices\":[{\"delta\":{\"content\":\"", "\"}}]}\n\n", false,
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct relay r;
        struct buf text, out;
        buf_init(&text, 2 * RELAY_EVENT_MAX);
        buf_init(&out, 2 * RELAY_EVENT_MAX);
        add(&text, str_of(rows[i].before));
        for (int n = 0; n < RELAY_EVENT_MAX / 16 + 100; n++)
            add(&text, STR("0123456789abcdef"));
        add(&text, str_of(rows[i].behind));
        relay_init(&r, rows[i].dialect->reader, true, false);
        run(&r, buf_str(&text), 0, 65536, &out);
        assert_int_equal(buf_len(&out), buf_len(&text));
        if (r.done != rows[i].done || r.error != rows[i].error) fail_msg("row %zu", i);
        assert_int_equal(relay_cut(&r), !r.done && !r.error);
        relay_fini(&r);
        buf_fini(&text);
        buf_fini(&out);
    }
}

static void content_is_what_carries_some_of_the_answer(void **state)
{
    (void)state;
#define DELTA(members) \
    "data: {\"choices\":[{\"index\":0,\"delta\":{" members "},\"finish_reason\":null}]}\n\n"
    static const struct {
        const char *text;
        bool content;
    } rows[] = {
        {CHUNK("a"), true},
        {CHUNK(""), false},
        {": ping\n\n", false},
        {"event: x\n\n", false},
        {DELTA("\"role\":\"assistant\""), false},
        {DELTA("\"role\":\"assistant\",\"content\":\"\""), false},
        {DELTA("\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]"), false},
        {DELTA(""), false},
        {DELTA("\"reasoning_content\":\"hm\""), true},
        {DELTA("\"tool_calls\":[{\"index\":0}]"), true},
        {"data: {\"choices\":[{\"text\":\"\",\"index\":0}]}\n\n", false},
        {"data: {\"choices\":[{\"text\":\"t\",\"index\":0}]}\n\n", true},
        {"data: {\"choices\":[],\"prompt_filter_results\":[{}]}\n\n", false},
        {"data: {\"error\":\"x\"}\n\n", false},
        {"event: error\ndata: {\"message\":\"x\"}\n\n", false},
        {END("0", "stop"), true},
        {USAGE, true},
        {DONE, true},
        {"data: {\"type\":\"something.else\"}\n\n", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct relay r;
        struct buf out;
        relay_init(&r, dialect_openai.reader, true, false);
        buf_init(&out, 4096);
        run(&r, str_of(rows[i].text), 3, 5, &out);
        if (r.content != rows[i].content) fail_msg("%s: %d", rows[i].text, r.content);
        relay_fini(&r);
        buf_fini(&out);
    }
}

static void an_end_without_usage_is_estimated(void **state)
{
    (void)state;
    struct relay r;
    struct buf out;
    relay_init(&r, dialect_openai.reader, true, true);
    buf_init(&out, 4096);
    run(&r, STR(CHUNK("") CHUNK("a") CHUNK("b") ": x\n\n" CHUNK("c") END("0", "stop")), 0, 9, &out);
    relay_estimate(&r, 400);
    assert_true(r.usage.known && r.usage.estimated);
    assert_int_equal(r.usage.completion, 3);
    assert_int_equal(r.usage.prompt, 100);
    relay_fini(&r);
    relay_init(&r, dialect_openai.reader, true, true);
    run(&r, STR(CHUNK("a") USAGE), 0, 9, &out);
    relay_estimate(&r, 400);
    assert_true(r.usage.known && !r.usage.estimated);
    assert_int_equal(r.usage.completion, 5);
    relay_fini(&r);
    relay_init(&r, dialect_openai.reader, true, true);
    relay_estimate(&r, 400);
    assert_false(r.usage.known);
    relay_fini(&r);
    buf_fini(&out);
}

static void an_error_event_is_noticed(void **state)
{
    (void)state;
    struct relay r;
    struct buf out;
    relay_init(&r, dialect_openai.reader, true, true);
    buf_init(&out, 4096);
    struct str slices[RELAY_SLICES];
    struct str text = STR("data: {\"error\":{\"message\":\"x\"}}\n\n");
    feed(&r, str_sub(text, 0, 20), false, &out);
    assert_int_equal(relay_feed(&r, str_skip(text, 20), false, slices), 1);
    assert_true(r.error && str_eq(r.error_message.raw, STR("\"x\"")));
    relay_fini(&r);
    /* in a read with more behind it, which is not looked into */
    relay_init(&r, dialect_openai.reader, true, true);
    text = STR(
        "data: {\"error\":\ndata: {\"message\":\"y\"}}\n\n"
        "data: {\"choices\":\ndata: [],\"id\":\"0123456789012345678901234567890123456789\"}\n\n" DONE);
    assert_int_equal(relay_feed(&r, text, false, slices), 1);
    assert_true(r.error && r.done && str_eq(r.error_message.raw, STR("\"y\"")));
    relay_fini(&r);
    buf_fini(&out);
}

/* --- JSON bodies --- */

static void check_json(const char *text, bool known, uint64_t prompt, uint64_t completion)
{
    struct str s = str_of(text);
    for (size_t step = 1; step <= s.len; step++) {
        struct relay r;
        struct buf out;
        relay_init(&r, dialect_openai.reader, false, false);
        buf_init(&out, 1 << 20);
        run(&r, s, 0, step, &out);
        assert_true(str_eq(buf_str(&out), s));
        if (r.usage.known != known || r.usage.prompt != prompt || r.usage.completion != completion)
            fail_msg("%s by %zu: known %d, %zu and %zu", text, step, r.usage.known,
                     (size_t)r.usage.prompt, (size_t)r.usage.completion);
        relay_fini(&r);
        buf_fini(&out);
    }
}

static void usage_of_json_bodies_is_read(void **state)
{
    (void)state;
    check_json("{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}", true, 1,
               2);
    check_json("{\"usage\" : {\"completion_tokens\":2,\"prompt_tokens\":1} , \"choices\":[]}\n",
               true, 1, 2);
    check_json("{\"us\\u0061ge\":{\"prompt_tokens\":1},\"x\":{\"usage\":{\"prompt_tokens\":9}}}",
               true, 1, 0);
    check_json("{\"id\":\"usage\",\"a\":[\"usage\",{\"usage\":{\"prompt_tokens\":9}}]}", false, 0,
               0);
    check_json("{\"usage\":null}", false, 0, 0);
    check_json("{\"usage\":{}}", true, 0, 0);
    check_json("{\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":\"2\"}}", true, 0, 0);
    check_json("{\"content\":\"\\\"usage\\\":{\\\"prompt_tokens\\\":9}\"}", false, 0, 0);
    check_json("{\"usage\":", false, 0, 0);
    check_json("{\"usage\":}", false, 0, 0);
    check_json("{\"usage\":}}}{", false, 0, 0);
    check_json("{\"usage\":{\"a\":{}", false, 0, 0);
    check_json("{\"usage\":{\"a\" 1}}", false, 0, 0);
    check_json("not json", false, 0, 0);
}

static void check_long(const char *head, const char *tail)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    add(&text, str_of(head));
    for (int i = 0; i < 2000; i++)
        add(&text, STR("0123456789"));
    add(&text, str_of(tail));
    for (size_t step = 50; step < 40000; step += 1111) {
        struct relay r;
        struct buf out;
        relay_init(&r, dialect_openai.reader, false, false);
        buf_init(&out, 1 << 20);
        run(&r, buf_str(&text), 0, step, &out);
        assert_true(str_eq(buf_str(&out), buf_str(&text)));
        assert_true(r.usage.known);
        assert_int_equal(r.usage.prompt, 4);
        relay_fini(&r);
        buf_fini(&out);
    }
    buf_fini(&text);
}

/* Wherever it stands. */
static void usage_of_a_long_body_is_read(void **state)
{
    (void)state;
    check_long("{\"data\":\"", "\",\"usage\":{\"prompt_tokens\":4,\"total_tokens\":4}}");
    check_long("{\"usage\":{\"prompt_tokens\":4,\"total_tokens\":4},\"data\":\"", "\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_pass_and_only_our_usage_is_left_out),
        cmocka_unit_test(usage_beside_choices_stays),
        cmocka_unit_test(null_usage_is_taken_out),
        cmocka_unit_test(events_alike_are_read_alike),
        cmocka_unit_test(usage_of_our_asking_is_left_out_and_counted),
        cmocka_unit_test(many_holes_lose_nothing),
        cmocka_unit_test(a_huge_event_passes),
        cmocka_unit_test(usage_is_read_in_a_huge_event),
        cmocka_unit_test(a_stream_that_ends_in_a_huge_event_is_cut),
        cmocka_unit_test(a_stream_is_cut_before_its_end),
        cmocka_unit_test(a_bare_json_body_becomes_an_event),
        cmocka_unit_test(a_body_that_became_an_event_stays_while_others_are_joined),
        cmocka_unit_test(a_large_event_may_be_the_last),
        cmocka_unit_test(content_is_what_carries_some_of_the_answer),
        cmocka_unit_test(an_end_without_usage_is_estimated),
        cmocka_unit_test(an_error_event_is_noticed),
        cmocka_unit_test(usage_of_json_bodies_is_read),
        cmocka_unit_test(usage_of_a_long_body_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
