/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of HTTP/2 that serve calls.
 *
 * Happy path: frames arrive, a head makes a call, the connection's task hands it to the handler,
 * which reads the body, answers and ends it, many at once; the stream ends when the client has all
 * of it. What can go wrong: the client resets a stream or stops taking its bytes (that call is
 * gone); it breaks the protocol or floods (GOAWAY, all calls are gone; what still comes is read for
 * a moment, so that it hears of that); the transport breaks.
 *
 * Draining takes two steps (RFC 9113 section 6.8): the client is told to begin nothing more, and a
 * little later, when what was on its way has come, which request is the last one. */
#include "http/server_h2_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

enum {
    ARENA_BLOCK = 4096,
    ARENA_MAX =
        256 << 20,      /* what stands there has limits of its own; this only catches a runaway */
    OUT_MAX = 64 << 20, /* the handler stops far below */
    SPARE_MAX = 8,
    HEADS_MAX = 512 * 1024, /* of all requests of a connection together */
    WINDOW = 512 * 1024,    /* bodies of all that nobody has taken yet */
    LEAVE_US = 250 * USEC_PER_MS,
};

static struct h2_call *of_stream(struct h2_stream *s)
{
    return CONTAINER_OF(s, struct h2_call, stream);
}

static struct h2_conn *h2_of(struct http_conn *base)
{
    return CONTAINER_OF(base, struct h2_conn, base);
}

static struct h2_call *take_call(struct h2_conn *conn)
{
    struct list *link = list_pop_front(&conn->spare);
    if (link) {
        conn->spare_count--;
        struct h2_call *c = LIST_ITEM(link, struct h2_call, link);
        conn__take_arena(conn->base.server, &c->arena);
        return c;
    }
    struct h2_call *c = mem_try_zero(1, sizeof *c);
    if (!c) return NULL;
    c->magic = H2_CALL_MAGIC;
    arena_init(&c->arena, conn->base.server->limits.body_max + ARENA_MAX, ARENA_BLOCK);
    conn__take_arena(conn->base.server, &c->arena);
    return c;
}

static void free_call(struct h2_call *c)
{
    arena_fini(&c->arena);
    c->magic = 0;
    free(c);
}

static void recycle(struct h2_conn *conn, struct h2_call *c)
{
    h2_stream_fini(&c->stream);
    call_body_drop(&conn->base, &c->body);
    conn__end_call(&c->call);
    conn->call_count--;
    conn__give_arena(conn->base.server, &c->arena);
    if (conn->spare_count >= SPARE_MAX || !conn->base.stream) {
        free_call(c);
        return;
    }
    list_push_front(&conn->spare, &c->link);
    conn->spare_count++;
}

/* --- what the session tells --- */

static struct h2_stream *on_begin(void *owner)
{
    struct h2_conn *conn = owner;
    struct h2_call *c = conn->left ? NULL : take_call(conn);
    if (!c) return NULL;
    struct arena arena = c->arena;
    *c = (struct h2_call){.magic = H2_CALL_MAGIC, .conn = conn, .arena = arena};
    c->call = conn__begin_call(&conn->base, &h2__call_ops, &c->arena, h2__now(conn));
    call_body_init(&c->body, conn->base.server->limits.body_max);
    h2_stream_init(&c->stream, &c->arena, OUT_MAX);
    list_push_back(&conn->calls, &c->link);
    conn->call_count++;
    c->since_us = h2__now(conn);
    h2__wake(conn); /* a head may be late */
    return &c->stream;
}

static void on_head(struct h2_stream *stream, int refused, const char *why)
{
    struct h2_call *c = of_stream(stream);
    c->headed = true;
    c->call.head = h2_head(stream);
    if (refused) {
        c->call.head =
            http_head_of_refused(&c->arena, stream->head.fields, stream->head.field_count);
        c->call.refused = refused;
        c->call.refused_why = c->call.body_why = why;
        c->call.body_err = ERR_PROTOCOL;
        c->body.wanted = true;
    }
    h2__wake(c->conn);
}

static void on_body(struct h2_stream *stream, struct str bytes)
{
    struct h2_call *c = of_stream(stream);
    metric_add(&c->conn->base.server->stats.bytes_in, bytes.len);
    int err = c->call.ended || c->call.body_err ? 0 : call_body_add(&c->call, &c->body, bytes);
    if (err) {
        c->call.body_err = err;
        h2__tell(c);
    }
    if (c->body.wanted || c->call.ended || c->call.body_err) h2_consume(stream, bytes.len);
    h2__progress(c);
}

static void on_whole(struct h2_stream *stream)
{
    struct h2_call *c = of_stream(stream);
    c->message_end = true;
    if (!c->call.body.ptr) c->call.body = STR("");
    if (!c->body.wanted || c->call.body_err) return;
    c->call.body_done = true;
    h2__tell(c);
}

