/* SPDX-License-Identifier: Apache-2.0 */
/* Who has the context's sequences: each one is a slot, which a running answer uses, or which keeps
 * the tokens of the last one that did; and where a new prompt fits best.
 *
 * Part of the scheduler, on its thread. */
#ifndef HOSTLER_ENGINE_CACHE_H
#define HOSTLER_ENGINE_CACHE_H

#include "base/base.h"
#include "engine/cost.h"
#include "engine/model/context.h"
#include "engine/sequence.h"

struct cache_slot {
    struct sequence *user; /* NULL: free */
    int32_t *tokens;       /* what the cache holds while free; owned */
    uint32_t count;
    uint32_t prompt;  /* length of its last user's prompt; above count when that was not finished */
    uint64_t used_us; /* when it was given back */
};

struct cache {
    struct context *context; /* borrowed */
    struct cache_slot *all;
    uint32_t count;
    uint32_t busy;
    uint64_t saved_bytes; /* of parked sequences: at most as many as the cache itself has */
};

/* `count`: of the context's sequences. */
void cache_init(struct cache *c, struct context *context, uint32_t count);
void cache_fini(struct cache *c);
uint32_t cache_busy(const struct cache *c);

/* Most tokens of `q` that one slot holds; never all of them: the last
 * one's logits must be computed. */
uint32_t cache_held(const struct cache *c, const struct sequence *q);

/* Gives `q` a free slot (there must be one), with as much of its tokens as is worth having. A slot
 * is taken in place when `q` goes on where it ends, more or less; otherwise its holder may come
 * back, so `q` gets a copy in another one: an empty one, else the one unused for longest. Sets
 * q->slot, done and goal. `cost` says whether computing is cheaper than copying. */
void cache_take(struct cache *c, struct sequence *q, const struct cost *cost);

/* The slot is free again and remembers q's first `done` tokens: in q->tokens itself when q has
 * ended, else in a copy. */
void cache_give_back(struct cache *c, struct sequence *q, bool ended, uint64_t now_us);

/* Gives the slot of one back that will come again. What it has computed is saved beside the cache,
 * if there is room, so that cache_take finds it whoever has the slot then. */
void cache_park(struct cache *c, struct sequence *q, uint64_t now_us);

/* It will not come again, or has: what was saved of it goes. */
void cache_forget(struct cache *c, struct sequence *q);

#endif
