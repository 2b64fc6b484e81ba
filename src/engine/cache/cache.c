/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cache/cache.h"

#include <stdlib.h>

#include "base/mem.h"

enum {
    TAIL_PART = 32, /* a slot may lose this part of what it holds to who takes it in place */
    COPY_BYTES_PER_US = 4000,
    TOKEN_US = 1000,      /* what computing a token costs, until something has been measured */
    SAVE_LEAST = 16,      /* fewer tokens are computed again */
    LOOK_AT_MOST = 256,   /* entries that have the same of a prompt */
    TIDY_BYTES = 64 << 20 /* of a state that is saved beforehand: some 20 ms */
};

/* Where the beginning of a prompt is. */
struct source {
    enum cache_tier tier; /* but for how it gets there: CACHE_PLACE and CACHE_COPY are slots */
    uint32_t held;        /* tokens */
    uint32_t slot;
    struct state *state; /* CACHE_RAM */
};

const char *cache_tier_text(unsigned tier)
{
    static const char *const texts[] = {"slot", "copy", "ram", "none"};
    return texts[tier];
}

void cache_init(struct cache *c, const struct cache_options *options)
{
    *c = (struct cache){.context = options->context,
                        .stats = options->stats,
                        .now_us = options->now_us,
                        .count = options->slots};
    c->all = mem_must_zero(MAX(c->count, 1), sizeof *c->all);
    prefix_tree_init(&c->tree);
    states_init(&c->states, c->context, &c->tree, c->stats, options->ram_bytes, c->now_us);
    metric_store(&c->stats->limit_bytes, c->states.store.size);
}

void cache_fini(struct cache *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        prefix_take_out(&c->tree, &c->all[i].entry);
    states_fini(&c->states);
    prefix_tree_fini(&c->tree);
    free(c->all);
    *c = (struct cache){0};
}

uint32_t cache_busy(const struct cache *c)
{
    return c->busy;
}

bool cache_copies(const struct cache *c)
{
    return context_info(c->context)->forks || c->states.store.size;
}

static bool trims(const struct cache *c)
{
    return context_info(c->context)->trims;
}

/* --- which slot --- */

static bool empty(const struct cache_slot *slot)
{
    return prefix_length(&slot->entry) == 0;
}

/* What goes first: nothing is lost in an empty slot; else the one unused for longest. */
static bool less_worth(const struct cache_slot *a, const struct cache_slot *b)
{
    if (empty(a) != empty(b)) return empty(a);
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
    if (inside < c->count && empty(&c->all[inside])) return inside;
    if (empty(&c->all[beside])) return beside;
    if (empty(&c->all[any])) return any;
    return inside < c->count ? inside : beside;
}

/* --- where the beginning is --- */

static struct prefix_match find(const struct cache *c, const struct sequence *q)
{
    return prefix_find(&c->tree, q->salt, q->tokens, q->count - 1);
}

static struct cache_slot *slot_of(struct prefix_entry *e)
{
    return CONTAINER_OF(e, struct cache_slot, entry);
}

/* True when the slot loses next to nothing with all but its first `kept` tokens: a piece of its
 * end, or an answer whose whole prompt stays. */
static bool goes_on(const struct cache_slot *slot, uint32_t kept)
{
    uint32_t count = prefix_length(&slot->entry);
    return kept && (kept + 1 >= slot->prompt || count - kept <= count / TAIL_PART);
}

static struct source source_of(const struct cache *c, struct prefix_entry *e, uint32_t held)
{
    if (e->in_ram) return (struct source){CACHE_RAM, held, 0, state_of(e)};
    const struct cache_slot *slot = slot_of(e);
    bool stays = !slot->user && (!trims(c) || goes_on(slot, held));
    return (struct source){stays ? CACHE_PLACE : CACHE_COPY, held, (uint32_t)(slot - c->all), NULL};
}

/* What costs less comes first: nothing, less to copy back, a free slot rather than a busy one that
 * may be decoding, and of those the one of least worth. */
