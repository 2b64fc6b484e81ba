/* SPDX-License-Identifier: Apache-2.0 */
/* Connections, whatever they speak: how many there may be, how they end together. */
#include "http/server.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "http/conn_priv.h"
#include "obs/log.h"

enum { REFUSED_TELL_US = 10 * USEC_PER_SEC }; /* between two log lines */

static void reap_dead(struct task *task)
{
    struct http_server *s = CONTAINER_OF(task, struct http_server, reap);
    struct list *link;
    while ((link = list_pop_front(&s->dead))) {
        struct http_conn *conn = LIST_ITEM(link, struct http_conn, link);
        conn->ops->release(conn);
    }
}

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

/* Goes on as a connection of HTTP/2. */
static void become_h2(struct http_conn *conn, struct str input)
{
    const struct http_entry from = {conn->server, conn->quota};
    int err = http__serve_h2(&from, conn->stream, input);
    if (err)
        conn->ops->close(conn, err);
    else
        http__give_up_stream(conn);
}

/* How many there are beyond those that may be; negative: there is room. */
static int64_t excess(const struct http_server *s, const struct http_quota *q)
{
    int64_t all = (int64_t)s->conn_count - s->limits.connections_max;
    if (!q || !q->connections_max) return all;
    int64_t open = (int64_t)atomic_load_explicit(&q->connections, memory_order_relaxed);
    int64_t own = open - (int64_t)q->connections_max;
    return MAX(all, own);
}

static void take(struct http_server *s, struct http_quota *quota, struct stream *stream)
{
    const struct http_entry from = {s, quota};
    int64_t over = excess(s, quota);
    if (over >= 0) stream_set_spare(stream);
    if (over >= HTTP_SERVER_SPARE)
        refuse_connection(s, stream, "");
    else if (http__serve_h1(&from, stream, become_h2))
        refuse_connection(s, stream, ", and there is no memory for another one");
    else
        metric_add(&s->stats.accepted, 1);
}

static void accept_stream(struct acceptor *acceptor, struct stream *stream)
{
    take(CONTAINER_OF(acceptor, struct http_server, acceptor), NULL, stream);
}

static void accept_by_door(struct acceptor *acceptor, struct stream *stream)
{
    const struct http_door *d = CONTAINER_OF(acceptor, struct http_door, acceptor);
    take(d->server, d->quota, stream);
}

void http_door_init(struct http_door *d, struct http_server *s, struct http_quota *quota)
{
    *d = (struct http_door){.acceptor.accept = accept_by_door, .server = s, .quota = quota};
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
        conn->ops->drain(conn);
    }
}

void http_server_finish(struct http_server *s)
{
    http_server_drain(s);
    LIST_EACH(&s->conns, it)
    {
        struct http_conn *conn = LIST_ITEM(it, struct http_conn, link);
        conn->ops->finish(conn);
    }
}

void http_server_close_all(struct http_server *s)
{
    LIST_EACH_SAFE(&s->conns, it, next)
    {
        struct http_conn *conn = LIST_ITEM(it, struct http_conn, link);
        conn->ops->close(conn, ERR_CANCELLED);
    }
}

void http_server_fini(struct http_server *s)
{
    if (!s->loop) return;
    http_server_close_all(s);
    task_cancel(&s->reap);
    reap_dead(&s->reap);
    while (s->spare) {
        struct arena_block *next = s->spare->next;
        free(s->spare);
        s->spare = next;
    }
    s->spare_count = 0;
}
