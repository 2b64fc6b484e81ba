/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of tools in the text of an answer, in each family's way, however the text is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/calls.h"

static const struct str texts[] = {STR_INIT("city"), STR_INIT("text")};
static const struct call_tool tools[] = {{STR_INIT("get_weather"), texts, 2},
                                         {STR_INIT("f"), texts, 2},
                                         {STR_INIT("search-web.v2"), NULL, 0}};

struct run {
    struct calls c;
    char said[1024]; /* content as it is, calls as "[NAME]", their arguments behind them */
};

static void note(struct run *run, const struct pieces *pieces)
{
    for (unsigned i = 0; i < pieces->count; i++) {
        const struct piece *p = &pieces->all[i];
        size_t len = strlen(run->said);
        const char *form = p->kind == PIECE_CALL ? "[%.*s]" : "%.*s";
        assert_true(p->text.len > 0 && len + p->text.len + 3 < sizeof run->said);
        (void)snprintf(run->said + len, sizeof run->said - len, form, STR_ARG(p->text));
    }
}

/* The bytes are gone after each call. */
static void feed(struct run *run, struct str text, bool last)
{
    char *part = malloc(text.len + 1);
    struct str rest = str_n(part, text.len);
    struct pieces pieces;
    bool more = true;
    assert_non_null(part);
    memcpy(part, text.ptr, text.len);
    while (more) {
        pieces.count = 0;
        more = calls_feed(&run->c, rest, last, &pieces);
        note(run, &pieces);
        rest = STR("");
    }
    free(part);
}

static void begin(struct run *run, const struct call_marks *marks, bool begun, bool single)
{
    const struct calls_spec spec = {marks, tools, sizeof tools / sizeof *tools, begun, single};
    run->said[0] = 0;
    calls_init(&run->c, &spec);
}

static void check(const char *family, const char *text, size_t a, size_t b, const char *wanted)
{
    const struct call_marks marks = {.format = call_format_named(family)};
    size_t ends[] = {a, b, strlen(text)}, from = 0;
    struct run run;
    assert_non_null(marks.format);
    begin(&run, &marks, false, false);
    for (size_t i = 0; i < 3; i++) {
        feed(&run, str_n(text + from, ends[i] - from), i == 2);
        from = ends[i];
    }
    if (strcmp(run.said, wanted))
        fail_msg("%s: %s\n  at %zu and %zu: %s\n  wanted: %s", family, text, a, b, run.said,
                 wanted);
    calls_fini(&run.c);
}

static void check_bytewise(const char *family, const char *text, const char *wanted)
{
    const struct call_marks marks = {.format = call_format_named(family)};
    struct run run;
    begin(&run, &marks, false, false);
    for (size_t i = 0; i < strlen(text); i++)
        feed(&run, str_n(text + i, 1), false);
    feed(&run, STR(""), true);
    assert_string_equal(run.said, wanted);
    calls_fini(&run.c);
}

static void check_everywhere(const char *family, const char *text, const char *wanted)
{
    size_t len = strlen(text);
    for (size_t a = 0; a <= len; a++)
        for (size_t b = a; b <= len; b += len > 150 ? 7 : 1)
            check(family, text, a, b, wanted);
    check_bytewise(family, text, wanted);
}

