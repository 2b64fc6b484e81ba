/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"

enum {
    FIELDS_FIRST = 16,
    /* Frames are made until so much waits for the transport. */
    OUT_FULL = 64 * 1024,
    /* One frame more, and what nghttp2 wants to say beside the bodies. */
    OUT_MAX = 1 << 20,
    FRAME_HEAD = 9,
    /* Heads that are sent; who makes them has lower limits. nghttp2 drops larger ones. */
    HEAD_SENT_MAX = 4 << 20,
    /* A peer has so many frames that are good for nothing, and gets some per second and some with
     * each request that ends as it should. */
    CALM_MAX = 400,
    CALM_PER_SECOND = 50,
    CALM_PER_REQUEST = 2,
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
    struct buf out;     /* frames that leave by the next write */
    struct task flush;
    unsigned calm;    /* what is left of the peer's allowance */
    uint64_t calm_us; /* when it was looked at */
    int32_t last_id;  /* the newest stream that the peer has begun */
    bool flooded;
    bool starved; /* something could not be said */
    bool busy;    /* nghttp2 is on the stack, and must not be entered again */
    bool peer_leaves;
    bool left;       /* the peer was told the same, for good */
    bool over;       /* failed was told, or the session has ended */
    const char *why; /* what is wrong with the peer */
};

static struct h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* What cannot be said for want of memory would be missed for ever (a reset, a window that opens):
 * the session ends instead, from its task. */
static void note(struct h2 *h, int code)
{
    if (code != NGHTTP2_ERR_NOMEM) return;
    h->starved = true;
    if (!h->over) loop_wake(h->loop, &h->flush);
}

/* --- floods --- */

