/* SPDX-License-Identifier: Apache-2.0 */
/* Splits an event stream into events (WHATWG HTML, section 9.2), over any cuts in the bytes. A
 * byte order mark at its beginning is of the first event's raw bytes only. */
#ifndef HOSTLER_HTTP_SSE_H
#define HOSTLER_HTTP_SSE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

/* Carries the beginning of an event whose end has not arrived. */
struct sse {
    struct buf carry;
    struct buf given; /* the last event that came in pieces */
    size_t line;      /* start of the unfinished line in carry */
    size_t looked;    /* where its end may be at the earliest */
    bool begun;       /* the first event was given: no byte order mark any more */
    bool lines;    /* each line that is not empty is an event's data (NDJSON); set by the owner */
    bool skipping; /* sse_skip is in the middle of an event */
    bool at_start; /* a line begins where it is */
    bool after_cr; /* whose \n may still come */
};

/* One event. Borrowed from the input, or, where it came in pieces, from `given` until the input
 * after this one. */
struct sse_event {
    struct str raw; /* all its bytes, with the blank line that ends it */
    /* a single data line, without "data: "; events with several have the first; ptr NULL:
     * none */
    struct str data;
    struct str event; /* the event field; ptr NULL: none */
    bool multi;       /* more than one data line */
};

enum { SSE_EVENT = 1 }; /* positive result of sse_next: *event is set */

void sse_init(struct sse *s, size_t event_max);
void sse_fini(struct sse *s);

/* Takes the next whole event off *input. SSE_EVENT, or 0 when the rest was carried over (input
 * is then empty), or ERR_TOO_LARGE in an event that exceeds event_max, until its end; sse_rest
 * and *input are its first two parts, sse_skip passes over it; or -ENOMEM, after which what is
 * there can only be given up. Accepts \n, \r\n and \r line ends. */
MUST_CHECK int sse_next(struct sse *s, struct str *input, struct sse_event *event);

/* After each ERR_TOO_LARGE: the next bytes of that event; the first time what sse_next had
 * carried, then what *input has of it, which is taken off. *part is borrowed as an event is;
 * *input must not be larger than event_max. */
void sse_skip(struct sse *s, struct str *input, struct str *part);

/* Bytes of an unfinished event. */
struct str sse_rest(const struct sse *s);

/* The bytes have ended: SSE_EVENT with the unfinished event as if its end had come (which raw
 * then has), or 0 when there is none, or only part of a large one. */
MUST_CHECK int sse_finish(struct sse *s, struct sse_event *event);

/* The data of an event with several lines, put together with line feeds between them, appended
 * to `out`. ERR_TOO_LARGE, -ENOMEM. */
MUST_CHECK int sse_join(const struct sse_event *event, struct buf *out);

#endif
