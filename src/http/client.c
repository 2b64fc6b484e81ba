/* SPDX-License-Identifier: Apache-2.0 */
/* Fetches on pooled connections.
 *
 * Happy path: the most recently used idle connection takes the request in one write; the
 * response is parsed as it arrives; when it is whole the connection is idle again. What can go
 * wrong: no connection can be made, the peer closes or breaks the protocol before or within the
 * response (FETCH_FAILED), the owner loses interest (fetch_end closes). A response whose owner
 * has left it (fetch_leave) is read to its end for a moment, for the sake of the connection.
 * Connections keep reading while idle, so that one which the peer closes leaves the pool at
 * once. */
#include "http/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/machine.h"
#include "base/mem.h"
#include "http/gather.h"

#define BODY_HELD_MAX ((size_t)1 << 20)

struct http_pool {
    char *key;
    struct list idle; /* struct http_upstream by idle_link, most recently used first */
    unsigned count;   /* length of idle */
    unsigned members; /* connections of this address, busy ones too */
};

struct http_upstream {
    struct http_client *client;
    struct http_pool *pool;
    struct list link;      /* client->all */
    struct list idle_link; /* pool->idle */
    struct stream *stream;
    struct h1 *parser;
    struct fetch *fetch; /* whom it serves; NULL: idle, or left */
    struct arena *arena;
    struct buf held; /* body bytes that outlived their event */
    uint64_t due_us; /* without a fetch: when it is closed */
    bool left;       /* its fetch has left it in the middle of a response */
    bool open;       /* connected */
    bool tainted;    /* bytes after the response: not to be used again */
};

static void sweep_idle(struct task *task);

void http_client_init(struct http_client *c, struct loop *loop, const struct h1_limits *limits,
                      unsigned idle_max, uint64_t idle_us)
{
    *c = (struct http_client){
        .loop = loop, .limits = *limits, .idle_max = idle_max, .idle_us = idle_us};
    map_init(&c->pools);
    list_init(&c->all);
    task_init(&c->sweep_task, sweep_idle);
    timer_init(&c->sweep, &c->sweep_task);
}

static void pool_leave(struct http_client *c, struct http_pool *pool)
{
    if (--pool->members > 0) return;
    map_remove(&c->pools, str_of(pool->key));
    free(pool->key);
    free(pool);
}

static void upstream_close(struct http_upstream *u)
{
    if (list_linked(&u->idle_link)) {
        list_remove(&u->idle_link);
        u->pool->count--;
    }
    pool_leave(u->client, u->pool);
    list_remove(&u->link);
    if (u->fetch) u->fetch->conn = NULL;
    stream_close(u->stream);
    h1_free(u->parser);
    buf_fini(&u->held);
    free(u);
}

void http_client_close_idle(struct http_client *c)
{
    LIST_EACH_SAFE(&c->all, it, next)
    {
        struct http_upstream *u = LIST_ITEM(it, struct http_upstream, link);
        if (!u->fetch) upstream_close(u);
    }
}

void http_client_fini(struct http_client *c)
{
    if (!c->loop) return;
    http_client_close_idle(c);
    assert(list_empty(&c->all));
    timer_stop(c->loop, &c->sweep);
    task_cancel(&c->sweep_task);
    map_fini(&c->pools);
}

static void sweep_idle(struct task *task)
{
    struct http_client *c = CONTAINER_OF(task, struct http_client, sweep_task);
    uint64_t now = loop_now(c->loop), next_due = 0;
    LIST_EACH_SAFE(&c->all, it, next)
    {
        struct http_upstream *u = LIST_ITEM(it, struct http_upstream, link);
        if (u->fetch) continue;
        if (u->due_us <= now)
            upstream_close(u);
        else if (next_due == 0 || u->due_us < next_due)
            next_due = u->due_us;
    }
    if (next_due) timer_start(c->loop, &c->sweep, next_due);
}

/* NULL: no memory. */
static struct http_pool *pool_for(struct http_client *c, struct str key)
{
    struct http_pool *pool = map_get(&c->pools, key);
    if (pool) return pool;
    pool = mem_try_zero(1, sizeof *pool);
    if (pool) pool->key = str_try_dup(key);
    if (!pool || !pool->key) {
        free(pool);
        return NULL;
    }
    list_init(&pool->idle);
    map_put(&c->pools, str_n(pool->key, key.len), pool);
    return pool;
}

/* --- facts --- */

static const struct machine machine = {
    .name = "fetch",
    .count = FETCH_FAILED + 1,
    .names =
        (const char *const[]){
            [FETCH_NONE] = "NONE",
            [FETCH_CONNECTING] = "CONNECTING",
            [FETCH_AWAIT] = "AWAIT",
            [FETCH_BODY] = "BODY",
            [FETCH_DONE] = "DONE",
            [FETCH_FAILED] = "FAILED",
        },
    .moves =
        (const uint32_t[]){
            [FETCH_NONE] = MACHINE_BIT(FETCH_CONNECTING),
            [FETCH_CONNECTING] = MACHINE_BIT(FETCH_AWAIT) | MACHINE_BIT(FETCH_FAILED),
            [FETCH_AWAIT] = MACHINE_BIT(FETCH_BODY) | MACHINE_BIT(FETCH_FAILED),
            [FETCH_BODY] = MACHINE_BIT(FETCH_DONE) | MACHINE_BIT(FETCH_FAILED),
            [FETCH_DONE] = 0,
            [FETCH_FAILED] = 0,
        },
};

