/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of HTTP/2 as its files share it: server_h2.c (the connection and what comes),
 * server_h2_life.c (calls and patience), server_h2_answer.c (what goes). */
#ifndef HOSTLER_HTTP_SERVER_H2_PRIV_H
#define HOSTLER_HTTP_SERVER_H2_PRIV_H

#include "http/call_body.h"
#include "http/call_impl.h"
#include "http/conn_priv.h"
#include "http/h2.h"

enum {
    H2_CALL_MAGIC = 0x48324341,
    H2_STREAM_WINDOW = 65535, /* bytes of a body that a client may send before it is wanted */
};

struct h2_conn {
    struct http_conn base;
    struct h2 *h2;
    struct list calls;    /* struct h2_call, in order of their begin */
    struct list done;     /* struct h2_call that have ended with their streams */
    struct list spare;    /* struct h2_call for the next ones */
    unsigned call_count;  /* length of calls */
    unsigned spare_count; /* length of spare */
    struct task task;
    struct timer timer;
    uint64_t since_us; /* when the last call ended, or the transport moved */
    uint64_t drained;  /* stream_drained at since_us */
    uint64_t leave_us; /* when the second GOAWAY is due; 0: not */
    bool leaving;      /* the first was sent */
    bool left;         /* the second was */
    bool broken;       /* the session is over: what still comes is thrown away for a moment */
};

struct h2_call {
    struct http_call call;
    uint32_t magic;
    struct h2_conn *conn;
    struct list link; /* conn->calls, done or spare */
    struct h2_stream stream;
    struct arena arena;
    struct call_body body;
    uint64_t since_us; /* the last progress of body or answer */
    uint64_t sent;     /* stream.sent at since_us */
    bool headed;       /* the head is there */
    bool handed;       /* the handler has it */
    bool message_end;  /* the request is whole */

    int status; /* of the answer; 0: not begun */
    const struct http_field *fields;
    unsigned field_count;
    bool has_length;
    uint64_t left;  /* body bytes still to come, if it has a length */
    bool silent;    /* no body bytes */
    bool responded; /* the head has been submitted */
    bool complete;  /* the answer is whole */
};

/* --- server_h2_life.c --- */

struct h2_call *h2__call_of(const struct http_call *c);
uint64_t h2__now(const struct h2_conn *conn);

/* Wakes the connection's task. */
void h2__wake(struct h2_conn *conn);

/* Wakes the handler of a call, if it has it. */
void h2__tell(struct h2_call *c);

/* The client is not there any more for this call. */
void h2__gone(struct h2_call *c, int why);

/* To be called when the call or its stream has ended: its memory goes to the next one if both
 * have. */
void h2__put_away(struct h2_call *c);

/* The time of a call, or of the connection, is taken from here on. */
void h2__progress(struct h2_call *c);
void h2__conn_progress(struct h2_conn *conn);

/* When the patience with a call, or with the connection, ends; 0: never. */
uint64_t h2__call_due(const struct h2_call *c);
uint64_t h2__conn_due(const struct h2_conn *conn);

/* Sets the timer if it would fire too late; one that fires early looks again. */
void h2__watch(struct h2_conn *conn);

/* The transport does not take what it was given. */
bool h2__is_blocked(const struct h2_conn *conn);

/* Body bytes that the client has announced and not sent yet; 0: it has not said how many. */
uint64_t h2__rest(const struct h2_call *c);

/* --- server_h2_answer.c --- */

extern const struct call_ops h2__call_ops;

#endif
