/* SPDX-License-Identifier: Apache-2.0 */
/* A retry budget: retries may be a percentage of the requests of the last
 * 10 seconds, plus a minimum.
 *
 * So a failing upstream sees at most that much more than was asked for. Each thread counts in a
 * budget of its own, and whoever wants to retry adds all of them up: the budget is one, however
 * many threads there are. Pure; zeroed to begin with. Written by one thread, read by any; threads
 * that ask at the same instant may together take one too many each. */
#ifndef HOSTLER_ROUTE_RETRY_H
#define HOSTLER_ROUTE_RETRY_H

#include <stdatomic.h>

#include "base/base.h"

enum { RETRY_WINDOW_SEC = 10 };

struct retry_slot {
    _Atomic uint64_t second; /* on the caller's clock, plus 1; 0: unused */
    _Atomic uint32_t requests;
    _Atomic uint32_t retries;
};

struct retry_budget {
    struct retry_slot slots[RETRY_WINDOW_SEC]; /* second modulo the window */
};

/* What the budgets that were added have counted in the last 10 seconds. */
struct retry_sums {
    uint64_t requests;
    uint64_t retries;
};

/* Counts a first attempt, or a retry. The owning thread's. */
void retry_count_request(struct retry_budget *b, uint64_t now_us);
void retry_count_retry(struct retry_budget *b, uint64_t now_us);

/* Adds what a budget has counted. */
void retry_add(const struct retry_budget *b, uint64_t now_us, struct retry_sums *sums);

/* True when one more retry is within budget. */
bool retry_allowed(const struct retry_sums *sums, uint64_t percent, uint64_t minimum);

#endif
