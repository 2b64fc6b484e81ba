/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a request as it is gathered, whatever carries it: contiguous, within limits, and
 * counted among the bodies that a server holds. */
#ifndef HOSTLER_HTTP_CALL_BODY_H
#define HOSTLER_HTTP_CALL_BODY_H

#include "base/buf.h"
#include "http/call.h"

struct http_conn;

/* Embedded in what carries calls, for one after the other. */
struct call_body {
    struct buf
        bytes;   /* bodies that do not fit into the arena; all counted, see http_server.bodies */
    char *place; /* of a short one, in the call's arena; else NULL */
    size_t made; /* bytes made of the body, counted likewise */
    size_t max;
    bool wanted; /* call_read_body was called */
};

void call_body_init(struct call_body *b, size_t max);

/* For the next call. */
void call_body_begin(struct call_body *b);

/* At most `max` bytes are wanted. Makes room at once for all of a body that is `coming` and whose
 * length is known. ERR_TOO_LARGE, -ENOMEM. */
MUST_CHECK int call_body_want(struct http_call *c, struct call_body *b, size_t max, bool coming);

/* Adds to c->body what has come; bytes that were read into the buffer stay there. ERR_TOO_LARGE,
 * ERR_FULL: all bodies together would be too many; -ENOMEM. */
MUST_CHECK int call_body_add(struct http_call *c, struct call_body *b, struct str bytes);

/* As call_hold. */
MUST_CHECK bool call_body_hold(struct http_call *c, struct call_body *b, size_t more);

/* Gives back the memory of a call on `conn`; nobody looks at it any more. */
void call_body_drop(const struct http_conn *conn, struct call_body *b);

#endif
