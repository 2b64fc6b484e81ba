/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and histograms: plain numbers per worker, summed when scraped.
 *
 * Rows stand in metrics.def: METRIC(id, kind, name, labels, help). A metric without labels lives in
 * one array per worker; metrics with labels are kept by their owner (per model, per endpoint: names
 * come from the configuration only, so that series are bounded) and written with the same writer.
 * A set is written by one thread; any thread may read it (relaxed atomics). */
#ifndef HOSTLER_OBS_METRICS_H
#define HOSTLER_OBS_METRICS_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum metric_id {
#define METRIC(id, kind, name, labels, help) METRIC_##id,
#include "obs/metrics.def"
#undef METRIC
    METRIC_COUNT
};

struct metric_row {
    enum metric_kind kind;
    const char *name;   /* hostler_... with unit and, for counters, _total */
    const char *labels; /* "model,endpoint" or "" */
    const char *help;   /* one sentence */
};

extern const struct metric_row metric_rows[METRIC_COUNT];

/* One number with one writing thread. */
struct metric_cell {
    _Atomic uint64_t v;
};

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

/* Durations in seconds: upper bounds 0.001, 0.0025, 0.005, 0.01 ... 60,
 * ascending; the last bucket is +Inf. */
enum { HISTOGRAM_BUCKETS = 16 };
extern const double histogram_bounds[HISTOGRAM_BUCKETS - 1];

struct histogram {
    struct metric_cell bucket[HISTOGRAM_BUCKETS]; /* not cumulative */
    struct metric_cell sum_us;
};

void histogram_observe_us(struct histogram *h, uint64_t us);

/* Adds `from`, which another thread may be writing, to `into`, the reader's own. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* Writing the exposition format (Prometheus text 0.0.4). Metrics with one name
 * must be written together. */
struct metrics_writer {
    struct buf *out;
    int err;     /* first failure, sticks */
    int current; /* id whose HELP and TYPE were written last, -1 none */
};

/* One label; a metric's labels are given in the order of its row, all of
 * them. Values are escaped. */
struct metric_label {
    const char *name;
    struct str value;
};

void metrics_write_init(struct metrics_writer *w, struct buf *out);
MUST_CHECK int metrics_write_end(struct metrics_writer *w); /* the first failure */
void metrics_write_u64(struct metrics_writer *w, enum metric_id id,
                       const struct metric_label *labels, size_t count, uint64_t value);
void metrics_write_double(struct metrics_writer *w, enum metric_id id,
                          const struct metric_label *labels, size_t count, double value);
void metrics_write_histogram(struct metrics_writer *w, enum metric_id id,
                             const struct metric_label *labels, size_t count,
                             const struct histogram *h);

/* docs/metrics.md, generated from the rows. */
MUST_CHECK int metrics_write_manual(struct buf *out);

#endif
