/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that serve calls.
 *
 * Happy path: bytes arrive, the connection's task parses a head and hands the call to the handler; the handler reads
 * the body, answers, ends the call; the next request (perhaps there already) follows.
 * What can go wrong: the head is malformed, too large or too slow (answered, closed); the body breaks (body_err); the client
 * leaves or stops taking bytes (gone); the handler answers without having read the body (answered, then the rest
 * is read and dropped for a while, so that the answer is not lost to a reset).
 *
 *   IDLE --first byte--> HEAD --whole head--> CALL --call_end, keep-alive--> IDLE
 *     |                    |                    |--call_end, close--> LINGER --drained and read, or timeout--> gone
 *     +--timeout, EOF------+--error------------>+ */
#include "http/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "http/gather.h"
#include "obs/log.h"

enum {
    CONN_MAGIC = 0x484e4e43,
    ARENA_BLOCK = 4096,
    HELD_MAX = 64 * 1024,         /* unparsed bytes kept while a call is in progress */
    BODY_IN_ARENA = 4096,         /* bodies up to this live in the call's arena */
    PIPELINE_PENDING = 65536,     /* queued output above which no further request is begun */
    LINGER_US = 1 * USEC_PER_SEC, /* without a byte more */
    LINGER_MAX_US = 30 * USEC_PER_SEC,
    REFUSED_TELL_US = 10 * USEC_PER_SEC, /* between two log lines */
    IN_PLACE_MIN =
        16384, /* of a body's rest: copying less costs no more than a read that finds nothing */
};

enum conn_state { CONN_IDLE, CONN_HEAD, CONN_CALL, CONN_LINGER };

struct http_conn {
    uint32_t magic;
    enum conn_state state;
    struct http_server *server;
    struct list link; /* server->conns */
    struct stream *stream;
    struct h1 *parser;
    struct arena arena; /* of the call */
    struct task task;
    struct timer timer;     /* at or before deadline(); looks there when it fires */
    struct str input;       /* bytes not parsed yet: in the loop's buffer, or in held */
    struct buf held;        /* input that outlived its event */
    bool input_held;        /* input points into held */
    bool dead;              /* waits for the reaper */
    bool ended;             /* the peer sends no more */
    uint64_t since_us;      /* when the state began, or the last progress in it */
    uint64_t drained;       /* stream_drained at since_us, for the write timeout */
    uint64_t linger_end_us; /* latest */

    struct http_call call;
    struct buf body;  /* of bodies that do not fit into the arena; all counted in server->bodies */
    char *body_arena; /* else */
    size_t body_max;
    bool body_wanted;
    bool message_end; /* the request has been parsed to its end */

    struct str out_head; /* waits for the first body bytes */
    enum h1_framing framing;
    uint64_t left; /* H1_LENGTH: body bytes still to come */
    bool begun;    /* call_begin was called */
    bool silent;   /* HEAD, 204, 304: no body bytes */
    bool complete; /* the answer is whole */
    bool close_after;
};

static struct http_conn *conn_of(const struct http_call *c)
{
    struct http_conn *conn = CONTAINER_OF((void *)(uintptr_t)c, struct http_conn, call);
    assert(conn->magic == CONN_MAGIC);
    return conn;
}

static void reap_dead(struct task *task);

void http_server_init(struct http_server *s, struct loop *loop,
                      const struct http_server_limits *limits)
{
    *s = (struct http_server){.loop = loop, .limits = *limits};
    list_init(&s->conns);
    list_init(&s->dead);
    task_init(&s->reap, reap_dead);
}

/* --- life of a connection --- */

static void close_stream(struct http_conn *conn)
{
    if (conn->stream) stream_close(conn->stream);
    conn->stream = NULL;
}

/* The peer learns that what it got is not whole. */
static void reset_stream(struct http_conn *conn)
{
    if (conn->stream) stream_close_reset(conn->stream);
    conn->stream = NULL;
}

/* Takes the connection out of service. Its memory goes by the reaper, since callers further up may be looking at it. */
static void conn_free(struct http_conn *conn)
{
    struct http_server *s = conn->server;
    assert(!conn->dead);
    conn->dead = true;
    timer_stop(s->loop, &conn->timer);
    task_cancel(&conn->task);
    close_stream(conn);
    if (conn->state == CONN_LINGER) metric_sub(&s->lingering, 1);
    list_remove(&conn->link);
    list_push_back(&s->dead, &conn->link);
    s->conn_count--;
    metric_sub(&s->connections, 1);
    if (s->draining && s->quiet) loop_wake(s->loop, s->quiet);
    loop_wake(s->loop, &s->reap);
}

