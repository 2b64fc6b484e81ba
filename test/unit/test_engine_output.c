/* SPDX-License-Identifier: Apache-2.0 */
/* What an engine's process writes, as lines of our log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "node/engine_output.h"
#include "obs/log.h"

/* The pipe stands between a writer, which is the test, and the log, which is a file. */
struct world {
    struct loop *loop;
    struct engine_output output;
    int writer; /* -1: closed */
    FILE *log;
    char text[1 << 20]; /* what the log has */
    struct task stop;
    struct timer timer;
};

static void on_stop(struct task *task)
{
    loop_stop(CONTAINER_OF(task, struct world, stop)->loop);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->log = tmpfile();
    log_init(fileno(w->log), LOG_FORMAT_JSON, LOG_INFO);
    assert_int_equal(loop_new_real(&w->loop), 0);
    assert_int_equal(engine_output_open(&w->output, w->loop, STR("demo"), true, &w->writer), 0);
    task_init(&w->stop, on_stop);
    timer_init(&w->timer, &w->stop);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    engine_output_end(&w->output);
    timer_stop(w->loop, &w->timer);
    loop_free(w->loop);
    log_flush();
    log_init(-1, LOG_FORMAT_JSON, LOG_INFO);
    if (w->writer >= 0) close(w->writer);
    fclose(w->log);
    free(w);
    return 0;
}

static void say(struct world *w, const char *text)
{
    assert_int_equal(write(w->writer, text, strlen(text)), strlen(text));
}

/* Lets the loop run for `ms`; long enough for the log to be written when it is over 100. */
static void run(struct world *w, unsigned ms)
{
    timer_start(w->loop, &w->timer, clock_mono_us() + (uint64_t)ms * USEC_PER_MS);
    loop_run(w->loop);
}

static const char *log_of(struct world *w)
{
    ssize_t n = pread(fileno(w->log), w->text, sizeof w->text - 1, 0);
    assert_true(n >= 0);
    w->text[n] = '\0';
    return w->text;
}

static void assert_logged(struct world *w, const char *part)
{
    if (!strstr(log_of(w), part)) fail_msg("\"%s\" is not in: %s", part, w->text);
}

static unsigned count_lines(struct world *w)
{
    unsigned n = 0;
    for (const char *p = log_of(w); *p; p++)
        n += *p == '\n';
    return n;
}

static void any_text_becomes_a_line(void **state)
{
    struct world *w = *state;
    say(w, "loading \x1b[31mweights\r\n\n   \nha");
    run(w, 20);
    say(w, "lf\xff\n{\"not\":\"ours\"}\n{\"time\": broken\n");
    run(w, 200); /* nobody flushes but the loop */
    assert_logged(w, "\"level\":\"info\",\"event\":\"engine_output\",\"model\":\"demo\",\"line\":"
                     "\"loading \\u001b[31mweights\"}\n");
    assert_logged(w, "\"line\":\"half\xef\xbf\xbd\"}\n");
    assert_logged(w, "\"line\":\"{\\\"not\\\":\\\"ours\\\"}\"}\n");
    assert_logged(w, "\"line\":\"{\\\"time\\\": broken\"}\n");
    assert_int_equal(count_lines(w), 4);
    assert_string_equal(engine_output_reason(&w->output), "");
}

static void our_own_lines_keep_their_fields(void **state)
{
    struct world *w = *state;
    say(w,
        "{\"time\":\"2026\",\"level\":\"warn\",\"event\":\"loaded\",\"model\":\"other\",\"slots\":4,\"ok\":true,"
        "\"why\":\"a \\\"b\\\"\",\"Bad key\":1,\"list\":[1]}\n"
        "{\"time\":\"2026\",\"level\":\"debug\",\"event\":\"hidden\"}\n"
        "{\"time\":\"2026\",\"level\":\"info\",\"event\":\"no word\"}\n");
    engine_output_end(&w->output);
    log_flush();
    assert_logged(
        w,
        "\"level\":\"warn\",\"event\":\"engine_loaded\",\"model\":\"demo\",\"slots\":4,\"ok\":true,"
        "\"why\":\"a \\\"b\\\"\"}\n");
    assert_null(strstr(log_of(w), "hidden"));
    assert_logged(w, "\"event\":\"engine_output\"");
    assert_int_equal(count_lines(w), 2);
}

