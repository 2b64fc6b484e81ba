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

/* --- a set of our own --- */

enum { FLAVOURS = 3 };

static const char *flavour_text(unsigned flavour)
{
    static const char *const texts[FLAVOURS] = {"sweet", "sour", "bitter"};
    return texts[flavour];
}

static void ask_share(const struct metric_series *s)
{
    series_put_double(s, *(const double *)s->source->owner);
}

static void ask_mood(const struct metric_series *s)
{
    series_put_of(s, "good", 1);
    series_put_of(s, "bad", 0);
}

/* clang-format off */
#define SHOP_METRICS(METRIC) \
    METRIC(open, GAUGE, ONE, "shop_open", "shop", "Open doors.") \
    METRIC(sold, COUNTER, EACH(FLAVOURS, flavour_text), "shop_sold_total", "shop,flavour", "Sold.") \
    METRIC(returned, COUNTER, SEEN(FLAVOURS, flavour_text), "shop_returned_total", "shop,flavour", "Returned.") \
    METRIC(seconds, HISTOGRAM, ONE, "shop_seconds", "shop", "Time.") \
    METRIC(share, GAUGE, ASKED(ask_share), "shop_share", "shop", "Share.") \
    METRIC(mood, GAUGE, ASKED(ask_mood), "shop_mood", "shop,mood", "Mood.")
/* clang-format on */

struct shop_stats {
    SHOP_METRICS(METRIC_MEMBER)
};

#define SHOP_ROW(...) METRIC_ROW(shop_stats, __VA_ARGS__)
static const struct metric_row shop_rows[] = {SHOP_METRICS(SHOP_ROW)};

enum { OPEN, SOLD, RETURNED, SECONDS, SHARE, MOOD };

static const struct str corner = {"corner", 6};

static struct metric_source source_of(const struct shop_stats *stats, size_t count)
{
    return (struct metric_source){.first = stats,
                                  .stride = sizeof *stats,
                                  .count = count,
                                  .labels = &corner,
                                  .label_count = 1};
}

/* The row as it is written, after HELP and TYPE. */
static void expect_row(unsigned row, const struct metric_source *source, const char *text)
{
    struct buf out;
    struct metrics_writer w;
    buf_init(&out, OUTPUT_MAX);
    metrics_write_init(&w, &out);
    w.current = &shop_rows[row];
    metrics_write_row(&w, &shop_rows[row], source);
    assert_int_equal(metrics_write_end(&w), 0);
    expect(&out, text);
    buf_fini(&out);
}

/* --- tests --- */

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
    for (size_t i = 0; i < all_metrics.count; i++) {
        const struct metric_row *row = &all_metrics.rows[i];
        struct str name = str_of(row->name);
        assert_true(str_starts(name, STR("hostler_")) || str_starts(name, STR("process_")));
        assert_int_equal(str_ends(name, STR("_total")), row->kind == METRIC_COUNTER);
        if (row->kind == METRIC_HISTOGRAM || row->kind == METRIC_SPANS)
            assert_true(str_ends(name, STR("_seconds")));
        for (size_t k = 0; k < name.len; k++)
            assert_true((name.ptr[k] >= 'a' && name.ptr[k] <= 'z') ||
                        (name.ptr[k] >= '0' && name.ptr[k] <= '9') || name.ptr[k] == '_');
        assert_true(str_ends(str_of(row->help), STR(".")));
        assert_int_equal(str_find_char(str_of(row->help), '\n'), -1);
        assert_int_equal(str_find_char(str_of(row->help), '\\'), -1);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(row->name, all_metrics.rows[k].name);
    }
}

static void help_and_type_come_once(void **state)
{
    (void)state;
    static const struct str names[] = {{"a", 1}, {"b", 1}};
    struct shop_stats stats[2] = {0};
    struct buf out;
    struct metrics_writer w;
    metric_add(&stats[0].open, 12);
    metric_sub(&stats[1].open, 1);
    buf_init(&out, OUTPUT_MAX);
    metrics_write_init(&w, &out);
    for (size_t i = 0; i < 2; i++) {
        struct metric_source source = source_of(&stats[i], 1);
        source.labels = &names[i];
        metrics_write_row(&w, &shop_rows[OPEN], &source);
    }
    assert_int_equal(metrics_write_end(&w), 0);
    expect(&out, "# HELP shop_open Open doors.\n# TYPE shop_open gauge\n"
                 "shop_open{shop=\"a\"} 12\nshop_open{shop=\"b\"} 18446744073709551615\n");
    buf_fini(&out);
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    const struct str odd = STR("a\"b\\c\nd\xc3\xa9\xff{}"), none = STR_NULL;
    struct shop_stats stats = {0};
    struct metric_source source = source_of(&stats, 1);
    source.labels = &odd;
    expect_row(OPEN, &source, "shop_open{shop=\"a\\\"b\\\\c\\nd\xc3\xa9\xef\xbf\xbd{}\"} 0\n");
    source.labels = &none;
    expect_row(OPEN, &source, "shop_open{shop=\"\"} 0\n");
}

