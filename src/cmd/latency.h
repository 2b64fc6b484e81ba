/* SPDX-License-Identifier: Apache-2.0 */
/* A histogram of durations from 0 to 12 days in microseconds, with a relative error below 0.8 %.
 *
 * Log-linear: exact up to 255, then 128 buckets for each power of two. Plain data, one thread. */
#ifndef HOSTLER_CMD_LATENCY_H
#define HOSTLER_CMD_LATENCY_H

#include "base/base.h"

enum {
    LATENCY_SUB_BITS = 7,
    LATENCY_TOP_BIT = 40,
    LATENCY_BUCKETS = (LATENCY_TOP_BIT - LATENCY_SUB_BITS + 1) << LATENCY_SUB_BITS
};

struct latency {
    uint64_t count;
    uint64_t sum_us;
    uint64_t min_us; /* meaningless while count is 0 */
    uint64_t max_us;
    uint64_t buckets[LATENCY_BUCKETS];
};

void latency_record(struct latency *l, uint64_t us);

/* The duration that a share q (0..1) of the recorded ones does not exceed: the upper end of its
 * bucket, at most the greatest one recorded. 0 when nothing was recorded. */
uint64_t latency_at(const struct latency *l, double q);

double latency_mean(const struct latency *l); /* 0 when nothing was recorded */

#endif
