/* SPDX-License-Identifier: Apache-2.0 */
#include "route/pick.h"

bool route_eligible(const struct route_candidate *c)
{
    return c->usable && c->weight > 0 && (c->capacity == 0 || c->inflight < c->capacity);
}

/* The place of the nth (0-based) eligible candidate. */
static size_t nth_eligible(const struct route_candidate *c, size_t n, size_t nth)
{
    for (size_t i = 0; i < n; i++) {
        if (route_eligible(&c[i]) && nth-- == 0) return i;
    }
    return ROUTE_NONE;
}

static uint64_t share(const struct route_candidate *c)
{
    uint64_t unit = c->capacity ? c->capacity : 1;
    return unit * c->weight;
}

/* The one of the two that has less load per share. */
static size_t less_busy(const struct route_candidate *c, size_t a, size_t b, struct rng *rng)
{
    unsigned __int128 load_a = (unsigned __int128)c[a].inflight * share(&c[b]);
    unsigned __int128 load_b = (unsigned __int128)c[b].inflight * share(&c[a]);
    if (load_a == load_b) return rng_next(rng) & 1 ? a : b;
    return load_a < load_b ? a : b;
}

static size_t pick_least_busy(const struct route_candidate *c, size_t n, size_t eligible,
                              struct rng *rng)
{
    size_t first = rng_below(rng, eligible);
    size_t second = rng_below(rng, eligible - 1);
    if (second >= first) second++;
    return less_busy(c, nth_eligible(c, n, first), nth_eligible(c, n, second), rng);
}

static size_t pick_weighted(const struct route_candidate *c, size_t n, struct rng *rng)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if (route_eligible(&c[i])) total += c[i].weight;
    }
    uint64_t point = rng_below(rng, total);
    for (size_t i = 0; i < n; i++) {
        if (!route_eligible(&c[i])) continue;
        if (point < c[i].weight) return i;
        point -= c[i].weight;
    }
    return ROUTE_NONE;
}

size_t route_pick(enum route_policy policy, const struct route_candidate *c, size_t n,
                  struct rng *rng, uint64_t turn)
{
    size_t eligible = 0;
    for (size_t i = 0; i < n; i++) {
        if (route_eligible(&c[i])) eligible++;
    }
    if (eligible == 0) return ROUTE_NONE;
    if (eligible == 1) return nth_eligible(c, n, 0);
    switch (policy) {
    case ROUTE_ROUND_ROBIN: return nth_eligible(c, n, (size_t)(turn % eligible));
    case ROUTE_WEIGHTED: return pick_weighted(c, n, rng);
    case ROUTE_LEAST_BUSY: break;
    }
    return pick_least_busy(c, n, eligible, rng);
}