/* Both sides of a stream may be complete while its call is still being ended: nothing is wrong
 * then. */
static void on_closed(struct h2_stream *stream, int err, const char *why UNUSED)
{
    struct h2_call *c = of_stream(stream);
    if (err)
        h2__gone(c, err == ERR_CANCELLED ? -ECONNRESET : err); /* by the client, not by us */
    else
        h2__put_away(c);
}

static void on_drained(struct h2_stream *stream)
{
    struct h2_call *c = of_stream(stream);
    h2__progress(c);
    h2__tell(c);
}

/* The session is over. Its calls are gone; those that the handler has end by it. */
static void give_up(struct h2_conn *conn, int why)
{
    h2_free(conn->h2);
    conn->h2 = NULL;
    LIST_EACH_SAFE(&conn->calls, it, next)
    {
        h2__gone(LIST_ITEM(it, struct h2_call, link), why);
    }
    h2__wake(conn);
}

static void close_stream(struct h2_conn *conn)
{
    if (conn->base.stream) stream_close(conn->base.stream);
    conn->base.stream = NULL;
}

static void conn_gone(struct h2_conn *conn, int why)
{
    close_stream(conn);
    if (conn->h2) give_up(conn, why);
    h2__wake(conn);
}

/* The client has been told of it by GOAWAY, which must not be lost to a reset. */
static void break_off(struct h2_conn *conn, int err)
{
    metric_add(&conn->base.server->stats.h2_errors, 1);
    conn->broken = true;
    h2__conn_progress(conn);
    give_up(conn, err);
}

/* Both sides have done. What was sent last may still wait for the transport. */
static void end_session(struct h2_conn *conn)
{
    conn->left = true;
    h2__conn_progress(conn);
    give_up(conn, ERR_EOF);
}

static void session_over(struct h2_conn *conn, int err)
{
    if (err == ERR_EOF)
        end_session(conn);
    else
        break_off(conn, err);
}

static void on_failed(void *owner, int err)
{
    bool was_told = err == ERR_EOF || err == ERR_PROTOCOL;
    if (was_told)
        session_over(owner, err);
    else
        conn_gone(owner, err);
}

static const struct h2_events events = {
    .begin = on_begin,
    .head = on_head,
    .data = on_body,
    .end = on_whole,
    .closed = on_closed,
    .drained = on_drained,
    .failed = on_failed,
};

/* --- time --- */

static void call_late(struct h2_call *c)
{
    bool blocked = h2_pending(&c->stream) > 0;
    if (blocked && c->stream.sent != c->sent) {
        h2__progress(c);
    } else if (!blocked && c->headed && !c->call.ended) {
        c->call.body_err = ERR_TIMEOUT;
        h2__tell(c);
    } else {
        h2__gone(c, ERR_TIMEOUT);
        h2_reset(&c->stream, c->complete && !blocked ? H2_NO_ERROR : H2_CANCEL);
    }
}

/* Tells the client which request is the last, and waits for what it has. */
static void leave_for_good(struct h2_conn *conn)
{
    conn->left = true;
    if (conn->h2) h2_leave(conn->h2, true);
    h2__conn_progress(conn);
}

static void conn_late(struct h2_conn *conn)
{
    if (conn->broken || (conn->left && !conn->call_count)) {
        conn_gone(conn, ERR_CANCELLED);
    } else if (!conn->left && (conn->leave_us || !h2__is_blocked(conn))) { /* leaving, or idle */
        leave_for_good(conn);
    } else if (stream_drained(conn->base.stream) != conn->drained) {
        h2__conn_progress(conn);
    } else {
        conn_gone(conn, ERR_TIMEOUT);
    }
}

static struct h2_call *next_late_call(const struct h2_conn *conn, uint64_t now)
{
    LIST_EACH(&conn->calls, it)
    {
        struct h2_call *c = LIST_ITEM(it, struct h2_call, link);
        uint64_t due = h2__call_due(c);
        if (due && due <= now) return c;
    }
    return NULL;
}

/* Whoever is late once is not due any more, or only later. */
static void check_time(struct h2_conn *conn)
{
    uint64_t now = h2__now(conn), due = h2__conn_due(conn);
    struct h2_call *c;
    if (due && due <= now) conn_late(conn);
    while ((c = next_late_call(conn, now)))
        call_late(c);
}

/* --- the connection's task --- */

static struct h2_call *next_new_call(const struct h2_conn *conn)
{
    LIST_EACH(&conn->calls, it)
    {
        struct h2_call *c = LIST_ITEM(it, struct h2_call, link);
        if (c->headed && !c->handed && !c->call.ended) return c;
    }
    return NULL;
}

