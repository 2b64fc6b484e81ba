/* SPDX-License-Identifier: Apache-2.0 */
/* The server side of HTTP: connections, and the calls (request and answer) on them.
 *
 * A handler gets each call when its head is complete, reads the body when it wants it, and
 * answers. Calls of one connection are handled one after the other, so pipelined requests are
 * answered in order. Facts are told by waking the call's task; the handler looks at the call and
 * acts. Used by the gateway, the engine and the mock runtime. Everything belongs to the loop's
 * thread. */
#ifndef HOSTLER_HTTP_SERVER_H
#define HOSTLER_HTTP_SERVER_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"
#include "http/h1.h"
#include "http/message.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "obs/metrics.h"

struct http_call;

struct http_server_limits {
    struct h1_limits head;
    size_t body_max;     /* default for call_read_body */
    uint64_t bodies_max; /* the most in *bodies */
    unsigned connections_max;
    uint64_t head_timeout_us;  /* from a request's first byte to its whole head */
    uint64_t body_timeout_us;  /* between two reads of a body */
    uint64_t idle_timeout_us;  /* between requests */
    uint64_t write_timeout_us; /* a client that takes nothing */
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

/* One request and its answer. Handlers read the fields; only server.c writes those above `user`. */
struct http_call {
    struct http_server *server;
    struct arena *arena;          /* lives until the call has ended; recycled per connection */
    const struct http_head *head; /* refused: an empty one */
    /* the head breaks a rule, or there is no memory for it (503): answer with this status and end;
     * 0: it does not */
    int refused;
    const char *refused_why; /* which rule; static */
    struct str peer;         /* client address, for logs */
    struct str body;         /* what has arrived; contiguous */
    bool body_done;          /* the whole body is there */
    /* 0, ERR_TOO_LARGE, ERR_PROTOCOL, ERR_TIMEOUT, ERR_FULL, -ENOMEM: answer and end */
    int body_err;
    const char *body_why; /* ERR_PROTOCOL: which rule was broken; static */
    /* the client has left (or a write failed, or took too long); only call_end or call_abort
     * remain */
    bool gone;
    bool ending;    /* the server closes all at once: a last word, or none */
    int gone_why;   /* ERR_EOF, -ECONNRESET, ERR_TIMEOUT (write), -ENOMEM (for an answer) ... */
    bool head_sent; /* part of the answer has been given to the stream */
    bool ended;     /* call_end or call_abort was called */
    uint64_t started_us; /* first byte of the request */
    uint64_t bytes_out;  /* body bytes given to the stream */
    void *user;          /* the handler's */
    /* woken when a fact above changes, and when queued output has drained below the low mark;
     * set by the handler in on_call */
    struct task *task;
};

/* Starts reading the body, at most `max` bytes; answers Expect: 100-continue. Facts: body,
 * body_done, body_err. */
void call_read_body(struct http_call *c, size_t max);

/* Counts what was made of a body among the bodies that are held, until the call's end. False: they
 * would be too many. */
MUST_CHECK bool call_hold(struct http_call *c, size_t more);

/* --- answering --- */

/* The length of a body that ends where call_write says so. */
#define HTTP_LENGTH_UNKNOWN UINT64_MAX

/* Builds the head of an answer with a body of `length` bytes. It leaves with the first
 * call_write, call_end or call_flush. Adds what frames the body, and a date unless the fields
 * have one; the fields are copied. 204 and 304 have no body; the one that answers a HEAD request
 * is left out by call_write itself. */
void call_begin(struct http_call *c, int status, const struct http_field *fields, unsigned count,
                uint64_t length);

/* Sends body bytes, all slices as one chunk; with `last` also the end. One system call, unless
 * there are very many slices. Nothing borrowed is kept. */
void call_write(struct http_call *c, const struct str *slices, unsigned count, bool last);

void call_flush(struct http_call *c); /* sends a head that waits */

/* Ends the call: completes the answer when it is complete (an answer that lacks announced bytes,
 * or was begun and not finished, closes the connection instead), gives back the arena, goes on
 * to the next request. `c` is dead after. */
void call_end(struct http_call *c);

/* Ends it by closing the connection, so that no client can take a cut answer for a whole one.
 * `c` is dead after. */
void call_abort(struct http_call *c);
void call_abort_reset(struct http_call *c); /* the same by RST on TCP */

/* A small answer in one go: begin, write, end. */
void call_reply(struct http_call *c, int status, const struct http_field *fields, unsigned count,
                struct str body);

/* Answer bytes not yet taken by the kernel; the handler stops producing above its mark. */
size_t call_pending(const struct http_call *c);

/* The task is woken when call_pending has been above `low` and falls to it or less (default 0).
 * Set it before the bytes that it is to watch are written, as stream_set_low_mark says. */
void call_set_low_mark(struct http_call *c, size_t low);

#endif
