/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's life: its states, its patience, its end. */
#include "http/conn_priv.h"

#include "base/clock.h"
#include "base/machine.h"

enum { LINGER_US = 1 * USEC_PER_SEC, LINGER_MAX_US = 30 * USEC_PER_SEC };

static const struct machine machine = {
    .name = "connection",
    .count = CONN_LINGER + 1,
    .names = (const char *const[]){"IDLE", "HEAD", "CALL", "LINGER"},
    .moves =
        (const uint32_t[]){
            [CONN_IDLE] = MACHINE_BIT(CONN_HEAD) | MACHINE_BIT(CONN_LINGER),
            [CONN_HEAD] = MACHINE_BIT(CONN_CALL),
            [CONN_CALL] = MACHINE_BIT(CONN_IDLE) | MACHINE_BIT(CONN_LINGER),
            [CONN_LINGER] = 0,
        },
};

struct http_conn *conn__of(const struct http_call *c)
{
    struct http_conn *conn = CONTAINER_OF((void *)(uintptr_t)c, struct http_conn, call);
    assert(conn->magic == CONN_MAGIC);
    return conn;
}

/* True while a mere close would be the regular end of a body of which the client has a part. */
static bool would_lie(const struct http_conn *conn)
{
    if (!conn->begun || conn->framing != H1_CLOSE) return false;
    return !conn->complete || stream_pending(conn->stream) > 0;
}

static void close_stream(struct http_conn *conn)
{
    if (conn->stream && would_lie(conn))
        stream_close_reset(conn->stream);
    else if (conn->stream)
        stream_close(conn->stream);
    conn->stream = NULL;
}

void conn__reset(struct http_conn *conn)
{
    if (conn->stream) stream_close_reset(conn->stream);
    conn->stream = NULL;
}

void conn__end(struct http_conn *conn)
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
    metric_sub(&s->stats.connections, 1);
    if (s->draining && s->quiet) loop_wake(s->loop, s->quiet);
    loop_wake(s->loop, &s->reap);
}

uint64_t conn__deadline(const struct http_conn *conn)
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

void conn__watch(struct http_conn *conn)
{
    uint64_t due = conn__deadline(conn);
    if (due == 0) return;
    if (!timer_armed(&conn->timer) || conn->timer.due_us > due)
        timer_start(conn->server->loop, &conn->timer, due);
}

void conn__progress(struct http_conn *conn)
{
    conn->since_us = loop_now(conn->server->loop);
    if (conn->stream) conn->drained = stream_drained(conn->stream);
}

void conn__move(struct http_conn *conn, enum conn_state state)
{
    conn->state = machine_move(&machine, conn->state, state);
    if (state == CONN_LINGER) metric_add(&conn->server->lingering, 1);
}

void conn__be_patient(struct http_conn *conn)
{
    conn->linger_end_us = loop_now(conn->server->loop) + LINGER_MAX_US;
    conn__progress(conn);
    conn__watch(conn);
}

void conn__enter(struct http_conn *conn, enum conn_state state)
{
    conn__move(conn, state);
    conn__be_patient(conn);
}

void conn__tell(struct http_conn *conn)
{
    if (conn->state == CONN_CALL && conn->call.task && !conn->call.ended)
        loop_wake(conn->server->loop, conn->call.task);
}

void conn__gone(struct http_conn *conn, int why)
{
    close_stream(conn);
    if (conn->state != CONN_CALL) {
        conn__end(conn);
        return;
    }
    if (!conn->call.gone) {
        conn->call.gone = true;
        conn->call.gone_why = why;
    }
    conn__tell(conn);
}
