/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of masks share: masks.c, of whole states, rests on profiles.c, of what they begin
 * with. */
#ifndef HOSTLER_ENGINE_GRAMMAR_MASKS_PRIV_H
#define HOSTLER_ENGINE_GRAMMAR_MASKS_PRIV_H

#include "base/map.h"
#include "engine/grammar/masks.h"

/* Where a token goes on behind what a state begins with. */
struct edge {
    uint32_t node;  /* its next byte's */
    uint32_t count; /* complete repetitions before it */
};

/* What a walk over the vocabulary found for a beginning. */
struct profile {
    term head;
    bool counts;             /* it stands for every number of its repetitions */
    bool lost;               /* repetitions cannot be told */
    bool loops;              /* each plain byte leads back to the beginning */
    struct byte_set goes_on; /* bytes that it takes where it could end, too */
    uint64_t *bits;          /* tokens that end within it */
    struct edge *edges;      /* by byte */
    uint32_t edge_count, edge_cap;
    uint32_t edges_of[257]; /* by byte: its first, up to the next byte's */
    uint32_t
        *counts_of;  /* by place in the trie's tokens: repetitions that it begins; 0: not in it */
    int32_t *tokens; /* those in it, most repetitions first */
    uint32_t *with;  /* [n]: how many of these have more than n */
    uint32_t most;   /* of any token */
};

/* Of a walk: what one of the bytes so far has led to. */
struct level {
    term state;
    const uint32_t *row; /* what follows it; NULL: to be asked for */
    uint32_t count;      /* complete repetitions */
    bool may_end;
};

struct masks {
    const struct trie *trie;
    struct terms *terms;
    bool failed;
    size_t bytes, bytes_max; /* profiles and kept masks */
    uint32_t words;
    struct map profiles;  /* by head */
    struct map kept;      /* by state */
    uint64_t *spare;      /* of one beginning */
    struct level *levels; /* of a walk, by depth */
};

static inline struct str masks__key(const term *a)
{
    return str_n((const char *)a, sizeof *a);
}

/* Zeroed memory that counts; NULL: there is none, or no room. */
void *masks__take(struct masks *m, size_t size);

/* Sets the tokens below a node that has led to `state`. */
void masks__walk(struct masks *m, term state, uint32_t node, uint64_t *bits);

/* What is known of what a state begins with; made when it is not. NULL, and failed: no memory. */
const struct profile *masks__profile(struct masks *m, term head);
void masks__forget_profiles(struct masks *m);

#endif
