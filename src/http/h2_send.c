/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent by HTTP/2: frames are made as long as the transport may take them, gathered, and leave
 * by one write. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "http/h2_priv.h"

/* Frames are made until so much waits for the transport. */
enum { OUT_FULL = 64 * 1024 };

void h2__note(struct h2 *h, int code)
{
    if (code != NGHTTP2_ERR_NOMEM) return;
    h->starved = true;
    if (!h->over) loop_wake(h->loop, &h->flush);
}

static size_t queued(const struct h2_stream *s)
{
    return buf_len(&s->out) + s->slices_left;
}

/* A stream that was taken off the session is reset by its next frame; until then there is none to
 * ask. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *into UNUSED, size_t room,
                         uint32_t *flags, nghttp2_data_source *source UNUSED, void *user UNUSED)
{
    struct h2_stream *s = h2__stream_of(session, id);
    if (!s) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t have = queued(s), n = MIN(room, have);
    if (n == 0 && !s->out_last) {
        s->out_idle = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (s->out_last && n == have) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

/* The first `n` bytes of what the stream has to send. */
static void take_body(struct h2_stream *s, char *into, size_t n)
{
    size_t held = MIN(n, buf_len(&s->out));
    if (held) memcpy(into, buf_str(&s->out).ptr, held);
    buf_consume(&s->out, held);
    s->h2->waiting -= held;
    into += held;
    n -= held;
    s->slices_left -= n;
    while (n) {
        struct str rest = str_skip(*s->slices, s->slice_skip);
        size_t part = MIN(n, rest.len);
        memcpy(into, rest.ptr, part);
        into += part;
        n -= part;
        s->slice_skip += part;
        if (part < rest.len) break;
        s->slices++;
        s->slice_skip = 0;
    }
}

static bool is_full(const struct h2 *h)
{
    return buf_len(&h->out) + stream_pending(h->stream) >= OUT_FULL;
}

/* Whoever was told that all streams together have too much waits for his own to have none. */
static void tell_drained(struct h2_stream *s, bool waited)
{
    bool fallen = s->above && queued(s) <= s->low_mark;
    if (fallen) s->above = false;
    if (fallen || (waited && queued(s) == 0)) s->h2->events->drained(s);
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                     size_t len, nghttp2_data_source *source UNUSED, void *user)
{
    struct h2 *h = user;
    struct h2_stream *s = h2__stream_of(session, frame->hd.stream_id);
    char *room;
    if (!s) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (is_full(h)) return NGHTTP2_ERR_WOULDBLOCK;
    if (buf_reserve(&h->out, H2_FRAME_HEAD + len, &room)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    memcpy(room, head, H2_FRAME_HEAD);
    bool waited = buf_len(&s->out) > 0;
    take_body(s, room + H2_FRAME_HEAD, len);
    buf_commit(&h->out, H2_FRAME_HEAD + len);
    s->sent += len;
    h->updates = MIN(h->updates + H2_UPDATES_PER_DATA, (unsigned)H2_UPDATES_MAX);
    tell_drained(s, waited);
    return 0;
}

/* The library says why it ends the session nowhere else. */
static int before_frame(nghttp2_session *session UNUSED, const nghttp2_frame *frame, void *user)
{
    struct h2 *h = user;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code && !h->why)
        h->why = nghttp2_http2_strerror(frame->goaway.error_code);
    return 0;
}

static void fail(struct h2 *h, int err)
{
    if (h->over) return;
    h->over = true;
    task_cancel(&h->flush);
    h->events->failed(h->owner, err);
}

int h2__make_frames(struct h2 *h)
{
    const uint8_t *bytes;
    int err = h->starved ? -ENOMEM : 0;
    h->busy = true;
    while (!is_full(h) && !err) {
        ssize_t n = nghttp2_session_mem_send(h->session, &bytes);
        if (n == 0) break;
        if (n < 0)
            err = n == NGHTTP2_ERR_NOMEM ? -ENOMEM : ERR_PROTOCOL;
        else
            err = buf_append(&h->out, str_n((const char *)bytes, (size_t)n));
    }
    h->busy = false;
    if (buf_len(&h->out)) loop_wake_last(h->loop, &h->flush);
    return err;
}

void h2__pump(struct h2 *h)
{
    if (h->over) return;
    if (h->busy || h2__make_frames(h)) loop_wake_last(h->loop, &h->flush);
}

int h2__write_out(struct h2 *h)
{
    struct str bytes = buf_str(&h->out);
    struct iovec iov = {(char *)(uintptr_t)bytes.ptr, bytes.len};
    int err = bytes.len ? stream_write(h->stream, &iov, 1) : 0;
    if (h->count)
        buf_clear(&h->out);
    else
        buf_release(&h->out);
    return err;
}

bool h2__wants_anything(const struct h2 *h)
{
    return nghttp2_session_want_read(h->session) || nghttp2_session_want_write(h->session);
}

int h2__end_of(const struct h2 *h, const char **why)
{
    bool regular = !h->why && (h->peer_leaves || h->left);
    *why = regular ? NULL : h->why ? h->why : "a frame is malformed";
    return regular ? ERR_EOF : ERR_PROTOCOL;
}

void h2_flush(struct h2 *h)
{
    const char *why;
    if (h->over) return;
    int err = h2__make_frames(h), write_err = err ? 0 : h2__write_out(h);
    task_cancel(&h->flush);
    if (err || write_err)
        fail(h, err ? err : write_err);
    else if (!h2__wants_anything(h))
        fail(h, h2__end_of(h, &why));
    else if (!is_full(h) && nghttp2_session_want_write(h->session))
        h2__pump(h);
}

void h2__run_flush(struct task *task)
{
    h2_flush(CONTAINER_OF(task, struct h2, flush));
}

void h2_go_on(struct h2 *h)
{
    h2__pump(h);
}

nghttp2_data_provider h2__provider(void)
{
    return (nghttp2_data_provider){.read_callback = read_body};
}

void h2__set_send_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, before_frame);
}
