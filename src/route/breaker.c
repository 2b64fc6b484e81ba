/* SPDX-License-Identifier: Apache-2.0 */
#include "route/breaker.h"

enum breaker_state breaker_state(const struct breaker *b, uint64_t now_us)
{
    if (!b->tripped) return BREAKER_CLOSED;
    return now_us < b->until_us ? BREAKER_OPEN : BREAKER_HALF_OPEN;
}

bool breaker_allows(const struct breaker *b, uint64_t now_us)
{
    if (!b->tripped) return true;
    return now_us >= b->until_us && !b->trial;
}

bool breaker_begin(struct breaker *b, uint64_t now_us)
{
    if (breaker_state(b, now_us) != BREAKER_HALF_OPEN) return false;
    assert(!b->trial);
    b->trial = true;
    return true;
}

void breaker_success(struct breaker *b)
{
    *b = (struct breaker){0};
}

/* The length of the cooldown that follows `trips` earlier ones. */
static uint64_t cooldown(const struct breaker_rules *rules, unsigned trips, struct rng *rng)
{
    uint64_t us = rules->cooldown_us;
    for (unsigned i = 0; i < trips && us < rules->cooldown_max_us; i++)
        us *= 2;
    us = MIN(us, rules->cooldown_max_us);
    return us + rng_below(rng, us / 10 + 1);
}

void breaker_failure(struct breaker *b, const struct breaker_rules *rules, uint64_t retry_after_us,
                     uint64_t now_us, struct rng *rng)
{
    uint64_t asked = MIN(retry_after_us, rules->cooldown_max_us);
    if (b->failures < UINT32_MAX) b->failures++;
    if (breaker_state(b, now_us) == BREAKER_OPEN) {
        b->until_us = MAX(b->until_us, now_us + asked);
        return;
    }
    bool enough = b->tripped || b->failures >= rules->failures;
    if (!enough && asked == 0) return;
    uint64_t length = enough ? MAX(cooldown(rules, b->trips, rng), asked) : asked;
    b->tripped = true;
    b->trial = false;
    b->until_us = now_us + length;
    if (b->trips < 63) b->trips++;
}

void breaker_abandon(struct breaker *b)
{
    b->trial = false;
}
