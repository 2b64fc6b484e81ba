/* SPDX-License-Identifier: Apache-2.0 */
/* Series that another process tells: passed on under a label, and never taken for more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/buf.h"
#include "obs/metrics.h"

enum { OUTPUT_MAX = 1 << 20 };

static const struct metric_row rows[] = {
    {METRIC_COUNTER, "cat_hits_total", "tier", "Hits of cats."},
    {METRIC_GAUGE, "cat_hits", "", "Hits."},
    {METRIC_HISTOGRAM, "cat_seconds", "", "Time of cats."},
};

static void they_get_a_label(void **state)
{
    (void)state;
    static const char page[] = "# HELP cat_hits_total x\n# TYPE cat_hits_total gauge\n"
                               "cat_hits_total{tier=\"slot\"} 3\n"
                               "cat_hits_total{tier=\"ram\"} 1e+06\n"
                               "cat_hits 0.25\n"
                               "cat_seconds_bucket{le=\"0.001\"} 1\n"
                               "cat_seconds_bucket{le=\"+Inf\"} 2\n"
                               "cat_seconds_sum 0.5\ncat_seconds_count 2\n"
                               "cat_secret 7\n";
    struct buf out;
    struct metrics_writer w;
    buf_init(&out, OUTPUT_MAX);
    metrics_write_init(&w, &out);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        metrics_pass_on(&w, &rows[i], STR("model"), STR("a\"b"), str_of(page));
        metrics_pass_on(&w, &rows[i], STR("model"), STR("c"), STR("cat_hits 1"));
    }
    assert_int_equal(metrics_write_end(&w), 0);
    assert_true(str_eq(buf_str(&out),
                       STR("# HELP cat_hits_total Hits of cats.\n# TYPE cat_hits_total counter\n"
                           "cat_hits_total{model=\"a\\\"b\",tier=\"slot\"} 3\n"
                           "cat_hits_total{model=\"a\\\"b\",tier=\"ram\"} 1e+06\n"
                           "# HELP cat_hits Hits.\n# TYPE cat_hits gauge\n"
                           "cat_hits{model=\"a\\\"b\"} 0.25\n"
                           "cat_hits{model=\"c\"} 1\n"
                           "# HELP cat_seconds Time of cats.\n# TYPE cat_seconds histogram\n"
                           "cat_seconds_bucket{model=\"a\\\"b\",le=\"0.001\"} 1\n"
                           "cat_seconds_bucket{model=\"a\\\"b\",le=\"+Inf\"} 2\n"
                           "cat_seconds_sum{model=\"a\\\"b\"} 0.5\n"
                           "cat_seconds_count{model=\"a\\\"b\"} 2\n")));
    buf_fini(&out);
}

/* The other process may be anybody's by now. */
static void what_is_made_up_is_left_out(void **state)
{
    (void)state;
    static const char *const pages[] = {
        "cat_hits_total 3",
        "cat_hits_total{} 3",
        "cat_hits_total{tier=\"a\",model=\"b\"} 3",
        "cat_hits_total{tier=\"a\",tier=\"b\"} 3",
        "cat_hits_total{tier=\"a\",} 3",
        "cat_hits_total{tier=\"a b\"} 3",
        "cat_hits_total{tier=\"a\\\"\"} 3",
        "cat_hits_total{tier=\"\"} 3",
        "cat_hits_total{tier=\"a\"3",
        "cat_hits_total{tier=\"a\"} 3 4",
        "cat_hits_total{tier=\"a\"} three",
        "cat_hits_total{tier=\"a\"} ",
        "cat_hits_total{other=\"a\"} 3",
        "cat_hits_total{tier=\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"} 3",
        "cat_hits{le=\"1\"} 3",
        "cat_hits_bucket{le=\"1\"} 3",
        "cat_hits_more 3",
        "cat_seconds 3",
        "cat_seconds_bucket 3",
        "cat_seconds_count{le=\"1\"} 3",
        "cat_hits -",
        "\ncat_hits",
        "",
    };
    struct buf out;
    struct metrics_writer w;
    buf_init(&out, OUTPUT_MAX);
    metrics_write_init(&w, &out);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        for (size_t k = 0; k < ARRAY_LEN(rows); k++)
            metrics_pass_on(&w, &rows[k], STR("model"), STR("m"), str_of(pages[i]));
        if (buf_len(&out)) fail_msg("passed on: %s", pages[i]);
    }
    metrics_pass_on(&w, &rows[1], STR("model"), STR("m"), STR("cat_hits 1\ncat_hits 2\n"));
    assert_true(str_ends(buf_str(&out), STR("gauge\ncat_hits{model=\"m\"} 1\n")));
    buf_fini(&out);
}

static void they_are_bounded(void **state)
{
    (void)state;
    struct buf page, out;
    struct metrics_writer w;
    buf_init(&page, OUTPUT_MAX);
    buf_init(&out, OUTPUT_MAX);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(buf_printf(&page, "cat_hits_total{tier=\"t%u\"} 1\n", i), 0);
    metrics_write_init(&w, &out);
    metrics_pass_on(&w, &rows[0], STR("model"), STR("m"), buf_str(&page));
    assert_int_equal(metrics_write_end(&w), 0);
    assert_true(str_ends(buf_str(&out), STR("tier=\"t63\"} 1\n")));
    buf_fini(&page);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_get_a_label),
        cmocka_unit_test(what_is_made_up_is_left_out),
        cmocka_unit_test(they_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
