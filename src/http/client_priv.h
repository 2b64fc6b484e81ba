/* SPDX-License-Identifier: Apache-2.0 */
/* The client as its files share it: client.c (pools), client_fetch.c (what all fetches share),
 * client_h1.c and client_h2.c (connections), client_dial.c (finding one for a fetch). */
#ifndef HOSTLER_HTTP_CLIENT_PRIV_H
#define HOSTLER_HTTP_CLIENT_PRIV_H

#include "http/client.h"

/* The connections of one way. */
struct http_pool {
    char *key;
    struct list idle;  /* struct h1_upstream by idle_link, most recently used first */
    unsigned count;    /* length of idle */
    struct list open;  /* struct h2_upstream by open_link: those that take more fetches */
    struct list dials; /* struct http_dial by link: those whom other fetches may join */
    unsigned members;  /* connections, busy ones and dials included */
    bool speaks_h2;    /* the last connection did: fetches wait for one rather than dial each */
};

struct http_upstream;

struct upstream_ops {
    /* Closes and frees it; no fetch is on it. */
    void (*close)(struct http_upstream *u);
};

/* First member of each kind of connection. */
struct http_upstream {
    const struct upstream_ops *ops;
    struct http_client *client;
    struct http_pool *pool;
    struct list link; /* client->all */
    struct stream *stream;
    bool busy;       /* a fetch is on it */
    uint64_t due_us; /* while it is not: when it is closed */
};

/* What carries a fetch does for it, as the functions of the same names promise. `take` comes after
 * the bytes were given. */
struct fetch_ops {
    void (*taken)(struct fetch *f, size_t n);
    void (*pause)(struct fetch *f, bool paused);
    void (*leave)(struct fetch *f);
    void (*end)(struct fetch *f);
};

/* --- client.c --- */

/* The pool of that key, made if need be; NULL: no memory. It lives as long as it has members; one that
 * speaks HTTP/2 longer. */
struct http_pool *pool__for(struct http_client *c, struct str key);
void pool__enter(struct http_client *c, struct http_pool *pool); /* one member more */
void pool__leave(struct http_client *c, struct http_pool *pool); /* one member less */

/* A new connection of the pool; takes over the stream. */
void upstream__join(struct http_upstream *u, const struct upstream_ops *ops,
                    struct http_client *client, struct http_pool *pool, struct stream *stream);

/* Leaves pool and client, and closes the stream; the memory is the kind's. The pool may go. */
void upstream__leave(struct http_upstream *u);

/* Nobody uses it any more: it is closed at `due_us`. */
void upstream__set_due(struct http_upstream *u, uint64_t due_us);

/* --- client_fetch.c --- */

void fetch__move(struct fetch *f, enum fetch_state state);
void fetch__tell(struct fetch *f);
void fetch__fail(struct fetch *f, int err);

/* It breaks off: what it got before stays its own. Nothing carries it any more. */
void fetch__break(struct fetch *f, int err);

/* The head outlives its connection, which may break right behind it. Its strings are on the
 * fetch's arena already. False: no memory. */
MUST_CHECK bool fetch__keep_head(struct fetch *f, const struct http_head *head);

/* --- the kinds --- */

/* Sends the fetch's request on an idle connection, or on a new one of an open stream. -ENOMEM: the
 * stream stays the caller's. */
void h1__carry(struct http_pool *pool, struct fetch *f); /* takes the first idle one */
MUST_CHECK int h1__open(struct http_client *c, struct http_pool *pool, struct stream *stream,
                        struct fetch *f);

MUST_CHECK int h2__open(struct http_client *c, struct http_pool *pool, struct stream *stream,
                        bool secure);
/* True: one of the pool's connections carries it, or it has failed. False: none has room. */
bool h2__carry(struct http_pool *pool, struct fetch *f);

#endif
