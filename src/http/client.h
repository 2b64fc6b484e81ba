/* SPDX-License-Identifier: Apache-2.0 */
/* The client side of HTTP: pooled connections, and fetches (one request and its response) on them.
 *
 * Facts are told by waking the fetch's task. A connection speaks HTTP/1.1 and carries one fetch
 * after the other: it goes back to the pool only when its response was complete and nothing follows
 * it; or it speaks HTTP/2 and carries many at once (http/h2.h). Which, the way says, or TLS agrees
 * on it (RFC 7301). A pool lives as long as a connection of its way. Everything belongs to the
 * loop's thread. */
#ifndef HOSTLER_HTTP_CLIENT_H
#define HOSTLER_HTTP_CLIENT_H

#include "base/arena.h"
#include "base/base.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "http/h1.h"
#include "http/message.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "obs/metrics.h"
#include "transport/way.h"

/* How long a response may go on behind its owner's back. */
#define HTTP_CLIENT_GRACE_US UINT64_C(1000000)

/* What a client counts; any thread may read it. */
struct http_client_stats {
#define HTTP_CLIENT_METRIC METRIC_MEMBER
#include "obs/metrics.def"
};

extern const struct metric_set http_client_metrics;

/* One per loop: the connections that may carry fetches, by way. */
struct http_client {
    struct loop *loop;
    struct h1_limits limits;
    unsigned idle_max;   /* per way */
    uint64_t idle_us;    /* an idle connection is closed after this */
    struct map pools;    /* a way's key -> struct http_pool */
    unsigned remembered; /* pools without a connection */
    struct list all;     /* struct http_upstream: every connection */
    struct task sweep_task;
    struct timer sweep;
    struct http_client_stats stats;
};

void http_client_init(struct http_client *c, struct loop *loop, const struct h1_limits *limits,
                      unsigned idle_max, uint64_t idle_us);
void http_client_fini(struct http_client *c); /* closes all; fetches must have ended */

/* Closes the idle connections (drain, tests). */
void http_client_close_idle(struct http_client *c);

enum fetch_state {
    FETCH_NONE,
    FETCH_CONNECTING,
    FETCH_AWAIT,  /* request given to the stream; no response head yet */
    FETCH_BODY,   /* head is set; body bytes come */
    FETCH_DONE,   /* response complete; body may hold the last bytes */
    FETCH_FAILED, /* err is set */
};

/* One request on one way. Embedded in its owner; zero it before fetch_start. */
struct fetch {
    /* set by the owner */
    struct http_client *client;
    struct arena *arena;         /* gets the response head */
    struct task *task;           /* woken when a fact changes */
    struct way way;              /* where; strings live as long as the fetch */
    struct str key;              /* names the pool: equal for equal ways (way_key) */
    struct http_request request; /* sent when connected; must live until state > CONNECTING */
    bool no_reuse;               /* dial a new connection */
    bool no_keep;                /* and do not keep it for another request */

    /* facts */
    enum fetch_state state;
    /* FETCH_FAILED by what the peer sent or is: which rule it breaks, which check failed; static;
     * else NULL */
    const char *why;
    /* FETCH_FAILED: ERR_EOF, ERR_PROTOCOL, ERR_TOO_LARGE, -ECONNREFUSED, ERR_RESOLVE, -ENOMEM ... */
    int err;
    bool reused;   /* on a pooled connection */
    bool sent;     /* the request was given to a connected stream */
    bool any_byte; /* a byte of the response was seen */
    const struct http_head *head;
    /* decoded body bytes that wait to be taken; borrowed until fetch_take or the fetch's end */
    struct str body;
    uint64_t last_read_us; /* loop time of the last bytes */

    const struct fetch_ops *ops; /* of what carries it (client_priv.h); NULL: nothing does */
    void *carrier;
    struct list link; /* among those that wait for a connection */
};

/* Nothing more comes, whether the response is whole or not. */
static inline bool fetch_ended(const struct fetch *f)
{
    return f->state == FETCH_DONE || f->state == FETCH_FAILED;
}

/* Connects or takes a pooled connection and sends. Failures come as FETCH_FAILED by a wake,
 * never from here. */
void fetch_start(struct fetch *f);

/* Takes all waiting body bytes: the same slice as f->body, which becomes empty. Valid until the
 * step returns to the loop. */
struct str fetch_take(struct fetch *f);

/* Holds reading back (slow client) or lets it go on. */
void fetch_pause(struct fetch *f, bool paused);

/* What FETCH_FAILED means in words, static: the broken rule where there is one. */
const char *fetch_error_text(const struct fetch *f);

/* Ends it for its owner, who has all it wants while the response goes on: what still comes is
 * thrown away. A response that ends within HTTP_CLIENT_GRACE_US leaves its connection to the
 * pool; it is closed otherwise. In other states as fetch_end. */
void fetch_leave(struct fetch *f);

/* Ends it in any state: pools the connection after FETCH_DONE, closes it otherwise (that is the
 * cancellation). Legal on a zeroed or ended fetch. */
void fetch_end(struct fetch *f);

#endif
