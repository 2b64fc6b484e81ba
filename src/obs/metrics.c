/* SPDX-License-Identifier: Apache-2.0 */

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "json/write.h"
#include "obs/metrics_priv.h"

static const struct metric_row rows[] = {
#define METRIC(field, kind, from, name, labels, help) {METRIC_##kind, name, labels, help},
#include "obs/metrics.def"
};
const struct metric_set all_metrics = METRIC_SET(rows);

/* In microseconds. */
static const uint64_t step_bounds[HISTOGRAM_BUCKETS - 1] = {
    250,    500,    1000,    2500,    5000,    10000,    25000,    50000,   100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000};
static const uint64_t span_bounds[HISTOGRAM_BUCKETS - 1] = {
    5000,    10000,    25000,    50000,    100000,    250000,    500000,    1000000,   2500000,
    5000000, 10000000, 30000000, 60000000, 120000000, 300000000, 600000000, 1800000000};

static const char *const kind_names[] = {"counter", "gauge", "histogram", "histogram", "histogram"};

double histogram_bound(enum metric_kind kind, size_t bucket)
{
    if (kind == METRIC_SIZES) return (double)((uint64_t)1 << bucket);
    return (double)(kind == METRIC_SPANS ? span_bounds : step_bounds)[bucket] / USEC_PER_SEC;
}

static void observe(struct histogram *h, size_t bucket, uint64_t value)
{
    metric_add(&h->bucket[bucket], 1);
    metric_add(&h->sum, value);
}

static void observe_us(struct histogram *h, const uint64_t bounds[HISTOGRAM_BUCKETS - 1],
                       uint64_t us)
{
    size_t i = 0;
    while (i < HISTOGRAM_BUCKETS - 1 && us > bounds[i])
        i++;
    observe(h, i, us);
}

void histogram_observe_us(struct histogram *h, uint64_t us)
{
    observe_us(h, step_bounds, us);
}

void histogram_observe_span_us(struct histogram *h, uint64_t us)
{
    observe_us(h, span_bounds, us);
}

void histogram_observe_size(struct histogram *h, uint64_t size)
{
    size_t i = 0;
    while (i < HISTOGRAM_BUCKETS - 1 && size > (uint64_t)1 << i)
        i++;
    observe(h, i, size);
}

/* --- writing --- */

void metrics_write_init(struct metrics_writer *w, struct buf *out)
{
    *w = (struct metrics_writer){.out = out};
}

int metrics_write_end(struct metrics_writer *w)
{
    return w->err;
}

void metrics__put(struct metrics_writer *w, struct str s)
{
    if (!w->err) w->err = buf_append(w->out, s);
}

static void put_text(struct metrics_writer *w, const char *text)
{
    metrics__put(w, str_of(text));
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
            metrics__put(w, str_n((const char[]){'\\', (char)*p}, 2));
        else
            metrics__put(w, str_n((const char *)p, (size_t)n));
        p += n < 0 ? -n : n;
    }
}

void metrics__put_label(struct metrics_writer *w, struct str name, struct str value, bool first)
{
    put_text(w, first ? "{" : ",");
    metrics__put(w, name);
    put_text(w, "=\"");
    put_value(w, value);
    put_text(w, "\"");
}

void metrics__begin(struct metrics_writer *w, const struct metric_row *row)
{
    if (w->err || w->current == row) return;
    w->current = row;
    w->err = buf_printf(w->out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                        kind_names[row->kind]);
}

/* The name with a suffix, and its labels; `last` is the value of the last one and `le` a
 * bucket's bound, or NULL. */
static void put_series(const struct metric_series *s, const char *suffix, const char *last,
                       const char *le)
{
    const struct metric_source *source = s->source;
    struct str rest = *s->row->labels ? str_of(s->row->labels) : STR_NULL, name;
    size_t i = 0;
    metrics__begin(s->w, s->row);
    put_text(s->w, s->row->name);
    put_text(s->w, suffix);
    for (; str_cut(&rest, ',', &name); i++) {
        assert(i < source->label_count + (last != NULL));
        metrics__put_label(s->w, name, i < source->label_count ? source->labels[i] : str_of(last),
                           i == 0);
    }
    assert(i == source->label_count + (last != NULL));
    if (le) metrics__put_label(s->w, STR("le"), str_of(le), i == 0);
    put_text(s->w, i || le ? "} " : " ");
}