/* Gives a body's memory back; nobody looks at it any more. */
static void drop_body(struct http_conn *conn)
{
    _Atomic uint64_t *held = conn->server->bodies;
    if (conn->stream) stream_read_into(conn->stream, NULL, 0);
    if (held) atomic_fetch_sub_explicit(held, buf_len(&conn->body), memory_order_relaxed);
    buf_release(&conn->body);
}

static void reap_dead(struct task *task)
{
    struct http_server *s = CONTAINER_OF(task, struct http_server, reap);
    struct list *link;
    while ((link = list_pop_front(&s->dead))) {
        struct http_conn *conn = LIST_ITEM(link, struct http_conn, link);
        h1_free(conn->parser);
        arena_fini(&conn->arena);
        buf_fini(&conn->held);
        drop_body(conn);
        conn->magic = 0;
        free(conn);
    }
}

/* When the connection's patience ends; 0: never. */
static uint64_t deadline(const struct http_conn *conn)
{
    const struct http_server_limits *limits = &conn->server->limits;
    bool blocked = conn->stream && stream_pending(conn->stream) > 0;
    uint64_t patience = 0;
    if (blocked)
        patience = limits->write_timeout_us;
    else if (conn->state == CONN_LINGER)
        return MIN(conn->since_us + LINGER_US, conn->linger_end_us);
    else if (conn->state == CONN_IDLE)
        patience = limits->idle_timeout_us;
    else if (conn->state == CONN_HEAD)
        patience = limits->head_timeout_us;
    else if (conn->body_wanted && !conn->message_end && !conn->call.body_err)
        patience = limits->body_timeout_us;
    return patience ? conn->since_us + patience : 0;
}

/* Sets the timer if it would fire too late; one that fires early looks again. */
static void watch(struct http_conn *conn)
{
    uint64_t due = deadline(conn);
    if (due == 0) return;
    if (!timer_armed(&conn->timer) || conn->timer.due_us > due)
        timer_start(conn->server->loop, &conn->timer, due);
}

static void progress(struct http_conn *conn)
{
    conn->since_us = loop_now(conn->server->loop);
    if (conn->stream) conn->drained = stream_drained(conn->stream);
}

static void enter(struct http_conn *conn, enum conn_state state)
{
    if (state == CONN_LINGER && conn->state != CONN_LINGER) metric_add(&conn->server->lingering, 1);
    conn->state = state;
    conn->linger_end_us = loop_now(conn->server->loop) + LINGER_MAX_US;
    progress(conn);
    watch(conn);
}

static void tell_call(struct http_conn *conn)
{
    if (conn->state == CONN_CALL && conn->call.task && !conn->call.ended)
        loop_wake(conn->server->loop, conn->call.task);
}

/* The client is not there any more. */
static void client_gone(struct http_conn *conn, int why)
{
    close_stream(conn);
    if (conn->state != CONN_CALL) {
        conn_free(conn);
        return;
    }
    if (!conn->call.gone) {
        conn->call.gone = true;
        conn->call.gone_why = why;
    }
    tell_call(conn);
}

/* --- input --- */

static void body_failed(struct http_conn *conn, int err)
{
    if (!conn->call.body_err) conn->call.body_err = err;
    conn->close_after = true;
    tell_call(conn);
}

/* False: all request bodies together would be more than may be held. */
static bool may_hold(struct http_server *s, size_t more)
{
    if (!s->bodies) return true;
    uint64_t before = atomic_fetch_add_explicit(s->bodies, more, memory_order_relaxed);
    if (before <= s->limits.bodies_max && more <= s->limits.bodies_max - before) return true;
    atomic_fetch_sub_explicit(s->bodies, more, memory_order_relaxed);
    metric_add(&s->bodies_refused, 1);
    return false;
}

static void add_body(struct http_conn *conn, struct str bytes)
{
    struct http_call *c = &conn->call;
    metric_add(&conn->server->bytes_in, bytes.len);
    if (c->body_err) return;
    if (bytes.len > conn->body_max || c->body.len > conn->body_max - bytes.len) {
        body_failed(conn, ERR_TOO_LARGE);
        return;
    }
    if (conn->body_arena) {
        memcpy(conn->body_arena + c->body.len, bytes.ptr, bytes.len);
        c->body = str_n(conn->body_arena, c->body.len + bytes.len);
        return;
    }
    char *room;
    int err = buf_reserve(&conn->body, bytes.len, &room);
    if (!err && !may_hold(conn->server, bytes.len)) err = ERR_FULL;
    if (err) {
        body_failed(conn, err);
        return;
    }
    if (room != bytes.ptr) memcpy(room, bytes.ptr, bytes.len); /* else they were read to there */
    buf_commit(&conn->body, bytes.len);
    c->body = buf_str(&conn->body);
}

