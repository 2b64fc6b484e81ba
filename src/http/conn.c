/* SPDX-License-Identifier: Apache-2.0 */
/* What all connections share. */
#include <stdio.h>
#include <stdlib.h>

#include "http/conn_priv.h"

void conn__note_peer(struct http_conn *conn)
{
    (void)snprintf(conn->peer, sizeof conn->peer, "%" STR_FMT, STR_ARG(stream_peer(conn->stream)));
}

/* Says whether there are more than `max` now. */
static bool count_in(_Atomic uint64_t *now, uint64_t max)
{
    return atomic_fetch_add_explicit(now, 1, memory_order_relaxed) >= max && max;
}

static void count_out(_Atomic uint64_t *now)
{
    atomic_fetch_sub_explicit(now, 1, memory_order_relaxed);
}

void conn__register(struct http_conn *conn, const struct conn_ops *ops,
                    const struct http_entry *from, struct stream *stream)
{
    struct http_server *s = from->server;
    conn->ops = ops;
    conn->server = s;
    conn->quota = from->quota;
    if (conn->quota) (void)count_in(&conn->quota->connections, 0);
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
    if (conn->quota) count_out(&conn->quota->connections);
    metric_sub(&s->stats.connections, 1);
    if (s->draining && s->quiet) loop_wake(s->loop, s->quiet);
    loop_wake(s->loop, &s->reap);
}

struct http_call conn__begin_call(const struct http_conn *conn, const struct call_ops *ops,
                                  struct arena *arena, uint64_t started_us)
{
    struct http_quota *q = conn->quota;
    return (struct http_call){
        .ops = ops,
        .server = conn->server,
        .quota = q,
        .arena = arena,
        .peer = str_of(conn->peer),
        .spare = stream_is_spare(conn->stream),
        .crowded = q && count_in(&q->requests, q->requests_max),
        .started_us = started_us,
    };
}

void conn__end_call(struct http_call *c)
{
    if (c->quota) count_out(&c->quota->requests);
    c->quota = NULL;
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
