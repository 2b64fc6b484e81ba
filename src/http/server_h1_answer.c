/* SPDX-License-Identifier: Apache-2.0 */
/* Answers. */
#include "http/server_h1_priv.h"

#include <errno.h>
#include <string.h>

#include "http/gather.h"

static enum h1_framing framing_of(const struct h1_conn *conn, int status, uint64_t length)
{
    if (call_is_bodiless(status)) return H1_NONE;
    if (length != HTTP_LENGTH_UNKNOWN) return H1_LENGTH;
    return h1_facts(conn->parser)->minor ? H1_CHUNKED : H1_CLOSE;
}

static enum h1_persistence persistence_of(const struct h1_conn *conn)
{
    if (conn->close_after) return H1_SAY_CLOSE;
    return h1_facts(conn->parser)->minor ? H1_DEFAULT : H1_SAY_KEEP_ALIVE;
}

static void begin(struct http_call *c, int status, const struct http_field *fields, unsigned count,
                  uint64_t length)
{
    struct h1_conn *conn = conn__of(c);
    assert(!conn->begun);
    conn->begun = true;
    conn->framing = framing_of(conn, status, length);
    conn->left = conn->framing == H1_LENGTH ? length : 0;
    conn->silent = conn->framing == H1_NONE || c->head->method == METHOD_HEAD;
    if (conn->framing == H1_CLOSE || !conn->message_end || conn->base.server->draining)
        conn->close_after = true;
    struct h1_start start = {conn->framing, length, persistence_of(conn)};
    conn->out_head = h1_write_response(c->arena, status, fields, count, &start);
    if (!conn->out_head.ptr) conn__gone(conn, -ENOMEM);
}

/* What the stream takes now or keeps. */
static void send(struct h1_conn *conn, struct gather *g)
{
    if (g->count == 0) return;
    bool blocked = stream_pending(conn->base.stream) > 0;
    gather_flush(g);
    if (g->err) {
        conn->complete = false;
        conn__gone(conn, g->err);
        return;
    }
    conn->call.head_sent = true;
    if (stream_pending(conn->base.stream) == 0) return;
    if (!blocked || conn->drained != stream_drained(conn->base.stream)) conn__progress(conn);
    conn__watch(conn);
}

/* The slices as the framing has them; `digits` holds the chunk's length. */
static void add_body_pieces(const struct h1_conn *conn, struct gather *g, const struct str *slices,
                            unsigned count, size_t total, bool last, char digits[STR_U64_ROOM])
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
static void count_out(struct h1_conn *conn, size_t total, bool last)
{
    conn->complete = last;
    if (conn->silent) return;
    if (conn->framing == H1_LENGTH) {
        assert(total <= conn->left);
        conn->left -= total;
        if (conn->left) conn->complete = false; /* call_end will close */
    }
}

static void write_body(struct http_call *c, const struct str *slices, unsigned count, bool last)
{
    struct h1_conn *conn = conn__of(c);
    char digits[STR_U64_ROOM];
    size_t total = 0;
    assert(conn->begun && !conn->complete);
    for (unsigned i = 0; i < count; i++)
        total += slices[i].len;
    count_out(conn, total, last);
    if (c->gone || !conn->base.stream) return;
    NOT_ZEROED struct gather g;
    gather_init(&g, conn->base.stream);
    gather_add(&g, conn->out_head);
    conn->out_head = STR_NULL;
    if (!conn->silent) {
        add_body_pieces(conn, &g, slices, count, total, last, digits);
        c->bytes_out += total;
        metric_add(&conn->base.server->stats.bytes_out, total);
    }
    send(conn, &g);
}

/* The connection after a call whose answer was whole. */
static void next_call(struct h1_conn *conn)
{
    conn__drop_body(conn);
    conn__give_arena(conn->base.server, &conn->arena);
    conn__end_call(&conn->call);
    conn->call = (struct http_call){0};
    stream_set_low_mark(conn->base.stream, 0);
    if (conn->close_after || conn->base.server->draining) {
        conn__enter(conn, CONN_LINGER);
        loop_wake(conn->base.server->loop, &conn->task);
        return;
    }
    conn__enter(conn, CONN_IDLE);
    if (conn->input.len) loop_wake(conn->base.server->loop, &conn->task);
}

static void abort_call(struct http_call *c, bool reset)
{
    struct h1_conn *conn = conn__of(c);
    assert(!c->ended);
    if (reset) conn__reset(conn);
    c->ended = true;
    conn__end(conn);
}

static void end(struct http_call *c)
{
    struct h1_conn *conn = conn__of(c);
    assert(!c->ended);
    c->task = NULL; /* the handler is done; a write that fails now is nobody's news */
    if (conn->begun && !conn->complete && !c->gone &&
        (conn->silent || (conn->framing == H1_LENGTH && conn->left == 0)))
        write_body(c, NULL, 0, true);
    if (c->gone || !conn->base.stream || !conn->complete) {
        abort_call(c, false);
        return;
    }
    c->ended = true;
    next_call(conn);
}

static size_t pending(const struct http_call *c)
{
    const struct h1_conn *conn = conn__of(c);
    return conn->base.stream ? stream_pending(conn->base.stream) : 0;
}

static const struct stream_facts *facts(const struct http_call *c)
{
    return conn__facts(&conn__of(c)->base);
}

static void set_low_mark(struct http_call *c, size_t low)
{
    struct h1_conn *conn = conn__of(c);
    if (conn->base.stream) stream_set_low_mark(conn->base.stream, low);
}

static bool hold_more(struct http_call *c, size_t more)
{
    return call_body_hold(c, &conn__of(c)->body, more);
}

const struct call_ops h1__call_ops = {
    .read_body = conn__read_body,
    .skip_body = conn__skip_body,
    .hold = hold_more,
    .begin = begin,
    .write = write_body,
    .end = end,
    .abort = abort_call,
    .pending = pending,
    .facts = facts,
    .set_low_mark = set_low_mark,
};
