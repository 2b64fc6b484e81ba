/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of HTTP/1.1 as its files share it: server_h1.c (what happens on it),
 * server_h1_life.c (its life and patience), server_h1_body.c (the body of a request),
 * server_h1_answer.c (the answer). */
#ifndef HOSTLER_HTTP_SERVER_H1_PRIV_H
#define HOSTLER_HTTP_SERVER_H1_PRIV_H

#include "http/call_body.h"
#include "http/call_impl.h"
#include "http/conn_priv.h"
#include "http/h1.h"

enum { H1_CONN_MAGIC = 0x484e4e43 };

enum conn_state { CONN_OPENING, CONN_IDLE, CONN_HEAD, CONN_CALL, CONN_LINGER };

struct h1_conn {
    struct http_conn base;
    uint32_t magic;
    enum conn_state state;
    struct h1 *parser;
    struct arena arena; /* the call's */
    struct task task;
    struct timer timer;     /* at or before deadline(); looks there when it fires */
    struct str input;       /* bytes not parsed yet: in the loop's buffer, or in held */
    struct buf held;        /* input that outlived its event */
    bool input_held;        /* input points into held */
    bool ended;             /* the peer sends no more */
    uint64_t since_us;      /* when the state began, or the last progress in it */
    uint64_t drained;       /* stream_drained at since_us, for the write timeout */
    uint64_t linger_end_us; /* latest */

    struct http_call call;
    struct call_body body;
    void (*become_h2)(struct http_conn *conn, struct str input);
    bool fresh;       /* nothing has been parsed yet: it may turn out to be HTTP/2 */
    bool message_end; /* the request has been parsed to its end */

    struct str out_head; /* waits for the first body bytes */
    enum h1_framing framing;
    uint64_t left; /* H1_LENGTH: body bytes still to come */
    bool begun;    /* call_begin was called */
    bool silent;   /* HEAD, 204, 304: no body bytes */
    bool complete; /* the answer is whole */
    bool close_after;
};

/* --- server_h1_life.c --- */

struct h1_conn *conn__of(const struct http_call *c);

/* Takes the connection out of service. Its memory goes by the reaper, since callers further up
 * may be looking at it. */
void conn__end(struct h1_conn *conn);

/* Closes the stream so that the peer learns that what it got is not whole. */
void conn__reset(struct h1_conn *conn);

/* When the connection's patience ends; 0: never. */
uint64_t conn__deadline(const struct h1_conn *conn);

/* Sets the timer if it would fire too late; one that fires early looks again. */
void conn__watch(struct h1_conn *conn);

/* Something has moved: the time is taken from here on. */
void conn__progress(struct h1_conn *conn);

/* The patience of the state begins anew, with the timer set. */
void conn__be_patient(struct h1_conn *conn);

/* To another state, where that is allowed; conn__enter also lets the patience begin anew. */
void conn__move(struct h1_conn *conn, enum conn_state state);
void conn__enter(struct h1_conn *conn, enum conn_state state);

/* Wakes the handler of the call in progress, if there is one. */
void conn__tell(struct h1_conn *conn);

/* The client is not there any more. Ends the connection, unless a call is in progress that will. */
void conn__gone(struct h1_conn *conn, int why);

/* --- server_h1_body.c --- */

/* The body cannot be had; the connection ends with the call. */
void conn__body_failed(struct h1_conn *conn, int err);

void conn__parse_body(struct h1_conn *conn);
void conn__read_body(struct http_call *c, size_t max); /* as call_read_body */
bool conn__skip_body(struct http_call *c);             /* as call_skip_body */

/* Gives a body's memory back; nobody looks at it any more. */
void conn__drop_body(struct h1_conn *conn);

/* --- server_h1_answer.c --- */

extern const struct call_ops h1__call_ops;

#endif
