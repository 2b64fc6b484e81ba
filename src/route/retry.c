/* SPDX-License-Identifier: Apache-2.0 */
#include "route/retry.h"

#include <string.h>

#include "base/clock.h"

/* Clears the slots between the newest second and now; the slot that counts now. */
static size_t slot_at(struct retry_budget *b, uint64_t now_us)
{
    uint64_t second = now_us / USEC_PER_SEC;
    if (second >= b->second + RETRY_WINDOW_SEC) {
        memset(b->requests, 0, sizeof(b->requests));
        memset(b->retries, 0, sizeof(b->retries));
        b->second = second;
    }
    while (b->second < second) {
        b->second++;
        b->requests[b->second % RETRY_WINDOW_SEC] = 0;
        b->retries[b->second % RETRY_WINDOW_SEC] = 0;
    }
    return b->second % RETRY_WINDOW_SEC;
}

static uint64_t sum(const uint32_t slots[RETRY_WINDOW_SEC])
{
    uint64_t total = 0;
    for (size_t i = 0; i < RETRY_WINDOW_SEC; i++)
        total += slots[i];
    return total;
}

void retry_request(struct retry_budget *b, uint64_t now_us)
{
    b->requests[slot_at(b, now_us)]++;
}

bool retry_take(struct retry_budget *b, uint64_t now_us, uint64_t percent, uint64_t minimum)
{
    size_t slot = slot_at(b, now_us);
    uint64_t allowed = sum(b->requests) * percent / 100 + minimum;
    if (sum(b->retries) >= allowed) return false;
    b->retries[slot]++;
    return true;
}
