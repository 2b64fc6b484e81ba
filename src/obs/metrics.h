/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and histograms: plain numbers per thread, summed when scraped.
 *
 * Rows stand in metrics.def, each under the macro of its owner. The rows of one owner are a set:
 * from them come the struct that the owner counts in, of which each thread has its own, and the
 * table by which all of them are summed and written:
 *
 *     struct lane_stats {                                  static const struct metric_row lane_rows[] = {
 *     #define LANE_METRIC METRIC_MEMBER                    #define LANE_METRIC(...) METRIC_ROW(lane_stats, __VA_ARGS__)
 *     #include "obs/metrics.def"                           #include "obs/metrics.def"
 *     };                                                   };
 *
 * So a new metric is a row there, and whatever counts it: metric_add(&stats->field, 1).
 *
 * A set with labels has one struct per model or endpoint (names come from the configuration
 * only, so that series are bounded). A struct is written by one thread; any thread may read it
 * (relaxed atomics). */
#ifndef HOSTLER_OBS_METRICS_H
#define HOSTLER_OBS_METRICS_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_SPANS, METRIC_SIZES };

/* One number with one writing thread. */
struct metric_cell {
    _Atomic uint64_t v;
};

/* For what goes up and down and has one writer. */
static inline void metric_store(struct metric_cell *c, uint64_t v)
{
    atomic_store_explicit(&c->v, v, memory_order_relaxed);
}

static inline void metric_add(struct metric_cell *c, uint64_t n)
{
    atomic_store_explicit(&c->v, atomic_load_explicit(&c->v, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void metric_sub(struct metric_cell *c, uint64_t n)
{
    atomic_store_explicit(&c->v, atomic_load_explicit(&c->v, memory_order_relaxed) - n,
                          memory_order_relaxed);
}

static inline uint64_t metric_read(const struct metric_cell *c)
{
    return atomic_load_explicit(&((struct metric_cell *)(uintptr_t)c)->v, memory_order_relaxed);
}

/* Three kinds, which differ in their buckets; the last bucket is +Inf. HISTOGRAM: steps of the
 * work, 0.25 ms to a minute. SPANS: what somebody waits for, 5 ms to the half hour that the longest
 * timeout is. SIZES: whole numbers, 1, 2, 4 ... 65536. */
enum { HISTOGRAM_BUCKETS = 18 };

/* The upper bound of a bucket but the last, in seconds or as a number; they ascend. */
double histogram_bound(enum metric_kind kind, size_t bucket);

struct histogram {
    struct metric_cell bucket[HISTOGRAM_BUCKETS]; /* not cumulative */
    struct metric_cell sum;                       /* of microseconds or sizes */
};

void histogram_observe_us(struct histogram *h, uint64_t us);      /* HISTOGRAM */
void histogram_observe_span_us(struct histogram *h, uint64_t us); /* SPANS */
void histogram_observe_size(struct histogram *h, uint64_t size);  /* SIZES */

/* --- sets --- */

/* A member of the struct, for a row of metrics.def. What is asked for takes no room. */
#define METRIC_MEMBER(field, kind, from, ...) METRIC_TYPE_##kind field METRIC_SIZE_##from;
#define METRIC_TYPE_COUNTER struct metric_cell
#define METRIC_TYPE_GAUGE struct metric_cell
#define METRIC_TYPE_HISTOGRAM struct histogram
#define METRIC_TYPE_SPANS struct histogram
#define METRIC_TYPE_SIZES struct histogram
#define METRIC_SIZE_ONE
#define METRIC_SIZE_EACH(count, text) [count]
#define METRIC_SIZE_SEEN(count, text) [count]
#define METRIC_SIZE_ASKED(ask) [0]

/* The same row in the table of `struct set`. */
#define METRIC_ROW(set, field, kind, from, name, labels, help) \
    {METRIC_##kind, name, labels, help, offsetof(struct set, field), METRIC_FROM_##from},
#define METRIC_FROM_ONE .text = NULL
#define METRIC_FROM_EACH(count, t) .values = (count), .text = (t)
#define METRIC_FROM_SEEN(count, t) .values = (count), .text = (t), .seen = true
#define METRIC_FROM_ASKED(function) .ask = (function)

struct metric_series;

struct metric_row {
    enum metric_kind kind;
    const char *name;   /* hostler_... with unit and, for counters, _total */
    const char *labels; /* "model,endpoint" or "" */
    const char *help;   /* one sentence */
    size_t offset;      /* in the struct */
    /* EACH, SEEN: how many numbers, one for each value of the last label, and what the value is */
    unsigned values;
    const char *(*text)(unsigned value);
    bool seen; /* SEEN: those that are 0 are not written */
    /* ASKED: tells the values by series_put... */
    void (*ask)(const struct metric_series *s);
};

struct metric_set {
    const struct metric_row *rows;
    size_t count;
};

/* A set that is the array `rows`. */
#define METRIC_SET(rows) {(rows), ARRAY_LEN(rows)}

/* All rows, in the order of metrics.def. Only their owners' tables know where the numbers are. */
extern const struct metric_set all_metrics;

/* Where the numbers of a set are: the structs of all threads, which lie `stride` bytes apart. */
struct metric_source {
    const void *first;
    size_t stride;
    size_t count;
    const struct str *labels; /* values of the first labels of every row */
    size_t label_count;
    const void *owner; /* what ASKED functions look at */
};

/* --- writing the exposition format (Prometheus text 0.0.4) --- */

struct metrics_writer {
    struct buf *out;
    int err;                          /* first failure, sticks */
    const struct metric_row *current; /* whose HELP and TYPE were written last, NULL: none */
};

void metrics_write_init(struct metrics_writer *w, struct buf *out);
MUST_CHECK int metrics_write_end(struct metrics_writer *w); /* the first failure */

/* Writes a row: the sums over all threads, or what is told when asked. The sources of one row
 * must be written one after the other. */
void metrics_write_row(struct metrics_writer *w, const struct metric_row *row,
                       const struct metric_source *source);

/* Writes all rows of a set that has one source. */
void metrics_write_set(struct metrics_writer *w, const struct metric_set *set,
                       const struct metric_source *source);

/* Writes the series of a row that another process tells in its own page, with a label before its
 * own. The page is not trusted: what does not look as the row's series do is left out, and so is what
 * comes twice. */
void metrics_pass_on(struct metrics_writer *w, const struct metric_row *row, struct str label,
                     struct str value, struct str page);

/* What an ASKED function is called with. It tells no value, one, or one for each value of the
 * last label. */
struct metric_series {
    struct metrics_writer *w;
    const struct metric_row *row;
    const struct metric_source *source;
};

void series_put(const struct metric_series *s, uint64_t value);
void series_put_double(const struct metric_series *s, double value);
void series_put_of(const struct metric_series *s, const char *label, uint64_t value);

/* docs/metrics.md, generated from the rows. */
MUST_CHECK int metrics_write_manual(struct buf *out);

#endif
