/* SPDX-License-Identifier: Apache-2.0 */
/* A session of HTTP/2 as its files share it: h2.c (the session), h2_receive.c (heads and frames that
 * come), h2_send.c (frames that go), h2_stream.c (what is asked of streams). */
#ifndef HOSTLER_HTTP_H2_PRIV_H
#define HOSTLER_HTTP_H2_PRIV_H

#include <nghttp2/nghttp2.h>

#include "http/h2.h"

enum {
    H2_FRAME_HEAD = 9,
    /* A peer has so many frames that are good for nothing, and gets some per second and some with
     * each request that ends as it should. */
    H2_CALM_MAX = 400,
    /* It opens windows for what it was sent, of the stream and the connection. */
    H2_UPDATES_PER_DATA = 4,
    H2_UPDATES_MAX = 1 << 16,
};

struct h2 {
    nghttp2_session *session;
    struct loop *loop;
    struct stream *stream;
    struct h2_settings settings;
    const struct h2_events *events;
    void *owner;
    struct list streams; /* struct h2_stream */
    unsigned count;
    size_t head_memory; /* of all heads of open streams */
    size_t waiting;     /* body bytes of all streams that wait to be sent */
    struct buf out;     /* frames that leave by the next write */
    struct task flush;
    unsigned calm;    /* what is left of the peer's allowance */
    uint64_t calm_us; /* when it was looked at */
    unsigned updates; /* WINDOW_UPDATE that the peer may send for the bodies it got */
    int64_t waste;    /* bytes that were good for nothing, or are not known yet to be good */
    int32_t last_id;  /* the newest stream that the peer has begun */
    bool flooded;
    bool starved; /* something could not be said */
    bool busy;    /* nghttp2 is on the stack, and must not be entered again */
    bool peer_leaves;
    bool left;       /* the peer was told the same, for good */
    bool over;       /* failed was told, or the session has ended */
    const char *why; /* what the peer did that ends the session */
};

static inline struct h2_stream *h2__stream_of(nghttp2_session *session, int32_t id)
{
    return (struct h2_stream *)nghttp2_session_get_stream_user_data(session, id);
}

/* --- h2_send.c --- */

/* What cannot be said for want of memory would be missed for ever (a reset, a window that opens):
 * the session ends instead, from its task. */
void h2__note(struct h2 *h, int code);

/* Makes frames as long as the transport may take them. An error is the session's. */
MUST_CHECK int h2__make_frames(struct h2 *h);

/* From where an error cannot be returned: it is told from the task. */
void h2__pump(struct h2 *h);

/* Sends what is gathered. */
MUST_CHECK int h2__write_out(struct h2 *h);

/* False when all has been said: GOAWAY was, for what the peer did or because both have done. */
bool h2__wants_anything(const struct h2 *h);

/* How a session is over that wants nothing any more. */
int h2__end_of(const struct h2 *h, const char **why);

/* The task that sends. */
void h2__run_flush(struct task *task);

/* From where bodies are sent. */
nghttp2_data_provider h2__provider(void);
void h2__set_send_callbacks(nghttp2_session_callbacks *callbacks);

/* --- h2_receive.c --- */

/* Judges what came, when what is good of it has been counted. */
void h2__weigh(struct h2 *h);

void h2__set_receive_callbacks(nghttp2_session_callbacks *callbacks);

/* For the next head. */
void h2__forget_head(struct h2_stream *s);

/* Off its session. What nobody consumed counts no more. */
void h2__detach(struct h2_stream *s);

#endif
