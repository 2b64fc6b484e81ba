/* SPDX-License-Identifier: Apache-2.0 */
/* What outlives snapshots: the states of services and endpoints, found again by name. Main
 * thread. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mesh/mesh_priv.h"

static struct service_state *service_state_new(struct mesh *m, struct str name)
{
    struct service_state *s = mem_must_zero(1, sizeof *s);
    s->workers = mem_must_aligned(_Alignof(struct service_worker), m->workers, sizeof *s->workers);
    s->mesh = m;
    s->offer = service__offer;
    s->name = str_n(str_dup(name), name.len);
    s->created_s = clock_wall_us() / USEC_PER_SEC;
    queue_init(&s->queue);
    rng_seed_random(&s->rng);
    pthread_mutex_init(&s->mutex, NULL);
    list_push_back(&m->services, &s->link);
    map_put(&m->by_name, s->name, s);
    return s;
}

static void service_state_free(struct service_state *s)
{
    assert(s->queue.count == 0);
    list_remove(&s->link);
    s->mesh->told -= s->told;
    map_remove(&s->mesh->by_name, s->name);
    pthread_mutex_destroy(&s->mutex);
    free((char *)(uintptr_t)s->name.ptr);
    free(s->workers);
    free(s);
}

struct service_state *mesh__service_state(struct mesh *m, struct str name)
{
    struct service_state *found = map_get(&m->by_name, name);
    if (!found) found = service_state_new(m, name);
    atomic_fetch_add(&found->refs, 1);
    return found;
}

struct endpoint_state *mesh__endpoint_state(struct mesh *m, struct service_state *service,
                                            struct str identity, bool engine)
{
    struct endpoint_state *found = map_get(&m->by_identity, identity);
    assert(!found || found->service == service); /* its name is part of the identity */
    if (!found) {
        found = endpoint__new(service, identity);
        if (engine) atomic_store(&found->phase, ENDPOINT_STARTABLE);
        list_push_back(&m->endpoints, &found->link);
        map_put(&m->by_identity, found->identity, found);
    }
    atomic_fetch_add(&found->refs, 1);
    return found;
}

void mesh__sweep(struct mesh *m)
{
    if (!atomic_exchange(&m->stale, false)) return;
    LIST_EACH_SAFE(&m->endpoints, it, next)
    {
        struct endpoint_state *s = LIST_ITEM(it, struct endpoint_state, link);
        if (atomic_load(&s->refs) > 0) continue;
        list_remove(&s->link);
        map_remove(&m->by_identity, s->identity);
        endpoint__free(s);
    }
    LIST_EACH_SAFE(&m->services, it, next)
    {
        struct service_state *s = LIST_ITEM(it, struct service_state, link);
        if (atomic_load(&s->refs) == 0) service_state_free(s);
    }
}
