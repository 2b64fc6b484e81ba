/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/slots.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    TAIL_PART = 32, /* a slot may lose this part of what it holds to who takes it in place */
    COPY_BYTES_PER_US = 4000,
    TOKEN_US = 1000, /* what computing a token costs, until something has been measured */
};

void slots_init(struct slots *s, struct model *model)
{
    *s = (struct slots){.model = model, .count = model_info(model)->slots};
    s->all = mem_must_zero(s->count, sizeof *s->all);
}

void slots_fini(struct slots *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        free(s->all[i].tokens);
    free(s->all);
    *s = (struct slots){0};
}

uint32_t slots_busy(const struct slots *s)
{
    return s->busy;
}

/* Tokens of q, except its last one, that slot `i` holds. */
static uint32_t common(const struct slots *s, uint32_t i, const struct sequence *q)
{
    const struct slot *slot = &s->all[i];
    const int32_t *tokens = slot->user ? slot->user->tokens : slot->tokens;
    uint32_t held = slot->user ? slot->user->done : slot->count;
    uint32_t most = MIN(held, q->count - 1);
    uint32_t n = 0;
    while (n < most && tokens[n] == q->tokens[n])
        n++;
    return n;
}

/* What goes first: nothing is lost in an empty slot; else the one unused for longest. */
static bool less_worth(const struct slot *a, const struct slot *b)
{
    if (!a->count != !b->count) return !a->count;
    return a->used_us < b->used_us;
}

/* The free slot of least worth within [from, to); `count` when none is free there. */
static uint32_t least_worth(const struct slots *s, uint32_t from, uint32_t to)
{
    uint32_t best = s->count;
    for (uint32_t i = from; i < to; i++) {
        if (s->all[i].user) continue;
        if (best == s->count || less_worth(&s->all[i], &s->all[best])) best = i;
    }
    return best;
}

/* A free slot: an empty one, else one whose holder has not come back for longest. Rather among the
 * busy ones or beside them, since neighbours are decoded together. */
static uint32_t place(const struct slots *s)
{
    uint32_t low = s->count, high = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!s->all[i].user) continue;
        low = MIN(low, i);
        high = i;
    }
    uint32_t any = least_worth(s, 0, s->count);
    assert(any < s->count);
    if (low == s->count) return any;
    uint32_t inside = least_worth(s, low, high);
    uint32_t beside = least_worth(s, low ? low - 1 : 0, MIN(high + 2, s->count));
    if (inside < s->count && !s->all[inside].count) return inside;
    if (!s->all[beside].count) return beside;
    if (!s->all[any].count) return any;
    return inside < s->count ? inside : beside;
}

static void take(struct slots *s, struct sequence *q, uint32_t slot, uint32_t kept)
{
    if (!model_trim(s->model, slot, kept)) kept = 0;
    s->all[slot].user = q;
    free(s->all[slot].tokens);
    s->all[slot].tokens = NULL;
    s->all[slot].count = 0;
    s->busy++;
    q->slot = slot;
    q->done = kept;
    q->goal = q->count;
}

/* The slot that holds most of q's tokens; of several, a free one, and of
 * those the one of least worth. */
static uint32_t find_source(const struct slots *s, const struct sequence *q, uint32_t *held)
{
    uint32_t best = 0;
    *held = common(s, 0, q);
    for (uint32_t i = 1; i < s->count; i++) {
        const struct slot *slot = &s->all[i], *other = &s->all[best];
        uint32_t n = common(s, i, q);
        bool better = !slot->user && (other->user || less_worth(slot, other));
        if (n < *held || (n == *held && !better)) continue;
        best = i;
        *held = n;
    }
    return best;
}

uint32_t slots_held(const struct slots *s, const struct sequence *q)
{
    uint32_t held;
    (void)find_source(s, q, &held);
    return held;
}

/* True when the slot loses next to nothing with all but its first `kept` tokens: a piece of its
 * end, or an answer whose whole prompt stays. */
static bool goes_on(const struct slot *slot, uint32_t kept)
{
    return kept && (kept + 1 >= slot->prompt || slot->count - kept <= slot->count / TAIL_PART);
}

static bool copying_pays(const struct slots *s, const struct cost *cost, uint32_t from, uint32_t to)
{
    double copy_us = (double)model_info(s->model)->slot_bytes / COPY_BYTES_PER_US;
    uint32_t tokens = to - from;
    double us = cost_of(cost, tokens, from);
    return (us > 0 ? us : (double)tokens * TOKEN_US) > copy_us;
}

void slots_take(struct slots *s, struct sequence *q, const struct cost *cost)
{
    uint32_t held;
    uint32_t source = find_source(s, q, &held);
    if (!s->all[source].user && goes_on(&s->all[source], held)) {
        take(s, q, source, held);
        return;
    }
    uint32_t to = place(s);
    uint32_t kept = common(s, to, q);
    if (kept < held && copying_pays(s, cost, kept, held) && model_copy(s->model, source, to))
        kept = held;
    take(s, q, to, kept);
}

void slots_give_back(struct slots *s, struct sequence *q, bool ended, uint64_t now_us)
{
    struct slot *slot = &s->all[q->slot];
    assert(slot->user == q);
    slot->user = NULL;
    slot->count = q->done;
    slot->prompt = q->prompt_count;
    slot->used_us = now_us;
    s->busy--;
    if (ended) {
        slot->tokens = q->tokens;
        q->tokens = NULL;
        return;
    }
    size_t size = (q->done + 1) * sizeof *slot->tokens;
    slot->tokens = mem_must(size);
    memcpy(slot->tokens, q->tokens, q->done * sizeof *slot->tokens);
}
