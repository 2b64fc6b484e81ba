/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's life: its states, its patience, its end. */
#include "http/server_h1_priv.h"

#include "base/clock.h"
#include "base/machine.h"

enum {
    SPARE_US = 500 * USEC_PER_MS, /* a connection that is one too many */
    LINGER_US = 1 * USEC_PER_SEC,
    LINGER_MAX_US = 30 * USEC_PER_SEC
};

static const struct machine machine = {
    .name = "connection",
    .count = CONN_LINGER + 1,
    .names = (const char *const[]){"OPENING", "IDLE", "HEAD", "CALL", "LINGER"},
    .moves =
        (const uint32_t[]){
            [CONN_OPENING] = MACHINE_BIT(CONN_IDLE) | MACHINE_BIT(CONN_LINGER),
            [CONN_IDLE] = MACHINE_BIT(CONN_HEAD) | MACHINE_BIT(CONN_LINGER),
            [CONN_HEAD] = MACHINE_BIT(CONN_CALL),
            [CONN_CALL] = MACHINE_BIT(CONN_IDLE) | MACHINE_BIT(CONN_LINGER),
            [CONN_LINGER] = 0,
        },
};

struct h1_conn *conn__of(const struct http_call *c)
{
    struct h1_conn *conn = CONTAINER_OF((void *)(uintptr_t)c, struct h1_conn, call);
    assert(conn->magic == H1_CONN_MAGIC);
    return conn;
}

/* True while a mere close would be the regular end of a body of which the client has a part. */
static bool would_lie(const struct h1_conn *conn)
{
    if (!conn->begun || conn->framing != H1_CLOSE) return false;
    return !conn->complete || stream_pending(conn->base.stream) > 0;
}

static void close_stream(struct h1_conn *conn)
{
    if (conn->base.stream && would_lie(conn))
        stream_close_reset(conn->base.stream);
    else if (conn->base.stream)
        stream_close(conn->base.stream);
    conn->base.stream = NULL;
}

void conn__reset(struct h1_conn *conn)
{
    if (conn->base.stream) stream_close_reset(conn->base.stream);
    conn->base.stream = NULL;
}

void conn__end(struct h1_conn *conn)
{
    struct http_server *s = conn->base.server;
    timer_stop(s->loop, &conn->timer);
    task_cancel(&conn->task);
    close_stream(conn);
    if (conn->state == CONN_LINGER) metric_sub(&s->lingering, 1);
    conn__retire(&conn->base);
}

uint64_t conn__deadline(const struct h1_conn *conn)
{
    const struct http_server_limits *limits = &conn->base.server->limits;
    bool blocked = conn->base.stream && stream_pending(conn->base.stream) > 0;
    uint64_t patience = 0;
    if (blocked)
        patience = limits->write_timeout_us;
    else if (conn->state == CONN_LINGER)
        return MIN(conn->since_us + LINGER_US, conn->linger_end_us);
    else if (conn->state == CONN_IDLE)
        patience = limits->idle_timeout_us;
    else if (conn->state == CONN_HEAD || conn->state == CONN_OPENING)
        patience = limits->head_timeout_us;
    else if (conn->body.wanted && !conn->message_end && !conn->call.body_err)
        patience = limits->body_timeout_us;
    if (conn->state < CONN_CALL && conn->base.stream && stream_is_spare(conn->base.stream))
        patience = SPARE_US; /* others wait for its place */
    return patience ? conn->since_us + patience : 0;
}

void conn__watch(struct h1_conn *conn)
{
    uint64_t due = conn__deadline(conn);
    if (due == 0) return;
    if (!timer_armed(&conn->timer) || conn->timer.due_us > due)
        timer_start(conn->base.server->loop, &conn->timer, due);
}

void conn__progress(struct h1_conn *conn)
{
    conn->since_us = loop_now(conn->base.server->loop);
    if (conn->base.stream) conn->drained = stream_drained(conn->base.stream);
}

void conn__move(struct h1_conn *conn, enum conn_state state)
{
    conn->state = machine_move(&machine, conn->state, state);
    if (conn->base.stream) stream_may_wait(conn->base.stream, state == CONN_IDLE);
    if (state == CONN_LINGER) metric_add(&conn->base.server->lingering, 1);
}

void conn__be_patient(struct h1_conn *conn)
{
    conn->linger_end_us = loop_now(conn->base.server->loop) + LINGER_MAX_US;
    conn__progress(conn);
    conn__watch(conn);
}

void conn__enter(struct h1_conn *conn, enum conn_state state)
{
    conn__move(conn, state);
    conn__be_patient(conn);
}

void conn__tell(struct h1_conn *conn)
{
    if (conn->state == CONN_CALL && conn->call.task && !conn->call.ended)
        loop_wake(conn->base.server->loop, conn->call.task);
}

void conn__gone(struct h1_conn *conn, int why)
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