static void refill(struct h2 *h)
{
    uint64_t now = loop_now(h->loop);
    uint64_t more = (now - h->calm_us) * CALM_PER_SECOND / USEC_PER_SEC;
    if (more == 0) return;
    h->calm = (unsigned)MIN(h->calm + more, (uint64_t)CALM_MAX);
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

/* --- heads --- */

static void refuse(struct h2_stream *s, int status, const char *why)
{
    if (s->refused) return;
    s->refused = status;
    s->why = why;
}

static void forget_head(struct h2_stream *s)
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
    struct h2_stream *s = stream_of(session, frame->hd.stream_id);
    if (!s) return 0;
    if (!has_room(h, s, name_len + value_len + FRAME_HEAD)) return pass_over(h);
    if (s->head_done) return 0; /* a trailer is nobody's */
    struct str both = STR_NULL;
    char *copy = take_memory(s, name_len + value_len + 1);
    if (copy) {
        memcpy(copy, name, name_len);
        if (value_len) memcpy(copy + name_len, value, value_len);
        both = str_n(copy, name_len + value_len);
    } else {
        refuse(s, 503, "there is no memory for the head");
        return 0;
    }
    struct str key = str_sub(both, 0, name_len), text = str_skip(both, name_len);
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
    forget_head(s);
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
        forget_head(s);
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
    if (hd->type != NGHTTP2_HEADERS || !h->settings.server || hd->stream_id >= h->last_id) return 0;
    if (nghttp2_session_find_stream(session, hd->stream_id)) return 0;
    h->why = "a stream is begun after one with a greater number";
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static bool is_empty_data(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_DATA && frame->hd.length == 0 &&
           !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
}

/* Frames that move nothing. An acknowledgement was asked for. */
static bool is_idle_talk(const nghttp2_frame *frame)
{
    bool ack = frame->hd.flags & NGHTTP2_FLAG_ACK;
    switch (frame->hd.type) {
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_PRIORITY: return true;
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PING: return !ack;
    default: return is_empty_data(frame);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h = user;
    if (is_idle_talk(frame)) annoy(h);
    if (h->flooded) return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->hd.type == NGHTTP2_GOAWAY) h->peer_leaves = true;
    struct h2_stream *s = stream_of(session, frame->hd.stream_id);
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
    struct h2_stream *s = stream_of(session, id);
    if (!s)
        return nghttp2_session_consume(session, id, len) == NGHTTP2_ERR_NOMEM
                   ? NGHTTP2_ERR_CALLBACK_FAILURE
                   : 0;
    s->unconsumed += len;
    s->received += len;
    h->events->data(s, str_n((const char *)data, len));
    return 0;
}

static int on_invalid(nghttp2_session *session UNUSED, const nghttp2_frame *frame UNUSED, int code,
                      void *user)
{
    struct h2 *h = user;
    h->why = nghttp2_strerror(code);
    annoy(h);
    return h->flooded ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* Off its session. What nobody consumed counts no more. */
static void detach(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    if (s->unconsumed) note(h, nghttp2_session_consume_connection(h->session, s->unconsumed));
    s->unconsumed = 0;
    h->head_memory -= s->head_memory;
    s->head_memory = 0;
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
    struct h2_stream *s = stream_of(session, id);
    if (!s) return 0;
    bool whole = s->ended && s->out_last && buf_len(&s->out) == 0;
    int err = code == NGHTTP2_NO_ERROR && whole ? 0
              : code == NGHTTP2_NO_ERROR        ? ERR_CANCELLED
                                                : err_of_code(code);
    if (!err) h->calm = MIN(h->calm + CALM_PER_REQUEST, (unsigned)CALM_MAX);
    if (err == ERR_PROTOCOL) annoy(h); /* it made us reset the stream */
    nghttp2_session_set_stream_user_data(session, id, NULL);
    detach(s);
    if (!s->beginning) h->events->closed(s, err, err == ERR_PROTOCOL ? h->why : NULL);
    return 0;
}

/* --- frames that go --- */

static size_t queued(const struct h2_stream *s)
{
    return buf_len(&s->out) + s->slices_left;
}

/* A stream that was taken off the session is reset by its next frame; until then there is none to
 * ask. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *into UNUSED, size_t room,
                         uint32_t *flags, nghttp2_data_source *source UNUSED, void *user UNUSED)
{
    struct h2_stream *s = stream_of(session, id);
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

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                     size_t len, nghttp2_data_source *source UNUSED, void *user)
{
    struct h2 *h = user;
    struct h2_stream *s = stream_of(session, frame->hd.stream_id);
    char *room;
    if (!s) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (is_full(h)) return NGHTTP2_ERR_WOULDBLOCK;
    if (buf_reserve(&h->out, FRAME_HEAD + len, &room)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    memcpy(room, head, FRAME_HEAD);
    take_body(s, room + FRAME_HEAD, len);
    buf_commit(&h->out, FRAME_HEAD + len);
    s->sent += len;
    if (s->above && queued(s) <= s->low_mark) {
        s->above = false;
        h->events->drained(s);
    }
    return 0;
}

static void fail(struct h2 *h, int err)
{
    if (h->over) return;
    h->over = true;
    task_cancel(&h->flush);
    h->events->failed(h->owner, err);
}

/* Makes frames as long as the transport may take them. An error is the session's. */
static int make_frames(struct h2 *h)
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

/* From where an error cannot be returned: it is told from the task. */
static void pump(struct h2 *h)
{
    if (h->over) return;
    if (h->busy || make_frames(h)) loop_wake_last(h->loop, &h->flush);
}

/* Sends what is gathered. */
static int write_out(struct h2 *h)
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

/* False when all has been said: GOAWAY was, for what the peer did or because both have done. */
static bool wants_anything(const struct h2 *h)
{
    return nghttp2_session_want_read(h->session) || nghttp2_session_want_write(h->session);
}

/* How a session is over that wants nothing any more. */
static int end_of(const struct h2 *h, const char **why)
{
    bool regular = !h->why && (h->peer_leaves || h->left);
    *why = regular ? NULL : h->why ? h->why : "a frame is malformed";
    return regular ? ERR_EOF : ERR_PROTOCOL;
}

void h2_flush(struct h2 *h)
{
    const char *why;
    if (h->over) return;
    int err = make_frames(h), write_err = err ? 0 : write_out(h);
    task_cancel(&h->flush);
    if (err || write_err)
        fail(h, err ? err : write_err);
    else if (!wants_anything(h))
        fail(h, end_of(h, &why));
    else if (!is_full(h) && nghttp2_session_want_write(h->session))
        pump(h);
}

static void run_flush(struct task *task)
{
    h2_flush(CONTAINER_OF(task, struct h2, flush));
}

void h2_go_on(struct h2 *h)
{
    pump(h);
}

static int err_of_library(const struct h2 *h, int code)
{
    if (code == NGHTTP2_ERR_NOMEM) return -ENOMEM;
    return code == NGHTTP2_ERR_FLOODED || h->flooded ? ERR_FULL : ERR_PROTOCOL;
}

int h2_feed(struct h2 *h, struct str bytes, const char **why)
{
    *why = NULL;
    if (h->over) return 0;
    h->busy = true;
    ssize_t n = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes.ptr, bytes.len);
    h->busy = false;
    int err = n < 0 ? err_of_library(h, (int)n) : 0;
    if (err == ERR_PROTOCOL) *why = h->why ? h->why : nghttp2_strerror((int)n);
    if (err) {
        h2_abandon(h, err);
        return err;
    }
    err = make_frames(h);
    if (err || wants_anything(h)) return err;
    h->over = true;
    task_cancel(&h->flush);
    err = write_out(h);
    return err ? err : end_of(h, why);
}

/* --- the session --- */

#ifdef HOSTLER_FAULTS

static void *try_malloc(size_t size, void *user UNUSED)
{
    return fault_point(FAULT_LIBRARY) ? NULL : malloc(size);
}

static void *try_calloc(size_t count, size_t size, void *user UNUSED)
{
    return fault_point(FAULT_LIBRARY) ? NULL : calloc(count, size);
}

static void *try_realloc(void *ptr, size_t size, void *user UNUSED)
{
    return fault_point(FAULT_LIBRARY) ? NULL : realloc(ptr, size);
}

static void give_back(void *ptr, void *user UNUSED)
{
    free(ptr);
}

static nghttp2_mem *memory(void)
{
    static nghttp2_mem all = {
        .malloc = try_malloc, .free = give_back, .calloc = try_calloc, .realloc = try_realloc};
    return &all;
}

#else

static nghttp2_mem *memory(void)
{
    return NULL; /* the standard */
}

#endif

static int set_up(struct h2 *h)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int err = nghttp2_session_callbacks_new(&callbacks);
    if (!err) err = nghttp2_option_new(&option);
    if (err) goto out;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, HEAD_SENT_MAX);
    err = h->settings.server
              ? nghttp2_session_server_new3(&h->session, callbacks, h, option, memory())
              : nghttp2_session_client_new3(&h->session, callbacks, h, option, memory());
