/* SPDX-License-Identifier: Apache-2.0 */
/* The life of calls on HTTP/2, and the patience with them. */
#include "base/clock.h"
#include "http/server_h2_priv.h"

enum { LINGER_US = 1 * USEC_PER_SEC };

struct h2_call *h2__call_of(const struct http_call *call)
{
    struct h2_call *c = CONTAINER_OF((void *)(uintptr_t)call, struct h2_call, call);
    assert(c->magic == H2_CALL_MAGIC);
    return c;
}

uint64_t h2__now(const struct h2_conn *conn)
{
    return loop_now(conn->base.server->loop);
}

void h2__wake(struct h2_conn *conn)
{
    loop_wake(conn->base.server->loop, &conn->task);
}

void h2__tell(struct h2_call *c)
{
    if (c->handed && c->call.task && !c->call.ended)
        loop_wake(c->conn->base.server->loop, c->call.task);
}

void h2__progress(struct h2_call *c)
{
    c->since_us = h2__now(c->conn);
    c->sent = c->stream.sent;
}

void h2__put_away(struct h2_call *c)
{
    struct h2_conn *conn = c->conn;
    if (!c->call.ended || c->stream.h2) return;
    list_remove(&c->link);
    list_push_back(&conn->done, &c->link);
    h2__wake(conn);
}

void h2__gone(struct h2_call *c, int why)
{
    if (!c->handed) c->call.ended = true; /* nobody knows of it */
    h2__put_away(c);
    if (c->call.gone) return;
    c->call.gone = true;
    c->call.gone_why = why;
    h2__tell(c);
}

uint64_t h2__rest(const struct h2_call *c)
{
    const struct http_head *head = h2_head(&c->stream);
    return head->has_length && head->length > c->stream.received ? head->length - c->stream.received
                                                                 : 0;
}

/* --- time --- */

bool h2__is_blocked(const struct h2_conn *conn)
{
    return conn->base.stream && stream_pending(conn->base.stream) > 0;
}

/* When the patience with a call ends; 0: never. */
uint64_t h2__call_due(const struct h2_call *c)
{
    const struct http_server_limits *limits = &c->conn->base.server->limits;
    uint64_t patience = 0;
    if (c->call.gone) return 0; /* its handler will end it */
    if (h2_pending(&c->stream))
        patience = limits->write_timeout_us;
    else if (!c->headed)
        patience = limits->head_timeout_us;
    else if (c->body.wanted && !c->message_end && !c->call.body_err && !c->call.ended)
        patience = limits->body_timeout_us;
    else if (c->call.ended && !c->message_end)
        patience = LINGER_US;
    return patience ? c->since_us + patience : 0;
}

uint64_t h2__conn_due(const struct h2_conn *conn)
{
    const struct http_server_limits *limits = &conn->base.server->limits;
    if (conn->broken) return conn->since_us + LINGER_US;
    if (conn->leave_us && !conn->left) return conn->leave_us;
    if (h2__is_blocked(conn))
        return limits->write_timeout_us ? conn->since_us + limits->write_timeout_us : 0;
    if (conn->left) return conn->call_count ? 0 : conn->since_us + LINGER_US;
    if (conn->call_count || !limits->idle_timeout_us) return 0;
    return conn->since_us + limits->idle_timeout_us;
}

void h2__watch(struct h2_conn *conn)
{
    uint64_t due = h2__conn_due(conn);
    LIST_EACH(&conn->calls, it)
    {
        due = clock_earlier(due, h2__call_due(LIST_ITEM(it, struct h2_call, link)));
    }
    if (due == 0) return;
    if (!timer_armed(&conn->timer) || conn->timer.due_us > due)
        timer_start(conn->base.server->loop, &conn->timer, due);
}

void h2__conn_progress(struct h2_conn *conn)
{
    conn->since_us = h2__now(conn);
    if (conn->base.stream) conn->drained = stream_drained(conn->base.stream);
}
