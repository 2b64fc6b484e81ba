/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of HTTP/1.1 that serve calls.
 *
 * Happy path: bytes arrive, the connection's task parses a head and hands the call to the
 * handler; the handler reads the body, answers, ends the call; the next request (perhaps there
 * already) follows. What can go wrong: the head is malformed, too large or too slow (answered,
 * closed); the body breaks (body_err); the client leaves or stops taking bytes (gone); the
 * handler answers without having read the body (answered, then the rest is read and dropped for
 * a while, so that the answer is not lost to a reset). A connection that turns out to speak HTTP/2
 * goes on as one of those (server_h2.c).
 *
 *   OPENING --open--> IDLE --first byte--> HEAD --whole head--> CALL --call_end, keep-alive--> IDLE
 *     |                |                    |                    |--call_end, close--> LINGER --drained and read, or timeout--> gone
 *     +--timeout-------+--timeout, EOF------+--error------------>+ */
#include "http/server_h1_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

enum {
    ARENA_BLOCK = 4096,
    ARENA_MAX =
        256 << 20,        /* what stands there has limits of its own; this only catches a runaway */
    HELD_MAX = 64 * 1024, /* unparsed bytes kept while a call is in progress */
    PIPELINE_PENDING = 65536, /* queued output above which no further request is begun */
};

static void begin_call(struct h1_conn *conn, const struct http_head *head)
{
    struct http_server *s = conn->base.server;
    conn->call = conn__begin_call(&conn->base, &h1__call_ops, &conn->arena, conn->since_us);
    conn->call.head = head;
    conn->begun = conn->silent = conn->complete = false;
    conn->message_end = false;
    call_body_begin(&conn->body);
    conn->out_head = STR_NULL;
    conn->close_after = s->draining || conn->call.spare;
}

static void hand_over(struct h1_conn *conn)
{
    conn__enter(conn, CONN_CALL);
    conn->base.server->on_call(conn->base.server->user, &conn->call);
}

/* A head that breaks a rule: the handler writes the answer, after which the connection closes,
 * since nobody knows where the message ends. */
static void refuse_head(struct h1_conn *conn)
{
    unsigned count;
    struct http_field *fields = h1_read_fields(conn->parser, &count);
    struct http_call *c = &conn->call;
    begin_call(conn, http_head_of_refused(&conn->arena, fields, count));
    h1_error(conn->parser, &c->refused, &c->refused_why);
    c->body_err = ERR_PROTOCOL;
    c->body_why = c->refused_why;
    conn->body.wanted = conn->close_after = true;
    conn->input = STR_NULL;
    hand_over(conn);
}

static void start_call(struct h1_conn *conn)
{
    const struct http_head *head = h1_head(conn->parser);
    begin_call(conn, head);
    if (!h1_facts(conn->parser)->keep_alive) conn->close_after = true;
    if (!h1_facts(conn->parser)->chunked && head->length == 0) { /* no body: nothing to wait for */
        struct str none;
        enum h1_event end = h1_next(conn->parser, &conn->input, &none);
        assert(end == H1_END);
        (void)end;
        conn->message_end = true;
        conn->call.body = STR("");
    }
    hand_over(conn);
}

static void parse_head(struct h1_conn *conn)
{
    struct str none;
    if (conn->state == CONN_IDLE) {
        if (conn->input.len == 0) return;
        conn__take_arena(conn->base.server, &conn->arena);
        h1_begin(conn->parser, &conn->arena, false);
        conn->since_us = loop_now(conn->base.server->loop);
        conn__move(conn, CONN_HEAD);
    }
    switch (h1_next(conn->parser, &conn->input, &none)) {
    case H1_HEAD: start_call(conn); break;
    case H1_ERROR: refuse_head(conn); break;
    default: break;
    }
}

/* True when the connection has become one of HTTP/2, or may still do so (RFC 9113 section 3.4). */
static bool is_h2(struct h1_conn *conn)
{
    static const struct str preface = STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    struct str begin = str_sub(conn->input, 0, MIN(conn->input.len, preface.len));
    if (!str_starts(preface, begin) || conn->base.server->limits.h2_streams_max == 0) {
        conn->fresh = false;
        return false;
    }
    if (begin.len < preface.len) return true;
    conn->become_h2(&conn->base, conn->input);
    return true;
}