/* A runtime prints what it likes, also what its clients wrote. */
static void others_lines_are_text(void **state)
{
    struct world *w = *state;
    engine_output_end(&w->output);
    close(w->writer);
    assert_int_equal(engine_output_open(&w->output, w->loop, STR("demo"), false, &w->writer), 0);
    say(w, "{\"time\":\"2026\",\"level\":\"info\",\"event\":\"exchange\",\"key\":\"victim\"}\n"
           "hostler-engine: not ours\n");
    engine_output_end(&w->output);
    log_flush();
    assert_logged(w, "\"event\":\"engine_output\",\"model\":\"demo\",\"line\":\"{\\\"time\\\":");
    assert_logged(w, "\"level\":\"info\",\"event\":\"engine_output\",\"model\":\"demo\","
                     "\"line\":\"hostler-engine: not ours\"}");
    assert_int_equal(count_lines(w), 2);
    assert_string_equal(engine_output_reason(&w->output), "");
}

static void our_own_engine_does_not_speak_for_us(void **state)
{
    struct world *w = *state;
    say(w, "{\"time\":\"2026\",\"level\":\"info\",\"event\":\"exchange\"}\n");
    engine_output_end(&w->output);
    log_flush();
    assert_logged(w, "\"event\":\"engine_exchange\"");
}

/* Says `count` lines, letting the loop read between. */
static void say_lines(struct world *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        say(w, "xxxx\n");
        if (i % 500 == 499) run(w, 1);
    }
}

static void a_flood_is_counted_and_not_logged(void **state)
{
    struct world *w = *state;
    say_lines(w, 3 * ENGINE_OUTPUT_LINES);
    run(w, 1300);
    assert_logged(
        w, "\"level\":\"warn\",\"event\":\"engine_output\",\"model\":\"demo\",\"lines_left_out\":");
    say(w, "later\nhostler-engine: the cause\n");
    run(w, 200);
    assert_logged(w, "\"line\":\"later\"");
    say_lines(w, 2 * ENGINE_OUTPUT_LINES);
    say(w, "hostler-engine: the end\n"); /* is kept, though not logged */
    engine_output_end(&w->output);
    assert_string_equal(engine_output_reason(&w->output), "the end");
    log_flush();
    assert_in_range(count_lines(w), ENGINE_OUTPUT_LINES, 3 * ENGINE_OUTPUT_LINES + 10);
}

static void long_lines_are_cut(void **state)
{
    struct world *w = *state;
    char text[3 * ENGINE_OUTPUT_LINE_MAX + 100];
    memset(text, 'x', sizeof text);
    text[sizeof text - 2] = '\n';
    text[sizeof text - 1] = '\0';
    say(w, text);
    say(w, "next\nlast");
    engine_output_end(&w->output);
    log_flush();
    assert_logged(w, "\"line\":\"xxxx");
    assert_logged(w, "\"line\":\"next\"");
    assert_logged(w, "\"line\":\"last\"");
    assert_int_equal(count_lines(w), 3);
}

static void the_cause_of_our_engines_end_is_kept(void **state)
{
    struct world *w = *state;
    say(w, "hostler-engine: first\nhostler-engine: m.gguf: cut off\nother: text\n");
    engine_output_end(&w->output);
    engine_output_end(&w->output);
    assert_string_equal(engine_output_reason(&w->output), "m.gguf: cut off");
}

static void a_closed_pipe_costs_nothing(void **state)
{
    struct world *w = *state;
    close(w->writer);
    w->writer = -1;
    clock_t before = clock();
    run(w, 200);
    assert_true(clock() - before < CLOCKS_PER_SEC / 10);
    assert_int_equal(count_lines(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_text_becomes_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(our_own_lines_keep_their_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(others_lines_are_text, setup, teardown),
        cmocka_unit_test_setup_teardown(our_own_engine_does_not_speak_for_us, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_is_counted_and_not_logged, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(the_cause_of_our_engines_end_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_pipe_costs_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
