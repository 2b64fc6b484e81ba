/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_fini(struct map *m)
{
    free(m->slots);
    map_init(m);
}

static size_t find_slot(const struct map *m, struct str key, uint64_t hash)
{
    size_t i = (size_t)hash & (m->cap - 1);
    while (m->slots[i].key.ptr && !(m->slots[i].hash == hash && str_eq(m->slots[i].key, key)))
        i = (i + 1) & (m->cap - 1);
    return i;
}

void *map_get(const struct map *m, struct str key)
{
    if (m->count == 0) return NULL;
    return m->slots[find_slot(m, key, hash_keyed(key))].value;
}

static void grow(struct map *m)
{
    struct map old = *m;
    m->cap = old.cap ? old.cap * 2 : 16;
    m->slots = mem_must_zero(m->cap, sizeof *m->slots);
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].key.ptr)
            m->slots[find_slot(m, old.slots[i].key, old.slots[i].hash)] = old.slots[i];
    free(old.slots);
}

void *map_put(struct map *m, struct str key, void *value)
{
    assert(key.ptr && value);
    if ((m->count + 1) * 4 > m->cap * 3) grow(m);
    uint64_t hash = hash_keyed(key);
    struct map_slot *slot = &m->slots[find_slot(m, key, hash)];
    void *former = slot->value;
    if (!slot->key.ptr) m->count++;
    *slot = (struct map_slot){key, value, hash};
    return former;
}

/* Closes the hole at `hole` by moving later members of its probe run back (no tombstones). */
static void close_hole(struct map *m, size_t hole)
{
    size_t mask = m->cap - 1;
    for (size_t i = (hole + 1) & mask; m->slots[i].key.ptr; i = (i + 1) & mask) {
        size_t home = (size_t)m->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        m->slots[hole] = m->slots[i];
        hole = i;
    }
    m->slots[hole] = (struct map_slot){0};
}

void *map_remove(struct map *m, struct str key)
{
    if (m->count == 0) return NULL;
    size_t i = find_slot(m, key, hash_keyed(key));
    if (!m->slots[i].key.ptr) return NULL;
    void *value = m->slots[i].value;
    close_hole(m, i);
    m->count--;
    return value;
}

bool map_next(const struct map *m, size_t *pos, struct str *key, void **value)
{
    while (*pos < m->cap) {
        const struct map_slot *slot = &m->slots[(*pos)++];
        if (!slot->key.ptr) continue;
        *key = slot->key;
        *value = slot->value;
        return true;
    }
    return false;
}
