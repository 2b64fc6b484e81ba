/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a connection for a fetch, and dialling.
 *
 * Happy path: the most recently used idle connection of HTTP/1.1, or one of HTTP/2 that has room,
 * takes the fetch; otherwise a new one is dialled. Where the peer is known to speak HTTP/2, fetches
 * wait together for the connection that is being dialled. What can go wrong: it cannot be dialled
 * (FETCH_FAILED for all who wait), or it speaks what was not expected (the first goes on, the
 * others begin anew). */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/client_priv.h"

/* A connection that is being made, and those who wait for it. */
struct http_dial {
    struct http_client *client;
    struct http_pool *pool;
    struct list link;    /* pool->dials */
    struct list waiting; /* struct fetch */
    struct stream *stream;
    bool secure;
    bool is_h2; /* without asking: by prior knowledge */
};

static void dial_free(struct http_dial *d)
{
    list_remove(&d->link);
    if (d->stream) stream_close(d->stream);
    pool__leave(d->client, d->pool);
    free(d);
}

static void fail_waiting(struct http_dial *d, int err)
{
    struct list *link;
    while ((link = list_pop_front(&d->waiting))) {
        struct fetch *f = LIST_ITEM(link, struct fetch, link);
        f->why = stream_facts(d->stream)->error;
        fetch__break(f, err);
    }
}

static void find_carrier(struct http_pool *pool, struct fetch *f);

/* Those who waited for a connection that cannot carry them begin anew. */
static void carry_waiting(struct http_dial *d, bool is_h2)
{
    struct list *link;
    while ((link = list_pop_front(&d->waiting))) {
        struct fetch *f = LIST_ITEM(link, struct fetch, link);
        f->ops = NULL;
        if (!is_h2 || !h2__carry(d->pool, f)) find_carrier(d->pool, f);
    }
}

static int carry_first(struct http_dial *d)
{
    struct list *first = list_pop_front(&d->waiting);
    struct fetch *f = LIST_ITEM(first, struct fetch, link);
    int err = h1__open(d->client, d->pool, d->stream, f);
    if (err) fetch__break(f, err);
    return err;
}

static void on_open(void *owner, int err)
{
    struct http_dial *d = owner;
    if (err) {
        fail_waiting(d, err);
        dial_free(d);
        return;
    }
    struct str alpn = stream_facts(d->stream)->alpn;
    bool is_h2 = alpn.len ? str_eq(alpn, STR("h2")) : d->is_h2;
    d->pool->speaks_h2 = is_h2;
    err = is_h2 ? h2__open(d->client, d->pool, d->stream, d->secure) : carry_first(d);
    if (err)
        fail_waiting(d, err);
    else
        d->stream = NULL;
    list_remove(&d->link); /* nobody joins it any more */
    carry_waiting(d, is_h2);
    dial_free(d);
}

/* An open connection has a handler of its own. */
static void on_data(void *owner UNUSED, struct str bytes UNUSED)
{
}

static void on_end(void *owner UNUSED, int err UNUSED)
{
}

static const struct stream_handler dial_handler = {
    .on_open = on_open, .on_data = on_data, .on_end = on_end};

static void dial_end(struct fetch *f)
{
    struct http_dial *d = f->carrier;
    list_remove(&f->link);
    if (list_empty(&d->waiting)) dial_free(d);
}

static void dial_taken(struct fetch *f UNUSED, size_t n UNUSED)
{
}

static void dial_pause(struct fetch *f UNUSED, bool paused UNUSED)
{
}

static const struct fetch_ops dial_ops = {
    .taken = dial_taken, .pause = dial_pause, .leave = dial_end, .end = dial_end};

static void wait_for(struct http_dial *d, struct fetch *f)
{
    f->ops = &dial_ops;
    f->carrier = d;
    list_push_back(&d->waiting, &f->link);
}

static int dial(struct http_pool *pool, struct fetch *f)
{
    struct http_client *c = f->client;
    struct http_dial *d = mem_try_zero(1, sizeof *d);
    pool__enter(c, pool);
    int err = d ? way_dial(c->loop, &f->way, &d->stream) : -ENOMEM;
    if (err) {
        free(d);
        pool__leave(c, pool);
        return err;
    }
    d->client = c;
    d->pool = pool;
    d->secure = f->way.tls != NULL;
    d->is_h2 = !f->way.tls && f->way.http == WAY_HTTP_2;
    list_init(&d->waiting);
    list_push_back(&pool->dials, &d->link);
    metric_add(&c->stats.connects, 1);
    stream_set_handler(d->stream, &dial_handler, d);
    wait_for(d, f);
    return 0;
}

/* A dial that will bring a connection with room for one more. */
static struct http_dial *dial_to_join(const struct http_pool *pool, const struct fetch *f)
{
    bool h2 = pool->speaks_h2 || (!f->way.tls && f->way.http == WAY_HTTP_2);
    if (!h2 || f->no_reuse || list_empty(&pool->dials)) return NULL;
    return LIST_ITEM(pool->dials.next, struct http_dial, link);
}

static void find_carrier(struct http_pool *pool, struct fetch *f)
{
    struct http_client *c = f->client;
    if (!f->no_reuse && !list_empty(&pool->idle)) {
        metric_add(&c->stats.reuses, 1);
        h1__carry(pool, f);
        return;
    }
    if (!f->no_reuse && !list_empty(&pool->open) && h2__carry(pool, f)) return;
    struct http_dial *d = dial_to_join(pool, f);
    int err = 0;
    if (d)
        wait_for(d, f);
    else
        err = dial(pool, f);
    if (err) fetch__fail(f, err);
}

void fetch_start(struct fetch *f)
{
    struct http_pool *pool = pool__for(f->client, f->key);
    assert(f->state == FETCH_NONE);
    fetch__move(f, FETCH_CONNECTING);
    if (pool)
        find_carrier(pool, f);
    else
        fetch__fail(f, -ENOMEM);
}
