/* SPDX-License-Identifier: Apache-2.0 */
/* References on snapshots, and what they hold. */
#include <stdlib.h>
#include <string.h>

#include "mesh/mesh_priv.h"

struct snapshot *snapshot_ref(struct snapshot *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

static void drop_states(struct service *service)
{
    for (size_t i = 0; i < service->endpoint_count; i++) {
        const struct endpoint *e = &service->endpoints[i];
        for (size_t k = 0; k < e->field_count; k++)
            explicit_bzero((char *)(uintptr_t)e->fields[k].value.ptr, e->fields[k].value.len);
        explicit_bzero((char *)(uintptr_t)e->query.ptr, e->query.len);
        atomic_fetch_sub(&e->state->refs, 1);
    }
    atomic_fetch_sub(&service->state->refs, 1);
}

void snapshot_unref(struct snapshot *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
    struct mesh *m = s->mesh;
    for (size_t i = 0; i < s->service_count; i++)
        drop_states(&s->services[i]);
    map_fini(&s->by_name);
    arena_fini(&s->arena);
    catalog_unref(s->catalog);
    free(s);
    atomic_store(&m->stale, true);
}

const struct service *snapshot_service(const struct snapshot *s, struct str name)
{
    return map_get(&s->by_name, name);
}

const struct service_name *snapshot_names(const struct snapshot *s, size_t *count)
{
    *count = s->name_count;
    return s->names;
}

const struct service *snapshot_services(const struct snapshot *s, size_t *count)
{
    *count = s->service_count;
    return s->services;
}

const struct settings *snapshot_settings(const struct snapshot *s)
{
    return catalog_settings(s->catalog);
}
