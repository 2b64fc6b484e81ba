/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/service.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "mesh/mesh_priv.h"

int mesh_new(unsigned workers, const struct mesh_hooks *hooks, struct mesh **out)
{
    struct mesh *m = mem_try_zero(1, sizeof *m);
    if (!m) return -ENOMEM;
    m->workers = workers;
    if (hooks) m->hooks = *hooks;
    list_init(&m->services);
    list_init(&m->endpoints);
    list_init(&m->tls);
    map_init(&m->by_name);
    map_init(&m->by_identity);
    *out = m;
    return 0;
}

static void set_rules(const struct snapshot *s)
{
    for (size_t i = 0; i < s->service_count; i++) {
        for (size_t j = 0; j < s->services[i].endpoint_count; j++)
            endpoint__set_rules(s->services[i].endpoints[j].state, &snapshot_settings(s)->breaker);
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

int mesh_load(struct mesh *m, struct catalog *catalog, uint64_t now_us)
{
    struct snapshot *s = NULL;
    mesh__tls_begin(m);
    int err = snapshot__build(m, catalog, &s);
    if (err) return err;
    set_rules(s);
    make_current(m, s, now_us);
    mesh__tls_sweep(m);
    mesh__sweep(m);
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
    mesh__sweep(m);
}

void mesh_free(struct mesh *m)
{
    if (!m) return;
    make_current(m, NULL, 0);
    mesh__sweep(m);
    assert(list_empty(&m->services) && list_empty(&m->endpoints));
    mesh__tls_fini(m);
    map_fini(&m->by_name);
    map_fini(&m->by_identity);
    free(m);
}
