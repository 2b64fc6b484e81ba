/* SPDX-License-Identifier: Apache-2.0 */
/* What all connections share. */
#include <stdio.h>

#include "http/conn_priv.h"

void conn__register(struct http_conn *conn, const struct conn_ops *ops, struct http_server *s,
                    struct stream *stream)
{
    conn->ops = ops;
    conn->server = s;
    conn->stream = stream;
    (void)snprintf(conn->peer, sizeof conn->peer, "%" STR_FMT, STR_ARG(stream_peer(stream)));
    list_push_back(&s->conns, &conn->link);
    s->conn_count++;
    metric_add(&s->stats.connections, 1);
}

void conn__retire(struct http_conn *conn)
{
    struct http_server *s = conn->server;
    assert(!conn->dead);
    conn->dead = true;
    list_remove(&conn->link);
    list_push_back(&s->dead, &conn->link);
    s->conn_count--;
    metric_sub(&s->stats.connections, 1);
    if (s->draining && s->quiet) loop_wake(s->loop, s->quiet);
    loop_wake(s->loop, &s->reap);
}

const struct stream_facts *conn__facts(const struct http_conn *conn)
{
    return stream_facts(conn->stream);
}
