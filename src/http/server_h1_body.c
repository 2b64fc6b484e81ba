/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a request, as it arrives. */
#include "http/server_h1_priv.h"

#include <errno.h>

#include "base/err.h"

/* Bytes left of a body: copying less costs no more than a read that finds nothing. */
enum { IN_PLACE_MIN = 16384 };

void conn__body_failed(struct h1_conn *conn, int err)
{
    if (!conn->call.body_err) conn->call.body_err = err;
    conn->close_after = true;
    conn__tell(conn);
}

static void add_body(struct h1_conn *conn, struct str bytes)
{
    metric_add(&conn->base.server->stats.bytes_in, bytes.len);
    if (conn->call.body_err) return;
    int err = call_body_add(&conn->call, &conn->body, bytes);
    if (err) conn__body_failed(conn, err);
}

/* What is still to come of a long body is read to its place: in as few reads as it comes in, and
 * copied never. Not a byte more than the body has: what follows is another request's. */
static void read_in_place(struct h1_conn *conn)
{
    const struct http_call *c = &conn->call;
    if (!c->head->has_length || conn->body.place || c->body_err) return;
    size_t left = c->head->length - c->body.len;
    char *place;
    if (left < IN_PLACE_MIN || buf_reserve(&conn->body.bytes, left, &place)) return;
    stream_read_into(conn->base.stream, place, left);
}

void conn__parse_body(struct h1_conn *conn)
{
    struct str bytes;
    bool progressed = conn->input.len > 0;
    for (;;) {
        switch (h1_next(conn->parser, &conn->input, &bytes)) {
        case H1_BODY: add_body(conn, bytes); continue;
        case H1_END:
            conn->message_end = true;
            if (!conn->call.body_err) conn->call.body_done = true;
            conn__tell(conn);
            return;
        case H1_ERROR:
            conn->message_end = true;
            h1_error(conn->parser, &(int){0}, &conn->call.body_why);
            conn__body_failed(conn, ERR_PROTOCOL);
            return;
        default:
            if (progressed) conn__progress(conn);
            read_in_place(conn);
            return;
        }
    }
}

void conn__drop_body(struct h1_conn *conn)
{
    if (conn->base.stream) stream_read_into(conn->base.stream, NULL, 0);
    call_body_drop(&conn->base, &conn->body);
}

/* False: the client is gone. */
static bool say_go_on(struct h1_conn *conn)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec iov = {(char *)(uintptr_t)go_on, sizeof go_on - 1};
    int err = stream_write(conn->base.stream, &iov, 1);
    if (err) conn__gone(conn, err);
    return !err;
}

void conn__read_body(struct http_call *c, size_t max)
{
    struct h1_conn *conn = conn__of(c);
    if (conn->body.wanted || c->gone) return;
    int err = call_body_want(c, &conn->body, max, !conn->message_end);
    if (conn->message_end) {
        c->body_done = true;
        conn__tell(conn);
        return;
    }
    if (err) {
        conn__body_failed(conn, err);
        return;
    }
    if (h1_facts(conn->parser)->expect_continue && conn->input.len == 0 && !say_go_on(conn)) return;
    conn__progress(conn);
    conn__watch(conn);
    if (conn->input.len)
        loop_wake(conn->base.server->loop, &conn->task);
    else
        read_in_place(conn);
}

bool conn__skip_body(struct http_call *c)
{
    struct h1_conn *conn = conn__of(c);
    struct str bytes;
    while (!conn->message_end) {
        enum h1_event event = h1_next(conn->parser, &conn->input, &bytes);
        if (event == H1_END) conn->message_end = true;
        if (event != H1_END && event != H1_BODY) return false;
    }
    return true;
}
