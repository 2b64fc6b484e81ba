/* SPDX-License-Identifier: Apache-2.0 */
/* The mock runtime's knobs, its scripts and the bytes of its answers; ranges and durations of the
 * command line. */
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
#include "cmd/mock_chat.h"
#include "cmd/mock_knobs.h"
#include "cmd/mock_script.h"
#include "cmd/mock_turn.h"
#include "cmd/mock_vectors.h"
#include "cmd/mock_voice.h"
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
    assert_int_equal(knob("reasoning_name", "thoughts"), ERR_SYNTAX);
}

static void unknown_knobs_are_named(void **state)
{
    (void)state;
    static const char *const besides[] = {"id", NULL};
    assert_null(mock_knobs_unknown(&arena, STR("{\"tokens\":1,\"id\":\"x\"}"), besides));
    assert_string_equal(mock_knobs_unknown(&arena, STR("{\"tokns\":1}"), besides),
                        "there is no mock knob tokns");
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

static void echo_is_what_came_from_outside(void **state)
{
    (void)state;
    expect_echo(STR("[{\"role\":\"user\",\"content\":\"mine\"},{\"role\":\"system\","
                    "\"content\":\"not mine\"}]"),
                "mine", 1);
    expect_echo(STR("[{\"role\":\"system\",\"content\":\"all there is\"}]"), "all there is", 3);
    expect_echo(STR("[{\"type\":\"function_call_output\",\"output\":\"a result\"}]"), "a result",
                2);
    expect_echo(STR("[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"content\":["
                    "{\"type\":\"text\",\"text\":\"deep\"}]}]}]"),
                "deep", 1);
    assert_true(str_eq(mock_last_message(STR("[\"a\", \"b\"]")), STR("\"b\"")));
    assert_true(str_eq(mock_last_message(STR("\"[a]\"")), STR("\"[a]\"")));
}

/* --- scripts --- */

static struct mock_turn turn;

static void read_turn(const char *json)
{
    const char *wrong;
    assert_int_equal(mock_turn_read(&arena, str_of(json), &turn, &wrong), 0);
}

static void expect_wrong_turn(const char *json, const char *why)
{
    const char *wrong = NULL;
    assert_int_equal(mock_turn_read(&arena, str_of(json), &turn, &wrong), ERR_INVALID);
    assert_string_equal(wrong, why);
}

/* The pieces of a kind, joined by bars. */
static const char *pieces_of(enum answer_kind kind)
{
    static char joined[512];
    joined[0] = '\0';
    for (uint32_t i = 0; i < turn.count; i++) {
        const struct mock_piece *p = &turn.pieces[i];
        if (p->kind != kind || p->raw) continue;
        strncat(joined, joined[0] ? "|" : "", 2);
        strncat(joined, p->text.ptr, p->text.len);
    }
    return joined;
}

static void a_turn_is_cut_into_pieces(void **state)
{
    (void)state;
    read_turn(
        "{\"say\":[\"two words\",{\"reasoning\":\"so so\"},{\"refusal\":[\"no, \",\"never\"]},"
        "{\"signature\":\"a b\"}]}");
    assert_true(turn.says);
    assert_int_equal(turn.count, 7);
    assert_string_equal(pieces_of(ANSWER_TEXT), "two |words");
    assert_string_equal(pieces_of(ANSWER_REASONING), "so |so");
    assert_string_equal(pieces_of(ANSWER_REFUSAL), "no, |never");
    assert_string_equal(pieces_of(ANSWER_SIGNATURE), "a b");
    assert_int_equal(turn.finish, FINISH_STOP);
    assert_false(turn.ends);
    read_turn("{\"say\":\"say \\\"hi\\\"\"}");
    assert_string_equal(pieces_of(ANSWER_TEXT), "say |\\\"hi\\\"");
}

/* No piece of arguments cuts an escape or a character. */
static void calls_come_in_pieces(void **state)
{
    (void)state;
    read_turn(
        "{\"say\":[{\"call\":{\"id\":\"a\",\"name\":\"f\",\"arguments\":{\"x\":\"\\u00fc\\n\\u00fc\\n\\u00fc!\"}}},"
        "{\"call\":{\"name\":\"g\"}},{\"arguments\":[\"{}\"]},{\"arguments\":\" \",\"of\":0}]}");
    assert_int_equal(turn.finish, FINISH_CALLS);
    assert_string_equal(pieces_of(ANSWER_ARGUMENTS),
                        "{\\\"x\\\":\\\"\xc3\xbc\\\\|n\xc3\xbc\\\\n\xc3\xbc!\\\"}|{}| ");
    const struct mock_piece *last = &turn.pieces[turn.count - 1];
    assert_int_equal(last->call, 0);
    assert_int_equal(last[-1].call, 1);
    assert_int_equal(last[-2].kind, ANSWER_CALL);
    assert_null(last[-2].id.ptr);
    assert_true(str_eq(turn.pieces[0].id, STR("a")));
}

static void a_turn_tells_its_end(void **state)
{
    (void)state;
    read_turn("{\"finish\":\"length\",\"stop_sequence\":\"\\\"\",\"usage\":{\"cached_tokens\":3},"
              "\"knobs\":{\"status\":429},\"body\":[1]}");
    assert_false(turn.says);
    assert_true(turn.ends && turn.finish == FINISH_LENGTH);
    assert_true(str_eq(turn.stop, STR("\\\"")));
    assert_true(str_eq(turn.usage, STR("{\"cached_tokens\":3}")));
    assert_true(str_eq(turn.knobs, STR("{\"status\":429}")));
    assert_true(str_eq(turn.body, STR("[1]")));
    read_turn("{\"say\":[]}");
    assert_int_equal(turn.count, 1);
    assert_true(turn.pieces[0].empty);
}

static void wrong_turns_are_refused(void **state)
{
    (void)state;
    expect_wrong_turn("[]", "an answer is told by a JSON object");
    expect_wrong_turn("{\"say\":3}", "say is neither a string nor a list");
    expect_wrong_turn("{\"say\":[\"a\",{\"text\":3}]}",
                      "say[1] is neither a string nor a list of strings");
    expect_wrong_turn("{\"say\":[{\"text\":[1]}]}", "say[0] has a piece that is no string");
    expect_wrong_turn("{\"say\":[{\"call\":{}}]}", "say[0] has a call without a name");
    expect_wrong_turn("{\"say\":[{\"arguments\":\"{}\"}]}",
                      "say[0] has arguments of no call before it");
    expect_wrong_turn("{\"usage\":{\"tokns\":1}}", "there is no mock knob tokns");
    expect_wrong_turn("{\"finish\":\"soon\"}", "finish, stop_sequence, usage or knobs is wrong");
}

static struct mock_script script;

static void set_script(const char *json)
{
    const char *wrong;
    mock_script_init(&script);
    assert_int_equal(mock_script_set(&script, &arena, str_of(json), &wrong), 0);
}

static void expect_taken(const char *last, const char *want)
{
    struct str taken = mock_script_take(&script, &arena, str_of(last), STR("the body"));
    if (want)
        assert_true(str_eq(taken, str_of(want)));
    else
        assert_null(taken.ptr);
}

static void turns_are_taken_in_order(void **state)
{
    (void)state;
    set_script(" [{\"say\":\"a\"},{\"times\":2},{\"say\":\"c\",\"times\":0}]");
    expect_taken("x", "{\"say\":\"a\"}");
    expect_taken("x", "{\"times\":2}");
    expect_taken("x", "{\"times\":2}");
    expect_taken("x", NULL);
    mock_script_fini(&script);
}

static void turns_fit_by_what_is_said(void **state)
{
    (void)state;
    set_script("[{\"when\":\"q\"},{\"when_body\":\"body\",\"times\":1},{\"when_body\":\"none\"}]");
    expect_taken("the q", "{\"when\":\"q\"}");
    expect_taken("the q", "{\"when\":\"q\"}");
    expect_taken("another", "{\"when_body\":\"body\",\"times\":1}");
    expect_taken("another", NULL);
    struct buf b;
    buf_init(&b, 1024);
    assert_int_equal(mock_script_write(&script, &b), 0);
    assert_true(str_eq(buf_str(&b), STR("{\"turns\":[{\"used\":2,\"left\":null},{\"used\":1,"
                                        "\"left\":0},{\"used\":0,\"left\":null}]}")));
    buf_fini(&b);
    mock_script_clear(&script);
    expect_taken("the q", NULL);
    mock_script_fini(&script);
}

static void wrong_scripts_change_nothing(void **state)
{
    (void)state;
    const char *wrong;
    set_script("[{\"say\":\"a\"}]");
    assert_int_equal(mock_script_set(&script, &arena, STR("{}"), &wrong), ERR_INVALID);
    assert_string_equal(wrong, "a script is a list of turns");
    assert_int_equal(mock_script_set(&script, &arena, STR("[{},{\"sya\":1}]"), &wrong),
                     ERR_INVALID);
    assert_string_equal(wrong, "turn 1: there is no member sya");
    assert_int_equal(mock_script_set(&script, &arena, STR("[{\"times\":-1}]"), &wrong),
                     ERR_INVALID);
    expect_taken("x", "{\"say\":\"a\"}");
    mock_script_fini(&script);
}

/* --- scripted chats --- */

/* What a chat of the turn is. */
static struct str say_all(const char *json, bool stream)
{
    static const struct usage usage = {
        .prompt = 5, .completion = 3, .cached = 2, .written = 1, .reasoning = 1, .known = true};
    read_turn(json);
    struct mock_voice *voice = arena_zalloc(&arena, sizeof *voice);
    voice->t = (struct translation){.arena = &arena,
                                    .asked = SURFACE_CHAT,
                                    .model = STR("a\"b"),
                                    .id = STR("x"),
                                    .created_us = 1763692800000000,
                                    .stream = stream,
                                    .asks_usage = true,
                                    .memo = &knobs};
    mock_voice_open(voice, &mock_chat_writer);
    for (uint32_t i = 0; i < turn.count; i++)
        assert_int_equal(mock_voice_say(voice, &turn.pieces[i], STR("")), 0);
    assert_int_equal(mock_voice_end(voice, turn.finish, turn.stop, &usage), 0);
    return buf_str(&voice->out);
}

static const char everything[] =
    "{\"say\":[{\"reasoning\":\"hm\"},\"words\",{\"call\":{\"id\":\"c\",\"name\":\"f\",\"arguments\":{}}},"
    "{\"call\":{\"id\":\"\",\"name\":\"g\",\"arguments\":\"{}\"}},{\"raw\":\": raw\\n\\n\"}]}";

static void a_scripted_chat_is_one_object(void **state)
{
    (void)state;
    const struct json *doc;
    assert_int_equal(json_parse(&arena, say_all(everything, false), &doc, NULL), 0);
    assert_true(str_eq(json_str_or(doc, "model", STR("")), STR("a\"b")));
    const struct json *choice = json_at(json_get(doc, "choices"), 0);
    const struct json *message = json_get(choice, "message");
    assert_true(str_eq(json_str_or(message, "content", STR("")), STR("words")));
    assert_true(str_eq(json_str_or(message, "reasoning_content", STR("")), STR("hm")));
    const struct json *calls = json_get(message, "tool_calls");
    assert_int_equal(json_count(calls), 2);
    assert_true(str_eq(json_str_or(json_at(calls, 0), "id", STR("")), STR("c")));
    assert_null(json_get(json_at(calls, 1), "id"));
    assert_true(str_eq(json_str_or(json_get(json_at(calls, 1), "function"), "arguments", STR("")),
                       STR("{}")));
    assert_true(str_eq(json_str_or(choice, "finish_reason", STR("")), STR("tool_calls")));
    const struct json *usage = json_get(doc, "usage");
    assert_int_equal(json_i64_or(usage, "total_tokens", 0), 8);
    const struct json *details = json_get(usage, "completion_tokens_details");
    assert_int_equal(json_i64_or(details, "reasoning_tokens", 0), 1);
}

static void a_scripted_chat_is_a_stream(void **state)
{
    (void)state;
    struct str out = say_all(everything, true);
    unsigned frames = 0;
    for (struct str rest = out; rest.len; frames++) {
        ptrdiff_t end = str_find(rest, STR("\n\n"));
        assert_true(end > 0);
        rest = str_skip(rest, (size_t)end + 2);
    }
    /* role, thought, word, two calls with arguments, raw, finish, usage, done */
    assert_int_equal(frames, 11);
    assert_true(str_starts(out, STR("data: {\"id\":\"chatcmpl-x\",")));
    assert_true(str_find(out, STR("\"delta\":{\"reasoning_content\":\"hm\"}")) > 0);
    assert_true(str_find(out, STR("{\"index\":1,\"type\":\"function\",\"function\":{\"name\":\"g\","
                                  "\"arguments\":\"\"}}")) > 0);
    assert_true(str_find(out, STR("\n\n: raw\n\ndata: ")) > 0);
    assert_true(str_find(out, STR("\"finish_reason\":\"tool_calls\"")) > 0);
    assert_true(str_ends(out, STR("\"reasoning_tokens\":1}}}\n\ndata: [DONE]\n\n")));
}

static void thoughts_have_other_names(void **state)
{
    (void)state;
    knobs.reasoning_name = MOCK_REASONING_BOTH;
    struct str out = say_all("{\"say\":[{\"reasoning\":\"hm\"}]}", true);
    assert_true(str_find(out, STR("{\"reasoning_content\":\"hm\",\"reasoning\":\"hm\"}")) > 0);
    knobs.reasoning_name = MOCK_REASONING;
    out = say_all("{\"say\":[{\"reasoning\":\"hm\"}]}", false);
    assert_true(str_find(out, STR("\"refusal\":null,\"reasoning\":\"hm\"}")) > 0);
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
        TEST(unknown_knobs_are_named),
        TEST(knobs_from_an_object),
        TEST(knobs_from_headers),
        TEST(every_knob_has_a_name_and_help),
        TEST(object_is_valid_json),
        TEST(frames_join_to_the_text),
        TEST(echo_cuts_at_blanks),
        TEST(echo_is_what_came_from_outside),
        TEST(a_turn_is_cut_into_pieces),
        TEST(calls_come_in_pieces),
        TEST(a_turn_tells_its_end),
        TEST(wrong_turns_are_refused),
        TEST(turns_are_taken_in_order),
        TEST(turns_fit_by_what_is_said),
        TEST(wrong_scripts_change_nothing),
        TEST(a_scripted_chat_is_one_object),
        TEST(a_scripted_chat_is_a_stream),
        TEST(thoughts_have_other_names),
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
