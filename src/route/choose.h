/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing among a service's endpoints: whom a request may go to now, in which order of
 * preference, and what to hope for where nobody is free.
 *
 * Pure: endpoints are looked at and taken through a source, which may be a live service or a
 * simulation. */
#ifndef HOSTLER_ROUTE_CHOOSE_H
#define HOSTLER_ROUTE_CHOOSE_H

#include "base/base.h"
#include "base/rand.h"
#include "route/pick.h"

enum route_phase {
    ROUTE_UP,
    ROUTE_COMING, /* will be up soon, or as soon as it is wanted */
    ROUTE_DOWN,
};

/* How often an endpoint that cools down is probed, so that it may be back then. */
#define ROUTE_RECOVERY_US ((uint64_t)1000 * 1000)

/* How one endpoint looks now. Times are on the caller's clock. */
struct route_view {
    uint32_t inflight;
    uint32_t capacity; /* 0: no limit */
    uint32_t weight;
    enum route_phase phase;
    bool tried;            /* by this request */
    bool troubled;         /* has failures to forget */
    bool shunned;          /* others are preferred */
    uint64_t retry_at_us;  /* ROUTE_DOWN: when it may be better; 0: unknown */
    uint64_t closed_until; /* cannot be reached before; UINT64_MAX: a trial runs; 0: can be */
    uint64_t rest_until;   /* asked for a pause until then */
};

/* The endpoints of a service, by place from 0. */
struct route_source {
    void *owner;
    size_t count;
    void (*view)(void *owner, size_t place, struct route_view *out);

    /* Takes a credit there. `last`: although it is shunned. False: another was faster. */
    bool (*take)(void *owner, size_t place, bool last);
};

struct route_wish {
    enum route_policy policy;
    uint64_t turn; /* round robin's running number */
    bool retry;    /* one of them was tried: those without recent failures come first */
    struct rng *rng;
    uint64_t now_us;
};

enum {
    CHOOSE_TAKEN = 0, /* `take` was true */
    CHOOSE_WAIT = 1,  /* one is full, coming or on trial: waiting makes sense */
    CHOOSE_REST = 2,  /* what is left asked for a pause that is over soon */
    CHOOSE_NOBODY = 3,
};

/* CHOOSE_NOBODY: *retry_after_us is when the first may be better, from now; 0 when no wait would
 * help. */
int route_choose(const struct route_source *source, const struct route_wish *wish,
                 uint64_t *retry_after_us);

/* Whether one of them could be taken now (*now), or soon. Only a question. */
bool route_hopeful(const struct route_source *source, uint64_t now_us, bool *now);

#endif
