/* SPDX-License-Identifier: Apache-2.0 */
/* Who has computed which beginnings: a radix tree over token ids.
 *
 * An entry says that its owner has all tokens on the way from the root to its node. So for a new
 * prompt, whoever lies in or below the place where it leaves the tree has as much of it as anybody
 * has. Each salt has a tree of its own: what one of them holds is not found under another one.
 *
 * The tree copies the tokens, once for all who share them; nodes come with entries and go with the
 * last one. Memory: four bytes for each token of an edge. One thread's. */
#ifndef HOSTLER_ENGINE_CACHE_PREFIX_TREE_H
#define HOSTLER_ENGINE_CACHE_PREFIX_TREE_H

#include "base/base.h"
#include "base/list.h"
#include "base/map.h"

struct prefix_node;

/* A part of its owner. */
struct prefix_entry {
    struct list link;
    struct prefix_node *node; /* NULL: nowhere */
    bool in_ram;              /* the owner's: it is a state that was copied out, no sequence */
};

struct prefix_tree {
    struct map roots; /* by salt */
    size_t nodes;     /* but for the roots */
};

/* Where a text leaves a tree. */
struct prefix_match {
    struct prefix_node
        *node;       /* the highest one of those that have all of it; NULL: nobody has any */
    uint32_t length; /* tokens of the text up to there */
};

void prefix_tree_init(struct prefix_tree *t);

/* All entries must have been taken out. */
void prefix_tree_fini(struct prefix_tree *t);

/* The entry's owner has these tokens, whatever it had before; none: the entry is nowhere then. */
void prefix_put(struct prefix_tree *t, struct prefix_entry *e, uint64_t salt, const int32_t *tokens,
                uint32_t count);

/* It has what `other`, which is somewhere, has. */
void prefix_put_beside(struct prefix_tree *t, struct prefix_entry *e,
                       const struct prefix_entry *other);

/* Also one that is nowhere. */
void prefix_take_out(struct prefix_tree *t, struct prefix_entry *e);

/* Of one that is somewhere. */
uint64_t prefix_salt(const struct prefix_entry *e);

/* How many tokens its owner has. */
uint32_t prefix_length(const struct prefix_entry *e);

/* The same tokens, out of the tree: `out` has room for prefix_length. */
void prefix_tokens(const struct prefix_entry *e, int32_t *out);

struct prefix_match prefix_find(const struct prefix_tree *t, uint64_t salt, const int32_t *tokens,
                                uint32_t count);

/* How many tokens of the text that `m` is of the entry's owner has; one that is nowhere has none. */
uint32_t prefix_shared(const struct prefix_match *m, const struct prefix_entry *e);

/* Goes through those that have all of a match, the shortest of each branch first: begin with NULL;
 * NULL: that was all. Nothing may be put or taken out meanwhile. */
struct prefix_entry *prefix_next(const struct prefix_match *m, const struct prefix_entry *e);

/* Goes through those whose tokens the text of the match begins with, all of them, the longest first;
 * otherwise the same. */
struct prefix_entry *prefix_next_within(const struct prefix_match *m, const struct prefix_entry *e);

/* The match that an entry is of itself. */
struct prefix_match prefix_match_of(const struct prefix_entry *e);

#endif
