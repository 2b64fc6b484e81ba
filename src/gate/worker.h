/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: one thread with its loop, its client connections, its upstream pools and its counters.
 *
 * Shares nothing with other workers but snapshots and the atomics behind endpoints. What main wants of it comes by mail. */
#ifndef HOSTLER_GATE_WORKER_H
#define HOSTLER_GATE_WORKER_H

#include <pthread.h>

#include "base/base.h"
#include "base/list.h"
#include "base/rand.h"
#include "http/client.h"
#include "http/server.h"
#include "loop/loop.h"
#include "mesh/service.h"
#include "mesh/stats.h"
#include "obs/metrics.h"
#include "policy/keys.h"

struct gate;

enum { REQUEST_ID_MAX = 64 };

enum outcome {
#define OUTCOME(name, text) OUTCOME_##name,
#include "gate/outcome.def"
#undef OUTCOME
    OUTCOME_COUNT
};

const char *outcome_name(enum outcome o);

/* What has no model; any thread may read. */
struct worker_stats {
    struct metric_cell codes[SERVICE_CODE_COUNT]; /* answers to requests whose model is unknown */
    struct metric_cell outcomes[OUTCOME_COUNT];
    struct metric_cell auth_failures;
    struct metric_cell retries;
    struct metric_cell retries_denied;
    struct metric_cell active; /* exchanges in progress (a gauge) */
};

struct worker {
    struct gate *gate;
    unsigned index;
    struct loop *loop;
    struct http_server server;
    struct http_client client;
    struct rng rng;
    struct digester *digester;
    struct snapshot *snapshot; /* what new exchanges begin with; one reference */
    struct keyring *keyring;   /* belongs to it; one reference */
    struct list exchanges;     /* struct exchange in progress */
    bool draining;             /* new API requests are answered 503 */
    struct worker_stats stats;
    struct listener **listeners;
    size_t listener_count;
    uint64_t lack_told_us; /* when a lack of our own was logged last; 0: never */
    uint64_t last_id;      /* of request ids */
    uint64_t id_seed;
};

/* Sets up everything but listeners, on `loop`. Takes over one reference of each of snapshot and keyring. After a failure, too,
 * worker_fini must follow. */
MUST_CHECK int worker_init(struct worker *w, struct gate *gate, unsigned index, struct loop *loop,
                           struct snapshot *snapshot, struct keyring *keyring);
void worker_fini(struct worker *w); /* cancels what is in progress; fine on a zeroed one */

/* From here on with this configuration. Takes over the references. */
void worker_apply(struct worker *w, struct snapshot *snapshot, struct keyring *keyring);

/* Refuses new requests, closes idle connections; exchanges in progress go on. */
void worker_drain(struct worker *w);

/* A request id that nobody else has. */
void worker_new_id(struct worker *w, char id[REQUEST_ID_MAX + 1]);

#endif
