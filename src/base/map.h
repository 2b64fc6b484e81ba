/* SPDX-License-Identifier: Apache-2.0 */
/* A hash map from byte strings to pointers (open addressing, linear probing).
 *
 * Keys are borrowed: the caller keeps their bytes alive while they are in the map. Hashing is keyed
 * with a random seed per process, so that peers cannot choose colliding names. */
#ifndef HOSTLER_BASE_MAP_H
#define HOSTLER_BASE_MAP_H

#include "base/base.h"
#include "base/str.h"

struct map_slot {
    struct str key; /* ptr NULL: free */
    void *value;
    uint64_t hash;
};

struct map {
    struct map_slot *slots;
    size_t count;
    size_t cap; /* power of two, 0 while empty */
};

void map_init(struct map *m);
void map_fini(struct map *m);

/* The value, or NULL. */
void *map_get(const struct map *m, struct str key);

/* Adds or replaces; the former value, or NULL. The key's ptr must not be NULL, nor value. Aborts
 * when memory is exhausted. */
void *map_put(struct map *m, struct str key, void *value);

/* Takes it out; the value it had, or NULL. */
void *map_remove(struct map *m, struct str key);

/* Walks all entries: start with *pos = 0; false at the end. The map must not change meanwhile. */
bool map_next(const struct map *m, size_t *pos, struct str *key, void **value);

#endif