static const struct {
    const char *family, *text, *wanted;
} rows[] = {
    /* Hermes, Qwen, SmolLM, Granite 4, and the generic one. */
    {"hermes",
     "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, {\"b\": \"}\"}]}}\n</tool_call>",
     "[f]{\"a\": [1, {\"b\": \"}\"}]}"},
    {"hermes", "Let me see. \n<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n\nDone. ",
     "Let me see.[f]{}Done. "},
    {"hermes",
     "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": \"é\\\"}</tool_call>\"}}\n</tool_call>\n<tool_call>\n"
     "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Köln\"}}\n</tool_call>",
     "[f]{\"x\": \"é\\\"}</tool_call>\"}[get_weather]{\"city\": \"Köln\"}"},
    {"hermes", "a <tool_call> {\"name\":\"nope\",\"arguments\":{}}</tool_call> b",
     "a <tool_call> {\"name\":\"nope\",\"arguments\":{}}</tool_call> b"},
    {"hermes", "a <tool_call><tool_call>{\"name\":\"f\",\"arguments\":{}}", "a <tool_call>[f]{}"},
    {"hermes", "<tool_call>{\"name\":\"f\",\"arguments\":[]}</tool_call>",
     "<tool_call>{\"name\":\"f\",\"arguments\":[]}</tool_call>"},
    {"hermes",
     "<tool_call>{\"name\":\"f\",\"id\":\"x\",\"parameters\":{\"a\":1},\"n\":true}</tool_call>x",
     "[f]{\"a\":1}x"},
    {"hermes", "<tool_call>{\"name\":\"f\"}</tool_call>", "[f]{}"},
    {"hermes", "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1</tool_call>more",
     "[f]{\"a\":1more"},
    {"hermes", "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":\"cut", "[f]{\"a\":\"cut"},
    {"hermes", "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_cal", "[f]{}"},
    {"hermes", "<tool_call>{\"name\":\"f\",\"arguments\":{}, \"id\": \"x", "[f]{}"},
    {"hermes", "<tool_call>{\"name\":\"f\",\"arguments\":{}}\n</tool", "[f]{}"},
    {"hermes", "<tool_call>\n{\"nam", "<tool_call>\n{\"nam"},
    {"hermes", "no call, 1 < 2 <tool", "no call, 1 < 2 <tool"},
    {"hermes", "", ""},
    {"hermes", " \n ", " \n "},
    {"hermes",
     "<tool_call>[{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"f\", \"arguments\": {\"a\": 1}}]</tool_call>",
     "[f]{}[f]{\"a\": 1}"},
    {"hermes", "<tool_call>[]</tool_call>", "<tool_call>[]</tool_call>"},
    {"smollm2",
     "<tool_call>[{\"name\": \"f\", \"arguments\": {}},\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n]</tool_call>",
     "[f]{}[f]{\"a\": 1}"},
    {"smollm2", "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>, said he",
     "[f]{}, said he"},
    {"granite-20b", "<function_call> {\"name\": \"f\", \"arguments\": {\"a\": 1}}",
     "[f]{\"a\": 1}"},
    {"llama3", "[{\"name\": \"f\", \"arguments\": {}}]", "[f]{}"},
    {"llama3", "[1, 2]", "[1, 2]"},
    {"gpt-oss",
     " to=functions.f 123456789 123456789 123456789 123456789 123456789 123456789<|message|>{}",
     "[f]{}"},
    {"lfm2", "<|tool_call_start|>[f(city=\"Köln\", n=3), get_weather()]<|tool_call_end|>ok",
     "[f]{\"city\": \"Köln\", \"n\": 3}[get_weather]{}ok"},
    {"lfm2",
     "Well. <|tool_call_start|>[f(a=[1, {'b': 'it\\'s \"x\"', 'c': (True, None,)}], b=-1.5e3, c=')')]<|tool_call_end|>",
     "Well.[f]{\"a\": [1, {\"b\": \"it's \\\"x\\\"\", \"c\": [true, null]}], \"b\": -1.5e3, \"c\": \")\"}"},
    {"lfm2", "<|tool_call_start|>[f(a=what is that)]", "[f]{\"a\": \"what is that\"}"},
    {"lfm2", "<|tool_call_start|>[f(1)]<|tool_call_end|>", "[f]{}1)]<|tool_call_end|>"},
    {"lfm2", "<|tool_call_start|>[f(a=\"\\x41\\q\\n\")", "[f]{\"a\": \"\\u0041\\\\q\\n\"}"},
    {"lfm2", "<|tool_call_start|>[f(a=\"cut", "[f]"},
    {"python", "[f(a=1)]", "[f]{\"a\": 1}"},
    {"python", "<|python_start|>[f(a=1), f(a = 2)]<|python_end|>", "[f]{\"a\": 1}[f]{\"a\": 2}"},
    {"python", "[1, 2] and f(a=1)", "[1, 2] and f(a=1)"},
    {"phi4", "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]<|/tool_call|>",
     "[f]{\"a\": 1}"},
    {"gemma", "```json\n{\"name\": \"f\", \"parameters\": {\"a\": 1}}\n```", "[f]{\"a\": 1}"},
    {"gemma", "So:\n```json\n{\"name\": \"Bob\"}\n```\n",
     "So:\n```json\n{\"name\": \"Bob\"}\n```\n"},
    {"qwen-coder",
     "<tool_call>\n<function=f>\n<parameter=text>\na \"b\"\n\nc\n</parameter>\n<parameter=n>\n3\n</parameter>\n"
     "<parameter=on>\nTrue\n</parameter>\n<parameter=other>\nfree\n</parameter>\n</function>\n</tool_call>\nok",
     "[f]{\"text\": \"a \\\"b\\\"\\n\\nc\", \"n\": 3, \"on\": true, \"other\": \"free\"}ok"},
    {"qwen-coder",
     "<tool_call>\n<function=f>\n</function>\n</tool_call>\n<tool_call><function=f><parameter=city>1</parameter></function></tool_call>",
     "[f]{}[f]{\"city\": \"1\"}"},
    {"qwen-coder",
     "<tool_call><function=f><parameter=a>[\"</parameter>\", \"\\\"\"]\n</parameter></function></tool_call>",
     "[f]{\"a\": [\"</parameter>\", \"\\\"\"]}"},
    {"qwen-coder",
     "<tool_call><function=f><parameter=a>\"it</parameter><parameter=b>[1</parameter></function></tool_call>",
     "[f]{\"a\": \"\\\"it\", \"b\": \"[1\"}"},
    {"qwen-coder",
     "<tool_call><function=f><parameter=city>[\"</parameter><parameter=a>{\"a\": 1} b</parameter></function></tool_call>",
     "[f]{\"city\": \"[\\\"\", \"a\": \"{\\\"a\\\": 1} b\"}"},
    {"qwen-coder", "<tool_call>\n<function=g>\n</function>",
     "<tool_call>\n<function=g>\n</function>"},
    {"seed",
     "<seed:tool_call>\n<function=f>\n<parameter=a>[1, 2]</parameter>\n</function>\n</seed:tool_call>",
     "[f]{\"a\": [1, 2]}"},
    {"minimax",
     "<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"a\">x y</parameter>\n</invoke>\n"
     "<invoke name=\"f\">\n</invoke>\n</minimax:tool_call>",
     "[f]{\"a\": \"x y\"}[f]{}"},
    {"glm",
     "<tool_call>f\n<arg_key>city</arg_key>\n<arg_value>12</arg_value>\n<arg_key>n</arg_key>\n<arg_value>12</arg_value>\n</tool_call>",
     "[f]{\"city\": \"12\", \"n\": 12}"},
    {"glm", "<tool_call>f</tool_call>", "[f]{}"},
    {"mistral",
     "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": \"[]\"}, \"id\": \"abcdefghi\"}, {\"name\": \"get_weather\", \"arguments\": {}}]",
     "[f]{\"a\": \"[]\"}[get_weather]{}"},
    {"mistral", "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"no\"}]",
     "[f]{}{\"name\": \"no\"}]"},
    {"mistral-v11",
     "Hm [TOOL_CALLS]f[ARGS]{\"a\": {}}[TOOL_CALLS]get_weather[CALL_ID]abcdefghi[ARGS]{}",
     "Hm[f]{\"a\": {}}[get_weather]{}"},
    {"deepseek-v3.1",
     "Yes.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": 1}<｜tool▁call▁end｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}"
     "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "Yes.[f]{\"a\": 1}[f]{}"},
    {"deepseek",
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": 1}\n```<｜tool▁call▁end｜>\n"
     "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "[f]{\"a\": 1}[f]{}"},
    {"granite", "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]", "[f]{\"a\": 1}"},
    {"command-r",
     "Action: ```json\n[\n    {\n        \"tool_name\": \"f\",\n        \"parameters\": {\n            \"a\": 1\n        }\n    }\n]```",
     "[f]{\n            \"a\": 1\n        }"},
    {"command-r", "My Action: none", "My Action: none"},
    {"command-r7b",
     "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"f\", \"parameters\": {\"a\": 1}}\n]<|END_ACTION|>",
     "[f]{\"a\": 1}"},
    {"command-r7b", "<|START_RESPONSE|>Hello<|END_RESPONSE|>", "Hello"},
    {"gpt-oss",
     "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\": \"x\"}<|call|>",
     "[get_weather]{\"city\": \"x\"}"},
    {"gpt-oss", " to=functions.f<|channel|>commentary json<|message|>{}", "[f]{}"},
    {"gpt-oss",
     "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>",
     "I look.[f]{}"},
    {"kimi",
     "Ok<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\": 1}<|tool_call_end|>"
     "<|tool_call_begin|>functions.f:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
     "Ok[f]{\"a\": 1}[f]{}"},
    {"functionary", ">>>all\nHello\n>>>f\n{\"a\": 1}>>>get_weather\n{}",
     "Hello[f]{\"a\": 1}[get_weather]{}"},
    {"functionary", ">>> no", ">>> no"},
    {"functionary-v3.1", "<function=f>{\"a\": 1}</function><function=search-web.v2>{}</function>",
     "[f]{\"a\": 1}[search-web.v2]{}"},
    {"nemotron", "<TOOLCALL>[{\"name\": \"f\", \"arguments\": {}}]</TOOLCALL>", "[f]{}"},
    {"functools", "functools[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]", "[f]{\"a\": 1}"},
    {"tool-calls", "<tool_calls>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]</tool_calls>",
     "[f]{\"a\": 1}"},
    {"llama3", "{\"name\": \"f\", \"parameters\": {\"a\": \"{\"}}", "[f]{\"a\": \"{\"}"},
    {"llama3",
     "\n<|python_tag|>{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}; {\"name\": \"get_weather\", \"parameters\": {}}",
     "[f]{}[get_weather]{}"},
    {"llama3", " {\"foo\": 1}", " {\"foo\": 1}"},
    {"llama3", "An object: {\"name\": \"f\", \"parameters\": {}}",
     "An object: {\"name\": \"f\", \"parameters\": {}}"},
};

