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

void breaker_reset(struct breaker *b)
{
    *b = (struct breaker){0};
}

/* Lets old counts fade. */
static void fade(struct breaker *b, uint64_t now_us)
{
    if (b->failures == 0) b->counted_us = now_us;
    while (b->failures && now_us >= b->counted_us + BREAKER_FADE_US) {
        b->failures /= 2;
        b->successes /= 2;
        b->counted_us += BREAKER_FADE_US;
    }
    if (b->failures == 0) b->successes = 0;
}

void breaker_success(struct breaker *b, const struct breaker_rules *rules, uint64_t now_us)
{
    if (!rules->by_rate || b->tripped) {
        breaker_reset(b);
        return;
    }
    fade(b, now_us);
    if (b->failures && b->successes < UINT32_MAX) b->successes++;
}

/* Whether the failures are enough for a cooldown. */
static bool enough(const struct breaker *b, const struct breaker_rules *rules)
{
    if (b->tripped) return true;
    return b->failures >= rules->failures && (!rules->by_rate || b->failures > b->successes);
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
    if (rules->by_rate && !b->tripped) fade(b, now_us);
    if (b->failures < UINT32_MAX) b->failures++;
    if (breaker_state(b, now_us) == BREAKER_OPEN) {
        b->until_us = MAX(b->until_us, now_us + asked);
        return;
    }
    bool tripping = enough(b, rules);
    if (!tripping && asked == 0) return;
    uint64_t length = tripping ? MAX(cooldown(rules, b->trips, rng), asked) : asked;
    b->tripped = true;
    b->trial = false;
    b->until_us = now_us + length;
    if (b->trips < 63) b->trips++;
}

void breaker_hold(struct breaker *b, uint64_t until_us)
{
    b->until_us = MAX(b->until_us, until_us);
}

void breaker_abandon(struct breaker *b)
{
    b->trial = false;
}
