/* SPDX-License-Identifier: Apache-2.0 */
#include "http/call_body.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "http/conn_priv.h"

enum { IN_ARENA = 4096 }; /* bodies up to this live in the call's arena */

void call_body_init(struct call_body *b, size_t max)
{
    *b = (struct call_body){.max = max};
    buf_init(&b->bytes, max);
}

void call_body_begin(struct call_body *b)
{
    b->place = NULL;
    b->wanted = false;
}

static bool take(_Atomic uint64_t *held, uint64_t max, size_t more)
{
    uint64_t before = atomic_fetch_add_explicit(held, more, memory_order_relaxed);
    if (before <= max && more <= max - before) return true;
    atomic_fetch_sub_explicit(held, more, memory_order_relaxed);
    return false;
}

static void give(_Atomic uint64_t *held, size_t less)
{
    atomic_fetch_sub_explicit(held, less, memory_order_relaxed);
}

/* False: all request bodies together would be more than may be held. */
static bool may_hold(const struct http_call *c, size_t more)
{
    struct http_server *s = c->server;
    struct http_quota *q = c->quota;
    bool counted = q && q->bodies_max;
    bool may = !counted || take(&q->bodies, q->bodies_max, more);
    if (may && s->bodies && !take(s->bodies, s->limits.bodies_max, more)) {
        if (counted) give(&q->bodies, more);
        may = false;
    }
    if (!may) metric_add(&s->stats.bodies_refused, 1);
    return may;
}

bool call_body_hold(struct http_call *c, struct call_body *b, size_t more)
{
    if (more <= IN_ARENA) return true;
    if (!may_hold(c, more)) return false;
    b->made += more;
    return true;
}

int call_body_want(struct http_call *c, struct call_body *b, size_t max, bool coming)
{
    const struct http_head *head = c->head;
    char *room;
    b->wanted = true;
    b->max = max;
    b->bytes.max = head->has_length ? MAX(head->length, c->body.len) : max;
    if ((head->has_length && head->length > max) || c->body.len > max) return ERR_TOO_LARGE;
    /* Who announces much and sends nothing costs an address range only: the kernel gives a page
     * when something is written to it. */
    if (!coming || !head->has_length || b->place || c->body.len) return 0;
    if (head->length > IN_ARENA) return buf_reserve(&b->bytes, head->length, &room);
    b->place = arena_try(c->arena, head->length + 1);
    return b->place ? 0 : -ENOMEM;
}

int call_body_add(struct http_call *c, struct call_body *b, struct str bytes)
{
    if (bytes.len > b->max || c->body.len > b->max - bytes.len) return ERR_TOO_LARGE;
    if (b->place) {
        memcpy(b->place + c->body.len, bytes.ptr, bytes.len);
        c->body = str_n(b->place, c->body.len + bytes.len);
        return 0;
    }
    char *room;
    int err = buf_reserve(&b->bytes, bytes.len, &room);
    if (err) return err;
    if (!may_hold(c, bytes.len)) return ERR_FULL;
    if (room != bytes.ptr) memcpy(room, bytes.ptr, bytes.len); /* else they were read to there */
    buf_commit(&b->bytes, bytes.len);
    c->body = buf_str(&b->bytes);
    return 0;
}

void call_body_drop(const struct http_conn *conn, struct call_body *b)
{
    size_t held = buf_len(&b->bytes) + b->made;
    if (conn->server->bodies) give(conn->server->bodies, held);
    if (conn->quota && conn->quota->bodies_max) give(&conn->quota->bodies, held);
    b->made = 0;
    buf_release(&b->bytes);
}
