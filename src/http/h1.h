/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1: bytes in, one message's head and body out, strictly (RFC 9112), and heads into
 * bytes. The only door to llhttp, and the only place that knows how HTTP/1.1 is written.
 *
 * A parser handles one message at a time and stops at its end, so that what follows (a pipelined
 * request) stays with the caller. Refused: both Content-Length and Transfer-Encoding, repeated
 * or malformed lengths, obsolete line folding, bare CR or LF, other protocols and versions,
 * malformed hosts and targets, heads over the limits. */
#ifndef HOSTLER_HTTP_H1_H
#define HOSTLER_HTTP_H1_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "http/message.h"

struct h1_limits {
    /* bytes of start line, headers and all else that is no body: interim responses, trailer,
     * chunk extensions */
    size_t head_max;
    unsigned header_max; /* number of fields */
};

/* What concerns a message of HTTP/1.1 and nobody above it. */
struct h1_facts {
    unsigned minor;  /* HTTP/1.minor */
    bool keep_alive; /* the connection may serve another message after this one */
    bool chunked;
    bool expect_continue;
};

enum h1_event {
    H1_MORE,  /* all input used; feed the next */
    H1_HEAD,  /* head complete: h1_head; call h1_next again with the rest */
    H1_BODY,  /* *body holds decoded body bytes, borrowed from the input */
    H1_END,   /* message complete; the rest of the input is another message's */
    H1_ERROR, /* refused: h1_error */
};

struct h1;

/* kind: what is parsed. The parser is reused for all messages of a connection. */
MUST_CHECK int h1_new(bool is_response, const struct h1_limits *limits, struct h1 **out);
void h1_free(struct h1 *p);

/* Gets ready for the next message, whose head goes onto `arena`. `head_request`: the response
 * answers a HEAD request and so has no body. */
void h1_begin(struct h1 *p, struct arena *arena, bool head_request);

/* Parses from *input, advancing it, until something is to be told. */
enum h1_event h1_next(struct h1 *p, struct str *input, struct str *body);

/* The peer closed: H1_END when the message is complete by that (a response without length), else
 * H1_ERROR. */
enum h1_event h1_finish(struct h1 *p);

/* After H1_HEAD, until h1_begin. */
const struct http_head *h1_head(const struct h1 *p);
const struct h1_facts *h1_facts(const struct h1 *p);

/* After H1_ERROR: the status to answer to a request (400, 417, 431, 501, 503, 505), and which
 * rule the message breaks, in words, static. Returns ERR_PROTOCOL, ERR_TOO_LARGE (431) or, where
 * no rule is broken but memory is lacking, -ENOMEM (503). */
int h1_error(const struct h1 *p, int *status, const char **text);

/* After H1_ERROR: the fields that had been read whole before it; on the arena. */
struct http_field *h1_read_fields(const struct h1 *p, unsigned *count);

/* True when any byte of a message has been seen since h1_begin. */
bool h1_started(const struct h1 *p);

/* --- h1_write.c --- */

/* How the end of a body is told. */
enum h1_framing {
    H1_NONE,   /* there is no body, or nothing is said of it */
    H1_LENGTH, /* Content-Length */
    H1_CHUNKED,
    H1_CLOSE, /* by the end of the connection */
};

/* What a message says of its connection. */
enum h1_persistence { H1_DEFAULT, H1_SAY_CLOSE, H1_SAY_KEEP_ALIVE };

/* What leads a message but for its fields. */
struct h1_start {
    enum h1_framing framing;
    uint64_t length; /* H1_LENGTH */
    enum h1_persistence persistence;
};

/* The head of a request, on the arena; `start` says what its body's slices are. ptr NULL: no
 * memory. */
struct str h1_write_request(struct arena *arena, const struct http_request *r,
                            const struct h1_start *start);

/* The head of a response, on the arena. Adds the date unless a field has it (RFC 9110 section
 * 6.6.1). ptr NULL: no memory. */
struct str h1_write_response(struct arena *arena, int status, const struct http_field *fields,
                             unsigned count, const struct h1_start *start);

#endif