/* What is still to come of a long body is read to its place: in as few reads as it comes in, and copied never. Not a byte more
 * than the body has: what follows is another request's. */
static void read_in_place(struct http_conn *conn)
{
    const struct http_call *c = &conn->call;
    if (!c->head->has_length || conn->body_arena || c->body_err) return;
    size_t left = c->head->length - c->body.len;
    char *place;
    if (left < IN_PLACE_MIN || buf_reserve(&conn->body, left, &place)) return;
    stream_read_into(conn->stream, place, left);
}

static void parse_body(struct http_conn *conn)
{
    struct str bytes;
    bool progressed = conn->input.len > 0;
    for (;;) {
        switch (h1_next(conn->parser, &conn->input, &bytes)) {
        case H1_BODY: add_body(conn, bytes); continue;
        case H1_END:
            conn->message_end = true;
            if (!conn->call.body_err) conn->call.body_done = true;
            tell_call(conn);
            return;
        case H1_ERROR:
            conn->message_end = true;
            h1_error(conn->parser, &(int){0}, &conn->call.body_why);
            body_failed(conn, ERR_PROTOCOL);
            return;
        default:
            if (progressed) progress(conn);
            read_in_place(conn);
            return;
        }
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
    enter(conn, CONN_CALL);
    conn->server->on_call(conn->server->user, &conn->call);
}

/* A head that breaks a rule: the handler writes the answer, after which the connection closes, since nobody knows where the message
 * ends. */
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
        conn->state = CONN_HEAD;
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
        if (conn->body_wanted && !conn->message_end) parse_body(conn);
        break;
    case CONN_LINGER: /* closed while they still come, the answer could be lost with them */
        conn->input = STR_NULL;
        if (!stream_pending(conn->stream)) progress(conn);
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
    uint64_t due = deadline(conn);
    return due && due <= loop_now(conn->server->loop);
}

/* May free the connection. */
static void check_time(struct http_conn *conn)
{
    if (!is_late(conn)) return;
    if (stream_pending(conn->stream) && stream_drained(conn->stream) != conn->drained)
        progress(conn);
    if (!is_late(conn)) return;
    if (conn->state == CONN_CALL && !stream_pending(conn->stream))
        body_failed(conn, ERR_TIMEOUT);
    else
        client_gone(conn, ERR_TIMEOUT);
}

/* Ends with the timer armed on every path, since the one that woke it may have been the timer. */
static void run_conn(struct task *task)
{
    struct http_conn *conn = CONTAINER_OF(task, struct http_conn, task);
    assert(conn->magic == CONN_MAGIC);
    if (!conn->stream) return; /* dead, or a call in progress will end it */
    if (is_over(conn)) {
        conn_free(conn);
        return;
    }
    check_time(conn);
    if (conn->stream && conn->input.len) parse(conn);
    if (!conn->stream) return;
    trim_held(conn);
    watch(conn);
}

/* Keeps input that is not parsed yet. False: there is no memory for it, and the connection ends. */
static bool hold(struct http_conn *conn, struct str bytes)
{
    if (buf_append(&conn->held, bytes)) {
        client_gone(conn, -ENOMEM);
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
    client_gone(conn, err);
}

static void on_drain(void *owner)
{
    struct http_conn *conn = owner;
    enter(conn, conn->state);
    tell_call(conn);
    loop_wake(conn->server->loop, &conn->task);
}

static const struct stream_handler conn_handler = {
    .on_data = on_data,
    .on_settle = on_settle,
    .on_end = on_end,
    .on_drain = on_drain,
};

static void refuse_connection(struct http_server *s, struct stream *stream)
{
    uint64_t now = loop_now(s->loop);
    stream_close(stream);
    metric_add(&s->refused, 1);
    if (s->refused_told_us && now - s->refused_told_us < REFUSED_TELL_US) return;
    s->refused_told_us = now;
    log_note(LOG_WARN, "connections_max",
             "%u connections are open; more are closed at once (%llu so far)", s->conn_count,
             (unsigned long long)metric_read(&s->refused));
}

void http_server_accept(void *server, struct stream *stream)
{
    struct http_server *s = server;
    struct http_conn *conn =
        s->conn_count < s->limits.connections_max ? calloc(1, sizeof *conn) : NULL;
    if (conn && h1_new(false, &s->limits.head, &conn->parser)) {
        free(conn);
        conn = NULL;
    }
    if (!conn) {
        refuse_connection(s, stream);
        return;
    }
    conn->magic = CONN_MAGIC;
    conn->server = s;
    conn->stream = stream;
    arena_init(&conn->arena, s->limits.head.head_max * 4 + s->limits.body_max, ARENA_BLOCK);
    task_init(&conn->task, run_conn);
    timer_init(&conn->timer, &conn->task);
    buf_init(&conn->held, HELD_MAX + (1 << 20));
    buf_init(&conn->body, s->limits.body_max);
    list_push_back(&s->conns, &conn->link);
    s->conn_count++;
    metric_add(&s->accepted, 1);
    metric_add(&s->connections, 1);
    stream_set_handler(stream, &conn_handler, conn);
    enter(conn, CONN_IDLE);
    stream_read(stream, true);
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
            conn_free(conn);
        else
            enter(conn, CONN_LINGER);
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
        tell_call(conn);
    }
}

