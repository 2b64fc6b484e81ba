/* SPDX-License-Identifier: Apache-2.0 */
/* gate: the relay's filter gives the same bytes and the same usage however the stream is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

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
    relay_init(&r, true, strip);
    buf_init(&out, 1 << 20);
    run(&r, text, cut, step, &out);
    add(&out, sse_rest(&r.sse));
    if (!str_eq(buf_str(&out), want))
        fail_msg("cut at %zu by %zu:\n%" STR_FMT "\nwant\n%" STR_FMT, cut, step,
                 STR_ARG(buf_str(&out)), STR_ARG(want));
    if (!r.crowded) {
        assert_true(r.done == (str_find(text, STR("[DONE]")) >= 0));
        assert_true(r.usage.known == (str_find(text, STR("usage\":{")) >= 0));
        if (r.usage.known) assert_int_equal(r.usage.prompt, 7);
        if (r.usage.known) assert_int_equal(r.usage.completion, 5);
        if (r.usage.known) assert_int_equal(r.usage.cached, 3);
    }
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
    check_all_cuts(true, CHUNK("a") "data: {\"cut", CHUNK("a") "data: {\"cut");
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

/* "usage": null in every chunk, as OpenAI sends it. */
static void null_usage_stays(void **state)
{
    (void)state;
    static const char text[] = "data: {\"choices\":[],\"usage\":null}\n\n" DONE;
    check_all_cuts(true, text, text);
}

/* More events to leave out in one read than there are slices: bytes may stay in, none may be lost. */
static void many_holes_lose_nothing(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 20; i++) {
        add(&text, STR(CHUNK("x")));
        add(&text, STR(USAGE));
    }
    add(&text, STR(DONE "data: rest"));
    for (size_t step = 1; step < buf_len(&text) + 100; step += 97) {
        struct relay r;
        struct buf out;
        relay_init(&r, true, true);
        buf_init(&out, 1 << 20);
        run(&r, buf_str(&text), 0, step, &out);
        add(&out, sse_rest(&r.sse));
        struct str got = buf_str(&out);
        size_t chunks = 0;
        for (ptrdiff_t at; (at = str_find(got, STR(CHUNK("x")))) >= 0; chunks++)
            got = str_skip(got, (size_t)at + 1);
        assert_int_equal(chunks, 20);
        assert_true(str_ends(buf_str(&out), STR(DONE "data: rest")));
        relay_fini(&r);
        buf_fini(&out);
    }
    buf_fini(&text);
}

/* Usage beside a choice, which stays. */
#define KEPT_USAGE "data: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":7}}\n\n"

/* An event larger than the relay looks into passes as it is, each byte once; those behind it are looked into again. */
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
        relay_init(&r, true, true);
        buf_init(&out, 4 << 20);
        run(&r, buf_str(&text), 0, step, &out);
        assert_true(r.done && !relay_inside(&r) && r.usage.known);
        assert_true(str_eq(buf_str(&out), buf_str(&text)));
        relay_fini(&r);
        buf_fini(&out);
    }
    buf_fini(&text);
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
    relay_init(&r, true, true);
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

static void a_stream_is_cut_before_its_done(void **state)
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
        {CHUNK("a") "data:[DONE]\r\n", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct relay r;
        struct buf out;
        relay_init(&r, true, false);
        buf_init(&out, 4096);
        run(&r, str_of(rows[i].text), 0, 7, &out);
        assert_true(relay_cut(&r) == rows[i].cut);
        relay_fini(&r);
        buf_fini(&out);
    }
}

static void an_error_event_is_noticed(void **state)
{
    (void)state;
    struct relay r;
    struct buf out;
    relay_init(&r, true, true);
    buf_init(&out, 4096);
    run(&r, STR("data: {\"error\":{\"message\":\"x\"}}\n\n"), 0, 5, &out);
    assert_true(r.error);
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
        relay_init(&r, false, false);
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

static void usage_at_the_end_of_a_long_body_is_read(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    add(&text, STR("{\"data\":\""));
    for (int i = 0; i < 2000; i++)
        add(&text, STR("0123456789"));
    add(&text, STR("\",\"usage\":{\"prompt_tokens\":4,\"total_tokens\":4}}"));
    for (size_t step = 50; step < 40000; step += 1111) {
        struct relay r;
        struct buf out;
        relay_init(&r, false, false);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_pass_and_only_our_usage_is_left_out),
        cmocka_unit_test(usage_beside_choices_stays),
        cmocka_unit_test(null_usage_stays),
        cmocka_unit_test(many_holes_lose_nothing),
        cmocka_unit_test(a_huge_event_passes),
        cmocka_unit_test(a_stream_that_ends_in_a_huge_event_is_cut),
        cmocka_unit_test(a_stream_is_cut_before_its_done),
        cmocka_unit_test(an_error_event_is_noticed),
        cmocka_unit_test(usage_of_json_bodies_is_read),
        cmocka_unit_test(usage_at_the_end_of_a_long_body_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