static void doubles(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {{1.5, "1.5"},       {0, "0.0"},          {NAN, "NaN"},
                 {INFINITY, "+Inf"}, {-INFINITY, "-Inf"}, {1e-9, "1e-9"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[64];
        struct metric_source source = source_of(NULL, 0);
        source.owner = &cases[i].v;
        snprintf(line, sizeof line, "shop_share{shop=\"corner\"} %s\n", cases[i].text);
        expect_row(SHARE, &source, line);
    }
}

static void values_of_the_last_label(void **state)
{
    (void)state;
    struct shop_stats stats[3] = {0};
    struct metric_source source = source_of(stats, ARRAY_LEN(stats));
    for (unsigned i = 0; i < ARRAY_LEN(stats); i++) {
        metric_add(&stats[i].sold[1], i + 1);
        metric_add(&stats[i].returned[2], 10);
    }
    expect_row(SOLD, &source,
               "shop_sold_total{shop=\"corner\",flavour=\"sweet\"} 0\n"
               "shop_sold_total{shop=\"corner\",flavour=\"sour\"} 6\n"
               "shop_sold_total{shop=\"corner\",flavour=\"bitter\"} 0\n");
    expect_row(RETURNED, &source, "shop_returned_total{shop=\"corner\",flavour=\"bitter\"} 30\n");
    expect_row(
        MOOD, &source,
        "shop_mood{shop=\"corner\",mood=\"good\"} 1\nshop_mood{shop=\"corner\",mood=\"bad\"} 0\n");
}

/* One more row in a table, and a struct has one more number, which is summed and written. */
static void a_metric_is_one_row(void **state)
{
    (void)state;
#define BIGGER_SHOP_METRICS(METRIC) \
    SHOP_METRICS(METRIC) METRIC(cats, GAUGE, ONE, "shop_cats", "shop", "Cats that sleep in it.")
#define BIGGER_SHOP_ROW(...) METRIC_ROW(bigger_shop, __VA_ARGS__)
    struct bigger_shop {
        BIGGER_SHOP_METRICS(METRIC_MEMBER)
    } stats[2] = {0};
    static const struct metric_row rows[] = {BIGGER_SHOP_METRICS(BIGGER_SHOP_ROW)};
    const double share = 0.5;
    const struct metric_source source = {.first = stats,
                                         .stride = sizeof stats[0],
                                         .count = 2,
                                         .labels = &corner,
                                         .label_count = 1,
                                         .owner = &share};
    const struct metric_set set = METRIC_SET(rows);
    struct buf out;
    struct metrics_writer w;
    metric_add(&stats[0].cats, 1);
    metric_add(&stats[1].cats, 2);
    buf_init(&out, OUTPUT_MAX);
    metrics_write_init(&w, &out);
    metrics_write_set(&w, &set, &source);
    assert_int_equal(metrics_write_end(&w), 0);
    assert_int_equal(set.count, ARRAY_LEN(shop_rows) + 1);
    assert_int_equal(sizeof stats[0], sizeof(struct shop_stats) + sizeof(struct metric_cell));
    assert_true(str_ends(buf_str(&out), STR("# HELP shop_cats Cats that sleep in it.\n"
                                            "# TYPE shop_cats gauge\n"
                                            "shop_cats{shop=\"corner\"} 3\n")));
    buf_fini(&out);
}

/* A value that equals a bound belongs to it; one microsecond more to the next. */
static void check_buckets(enum metric_kind kind, void (*observe_us)(struct histogram *, uint64_t))
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        struct histogram h = {0};
        uint64_t us = (uint64_t)llround(histogram_bound(kind, i) * 1e6);
        if (i) assert_true(histogram_bound(kind, i) > histogram_bound(kind, i - 1));
        observe_us(&h, us);
        observe_us(&h, us + 1);
        assert_int_equal(metric_read(&h.bucket[i]), 1);
        assert_int_equal(metric_read(&h.bucket[i + 1]), 1);
        assert_int_equal(metric_read(&h.sum), 2 * us + 1);
    }
    struct histogram h = {0};
    observe_us(&h, 0);
    observe_us(&h, (uint64_t)1 << 50);
    assert_int_equal(metric_read(&h.bucket[0]), 1);
    assert_int_equal(metric_read(&h.bucket[HISTOGRAM_BUCKETS - 1]), 1);
}

static void observations_fall_into_their_buckets(void **state)
{
    (void)state;
    check_buckets(METRIC_HISTOGRAM, histogram_observe_us);
    check_buckets(METRIC_SPANS, histogram_observe_span_us);
}

/* What a request may take, the longest timeout that is preset, must not all be +Inf. */
static void spans_reach_to_the_longest_timeout(void **state)
{
    (void)state;
    assert_true(histogram_bound(METRIC_SPANS, HISTOGRAM_BUCKETS - 2) >= 30 * 60);
}