void http_server_close_all(struct http_server *s)
{
    LIST_EACH_SAFE(&s->conns, it, next)
    {
        struct http_conn *conn = LIST_ITEM(it, struct http_conn, link);
        if (conn->stream) client_gone(conn, ERR_CANCELLED);
    }
}

void http_server_fini(struct http_server *s)
{
    if (!s->loop) return;
    http_server_close_all(s);
    task_cancel(&s->reap);
    reap_dead(&s->reap);
}

/* --- calls: reading --- */

/* Room for all of a body whose length is known, at once. Who announces much and sends nothing costs an address range only: the kernel
 * gives a page when something is written to it. */
static int make_room(struct http_conn *conn, size_t length)
{
    char *room;
    int err = buf_reserve(&conn->body, length, &room);
    if (err) body_failed(conn, err);
    return err;
}

void call_read_body(struct http_call *c, size_t max)
{
    struct http_conn *conn = conn_of(c);
    const struct http_head *head = c->head;
    if (conn->body_wanted || c->gone) return;
    conn->body_wanted = true;
    conn->body_max = max;
    conn->body.max = head->has_length ? head->length : max;
    if (conn->message_end) {
        c->body_done = true;
        tell_call(conn);
        return;
    }
    if (head->has_length && head->length > max) {
        body_failed(conn, ERR_TOO_LARGE);
        return;
    }
    if (head->has_length && head->length <= BODY_IN_ARENA)
        conn->body_arena = arena_alloc(&conn->arena, head->length + 1);
    else if (head->has_length && make_room(conn, head->length))
        return;
    if (h1_facts(conn->parser)->expect_continue && conn->input.len == 0) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        struct iovec iov = {(char *)(uintptr_t)go_on, sizeof go_on - 1};
        int err = stream_write(conn->stream, &iov, 1);
        if (err) {
            client_gone(conn, err);
            return;
        }
    }
    progress(conn);
    watch(conn);
    if (conn->input.len)
        loop_wake(conn->server->loop, &conn->task);
    else
        read_in_place(conn);
}

/* --- calls: answering --- */

