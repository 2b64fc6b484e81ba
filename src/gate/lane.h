/* SPDX-License-Identifier: Apache-2.0 */
/* A lane: what an exchange needs of the thread that it runs on. Its loop, its upstream pools,
 * its counters, and the configuration that new exchanges begin with.
 *
 * Shares nothing with other lanes but snapshots and the atomics behind endpoints. Everything
 * belongs to the loop's thread. */
#ifndef HOSTLER_GATE_LANE_H
#define HOSTLER_GATE_LANE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/rand.h"
#include "http/client.h"
#include "loop/loop.h"
#include "mesh/service.h"
#include "mesh/stats.h"
#include "obs/metrics.h"
#include "policy/keys.h"

struct archive;
struct route;

enum { REQUEST_ID_MAX = 64, ROUTES_MAX = 63 };

enum outcome {
#define OUTCOME(name, text) OUTCOME_##name,
#include "gate/outcome.def"
#undef OUTCOME
    OUTCOME_COUNT
};

const char *outcome_name(enum outcome o);

/* Why a new request is refused at once (gate/shed.h). */
enum shed_cause { SHED_LAG, SHED_MEMORY, SHED_REQUESTS, SHED_CONNECTIONS, SHED_CAUSES };

const char *shed_cause_text(unsigned cause);

/* What has no model; any thread may read. */
struct lane_stats {
#define LANE_METRIC METRIC_MEMBER
#include "obs/metrics.def"
    struct answer_stats answers;                /* to requests whose model is unknown */
    struct answer_stats keys[KEY_LABELS];       /* to those with the key of that place */
    struct answer_stats routes[ROUTES_MAX + 1]; /* of each route, then to those without one */
    struct metric_cell active;                  /* exchanges in progress (a gauge) */
};

extern const struct metric_set lane_metrics;

/* The process that lanes belong to, as they see it. The same for all of them, and constant. */
struct lane_home {
    struct loop *loop; /* the main thread's: where errands go */
    struct str via;    /* our entry in Via headers, "1.1 NAME" (RFC 9110 section 7.6.3) */
    const struct route *routes;
    size_t route_count;      /* at most ROUTES_MAX */
    struct archive *archive; /* of responses; NULL: none is kept */
    /* Appends all metrics in the text format. ERR_TOO_LARGE, -ENOMEM: what was written then is
     * of no use. Main thread. */
    int (*write_metrics)(void *owner, struct buf *out);
    uint64_t (*count_active)(void *owner); /* exchanges in progress, on all lanes; any thread */
    void *owner;
    struct metric_cell memory_short; /* 1 while new requests are refused to save memory */
};

struct lane {
    const struct lane_home *home;
    unsigned index; /* among the process's lanes */
    struct loop *loop;
    struct http_client client;
    struct rng rng;
    struct digester *digester;
    struct snapshot *snapshot; /* what new exchanges begin with; one reference */
    struct keyring *keyring;   /* belongs to it; one reference */
    struct list exchanges;     /* struct exchange in progress */
    bool draining;             /* new API requests are answered 503 */
    struct lane_stats stats;
    uint64_t lack_told_us; /* when a lack of our own was logged last; 0: never */
    uint64_t shed_told_us; /* when the log was told of refused requests last; 0: never */
    uint64_t last_id;      /* the last part of request ids */
    uint64_t id_seed;
};

/* Takes over one reference of each of snapshot and keyring. After a failure, too, lane_fini must
 * follow. */
MUST_CHECK int lane_init(struct lane *l, const struct lane_home *home, unsigned index,
                         struct loop *loop, struct snapshot *snapshot, struct keyring *keyring);
void lane_fini(struct lane *l); /* its exchanges have ended; fine on a zeroed one */

/* From here on with this configuration. Takes over the references. */
void lane_apply(struct lane *l, struct snapshot *snapshot, struct keyring *keyring);

/* A request id that nobody else has. */
void lane_new_id(struct lane *l, char id[REQUEST_ID_MAX + 1]);

#endif
