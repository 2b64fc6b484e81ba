/* SPDX-License-Identifier: Apache-2.0 */
#include "route/choose.h"

/* Endpoints weighed against each other; a service with more of them is looked at in batches that
 * begin anywhere. */
enum { BATCH_MAX = 64 };

/* Whom a look takes into account; each is a reserve for the one before it. */
enum reach {
    REACH_SOUND,  /* for retries: those without recent failures */
    REACH_LIKED,  /* those that are not shunned */
    REACH_ANYONE, /* shunned ones, too: better a bad answer than none */
    REACH_END
};

/* What a look at the endpoints found. */
struct survey {
    enum reach reach;
    struct route_candidate candidates[BATCH_MAX];
    size_t count; /* candidates of this batch */
    size_t first; /* place of candidates[0] */

    /* Over all batches: */
    bool soon;   /* one is full, coming or on trial: waiting makes sense */
    bool rests;  /* one asked for a pause, which is over soon, too */
    bool beyond; /* a wider reach has more */
    /* The earliest time at which a cooldown or a failed start may be over; UINT64_MAX: none. */
    uint64_t better_us;
};

static size_t place_of(const struct route_source *s, const struct survey *v, size_t i)
{
    return (v->first + i) % s->count;
}

/* Whether one that is up and can be reached is within the survey's reach, or rests. */
static bool within_reach(struct survey *v, const struct route_view *e, uint64_t now_us)
{
    if (v->reach == REACH_SOUND || v->reach == REACH_LIKED) {
        bool left_out = v->reach == REACH_SOUND ? e->troubled : e->shunned;
        if (left_out) v->beyond = true;
        return !left_out;
    }
    if (now_us >= e->rest_until) return true;
    v->rests = true;
    return false;
}

/* Whether it may take a request but for its capacity, and what to hope for if not. */
static bool look_at(struct survey *v, const struct route_view *e, uint64_t now_us)
{
    if (e->phase == ROUTE_COMING) {
        v->soon = true;
        return false;
    }
    if (e->phase == ROUTE_DOWN) {
        if (e->retry_at_us) v->better_us = MIN(v->better_us, e->retry_at_us);
        return false;
    }
    if (now_us >= e->closed_until) return within_reach(v, e, now_us);
    if (e->closed_until == UINT64_MAX)
        v->soon = true;
    else /* it is probed all the time */
        v->better_us = MIN(v->better_us, MIN(e->closed_until, now_us + ROUTE_RECOVERY_US));
    return false;
}

static void survey(struct survey *v, const struct route_source *s, uint64_t now_us)
{
    for (size_t i = 0; i < v->count; i++) {
        struct route_candidate *c = &v->candidates[i];
        struct route_view e;
        s->view(s->owner, place_of(s, v, i), &e);
        *c = (struct route_candidate){
            .inflight = e.inflight, .capacity = e.capacity, .weight = e.weight};
        if (e.tried) continue;
        c->usable = look_at(v, &e, now_us);
        if (c->usable && !route_eligible(c)) v->soon = true;
    }
}

/* Looks at all endpoints, batch by batch, from `first` on, until `visit` is content. */
static bool each_batch(struct survey *v, const struct route_source *s, size_t first,
                       const struct route_wish *wish,
                       bool (*visit)(struct survey *v, const struct route_source *s,
                                     const struct route_wish *wish))
{
    v->first = first;
    for (size_t seen = 0; seen < s->count; seen += v->count, v->first += v->count) {
        v->count = MIN(s->count - seen, (size_t)BATCH_MAX);
        survey(v, s, wish->now_us);
        if (visit(v, s, wish)) return true;
    }
    return false;
}

/* Takes a credit at one endpoint of the batch; false when all are full or unusable. */
static bool take_one(struct survey *v, const struct route_source *s, const struct route_wish *wish)
{
    bool last = v->reach == REACH_ANYONE;
    size_t i;
    while ((i = route_pick(wish->policy, v->candidates, v->count, wish->rng, wish->turn)) !=
           ROUTE_NONE) {
        if (s->take(s->owner, place_of(s, v, i), last)) return true;
        /* Another thread was faster; whoever took it will give it back. */
        v->candidates[i].usable = false;
        v->soon = true;
    }
    return false;
}

int route_choose(const struct route_source *source, const struct route_wish *wish,
                 uint64_t *retry_after_us)
{
    size_t first = source->count > BATCH_MAX ? rng_below(wish->rng, source->count) : 0;
    NOT_ZEROED struct survey v;
    enum reach reach = wish->retry ? REACH_SOUND : REACH_LIKED;
    v.better_us = UINT64_MAX;
    v.soon = v.rests = false;
    v.beyond = true;
    /* Those that are liked but full are waited for; a retry takes what is there. */
    for (; reach < REACH_END && v.beyond && (!v.soon || reach == REACH_LIKED); reach++) {
        v.reach = reach;
        v.soon = v.rests = v.beyond = false;
        if (each_batch(&v, source, first, wish, take_one)) return CHOOSE_TAKEN;
    }
    if (v.soon) return CHOOSE_WAIT;
    if (v.rests) return CHOOSE_REST;
    *retry_after_us =
        v.better_us == UINT64_MAX ? 0 : MAX(v.better_us, wish->now_us + 1) - wish->now_us;
    return CHOOSE_NOBODY;
}

static bool is_any_eligible(struct survey *v, const struct route_source *s UNUSED,
                            const struct route_wish *wish UNUSED)
{
    for (size_t i = 0; i < v->count; i++)
        if (route_eligible(&v->candidates[i])) return true;
    return false;
}

bool route_hopeful(const struct route_source *source, uint64_t now_us, bool *now)
{
    const struct route_wish wish = {.now_us = now_us};
    NOT_ZEROED struct survey v;
    v.reach = REACH_ANYONE;
    v.better_us = UINT64_MAX;
    v.soon = v.rests = v.beyond = false;
    *now = each_batch(&v, source, 0, &wish, is_any_eligible);
    return *now || v.soon || v.rests;
}
