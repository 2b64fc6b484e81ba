/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    TAIL_PART = 32, /* a slot may lose this part of what it holds to who takes it in place */
    COPY_BYTES_PER_US = 4000,
    TOKEN_US = 1000, /* what computing a token costs, until something has been measured */
};

void cache_init(struct cache *c, struct context *context, uint32_t count)
{
    *c = (struct cache){.context = context, .count = count};
    c->all = mem_must_zero(MAX(c->count, 1), sizeof *c->all);
}

void cache_fini(struct cache *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        free(c->all[i].tokens);
    free(c->all);
    *c = (struct cache){0};
}

uint32_t cache_busy(const struct cache *c)
{
    return c->busy;
}

/* Tokens of q, except its last one, that slot `i` holds. */
static uint32_t common(const struct cache *c, uint32_t i, const struct sequence *q)
{
    const struct cache_slot *slot = &c->all[i];
    const int32_t *tokens = slot->user ? slot->user->tokens : slot->tokens;
    uint32_t held = slot->user ? slot->user->done : slot->count;
    uint32_t most = MIN(held, q->count - 1);
    uint32_t n = 0;
    while (n < most && tokens[n] == q->tokens[n])
        n++;
    return n;
}

/* What goes first: nothing is lost in an empty slot; else the one unused for longest. */
static bool less_worth(const struct cache_slot *a, const struct cache_slot *b)
{
    if (!a->count != !b->count) return !a->count;
    return a->used_us < b->used_us;
}

/* The free slot of least worth within [from, to); `count` when none is free there. */
static uint32_t least_worth(const struct cache *c, uint32_t from, uint32_t to)
{
    uint32_t best = c->count;
    for (uint32_t i = from; i < to; i++) {
        if (c->all[i].user) continue;
        if (best == c->count || less_worth(&c->all[i], &c->all[best])) best = i;
    }
    return best;
}

/* A free slot: an empty one, else one whose holder has not come back for longest. Rather among the
 * busy ones or beside them, since neighbours are decoded together. */
static uint32_t place(const struct cache *c)
{
    uint32_t low = c->count, high = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        if (!c->all[i].user) continue;
        low = MIN(low, i);
        high = i;
    }
    uint32_t any = least_worth(c, 0, c->count);
    assert(any < c->count);
    if (low == c->count) return any;
    uint32_t inside = least_worth(c, low, high);
    uint32_t beside = least_worth(c, low ? low - 1 : 0, MIN(high + 2, c->count));
    if (inside < c->count && !c->all[inside].count) return inside;
    if (!c->all[beside].count) return beside;
    if (!c->all[any].count) return any;
    return inside < c->count ? inside : beside;
}

static void take(struct cache *c, struct sequence *q, uint32_t slot, uint32_t kept)
{
    if (!context_trim(c->context, slot, kept)) kept = 0;
    c->all[slot].user = q;
    free(c->all[slot].tokens);
    c->all[slot].tokens = NULL;
    c->all[slot].count = 0;
    c->busy++;
    q->slot = slot;
    q->done = kept;
    q->goal = q->count;
}

/* The slot that holds most of q's tokens; of several, a free one, and of
 * those the one of least worth. */
static uint32_t find_source(const struct cache *c, const struct sequence *q, uint32_t *held)
{
    uint32_t best = 0;
    *held = common(c, 0, q);
    for (uint32_t i = 1; i < c->count; i++) {
        const struct cache_slot *slot = &c->all[i], *other = &c->all[best];
        uint32_t n = common(c, i, q);
        bool better = !slot->user && (other->user || less_worth(slot, other));
        if (n < *held || (n == *held && !better)) continue;
        best = i;
        *held = n;
    }
    return best;
}

uint32_t cache_held(const struct cache *c, const struct sequence *q)
{
    uint32_t held;
    (void)find_source(c, q, &held);
    return held;
}

/* True when the slot loses next to nothing with all but its first `kept` tokens: a piece of its
 * end, or an answer whose whole prompt stays. */
static bool goes_on(const struct cache_slot *slot, uint32_t kept)
{
    return kept && (kept + 1 >= slot->prompt || slot->count - kept <= slot->count / TAIL_PART);
}

static bool copying_pays(const struct cache *c, const struct cost *cost, uint32_t from, uint32_t to)
{
    double copy_us = (double)context_info(c->context)->sequence_bytes / COPY_BYTES_PER_US;
    uint32_t tokens = to - from;
    double us = cost_of(cost, tokens, from);
    return (us > 0 ? us : (double)tokens * TOKEN_US) > copy_us;
}

/* Takes a slot for what was saved. False: it cannot be brought back, and the slot is empty. */
static bool bring_back(struct cache *c, struct sequence *q)
{
    uint32_t to = place(c);
    bool restored = context_restore(c->context, to, q->saved, q->saved_size);
    if (restored)
        take(c, q, to, q->saved_count);
    else
        c->all[to].count = 0;
    return restored;
}

void cache_take(struct cache *c, struct sequence *q, const struct cost *cost)
{
    uint32_t held;
    bool back = q->saved && q->saved_count > cache_held(c, q) && bring_back(c, q);
    cache_forget(c, q);
    if (back) return;
    uint32_t source = find_source(c, q, &held);
    if (!c->all[source].user && goes_on(&c->all[source], held)) {
        take(c, q, source, held);
        return;
    }
    uint32_t to = place(c);
    uint32_t kept = common(c, to, q);
    if (kept < held && copying_pays(c, cost, kept, held) && context_fork(c->context, source, to))
        kept = held;
    take(c, q, to, kept);
}

void cache_give_back(struct cache *c, struct sequence *q, bool ended, uint64_t now_us)
{
    struct cache_slot *slot = &c->all[q->slot];
    assert(slot->user == q);
    slot->user = NULL;
    slot->count = q->done;
    slot->prompt = q->prompt_count;
    slot->used_us = now_us;
    c->busy--;
    if (ended) {
        slot->tokens = q->tokens;
        q->tokens = NULL;
        return;
    }
    size_t size = (q->done + 1) * sizeof *slot->tokens;
    slot->tokens = mem_must(size);
    memcpy(slot->tokens, q->tokens, q->done * sizeof *slot->tokens);
}

void cache_park(struct cache *c, struct sequence *q, uint64_t now_us)
{
    uint32_t slot = q->slot;
    cache_give_back(c, q, false, now_us);
    size_t size = context_state_size(c->context, slot);
    uint64_t most = context_info(c->context)->sequence_bytes * c->count;
    if (size == 0 || size > most || c->saved_bytes > most - size) return;
    q->saved = mem_try(size);
    if (!q->saved) return;
    q->saved_size = size;
    q->saved_count = q->done;
    c->saved_bytes += size;
    if (!context_save(c->context, slot, q->saved, size)) cache_forget(c, q);
}

void cache_forget(struct cache *c, struct sequence *q)
{
    if (!q->saved) return;
    c->saved_bytes -= q->saved_size;
    free(q->saved);
    q->saved = NULL;
}