static void calls_are_told_from_text_at_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_everywhere(rows[i].family, rows[i].text, rows[i].wanted);
}

static void every_family_has_a_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < call_format_count; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
            found |= !strcmp(rows[k].family, call_formats[i].name);
        if (!found) fail_msg("%s has none", call_formats[i].name);
    }
}

static struct call_marks hermes_marks(void)
{
    return (struct call_marks){.format = call_format_generic()};
}

/* What can be said is said at once. */
static void nothing_is_held_that_need_not_be(void **state)
{
    (void)state;
    const struct call_marks marks = hermes_marks();
    struct run run;
    begin(&run, &marks, false, false);
    feed(&run, STR("Some text"), false);
    assert_string_equal(run.said, "Some text");
    feed(&run, STR(" <to"), false);
    assert_string_equal(run.said, "Some text");
    feed(&run, STR("ast>"), false);
    assert_string_equal(run.said, "Some text <toast>");
    feed(&run, STR("<tool_call>{\"name\": \"f\", \"arguments\": {\"a"), false);
    assert_string_equal(run.said, "Some text <toast>[f]{\"a");
    feed(&run, STR("\": \"b"), false);
    assert_string_equal(run.said, "Some text <toast>[f]{\"a\": \"b");
    calls_fini(&run.c);
}

