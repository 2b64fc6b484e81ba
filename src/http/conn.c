/* SPDX-License-Identifier: Apache-2.0 */
/* What all connections share. */
#include <stdio.h>
#include <stdlib.h>

#include "http/conn_priv.h"

void conn__note_peer(struct http_conn *conn)
{
    (void)snprintf(conn->peer, sizeof conn->peer, "%" STR_FMT, STR_ARG(stream_peer(conn->stream)));
}

void conn__register(struct http_conn *conn, const struct conn_ops *ops, struct http_server *s,
                    struct stream *stream)
{
    conn->ops = ops;
    conn->server = s;
    conn->stream = stream;
    conn__note_peer(conn);
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

enum { SPARE_MAX = 64 };

void conn__take_arena(struct http_server *s, struct arena *arena)
{
    struct arena_block *block = s->spare;
    if (arena->first || !block) return;
    s->spare = block->next;
    s->spare_count--;
    arena_give_block(arena, block);
}

void conn__give_arena(struct http_server *s, struct arena *arena)
{
    arena_reset(arena);
    struct arena_block *block = arena_take_block(arena);
    if (!block) return;
    if (s->spare_count >= SPARE_MAX) {
        free(block);
        return;
    }
    block->next = s->spare;
    s->spare = block;
    s->spare_count++;
}

const struct stream_facts *conn__facts(const struct http_conn *conn)
{
    return stream_facts(conn->stream);
}
