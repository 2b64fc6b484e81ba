/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that serve calls.
 *
 * Happy path: bytes arrive, the connection's task parses a head and hands the call to the
 * handler; the handler reads the body, answers, ends the call; the next request (perhaps there
 * already) follows. What can go wrong: the head is malformed, too large or too slow (answered,
 * closed); the body breaks (body_err); the client leaves or stops taking bytes (gone); the
 * handler answers without having read the body (answered, then the rest is read and dropped for
 * a while, so that the answer is not lost to a reset).
 *
 *   IDLE --first byte--> HEAD --whole head--> CALL --call_end, keep-alive--> IDLE
 *     |                    |                    |--call_end, close--> LINGER --drained and read, or timeout--> gone
 *     +--timeout, EOF------+--error------------>+ */
#include "http/conn_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "obs/log.h"

enum {
    ARENA_BLOCK = 4096,
    ARENA_MAX =
        256 << 20,        /* what stands there has limits of its own; this only catches a runaway */
    HELD_MAX = 64 * 1024, /* unparsed bytes kept while a call is in progress */
    PIPELINE_PENDING = 65536,            /* queued output above which no further request is begun */
    REFUSED_TELL_US = 10 * USEC_PER_SEC, /* between two log lines */
};

static void reap_dead(struct task *task)
{
    struct http_server *s = CONTAINER_OF(task, struct http_server, reap);
    struct list *link;
    while ((link = list_pop_front(&s->dead))) {
        struct http_conn *conn = LIST_ITEM(link, struct http_conn, link);
        h1_free(conn->parser);
        arena_fini(&conn->arena);
        buf_fini(&conn->held);
        conn__drop_body(conn);
        conn->magic = 0;
        free(conn);
    }
}

static void begin_call(struct http_conn *conn, const struct http_head *head)
{
    struct http_server *s = conn->server;
    conn->call = (struct http_call){.server = s,
                                    .arena = &conn->arena,
                                    .head = head,
                                    .peer = stream_peer(conn->stream),
                                    .started_us = conn->since_us};
    conn->begun = conn->silent = conn->complete = false;
    conn->body_wanted = conn->message_end = false;
    conn->body_arena = NULL;
    conn->out_head = STR_NULL;
    conn->close_after = s->draining;
}

static void hand_over(struct http_conn *conn)
{
    conn__enter(conn, CONN_CALL);
    conn->server->on_call(conn->server->user, &conn->call);
}

/* A head that breaks a rule: the handler writes the answer, after which the connection closes,
 * since nobody knows where the message ends. */
static void refuse_head(struct http_conn *conn)
{
    static const struct http_head empty = {
        .method = METHOD_OTHER,
        .method_name = STR_INIT(""),
        .target = STR_INIT(""),
        .path = STR_INIT(""),
        .query = STR_INIT(""),
    };
    struct http_call *c = &conn->call;
    begin_call(conn, &empty);
    h1_error(conn->parser, &c->refused, &c->refused_why);
    c->body_err = ERR_PROTOCOL;
    c->body_why = c->refused_why;
    conn->body_wanted = conn->close_after = true;
    conn->input = STR_NULL;
    hand_over(conn);
}

static void start_call(struct http_conn *conn)
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

static void parse_head(struct http_conn *conn)
{
    struct str none;
    if (conn->state == CONN_IDLE) {
        if (conn->input.len == 0) return;
        h1_begin(conn->parser, &conn->arena, false);
        conn->since_us = loop_now(conn->server->loop);
        conn__move(conn, CONN_HEAD);
    }
    switch (h1_next(conn->parser, &conn->input, &none)) {
    case H1_HEAD: start_call(conn); break;
    case H1_ERROR: refuse_head(conn); break;
    default: break;
    }
}

/* Parses what there is, as far as the state allows. May free the connection. */
static void parse(struct http_conn *conn)
{
    switch (conn->state) {
    case CONN_IDLE:
    case CONN_HEAD:
        if (stream_pending(conn->stream) > PIPELINE_PENDING) break; /* on_drain comes back */
        parse_head(conn);
        break;
    case CONN_CALL:
        if (conn->body_wanted && !conn->message_end) conn__parse_body(conn);
        break;
    case CONN_LINGER: /* closed while they still come, the answer could be lost with them */
        conn->input = STR_NULL;
        if (!stream_pending(conn->stream)) conn__progress(conn);
        break;
    }
}

/* Gives back what was parsed of the held input. */
static void trim_held(struct http_conn *conn)
{
    if (!conn->input_held) return;
    if (conn->input.len == 0) {
        buf_release(&conn->held);
        conn->input_held = false;
        conn->input = STR_NULL;
    } else {
        buf_consume(&conn->held, buf_len(&conn->held) - conn->input.len);
    }
    if (buf_len(&conn->held) < HELD_MAX && conn->stream && !conn->ended)
        stream_read(conn->stream, true);
}

/* Nothing is to come any more, in either direction. */
static bool is_over(const struct http_conn *conn)
{
    if (stream_pending(conn->stream)) return false;
    if (conn->state == CONN_IDLE) return conn->server->draining && conn->input.len == 0;
    return conn->state == CONN_LINGER &&
           (conn->ended || (conn->message_end && conn->input.len == 0));
}

static bool is_late(const struct http_conn *conn)
{
    uint64_t due = conn__deadline(conn);
    return due && due <= loop_now(conn->server->loop);
}

/* May free the connection. */
static void check_time(struct http_conn *conn)
{
    if (!is_late(conn)) return;
    if (stream_pending(conn->stream) && stream_drained(conn->stream) != conn->drained)
        conn__progress(conn);
    if (!is_late(conn)) return;
    if (conn->state == CONN_CALL && !stream_pending(conn->stream))
        conn__body_failed(conn, ERR_TIMEOUT);
    else
        conn__gone(conn, ERR_TIMEOUT);
}

