/* SPDX-License-Identifier: Apache-2.0 */
/* Answers. */
#include "http/conn_priv.h"

#include <errno.h>
#include <string.h>

#include "http/gather.h"

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
    struct http_conn *conn = conn__of(c);
    assert(!conn->begun);
    conn->begun = true;
    conn->framing = framing_of(conn, status, length);
    conn->left = conn->framing == H1_LENGTH ? length : 0;
    conn->silent = conn->framing == H1_NONE || c->head->method == METHOD_HEAD;
    if (conn->framing == H1_CLOSE || !conn->message_end || conn->server->draining)
        conn->close_after = true;
    struct h1_start start = {conn->framing, length, persistence_of(conn)};
    conn->out_head = h1_write_response(c->arena, status, fields, count, &start);
    if (!conn->out_head.ptr) conn__gone(conn, -ENOMEM);
}

/* What the stream takes now or keeps. */
static void send(struct http_conn *conn, struct gather *g)
{
    if (g->count == 0) return;
    bool blocked = stream_pending(conn->stream) > 0;
    gather_flush(g);
    if (g->err) {
        conn->complete = false;
        conn__gone(conn, g->err);
        return;
    }
    conn->call.head_sent = true;
    if (stream_pending(conn->stream) == 0) return;
    if (!blocked || conn->drained != stream_drained(conn->stream)) conn__progress(conn);
    conn__watch(conn);
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
    struct http_conn *conn = conn__of(c);
    char digits[STR_U64_ROOM];
    size_t total = 0;
    assert(conn->begun && !conn->complete);
    for (unsigned i = 0; i < count; i++)
        total += slices[i].len;
    count_out(conn, total, last);
    if (c->gone || !conn->stream) return;
    NOT_ZEROED struct gather g;
    gather_init(&g, conn->stream);
    gather_add(&g, conn->out_head);
    conn->out_head = STR_NULL;
    if (!conn->silent) {
        add_body_pieces(conn, &g, slices, count, total, last, digits);
        c->bytes_out += total;
        metric_add(&conn->server->stats.bytes_out, total);
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
    conn__drop_body(conn);
    arena_reset(&conn->arena);
    conn->call = (struct http_call){0};
    stream_set_low_mark(conn->stream, 0);
    if (conn->close_after || conn->server->draining) {
        conn__enter(conn, CONN_LINGER);
        loop_wake(conn->server->loop, &conn->task);
        return;
    }
    conn__enter(conn, CONN_IDLE);
    if (conn->input.len) loop_wake(conn->server->loop, &conn->task);
}

void call_end(struct http_call *c)
{
    struct http_conn *conn = conn__of(c);
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
    struct http_conn *conn = conn__of(c);
    assert(!c->ended);
    c->ended = true;
    conn__end(conn);
}

void call_abort_reset(struct http_call *c)
{
    conn__reset(conn__of(c));
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
    const struct http_conn *conn = conn__of(c);
    return conn->stream ? stream_pending(conn->stream) : 0;
}

void call_set_low_mark(struct http_call *c, size_t low)
{
    struct http_conn *conn = conn__of(c);
    if (conn->stream) stream_set_low_mark(conn->stream, low);
}