static void move(struct fetch *f, enum fetch_state state)
{
    f->state = machine_move(&machine, f->state, state);
}

static void tell(struct fetch *f)
{
    loop_wake(f->client->loop, f->task);
}

static void fail(struct fetch *f, int err)
{
    move(f, FETCH_FAILED);
    f->err = err;
    tell(f);
}

/* The peer's bytes are no response: says which rule they break, unless memory is what it lacks. */
static int refused(struct http_upstream *u)
{
    int status;
    const char *why;
    int err = h1_error(u->parser, &status, &why);
    if (err != -ENOMEM) u->fetch->why = why;
    return err;
}

/* The connection breaks under its fetch. */
static void break_off(struct http_upstream *u, int err)
{
    struct fetch *f = u->fetch;
    f->conn = NULL;
    u->fetch = NULL;
    if (f->body.len) { /* bytes that came before are the fetch's still */
        f->body = arena_try_dup(f->arena, f->body);
        if (!f->body.ptr) err = -ENOMEM;
    }
    upstream_close(u);
    fail(f, err);
}

/* A method that carries a body says how long it is, even of none (RFC 9110 section 8.6). */
static struct h1_start start_of(const struct fetch *f)
{
    const struct http_request *r = &f->request;
    bool carries = r->method == METHOD_POST || r->method == METHOD_PUT || r->method == METHOD_PATCH;
    uint64_t length = 0;
    for (unsigned i = 0; i < r->body_count; i++)
        length += r->body[i].len;
    return (struct h1_start){
        .framing = carries || length ? H1_LENGTH : H1_NONE,
        .length = length,
        .persistence = f->no_keep ? H1_SAY_CLOSE : H1_DEFAULT,
    };
}

static void send_request(struct http_upstream *u)
{
    struct fetch *f = u->fetch;
    const struct http_request *r = &f->request;
    struct h1_start start = start_of(f);
    NOT_ZEROED struct gather g;
    gather_init(&g, u->stream);
    struct str head = h1_write_request(f->arena, r, &start);
    if (!head.ptr) {
        break_off(u, -ENOMEM);
        return;
    }
    gather_add(&g, head);
    for (unsigned i = 0; i < r->body_count; i++)
        gather_add(&g, r->body[i]);
    move(f, FETCH_AWAIT);
    f->sent = true;
    f->last_read_us = loop_now(f->client->loop);
    h1_begin(u->parser, f->arena, r->method == METHOD_HEAD);
    gather_flush(&g);
    if (g.err) break_off(u, g.err);
}

/* Puts the pieces of a body that one read brought next to each other. */
static int add_body(struct http_upstream *u, struct str bytes)
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

/* The head outlives its connection, which may break right behind it. Its strings are on the
 * arena already. NULL: no memory. */
static const struct http_head *keep_head(struct arena *arena, const struct http_head *head)
{
    struct http_head *kept = arena_try(arena, sizeof *kept);
    if (kept) *kept = *head;
    return kept;
}

static void on_open(void *owner, int err)
{
    struct http_upstream *u = owner;
    if (err) {
        break_off(u, err);
        return;
    }
    u->open = true;
    stream_read(u->stream, true);
    send_request(u);
}

static void put_idle(struct http_upstream *u);

/* After a whole response: the connection may serve another request. */
static bool reusable(const struct http_upstream *u)
{
    return h1_facts(u->parser)->keep_alive && !u->tainted && stream_pending(u->stream) == 0 &&
           u->client->idle_max > 0;
}

/* Bytes of a response that nobody wants any more. */
static void pass_left(struct http_upstream *u, struct str bytes)
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
        upstream_close(u);
        return;
    }
}

static void on_data(void *owner, struct str bytes)
{
    struct http_upstream *u = owner;
    struct fetch *f = u->fetch;
    if (u->left) {
        pass_left(u, bytes);
        return;
    }
    if (!f || f->state == FETCH_DONE) {
        u->tainted = true;
        if (!f) upstream_close(u);
        return;
    }
    f->any_byte = true;
    f->last_read_us = loop_now(f->client->loop);
    struct str piece;
    int err;
    for (;;) {
        switch (h1_next(u->parser, &bytes, &piece)) {
        case H1_HEAD:
            f->head = keep_head(f->arena, h1_head(u->parser));
            move(f, FETCH_BODY);
            if (f->head) continue;
            break_off(u, -ENOMEM);
            return;
        case H1_BODY:
            err = add_body(u, piece);
            if (!err) continue;
            break_off(u, err);
            return;
        case H1_END:
            move(f, FETCH_DONE);
            u->tainted = bytes.len > 0;
            tell(f);
            return;
        case H1_ERROR: break_off(u, refused(u)); return;
        case H1_MORE: tell(f); return;
        }
    }
}

