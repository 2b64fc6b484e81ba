/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "mesh/mesh_priv.h"

int mesh_new(unsigned workers, const struct mesh_hooks *hooks, struct mesh **out)
{
    struct mesh *m = calloc(1, sizeof *m);
    if (!m) return -ENOMEM;
    m->workers = workers;
    if (hooks) m->hooks = *hooks;
    list_init(&m->services);
    list_init(&m->endpoints);
    map_init(&m->by_name);
    map_init(&m->by_identity);
    *out = m;
    return 0;
}

/* --- states that outlive snapshots --- */

static NORETURN void out_of_memory(void)
{
    abort();
}

static struct service_state *service_state_new(struct mesh *m, struct str name)
{
    struct service_state *s = calloc(1, sizeof *s);
    if (!s) out_of_memory();
    size_t size = m->workers * sizeof *s->workers;
    s->workers = aligned_alloc(_Alignof(struct service_worker), size);
    if (!s->workers) out_of_memory();
    memset(s->workers, 0, size);
    s->mesh = m;
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
        if (endpoint__new(service, identity, &found)) out_of_memory();
        if (engine) atomic_store(&found->phase, ENDPOINT_STARTABLE);
        list_push_back(&m->endpoints, &found->link);
        map_put(&m->by_identity, found->identity, found);
    }
    atomic_fetch_add(&found->refs, 1);
    return found;
}

/* Frees the states that no snapshot names. Only the main thread adds references, so none comes
 * back. */
static void sweep(struct mesh *m)
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

/* --- the current snapshot --- */

static void set_rules(const struct snapshot *s)
{
    const struct conf *conf = s->conf;
    const struct breaker_rules rules = {
        .failures = (unsigned)conf->health.failures,
        .cooldown_us = conf->health.cooldown_us,
        .cooldown_max_us = conf->health.cooldown_max_us,
    };
    for (size_t i = 0; i < s->service_count; i++) {
        for (size_t j = 0; j < s->services[i].endpoint_count; j++)
            endpoint__set_rules(s->services[i].endpoints[j].state, &rules);
    }
}

/* The service of that name in `s` (not by alias), or NULL. */
static const struct service *own_service(const struct snapshot *s, struct str name)
{
    const struct service *service = s ? snapshot_service(s, name) : NULL;
    return service && str_eq(service->name, name) ? service : NULL;
}

static void make_current(struct mesh *m, struct snapshot *s, uint64_t now_us)
{
    struct snapshot *old = m->current;
    m->current = s;
    LIST_EACH(&m->services, it)
    {
        struct service_state *state = LIST_ITEM(it, struct service_state, link);
        service__set_current(state, own_service(s, state->name), now_us);
    }
    snapshot_unref(old);
}

int mesh_load(struct mesh *m, struct conf *conf, uint64_t now_us)
{
    struct snapshot *s = NULL;
    int err = snapshot__build(m, conf, &s);
    if (err) return err;
    set_rules(s);
    make_current(m, s, now_us);
    sweep(m);
    return 0;
}

struct snapshot *mesh_current(struct mesh *m)
{
    return m->current ? snapshot_ref(m->current) : NULL;
}

void mesh_tick(struct mesh *m, uint64_t now_us)
{
    LIST_EACH(&m->services, it)
    {
        service__offer(LIST_ITEM(it, struct service_state, link), now_us, true);
    }
    sweep(m);
}

void mesh_free(struct mesh *m)
{
    if (!m) return;
    make_current(m, NULL, 0);
    sweep(m);
    assert(list_empty(&m->services) && list_empty(&m->endpoints));
    map_fini(&m->by_name);
    map_fini(&m->by_identity);
    free(m);
}
