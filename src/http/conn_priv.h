/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the server, whatever it speaks, as the server and its kinds share it. */
#ifndef HOSTLER_HTTP_CONN_PRIV_H
#define HOSTLER_HTTP_CONN_PRIV_H

#include "http/server.h"

struct http_conn;

struct conn_ops {
    /* No further calls: ends now or after those in progress. */
    void (*drain)(struct http_conn *conn);
    /* Tells calls in progress that they are `ending`. */
    void (*finish)(struct http_conn *conn);
    /* Closes the stream; calls in progress learn that they are `gone`. */
    void (*close)(struct http_conn *conn, int why);
    /* Frees it; nobody is inside it any more. */
    void (*release)(struct http_conn *conn);
};

/* Where a stream has come in. */
struct http_entry {
    struct http_server *server;
    struct http_quota *quota; /* NULL: none */
};

/* First member of each kind. */
struct http_conn {
    const struct conn_ops *ops;
    struct http_server *server;
    struct http_quota *quota; /* NULL: none */
    struct list link;         /* server->conns, or server->dead */
    struct stream *stream;    /* NULL: closed */
    bool dead;                /* waits for the reaper */
    char peer[56];            /* the client's address; outlives the stream */
};

/* In service, with a stream that it owns. */
void conn__register(struct http_conn *conn, const struct conn_ops *ops,
                    const struct http_entry *from, struct stream *stream);

/* Out of service, without a stream. Its memory goes by the reaper, since callers further up may be
 * looking at it. */
void conn__retire(struct http_conn *conn);

/* Memory for a call, and back: a connection that idles has none. */
void conn__take_arena(struct http_server *s, struct arena *arena);
void conn__give_arena(struct http_server *s, struct arena *arena);

/* The facts of a call that begins, but for its head and its memory. It counts until conn__end_call, which
 * may come twice. */
struct http_call conn__begin_call(const struct http_conn *conn, const struct call_ops *ops,
                                  struct arena *arena, uint64_t started_us);
void conn__end_call(struct http_call *c);

/* The address of the client, as the stream tells it now that it is open. */
void conn__note_peer(struct http_conn *conn);

/* As stream_facts; of a closed one nothing is known. */
const struct stream_facts *conn__facts(const struct http_conn *conn);

/* --- the kinds --- */

/* Takes over an accepted stream. A connection that turns out to speak HTTP/2, of which it has got
 * `input` so far, calls become_h2. -ENOMEM: the stream stays the caller's. */
MUST_CHECK int http__serve_h1(const struct http_entry *from, struct stream *stream,
                              void (*become_h2)(struct http_conn *conn, struct str input));

/* Ends a connection of HTTP/1.1 that has no call, without its stream. */
void http__give_up_stream(struct http_conn *conn);

/* Takes over an open stream that has sent `input` so far. -ENOMEM: it stays the caller's. */
MUST_CHECK int http__serve_h2(const struct http_entry *from, struct stream *stream,
                              struct str input);

#endif