static void on_settle(void *owner)
{
    struct http_upstream *u = owner;
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
    struct http_upstream *u = owner;
    struct fetch *f = u->fetch;
    if (!f) {
        upstream_close(u);
        return;
    }
    u->tainted = true;
    if (f->state == FETCH_DONE) return;
    if (err == ERR_EOF && f->state == FETCH_BODY && h1_finish(u->parser) == H1_END) {
        move(f, FETCH_DONE);
        tell(f);
        return;
    }
    break_off(u, err);
}

static const struct stream_handler upstream_handler = {
    .on_open = on_open,
    .on_data = on_data,
    .on_settle = on_settle,
    .on_end = on_end,
};

/* --- fetches --- */

static void use(struct http_upstream *u, struct fetch *f)
{
    u->fetch = f;
    f->conn = u;
}

static struct http_upstream *take_idle(struct http_pool *pool)
{
    struct list *link = list_pop_front(&pool->idle);
    if (!link) return NULL;
    pool->count--;
    return LIST_ITEM(link, struct http_upstream, idle_link);
}

static int dial(struct fetch *f, struct http_pool *pool)
{
    struct http_client *c = f->client;
    struct http_upstream *u = mem_try_zero(1, sizeof *u);
    int err = u ? h1_new(true, &c->limits, &u->parser) : -ENOMEM;
    pool->members++;
    if (!err) err = loop_dial(c->loop, &f->addr, &u->stream);
    if (err) {
        if (u) h1_free(u->parser);
        free(u);
        pool_leave(c, pool);
        return err;
    }
    u->client = c;
    u->pool = pool;
    list_init(&u->idle_link);
    buf_init(&u->held, BODY_HELD_MAX);
    list_push_back(&c->all, &u->link);
    metric_add(&c->stats.connects, 1);
    stream_set_handler(u->stream, &upstream_handler, u);
    use(u, f);
    return 0;
}

void fetch_start(struct fetch *f)
{
    struct http_client *c = f->client;
    struct http_pool *pool = pool_for(c, f->key);
    assert(f->state == FETCH_NONE);
    move(f, FETCH_CONNECTING);
    if (!pool) {
        fail(f, -ENOMEM);
        return;
    }
    struct http_upstream *u = f->no_reuse ? NULL : take_idle(pool);
    if (!u) {
        int err = dial(f, pool);
        if (err) fail(f, err);
        return;
    }
    metric_add(&c->stats.reuses, 1);
    f->reused = true;
    use(u, f);
    send_request(u);
}

struct str fetch_take(struct fetch *f)
{
    struct str body = f->body;
    f->body = STR_NULL;
    /* The held bytes stay where they are until the next ones come: the caller uses them in this
     * step. */
    if (f->conn && buf_len(&f->conn->held)) buf_clear(&f->conn->held);
    return body;
}

void fetch_pause(struct fetch *f, bool paused)
{
    if (f->conn && f->conn->open) stream_read(f->conn->stream, !paused);
}

/* Nobody's connection is closed at `due`. */
static void set_due(struct http_upstream *u, uint64_t due_us)
{
    struct http_client *c = u->client;
    u->due_us = due_us;
    if (!timer_armed(&c->sweep) || c->sweep.due_us > due_us)
        timer_start(c->loop, &c->sweep, due_us);
}

static void put_idle(struct http_upstream *u)
{
    struct http_client *c = u->client;
    struct http_pool *pool = u->pool;
    u->fetch = NULL;
    u->left = false;
    buf_release(&u->held);
    stream_read(u->stream, true);
    list_push_front(&pool->idle, &u->idle_link);
    pool->count++;
    set_due(u, loop_now(c->loop) + c->idle_us);
    if (pool->count > c->idle_max)
        upstream_close(LIST_ITEM(pool->idle.prev, struct http_upstream, idle_link));
}

const char *fetch_error_text(const struct fetch *f)
{
    return f->why ? f->why : err_text(f->err);
}

void fetch_leave(struct fetch *f)
{
    struct http_upstream *u = f->conn;
    if (!u || f->state != FETCH_BODY) {
        fetch_end(f);
        return;
    }
    f->conn = NULL;
    f->body = STR_NULL;
    u->fetch = NULL;
    u->left = true;
    buf_release(&u->held);
    stream_read(u->stream, true);
    set_due(u, loop_now(u->client->loop) + HTTP_CLIENT_GRACE_US);
}

void fetch_end(struct fetch *f)
{
    struct http_upstream *u = f->conn;
    f->conn = NULL;
    if (!u) return;
    u->fetch = NULL;
    f->body = STR_NULL;
    if (f->state == FETCH_DONE && reusable(u))
        put_idle(u);
    else
        upstream_close(u);
}
