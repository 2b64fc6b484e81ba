/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer of HTTP/2 sends: heads, frames, and what is too much of them. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "http/h2_priv.h"

enum {
    FIELDS_FIRST = 16,
    CALM_PER_SECOND = 50,
    CALM_PER_REQUEST = 2,
    /* Bytes of padding, of frames that nobody knows, of bodies that nobody wants any more: each of
     * the latter counts as a frame that is good for nothing, where there are more than the former,
     * as much as a head that is not whole yet may have. */
    WASTE_LEAST = 128 << 10,
    WASTE_UNIT = 16 << 10,
};

/* --- floods --- */

static void refill(struct h2 *h)
{
    uint64_t now = loop_now(h->loop);
    uint64_t more = (now - h->calm_us) * CALM_PER_SECOND / USEC_PER_SEC;
    if (more == 0) return;
    h->calm = (unsigned)MIN(h->calm + more, (uint64_t)H2_CALM_MAX);
    h->calm_us = now;
}

/* The peer has done something that is worth nothing to it. */
static void annoy(struct h2 *h)
{
    if (h->calm == 0) refill(h);
    if (h->calm == 0)
        h->flooded = true;
    else
        h->calm--;
}

void h2__weigh(struct h2 *h)
{
    h->waste = MAX(h->waste, 0);
    while (h->waste > WASTE_LEAST && !h->flooded) {
        h->waste -= WASTE_UNIT;
        annoy(h);
    }
}

/* --- heads --- */

static void refuse(struct h2_stream *s, int status, const char *why)
{
    if (s->refused) return;
    s->refused = status;
    s->why = why;
}

void h2__forget_head(struct h2_stream *s)
{
    s->head = (struct http_head){.method = METHOD_OTHER,
                                 .method_name = STR_INIT(""),
                                 .target = STR_INIT(""),
                                 .path = STR_INIT(""),
                                 .query = STR_INIT("")};
    s->field_cap = 0;
}

/* Memory for the head, which lasts as long as its stream. */
static void *take_memory(struct h2_stream *s, size_t size)
{
    s->head_memory += size;
    s->h2->head_memory += size;
    return arena_try(s->arena, size);
}

static int grow_fields(struct h2_stream *s)
{
    unsigned cap = s->field_cap ? s->field_cap * 2 : FIELDS_FIRST;
    struct http_field *grown = take_memory(s, cap * sizeof *grown);
    if (!grown) return -ENOMEM;
    if (s->head.field_count) memcpy(grown, s->head.fields, s->head.field_count * sizeof *grown);
    s->head.fields = grown;
    s->field_cap = cap;
    return 0;
}

static void read_length(struct h2_stream *s, struct str value)
{
    s->head.has_length = str_to_u64(value, &s->head.length) == 0;
    if (!s->head.has_length) refuse(s, 400, "Content-Length is no length");
}

static void add_field(struct h2_stream *s, struct str name, struct str value)
{
    enum http_header_id id = http_header_id(name);
    if (s->head.field_count == s->field_cap && grow_fields(s)) {
        refuse(s, 503, "there is no memory for the head");
        return;
    }
    s->head.fields[s->head.field_count++] =
        (struct http_field){.id = id, .name = name, .value = value};
    if (id == HDR_CONTENT_LENGTH) read_length(s, value);
    if (id == HDR_HOST && !s->head.authority.ptr) s->head.authority = value;
}

static void add_pseudo(struct h2_stream *s, struct str name, struct str value)
{
    struct http_head *head = &s->head;
    uint64_t status;
    if (str_eq(name, STR(":method"))) {
        head->method_name = value;
        head->method = http_method_of(value);
    } else if (str_eq(name, STR(":path"))) {
        head->target = value;
        http_head_set_path(head, value);
    } else if (str_eq(name, STR(":authority"))) {
        head->authority = value;
    } else if (str_eq(name, STR(":status")) && str_to_u64(value, &status) == 0) {
        head->status = (int)status;
    }
}