static bool better(const struct cache *c, const struct source *a, const struct source *b)
{
    if (b->tier == CACHE_NONE) return true;
    bool a_stays = a->tier == CACHE_PLACE, b_stays = b->tier == CACHE_PLACE;
    if (a_stays != b_stays) return a_stays;
    if ((a->tier == CACHE_RAM) != (b->tier == CACHE_RAM)) return a->tier == CACHE_RAM;
    if (a->tier == CACHE_RAM) return a->state->size < b->state->size;
    const struct cache_slot *x = &c->all[a->slot], *y = &c->all[b->slot];
    if (!x->user != !y->user) return !x->user;
    return less_worth(x, y);
}

/* Any entry that has all of what somebody has of it will do, with the rest forgotten. */
static struct source find_part(const struct cache *c, const struct prefix_match *m)
{
    struct source best = {.tier = CACHE_NONE};
    struct prefix_entry *e = m->node ? prefix_next(m, NULL) : NULL;
    for (unsigned seen = 0; e && seen < LOOK_AT_MOST; e = prefix_next(m, e), seen++) {
        struct source s = source_of(c, e, m->length);
        if (better(c, &s, &best)) best = s;
    }
    return best;
}

/* Only one that ends where the prompt goes on. A slot in use has gone beyond. */
static struct source find_whole(const struct cache *c, const struct prefix_match *m)
{
    struct source best = {.tier = CACHE_NONE};
    struct prefix_entry *e = m->node ? prefix_next_within(m, NULL) : NULL;
    for (; e && prefix_length(e) >= best.held; e = prefix_next_within(m, e)) {
        if (!e->in_ram && slot_of(e)->user) continue;
        struct source s = source_of(c, e, prefix_length(e));
        if (better(c, &s, &best)) best = s;
    }
    return best;
}

static struct source find_source(const struct cache *c, const struct prefix_match *m)
{
    return trims(c) ? find_part(c, m) : find_whole(c, m);
}

uint32_t cache_held(const struct cache *c, const struct sequence *q)
{
    struct prefix_match m = find(c, q);
    return trims(c) ? m.length : find_source(c, &m).held;
}

/* --- taking it --- */

/* True when what a slot has was saved, alone or as a part of something longer. */
static bool is_saved(const struct cache *c, const struct cache_slot *slot)
{
    struct prefix_match m = prefix_match_of(&slot->entry);
    struct prefix_entry *e = prefix_next(&m, NULL);
    for (unsigned seen = 0; e && seen < LOOK_AT_MOST; e = prefix_next(&m, e), seen++) {
        if (e->in_ram && (trims(c) || e->node == slot->entry.node)) return true;
    }
    return false;
}

static bool worth_saving(const struct cache *c, const struct cache_slot *slot)
{
    return c->states.store.size && prefix_length(&slot->entry) >= SAVE_LEAST && !is_saved(c, slot);
}

/* Somebody else gets the slot. */
static void vacate(struct cache *c, uint32_t i)
{
    struct cache_slot *slot = &c->all[i];
    if (worth_saving(c, slot) && !states_save(&c->states, i, &slot->entry))
        metric_add(&c->stats->lost, 1);
    prefix_take_out(&c->tree, &slot->entry);
}

static void take(struct cache *c, struct sequence *q, uint32_t slot, uint32_t kept)
{
    if (!context_trim(c->context, slot, kept)) kept = 0;
    c->all[slot].user = q;
    c->busy++;
    q->slot = slot;
    q->done = kept;
    q->goal = q->count;
    prefix_put(&c->tree, &c->all[slot].entry, q->salt, q->tokens, kept);
}

static double copy_us(size_t bytes)
{
    return (double)bytes / COPY_BYTES_PER_US;
}

/* True when the source's tokens beyond the first `kept` are had sooner by a copy. */
static bool copying_pays(const struct cache *c, const struct source *s, uint32_t kept,
                         const struct cost *cost)
{
    if (s->held <= kept) return false;
    size_t bytes = s->state ? s->state->size : context_info(c->context)->sequence_bytes;
    uint32_t tokens = s->held - kept;
    double us = cost_of(cost, tokens, kept);
    return (us > 0 ? us : (double)tokens * TOKEN_US) > copy_us(bytes);
}

/* A copy from slot to slot is one of all its room. Where only little of that is used, a state,
 * which others may want, too, is had sooner. */
