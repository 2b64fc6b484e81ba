/* SPDX-License-Identifier: Apache-2.0 */
/* The server side of HTTP: connections, and the calls (http/call.h) on them.
 *
 * A connection speaks HTTP/1.1, whose calls are handled one after the other, so that pipelined
 * requests are answered in order; or HTTP/2, with many calls at once: where TLS has agreed on it
 * (RFC 7301), or where the client begins with its preface. Used by the gateway, the engine and the
 * mock runtime. Everything belongs to the loop's thread. */
#ifndef HOSTLER_HTTP_SERVER_H
#define HOSTLER_HTTP_SERVER_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"
#include "http/call.h"
#include "http/h1.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "obs/metrics.h"

/* So many connections above connections_max are still taken, to tell them so: their calls are
 * `spare`, and each ends its connection. */
enum { HTTP_SERVER_SPARE = 16 };

struct http_server_limits {
    struct h1_limits head;
    size_t body_max;     /* default for call_read_body */
    uint64_t bodies_max; /* the most in *bodies */
    unsigned connections_max;
    uint64_t head_timeout_us;  /* from a request's first byte to its whole head */
    uint64_t body_timeout_us;  /* between two reads of a body */
    uint64_t idle_timeout_us;  /* between requests */
    uint64_t write_timeout_us; /* a client that takes nothing */
    unsigned h2_streams_max;   /* requests at once on a connection of HTTP/2; 0: it is not spoken */
};

/* What those may do together who come by one way, whichever servers they end up at. 0: no limit. */
struct http_quota {
    uint64_t connections_max;                       /* as in http_server_limits */
    uint64_t requests_max;                          /* more are `crowded` */
    uint64_t bodies_max;                            /* as in http_server_limits */
    _Atomic uint64_t connections, requests, bodies; /* now */
};

/* A way into a server with a quota, which must outlive the server. */
struct http_door {
    struct acceptor acceptor;
    struct http_server *server;
    struct http_quota *quota;
};

/* What a server counts; any thread may read it. */
struct http_server_stats {
#define HTTP_SERVER_METRIC METRIC_MEMBER
#include "obs/metrics.def"
};

extern const struct metric_set http_server_metrics;

/* One per loop. */
struct http_server {
    struct acceptor acceptor; /* takes accepted streams over */
    struct loop *loop;
    struct http_server_limits limits; /* may be changed between events */
    /* A head is complete, or cannot be read (call->refused); runs from the ready queue. */
    void (*on_call)(void *user, struct http_call *call);
    void *user;
    struct list conns; /* struct http_conn */
    struct list dead;  /* closed, freed by reap: nobody is inside them any more then */
    struct task reap;
    struct arena_block *spare; /* blocks of arenas whose calls have ended, for the next ones */
    unsigned spare_count;
    unsigned conn_count;
    bool draining; /* answers say connection: close; idle connections are closed */
    struct http_server_stats stats;
    uint64_t refused_told_us; /* when the log was told of a refused connection last */
    /* open after the last answer, which may not be sent yet; any thread may read it */
    struct metric_cell lingering;
    struct task *quiet; /* woken when a connection has gone while draining; NULL: nobody */
    /* Bytes of request bodies, and of what was made of them, that are held until their call's end,
     * by all servers that share it; more than bodies_max is ERR_FULL. Small bodies stand in memory
     * that a connection has anyway and are not counted. NULL: none are. */
    _Atomic uint64_t *bodies;
};

void http_server_init(struct http_server *s, struct loop *loop,
                      const struct http_server_limits *limits);

void http_door_init(struct http_door *d, struct http_server *s, struct http_quota *quota);

/* Closes all connections, telling calls in progress by `gone`; they must end before the loop
 * does. */
void http_server_fini(struct http_server *s);

/* Stops keep-alive: closes idle connections now and others after their answer. */
void http_server_drain(struct http_server *s);

/* All will be closed as soon as the ready queue has been emptied: calls in progress learn by
 * `ending`, and what they give to the stream now still leaves. */
void http_server_finish(struct http_server *s);

/* Closes everything at once; calls in progress learn by `gone`. */
void http_server_close_all(struct http_server *s);

#endif
