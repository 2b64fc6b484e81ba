/* SPDX-License-Identifier: Apache-2.0 */
/* A call: one request and its answer, whatever carries it.
 *
 * A handler gets each call when its head is complete, reads the body when it wants it, and answers.
 * Facts are told by waking the call's task; the handler looks at the call and acts. Everything
 * belongs to the loop's thread. */
#ifndef HOSTLER_HTTP_CALL_H
#define HOSTLER_HTTP_CALL_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "http/message.h"
#include "loop/loop.h"
#include "loop/stream.h"

struct call_ops;
struct http_server;

/* One request and its answer. Handlers read the fields; only what carries the
 * call writes those above `user`. */
struct http_call {
    const struct call_ops *ops; /* of what carries it (http/call_impl.h) */
    struct http_server *server;
    struct http_quota *quota;     /* of its connection; NULL: none, or it is not counted any more */
    struct arena *arena;          /* lives until the call has ended; recycled per connection */
    const struct http_head *head; /* refused: empty but for fields that could be read */
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
    bool spare;     /* its connection is one too many (see stream_is_spare) */
    bool crowded;   /* it is one request too many of its quota */
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

/* Drops what has come of a body that nobody wants, before an answer is begun. True: that was all of
 * it, so the answer need not end the connection. */
bool call_skip_body(struct http_call *c);

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

/* What is known of the connection: whether it is secure, who the client proves to be. Nothing when
 * the client has gone. */
const struct stream_facts *call_facts(const struct http_call *c);

/* The task is woken when call_pending has been above `low` and falls to it or less (default 0).
 * Set it before the bytes that it is to watch are written, as stream_set_low_mark says. */
void call_set_low_mark(struct http_call *c, size_t low);

#endif
