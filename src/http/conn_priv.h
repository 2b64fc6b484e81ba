/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the server as its files share it: conn.c (its life and patience), conn_body.c
 * (the body of a request), conn_answer.c (the answer), server.c (what happens on it). */
#ifndef HOSTLER_HTTP_CONN_PRIV_H
#define HOSTLER_HTTP_CONN_PRIV_H

#include "http/server.h"

enum { CONN_MAGIC = 0x484e4e43 };

enum conn_state { CONN_IDLE, CONN_HEAD, CONN_CALL, CONN_LINGER };

struct http_conn {
    uint32_t magic;
    enum conn_state state;
    struct http_server *server;
    struct list link; /* server->conns */
    struct stream *stream;
    struct h1 *parser;
    struct arena arena; /* the call's */
    struct task task;
    struct timer timer;     /* at or before deadline(); looks there when it fires */
    struct str input;       /* bytes not parsed yet: in the loop's buffer, or in held */
    struct buf held;        /* input that outlived its event */
    bool input_held;        /* input points into held */
    bool dead;              /* waits for the reaper */
    bool ended;             /* the peer sends no more */
    uint64_t since_us;      /* when the state began, or the last progress in it */
    uint64_t drained;       /* stream_drained at since_us, for the write timeout */
    uint64_t linger_end_us; /* latest */

    struct http_call call;
    struct buf body;  /* bodies that do not fit into the arena; all counted in server->bodies */
    size_t made;      /* bytes made of the body, counted likewise */
    char *body_arena; /* else */
    size_t body_max;
    bool body_wanted;
    bool message_end; /* the request has been parsed to its end */

    struct str out_head; /* waits for the first body bytes */
    enum h1_framing framing;
    uint64_t left; /* H1_LENGTH: body bytes still to come */
    bool begun;    /* call_begin was called */
    bool silent;   /* HEAD, 204, 304: no body bytes */
    bool complete; /* the answer is whole */
    bool close_after;
};

/* --- conn.c --- */

struct http_conn *conn__of(const struct http_call *c);

/* Takes the connection out of service. Its memory goes by the reaper, since callers further up
 * may be looking at it. */
void conn__end(struct http_conn *conn);

/* Closes the stream so that the peer learns that what it got is not whole. */
void conn__reset(struct http_conn *conn);

/* When the connection's patience ends; 0: never. */
uint64_t conn__deadline(const struct http_conn *conn);

/* Sets the timer if it would fire too late; one that fires early looks again. */
void conn__watch(struct http_conn *conn);

/* Something has moved: the time is taken from here on. */
void conn__progress(struct http_conn *conn);

/* The patience of the state begins anew, with the timer set. */
void conn__be_patient(struct http_conn *conn);

/* To another state, where that is allowed; conn__enter also lets the patience begin anew. */
void conn__move(struct http_conn *conn, enum conn_state state);
void conn__enter(struct http_conn *conn, enum conn_state state);

/* Wakes the handler of the call in progress, if there is one. */
void conn__tell(struct http_conn *conn);

/* The client is not there any more. Ends the connection, unless a call is in progress that will. */
void conn__gone(struct http_conn *conn, int why);

/* --- conn_body.c --- */

/* The body cannot be had; the connection ends with the call. */
void conn__body_failed(struct http_conn *conn, int err);

void conn__parse_body(struct http_conn *conn);

/* Gives a body's memory back; nobody looks at it any more. */
void conn__drop_body(struct http_conn *conn);

#endif