out:
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return err ? -ENOMEM : 0;
}

static int greet(struct h2 *h)
{
    const struct h2_settings *s = &h->settings;
    nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, s->streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, s->stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)s->limits.head_max},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    size_t count = ARRAY_LEN(entries) - (s->server ? 1 : 0);
    int err = nghttp2_submit_settings(h->session, 0, entries, count);
    if (!err) err = nghttp2_session_set_local_window_size(h->session, 0, 0, (int32_t)s->window);
    return err ? -ENOMEM : 0;
}

int h2_new(struct loop *l, struct stream *stream, const struct h2_settings *settings,
           const struct h2_events *events, void *owner, struct h2 **out)
{
    struct h2 *h = mem_try_zero(1, sizeof *h);
    if (!h) return -ENOMEM;
    *h = (struct h2){.loop = l,
                     .stream = stream,
                     .settings = *settings,
                     .events = events,
                     .owner = owner,
                     .calm = CALM_MAX,
                     .calm_us = loop_now(l)};
    list_init(&h->streams);
    task_init(&h->flush, run_flush);
    buf_init(&h->out, OUT_MAX);
    int err = set_up(h);
    if (!err) err = greet(h);
    if (err) {
        h2_free(h);
        return err;
    }
    pump(h);
    *out = h;
    return 0;
}

void h2_free(struct h2 *h)
{
    if (!h) return;
    h->over = true;
    LIST_EACH_SAFE(&h->streams, it, next)
    {
        struct h2_stream *s = LIST_ITEM(it, struct h2_stream, link);
        list_remove(&s->link);
        s->h2 = NULL;
    }
    task_cancel(&h->flush);
    nghttp2_session_del(h->session);
    buf_fini(&h->out);
    free(h);
}

unsigned h2_stream_count(const struct h2 *h)
{
    return h->count;
}