/* Statuses whose answers have no body (RFC 9110 section 6.4.1). */
static bool is_bodiless(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static enum h1_framing framing_of(const struct http_conn *conn, int status, uint64_t length)
{
    if (is_bodiless(status)) return H1_NONE;
    if (length != HTTP_LENGTH_UNKNOWN) return H1_LENGTH;
    return h1_facts(conn->parser)->minor ? H1_CHUNKED : H1_CLOSE;
}

static enum h1_persistence persistence_of(const struct http_conn *conn)
{
    if (conn->close_after) return H1_SAY_CLOSE;
    return h1_facts(conn->parser)->minor ? H1_DEFAULT : H1_SAY_KEEP_ALIVE;
}

void call_begin(struct http_call *c, int status, const struct http_field *fields, unsigned count,
                uint64_t length)
{
    struct http_conn *conn = conn_of(c);
    assert(!conn->begun);
    conn->begun = true;
    conn->framing = framing_of(conn, status, length);
    conn->left = conn->framing == H1_LENGTH ? length : 0;
    conn->silent = conn->framing == H1_NONE || c->head->method == METHOD_HEAD;
    if (conn->framing == H1_CLOSE || !conn->message_end || conn->server->draining)
        conn->close_after = true;
    struct h1_start start = {conn->framing, length, persistence_of(conn)};
    conn->out_head = h1_write_response(c->arena, status, fields, count, &start);
}

/* What the stream takes now or keeps. */
static void send(struct http_conn *conn, struct gather *g)
{
    if (g->count == 0) return;
    bool blocked = stream_pending(conn->stream) > 0;
    gather_flush(g);
    if (g->err) {
        client_gone(conn, g->err);
        return;
    }
    conn->call.head_sent = true;
    if (stream_pending(conn->stream) == 0) return;
    if (!blocked || conn->drained != stream_drained(conn->stream)) progress(conn);
    watch(conn);
}

/* The slices as the framing has them; `digits` holds the chunk's length. */
static void add_body_pieces(const struct http_conn *conn, struct gather *g,
                            const struct str *slices, unsigned count, size_t total, bool last,
                            char digits[STR_U64_ROOM])
{
    bool chunked = conn->framing == H1_CHUNKED;
    if (chunked && total) {
        gather_add(g, str_of_u64(total, 16, digits));
        gather_add(g, STR("\r\n"));
    }
    for (unsigned i = 0; i < count; i++)
        gather_add(g, slices[i]);
    if (chunked && total) gather_add(g, last ? STR("\r\n0\r\n\r\n") : STR("\r\n"));
    if (chunked && !total && last) gather_add(g, STR("0\r\n\r\n"));
}

/* Counts what is about to leave. */
static void count_out(struct http_conn *conn, size_t total, bool last)
{
    conn->complete = last;
    if (conn->silent) return;
    if (conn->framing == H1_LENGTH) {
        assert(total <= conn->left);
        conn->left -= total;
        if (conn->left) conn->complete = false; /* call_end will close */
    }
}

void call_write(struct http_call *c, const struct str *slices, unsigned count, bool last)
{
    struct http_conn *conn = conn_of(c);
    char digits[STR_U64_ROOM];
    size_t total = 0;
    assert(conn->begun && !conn->complete);
    for (unsigned i = 0; i < count; i++)
        total += slices[i].len;
    count_out(conn, total, last);
    if (c->gone || !conn->stream) return;
    struct gather g;
    gather_init(&g, conn->stream);
    gather_add(&g, conn->out_head);
    conn->out_head = STR_NULL;
    if (!conn->silent) {
        add_body_pieces(conn, &g, slices, count, total, last, digits);
        c->bytes_out += total;
        metric_add(&conn->server->bytes_out, total);
    }
    send(conn, &g);
}

void call_flush(struct http_call *c)
{
    call_write(c, NULL, 0, false);
}

/* The connection after a call whose answer was whole. */
static void next_call(struct http_conn *conn)
{
    drop_body(conn);
    arena_reset(&conn->arena);
    conn->call = (struct http_call){0};
    stream_set_low_mark(conn->stream, 0);
    if (conn->close_after || conn->server->draining) {
        enter(conn, CONN_LINGER);
        loop_wake(conn->server->loop, &conn->task);
        return;
    }
    conn->state = CONN_IDLE;
    progress(conn);
    watch(conn);
    if (conn->input.len) loop_wake(conn->server->loop, &conn->task);
}

void call_end(struct http_call *c)
{
    struct http_conn *conn = conn_of(c);
    assert(!c->ended);
    c->task = NULL; /* the handler is done; a write that fails now is nobody's news */
    if (conn->begun && !conn->complete && !c->gone &&
        (conn->silent || (conn->framing == H1_LENGTH && conn->left == 0)))
        call_write(c, NULL, 0, true);
    if (c->gone || !conn->stream || !conn->complete) {
        call_abort(c);
        return;
    }
    c->ended = true;
    next_call(conn);
}

void call_abort(struct http_call *c)
{
    struct http_conn *conn = conn_of(c);
    assert(!c->ended);
    c->ended = true;
    bool until_close = conn->begun && conn->framing == H1_CLOSE && !conn->complete;
    if (until_close) reset_stream(conn); /* a mere close would be the body's regular end */
    conn_free(conn);
}

void call_abort_reset(struct http_call *c)
{
    reset_stream(conn_of(c));
    call_abort(c);
}

void call_reply(struct http_call *c, int status, const struct http_field *fields, unsigned count,
                struct str body)
{
    c->task = NULL;
    call_begin(c, status, fields, count, body.len);
    call_write(c, &body, 1, true);
    call_end(c);
}

size_t call_pending(const struct http_call *c)
{
    const struct http_conn *conn = conn_of(c);
    return conn->stream ? stream_pending(conn->stream) : 0;
}

void call_set_low_mark(struct http_call *c, size_t low)
{
    struct http_conn *conn = conn_of(c);
    if (conn->stream) stream_set_low_mark(conn->stream, low);
}