/* Parses what there is, as far as the state allows. May free the connection. */
static void parse(struct h1_conn *conn)
{
    switch (conn->state) {
    case CONN_OPENING: break;
    case CONN_IDLE:
    case CONN_HEAD:
        if (conn->fresh && is_h2(conn)) break;
        if (stream_pending(conn->base.stream) > PIPELINE_PENDING) break; /* on_drain comes back */
        parse_head(conn);
        break;
    case CONN_CALL:
        if (conn->body.wanted && !conn->message_end) conn__parse_body(conn);
        break;
    case CONN_LINGER: /* closed while they still come, the answer could be lost with them */
        conn->input = STR_NULL;
        if (!stream_pending(conn->base.stream)) conn__progress(conn);
        break;
    }
}

/* Gives back what was parsed of the held input. */
static void trim_held(struct h1_conn *conn)
{
    if (!conn->input_held) return;
    if (conn->input.len == 0) {
        buf_release(&conn->held);
        conn->input_held = false;
        conn->input = STR_NULL;
    } else {
        buf_consume(&conn->held, buf_len(&conn->held) - conn->input.len);
    }
    if (buf_len(&conn->held) < HELD_MAX && conn->base.stream && !conn->ended)
        stream_read(conn->base.stream, true);
}

/* Nothing is to come any more, in either direction. */
static bool is_over(const struct h1_conn *conn)
{
    if (stream_pending(conn->base.stream)) return false;
    if (conn->state == CONN_IDLE) return conn->base.server->draining && conn->input.len == 0;
    return conn->state == CONN_LINGER &&
           (conn->ended || (conn->message_end && conn->input.len == 0));
}

static bool is_late(const struct h1_conn *conn)
{
    uint64_t due = conn__deadline(conn);
    return due && due <= loop_now(conn->base.server->loop);
}

/* May free the connection. */
static void check_time(struct h1_conn *conn)
{
    if (!is_late(conn)) return;
    if (stream_pending(conn->base.stream) && stream_drained(conn->base.stream) != conn->drained)
        conn__progress(conn);
    if (!is_late(conn)) return;
    if (conn->state == CONN_CALL && !stream_pending(conn->base.stream))
        conn__body_failed(conn, ERR_TIMEOUT);
    else
        conn__gone(conn, ERR_TIMEOUT);
}

/* Ends with the timer armed on every path, since the one that woke it may have been the timer. */
static void run_conn(struct task *task)
{
    struct h1_conn *conn = CONTAINER_OF(task, struct h1_conn, task);
    assert(conn->magic == H1_CONN_MAGIC);
    if (!conn->base.stream) return; /* dead, or a call in progress will end it */
    if (is_over(conn)) {
        conn__end(conn);
        return;
    }
    check_time(conn);
    if (conn->base.stream && conn->input.len) parse(conn);
    if (!conn->base.stream) return;
    trim_held(conn);
    conn__watch(conn);
}

/* Keeps input that is not parsed yet. False: there is no memory for it, and the connection ends. */
static bool hold(struct h1_conn *conn, struct str bytes)
{
    if (buf_append(&conn->held, bytes)) {
        conn__gone(conn, -ENOMEM);
        return false;
    }
    conn->input = buf_str(&conn->held);
    conn->input_held = true;
    return true;
}

/* The client may have been told why, which must not be lost to a reset. */
static void refuse_opening(struct h1_conn *conn, int err)
{
    bool told = err == ERR_TLS || err == ERR_CERTIFICATE;
    metric_add(&conn->base.server->stats.openings_failed, 1);
    if (told)
        conn__enter(conn, CONN_LINGER);
    else
        conn__gone(conn, err);
}

