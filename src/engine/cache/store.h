/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for states that are kept: pieces of one reserved range of addresses, the lowest free place
 * first. What was used once stays there for the next one, since memory that the kernel has yet to
 * give costs several times as much as the copy that goes there. One thread's. */
#ifndef HOSTLER_ENGINE_CACHE_STORE_H
#define HOSTLER_ENGINE_CACHE_STORE_H

#include "base/base.h"
#include "base/list.h"

struct store_piece {
    struct list link; /* in order of addresses */
    void *at;
    size_t size; /* of the piece, at least what was asked for */
    bool used;
};

struct store {
    char *base;
    size_t size;
    size_t used; /* bytes of pieces in use */
    size_t high; /* bytes from the base on that have been in use, or made ready */
    struct list pieces;
};

/* Nothing of it is used yet. One of no bytes, or for which there are no addresses, has no room. */
void store_init(struct store *s, size_t bytes);
void store_fini(struct store *s);

bool store_has_room(const struct store *s, size_t size);

/* NULL: there is no place of that size. */
struct store_piece *store_take(struct store *s, size_t size);
void store_give_back(struct store *s, struct store_piece *p);

/* Makes a small part of what lies above ready, unless `ahead` bytes are. False: nothing to do. */
bool store_make_ready(struct store *s, size_t ahead);

#endif
