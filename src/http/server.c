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
    int err = http__serve_h2(conn->server, conn->stream, input);
    if (err)
        conn->ops->close(conn, err);
    else
        http__give_up_stream(conn);
}

static void accept_stream(struct acceptor *acceptor, struct stream *stream)
{
    struct http_server *s = CONTAINER_OF(acceptor, struct http_server, acceptor);
    unsigned most = s->limits.connections_max;
    if (s->conn_count >= most) stream_set_spare(stream);
    if (s->conn_count >= most + HTTP_SERVER_SPARE)
        refuse_connection(s, stream, "");
    else if (http__serve_h1(s, stream, become_h2))
        refuse_connection(s, stream, ", and there is no memory for another one");
    else
        metric_add(&s->stats.accepted, 1);
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