static void on_open(void *owner, int err)
{
    struct h1_conn *conn = owner;
    if (err) {
        refuse_opening(conn, err);
        return;
    }
    conn__note_peer(&conn->base);
    if (str_eq(stream_facts(conn->base.stream)->alpn, STR("h2"))) {
        conn->become_h2(&conn->base, STR_NULL);
        return;
    }
    conn->fresh = stream_facts(conn->base.stream)->alpn.len == 0;
    conn__enter(conn, CONN_IDLE);
}

static void on_data(void *owner, struct str bytes)
{
    struct h1_conn *conn = owner;
    if (!conn->input_held && !conn->input.len)
        conn->input = bytes;
    else if (!hold(conn, bytes))
        return;
    loop_wake(conn->base.server->loop, &conn->task);
}

static void on_settle(void *owner)
{
    struct h1_conn *conn = owner;
    if (!conn->input_held && conn->input.len && !hold(conn, conn->input)) return;
    if (buf_len(&conn->held) >= HELD_MAX) stream_read(conn->base.stream, false);
}

static void on_end(void *owner, int err)
{
    struct h1_conn *conn = owner;
    conn->ended = true;
    if (conn->state == CONN_LINGER && err == ERR_EOF && stream_pending(conn->base.stream)) return;
    conn__gone(conn, err);
}

static void on_drain(void *owner)
{
    struct h1_conn *conn = owner;
    conn__be_patient(conn);
    conn__tell(conn);
    loop_wake(conn->base.server->loop, &conn->task);
}

static const struct stream_handler handler = {
    .on_open = on_open,
    .on_data = on_data,
    .on_settle = on_settle,
    .on_end = on_end,
    .on_drain = on_drain,
};

/* --- what the server does with it --- */

static struct h1_conn *h1_of(struct http_conn *base)
{
    return CONTAINER_OF(base, struct h1_conn, base);
}

static void drain(struct http_conn *base)
{
    struct h1_conn *conn = h1_of(base);
    conn->close_after = true;
    if (conn->state == CONN_OPENING) conn__end(conn);
    if (conn->state != CONN_IDLE) return;
    if (stream_pending(conn->base.stream) == 0)
        conn__end(conn);
    else
        conn__enter(conn, CONN_LINGER);
}

static void finish(struct http_conn *base)
{
    struct h1_conn *conn = h1_of(base);
    if (conn->state != CONN_CALL) return;
    conn->call.ending = true;
    conn__tell(conn);
}

static void close_at_once(struct http_conn *base, int why)
{
    if (base->stream) conn__gone(h1_of(base), why);
}

static void release(struct http_conn *base)
{
    struct h1_conn *conn = h1_of(base);
    h1_free(conn->parser);
    arena_fini(&conn->arena);
    buf_fini(&conn->held);
    conn__drop_body(conn);
    conn__end_call(&conn->call);
    conn->magic = 0;
    free(conn);
}

static const struct conn_ops ops = {
    .drain = drain, .finish = finish, .close = close_at_once, .release = release};

void http__give_up_stream(struct http_conn *base)
{
    base->stream = NULL;
    conn__end(h1_of(base));
}

int http__serve_h1(const struct http_entry *from, struct stream *stream,
                   void (*become_h2)(struct http_conn *conn, struct str input))
{
    struct http_server *s = from->server;
    struct h1_conn *conn = mem_try_zero(1, sizeof *conn);
    if (!conn || h1_new(false, &s->limits.head, &conn->parser)) {
        free(conn);
        return -ENOMEM;
    }
    conn->magic = H1_CONN_MAGIC;
    conn->state = stream_is_open(stream) ? CONN_IDLE : CONN_OPENING;
    conn->fresh = true;
    conn->become_h2 = become_h2;
    arena_init(&conn->arena, s->limits.body_max + ARENA_MAX, ARENA_BLOCK);
    task_init(&conn->task, run_conn);
    timer_init(&conn->timer, &conn->task);
    buf_init(&conn->held, HELD_MAX + (1 << 20));
    call_body_init(&conn->body, s->limits.body_max);
    conn__register(&conn->base, &ops, from, stream);
    stream_set_handler(stream, &handler, conn);
    stream_may_wait(stream, true);
    conn__be_patient(conn);
    stream_read(stream, true);
    return 0;
}