/* What a handler does may end other calls. */
static void hand_over(struct h2_conn *conn)
{
    struct http_server *s = conn->base.server;
    struct h2_call *c;
    while ((c = next_new_call(conn))) {
        c->handed = true;
        s->on_call(s->user, &c->call);
    }
}

static void recycle_done(struct h2_conn *conn)
{
    struct list *link;
    if (list_empty(&conn->done)) return;
    while ((link = list_pop_front(&conn->done)))
        recycle(conn, LIST_ITEM(link, struct h2_call, link));
    h2__conn_progress(conn);
}

static bool is_over(const struct h2_conn *conn)
{
    if (conn->call_count) return false;
    if (!conn->base.stream) return true;
    if (conn->broken || !conn->left || h2__is_blocked(conn)) return false;
    return !conn->h2 || h2_peer_leaves(conn->h2);
}

static void end(struct h2_conn *conn)
{
    struct list *link;
    timer_stop(conn->base.server->loop, &conn->timer);
    task_cancel(&conn->task);
    close_stream(conn);
    h2_free(conn->h2);
    conn->h2 = NULL;
    while ((link = list_pop_front(&conn->spare)))
        free_call(LIST_ITEM(link, struct h2_call, link));
    conn__retire(&conn->base);
}

static void run_conn(struct task *task)
{
    struct h2_conn *conn = CONTAINER_OF(task, struct h2_conn, task);
    if (conn->base.stream) check_time(conn);
    if (conn->h2) hand_over(conn);
    recycle_done(conn);
    if (is_over(conn))
        end(conn);
    else if (conn->base.stream)
        h2__watch(conn);
}

/* --- what the stream tells --- */

static void feed(struct h2_conn *conn, struct str bytes)
{
    const char *why;
    if (!conn->h2) return;
    int err = h2_feed(conn->h2, bytes, &why);
    if (err) session_over(conn, err);
}

static void on_data(void *owner, struct str bytes)
{
    feed(owner, bytes);
}

static void on_end(void *owner, int err)
{
    conn_gone(owner, err);
}

static void on_drain(void *owner)
{
    struct h2_conn *conn = owner;
    h2__conn_progress(conn);
    if (conn->h2) h2_go_on(conn->h2);
    h2__wake(conn);
}

static const struct stream_handler handler = {
    .on_data = on_data, .on_end = on_end, .on_drain = on_drain};

/* --- what the server does with it --- */

static void drain(struct http_conn *base)
{
    struct h2_conn *conn = h2_of(base);
    if (conn->leaving || !conn->h2) return;
    conn->leaving = true;
    h2_leave(conn->h2, false);
    conn->leave_us = h2__now(conn) + LEAVE_US;
    h2__watch(conn);
}

static void finish(struct http_conn *base)
{
    LIST_EACH(&h2_of(base)->calls, it)
    {
        struct h2_call *c = LIST_ITEM(it, struct h2_call, link);
        c->call.ending = true;
        h2__tell(c);
    }
}

/* What was given to the session still leaves. */
static void close_at_once(struct http_conn *base, int why)
{
    struct h2_conn *conn = h2_of(base);
    if (conn->h2) h2_abandon(conn->h2, 0);
    conn_gone(conn, why);
}

static void release(struct http_conn *base)
{
    free(h2_of(base));
}

static const struct conn_ops ops = {
    .drain = drain, .finish = finish, .close = close_at_once, .release = release};

int http__serve_h2(const struct http_entry *from, struct stream *stream, struct str input)
{
    struct http_server *s = from->server;
    struct h2_conn *conn = mem_try_zero(1, sizeof *conn);
    if (!conn) return -ENOMEM;
    const struct h2_settings settings = {
        .server = true,
        .limits = s->limits.head,
        .streams_max = s->limits.h2_streams_max,
        .heads_max = MAX((size_t)HEADS_MAX, s->limits.head.head_max),
        .stream_window = H2_STREAM_WINDOW,
        .window = WINDOW,
    };
    int err = h2_new(s->loop, stream, &settings, &events, conn, &conn->h2);
    if (err) {
        free(conn);
        return err;
    }
    list_init(&conn->calls);
    list_init(&conn->done);
    list_init(&conn->spare);
    task_init(&conn->task, run_conn);
    timer_init(&conn->timer, &conn->task);
    conn__register(&conn->base, &ops, from, stream);
    stream_set_handler(stream, &handler, conn);
    stream_may_wait(stream, false); /* calls in progress hear of their windows by it */
    bool brief = s->draining || stream_is_spare(stream);
    metric_add(&s->stats.h2_connections, 1);
    h2__conn_progress(conn);
    if (input.len) feed(conn, input);
    if (brief) drain(&conn->base);
    if (conn->base.stream) stream_read(stream, true);
    h2__wake(conn);
    return 0;
}
