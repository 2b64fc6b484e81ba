/* SPDX-License-Identifier: Apache-2.0 */
/* What the cache counts: written by the scheduler's thread, read by any. */
#ifndef HOSTLER_ENGINE_CACHE_CACHE_STATS_H
#define HOSTLER_ENGINE_CACHE_CACHE_STATS_H

#include "obs/metrics.h"

/* Where a prompt's beginning was found. */
enum cache_tier {
    CACHE_PLACE, /* in a slot, which it got */
    CACHE_COPY,  /* in another slot */
    CACHE_RAM,
    CACHE_NONE
};

enum { CACHE_TIERS = CACHE_NONE + 1 };

const char *cache_tier_text(unsigned tier);

struct cache_stats {
#define CACHE_METRIC METRIC_MEMBER
#include "obs/metrics.def"
};

#endif
