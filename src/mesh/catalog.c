/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct hold {
    struct hold *next;
    void *owner;
    void (*release)(void *owner);
};

struct catalog {
    _Atomic unsigned refs;
    struct arena arena;
    struct settings settings;
    struct catalog_service *services;
    size_t count;
    size_t cap;
    struct hold *holds;
};

struct catalog *catalog_new(void)
{
    struct catalog *c = mem_must_zero(1, sizeof *c);
    atomic_init(&c->refs, 1);
    arena_init(&c->arena, SIZE_MAX, 4096);
    return c;
}

void catalog_set_settings(struct catalog *c, const struct settings *settings)
{
    c->settings = *settings;
}

void catalog_hold(struct catalog *c, void *owner, void (*release)(void *owner))
{
    struct hold *h = arena_alloc(&c->arena, sizeof *h);
    *h = (struct hold){.next = c->holds, .owner = owner, .release = release};
    c->holds = h;
}

void catalog_add(struct catalog *c, const struct catalog_service *services, size_t count)
{
    if (c->count + count > c->cap) {
        c->cap = MAX(c->cap * 2, c->count + count);
        struct catalog_service *grown = arena_alloc(&c->arena, c->cap * sizeof *grown);
        if (c->count) memcpy(grown, c->services, c->count * sizeof *grown);
        c->services = grown;
    }
    if (count) memcpy(c->services + c->count, services, count * sizeof *services);
    c->count += count;
}

struct arena *catalog_arena(struct catalog *c)
{
    return &c->arena;
}

struct catalog *catalog_ref(struct catalog *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void catalog_unref(struct catalog *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) return;
    for (const struct hold *h = c->holds; h; h = h->next)
        h->release(h->owner);
    arena_fini(&c->arena);
    free(c);
}

const struct settings *catalog_settings(const struct catalog *c)
{
    return &c->settings;
}

const struct catalog_service *catalog_services(const struct catalog *c, size_t *count)
{
    *count = c->count;
    return c->services;
}
