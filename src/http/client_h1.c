/* SPDX-License-Identifier: Apache-2.0 */
/* Fetches on connections of HTTP/1.1.
 *
 * Happy path: an idle connection takes the request in one write; the response is parsed as it
 * arrives; when it is whole the connection is idle again. What can go wrong: the peer closes or
 * breaks the protocol before or within the response (FETCH_FAILED), the owner loses interest
 * (fetch_end closes). A response whose owner has left it (fetch_leave) is read to its end for a
 * moment, for the sake of the connection. Connections keep reading while idle, so that one which the
 * peer closes leaves the pool at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/client_priv.h"
#include "http/gather.h"

#define BODY_HELD_MAX ((size_t)1 << 20)

struct h1_upstream {
    struct http_upstream base;
    struct list idle_link; /* pool->idle */
    struct h1 *parser;
    struct fetch *fetch; /* whom it serves; NULL: idle, or left */
    struct buf held;     /* body bytes that outlived their event */
    bool left;           /* its fetch has left it in the middle of a response */
    bool tainted;        /* bytes after the response: not to be used again */
};

static void close_upstream(struct h1_upstream *u)
{
    if (list_linked(&u->idle_link)) {
        list_remove(&u->idle_link);
        u->base.pool->count--;
    }
    upstream__leave(&u->base);
    h1_free(u->parser);
    buf_fini(&u->held);
    free(u);
}

static void close_idle(struct http_upstream *u)
{
    close_upstream(CONTAINER_OF(u, struct h1_upstream, base));
}

static const struct upstream_ops upstream_ops = {.close = close_idle};

/* The peer's bytes are no response: says which rule they break, unless memory is what it lacks. */
static int refused(struct h1_upstream *u)
{
    int status;
    const char *why;
    int err = h1_error(u->parser, &status, &why);
    if (err != -ENOMEM) u->fetch->why = why;
    return err;
}

/* The connection breaks under its fetch. */
static void break_off(struct h1_upstream *u, int err)
{
    struct fetch *f = u->fetch;
    fetch__break(f, err);
    u->fetch = NULL;
    close_upstream(u);
}

static struct h1_start start_of(const struct fetch *f)
{
    uint64_t length;
    bool says = http_request_length(&f->request, &length);
    return (struct h1_start){
        .framing = says ? H1_LENGTH : H1_NONE,
        .length = length,
        .persistence = f->no_keep ? H1_SAY_CLOSE : H1_DEFAULT,
    };
}

static void send_request(struct h1_upstream *u)
{
    struct fetch *f = u->fetch;
    const struct http_request *r = &f->request;
    struct h1_start start = start_of(f);
    NOT_ZEROED struct gather g;
    gather_init(&g, u->base.stream);
    struct str head = h1_write_request(f->arena, r, &start);
    if (!head.ptr) {
        break_off(u, -ENOMEM);
        return;
    }
    gather_add(&g, head);
    for (unsigned i = 0; i < r->body_count; i++)
        gather_add(&g, r->body[i]);
    fetch__move(f, FETCH_AWAIT);
    f->sent = true;
    f->last_read_us = loop_now(f->client->loop);
    h1_begin(u->parser, f->arena, r->method == METHOD_HEAD);
    gather_flush(&g);
    if (g.err) break_off(u, g.err);
}

/* Puts the pieces of a body that one read brought next to each other. */
static int add_body(struct h1_upstream *u, struct str bytes)
{
    struct fetch *f = u->fetch;
    if (buf_len(&u->held)) {
        int err = buf_append(&u->held, bytes);
        if (err) return err;
        f->body = buf_str(&u->held);
    } else if (f->body.len == 0) {
        f->body = bytes;
    } else {
        memmove((char *)(uintptr_t)f->body.ptr + f->body.len, bytes.ptr, bytes.len);
        f->body.len += bytes.len;
    }
    return 0;
}

static void put_idle(struct h1_upstream *u);

/* After a whole response: the connection may serve another request. */
static bool reusable(const struct h1_upstream *u)
{
    return h1_facts(u->parser)->keep_alive && !u->tainted && stream_pending(u->base.stream) == 0 &&
           u->base.client->idle_max > 0;
}

/* Bytes of a response that nobody wants any more. */
static void pass_left(struct h1_upstream *u, struct str bytes)
{
    struct str piece;
    for (;;) {
        switch (h1_next(u->parser, &bytes, &piece)) {
        case H1_BODY: continue;
        case H1_MORE: return;
        case H1_END:
            u->tainted = bytes.len > 0;
            if (reusable(u)) {
                put_idle(u);
                return;
            }
            break;
        default: break;
        }
        close_upstream(u);
        return;
    }
}