static void put_u64(struct metrics_writer *w, uint64_t value)
{
    if (!w->err) w->err = buf_printf(w->out, "%llu\n", (unsigned long long)value);
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

void series_put(const struct metric_series *s, uint64_t value)
{
    put_series(s, "", NULL, NULL);
    put_u64(s->w, value);
}

void series_put_double(const struct metric_series *s, double value)
{
    put_series(s, "", NULL, NULL);
    put_double(s->w, value);
}

void series_put_of(const struct metric_series *s, const char *label, uint64_t value)
{
    put_series(s, "", label, NULL);
    put_u64(s->w, value);
}

/* The sum over all threads of the cell that lies at `offset` in a row's number. */
static uint64_t sum(const struct metric_series *s, size_t offset)
{
    const char *first = s->source->first;
    uint64_t total = 0;
    for (size_t i = 0; i < s->source->count; i++)
        total += metric_read(
            (const struct metric_cell *)(first + i * s->source->stride + s->row->offset + offset));
    return total;
}

static void write_values(const struct metric_series *s)
{
    for (unsigned i = 0; i < s->row->values; i++) {
        uint64_t total = sum(s, i * sizeof(struct metric_cell));
        if (total || !s->row->seen) series_put_of(s, s->row->text(i), total);
    }
}

static void write_sum(const struct metric_series *s)
{
    uint64_t total = sum(s, offsetof(struct histogram, sum));
    put_series(s, "_sum", NULL, NULL);
    if (s->row->kind == METRIC_SIZES)
        put_u64(s->w, total);
    else if (!s->w->err)
        s->w->err = buf_printf(s->w->out, "%llu.%06u\n", (unsigned long long)(total / USEC_PER_SEC),
                               (unsigned)(total % USEC_PER_SEC));
}

static void write_histogram(const struct metric_series *s)
{
    uint64_t total = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        char le[16] = "+Inf";
        if (i < HISTOGRAM_BUCKETS - 1)
            snprintf(le, sizeof le, "%g", histogram_bound(s->row->kind, i));
        total += sum(s, offsetof(struct histogram, bucket) + i * sizeof(struct metric_cell));
        put_series(s, "_bucket", NULL, le);
        put_u64(s->w, total);
    }
    write_sum(s);
    put_series(s, "_count", NULL, NULL);
    put_u64(s->w, total);
}

void metrics_write_row(struct metrics_writer *w, const struct metric_row *row,
                       const struct metric_source *source)
{
    const struct metric_series s = {w, row, source};
    if (row->ask)
        row->ask(&s);
    else if (row->text)
        write_values(&s);
    else if (row->kind >= METRIC_HISTOGRAM)
        write_histogram(&s);
    else
        series_put(&s, sum(&s, 0));
}

void metrics_write_set(struct metrics_writer *w, const struct metric_set *set,
                       const struct metric_source *source)
{
    for (size_t i = 0; i < set->count; i++)
        metrics_write_row(w, &set->rows[i], source);
}

/* --- the manual --- */

static int write_manual_row(struct buf *out, const struct metric_row *row)
{
    int err = buf_printf(out, "| `%s` | %s | ", row->name, kind_names[row->kind]);
    struct str rest = *row->labels ? str_of(row->labels) : STR_NULL, name;
    for (bool first = true; !err && str_cut(&rest, ',', &name); first = false)
        err = buf_printf(out, "%s`%" STR_FMT "`", first ? "" : ", ", STR_ARG(name));
    return err ? err : buf_printf(out, " | %s |\n", row->help);
}

static int write_manual_bounds(struct buf *out, enum metric_kind kind, struct str what)
{
    int err = buf_append(out, what);
    for (size_t i = 0; !err && i < HISTOGRAM_BUCKETS - 1; i++)
        err = buf_printf(out, "%g, ", histogram_bound(kind, i));
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
            "are told by each `hostler-engine`. The gateway asks its engines every 5 s and passes on "
            "what they told last, with one more\n"
            "label, `model`; an engine that does not answer within 2 s, or that does not run, is left "
            "out until it does. An engine answers\n"
            "these rows, and those of a process, at its own `/metrics`, too "
            "([engine.md](engine.md#metrics)).\n\n"
            "A model that a runtime of `runtimes` lists is told of once it has been asked; of such "
            "models at most 1,000.\n\n"
            "| Name | Kind | Labels | Meaning |\n|---|---|---|---|\n"));
    for (size_t i = 0; !err && i < all_metrics.count; i++)
        err = write_manual_row(out, &all_metrics.rows[i]);
    if (!err)
        err = write_manual_bounds(out, METRIC_SPANS,
                                  STR("\nBuckets of what somebody waits for (whole requests, first "
                                      "tokens, queues and slots), in seconds: "));
    if (!err)
        err = write_manual_bounds(out, METRIC_HISTOGRAM,
                                  STR("\nBuckets of all other times, in seconds: "));
    return err ? err : write_manual_bounds(out, METRIC_SIZES, STR("\nOf tokens: "));
}
