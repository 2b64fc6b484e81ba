/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a loop keeps up with what it is asked, and what it may begin while it does not.
 *
 * A turn lasts from the loop's waking to its falling asleep again; whatever becomes ready meanwhile
 * waits until the next one. A long turn alone says little: the thread may have been off its core. So
 * a loop is behind when for a whole interval, without a long sleep, not one of at least two turns was
 * shorter than the target (as CoDel tells a standing queue from a burst, RFC 8289).
 *
 * While it is behind, each turn has credits: so many requests may be begun, and some may be refused;
 * then nothing that is new is even read. A refusal costs nearly half of what a short request does, so
 * most of what is too much is better left to the kernel, and connections are hardly accepted but where
 * the last turn has left credits. Turns that are longer than the target lessen the credits of the next
 * one, shorter ones raise them. A loop has caught up with the first turn of half the target in which
 * nobody was turned away.
 *
 * Time is told by the caller. One thread's, but for the metrics. */
#ifndef HOSTLER_LOOP_LAG_H
#define HOSTLER_LOOP_LAG_H

#include "base/base.h"
#include "base/clock.h"
#include "obs/metrics.h"

enum {
    LAG_INTERVAL_US = 100 * USEC_PER_MS,
    LAG_CREDIT = 64,       /* requests of the first turn behind */
    LAG_REFUSALS_MIN = 64, /* in the target's time, and one for each LAG_REFUSAL_SHARE requests */
    LAG_REFUSAL_SHARE = 8,
    LAG_ACCEPTS_MIN = 8, /* of a turn and listener, so that probes get through */
};

struct lag {
    uint64_t target_us;   /* 0: it is never behind */
    uint64_t turn_us;     /* when this turn began; 0: it has not */
    uint64_t slept_us;    /* when the last one ended */
    uint64_t interval_us; /* when the interval began; 0: with the next turn */
    uint64_t least_us;    /* its shortest turn so far */
    unsigned turns;       /* in it */
    bool behind;
    /* while it is behind */
    bool turned_away;               /* somebody was, in this turn */
    bool eased;                     /* the last one has left credits */
    uint64_t credit;                /* requests of a turn */
    uint64_t begin;                 /* that may still be begun in this one */
    uint64_t refuse;                /* that may still be refused */
    struct metric_cell standing_us; /* the shortest turn of the last whole interval */
    struct metric_cell left;    /* connections whose clients had left before they were accepted */
    struct metric_cell put_off; /* reads that were left to a later turn */
};

/* May come at any time; 0 turns it off. */
void lag_set_target(struct lag *lag, uint64_t target_us);

/* At each event: the first one begins the turn. */
static inline void lag_event(struct lag *lag, uint64_t now_us)
{
    if (lag->turn_us == 0) lag->turn_us = now_us;
}

/* The loop is about to sleep. Fine without an event. */
void lag_sleep(struct lag *lag, uint64_t now_us);

bool lag__begin(struct lag *lag, bool urgent);
bool lag__wait(struct lag *lag);

/* A new request has come. False: it must be refused. The last half of a turn's credits are for what is
 * urgent. */
static inline bool lag_begin(struct lag *lag, bool urgent)
{
    return !lag->behind || lag__begin(lag, urgent);
}

/* True: what is new must wait for a later turn, unread. */
static inline bool lag_wait(struct lag *lag)
{
    return lag->behind && lag__wait(lag);
}

/* How many connections may be accepted at once, of `most`. */
static inline unsigned lag_accepts(const struct lag *lag, unsigned most)
{
    return lag->behind && !lag->eased ? MIN(most, LAG_ACCEPTS_MIN) : most;
}

#endif
