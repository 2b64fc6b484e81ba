/* SPDX-License-Identifier: Apache-2.0 */
/* Pools of connections. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/client_priv.h"

enum { REMEMBERED_MAX = 256 }; /* addresses of HTTP/2 without a connection */

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

static void pool_free(struct http_pool *pool)
{
    free(pool->key);
    free(pool);
}

void pool__enter(struct http_client *c, struct http_pool *pool)
{
    if (pool->members++ == 0 && pool->speaks_h2) c->remembered--;
}

/* Without connections it still tells what is spoken there, so that a burst opens but one. */
void pool__leave(struct http_client *c, struct http_pool *pool)
{
    if (--pool->members > 0) return;
    if (pool->speaks_h2 && c->remembered < REMEMBERED_MAX) {
        c->remembered++;
        return;
    }
    map_remove(&c->pools, str_of(pool->key));
    pool_free(pool);
}

void upstream__join(struct http_upstream *u, const struct upstream_ops *ops,
                    struct http_client *client, struct http_pool *pool, struct stream *stream)
{
    u->ops = ops;
    u->client = client;
    u->pool = pool;
    u->stream = stream;
    pool__enter(client, pool);
    list_push_back(&client->all, &u->link);
}

void upstream__leave(struct http_upstream *u)
{
    list_remove(&u->link);
    stream_close(u->stream);
    pool__leave(u->client, u->pool);
}

void upstream__set_due(struct http_upstream *u, uint64_t due_us)
{
    struct http_client *c = u->client;
    u->due_us = due_us;
    if (!timer_armed(&c->sweep) || c->sweep.due_us > due_us)
        timer_start(c->loop, &c->sweep, due_us);
}

void http_client_close_idle(struct http_client *c)
{
    LIST_EACH_SAFE(&c->all, it, next)
    {
        struct http_upstream *u = LIST_ITEM(it, struct http_upstream, link);
        if (!u->busy) u->ops->close(u);
    }
}

void http_client_fini(struct http_client *c)
{
    if (!c->loop) return;
    http_client_close_idle(c);
    assert(list_empty(&c->all));
    timer_stop(c->loop, &c->sweep);
    task_cancel(&c->sweep_task);
    struct str key;
    void *pool;
    for (size_t pos = 0; map_next(&c->pools, &pos, &key, &pool);)
        pool_free(pool);
    map_fini(&c->pools);
}

static void sweep_idle(struct task *task)
{
    struct http_client *c = CONTAINER_OF(task, struct http_client, sweep_task);
    uint64_t now = loop_now(c->loop), next_due = 0;
    LIST_EACH_SAFE(&c->all, it, next)
    {
        struct http_upstream *u = LIST_ITEM(it, struct http_upstream, link);
        if (u->busy) continue;
        if (u->due_us <= now)
            u->ops->close(u);
        else if (next_due == 0 || u->due_us < next_due)
            next_due = u->due_us;
    }
    if (next_due) timer_start(c->loop, &c->sweep, next_due);
}

struct http_pool *pool__for(struct http_client *c, struct str key)
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
    list_init(&pool->open);
    list_init(&pool->dials);
    map_put(&c->pools, str_n(pool->key, key.len), pool);
    return pool;
}
