/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, histograms and the exposition format. `test-metrics --print` prints
 * all metrics, for promtool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "obs/metrics.h"

enum { OUTPUT_MAX = 1 << 20 };

static void expect(struct buf *out, const char *text)
{
    struct str got = buf_str(out);
    if (!str_eq(got, str_of(text)))
        fail_msg("got:\n%" STR_FMT "\nexpected:\n%s", STR_ARG(got), text);
    buf_clear(out);
}

static void cells(void **state)
{
    (void)state;
    struct metric_cell c = {0};
    metric_add(&c, 5);
    metric_add(&c, 2);
    metric_sub(&c, 3);
    assert_int_equal(metric_read(&c), 4);
}

static void rows_follow_the_naming_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        struct str name = str_of(row->name);
        assert_true(str_starts(name, STR("hostler_")));
        assert_int_equal(str_ends(name, STR("_total")), row->kind == METRIC_COUNTER);
        if (row->kind == METRIC_HISTOGRAM) assert_true(str_ends(name, STR("_seconds")));
        for (size_t k = 0; k < name.len; k++)
            assert_true((name.ptr[k] >= 'a' && name.ptr[k] <= 'z') || name.ptr[k] == '_');
        assert_true(str_ends(str_of(row->help), STR(".")));
        assert_int_equal(str_find_char(str_of(row->help), '\n'), -1);
        assert_int_equal(str_find_char(str_of(row->help), '\\'), -1);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(row->name, metric_rows[k].name);
    }
}

static void help_and_type_come_once(void **state)
{
    (void)state;
    struct buf out;
    struct metrics_writer w;
    buf_init(&out, OUTPUT_MAX);
    metrics_write_init(&w, &out);
    metrics_write_u64(&w, METRIC_READY, NULL, 0, 1);
    const struct metric_label a[] = {{"model", STR("a")}, {"code", STR("200")}};
    const struct metric_label b[] = {{"model", STR("b")}, {"code", STR("503")}};
    metrics_write_u64(&w, METRIC_REQUESTS, a, 2, 12);
    metrics_write_u64(&w, METRIC_REQUESTS, b, 2, UINT64_MAX);
    assert_int_equal(metrics_write_end(&w), 0);
    struct str text = buf_str(&out);
    assert_true(str_starts(text, STR("# HELP hostler_ready 1 when /readyz answers 200.\n"
                                     "# TYPE hostler_ready gauge\nhostler_ready 1\n"
                                     "# HELP hostler_requests_total ")));
    assert_true(str_ends(
        text, STR("# TYPE hostler_requests_total counter\n"
                  "hostler_requests_total{model=\"a\",code=\"200\"} 12\n"
                  "hostler_requests_total{model=\"b\",code=\"503\"} 18446744073709551615\n")));
    buf_fini(&out);
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    struct buf out;
    struct metrics_writer w;
    buf_init(&out, OUTPUT_MAX);
    metrics_write_init(&w, &out);
    const struct metric_label first[] = {{"model", STR("x")}};
    metrics_write_u64(&w, METRIC_REQUESTS_ACTIVE, first, 1, 0);
    buf_clear(&out);
    const struct metric_label odd[] = {{"model", STR("a\"b\\c\nd\xc3\xa9\xff{}")}};
    metrics_write_u64(&w, METRIC_REQUESTS_ACTIVE, odd, 1, 1);
    expect(&out, "hostler_requests_active{model=\"a\\\"b\\\\c\\nd\xc3\xa9\xef\xbf\xbd{}\"} 1\n");
    const struct metric_label none[] = {{"model", STR_NULL}};
    metrics_write_u64(&w, METRIC_REQUESTS_ACTIVE, none, 1, 1);
    expect(&out, "hostler_requests_active{model=\"\"} 1\n");
    buf_fini(&out);
}

static void doubles(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {{1.5, "1.5"},       {0, "0.0"},          {NAN, "NaN"},
                 {INFINITY, "+Inf"}, {-INFINITY, "-Inf"}, {1e-9, "1e-9"}};
    struct buf out;
    struct metrics_writer w;
    buf_init(&out, OUTPUT_MAX);
    metrics_write_init(&w, &out);
    metrics_write_double(&w, METRIC_UPTIME, NULL, 0, 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[64];
        buf_clear(&out);
        metrics_write_double(&w, METRIC_UPTIME, NULL, 0, cases[i].v);
        snprintf(line, sizeof line, "hostler_uptime_seconds %s\n", cases[i].text);
        expect(&out, line);
    }
    buf_fini(&out);
}

/* A value that equals a bound belongs to it; one microsecond more to the next. */
static void observations_fall_into_their_buckets(void **state)
{
    (void)state;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        struct histogram h = {0};
        uint64_t us = (uint64_t)llround(histogram_bounds[i] * 1e6);
        if (i) assert_true(histogram_bounds[i] > histogram_bounds[i - 1]);
        histogram_observe_us(&h, us);
        histogram_observe_us(&h, us + 1);
        assert_int_equal(metric_read(&h.bucket[i]), 1);
        assert_int_equal(metric_read(&h.bucket[i + 1]), 1);
        assert_int_equal(metric_read(&h.sum_us), 2 * us + 1);
    }
    struct histogram h = {0};
    histogram_observe_us(&h, 0);
    histogram_observe_us(&h, (uint64_t)1 << 50);
    assert_int_equal(metric_read(&h.bucket[0]), 1);
    assert_int_equal(metric_read(&h.bucket[HISTOGRAM_BUCKETS - 1]), 1);
}

