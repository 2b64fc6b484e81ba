/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of mesh/: what services and snapshots are made of.
 *
 * Locks: a service's mutex may be held when an endpoint's is taken, never the other way round. */
#ifndef HOSTLER_MESH_MESH_PRIV_H
#define HOSTLER_MESH_MESH_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rand.h"
#include "mesh/admit.h"
#include "mesh/catalog.h"
#include "mesh/service.h"
#include "route/queue.h"
#include "route/retry.h"
#include "transport/tls_context.h"

/* What one worker counts; on its own cache lines. */
struct service_worker {
    _Alignas(64) struct service_stats stats;
    struct retry_budget budget;
};

/* The part of a service that outlives snapshots. */
struct service_state {
    struct list link; /* on mesh.services; main thread */
    struct mesh *mesh;
    struct str name;       /* owned */
    _Atomic unsigned refs; /* snapshots that name it */
    uint64_t created_s;    /* wall clock */
    bool told;             /* counted in mesh.told; main thread */
    struct service_worker *workers;
    _Atomic uint64_t turn;  /* round robin's running number */
    _Atomic size_t waiting; /* length of queue */

    /* Hands free credits to those who wait (service__offer); for endpoints, which stand below
     * the queue. */
    void (*offer)(struct service_state *s, uint64_t now_us, bool all);

    pthread_mutex_t mutex; /* for what follows */
    struct queue queue;    /* struct waiter */
    /* In the mesh's current snapshot; NULL: not configured any more. */
    const struct service *current;
    struct rng rng;
};

struct snapshot {
    _Atomic unsigned refs;
    struct mesh *mesh;
    struct catalog *catalog; /* one reference; its strings are borrowed */
    struct arena arena;
    struct map by_name; /* struct service */
    struct service *services;
    size_t service_count;
    struct service_name *names;
    size_t name_count;
};

struct mesh {
    unsigned workers;
    struct mesh_hooks hooks;
    struct snapshot *current; /* one reference */
    struct list services;     /* struct service_state */
    struct list endpoints;    /* struct endpoint_state */
    struct map by_name;       /* the services */
    struct map by_identity;   /* the endpoints */
    _Atomic bool stale;       /* a snapshot went: some states may have no more references */
    struct list tls;          /* struct tls_entry (tls.c) */
    unsigned tls_generation;  /* of the load in progress, or the last one */
    size_t told;              /* listed services that metrics tell of */
};

/* tls.c: the context for `settings`, which lives at least as long as the snapshot. As
 * tls_context_new. */
MUST_CHECK int mesh__tls(struct snapshot *s, const struct tls_settings *settings,
                         struct tls_context **out, char why[TLS_WHY_ROOM]);
void mesh__tls_begin(struct mesh *m); /* a load begins */
void mesh__tls_sweep(struct mesh *m); /* it is over: what it has not used goes */
void mesh__tls_fini(struct mesh *m);

/* endpoint.c */
struct endpoint_state *endpoint__new(struct service_state *service, struct str identity);
void endpoint__free(struct endpoint_state *s);
void endpoint__set_rules(struct endpoint_state *s, const struct breaker_rules *rules);

/* Takes a credit; false when it is full or not usable after all. `last`: although it is shunned. */
bool endpoint__take(const struct endpoint *e, bool last, uint64_t now_us, struct grant *out);

/* admit.c: offers free credits to the waiters; takes no lock when nobody waits. `all`: looks at
 * every waiter and refuses those that nothing can serve; else stops when the endpoints are full. */
void service__offer(struct service_state *s, uint64_t now_us, bool all);

/* Changes where waiters are served; NULL: the service is gone. */
void service__set_current(struct service_state *s, const struct service *current, uint64_t now_us);

/* build.c */
MUST_CHECK int snapshot__build(struct mesh *m, struct catalog *catalog, struct snapshot **out);

/* states.c: the state of that identity, found or made; with one more reference. */
struct service_state *mesh__service_state(struct mesh *m, struct str name);
struct endpoint_state *mesh__endpoint_state(struct mesh *m, struct service_state *service,
                                            struct str identity, bool engine);

/* Frees the states that no snapshot names. Only the main thread adds references, so none comes
 * back. */
void mesh__sweep(struct mesh *m);

#endif
