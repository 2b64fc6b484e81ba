/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 (RFC 9113): one session on one stream, with many requests. The only door to nghttp2.
 *
 * Both sides use it: the server's calls (server_h2.c) and the client's fetches (client_h2.c) embed
 * a struct h2_stream each. Bytes go in by h2_feed; what comes of them is told through struct
 * h2_events, from within; their receivers record facts and wake tasks, and call nothing of here but
 * h2_consume and h2_reset. What is to be sent is gathered and leaves by one write before the loop
 * sleeps. Belongs to the loop's thread.
 *
 * The peer may send only what somebody has room for: the windows (section 5.2) open when h2_consume
 * is called. Its frames that cost it nothing and us something (resets, pings, settings, empty data)
 * are counted, and too many of them end the session (ENHANCE_YOUR_CALM). */
#ifndef HOSTLER_HTTP_H2_H
#define HOSTLER_HTTP_H2_H

#include "base/arena.h"
#include "base/buf.h"
#include "http/h1.h"
#include "http/message.h"
#include "loop/stream.h"

struct h2;
struct h2_stream;

struct h2_events {
    /* Server: a request begins. The stream is h2_stream_init'ed; NULL: it is refused, unprocessed
     * (REFUSED_STREAM). */
    struct h2_stream *(*begin)(void *owner);
    /* The head is there: h2_head. `refused`: 0, or the status for what is wrong with it (`why`,
     * static); a response that is wrong is reset instead. */
    void (*head)(struct h2_stream *s, int refused, const char *why);
    /* Body bytes; borrowed from h2_feed's. They count against the windows until h2_consume. */
    void (*data)(struct h2_stream *s, struct str bytes);
    void (*end)(struct h2_stream *s); /* the peer has sent all of it */
    /* The stream is over, and off the session: 0, or how it was cut: ERR_CANCELLED, ERR_REFUSED
     * (the peer has not begun with it), ERR_PROTOCOL; `why` is static, or NULL. */
    void (*closed)(struct h2_stream *s, int err, const char *why);
    /* What was queued has been above the low mark and falls to it. */
    void (*drained)(struct h2_stream *s);
    /* The session is over: nothing can be sent or received. As h2_feed says, but from a task. */
    void (*failed)(void *owner, int err);
};

struct h2_settings {
    bool server;
    struct h1_limits limits; /* of each head */
    unsigned streams_max;    /* that the peer may open at once */
    size_t heads_max;        /* bytes of all heads of open streams */
    uint32_t stream_window;  /* bytes that a peer may send of a body that nobody wants yet */
    uint32_t window;         /* and of all */
};

/* One request and its response on a session. Embedded. */
struct h2_stream {
    struct h2 *h2; /* NULL: it is on no session (any more) */
    int32_t id;
    struct arena *arena; /* gets the head */
    struct list link;    /* of the session */

    /* receiving */
    struct http_head head;
    unsigned field_cap;
    size_t head_bytes;  /* what it said */
    size_t head_memory; /* what is held of it */
    uint64_t received;  /* body bytes */
    size_t unconsumed;  /* those that still count against the windows */
    int refused;        /* the first rule that the head breaks */
    const char *why;    /* what is wrong with the head, or with a frame */
    bool head_done;
    bool ended; /* the peer's side */

    /* sending */
    struct buf out;           /* waits for the peer's windows or the transport */
    const struct str *slices; /* what h2_write was given, while it runs */
    size_t slice_skip;
    size_t slices_left;
    size_t low_mark;
    bool above;
    bool beginning; /* h2_request is on the stack, and tells by itself if that fails */
    bool out_last;  /* nothing follows what is queued */
    bool out_idle;  /* nghttp2 waits to be told that there is more */
    uint64_t sent;  /* body bytes that have left */
};

/* On an open stream, which stays the caller's. */
MUST_CHECK int h2_new(struct loop *l, struct stream *stream, const struct h2_settings *settings,
                      const struct h2_events *events, void *owner, struct h2 **out);
void h2_free(struct h2 *h); /* its streams are told nothing any more */

/* What the peer has sent. An error ends the session, of which the peer is told: ERR_PROTOCOL,
 * ERR_FULL (a flood), -ENOMEM; ERR_EOF: nothing is wrong, both sides have done. `why`: static, or
 * NULL. */
MUST_CHECK int h2_feed(struct h2 *h, struct str bytes, const char **why);

/* The transport has taken all that waited. */
void h2_go_on(struct h2 *h);

/* Sends now what is gathered, rather than before the loop sleeps. */
void h2_flush(struct h2 *h);

/* Client: how many more requests may be begun now; 0 also when the peer is leaving. */
unsigned h2_room(const struct h2 *h);

/* True when the peer has said that it takes no more requests (section 6.8). */
bool h2_peer_leaves(const struct h2 *h);

/* The peer is told that nothing new is taken: `last` says that this is final, and only what has been
 * begun is served. Two steps, so that requests on their way are not lost. */
void h2_leave(struct h2 *h, bool last);

/* Ends the session with an error that the peer is told (the gathered bytes are sent). */
void h2_abandon(struct h2 *h, int err);

void h2_ping(struct h2 *h);

/* --- streams --- */

void h2_stream_init(struct h2_stream *s, struct arena *arena, size_t out_max);

/* Takes it off its session, which forgets it; resets it if it is not over. Legal on any. */
void h2_stream_fini(struct h2_stream *s);

/* Client: begins it. ERR_FULL: no room, -ENOMEM. */
MUST_CHECK int h2_request(struct h2 *h, struct h2_stream *s, struct str scheme,
                          const struct http_request *r);

/* Server: the head of the answer; `last`: there is no body. The fields are copied. */
MUST_CHECK int h2_respond(struct h2_stream *s, int status, const struct http_field *fields,
                          unsigned count, bool last);
MUST_CHECK int h2_respond_interim(struct h2_stream *s, int status);

/* Body bytes; what the windows do not let through is copied. -ENOMEM, ERR_TOO_LARGE. */
MUST_CHECK int h2_write(struct h2_stream *s, const struct str *slices, unsigned count, bool last);

/* `n` body bytes have been taken, or thrown away: the peer may send as many more. */
void h2_consume(struct h2_stream *s, size_t n);

/* The peer may have this many unconsumed bytes of this stream on their way. */
void h2_widen(struct h2_stream *s, uint32_t window);

/* How a stream is cut off: what the peer is told. */
enum h2_reset { H2_NO_ERROR = 0, H2_INTERNAL_ERROR = 2, H2_REFUSED = 7, H2_CANCEL = 8 };
void h2_reset(struct h2_stream *s, enum h2_reset code);

/* Body bytes that wait to be sent; SIZE_MAX where some do and those of all streams of the session
 * together are too many, so that nobody adds to them. */
size_t h2_pending(const struct h2_stream *s);

void h2_set_low_mark(struct h2_stream *s, size_t low);

static inline const struct http_head *h2_head(const struct h2_stream *s)
{
    return &s->head;
}

#endif