static void a_prompt_may_have_begun_it(void **state)
{
    (void)state;
    const struct call_marks marks = {.format = call_format_named("functionary")};
    struct run run;
    begin(&run, &marks, true, false);
    feed(&run, STR("f\n{}"), true);
    assert_string_equal(run.said, "[f]{}");
    calls_fini(&run.c);
    begin(&run, &marks, true, false);
    feed(&run, STR("all\nHello"), true);
    assert_string_equal(run.said, "Hello");
    calls_fini(&run.c);
}

static void one_call_may_be_all(void **state)
{
    (void)state;
    const struct call_marks marks = hermes_marks();
    struct run run;
    begin(&run, &marks, false, true);
    feed(&run, STR("<tool_call>{\"name\":\"f\",\"arguments\":{}"), false);
    assert_true(calls_done(&run.c));
    feed(&run, STR("}</tool_call> <tool_call>{\"name\":\"f\",\"arguments\":{}}"), true);
    assert_string_equal(run.said, "[f]{}");
    assert_int_equal(run.c.count, 1);
    calls_fini(&run.c);
}

/* What was cut off within its call is not complete. */
static void one_call_that_is_cut_is_not_all(void **state)
{
    static const char *const cuts[][2] = {
        {"qwen-coder", "<tool_call><function=f>\n<parameter=city>\nPar"},
        {"python", "[f(city=\"Par"},
        {"hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"city\": \"Par"},
    };
    struct run run;
    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        const struct call_marks marks = {.format = call_format_named(cuts[i][0])};
        begin(&run, &marks, false, true);
        feed(&run, str_of(cuts[i][1]), true);
        assert_int_equal(strncmp(run.said, "[f]", 3), 0);
        assert_false(calls_done(&run.c));
        calls_fini(&run.c);
    }
}

