/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences that are kept in memory beside the context: what it had computed of them is copied out,
 * and back when somebody wants it. When there is no room for another one, some of those go that were
 * not used for longest, but for pinned ones.
 *
 * Part of the cache, on its thread. */
#ifndef HOSTLER_ENGINE_CACHE_STATES_H
#define HOSTLER_ENGINE_CACHE_STATES_H

#include "engine/cache/cache_stats.h"
#include "engine/cache/prefix_tree.h"
#include "engine/cache/store.h"
#include "engine/model/context.h"

struct state {
    struct prefix_entry entry;
    struct list link; /* the one used last at the end */
    struct store_piece *piece;
    size_t size;
    uint64_t id;
    uint64_t used_us;
    uint64_t restores;
    bool pinned;
};

struct states {
    struct context *context;  /* borrowed */
    struct prefix_tree *tree; /* borrowed */
    struct cache_stats *stats;
    uint64_t (*now_us)(void);
    struct store store;
    struct list all;
    uint64_t last_id;
    size_t largest; /* of the states so far, and those expected */
};

/* `bytes`: as many as all of them take at most. */
void states_init(struct states *st, struct context *context, struct prefix_tree *tree,
                 struct cache_stats *stats, size_t bytes, uint64_t (*now_us)(void));
void states_fini(struct states *st);

/* Whose entry it is, of one that is in RAM. */
struct state *state_of(struct prefix_entry *e);

/* Copies a sequence, whose tokens are those of `entry`. What only has a part of it goes, when the
 * model can forget the rest. NULL: there is no room, or the model cannot. */
struct state *states_save(struct states *st, uint32_t sequence, const struct prefix_entry *entry);

/* Makes a sequence (whatever it held) what was saved. False: it is then empty, and the state is
 * gone. */
bool states_restore(struct states *st, struct state *s, uint32_t sequence);

void states_drop(struct states *st, struct state *s);

/* A sequence of so many bytes may have to be saved soon. */
void states_expect(struct states *st, size_t size);

#endif