/* Ends with the timer armed on every path, since the one that woke it may have been the timer. */
static void run_conn(struct task *task)
{
    struct http_conn *conn = CONTAINER_OF(task, struct http_conn, task);
    assert(conn->magic == CONN_MAGIC);
    if (!conn->stream) return; /* dead, or a call in progress will end it */
    if (is_over(conn)) {
        conn__end(conn);
        return;
    }
    check_time(conn);
    if (conn->stream && conn->input.len) parse(conn);
    if (!conn->stream) return;
    trim_held(conn);
    conn__watch(conn);
}

/* Keeps input that is not parsed yet. False: there is no memory for it, and the connection ends. */
static bool hold(struct http_conn *conn, struct str bytes)
{
    if (buf_append(&conn->held, bytes)) {
        conn__gone(conn, -ENOMEM);
        return false;
    }
    conn->input = buf_str(&conn->held);
    conn->input_held = true;
    return true;
}

static void on_data(void *owner, struct str bytes)
{
    struct http_conn *conn = owner;
    if (!conn->input_held && !conn->input.len)
        conn->input = bytes;
    else if (!hold(conn, bytes))
        return;
    loop_wake(conn->server->loop, &conn->task);
}

static void on_settle(void *owner)
{
    struct http_conn *conn = owner;
    if (!conn->input_held && conn->input.len && !hold(conn, conn->input)) return;
    if (buf_len(&conn->held) >= HELD_MAX) stream_read(conn->stream, false);
}

static void on_end(void *owner, int err)
{
    struct http_conn *conn = owner;
    conn->ended = true;
    if (conn->state == CONN_LINGER && err == ERR_EOF && stream_pending(conn->stream)) return;
    conn__gone(conn, err);
}

static void on_drain(void *owner)
{
    struct http_conn *conn = owner;
    conn__be_patient(conn);
    conn__tell(conn);
    loop_wake(conn->server->loop, &conn->task);
}

static const struct stream_handler conn_handler = {
    .on_data = on_data,
    .on_settle = on_settle,
    .on_end = on_end,
    .on_drain = on_drain,
};

static void refuse_connection(struct http_server *s, struct stream *stream, const char *why)
{
    uint64_t now = loop_now(s->loop);
    stream_close(stream);
    metric_add(&s->stats.refused, 1);
    if (s->refused_told_us && now - s->refused_told_us < REFUSED_TELL_US) return;
    s->refused_told_us = now;
    log_note(LOG_WARN, "connections_max",
             "%u connections are open%s; more are closed at once (%llu so far)", s->conn_count, why,
             (unsigned long long)metric_read(&s->stats.refused));
}

static struct http_conn *conn_new(const struct http_server *s)
{
    struct http_conn *conn = mem_try_zero(1, sizeof *conn);
    if (!conn || !h1_new(false, &s->limits.head, &conn->parser)) return conn;
    free(conn);
    return NULL;
}

static void accept_stream(struct acceptor *acceptor, struct stream *stream)
{
    struct http_server *s = CONTAINER_OF(acceptor, struct http_server, acceptor);
    if (s->conn_count >= s->limits.connections_max) {
        refuse_connection(s, stream, "");
        return;
    }
    struct http_conn *conn = conn_new(s);
    if (!conn) {
        refuse_connection(s, stream, ", and there is no memory for another one");
        return;
    }
    conn->magic = CONN_MAGIC;
    conn->server = s;
    conn->stream = stream;
    arena_init(&conn->arena, s->limits.body_max + ARENA_MAX, ARENA_BLOCK);
    task_init(&conn->task, run_conn);
    timer_init(&conn->timer, &conn->task);
    buf_init(&conn->held, HELD_MAX + (1 << 20));
    buf_init(&conn->body, s->limits.body_max);
    list_push_back(&s->conns, &conn->link);
    s->conn_count++;
    metric_add(&s->stats.accepted, 1);
    metric_add(&s->stats.connections, 1);
    stream_set_handler(stream, &conn_handler, conn);
    conn__be_patient(conn);
    stream_read(stream, true);
}

void http_server_init(struct http_server *s, struct loop *loop,
                      const struct http_server_limits *limits)
{
    *s = (struct http_server){.acceptor.accept = accept_stream, .loop = loop, .limits = *limits};
    list_init(&s->conns);
    list_init(&s->dead);
    task_init(&s->reap, reap_dead);
}

void http_server_drain(struct http_server *s)
{
    s->draining = true;
    LIST_EACH_SAFE(&s->conns, it, next)
    {
        struct http_conn *conn = LIST_ITEM(it, struct http_conn, link);
        conn->close_after = true;
        if (conn->state != CONN_IDLE) continue;
        if (stream_pending(conn->stream) == 0)
            conn__end(conn);
        else
            conn__enter(conn, CONN_LINGER);
    }
}

void http_server_finish(struct http_server *s)
{
    http_server_drain(s);
    LIST_EACH(&s->conns, it)
    {
        struct http_conn *conn = LIST_ITEM(it, struct http_conn, link);
        if (conn->state != CONN_CALL) continue;
        conn->call.ending = true;
        conn__tell(conn);
    }
}

void http_server_close_all(struct http_server *s)
{
    LIST_EACH_SAFE(&s->conns, it, next)
    {
        struct http_conn *conn = LIST_ITEM(it, struct http_conn, link);
        if (conn->stream) conn__gone(conn, ERR_CANCELLED);
    }
}

void http_server_fini(struct http_server *s)
{
    if (!s->loop) return;
    http_server_close_all(s);
    task_cancel(&s->reap);
    reap_dead(&s->reap);
}
