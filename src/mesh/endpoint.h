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
#include "dialect/card.h"
#include "mesh/settings.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "route/breaker.h"
#include "route/choose.h"
#include "route/verdict.h"
#include "transport/way.h"

struct conf_engine;
struct conf_pair;
struct http_field;
struct runtime_kind;
struct service;
struct service_state;
struct snapshot;
struct url;

/* Whether requests may be sent at all; set by the supervisor and the prober, apart from the
 * breaker. */
enum endpoint_phase {
    ENDPOINT_UP,        /* takes requests, as far as known */
    ENDPOINT_STARTABLE, /* its process does not run; the `want` hook starts it */
    ENDPOINT_STARTING,  /* will be up soon, requests wait */
    ENDPOINT_DOWN,      /* probes fail, or its process cannot be started */
};

/* What is known of streams that were asked for usage on our own account. */
enum endpoint_usage { ENDPOINT_USAGE_UNKNOWN, ENDPOINT_USAGE_GIVEN, ENDPOINT_USAGE_REFUSED };

enum { ENDPOINT_REASON_MAX = 320 };

/* How often an endpoint that cools down is probed. */
#define ENDPOINT_RECOVERY_US ROUTE_RECOVERY_US

struct endpoint_stats {
#define ENDPOINT_METRIC METRIC_MEMBER
#include "obs/metrics.def"
};

/* What one worker counts; on its own cache line. */
struct endpoint_worker {
    _Alignas(64) struct endpoint_stats stats;
};

/* The changing part. Fields are private to mesh/; read them through the functions below. */
struct endpoint_state {
    struct list link;      /* on the mesh's endpoints; main thread */
    struct str identity;   /* model, name and URL with separators; owned */
    _Atomic unsigned refs; /* snapshots that name it */
    struct service_state *service;

    _Atomic uint32_t inflight; /* credits taken */
    _Atomic uint32_t phase;    /* enum endpoint_phase */
    /* What the breakers say, so that healthy requests need no mutex. 0: nothing;
     * UINT64_MAX: a trial runs. */
    _Atomic uint64_t closed_until;  /* it cannot be reached: no request before */
    _Atomic uint64_t shunned_until; /* it answers badly: others are preferred before */
    _Atomic uint64_t rest_until;    /* it asked for a pause: without others, requests wait */
    _Atomic bool troubled;          /* a breaker has failures to forget */
    _Atomic bool told_key;          /* that it refuses our key was logged */
    _Atomic uint32_t usage;         /* enum endpoint_usage */
    _Atomic bool unreached;         /* by a request, since it was asked what it is */
    _Atomic uint32_t lacking;       /* surfaces that its kind has, and that it did not know */
    _Atomic bool wanted;            /* the hook was called and nothing came of it yet */
    _Atomic uint64_t released_us;   /* when the last credit came back */
    /* ENDPOINT_DOWN: when it may be better; STARTING: when the start is given up; 0: unknown. */
    _Atomic uint64_t retry_at_us;
    _Atomic uint64_t phase_us; /* when the phase began */
    _Atomic uint32_t
        loading; /* STARTING: the share of the model that is loaded, in %; 0: unknown */
    /* Which product it was found to be, where its kind is to be found; NULL: not yet. */
    _Atomic(const struct runtime_kind *) kind;
    /* When it is asked what it is; UINT64_MAX: it has told; main thread, as are the next ones. */
    uint64_t inquire_at_us;
    bool inquiring; /* ... and being asked */
    bool checked;   /* the prober has looked whether it is there */
    bool probing;   /* the prober has a probe for it */

    /* For what follows; never on the path of a healthy request. */
    pthread_mutex_t mutex;
    struct breaker transport; /* is it there? */
    struct breaker answers;   /* does it answer well? */
    struct breaker_rules transport_rules;
    struct breaker_rules answers_rules;
    struct model_card card;                /* what it told of its model */
    char reason[ENDPOINT_REASON_MAX];      /* why it is not up; "" when it is */
    char failure[ENDPOINT_REASON_MAX / 2]; /* why it could not be reached last */