static void histograms_are_written_cumulative(void **state)
{
    (void)state;
    struct histogram a = {0}, b = {0}, sum = {0};
    histogram_observe_us(&a, 1000);
    histogram_observe_us(&a, 700000);
    histogram_observe_us(&b, 70000000);
    histogram_merge(&sum, &a);
    histogram_merge(&sum, &b);
    struct buf out;
    struct metrics_writer w;
    buf_init(&out, OUTPUT_MAX);
    metrics_write_init(&w, &out);
    const struct metric_label labels[] = {{"model", STR("m")}};
    metrics_write_histogram(&w, METRIC_REQUEST_SECONDS, labels, 1, &sum);
    assert_int_equal(metrics_write_end(&w), 0);
    struct str text = buf_str(&out);
    static const char *const due[] = {
        "# TYPE hostler_request_duration_seconds histogram\n",
        "\nhostler_request_duration_seconds_bucket{model=\"m\",le=\"0.001\"} 1\n",
        "\nhostler_request_duration_seconds_bucket{model=\"m\",le=\"0.5\"} 1\n",
        "\nhostler_request_duration_seconds_bucket{model=\"m\",le=\"1\"} 2\n",
        "\nhostler_request_duration_seconds_bucket{model=\"m\",le=\"60\"} 2\n",
        "\nhostler_request_duration_seconds_bucket{model=\"m\",le=\"+Inf\"} 3\n",
        "\nhostler_request_duration_seconds_sum{model=\"m\"} 70.701000\n",
        "\nhostler_request_duration_seconds_count{model=\"m\"} 3\n",
    };
    ptrdiff_t last = -1;
    for (size_t i = 0; i < ARRAY_LEN(due); i++) {
        ptrdiff_t at = str_find(text, str_of(due[i]));
        if (at <= last) fail_msg("missing or out of order: %s", due[i]);
        last = at;
    }
    buf_fini(&out);
}

static void write_all(struct buf *out)
{
    struct metrics_writer w;
    metrics_write_init(&w, out);
    for (int id = 0; id < METRIC_COUNT; id++) {
        struct metric_label labels[4];
        char names[4][32];
        size_t count = 0;
        struct str rest = *metric_rows[id].labels ? str_of(metric_rows[id].labels) : STR_NULL, name;
        for (; str_cut(&rest, ',', &name); count++) {
            snprintf(names[count], sizeof names[count], "%" STR_FMT, STR_ARG(name));
            labels[count] = (struct metric_label){names[count], STR("x")};
        }
        struct histogram h = {0};
        histogram_observe_us(&h, 1234);
        if (metric_rows[id].kind == METRIC_HISTOGRAM)
            metrics_write_histogram(&w, (enum metric_id)id, labels, count, &h);
        else
            metrics_write_u64(&w, (enum metric_id)id, labels, count, 1);
    }
    assert(metrics_write_end(&w) == 0);
}

static void every_row_can_be_written(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    write_all(&out);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        assert_true(str_find(buf_str(&out), str_of(metric_rows[i].name)) > 0);
    buf_fini(&out);
}

static void a_full_buffer_is_reported(void **state)
{
    (void)state;
    struct buf out;
    struct metrics_writer w;
    buf_init(&out, 100);
    metrics_write_init(&w, &out);
    metrics_write_double(&w, METRIC_UPTIME, NULL, 0, 1);
    metrics_write_u64(&w, METRIC_READY, NULL, 0, 1);
    assert_int_equal(metrics_write_end(&w), ERR_TOO_LARGE);
    assert_int_equal(metrics_write_manual(&out), ERR_TOO_LARGE);
    buf_fini(&out);
}

static void manual(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    assert_int_equal(metrics_write_manual(&out), 0);
    struct str text = buf_str(&out);
    assert_true(str_starts(text, STR("# Metrics\n")));
    assert_true(
        str_find(text, STR("\n| `hostler_ready` | gauge |  | 1 when /readyz answers 200. |\n")) >
        0);
    assert_true(str_find(text, STR("\n| `hostler_requests_total` | counter | `model`, `code` | ")) >
                0);
    assert_true(str_ends(text, STR("10, 30, 60, +Inf.\n")));
    buf_fini(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells),
        cmocka_unit_test(rows_follow_the_naming_rules),
        cmocka_unit_test(help_and_type_come_once),
        cmocka_unit_test(label_values_are_escaped),
        cmocka_unit_test(doubles),
        cmocka_unit_test(observations_fall_into_their_buckets),
        cmocka_unit_test(histograms_are_written_cumulative),
        cmocka_unit_test(every_row_can_be_written),
        cmocka_unit_test(a_full_buffer_is_reported),
        cmocka_unit_test(manual),
    };
    if (argc > 1 && strcmp(argv[1], "--print") == 0) {
        struct buf out;
        buf_init(&out, OUTPUT_MAX);
        write_all(&out);
        fwrite(buf_str(&out).ptr, 1, buf_len(&out), stdout);
        buf_fini(&out);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