unsigned h2_room(const struct h2 *h)
{
    if (h->over || h->peer_leaves || !nghttp2_session_check_request_allowed(h->session)) return 0;
    uint32_t max =
        nghttp2_session_get_remote_settings(h->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    max = MIN(max, h->settings.streams_max);
    return max > h->count ? max - h->count : 0;
}

bool h2_peer_leaves(const struct h2 *h)
{
    return h->peer_leaves;
}

void h2_leave(struct h2 *h, bool last)
{
    if (h->over) return;
    h->left = last;
    if (!last)
        note(h, nghttp2_submit_shutdown_notice(h->session));
    else
        note(h, nghttp2_submit_goaway(h->session, 0,
                                      nghttp2_session_get_last_proc_stream_id(h->session),
                                      NGHTTP2_NO_ERROR, NULL, 0));
    pump(h);
}

void h2_abandon(struct h2 *h, int err)
{
    uint32_t code = err == ERR_FULL       ? NGHTTP2_ENHANCE_YOUR_CALM
                    : err == ERR_PROTOCOL ? NGHTTP2_PROTOCOL_ERROR
                    : err == 0            ? NGHTTP2_NO_ERROR
                                          : NGHTTP2_INTERNAL_ERROR;
    if (h->over) return;
    (void)nghttp2_session_terminate_session(h->session, code);
    struct str bytes;
    int failed = make_frames(h);
    bytes = buf_str(&h->out);
    struct iovec iov = {(char *)(uintptr_t)bytes.ptr, bytes.len};
    if (!failed && bytes.len && stream_write(h->stream, &iov, 1)) bytes.len = 0;
    buf_release(&h->out);
    h->over = true;
    task_cancel(&h->flush);
}

void h2_ping(struct h2 *h)
{
    if (h->over) return;
    note(h, nghttp2_submit_ping(h->session, 0, NULL));
    pump(h);
}

/* --- streams --- */

void h2_stream_init(struct h2_stream *s, struct arena *arena, size_t out_max)
{
    *s = (struct h2_stream){.arena = arena};
    buf_init(&s->out, out_max);
    list_init(&s->link);
    forget_head(s);
}

void h2_stream_fini(struct h2_stream *s)
{
    struct h2 *h = s->h2;
    if (h) {
        if (!h->over) {
            nghttp2_session_set_stream_user_data(h->session, s->id, NULL);
            note(h, nghttp2_submit_rst_stream(h->session, 0, s->id, NGHTTP2_CANCEL));
            pump(h);
        }
        detach(s);
    }
    buf_fini(&s->out);
}

static nghttp2_nv nv(struct str name, struct str value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len,
                        value.len, NGHTTP2_NV_FLAG_NONE};
}

/* Names are lower case here (RFC 9113 section 8.2.1); what is about a connection has no place. */
static struct str lower_name(struct arena *arena, const struct http_field *f)
{
    if (f->id != HDR_OTHER) return http_header_name(f->id);
    char *out = arena_try(arena, f->name.len + 1);
    for (size_t i = 0; out && i < f->name.len; i++)
        out[i] = f->name.ptr[i] >= 'A' && f->name.ptr[i] <= 'Z' ? (char)(f->name.ptr[i] | 0x20)
                                                                : f->name.ptr[i];
    return out ? str_n(out, f->name.len) : STR_NULL;
}

static bool is_about_connection(enum http_header_id id)
{
    return id == HDR_CONNECTION || id == HDR_TRANSFER_ENCODING || id == HDR_UPGRADE;
}

/* Appends the fields at nvs[*n]; false: no memory. */
static bool put_fields(struct arena *arena, const struct http_field *fields, unsigned count,
                       nghttp2_nv *nvs, size_t *n)
{
    for (unsigned i = 0; i < count; i++) {
        if (is_about_connection(fields[i].id)) continue;
        struct str name = lower_name(arena, &fields[i]);
        if (!name.ptr) return false;
        nvs[(*n)++] = nv(name, fields[i].value);
    }
    return true;
}

/* Bodies are those of the streams that the session knows at that time. */
static const nghttp2_data_provider provider = {.read_callback = read_body};

/* Slices are what h2_write sends; nothing of them is kept. */
static void set_slices(struct h2_stream *s, const struct str *slices, unsigned count)
{
    s->slices = slices;
    s->slice_count = count;
    s->slice_skip = s->slices_left = 0;
    for (unsigned i = 0; i < count; i++)
        s->slices_left += slices[i].len;
}

static int keep_rest(struct h2_stream *s)
{
    int err = 0;
    while (s->slices_left && !err) {
        struct str rest = str_skip(*s->slices, s->slice_skip);
        err = buf_append(&s->out, rest);
        s->slices_left -= rest.len;
        s->slices++;
        s->slice_skip = 0;
    }
    s->slices = NULL;
    s->slices_left = 0;
    if (buf_len(&s->out) > s->low_mark) s->above = true;
    return err;
}

