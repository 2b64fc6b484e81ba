/* SPDX-License-Identifier: Apache-2.0 */
/* What the load generator reads of answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cmd/bench_answer.h"

static struct bench_answer a;

static int reset(void **state)
{
    (void)state;
    a = (struct bench_answer){0};
    return 0;
}

static enum bench_frame chat(const char *data)
{
    return bench_answer_frame(&a, BENCH_CHAT, str_of(data));
}

static enum bench_frame token(unsigned index)
{
    char data[64];
    snprintf(data, sizeof data, "{\"choices\":[{\"delta\":{\"content\":\"t%u \"}}]}", index);
    return chat(data);
}

static void frames_with_text_are_told_from_others(void **state)
{
    (void)state;
    assert_int_equal(chat("{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}"),
                     BENCH_FRAME_OTHER);
    assert_int_equal(chat("{\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}"), BENCH_FRAME_TEXT);
    assert_int_equal(chat("{\"choices\":[{\"delta\":{\"reasoning_content\":\"Hm\"}}]}"),
                     BENCH_FRAME_TEXT);
    assert_int_equal(chat("{\"choices\":[{\"text\":\"Hi\"}]}"), BENCH_FRAME_OTHER);
    assert_int_equal(
        bench_answer_frame(&a, BENCH_COMPLETIONS, STR("{\"choices\":[{\"text\":\"Hi\"}]}")),
        BENCH_FRAME_TEXT);
    assert_false(a.done_seen);
    assert_int_equal(chat("[DONE]"), BENCH_FRAME_OTHER);
    assert_true(a.done_seen);
    assert_false(a.error_seen);
    assert_int_equal(chat("{\"error\":{\"message\":\"no\"}}"), BENCH_FRAME_ERROR);
    assert_true(a.error_seen);
}

static void usage_is_read_where_it_stands(void **state)
{
    (void)state;
    assert_int_equal(
        chat("{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}"),
        BENCH_FRAME_OTHER);
    assert_int_equal(a.prompt_tokens, 7);
    assert_int_equal(a.announced, 3);
    bench_answer_usage(&a, STR("{\"usage\":{\"completion_tokens\":-1}}"));
    bench_answer_usage(&a, STR("{\"usage\":null}"));
    bench_answer_usage(&a, STR("not JSON"));
    assert_int_equal(a.announced, 3);
    bench_answer_usage(&a, STR("{\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":4}}"));
    assert_int_equal(a.prompt_tokens, 8);
    assert_int_equal(a.announced, 4);
}

static void gaps_and_repetitions_of_the_mock_are_counted(void **state)
{
    (void)state;
    token(0);
    token(1);
    token(4);
    token(4);
    token(5);
    assert_int_equal(a.lost, 2);
    assert_int_equal(a.repeated, 1);
    a.announced = 8;
    bench_answer_end(&a);
    assert_int_equal(a.lost, 4);
}

static void text_of_others_is_not_followed(void **state)
{
    (void)state;
    token(0);
    assert_int_equal(chat("{\"choices\":[{\"delta\":{\"content\":\"the \"}}]}"), BENCH_FRAME_TEXT);
    token(9);
    a.announced = 100;
    bench_answer_end(&a);
    assert_int_equal(a.lost, 0);
    assert_int_equal(a.repeated, 0);
}

static void an_answer_without_text_has_lost_nothing(void **state)
{
    (void)state;
    a.announced = 5;
    bench_answer_end(&a);
    assert_int_equal(a.lost, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(frames_with_text_are_told_from_others, reset),
        cmocka_unit_test_setup(usage_is_read_where_it_stands, reset),
        cmocka_unit_test_setup(gaps_and_repetitions_of_the_mock_are_counted, reset),
        cmocka_unit_test_setup(text_of_others_is_not_followed, reset),
        cmocka_unit_test_setup(an_answer_without_text_has_lost_nothing, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
