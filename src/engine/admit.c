/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scheduler_priv.h"

enum {
    FOLLOW_LEAST = PLAN_ROWS, /* tokens to copy that make waiting for them worth it */
    LOOK_TOKENS = 256 << 10,  /* compared in search of a tenant's first: some 0.5 ms */
    LOOK_FLAT = 256,          /* for each sequence as many, at least */
};

static bool may_park(const struct sequence *q)
{
    return q && q->paused && q->state == SEQUENCE_RUNNING;
}

/* Takes the slot of a sequence whose reader is slow: what it computed stays in the cache until
 * somebody needs the room. */
static void park_one(struct scheduler *s)
{
    for (uint32_t i = 0; i < s->cache.count; i++) {
        struct sequence *q = s->cache.all[i].user;
        if (!may_park(q)) continue;
        cache_give_back(&s->cache, q);
        fair_give_back(&q->account);
        q->state = SEQUENCE_PARKED;
        list_push_back(&s->parked, &q->link);
        return;
    }
}

static enum wait_cause wait_cause(const struct scheduler *s, const struct sequence *q)
{
    if (q->followed) return WAIT_BEGINNING;
    return s->steps > q->came + 1 ? WAIT_SLOT : WAIT_NONE;
}

static void admit_one(struct scheduler *s, struct sequence *q)
{
    uint64_t started = s->options.now_us();
    cache_take(&s->cache, q, &s->plan.cost);
    plan_charge(&s->plan, s->options.now_us() - started);
    list_remove(&q->link);
    list_push_back(&s->prefill, &q->link);
    q->state = SEQUENCE_PREFILL;
    fair_serve(&s->fair, &q->account, q->goal - q->done, q->max_tokens - q->generated);
    metric_sub(&s->stats.waiting, 1);
    if (q->generated) return; /* it comes back */
    q->cached = q->done;
    metric_add(&s->stats.cached_tokens, q->cached);
    q->waited_us = started - q->queued_us;
    metric_add(&s->stats.waits[wait_cause(s, q)], 1);
    histogram_observe_span_us(&s->stats.wait_seconds, q->waited_us);
}

/* Tokens that both begin with; never all of q's. */
static uint32_t common(const struct sequence *q, const struct sequence *other)
{
    uint32_t most = q->salt == other->salt ? MIN(q->count - 1, other->goal) : 0;
    uint32_t n = 0;
    while (n < most && q->tokens[n] == other->tokens[n])
        n++;
    return n;
}

/* The prompt being computed that will have most of q's tokens, if that is much
 * more than any slot has now. *looked: tokens that were compared. */
static struct sequence *find_leader(const struct scheduler *s, const struct sequence *q,
                                    uint32_t *shared, uint64_t *looked)
{
    struct sequence *found = NULL;
    uint32_t held = cache_held(&s->cache, q);
    *shared = held + FOLLOW_LEAST - 1;
    *looked += LOOK_FLAT + (s->info->trims ? held : q->count);
    LIST_EACH(&s->prefill, it)
    {
        struct sequence *other = LIST_ITEM(it, struct sequence, link);
        uint32_t n = common(q, other);
        *looked += n;
        if (n <= *shared || other->done >= n) continue;
        *shared = n;
        found = other;
    }
    return found;
}

/* What cannot be cut to the common part later must be kept when the leader is there. */
static void await(const struct scheduler *s, struct sequence *q)
{
    struct sequence *leader = q->leader;
    if (s->info->trims || leader->state != SEQUENCE_PREFILL) return;
    q->shared = MIN(q->shared, q->count - 1);
    if (leader->checkpoint <= leader->done) leader->checkpoint = q->shared;
    q->shared = MIN(q->shared, leader->checkpoint);
}

const char *wait_cause_text(unsigned cause)
{
    static const char *const texts[] = {"none", "slot", "beginning"};
    return texts[cause];
}

/* True while another one computes what this one begins with: a copy will be cheaper. */
static bool follows(const struct scheduler *s, struct sequence *q, uint64_t *looked)
{
    uint32_t shared;
    if (q->leader) await(s, q);
    if (q->leader && q->leader->done < q->shared) return true;
    sequence_leave_leader(q);
    q->leader = cache_copies(&s->cache) ? find_leader(s, q, &shared, looked) : NULL;
    if (!q->leader) return false;
    q->leader->followers++;
    q->followed = true;
    q->shared = shared;
    await(s, q);
    return true;
}

/* What is left to compute of it counts as if it had come so much later: one with little passes one
 * with much, but none that came before it by more than its own prompt takes. */
static uint64_t turn_us(const struct scheduler *s, const struct sequence *q)
{
    uint32_t held = cache_held(&s->cache, q);
    return q->rank_us + (uint64_t)cost_of(&s->plan.cost, q->count - held, held);
}

/* The one of the tenant's that shall have a slot now, of those that came first: where many wait with
 * long prompts, to look at all would take longer than a step. NULL: none can use one. */
static struct sequence *first_of(const struct scheduler *s, const struct fair_tenant *t)
{
    struct sequence *first = NULL;
    uint64_t least = UINT64_MAX, looked = 0;
    LIST_EACH(&t->waiting, it)
    {
        struct sequence *q = LIST_ITEM(it, struct sequence, link);
        if (q->rank_us >= least || looked > LOOK_TOKENS) break; /* they are in order of ranks */
        if (q->paused || follows(s, q, &looked)) continue;
        uint64_t turn = turn_us(s, q);
        if (turn >= least) continue;
        first = q;
        least = turn;
    }
    return first;
}

/* Whose turn it is; NULL: nobody can use a slot now. */
static struct sequence *find_next(struct scheduler *s)
{
    struct sequence *q = NULL;
    struct fair_tenant *t = fair_next(&s->fair, NULL);
    for (; t && !q; t = fair_next(&s->fair, t))
        q = first_of(s, t);
    return q;
}

static bool has_slot(const struct scheduler *s)
{
    if (cache_busy(&s->cache) < s->cache.count) return true;
    for (uint32_t i = 0; i < s->cache.count; i++)
        if (may_park(s->cache.all[i].user)) return true;
    return false;
}

void admit__waiting(struct scheduler *s)
{
    s->steps++;
    while (has_slot(s)) {
        struct sequence *q = find_next(s);
        if (!q) return;
        if (cache_busy(&s->cache) == s->cache.count) park_one(s);
        admit_one(s, q);
    }
}
