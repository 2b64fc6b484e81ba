/* SPDX-License-Identifier: Apache-2.0 */
#include "obs/metrics.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "json/write.h"

const struct metric_row metric_rows[METRIC_COUNT] = {
#define METRIC(id, kind, name, labels, help) [METRIC_##id] = {kind, name, labels, help},
#include "obs/metrics.def"
#undef METRIC
};

const double histogram_bounds[HISTOGRAM_BUCKETS - 1] = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

/* The same in microseconds. */
static const uint64_t bounds_us[HISTOGRAM_BUCKETS - 1] = {
    1000,   2500,    5000,    10000,   25000,    50000,    100000,  250000,
    500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000};

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

void histogram_observe_us(struct histogram *h, uint64_t us)
{
    size_t i = 0;
    while (i < HISTOGRAM_BUCKETS - 1 && us > bounds_us[i])
        i++;
    metric_add(&h->bucket[i], 1);
    metric_add(&h->sum_us, us);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        metric_add(&into->bucket[i], metric_read(&from->bucket[i]));
    metric_add(&into->sum_us, metric_read(&from->sum_us));
}

void metrics_write_init(struct metrics_writer *w, struct buf *out)
{
    *w = (struct metrics_writer){.out = out, .current = -1};
}

int metrics_write_end(struct metrics_writer *w)
{
    return w->err;
}

static void put(struct metrics_writer *w, struct str s)
{
    if (!w->err) w->err = buf_append(w->out, s);
}

static void put_text(struct metrics_writer *w, const char *text)
{
    put(w, str_of(text));
}

/* The bytes of a label's value: backslash, quote and line feed are escaped,
 * invalid UTF-8 becomes U+FFFD. */
static void put_value(struct metrics_writer *w, struct str value)
{
    const unsigned char *p = (const unsigned char *)(value.ptr ? value.ptr : ""),
                        *end = p + value.len;
    while (p < end) {
        int n = utf8_step(p, end);
        if (n < 0)
            put_text(w, "\xef\xbf\xbd");
        else if (*p == '\n')
            put_text(w, "\\n");
        else if (*p == '"' || *p == '\\')
            put(w, str_n((const char[]){'\\', (char)*p}, 2));
        else
            put(w, str_n((const char *)p, (size_t)n));
        p += n < 0 ? -n : n;
    }
}

static void put_label(struct metrics_writer *w, const char *name, struct str value, bool first)
{
    put_text(w, first ? "{" : ",");
    put_text(w, name);
    put_text(w, "=\"");
    put_value(w, value);
    put_text(w, "\"");
}

/* The name with a suffix, and its labels; `le` is a bucket's bound or NULL. */
static void put_series(struct metrics_writer *w, enum metric_id id, const char *suffix,
                       const struct metric_label *labels, size_t count, const char *le)
{
    put_text(w, metric_rows[id].name);
    put_text(w, suffix);
    for (size_t i = 0; i < count; i++)
        put_label(w, labels[i].name, labels[i].value, i == 0);
    if (le) put_label(w, "le", str_of(le), count == 0);
    put_text(w, count || le ? "} " : " ");
}

static bool labels_match(const char *due, const struct metric_label *labels, size_t count)
{
    struct str rest = *due ? str_of(due) : STR_NULL, name;
    for (size_t i = 0; i < count; i++)
        if (!str_cut(&rest, ',', &name) || !str_eq(name, str_of(labels[i].name))) return false;
    return !rest.ptr;
}

/* HELP and TYPE come before the first series of a metric. */
static void begin(struct metrics_writer *w, enum metric_id id, const struct metric_label *labels,
                  size_t count)
{
    const struct metric_row *row = &metric_rows[id];
    assert(labels_match(row->labels, labels, count));
    if (w->err || w->current == (int)id) return;
    w->current = (int)id;
    w->err = buf_printf(w->out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                        kind_names[row->kind]);
}

