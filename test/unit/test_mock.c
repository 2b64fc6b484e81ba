/* SPDX-License-Identifier: Apache-2.0 */
/* The mock runtime's knobs and the bytes of its answers; ranges and durations of the command
 * line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "cmd/bench_prompt.h"
#include "cmd/bench_run.h"
#include "cmd/cli.h"
#include "cmd/mock_answer.h"
#include "cmd/mock_knobs.h"
#include "json/json.h"

static struct mock_knobs knobs;
static struct mock_text text;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    mock_knobs_init(&knobs);
    arena_init(&arena, SIZE_MAX, 4096);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static int knob(const char *name, const char *value)
{
    return mock_knobs_set(&knobs, str_of(name), str_of(value));
}

static void knobs_by_name(void **state)
{
    (void)state;
    assert_int_equal(knobs.stall_after, MOCK_NEVER);
    assert_int_equal(knob("ttft_ms", "12.5"), 0);
    assert_int_equal(knob("STALL-After", "3"), 0);
    assert_int_equal(knob("die", "rst"), 0);
    assert_int_equal(knob("echo", ""), 0);
    assert_int_equal(knob("early_head", "0"), 0);
    assert_true(knobs.ttft_ms == 12.5);
    assert_int_equal(knobs.stall_after, 3);
    assert_int_equal(knobs.die, MOCK_RST);
    assert_true(knobs.echo);
    assert_false(knobs.early_head);
}

static void bad_knobs_are_refused(void **state)
{
    (void)state;
    assert_int_equal(knob("ttft", "1"), ERR_NOT_FOUND);
    assert_int_equal(knob("ttft_ms", "soon"), ERR_SYNTAX);
    assert_int_equal(knob("ttft_ms", "-1"), ERR_RANGE);
    assert_int_equal(knob("error_rate", "1.5"), ERR_RANGE);
    assert_int_equal(knob("tokens", "100001"), ERR_RANGE);
    assert_int_equal(knob("die", "gently"), ERR_SYNTAX);
    assert_int_equal(knob("echo", "maybe"), ERR_SYNTAX);
}

static void knobs_from_an_object(void **state)
{
    (void)state;
    struct str json = STR(
        "{\"id\":\"x\",\"tokens\":7,\"echo\":true,\"die\":\"rst\",\"rate\":null,\"other\":[1]}");
    assert_int_equal(mock_knobs_set_object(&knobs, json), 0);
    assert_int_equal(knobs.tokens, 7);
    assert_true(knobs.echo);
    assert_int_equal(knobs.die, MOCK_RST);
    assert_true(knobs.rate == 0);
    assert_int_equal(mock_knobs_set_object(&knobs, STR("{\"tokens\":\"many\"}")), ERR_SYNTAX);
    assert_int_equal(mock_knobs_set_object(&knobs, STR("{\"tokens\":{}}")), ERR_SYNTAX);
}

static void knobs_from_headers(void **state)
{
    (void)state;
    struct http_field headers[] = {
        {HDR_HOST, STR("host"), STR("x")},
        {HDR_OTHER, STR("X-Mock-Die-After"), STR("4")},
        {HDR_OTHER, STR("x-mock-id"), STR("abc")},
    };
    struct http_head head = {.fields = headers, .field_count = 3};
    assert_int_equal(mock_knobs_set_headers(&knobs, &head), 0);
    assert_int_equal(knobs.die_after, 4);
    headers[1].value = STR("four");
    assert_int_equal(mock_knobs_set_headers(&knobs, &head), ERR_SYNTAX);
}

static void every_knob_has_a_name_and_help(void **state)
{
    (void)state;
    size_t n = 0;
    for (; mock_knob_name(n); n++)
        assert_non_null(mock_knob_help(n));
    assert_true(n > 20);
}

static struct mock_answer answer(uint32_t tokens)
{
    return (struct mock_answer){
        .kind = MOCK_CHAT,
        .text = &text,
        .number = 42,
        .created = 1763692800,
        .model = STR("a\\\"b"),
        .tokens = tokens,
        .choices = 1,
        .finish = STR("stop"),
        .with_usage = true,
        .usage = {.prompt = 3, .cached = 1, .completion = tokens},
    };
}

static void object_is_valid_json(void **state)
{
    (void)state;
    struct mock_answer a = answer(3);
    a.choices = 2;
    a.pad = 2;
    struct str json = mock_answer_object(&a, &arena);
    const struct json *doc;
    assert_int_equal(json_parse(&arena, json, &doc, NULL), 0);
    assert_true(str_eq(json_str_or(doc, "id", STR("")), STR("chatcmpl-mock-0000002a")));
    assert_true(str_eq(json_str_or(doc, "model", STR("")), STR("a\"b")));
    assert_int_equal(json_count(json_get(doc, "choices")), 2);
    const struct json *message = json_get(json_at(json_get(doc, "choices"), 1), "message");
    assert_true(str_eq(json_str_or(message, "content", STR("")), STR("t0 xxt1 xxt2 xx")));
    assert_int_equal(json_i64_or(json_get(doc, "usage"), "total_tokens", 0), 6);
}

/* Each event of a stream is JSON, and the texts joined are the answer. */
static void frames_join_to_the_text(void **state)
{
    (void)state;
    struct mock_answer a = answer(12);
    struct mock_frames f;
    char joined[256] = "";
    mock_frames_make(&f, &a, &arena);
    for (uint32_t i = 0; i < a.tokens; i++) {
        struct str slices[MOCK_FRAME_SLICES];
        char frame[512];
        size_t len = 0;
        unsigned n = mock_frames_token(&f, i, 0, slices);
        for (unsigned s = 0; s < n; s++) {
            memcpy(frame + len, slices[s].ptr, slices[s].len);
            len += slices[s].len;
        }
        struct str event = str_n(frame, len);
        const struct json *doc;
        assert_true(str_starts(event, STR("data: ")) && str_ends(event, STR("\n\n")));
        assert_int_equal(json_parse(&arena, str_sub(event, 6, len - 8), &doc, NULL), 0);
        const struct json *delta = json_get(json_at(json_get(doc, "choices"), 0), "delta");
        struct str content = json_str_or(delta, "content", STR(""));
        strncat(joined, content.ptr, content.len);
    }
    assert_string_equal(joined, "t0 t1 t2 t3 t4 t5 t6 t7 t8 t9 t10 t11 ");
    assert_true(str_find(f.tail, STR("\"choices\":[],\"usage\":{\"prompt_tokens\":3")) > 0);
    assert_true(str_ends(f.tail, STR("data: [DONE]\n\n")));
}