/* More than one list of pieces has room for. */
static void many_calls_at_once(void **state)
{
    (void)state;
    const struct call_marks marks = {.format = call_format_named("functionary")};
    struct run run;
    char text[512] = "", wanted[512] = "";
    for (int i = 0; i < 60; i++) {
        strcat(text, ">>>f\n{}");
        strcat(wanted, "[f]{}");
    }
    begin(&run, &marks, false, false);
    feed(&run, str_of(text), false);
    assert_string_equal(run.said, wanted);
    assert_int_equal(run.c.count, 60);
    calls_fini(&run.c);
}

/* However long it takes, what is held is bounded. */
static void what_is_held_is_bounded(void **state)
{
    (void)state;
    static const char *const begins[] = {
        "<tool_call>{\"name\": \"f\", \"x\": \"", "<tool_call>",
        "<tool_call>{\"name\": \"f\", \"arguments\": {}, \"x\": \""};
    const struct call_marks marks = hermes_marks();
    struct calls c;
    struct pieces pieces;
    char blanks[512];
    memset(blanks, ' ', sizeof blanks);
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        const struct calls_spec spec = {&marks, tools, 1, false, false};
        calls_init(&c, &spec);
        pieces.count = 0;
        (void)calls_feed(&c, str_of(begins[i]), false, &pieces);
        for (int k = 0; k < 5000; k++) {
            pieces.count = 0;
            (void)calls_feed(&c, str_n(blanks, sizeof blanks), false, &pieces);
            assert_true(buf_len(&c.held) < 16384);
        }
        calls_fini(&c);
    }
}

static void without_tools_all_is_content(void **state)
{
    (void)state;
    struct pieces pieces = {.count = 0};
    struct calls c;
    calls_init(&c, NULL);
    assert_false(calls_feed(&c, STR("<tool_call>"), false, &pieces));
    assert_int_equal(pieces.count, 1);
    assert_int_equal(pieces.all[0].kind, PIECE_CONTENT);
    assert_false(calls_reads_name(&c, 3));
    calls_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_told_from_text_at_every_cut),
        cmocka_unit_test(every_family_has_a_text),
        cmocka_unit_test(nothing_is_held_that_need_not_be),
        cmocka_unit_test(a_prompt_may_have_begun_it),
        cmocka_unit_test(one_call_may_be_all),
        cmocka_unit_test(one_call_that_is_cut_is_not_all),
        cmocka_unit_test(many_calls_at_once),
        cmocka_unit_test(what_is_held_is_bounded),
        cmocka_unit_test(without_tools_all_is_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
