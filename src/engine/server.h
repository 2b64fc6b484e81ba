/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's HTTP side: a table of routes, work in progress, readiness. One loop, one thread; the
 * preparer and the model compute on others. */
#ifndef HOSTLER_ENGINE_SERVER_H
#define HOSTLER_ENGINE_SERVER_H

#include "base/base.h"
#include "base/list.h"
#include "engine/hosted.h"
#include "engine/preparer.h"
#include "http/server.h"
#include "loop/loop.h"
#include "obs/log.h"
#include "obs/metrics.h"

struct server;

enum {
    SERVER_BODY_MAX = 16 * 1024 * 1024,
    SERVER_PARSE_MAX = 8 * SERVER_BODY_MAX,
    SERVER_ANSWER_MAX = 256 * 1024 * 1024
};

struct server_route {
    struct str path;
    bool post;   /* work for the model: POST; else GET and HEAD */
    bool rest;   /* what follows the path belongs to it */
    bool socket; /* only there for who comes through a UNIX socket: the gateway, and root */
    void (*run)(struct server *s, struct http_call *call); /* takes the call over */
    bool asks; /* got, but of the compute thread: refused when posted work is */
};

struct server_routes {
    const struct server_route *rows;
    size_t count;
};

struct server_options {
    struct hosted_options hosted;
    struct server_routes routes;
    unsigned queue_max; /* requests in progress; more are answered 503 */
    uint64_t drain_us;  /* how long server_drain lets requests run */
};

struct server_stats {
#define PROCESS_METRIC METRIC_MEMBER
#define ENGINE_SERVER_METRIC METRIC_MEMBER
#include "obs/metrics.def"
};

/* Work in progress: what a posted call has begun. */
struct work {
    struct list link;
    /* The server's patience has ended: answers with the error what has no answer yet, ends what has
     * one, and hurries the rest. */
    void (*cut)(struct work *work, const struct refusal *error);
};

struct server {
    struct loop *loop;
    struct server_options options;
    struct preparer *preparer;
    struct hosted hosted;
    struct http_server http;
    struct list requests; /* struct work: with an open call or unfinished work */
    unsigned request_count;
    bool draining;
    bool cut; /* drain_us are over: what is left is cut off */
    struct timer drain_timer;
    struct task drain_task;
    struct server_stats stats;
    void (*on_drained)(void *user); /* nothing is in progress any more */
    void *user;
};

/* Sets up and begins to load. Set on_drained and hosted.on_failed before the loop runs. Connections
 * come by s->http.acceptor. */
MUST_CHECK int server_init(struct server *s, struct loop *loop,
                           const struct server_options *options);

/* Takes no new requests and lets those in progress end for at most drain_us. Those that are left
 * have their 503 then, or an error event, and a second to take it. Then it calls on_drained. */
void server_drain(struct server *s);

/* After on_drained or a failed load, when the loop has stopped; before loop_free. */
void server_fini(struct server *s);

/* --- for handlers --- */

void server_reply_json(struct http_call *c, int status, struct str body);

/* Adds the id by which whoever asks knows the request, if there is one: the gateway's line has it,
 * too, and is the one that people read. */
void server_log_id(const struct http_call *c, struct log_line *l);
void server_reply_error(struct http_call *c, const struct refusal *error);
void server_refuse(struct http_call *c, int status, const char *type, const char *code,
                   struct str message);

/* Counts work in progress, and tells when a draining server has none left. */
void server_enter(struct server *s, struct work *work);
void server_leave(struct server *s, struct work *work);

#endif
