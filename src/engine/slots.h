/* SPDX-License-Identifier: Apache-2.0 */
/* The KV cache's slots: who uses them, which tokens lie in those that nobody uses, and where a new
 * prompt fits best.
 *
 * Part of the scheduler, on its thread. */
#ifndef HOSTLER_ENGINE_SLOTS_H
#define HOSTLER_ENGINE_SLOTS_H

#include "base/base.h"
#include "engine/cost.h"
#include "engine/model.h"
#include "engine/sequence.h"

struct slot {
    struct sequence *user; /* NULL: free */
    int32_t *tokens;       /* what the cache holds while free; owned */
    uint32_t count;
    uint32_t prompt;  /* length of its last user's prompt; above count when that was not finished */
    uint64_t used_us; /* when it was given back */
};

struct slots {
    struct model *model; /* borrowed */
    struct slot *all;
    uint32_t count;
    uint32_t busy;
};

void slots_init(struct slots *s, struct model *model);
void slots_fini(struct slots *s);
uint32_t slots_busy(const struct slots *s);

/* Most tokens of `q` that one slot holds; never all of them: the last
 * one's logits must be computed. */
uint32_t slots_held(const struct slots *s, const struct sequence *q);

/* Gives `q` a free slot (there must be one), with as much of its tokens as is worth having. A slot
 * is taken in place when `q` goes on where it ends, more or less; otherwise its holder may come
 * back, so `q` gets a copy in another one: an empty one, else the one unused for longest. Sets
 * q->slot, done and goal. `cost` says whether computing is cheaper than copying. */
void slots_take(struct slots *s, struct sequence *q, const struct cost *cost);

/* The slot is free again and remembers q's first `done` tokens: in q->tokens itself when q has
 * ended, else in a copy. */
void slots_give_back(struct slots *s, struct sequence *q, bool ended, uint64_t now_us);

#endif
