/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's HTTP side: routes, requests in progress, readiness. One loop, one thread; the worker
 * computes on another. */
#ifndef HOSTLER_ENGINE_SERVER_H
#define HOSTLER_ENGINE_SERVER_H

#include "base/base.h"
#include "base/list.h"
#include "engine/sampler.h"
#include "engine/worker.h"
#include "http/server.h"
#include "loop/loop.h"
#include "obs/metrics.h"

struct server_options {
    struct worker_options worker;
    const char *alias;  /* the model's name for clients */
    unsigned queue_max; /* requests in progress; more are answered 503 */
    uint64_t drain_us;  /* how long server_drain lets requests run */
};

struct server_stats {
#define PROCESS_METRIC METRIC_MEMBER
#define ENGINE_SERVER_METRIC METRIC_MEMBER
#include "obs/metrics.def"
};

struct server {
    struct loop *loop;
    struct server_options options;
    struct worker *worker;
    struct preparer *preparer;
    struct model *model; /* NULL until loaded */
    const struct model_info *info;
    struct sampler_params defaults; /* where a request says nothing */
    struct http_server http;
    struct list requests; /* struct work (server_priv.h): with an open call or unfinished work */
    unsigned request_count;
    bool draining;
    bool cut; /* drain_us are over: what is left is cut off */
    struct timer drain_timer;
    struct task drain_task;
    uint64_t started_us;
    uint64_t created; /* what /v1/models says, seconds since 1970 */
    struct server_stats stats;
    void (*on_failed)(void *user, const char *why); /* the model could not be loaded */
    void (*on_drained)(void *user);                 /* nothing is in progress any more */
    void *user;
};

/* Sets up and begins to load. Set the on_... before the loop runs. Connections come by
 * http_server_accept(&s->http, ...). */
MUST_CHECK int server_init(struct server *s, struct loop *loop,
                           const struct server_options *options);

/* Takes no new requests and lets those in progress end for at most drain_us. Those that are left
 * have their 503 then, or an error event, and a second to take it. Then it calls on_drained. */
void server_drain(struct server *s);

/* After on_drained or on_failed, when the loop has stopped; before loop_free. */
void server_fini(struct server *s);

#endif
