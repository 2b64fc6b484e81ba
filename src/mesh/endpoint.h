/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint: one runtime that offers a service.
 *
 * What the configuration says of it (struct endpoint) is immutable and belongs to a snapshot
 * (mesh/service.h). What happens to it (struct endpoint_state: requests in flight, health,
 * counters) has the identity "model, endpoint name, URL", is shared by all snapshots that name
 * it and survives reloads. Any thread may call what is here. */
#ifndef HOSTLER_MESH_ENDPOINT_H
#define HOSTLER_MESH_ENDPOINT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/list.h"
#include "base/rand.h"
#include "base/str.h"
#include "conf/conf.h"
#include "conf/url.h"
#include "loop/stream.h"
#include "obs/metrics.h"
#include "route/breaker.h"

struct service;
struct service_state;
struct snapshot;

/* How a try ended, as far as the endpoint's health is concerned. */
enum attempt_result {
    /* it answered: 1xx-4xx but 429; a client's fault is not the endpoint's */
    ATTEMPT_OK,
    ATTEMPT_CONNECT_FAILED, /* no connection */
    ATTEMPT_TIMEOUT,        /* connect, first byte or between bytes took too long */
    ATTEMPT_STATUS_429,
    ATTEMPT_STATUS_5XX,
    ATTEMPT_BROKEN,    /* closed or broke the protocol before the answer was whole */
    ATTEMPT_CANCELLED, /* our side stopped it; no verdict */
    ATTEMPT_RESULTS
};

/* The label value: "ok", "connect_failed" ...; static. */
const char *attempt_result_name(enum attempt_result r);

/* Whether requests may be sent at all; set by the supervisor and the prober, apart from the
 * breaker. */
enum endpoint_phase {
    ENDPOINT_UP,        /* takes requests, as far as known */
    ENDPOINT_STARTABLE, /* its process does not run; the `want` hook starts it */
    ENDPOINT_STARTING,  /* will be up soon, requests wait */
    ENDPOINT_DOWN,      /* probes fail, or its process cannot be started */
};

enum { ENDPOINT_REASON_MAX = 320 };

/* What one worker counts; on its own cache line. */
struct attempt_counts {
    _Alignas(64) struct metric_cell by[ATTEMPT_RESULTS];
};

/* The changing part. Fields are private to mesh/; read them through the functions below. */
struct endpoint_state {
    struct list link;      /* of the mesh's states; main thread */
    struct str identity;   /* model, name and URL with separators; owned */
    _Atomic unsigned refs; /* snapshots that name it */
    struct service_state *service;

    _Atomic uint32_t inflight; /* credits taken */
    _Atomic uint32_t phase;    /* enum endpoint_phase */
    /* 0: the breaker is closed; else no request before this time (UINT64_MAX: a trial runs) */
    _Atomic uint64_t closed_until;
    _Atomic bool troubled;        /* the breaker has failures to forget */
    _Atomic bool wanted;          /* the hook was called and nothing came of it yet */
    _Atomic uint64_t released_us; /* when the last credit came back */
    _Atomic uint64_t retry_at_us; /* ENDPOINT_DOWN: when it may be better; 0 unknown */

    /* breaker, rules, reason; never on the path of a healthy request */
    pthread_mutex_t mutex;
    struct breaker breaker;
    struct breaker_rules rules;
    bool unreachable;                 /* the last failure was one of transport, not a status */
    char reason[ENDPOINT_REASON_MAX]; /* why it is not up; "" when it is */

    struct attempt_counts *attempts; /* one per worker */
};

/* What the configuration says. Strings borrow from the snapshot. */
struct endpoint {
    struct str name;     /* for logs and metrics */
    struct addr addr;    /* where to dial */
    struct str pool_key; /* names the connection pool: equal for equal addresses */
    struct str host;     /* the Host header */
    /* what stands for the client's "/v1": "/v1", "/openai/v1" ...; never empty, no last slash */
    struct str prefix;
    /* the name to put into the body; the service's own when the configuration gives none */
    struct str model;
    struct str authorization; /* "Bearer KEY", or empty; secret */
    const struct conf_pair *labels;
    size_t label_count;
    uint32_t capacity; /* 0: no limit */
    uint32_t weight;
    /* target of the active probe, from the host's root; empty: none */
    struct str health;
    const struct conf_engine *engine; /* supervised process, or NULL */
    const struct service *service;
    struct endpoint_state *state;
};

/* The address that a URL names; borrows from it. */
struct addr endpoint_addr(const struct url *u);

/* The request target for what the client asked under /v1: rest "/chat/completions?x" gives
 * prefix + rest. */
struct str endpoint_target(struct arena *arena, const struct endpoint *e, struct str rest);

/* A credit at an endpoint: one request in flight. From admit_try or a waiter; given back by
 * endpoint_release. Its owner keeps the snapshot that it came from until then. */
struct grant {
    const struct endpoint *endpoint; /* NULL: none */
    /* reference held by a grant that came through the queue; else NULL */
    struct snapshot *snapshot;
    bool trial;      /* the one request of a half-open breaker */
    bool given_back; /* the credit, by endpoint_give_back */
};

/* How the try ended: counts it for `worker` and feeds the breaker. Once per grant, before
 * endpoint_release. retry_after_us: from the answer's Retry-After, 0 none. */
void endpoint_report(struct grant *g, unsigned worker, enum attempt_result result,
                     uint64_t retry_after_us, uint64_t now_us, struct rng *rng);

/* Optional: a good response head came, the body is still to follow; ends a cooldown's trial
 * early. */
void endpoint_answered(struct grant *g, uint64_t now_us);

/* Gives the credit back and hands it to the service's next waiter; what the grant borrows stays
 * until endpoint_release, which must still follow. Legal on a zeroed grant. A trial that was not
 * reported is abandoned. */
void endpoint_give_back(struct grant *g, uint64_t now_us);

/* Gives the credit back, where that was not done, and zeroes *g. Legal on a zeroed grant. */
void endpoint_release(struct grant *g, uint64_t now_us);

/* --- what the prober, the supervisor and the admin view use --- */

uint32_t endpoint_inflight(const struct endpoint_state *s);
enum endpoint_phase endpoint_phase(const struct endpoint_state *s);
/* time of the last release, 0 never */
uint64_t endpoint_released_at(const struct endpoint_state *s);

/* True when it would take a request now: up, not cooling down. */
bool endpoint_usable(const struct endpoint_state *s, uint64_t now_us);

/* Changes the phase and the reason shown for it (copied, cut; empty for up), then wakes the
 * service's waiters. retry_at_us: with ENDPOINT_DOWN, when a retry is worth it. ENDPOINT_UP also
 * closes the breaker. */
void endpoint_set_phase(struct endpoint_state *s, enum endpoint_phase phase, struct str reason,
                        uint64_t retry_at_us, uint64_t now_us);

/* A probe was answered: up, if it was down, and a cooldown that failures of transport caused is
 * over. One that a status (429, 5xx) caused goes on, since health paths know nothing of rate
 * limits and broken models. */
void endpoint_alive(struct endpoint_state *s, uint64_t now_us);

/* Stops new credits before a process is stopped: true when no request is in flight, and then UP
 * has become `to`; else the phase stays. */
MUST_CHECK bool endpoint_retire(struct endpoint_state *s, enum endpoint_phase to, struct str reason,
                                uint64_t now_us);

/* Writes why the endpoint takes no requests ("" when it does), with terminator. */
void endpoint_reason(struct endpoint_state *s, uint64_t now_us, char out[ENDPOINT_REASON_MAX]);

#endif