int h2_request(struct h2 *h, struct h2_stream *s, struct str scheme, const struct http_request *r)
{
    enum { PSEUDO = 4, LENGTH = 1 };
    char digits[STR_U64_ROOM];
    size_t n = 0, length = 0;
    bool carries = r->method == METHOD_POST || r->method == METHOD_PUT || r->method == METHOD_PATCH;
    if (h2_room(h) == 0) return ERR_FULL;
    nghttp2_nv *nvs = arena_try(s->arena, (r->field_count + PSEUDO + LENGTH) * sizeof *nvs);
    if (!nvs) return -ENOMEM;
    for (unsigned i = 0; i < r->body_count; i++)
        length += r->body[i].len;
    nvs[n++] = nv(STR(":method"), http_method_name(r->method));
    nvs[n++] = nv(STR(":scheme"), scheme);
    nvs[n++] = nv(STR(":authority"), r->authority);
    nvs[n++] = nv(STR(":path"), r->target);
    if (!put_fields(s->arena, r->fields, r->field_count, nvs, &n)) return -ENOMEM;
    if (carries || length) nvs[n++] = nv(STR("content-length"), str_of_u64(length, 10, digits));
    set_slices(s, r->body, r->body_count);
    s->out_last = true;
    int32_t id = nghttp2_submit_request(h->session, NULL, nvs, n, length ? &provider : NULL, s);
    if (id < 0) {
        set_slices(s, NULL, 0);
        return id == NGHTTP2_ERR_NOMEM ? -ENOMEM : ERR_FULL;
    }
    s->h2 = h;
    s->id = id;
    s->out_begun = true;
    list_push_back(&h->streams, &s->link);
    h->count++;
    s->beginning = true;
    pump(h);
    s->beginning = false;
    if (!s->h2) return -ENOMEM; /* its head could not be written */
    return s->slices_left ? keep_rest(s) : 0;
}

int h2_respond(struct h2_stream *s, int status, const struct http_field *fields, unsigned count,
               bool last)
{
    enum { PSEUDO = 1 };
    char digits[STR_U64_ROOM];
    size_t n = 0;
    nghttp2_nv *nvs = arena_try(s->arena, (count + PSEUDO) * sizeof *nvs);
    if (!nvs) return -ENOMEM;
    nvs[n++] = nv(STR(":status"), str_of_u64((uint64_t)status, 10, digits));
    if (!put_fields(s->arena, fields, count, nvs, &n)) return -ENOMEM;
    s->out_begun = true;
    s->out_last = last;
    int err = nghttp2_submit_response(s->h2->session, s->id, nvs, n, last ? NULL : &provider);
    return err ? -ENOMEM : 0;
}

int h2_respond_interim(struct h2_stream *s, int status)
{
    char digits[STR_U64_ROOM];
    nghttp2_nv one = nv(STR(":status"), str_of_u64((uint64_t)status, 10, digits));
    int err = nghttp2_submit_headers(s->h2->session, 0, s->id, NULL, &one, 1, NULL);
    pump(s->h2);
    return err ? -ENOMEM : 0;
}

int h2_write(struct h2_stream *s, const struct str *slices, unsigned count, bool last)
{
    struct h2 *h = s->h2;
    set_slices(s, slices, count);
    if (last) s->out_last = true;
    if (s->out_idle && (last || s->slices_left)) {
        s->out_idle = false;
        note(h, nghttp2_session_resume_data(h->session, s->id));
    }
    pump(h);
    int err = keep_rest(s);
    if (err) s->out_last = false; /* what is lost is not the end */
    return err;
}

void h2_consume(struct h2_stream *s, size_t n)
{
    if (!s->h2 || s->h2->over) return;
    n = MIN(n, s->unconsumed);
    if (n == 0) return;
    s->unconsumed -= n;
    note(s->h2, nghttp2_session_consume(s->h2->session, s->id, n));
    pump(s->h2);
}

void h2_widen(struct h2_stream *s, uint32_t window)
{
    if (!s->h2 || s->h2->over) return;
    note(s->h2, nghttp2_session_set_local_window_size(s->h2->session, 0, s->id, (int32_t)window));
    pump(s->h2);
}

void h2_reset(struct h2_stream *s, enum h2_reset code)
{
    if (!s->h2 || s->h2->over) return;
    note(s->h2, nghttp2_submit_rst_stream(s->h2->session, 0, s->id, (uint32_t)code));
    pump(s->h2);
}

void h2_set_low_mark(struct h2_stream *s, size_t low)
{
    s->low_mark = low;
    s->above = queued(s) > low;
}