static void put_u64(struct metrics_writer *w, uint64_t value)
{
    if (!w->err) w->err = buf_printf(w->out, "%llu\n", (unsigned long long)value);
}

void metrics_write_u64(struct metrics_writer *w, enum metric_id id,
                       const struct metric_label *labels, size_t count, uint64_t value)
{
    assert(metric_rows[id].kind != METRIC_HISTOGRAM);
    begin(w, id, labels, count);
    put_series(w, id, "", labels, count, NULL);
    put_u64(w, value);
}

static void put_double(struct metrics_writer *w, double value)
{
    if (w->err) return;
    if (isfinite(value)) {
        struct json_writer number;
        json_write_init(&number, w->out);
        json_write_double(&number, value);
        w->err = json_write_end(&number);
    } else {
        put_text(w, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    }
    put_text(w, "\n");
}

void metrics_write_double(struct metrics_writer *w, enum metric_id id,
                          const struct metric_label *labels, size_t count, double value)
{
    assert(metric_rows[id].kind != METRIC_HISTOGRAM);
    begin(w, id, labels, count);
    put_series(w, id, "", labels, count, NULL);
    put_double(w, value);
}

void metrics_write_histogram(struct metrics_writer *w, enum metric_id id,
                             const struct metric_label *labels, size_t count,
                             const struct histogram *h)
{
    uint64_t total = 0, sum = metric_read(&h->sum_us);
    assert(metric_rows[id].kind == METRIC_HISTOGRAM);
    begin(w, id, labels, count);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        char le[16] = "+Inf";
        if (i < HISTOGRAM_BUCKETS - 1) snprintf(le, sizeof le, "%g", histogram_bounds[i]);
        total += metric_read(&h->bucket[i]);
        put_series(w, id, "_bucket", labels, count, le);
        put_u64(w, total);
    }
    put_series(w, id, "_sum", labels, count, NULL);
    if (!w->err)
        w->err = buf_printf(w->out, "%llu.%06u\n", (unsigned long long)(sum / USEC_PER_SEC),
                            (unsigned)(sum % USEC_PER_SEC));
    put_series(w, id, "_count", labels, count, NULL);
    put_u64(w, total);
}

static int write_manual_row(struct buf *out, const struct metric_row *row)
{
    int err = buf_printf(out, "| `%s` | %s | ", row->name, kind_names[row->kind]);
    struct str rest = *row->labels ? str_of(row->labels) : STR_NULL, name;
    for (bool first = true; !err && str_cut(&rest, ',', &name); first = false)
        err = buf_printf(out, "%s`%" STR_FMT "`", first ? "" : ", ", STR_ARG(name));
    return err ? err : buf_printf(out, " | %s |\n", row->help);
}

static int write_manual_bounds(struct buf *out)
{
    int err = buf_append(out, STR("\nBuckets of histograms, in seconds: "));
    for (size_t i = 0; !err && i < HISTOGRAM_BUCKETS - 1; i++)
        err = buf_printf(out, "%g, ", histogram_bounds[i]);
    return err ? err : buf_append(out, STR("+Inf.\n"));
}

int metrics_write_manual(struct buf *out)
{
    int err = buf_append(
        out,
        STR("# Metrics\n\n"
            "What `/metrics` answers, in the Prometheus text format. Generated from the table in "
            "`src/obs/metrics.def`.\n\n"
            "The gateway's `/metrics` needs a key where `keys` are configured, any of them. Rows "
            "whose meaning begins with \"Engine:\"\n"
            "are not among its own: each `hostler-engine` answers them at its own `/metrics`, on "
            "the socket that the gateway\n"
            "reaches it by.\n\n"
            "| Name | Kind | Labels | Meaning |\n|---|---|---|---|\n"));
    for (size_t i = 0; !err && i < METRIC_COUNT; i++)
        err = write_manual_row(out, &metric_rows[i]);
    return err ? err : write_manual_bounds(out);
}
