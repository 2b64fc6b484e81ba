/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint's passive health: failures lead to a cooldown, each longer than the last, then one
 * trial. Failures in a row count, or (by_rate) those that are more than what succeeds beside them.
 *
 *   CLOSED --failures, or Retry-After--> OPEN --time--> HALF_OPEN --trial succeeds--> CLOSED
 *                                         ^                |
 *                                         +--trial fails---+   (cooldown doubles)
 *
 * Pure: time and randomness come from the caller, who also serialises the calls. */
#ifndef HOSTLER_ROUTE_BREAKER_H
#define HOSTLER_ROUTE_BREAKER_H

#include "base/base.h"
#include "base/rand.h"

struct breaker_rules {
    unsigned failures;    /* that lead to a cooldown, at least 1: in a row, or by_rate of late */
    bool by_rate;         /* a success does not forget failures, but is weighed against them */
    uint64_t cooldown_us; /* the first one; doubles up to the maximum */
    uint64_t cooldown_max_us; /* bounds Retry-After too */
};

/* by_rate: the counts are halved each time this has passed, so that old ones fade. */
#define BREAKER_FADE_US ((uint64_t)10 * 1000 * 1000)

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* A zeroed breaker is closed. */
struct breaker {
    unsigned failures;   /* in a row; by_rate: of late */
    unsigned successes;  /* by_rate: since the failures began, of late */
    uint64_t counted_us; /* by_rate: when the counts were halved last */
    unsigned trips;      /* cooldowns since the last success */
    bool tripped;        /* open or half-open */
    bool trial;          /* half-open and its one request is on the way */
    uint64_t until_us;   /* end of the cooldown, while tripped */
};

enum breaker_state breaker_state(const struct breaker *b, uint64_t now_us);

/* True when a request may be sent now; in half-open that is one at a time. */
bool breaker_allows(const struct breaker *b, uint64_t now_us);

/* A request is being sent; true when it is the trial, which must end in success, failure or
 * abandon. */
bool breaker_begin(struct breaker *b, uint64_t now_us);

/* A trial, or an ordinary request, succeeded. */
void breaker_success(struct breaker *b, const struct breaker_rules *rules, uint64_t now_us);

/* Forgets everything: it is known to be well. */
void breaker_reset(struct breaker *b);

/* One more failure. retry_after_us > 0 opens at once, for just so long while the failures are too
 * few for a cooldown. A cooldown that runs is not doubled by stragglers, only lengthened by their
 * Retry-After. A cooldown is drawn up to a tenth longer; a Retry-After stays as it is. */
void breaker_failure(struct breaker *b, const struct breaker_rules *rules, uint64_t retry_after_us,
                     uint64_t now_us, struct rng *rng);

/* It is known to be no better yet: no trial before this time. For a tripped one. */
void breaker_hold(struct breaker *b, uint64_t until_us);

/* The trial ended without a verdict (client gone): the next request is the trial. */
void breaker_abandon(struct breaker *b);

#endif
