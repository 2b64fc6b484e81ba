/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a request, as it arrives. */
#include "http/conn_priv.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

enum {
    BODY_IN_ARENA = 4096, /* bodies up to this live in the call's arena */
    /* bytes left of a body: copying less costs no more than a read that finds nothing */
    IN_PLACE_MIN = 16384,
};

void conn__body_failed(struct http_conn *conn, int err)
{
    if (!conn->call.body_err) conn->call.body_err = err;
    conn->close_after = true;
    conn__tell(conn);
}

/* False: all request bodies together would be more than may be held. */
static bool may_hold(struct http_server *s, size_t more)
{
    if (!s->bodies) return true;
    uint64_t before = atomic_fetch_add_explicit(s->bodies, more, memory_order_relaxed);
    if (before <= s->limits.bodies_max && more <= s->limits.bodies_max - before) return true;
    atomic_fetch_sub_explicit(s->bodies, more, memory_order_relaxed);
    metric_add(&s->stats.bodies_refused, 1);
    return false;
}

bool call_hold(struct http_call *c, size_t more)
{
    struct http_conn *conn = conn__of(c);
    if (more <= BODY_IN_ARENA) return true;
    if (!may_hold(conn->server, more)) return false;
    conn->made += more;
    return true;
}

static void add_body(struct http_conn *conn, struct str bytes)
{
    struct http_call *c = &conn->call;
    metric_add(&conn->server->stats.bytes_in, bytes.len);
    if (c->body_err) return;
    if (bytes.len > conn->body_max || c->body.len > conn->body_max - bytes.len) {
        conn__body_failed(conn, ERR_TOO_LARGE);
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
        conn__body_failed(conn, err);
        return;
    }
    if (room != bytes.ptr) memcpy(room, bytes.ptr, bytes.len); /* else they were read to there */
    buf_commit(&conn->body, bytes.len);
    c->body = buf_str(&conn->body);
}

/* What is still to come of a long body is read to its place: in as few reads as it comes in, and
 * copied never. Not a byte more than the body has: what follows is another request's. */
static void read_in_place(struct http_conn *conn)
{
    const struct http_call *c = &conn->call;
    if (!c->head->has_length || conn->body_arena || c->body_err) return;
    size_t left = c->head->length - c->body.len;
    char *place;
    if (left < IN_PLACE_MIN || buf_reserve(&conn->body, left, &place)) return;
    stream_read_into(conn->stream, place, left);
}

void conn__parse_body(struct http_conn *conn)
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

void conn__drop_body(struct http_conn *conn)
{
    _Atomic uint64_t *held = conn->server->bodies;
    if (conn->stream) stream_read_into(conn->stream, NULL, 0);
    if (held)
        atomic_fetch_sub_explicit(held, buf_len(&conn->body) + conn->made, memory_order_relaxed);
    conn->made = 0;
    buf_release(&conn->body);
}

/* Room for all of a body whose length is known, at once. Who announces much and sends nothing
 * costs an address range only: the kernel gives a page when something is written to it. */
static int make_room(struct http_conn *conn, size_t length)
{
    char *room;
    bool small = length <= BODY_IN_ARENA;
    if (small) conn->body_arena = arena_try(&conn->arena, length + 1);
    int err = !small ? buf_reserve(&conn->body, length, &room) : conn->body_arena ? 0 : -ENOMEM;
    if (err) conn__body_failed(conn, err);
    return err;
}

void call_read_body(struct http_call *c, size_t max)
{
    struct http_conn *conn = conn__of(c);
    const struct http_head *head = c->head;
    if (conn->body_wanted || c->gone) return;
    conn->body_wanted = true;
    conn->body_max = max;
    conn->body.max = head->has_length ? head->length : max;
    if (conn->message_end) {
        c->body_done = true;
        conn__tell(conn);
        return;
    }
    if (head->has_length && head->length > max) {
        conn__body_failed(conn, ERR_TOO_LARGE);
        return;
    }
    if (head->has_length && make_room(conn, head->length)) return;
    if (h1_facts(conn->parser)->expect_continue && conn->input.len == 0) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        struct iovec iov = {(char *)(uintptr_t)go_on, sizeof go_on - 1};
        int err = stream_write(conn->stream, &iov, 1);
        if (err) {
            conn__gone(conn, err);
            return;
        }
    }
    conn__progress(conn);
    conn__watch(conn);
    if (conn->input.len)
        loop_wake(conn->server->loop, &conn->task);
    else
        read_in_place(conn);
}
