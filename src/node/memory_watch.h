/* SPDX-License-Identifier: Apache-2.0 */
/* Has new requests refused while the control group's memory is short. Main thread. */
#ifndef HOSTLER_NODE_MEMORY_WATCH_H
#define HOSTLER_NODE_MEMORY_WATCH_H

#include "loop/loop.h"
#include "node/memory_limit.h"
#include "obs/metrics.h"

struct memory_watch {
    struct memory_limit limit;
    struct loop *loop;
    struct task task;
    struct timer timer;
    uint64_t percent;             /* above which it is short; 0: never. May be changed */
    double used;                  /* when it was looked at last */
    struct metric_cell *shortage; /* becomes 1 and 0 */
};

/* Looks now and then every 0.25 s; not at all where there is no limit. */
void memory_watch_start(struct memory_watch *w, struct loop *loop, struct metric_cell *shortage);
void memory_watch_stop(struct memory_watch *w); /* fine on a zeroed one */

/* Whether it is short: from `percent` on, until it has fallen 3 points below. */
bool memory_is_short(double used, uint64_t percent, bool was_short);

#endif