/* Counts what a head says, whether it is kept or not: a field of one byte on the wire may be of
 * many here. */
static bool has_room(struct h2 *h, struct h2_stream *s, size_t more)
{
    s->head_bytes += more;
    if (s->head_bytes > h->settings.limits.head_max ||
        h->head_memory + more > h->settings.heads_max)
        refuse(s, 431, "the head is larger than the limit");
    else if (s->head.field_count >= h->settings.limits.header_max)
        refuse(s, 431, "more header fields than the limit");
    return s->refused == 0;
}

/* A field of a head that is refused already: unpacking it is all that it brings. */
static int pass_over(struct h2 *h)
{
    annoy(h);
    return h->flooded ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags UNUSED,
                     void *user)
{
    struct h2 *h = user;
    struct h2_stream *s = h2__stream_of(session, frame->hd.stream_id);
    if (!s) return 0;
    if (!has_room(h, s, name_len + value_len + H2_FRAME_HEAD)) return pass_over(h);
    if (s->head_done) return 0; /* a trailer is nobody's */
    char *copy = take_memory(s, name_len + value_len + 1);
    if (!copy) {
        refuse(s, 503, "there is no memory for the head");
        return 0;
    }
    memcpy(copy, name, name_len);
    if (value_len) memcpy(copy + name_len, value, value_len);
    struct str key = str_n(copy, name_len), text = str_n(copy + name_len, value_len);
    if (key.len && key.ptr[0] == ':')
        add_pseudo(s, key, text);
    else
        add_field(s, key, text);
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h = user;
    int32_t id = frame->hd.stream_id;
    if (!h->settings.server || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    h->last_id = id;
    struct h2_stream *s = h->events->begin(h->owner);
    if (!s) {
        annoy(h);
        return nghttp2_submit_rst_stream(session, 0, id, NGHTTP2_REFUSED_STREAM) == 0
                   ? 0
                   : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    s->h2 = h;
    s->id = id;
    list_push_back(&h->streams, &s->link);
    h->count++;
    h2__forget_head(s);
    nghttp2_session_set_stream_user_data(session, id, s);
    return 0;
}

static void check_request(struct h2_stream *s)
{
    const struct http_head *head = &s->head;
    bool any = str_eq(head->target, STR("*")) && head->method == METHOD_OPTIONS;
    if (str_eq(head->method_name, STR("CONNECT")))
        refuse(s, 501, "CONNECT is not supported");
    else if (str_find_char(head->target, '#') >= 0)
        refuse(s, 400, "the request target has a fragment");
    else if (!any && !str_starts(head->target, STR("/")))
        refuse(s, 400, "the request target is no path");
    else if (!head->authority.ptr)
        refuse(s, 400, "a request needs an authority or a Host header");
    else if (head->authority.len && !http_host_ok(head->authority))
        refuse(s, 400, "the authority names no valid host");
    struct str host = http_head_get(head, HDR_HOST);
    if (host.ptr && !str_eq_nocase(host, head->authority))
        refuse(s, 400, "Host is not what the authority says");
}

/* What was counted of a head that is there in full stays counted until the stream ends. */
static void tell_head(struct h2 *h, struct h2_stream *s)
{
    if (!h->settings.server &&
        s->head.status < 200) { /* an interim response: the real one follows */
        annoy(h);
        h2__forget_head(s);
        return;
    }
    s->head_done = true;
    if (h->settings.server) check_request(s);
    h->events->head(s, s->refused, s->why);
}

static void tell_end(struct h2 *h, struct h2_stream *s)
{
    s->ended = true;
    h->events->end(s);
}

/* --- frames that come --- */

/* A stream that was passed over cannot be begun any more (section 5.1.1). Of those that ended not
 * long ago, whose trailers may still be on their way, nghttp2 knows. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
    struct h2 *h = user;
    if (hd->type == NGHTTP2_WINDOW_UPDATE && h->updates)
        h->updates--;
    else if (hd->type == NGHTTP2_WINDOW_UPDATE)
        annoy(h);
    if (hd->type != NGHTTP2_HEADERS || !h->settings.server || hd->stream_id >= h->last_id) return 0;
    if (nghttp2_session_find_stream(session, hd->stream_id)) return 0;
    h->why = "a stream is begun after one with a greater number";
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static bool is_empty_data(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_DATA && frame->hd.length <= frame->data.padlen &&
           !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
}

/* Frames that move nothing. An acknowledgement was asked for. */
static bool is_idle_talk(const nghttp2_frame *frame)
{
    bool ack = frame->hd.flags & NGHTTP2_FLAG_ACK;
    switch (frame->hd.type) {
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_GOAWAY:
    case NGHTTP2_PRIORITY: return true;
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PING: return !ack;
    default: return is_empty_data(frame);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h = user;
    h->waste -= H2_FRAME_HEAD + (frame->hd.type == NGHTTP2_DATA ? 0 : (int64_t)frame->hd.length);
    if (is_idle_talk(frame)) annoy(h);
    if (h->flooded) return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->hd.type == NGHTTP2_GOAWAY) h->peer_leaves = true;
    struct h2_stream *s = h2__stream_of(session, frame->hd.stream_id);
    if (!s) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !s->head_done) tell_head(h, s);
    if (s->h2 && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        tell_end(h, s);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags UNUSED, int32_t id, const uint8_t *data,
                    size_t len, void *user)
{
    struct h2 *h = user;
    struct h2_stream *s = h2__stream_of(session, id);
    if (!s)
        return nghttp2_session_consume(session, id, len) == NGHTTP2_ERR_NOMEM
                   ? NGHTTP2_ERR_CALLBACK_FAILURE
                   : 0;
    h->waste -= (int64_t)len;
    s->unconsumed += len;
    s->received += len;
    h->events->data(s, str_n((const char *)data, len));
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int code, void *user)
{
    struct h2 *h = user;
    struct h2_stream *s = h2__stream_of(session, frame->hd.stream_id);
    if (s) s->why = nghttp2_strerror(code);
    annoy(h);
    return h->flooded ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

void h2__detach(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    if (s->unconsumed) h2__note(h, nghttp2_session_consume_connection(h->session, s->unconsumed));
    s->unconsumed = 0;
    h->head_memory -= s->head_memory;
    s->head_memory = 0;
    h->waiting -= buf_len(&s->out);
    h->count--;
    list_remove(&s->link);
    s->h2 = NULL;
}

static int err_of_code(uint32_t code)
{
    switch (code) {
    case NGHTTP2_REFUSED_STREAM: return ERR_REFUSED;
    case NGHTTP2_PROTOCOL_ERROR:
    case NGHTTP2_FRAME_SIZE_ERROR:
    case NGHTTP2_FLOW_CONTROL_ERROR: return ERR_PROTOCOL;
    default: return ERR_CANCELLED;
    }
}

static int on_close(nghttp2_session *session UNUSED, int32_t id, uint32_t code, void *user)
{
    struct h2 *h = user;
    struct h2_stream *s = h2__stream_of(session, id);
    if (!s) return 0;
    bool whole = s->ended && s->out_last && buf_len(&s->out) == 0;
    int err = code == NGHTTP2_NO_ERROR && whole ? 0
              : code == NGHTTP2_NO_ERROR        ? ERR_CANCELLED
                                                : err_of_code(code);
    if (!err) h->calm = MIN(h->calm + CALM_PER_REQUEST, (unsigned)H2_CALM_MAX);
    if (err == ERR_PROTOCOL) annoy(h); /* it made us reset the stream */
    nghttp2_session_set_stream_user_data(session, id, NULL);
    h2__detach(s);
    if (!s->beginning) h->events->closed(s, err, err == ERR_PROTOCOL ? s->why : NULL);
    return 0;
}

void h2__set_receive_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
}
