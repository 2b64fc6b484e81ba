/* SPDX-License-Identifier: Apache-2.0 */
/* Services and the snapshot that names them.
 *
 * The main thread builds a snapshot from each configuration it loads; a snapshot is immutable
 * and reference-counted. Workers hold one, exchanges hold the one they began with until they
 * have released their last grant. State that must outlive a reload (queues, counters, health) is
 * found again by name. */
#ifndef HOSTLER_MESH_SERVICE_H
#define HOSTLER_MESH_SERVICE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "mesh/endpoint.h"
#include "mesh/settings.h"
#include "mesh/stats.h"
#include "obs/metrics.h"
#include "route/pick.h"

struct catalog;
struct mesh;
struct snapshot;
struct service_state;

struct service_name;

/* What clients call by name. Immutable; borrows from its snapshot. */
struct service {
    struct str name;
    const struct service_name *names; /* the name and the aliases */
    size_t name_count;
    const struct endpoint *endpoints;
    size_t endpoint_count;
    enum route_policy policy;
    const struct service *const *fallback; /* tried in order when this one cannot answer */
    size_t fallback_count;
    size_t queue_max;
    uint64_t queue_timeout_us;
    uint64_t total_us;         /* timeouts.total, the model's or the common one; 0: none */
    struct model_card card;    /* what is told of it, whatever else is known */
    bool listed;               /* by a runtime, and not in the configuration */
    uint64_t created_s;        /* wall clock, when it first appeared in this process */
    struct snapshot *snapshot; /* the one it belongs to; no reference */
    struct service_state *state;
};

/* A row of /v1/models: a service's name or one of its aliases. */
struct service_name {
    struct str id;
    const struct service *service;
};

/* The service of that name or alias, or NULL. Any thread. */
const struct service *snapshot_service(const struct snapshot *s, struct str name);

/* All names, in the order of the configuration, each service followed by its aliases. */
const struct service_name *snapshot_names(const struct snapshot *s, size_t *count);

/* The services, in the order of the configuration. */
const struct service *snapshot_services(const struct snapshot *s, size_t *count);

const struct settings *snapshot_settings(const struct snapshot *s); /* live as long as it does */

struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s); /* any thread; NULL is fine */

/* Counters of `worker` (0 .. workers-1) for this service; written by that worker's thread only. */
struct service_stats *service_stats(const struct service *s, unsigned worker);

/* The retry budget of the configuration, one for all workers. The first tells that a first attempt
 * begins. The second is true, and has counted it, when one more attempt is within budget. */
void service_count_request(const struct service *s, unsigned worker, uint64_t now_us);
bool service_may_retry(const struct service *s, unsigned worker, uint64_t now_us);

/* Until when a request that began to wait at `queued_us` may: queue_timeout, but while a process
 * starts as long as that may take, and then queue_timeout anew, since who waits for a start has
 * not waited for its turn yet. */
uint64_t service_wait_until(const struct service *s, uint64_t queued_us);

/* What is known of the model: what the configuration says, else what is known of its endpoints,
 * the smallest context and all that one of them can. (card.c) */
struct model_card service_card(const struct service *s);

/* Whether one of its endpoints has that name. */
bool service_has_endpoint(const struct service *s, struct str name);

/* Waiting requests now. */
size_t service_waiting(const struct service *s);

/* True when a request would be served: an endpoint is usable, or its process starts on demand. One
 * whose process starts with Hostler must be up. Else `reason` (NULL: not wanted) gets why, one
 * phrase per endpoint, separated by "; ". */
bool service_ready(const struct service *s, uint64_t now_us, struct buf *reason);

/* True when a request would be served now: an endpoint is usable. */
bool service_up(const struct service *s, uint64_t now_us);

/* True when at least one of its services is ready, or it has none at all, which is what was
 * asked for. */
bool snapshot_ready(const struct snapshot *s, uint64_t now_us);

/* --- the main thread --- */

/* What the mesh asks of the supervisor. NULL functions: engines are not supported and are down. */
struct mesh_hooks {
    void *ctx;
    /* Where the process of `model` will listen; strings from `arena`. Main thread, while a
     * snapshot is built. */
    int (*engine_addr)(void *ctx, struct str model, struct arena *arena, struct addr *out);
    /* A request needs the process behind `s`. Any thread, at most once until the phase changes. */
    void (*want)(void *ctx, struct endpoint_state *s);
    /* Somebody asks that the process behind `s` stops when nobody uses it. Any thread. */
    void (*dismiss)(void *ctx, struct endpoint_state *s);
};

/* Asks for the processes of the service's endpoints to be stopped, where they are idle. */
void service_dismiss(const struct service *s);

/* `workers` fixes how many counters are kept per service. */
MUST_CHECK int mesh_new(unsigned workers, const struct mesh_hooks *hooks, struct mesh **out);
void mesh_free(struct mesh *m); /* all snapshots but the mesh's own must have been given back */

/* Builds a snapshot (references `catalog`) and makes it current: waiters of services that are gone
 * are refused, others are tried on the new endpoints. A failure (-ENOMEM, ERR_INVALID for an
 * unusable URL) leaves the old one current. */
MUST_CHECK int mesh_load(struct mesh *m, struct catalog *catalog, uint64_t now_us);

/* The current snapshot with a new reference; NULL before the first load. Main thread; workers
 * get theirs by mail. */
struct snapshot *mesh_current(struct mesh *m);

/* Calls `fn` for each TLS context that endpoints of the current snapshot use. Main thread. */
void mesh_each_tls(struct mesh *m, void (*fn)(void *owner, struct tls_context *context),
                   void *owner);

/* Housekeeping, every 100-500 ms: lets waiters onto endpoints whose cooldown has ended, frees
 * what no snapshot names. */
void mesh_tick(struct mesh *m, uint64_t now_us);

/* Writes the rows of answers, services and endpoints. `unknown`: answers to requests whose model
 * is unknown, a source of struct answer_stats that has "" for the model; NULL: none. Of models that
 * runtimes list, those that were asked, up to a limit. Main thread. */
void snapshot_write_metrics(const struct snapshot *s, const struct metric_source *unknown,
                            struct metrics_writer *w, uint64_t now_us);

#endif
