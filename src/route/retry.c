/* SPDX-License-Identifier: Apache-2.0 */
#include "route/retry.h"

#include "base/clock.h"

static uint64_t second_of(uint64_t now_us)
{
    return now_us / USEC_PER_SEC + 1;
}

/* The slot that counts now, emptied when it counted for an older second. */
static struct retry_slot *slot_at(struct retry_budget *b, uint64_t now_us)
{
    uint64_t second = second_of(now_us);
    struct retry_slot *slot = &b->slots[second % RETRY_WINDOW_SEC];
    if (atomic_load_explicit(&slot->second, memory_order_relaxed) == second) return slot;
    atomic_store_explicit(&slot->requests, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->retries, 0, memory_order_relaxed);
    atomic_store_explicit(&slot->second, second, memory_order_relaxed);
    return slot;
}

/* Only one thread writes, so no locked instruction is needed. */
static void add_one(_Atomic uint32_t *count)
{
    uint32_t n = atomic_load_explicit(count, memory_order_relaxed);
    atomic_store_explicit(count, n + 1, memory_order_relaxed);
}

void retry_count_request(struct retry_budget *b, uint64_t now_us)
{
    add_one(&slot_at(b, now_us)->requests);
}

void retry_count_retry(struct retry_budget *b, uint64_t now_us)
{
    add_one(&slot_at(b, now_us)->retries);
}

void retry_add(const struct retry_budget *b, uint64_t now_us, struct retry_sums *sums)
{
    uint64_t now = second_of(now_us);
    for (size_t i = 0; i < RETRY_WINDOW_SEC; i++) {
        const struct retry_slot *slot = &b->slots[i];
        uint64_t second = atomic_load_explicit(&slot->second, memory_order_relaxed);
        if (second == 0 || second + RETRY_WINDOW_SEC <= now) continue;
        sums->requests += atomic_load_explicit(&slot->requests, memory_order_relaxed);
        sums->retries += atomic_load_explicit(&slot->retries, memory_order_relaxed);
    }
}

bool retry_allowed(const struct retry_sums *sums, uint64_t percent, uint64_t minimum)
{
    return sums->retries < sums->requests * percent / 100 + minimum;
}
