/* SPDX-License-Identifier: Apache-2.0 */
/* A retry budget: retries may be a percentage of the requests of the last 10 seconds, plus a
 * minimum.
 *
 * So a failing upstream sees at most that much more than was asked for. Pure; one owner; zeroed
 * to begin with. */
#ifndef HOSTLER_ROUTE_RETRY_H
#define HOSTLER_ROUTE_RETRY_H

#include "base/base.h"

enum { RETRY_WINDOW_SEC = 10 };

struct retry_budget {
    uint64_t second;                     /* the newest slot's second on the caller's clock */
    uint32_t requests[RETRY_WINDOW_SEC]; /* slot: second modulo the window */
    uint32_t retries[RETRY_WINDOW_SEC];
};

/* Counts a first attempt. */
void retry_request(struct retry_budget *b, uint64_t now_us);

/* True, and counted, when one more retry is within budget. */
bool retry_take(struct retry_budget *b, uint64_t now_us, uint64_t percent, uint64_t minimum);

#endif