static void on_data(void *owner, struct str bytes)
{
    struct h1_upstream *u = owner;
    struct fetch *f = u->fetch;
    if (u->left) {
        pass_left(u, bytes);
        return;
    }
    if (!f || f->state == FETCH_DONE) {
        u->tainted = true;
        if (!f) close_upstream(u);
        return;
    }
    f->any_byte = true;
    f->last_read_us = loop_now(f->client->loop);
    struct str piece;
    int err;
    for (;;) {
        switch (h1_next(u->parser, &bytes, &piece)) {
        case H1_HEAD:
            fetch__move(f, FETCH_BODY);
            if (fetch__keep_head(f, h1_head(u->parser))) continue;
            break_off(u, -ENOMEM);
            return;
        case H1_BODY:
            err = add_body(u, piece);
            if (!err) continue;
            break_off(u, err);
            return;
        case H1_END:
            fetch__move(f, FETCH_DONE);
            u->tainted = bytes.len > 0;
            fetch__tell(f);
            return;
        case H1_ERROR: break_off(u, refused(u)); return;
        case H1_MORE: fetch__tell(f); return;
        }
    }
}

static void on_settle(void *owner)
{
    struct h1_upstream *u = owner;
    struct fetch *f = u->fetch;
    if (!f || f->body.len == 0 || buf_len(&u->held)) return;
    int err = buf_append(&u->held, f->body);
    if (err) {
        break_off(u, err);
        return;
    }
    f->body = buf_str(&u->held);
}

static void on_end(void *owner, int err)
{
    struct h1_upstream *u = owner;
    struct fetch *f = u->fetch;
    if (!f) {
        close_upstream(u);
        return;
    }
    u->tainted = true;
    if (f->state == FETCH_DONE) return;
    if (err == ERR_EOF && f->state == FETCH_BODY && h1_finish(u->parser) == H1_END) {
        fetch__move(f, FETCH_DONE);
        fetch__tell(f);
        return;
    }
    break_off(u, err);
}

static const struct stream_handler upstream_handler = {
    .on_data = on_data,
    .on_settle = on_settle,
    .on_end = on_end,
};

/* --- fetches --- */

static void taken(struct fetch *f, size_t n UNUSED)
{
    struct h1_upstream *u = f->carrier;
    /* The held bytes stay where they are until the next ones come: the caller uses them in this
     * step. */
    if (buf_len(&u->held)) buf_clear(&u->held);
}

static void pause_reading(struct fetch *f, bool paused)
{
    struct h1_upstream *u = f->carrier;
    stream_read(u->base.stream, !paused);
}

static void put_idle(struct h1_upstream *u)
{
    struct http_client *c = u->base.client;
    struct http_pool *pool = u->base.pool;
    u->fetch = NULL;
    u->base.busy = false;
    u->left = false;
    buf_release(&u->held);
    stream_read(u->base.stream, true);
    list_push_front(&pool->idle, &u->idle_link);
    pool->count++;
    upstream__set_due(&u->base, loop_now(c->loop) + c->idle_us);
    if (pool->count > c->idle_max)
        close_upstream(LIST_ITEM(pool->idle.prev, struct h1_upstream, idle_link));
}

static void leave(struct fetch *f)
{
    struct h1_upstream *u = f->carrier;
    f->ops = NULL;
    f->carrier = NULL;
    f->body = STR_NULL;
    u->fetch = NULL;
    u->base.busy = false;
    u->left = true;
    buf_release(&u->held);
    stream_read(u->base.stream, true);
    upstream__set_due(&u->base, loop_now(u->base.client->loop) + HTTP_CLIENT_GRACE_US);
}

static void end(struct fetch *f)
{
    struct h1_upstream *u = f->carrier;
    u->fetch = NULL;
    if (f->state == FETCH_DONE && !f->no_keep && reusable(u))
        put_idle(u);
    else
        close_upstream(u);
}

static const struct fetch_ops fetch_ops = {
    .taken = taken, .pause = pause_reading, .leave = leave, .end = end};

static void use(struct h1_upstream *u, struct fetch *f)
{
    u->fetch = f;
    u->base.busy = true;
    f->ops = &fetch_ops;
    f->carrier = u;
    send_request(u);
}

void h1__carry(struct http_pool *pool, struct fetch *f)
{
    struct h1_upstream *u = LIST_ITEM(list_pop_front(&pool->idle), struct h1_upstream, idle_link);
    pool->count--;
    f->reused = true;
    use(u, f);
}

int h1__open(struct http_client *c, struct http_pool *pool, struct stream *stream, struct fetch *f)
{
    struct h1_upstream *u = mem_try_zero(1, sizeof *u);
    if (!u || h1_new(true, &c->limits, &u->parser)) {
        free(u);
        return -ENOMEM;
    }
    list_init(&u->idle_link);
    buf_init(&u->held, BODY_HELD_MAX);
    upstream__join(&u->base, &upstream_ops, c, pool, stream);
    stream_set_handler(stream, &upstream_handler, u);
    stream_read(stream, true);
    use(u, f);
    return 0;
}