static void histograms_are_written_cumulative(void **state)
{
    (void)state;
    struct shop_stats stats[2] = {0};
    const struct metric_source source = source_of(stats, 2);
    struct buf out;
    struct metrics_writer w;
    histogram_observe_us(&stats[0].seconds, 1000);
    histogram_observe_us(&stats[0].seconds, 700000);
    histogram_observe_us(&stats[1].seconds, 70000000);
    buf_init(&out, OUTPUT_MAX);
    metrics_write_init(&w, &out);
    metrics_write_row(&w, &shop_rows[SECONDS], &source);
    assert_int_equal(metrics_write_end(&w), 0);
    struct str text = buf_str(&out);
    static const char *const due[] = {
        "# TYPE shop_seconds histogram\n",
        "\nshop_seconds_bucket{shop=\"corner\",le=\"0.001\"} 1\n",
        "\nshop_seconds_bucket{shop=\"corner\",le=\"0.5\"} 1\n",
        "\nshop_seconds_bucket{shop=\"corner\",le=\"1\"} 2\n",
        "\nshop_seconds_bucket{shop=\"corner\",le=\"60\"} 2\n",
        "\nshop_seconds_bucket{shop=\"corner\",le=\"+Inf\"} 3\n",
        "\nshop_seconds_sum{shop=\"corner\"} 70.701000\n",
        "\nshop_seconds_count{shop=\"corner\"} 3\n",
    };
    ptrdiff_t last = -1;
    for (size_t i = 0; i < ARRAY_LEN(due); i++) {
        ptrdiff_t at = str_find(text, str_of(due[i]));
        if (at <= last) fail_msg("missing or out of order: %s", due[i]);
        last = at;
    }
    buf_fini(&out);
}

static void sizes_are_histograms_too(void **state)
{
    (void)state;
    static const struct metric_row row = {
        .kind = METRIC_SIZES, .name = "bags", .labels = "", .help = "Things in a bag."};
    static const uint64_t sizes[] = {0, 1, 2, 3, 64, 65, 65536, 65537};
    struct histogram h = {0};
    struct buf out;
    struct metrics_writer w;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        histogram_observe_size(&h, sizes[i]);
    buf_init(&out, OUTPUT_MAX);
    metrics_write_init(&w, &out);
    metrics_write_row(&w, &row, &(struct metric_source){.first = &h, .count = 1});
    assert_int_equal(metrics_write_end(&w), 0);
    static const char *const due[] = {
        "# TYPE bags histogram\n",           "\nbags_bucket{le=\"1\"} 2\n",
        "\nbags_bucket{le=\"2\"} 3\n",       "\nbags_bucket{le=\"4\"} 4\n",
        "\nbags_bucket{le=\"64\"} 5\n",      "\nbags_bucket{le=\"128\"} 6\n",
        "\nbags_bucket{le=\"65536\"} 7\n",   "\nbags_bucket{le=\"+Inf\"} 8\n",
        "\nbags_sum 131208\nbags_count 8\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(due); i++)
        if (str_find(buf_str(&out), str_of(due[i])) < 0) fail_msg("no %s", due[i]);
    buf_fini(&out);
}

/* Each row of metrics.def with "x" for each of its labels. */
static void write_all(struct buf *out)
{
    static const struct str values[] = {{"x", 1}, {"x", 1}, {"x", 1}};
    struct histogram h = {0};
    struct metrics_writer w;
    histogram_observe_us(&h, 1234);
    metrics_write_init(&w, out);
    for (size_t i = 0; i < all_metrics.count; i++) {
        struct metric_source source = {.first = &h, .count = 1, .labels = values};
        struct str rest =
            *all_metrics.rows[i].labels ? str_of(all_metrics.rows[i].labels) : STR_NULL;
        for (struct str name; str_cut(&rest, ',', &name);)
            source.label_count++;
        assert(source.label_count <= ARRAY_LEN(values));
        metrics_write_row(&w, &all_metrics.rows[i], &source);
    }
    assert(metrics_write_end(&w) == 0);
}

static void every_row_can_be_written(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    write_all(&out);
    for (size_t i = 0; i < all_metrics.count; i++)
        assert_true(str_find(buf_str(&out), str_of(all_metrics.rows[i].name)) > 0);
    buf_fini(&out);
}

static void a_full_buffer_is_reported(void **state)
{
    (void)state;
    struct shop_stats stats = {0};
    const struct metric_source source = source_of(&stats, 1);
    struct buf out;
    struct metrics_writer w;
    buf_init(&out, 100);
    metrics_write_init(&w, &out);
    metrics_write_row(&w, &shop_rows[OPEN], &source);
    metrics_write_row(&w, &shop_rows[SECONDS], &source);
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
    assert_true(str_find(text, STR("10, 30, 60, +Inf.\n")) > 0);
    assert_true(str_ends(text, STR("16384, 32768, 65536, +Inf.\n")));
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
        cmocka_unit_test(values_of_the_last_label),
        cmocka_unit_test(a_metric_is_one_row),
        cmocka_unit_test(observations_fall_into_their_buckets),
        cmocka_unit_test(spans_reach_to_the_longest_timeout),
        cmocka_unit_test(histograms_are_written_cumulative),
        cmocka_unit_test(sizes_are_histograms_too),
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
