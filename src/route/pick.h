/* SPDX-License-Identifier: Apache-2.0 */
/* Which of several endpoints takes the next request: a pure function over what is known of them. */
#ifndef HOSTLER_ROUTE_PICK_H
#define HOSTLER_ROUTE_PICK_H

#include "base/base.h"
#include "base/rand.h"

enum route_policy {
    ROUTE_LEAST_BUSY,  /* the less busy of two random ones: power of two choices */
    ROUTE_ROUND_ROBIN, /* the turn-th eligible one */
    ROUTE_WEIGHTED,    /* random in proportion to weight */
};

struct route_candidate {
    uint32_t inflight; /* requests it is working on */
    uint32_t capacity; /* most requests in flight; 0: no limit */
    uint32_t weight;   /* relative share; 0: takes no requests */
    bool usable;       /* healthy, running and not tried before */
};

#define ROUTE_NONE SIZE_MAX

/* True when a request may go there: usable, with weight, below its capacity. */
bool route_eligible(const struct route_candidate *c);

/* The place of the chosen candidate, ROUTE_NONE when none is eligible. Load is inflight per
 * capacity times weight, or per weight without a capacity; equal load is decided at random, so
 * that idle endpoints share alike and a new one is not flooded. `turn` is the caller's running
 * number, used by round robin. */
size_t route_pick(enum route_policy policy, const struct route_candidate *c, size_t n,
                  struct rng *rng, uint64_t turn);

#endif