static void expect_echo(struct str messages, const char *want, uint32_t count)
{
    const struct str *pieces;
    uint32_t n;
    char joined[256] = "";
    assert_int_equal(mock_echo(&arena, messages, &pieces, &n), 0);
    for (uint32_t i = 0; i < n; i++)
        strncat(joined, pieces[i].ptr, pieces[i].len);
    assert_string_equal(joined, want);
    assert_int_equal(n, count);
}

static void echo_cuts_at_blanks(void **state)
{
    (void)state;
    expect_echo(STR("[{\"role\":\"user\",\"content\":\"one two  three\"}]"), "one two  three", 3);
    expect_echo(STR("[{\"content\":\"a\"},{\"content\":\"say \\\"hi\\\" \\n now\"}]"),
                "say \\\"hi\\\" \\n now", 4);
    expect_echo(STR("[{\"content\":[{\"type\":\"text\",\"text\":\"part\"}]}]"), "part", 1);
    expect_echo(STR("\"a prompt\""), "a prompt", 2);
    expect_echo(STR("[]"), "", 1);
    expect_echo(STR("\"  \""), "  ", 1);
}

static void embeddings_depend_on_the_input_alone(void **state)
{
    (void)state;
    struct buf one;
    struct buf two;
    buf_init(&one, 1 << 20);
    buf_init(&two, 1 << 20);
    assert_int_equal(mock_embeddings(&arena, STR("[\"a\"]"), STR("m"), 4, false, 1, &one), 0);
    assert_int_equal(mock_embeddings(&arena, STR("\"a\""), STR("m"), 4, false, 1, &two), 0);
    assert_true(str_eq(buf_str(&one), buf_str(&two)));
    assert_int_equal(mock_embeddings(&arena, STR("{}"), STR("m"), 4, false, 1, &two), ERR_TYPE);
    buf_fini(&one);
    buf_fini(&two);
}

static void durations(void **state)
{
    (void)state;
    uint64_t us = 0;
    assert_true(cli_duration("500ms", &us) && us == 500000);
    assert_true(cli_duration("1.5s", &us) && us == 1500000);
    assert_true(cli_duration("2m", &us) && us == 120000000);
    assert_true(cli_duration("30", &us) && us == 30000000);
    assert_true(cli_duration("7us", &us) && us == 7);
    assert_false(cli_duration("", &us));
    assert_false(cli_duration("s", &us));
    assert_false(cli_duration("-1s", &us));
    assert_false(cli_duration("3 days", &us));
}

static void ranges(void **state)
{
    (void)state;
    struct bench_range r;
    assert_true(bench_range_parse("128", 1000, &r) && r.least == 128 && r.most == 128);
    assert_true(bench_range_parse("64-256", 1000, &r) && r.least == 64 && r.most == 256);
    assert_false(bench_range_parse("256-64", 1000, &r));
    assert_false(bench_range_parse("1-1001", 1000, &r));
    assert_false(bench_range_parse("", 1000, &r));
    assert_false(bench_range_parse("1-", 1000, &r));
    assert_false(bench_range_parse("x", 1000, &r));
}

static unsigned count_words(struct str s)
{
    unsigned n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == ' ';
    return n;
}

static void prompts_share_a_prefix_and_then_differ(void **state)
{
    (void)state;
    static struct bench_words words;
    struct rng rng;
    struct buf a;
    struct buf b;
    bench_words_init(&words, 1);
    rng_seed(&rng, 1);
    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    assert_int_equal(bench_words_prompt(&words, &rng, 1, 10, 50, &a), 0);
    assert_int_equal(bench_words_prompt(&words, &rng, 2, 10, 50, &b), 0);
    assert_int_equal(count_words(buf_str(&a)), 50);
    assert_int_equal(count_words(buf_str(&b)), 50);
    size_t shared = words.starts[10];
    assert_memory_equal(buf_str(&a).ptr, buf_str(&b).ptr, shared);
    assert_memory_not_equal(buf_str(&a).ptr + shared, buf_str(&b).ptr + shared, 2);
    buf_fini(&a);
    buf_fini(&b);
    bench_words_fini(&words);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(knobs_by_name),
        TEST(bad_knobs_are_refused),
        TEST(knobs_from_an_object),
        TEST(knobs_from_headers),
        TEST(every_knob_has_a_name_and_help),
        TEST(object_is_valid_json),
        TEST(frames_join_to_the_text),
        TEST(echo_cuts_at_blanks),
        TEST(embeddings_depend_on_the_input_alone),
        TEST(durations),
        TEST(ranges),
        TEST(prompts_share_a_prefix_and_then_differ),
    };
    mock_text_init(&text);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mock_text_fini(&text);
    return failed;
}
