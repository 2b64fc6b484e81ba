/* SPDX-License-Identifier: Apache-2.0 */
/* What is thought and what is answered, however the text is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/text/reasoning.h"

static const struct reasoning_markers think = {.start = STR_INIT("<think>"),
                                               .end = STR_INIT("</think>"),
                                               .start_control = -1,
                                               .end_control = -1};

struct run {
    struct reasoning r;
    char thought[128], content[128];
};

static void feed(struct run *run, struct str text, bool last)
{
    struct pieces pieces = {.count = 0};
    reasoning_feed(&run->r, text, last, &pieces);
    for (unsigned i = 0; i < pieces.count; i++) {
        char *to = pieces.all[i].kind == PIECE_REASONING ? run->thought : run->content;
        assert_true(pieces.all[i].text.len > 0);
        assert_true(strlen(to) + pieces.all[i].text.len < sizeof run->thought);
        strncat(to, pieces.all[i].text.ptr, pieces.all[i].text.len);
    }
}

/* The text in two cuts, at `a` and `b`. The bytes are gone after each call. */
static void check(const struct reasoning_markers *markers, bool begun, const char *text, size_t a,
                  size_t b, const char *thought, const char *content)
{
    struct run run = {.thought = "", .content = ""};
    size_t ends[] = {a, b, strlen(text)}, from = 0;
    reasoning_init(&run.r, markers, begun);
    for (size_t i = 0; i < 3; i++) {
        size_t len = ends[i] - from;
        char *part = malloc(len + 1);
        assert_non_null(part);
        memcpy(part, text + from, len);
        feed(&run, str_n(part, len), i == 2);
        free(part);
        from = ends[i];
    }
    assert_string_equal(run.thought, thought);
    assert_string_equal(run.content, content);
    reasoning_fini(&run.r);
}

static void thoughts_are_told_from_the_answer_at_every_cut(void **state)
{
    (void)state;
    static const struct {
        bool begun;
        const char *text, *thought, *content;
    } rows[] = {
        {false, "<think>\na b\n\n</think>\n\nanswer \n", "a b", "answer \n"},
        {false, " \n<think>x</think>y", "x", "y"},
        {false, "<think></think>y", "", "y"},
        {false, "<think>\n\n</think>\n\ny", "", "y"},
        {false, "no <think>x</think>", "", "no <think>x</think>"},
        {false, "  spaces first", "", "  spaces first"},
        {false, "<thin", "", "<thin"},
        {false, "<thin>", "", "<thin>"},
        {false, "", "", ""},
        {false, " ", "", " "},
        {false, "<think>cut off </thi", "cut off </thi", ""},
        {false, "<think>a</thi</think>b", "a</thi", "b"},
        {false, "<think>a</think>b<think>c</think>", "a", "b<think>c</think>"},
        {true, "\nfrom the prompt\n</think>\n\nb", "from the prompt", "b"},
        {true, "</think>b", "", "b"},
        {true, "a  b\n c</think>", "a  b\n c", ""},
        {true, "cut \n", "cut", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i].text);
        for (size_t a = 0; a <= len; a++)
            for (size_t b = a; b <= len; b++)
                check(&think, rows[i].begun, rows[i].text, a, b, rows[i].thought, rows[i].content);
    }
}

/* gpt-oss's channels: markers of control tokens and words. */
static void channels_are_told_apart_at_every_cut(void **state)
{
    (void)state;
    static const struct reasoning_markers channels = {
        .start = STR_INIT("<|channel|>analysis<|message|>"),
        .end = STR_INIT("<|end|>"),
        .answer = STR_INIT("<|channel|>final<|message|>"),
        .turn = STR_INIT("<|start|>assistant"),
        .spelled = true};
    static const struct {
        const char *text, *thought, *content;
    } rows[] = {
        {"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>yes",
         "hm", "yes"},
        {"<|channel|>final<|message|>yes", "", "yes"},
        {"<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>analysis<|message|>b<|end|>"
         "<|start|>assistant<|channel|>final<|message|>c",
         "ab", "c"},
        {"plain", "", "plain"},
        {"<|channel|>comment", "", "<|channel|>comment"},
        {"<|channel|>analysis<|message|>hm<|end|>rest", "hm", "rest"},
        {"<|channel|>analysis<|message|>cut", "cut", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i].text);
        for (size_t a = 0; a <= len; a++)
            for (size_t b = a; b <= len; b++)
                check(&channels, false, rows[i].text, a, b, rows[i].thought, rows[i].content);
    }
}

static void without_markers_all_is_content(void **state)
{
    (void)state;
    static const struct reasoning_markers none;
    check(&none, false, "<think>x</think>y", 3, 9, "", "<think>x</think>y");
    check(&none, true, " \n", 1, 1, "", " \n");
}

/* What can be said is said at once. */
static void nothing_is_held_that_need_not_be(void **state)
{
    (void)state;
    struct run run = {.thought = "", .content = ""};
    reasoning_init(&run.r, &think, false);
    feed(&run, STR("<think>one"), false);
    assert_string_equal(run.thought, "one");
    feed(&run, STR(" </t"), false);
    assert_string_equal(run.thought, "one");
    feed(&run, STR("wo"), false);
    assert_string_equal(run.thought, "one </two");
    feed(&run, STR("</think>x"), false);
    assert_string_equal(run.content, "x");
    feed(&run, STR(" "), false);
    assert_string_equal(run.content, "x ");
    reasoning_fini(&run.r);
}

/* However much white space there is, what is held is bounded, and nothing of it is lost before text. */
static void endless_white_space_is_let_out(void **state)
{
    (void)state;
    static const char blanks[] = "                                                                ";
    for (int begun = 0; begun < 2; begun++) {
        struct reasoning r;
        size_t out = 0;
        reasoning_init(&r, &think, begun);
        struct pieces first = {.count = 0};
        if (begun) reasoning_feed(&r, STR("a"), false, &first);
        for (int i = 0; i < 100000; i++) {
            struct pieces pieces = {.count = 0};
            reasoning_feed(&r, str_of(blanks), false, &pieces);
            for (unsigned k = 0; k < pieces.count; k++)
                out += pieces.all[k].text.len;
            assert_true(buf_len(&r.held) < 1024);
        }
        assert_true(out > 99000 * (sizeof blanks - 1));
        reasoning_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thoughts_are_told_from_the_answer_at_every_cut),
        cmocka_unit_test(channels_are_told_apart_at_every_cut),
        cmocka_unit_test(without_markers_all_is_content),
        cmocka_unit_test(endless_white_space_is_let_out),
        cmocka_unit_test(nothing_is_held_that_need_not_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
