/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/latency.h"

#include <math.h>

enum { HALF = 1 << LATENCY_SUB_BITS };

#define GREATEST ((UINT64_C(1) << LATENCY_TOP_BIT) - 1)

/* Values below 2*HALF have a bucket each; above, bucket (shift, top) holds those whose leading
 * bits are `top`, which lies in HALF..2*HALF-1. */
static size_t bucket_of(uint64_t us)
{
    if (us > GREATEST) us = GREATEST;
    if (us < 2 * HALF) return (size_t)us;
    unsigned shift = 63u - (unsigned)__builtin_clzll(us) - LATENCY_SUB_BITS;
    return ((size_t)shift << LATENCY_SUB_BITS) + (size_t)(us >> shift);
}

static uint64_t bucket_end(size_t bucket)
{
    if (bucket < 2 * HALF) return bucket;
    size_t shift = (bucket >> LATENCY_SUB_BITS) - 1;
    uint64_t top = bucket - (shift << LATENCY_SUB_BITS);
    return ((top + 1) << shift) - 1;
}

void latency_record(struct latency *l, uint64_t us)
{
    if (l->count == 0 || us < l->min_us) l->min_us = us;
    if (us > l->max_us) l->max_us = us;
    l->count++;
    l->sum_us += us;
    l->buckets[bucket_of(us)]++;
}

uint64_t latency_at(const struct latency *l, double q)
{
    if (l->count == 0) return 0;
    uint64_t rank = (uint64_t)ceil(q * (double)l->count);
    uint64_t seen = 0;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        seen += l->buckets[i];
        if (seen >= rank && seen > 0) return MIN(bucket_end(i), l->max_us);
    }
    return l->max_us;
}

double latency_mean(const struct latency *l)
{
    return l->count ? (double)l->sum_us / (double)l->count : 0;
}