    struct endpoint_worker *workers;
};

/* What the configuration says. Strings borrow from the snapshot. */
struct endpoint {
    struct str name;     /* for logs and metrics */
    struct way way;      /* where and how to dial */
    struct str pool_key; /* names the connection pool: equal for equal ways */
    struct str host;     /* the Host header */
    /* What stands for the client's "/v1": "/v1", "/openai/v1" ...; never empty, no last slash. */
    struct str prefix;
    /* The name to put into the body; the service's own when the configuration gives none. */
    struct str model;
    const struct runtime_kind *kind; /* read endpoint_kind instead */
    bool finds_kind;                 /* ... which is to be found; until then it counts as `kind` */
    uint32_t surfaces;               /* what its dialects are, as a set; 0: what its kind has */
    /* What each request to it gets: its key, what its kind and its configuration want. Secret. */
    const struct http_field *fields;
    size_t field_count;
    bool has_key;     /* the first of them is a key */
    bool overrides;   /* one of them may stand in for a client's */
    struct str query; /* "?a=b&c=d" that each request to it gets, or empty; secret */
    const struct conf_pair *labels;
    size_t label_count;
    uint32_t capacity; /* 0: no limit */
    uint32_t weight;
    enum usage_policy usage;
    struct endpoint_timeouts timeouts;
    struct model_card card; /* what is known beforehand of the model as it is there */
    /* The active probe's target, from the host's root; empty: none. */
    struct str health;
    const struct conf_engine *engine; /* supervised process, or NULL; then: */
    bool private_engine;   /* hostler-engine on a socket that nobody else knows: it believes us */
    bool starts_on_demand; /* and not together with Hostler */
    uint64_t start_timeout_us;
    const struct service *service;
    struct endpoint_state *state;
};

/* The address that a URL names; borrows from it. */
struct addr endpoint_addr(const struct url *u);

/* The request target for what the client asked under /v1: rest "/chat/completions" gives prefix +
 * rest + query, on the arena. `beside`: what runtimes have beside their /v1, which the prefix then
 * goes without. ptr NULL: no memory. */
struct str endpoint_target(struct arena *arena, const struct endpoint *e, struct str rest,
                           bool beside);

/* Which product it is, as far as known. */
const struct runtime_kind *endpoint_kind(const struct endpoint *e);

/* The same; NULL while that is not found yet. */
const struct runtime_kind *endpoint_found_kind(const struct endpoint *e);

/* What it answers itself, a set of enum surface. Changes when its kind is found. */
uint32_t endpoint_surfaces(const struct endpoint *e);

/* It did not know one that its kind has, as older ones do: not asked for again until it was away. */
void endpoint_note_lack(struct endpoint_state *s, uint32_t surfaces);

/* What is known of the model as it is there: settings, what it told, what it is asked for. */
struct model_card endpoint_card(const struct endpoint *e);

/* It told what it is, by the page `sign` (empty: nothing told, and it counts as `kind` for
 * good): said in the log when it is news, and waiters look again. Main thread. */
void endpoint_learn_kind(const struct endpoint *e, const struct runtime_kind *kind, struct str sign,
                         uint64_t now_us);
void endpoint_learn_card(const struct endpoint *e, const struct model_card *card);

/* A credit at an endpoint: one request in flight. From admit_try or a waiter; given back by
 * endpoint_release. Its owner keeps the snapshot that it came from until then. */
struct grant {
    const struct endpoint *endpoint; /* NULL: none */
    /* One reference, if it came through the queue; else NULL. */
    struct snapshot *snapshot;
    uint32_t surfaces; /* what the endpoint answers itself, as it was then */
    bool trial;        /* the one request that tries whether it can be reached again */
    bool probation;    /* the one request that tries whether it answers well again */
    bool last;         /* taken although it is shunned, as there are no others */
    bool given_back;   /* the credit was, by endpoint_give_back */
};

