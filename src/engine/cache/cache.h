/* SPDX-License-Identifier: Apache-2.0 */
/* The prefix cache: what has been computed of earlier prompts and answers, and who gets it.
 *
 * Each of the context's sequences is a slot, which a running answer uses, or which keeps the tokens
 * of the last one that did. Before another one gets the slot, what it has is copied out to memory
 * (states.h). One tree (prefix_tree.h) knows of both, so a prompt goes on
 * - in the slot of the conversation that it continues, if nobody else has taken it,
 * - else from the state that was saved of it,
 * - else from a copy of a slot that begins as it does,
 * and computes only what none of them has, wherever in the tokens that begins. Of a model that cannot
 * forget a part of what it has computed (recurrent ones) a whole state serves or none, so states are
 * saved where prompts end and where two of them part.
 *
 * Part of the scheduler, on its thread. */
#ifndef HOSTLER_ENGINE_CACHE_CACHE_H
#define HOSTLER_ENGINE_CACHE_CACHE_H

#include "base/base.h"
#include "engine/cache/cache_stats.h"
#include "engine/cache/prefix_tree.h"
#include "engine/cache/states.h"
#include "engine/cost.h"
#include "engine/model/context.h"
#include "engine/sequence.h"

struct cache_slot {
    struct prefix_entry
        entry;             /* what it has; while it is in use, what it had after the last slice */
    struct sequence *user; /* NULL: free */
    uint32_t
        prompt; /* length of its last user's prompt; above the entry's when that is unfinished */
    uint64_t used_us; /* when it was given back */
};

struct cache {
    struct context *context; /* borrowed */
    struct cache_stats *stats;
    uint64_t (*now_us)(void);
    struct prefix_tree tree;
    struct states states;
    struct cache_slot *all;
    uint32_t count;
    uint32_t busy;
};

struct cache_options {
    struct context *context; /* borrowed */
    uint32_t slots;          /* sequences of the context */
    size_t ram_bytes;        /* that states may take; 0: none are saved */
    struct cache_stats *stats;
    uint64_t (*now_us)(void);
};

void cache_init(struct cache *c, const struct cache_options *options);
void cache_fini(struct cache *c);
uint32_t cache_busy(const struct cache *c);

/* True when what one sequence has computed can get to another one. */
bool cache_copies(const struct cache *c);

/* Most tokens of `q` that are there somewhere; never all of them: the last one's logits must be
 * computed. */
uint32_t cache_held(const struct cache *c, const struct sequence *q);

/* Gives `q` a free slot (there must be one), with as much of its tokens as is worth having. Sets
 * q->slot, done and goal. `cost` says whether computing is cheaper than copying. */
void cache_take(struct cache *c, struct sequence *q, const struct cost *cost);

/* A slice has computed q's tokens up to `done`: others may have them from now on. */
void cache_progress(struct cache *c, struct sequence *q);

/* What was computed of q is of no use: what was saved of it goes, and its slot has nothing of it when
 * it is given back. */
void cache_forget(struct cache *c, struct sequence *q);

/* The slot is free again and remembers q's first `done` tokens. */
void cache_give_back(struct cache *c, struct sequence *q);

/* While there is nothing else to do: saves one slot that has what is nowhere else, as far as there
 * is room. Some milliseconds; false: nothing is left to do. */
bool cache_tidy(struct cache *c);

#endif