static void save_source(struct cache *c, struct source *s)
{
    size_t size = context_state_size(c->context, s->slot);
    if (2 * copy_us(size) > copy_us(context_info(c->context)->sequence_bytes)) return;
    struct state *state = states_save(&c->states, s->slot, &c->all[s->slot].entry);
    if (state) *s = (struct source){CACHE_RAM, s->held, 0, state};
}

/* Brings the source to a slot whose own content is not wanted. False: it stays without. */
static bool bring(struct cache *c, struct source *s, uint32_t to)
{
    if (s->tier == CACHE_RAM) return states_restore(&c->states, s->state, to);
    return context_fork(c->context, s->slot, to);
}

/* To a slot that is another one's, or has nothing of it. */
static enum cache_tier take_copy(struct cache *c, struct sequence *q, struct source *s, uint32_t to)
{
    bool pinned = s->state && s->state->pinned;
    if (s->tier == CACHE_COPY) save_source(c, s);
    if (s->state) s->state->pinned = true; /* while room is made */
    vacate(c, to);
    if (s->state) s->state->pinned = pinned;
    bool brought = bring(c, s, to);
    take(c, q, to, brought ? s->held : 0);
    return q->done ? s->tier : CACHE_NONE;
}

static enum cache_tier take_best(struct cache *c, struct sequence *q, const struct prefix_match *m,
                                 const struct cost *cost)
{
    struct source s = find_source(c, m);
    if (s.tier == CACHE_PLACE) {
        take(c, q, s.slot, s.held);
        return CACHE_PLACE;
    }
    uint32_t to = place(c);
    uint32_t kept = trims(c) ? prefix_shared(m, &c->all[to].entry) : 0;
    if (copying_pays(c, &s, kept, cost)) return take_copy(c, q, &s, to);
    vacate(c, to);
    take(c, q, to, kept);
    return q->done ? CACHE_PLACE : CACHE_NONE;
}

void cache_take(struct cache *c, struct sequence *q, const struct cost *cost)
{
    struct prefix_match m = find(c, q);
    enum cache_tier tier = take_best(c, q, &m, cost);
    /* Another one has the same beginning, so a third may come. */
    q->checkpoint = !trims(c) && m.length >= q->done + SAVE_LEAST ? m.length : 0;
    metric_add(&c->stats->hits[tier], 1);
}

void cache_progress(struct cache *c, struct sequence *q)
{
    struct cache_slot *slot = &c->all[q->slot];
    prefix_put(&c->tree, &slot->entry, q->salt, q->tokens, q->done);
    bool parting = q->done == q->checkpoint || q->done == q->prompt_count;
    if (!trims(c) && parting && worth_saving(c, slot))
        (void)states_save(&c->states, q->slot, &slot->entry);
}

void cache_forget(struct cache *c, struct sequence *q)
{
    struct prefix_match m = prefix_find(&c->tree, q->salt, q->tokens, q->count);
    struct prefix_entry *next, *e = m.node ? prefix_next_within(&m, NULL) : NULL;
    for (; e && prefix_length(e) > q->cached; e = next) {
        next = prefix_next_within(&m, e);
        if (e->in_ram) states_drop(&c->states, state_of(e));
    }
    q->done = 0;
}

void cache_give_back(struct cache *c, struct sequence *q)
{
    struct cache_slot *slot = &c->all[q->slot];
    assert(slot->user == q);
    slot->user = NULL;
    slot->prompt = q->prompt_count;
    slot->used_us = c->now_us();
    c->busy--;
    prefix_put(&c->tree, &slot->entry, q->salt, q->tokens, q->done);
    if (q->done) states_expect(&c->states, context_state_size(c->context, q->slot));
}

bool cache_tidy(struct cache *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        struct cache_slot *slot = &c->all[i];
        if (slot->user || !worth_saving(c, slot)) continue;
        /* Nothing goes for it, nor does anybody wait long: else it is time when the slot is wanted. */
        size_t size = context_state_size(c->context, i);
        if (size > TIDY_BYTES || !store_has_room(&c->states.store, size)) continue;
        if (states_save(&c->states, i, &slot->entry)) return true;
    }
    return false;
}