/* How the try ended: counts it for `worker`, feeds the breakers and logs what changes. Once per
 * grant, before endpoint_release. retry_after_us: from the answer's Retry-After, 0 none. `what`:
 * the failure in words, for /readyz; NULL for none. */
void endpoint_report(struct grant *g, unsigned worker, enum verdict verdict,
                     uint64_t retry_after_us, const char *what, uint64_t now_us, struct rng *rng);

/* Optional: a good response head came, the body is still to follow; ends a cooldown's trial
 * early. */
void endpoint_answered(struct grant *g, uint64_t now_us);

enum endpoint_usage endpoint_usage(const struct endpoint_state *s);
void endpoint_note_usage(struct endpoint_state *s, enum endpoint_usage usage);

/* How far an endpoint that is starting has come, in %; 0: unknown. Any thread. */
unsigned endpoint_loading(const struct endpoint_state *s);
void endpoint_note_loading(struct endpoint_state *s, unsigned percent);

/* Gives the credit back and hands it to the service's next waiter; what the grant borrows stays
 * until endpoint_release, which must still follow. Legal on a zeroed grant. A trial that was not
 * reported is abandoned. */
void endpoint_give_back(struct grant *g, uint64_t now_us);

/* Gives the credit back, where that was not done, and zeroes *g. Legal on a zeroed grant. */
void endpoint_release(struct grant *g, uint64_t now_us);

/* --- what the prober, the supervisor and the status pages use --- */

struct str endpoint_model(const struct endpoint_state *s); /* the service's name */
uint32_t endpoint_inflight(const struct endpoint_state *s);
enum endpoint_phase endpoint_phase(const struct endpoint_state *s);

/* When the last credit came back; 0: never. */
uint64_t endpoint_released_at(const struct endpoint_state *s);

/* True when it would take a request now: up, not cooling down. It may be shunned. */
bool endpoint_usable(const struct endpoint_state *s, uint64_t now_us);

/* True when others are preferred, as it answers badly or asked for a pause. */
bool endpoint_shunned(const struct endpoint_state *s, uint64_t now_us);

/* True while it cools down, and after that until a trial or a probe has succeeded. */
bool endpoint_cooling(const struct endpoint_state *s);

/* Changes the phase and the reason shown for it (copied, cut; empty for up), then wakes the
 * service's waiters. retry_at_us: with ENDPOINT_DOWN, when a retry is worth it; with
 * ENDPOINT_STARTING, when the start is given up. ENDPOINT_UP also closes the breakers. */
void endpoint_set_phase(struct endpoint_state *s, enum endpoint_phase phase, struct str reason,
                        uint64_t retry_at_us, uint64_t now_us);

/* A probe was answered: up, if it was down, and a cooldown is over. What it answered to
 * others before stays: health paths know nothing of rate limits and broken models. True
 * when that changed something. */
bool endpoint_alive(struct endpoint_state *s, uint64_t now_us);

/* A probe found nobody there: cools down at once, or stays so until after the next
 * one. True when it is news. */
bool endpoint_absent(struct endpoint_state *s, const char *what, uint64_t now_us, struct rng *rng);

/* One line of the log: an endpoint's health changed. `reason` may be empty. */
void endpoint_log(const struct endpoint *e, enum log_level level, const char *state,
                  const char *reason);

/* Stops new credits before a process is stopped: true when no request is in flight, and then UP
 * has become `to`; else the phase stays. */
MUST_CHECK bool endpoint_retire(struct endpoint_state *s, enum endpoint_phase to, struct str reason,
                                uint64_t now_us);

/* Writes why the endpoint takes no requests ("" when it does), with terminator. */
void endpoint_reason(struct endpoint_state *s, uint64_t now_us, char out[ENDPOINT_REASON_MAX]);

#endif
