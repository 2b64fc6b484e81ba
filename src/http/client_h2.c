/* SPDX-License-Identifier: Apache-2.0 */
/* Fetches on connections of HTTP/2.
 *
 * Happy path: a connection with room takes the request as one more stream; the response arrives
 * between those of others; its window opens as its owner takes the bytes. What can go wrong: the
 * peer resets the stream (that fetch fails), breaks the protocol or leaves (all that it has not
 * finished fail; those it has not begun with by ERR_REFUSED); it falls silent, which a ping finds
 * out when a fetch was given up for want of an answer. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/client_priv.h"
#include "http/h2.h"

enum {
    STREAMS_MAX = 100,
    STREAM_WINDOW = 64 * 1024, /* what a slow client makes us hold of its response */
    REQUEST_MAX = 1 << 30,     /* its owner bounds it; this only catches a runaway */
    SILENCE_US = 5 * USEC_PER_SEC,
};

struct h2_upstream {
    struct http_upstream base;
    struct list open_link; /* pool->open, while it may have room */
    struct list fetches;   /* struct h2_fetch */
    struct list touched;   /* struct h2_fetch whose bytes are in the stream's memory */
    struct h2 *h2;
    struct task clean; /* ends it outside of all handlers */
    bool secure;
    bool over;
    bool private;      /* its fetch wants it for itself alone */
    uint64_t begun;    /* fetches so far */
    uint64_t heard_us; /* when bytes came last */
};

/* A fetch's stream. */
struct h2_fetch {
    struct h2_upstream *upstream;
    struct fetch *fetch;
    struct h2_stream stream;
    struct list link;    /* upstream->fetches */
    struct list touched; /* upstream->touched */
    struct buf held;     /* body bytes that outlived their event */
    size_t owed;         /* bytes taken while the fetch is paused: the window opens later */
    bool paused;
};

static struct h2_fetch *of(struct h2_stream *s)
{
    return CONTAINER_OF(s, struct h2_fetch, stream);
}

static uint64_t now_of(const struct h2_upstream *u)
{
    return loop_now(u->base.client->loop);
}

static void close_upstream(struct h2_upstream *u)
{
    list_remove(&u->open_link);
    task_cancel(&u->clean);
    if (u->h2) h2_abandon(u->h2, 0);
    h2_free(u->h2);
    upstream__leave(&u->base);
    free(u);
}

static void close_idle(struct http_upstream *base)
{
    close_upstream(CONTAINER_OF(base, struct h2_upstream, base));
}

static const struct upstream_ops upstream_ops = {.close = close_idle};

static void run_clean(struct task *task)
{
    struct h2_upstream *u = CONTAINER_OF(task, struct h2_upstream, clean);
    if (list_empty(&u->fetches)) close_upstream(u);
}

/* --- fetches that end --- */

static void note_idle(struct h2_upstream *u)
{
    if (!list_empty(&u->fetches)) return;
    u->base.busy = false;
    upstream__set_due(&u->base, now_of(u) + u->base.client->idle_us);
    bool keep = !u->over && !u->private && !h2_peer_leaves(u->h2) && u->base.client->idle_max > 0;
    if (!keep && u->begun > 0) loop_wake(u->base.client->loop, &u->clean);
}

static void release(struct h2_fetch *hf)
{
    struct h2_upstream *u = hf->upstream;
    list_remove(&hf->link);
    list_remove(&hf->touched);
    h2_stream_fini(&hf->stream);
    buf_fini(&hf->held);
    free(hf);
    note_idle(u);
}

/* From within the session, which must not be entered again: the stream is off it already. */
static void break_off(struct h2_fetch *hf, int err)
{
    fetch__break(hf->fetch, err);
    release(hf);
}

/* The session is over, and so are all its fetches. */
static void give_up(struct h2_upstream *u, int err, const char *why)
{
    if (u->over) return;
    u->over = true;
    h2_abandon(u->h2, 0); /* nothing is said on it while its fetches end */
    list_remove(&u->open_link);
    LIST_EACH_SAFE(&u->fetches, it, next)
    {
        struct h2_fetch *hf = LIST_ITEM(it, struct h2_fetch, link);
        struct fetch *f = hf->fetch;
        if (!f) release(hf);
        if (!f || fetch_ended(f)) continue;
        f->why = hf->stream.why ? hf->stream.why : why;
        break_off(hf, err);
    }
    loop_wake(u->base.client->loop, &u->clean);
}

/* --- what the session tells --- */

static void on_head(struct h2_stream *s, int refused, const char *why)
{
    struct h2_fetch *hf = of(s);
    struct fetch *f = hf->fetch;
    if (refused || !fetch__keep_head(f, h2_head(s))) {
        f->why = why;
        h2_reset(s, H2_CANCEL);
        fetch__break(f, refused == 431 ? ERR_TOO_LARGE : refused == 400 ? ERR_PROTOCOL : -ENOMEM);
        hf->fetch = NULL;
        return;
    }
    f->any_byte = true;
    f->last_read_us = now_of(hf->upstream);
    fetch__move(f, FETCH_BODY);
    fetch__tell(f);
}

static int add_body(struct h2_fetch *hf, struct str bytes)
{
    struct fetch *f = hf->fetch;
    if (f->body.len == 0) {
        f->body = bytes;
        list_push_back(&hf->upstream->touched, &hf->touched);
        return 0;
    }
    int err = 0;
    if (list_linked(&hf->touched)) { /* others' bytes are between these and the first ones */
        list_remove(&hf->touched);
        err = buf_append(&hf->held, f->body);
    }
    if (!err) err = buf_append(&hf->held, bytes);
    if (!err) f->body = buf_str(&hf->held);
    return err;
}

static void on_body(struct h2_stream *s, struct str bytes)
{
    struct h2_fetch *hf = of(s);
    struct fetch *f = hf->fetch;
    if (!f || f->state != FETCH_BODY) {
        h2_consume(s, bytes.len);
        return;
    }
    f->last_read_us = now_of(hf->upstream);
    if (add_body(hf, bytes)) {
        h2_reset(s, H2_CANCEL);
        fetch__break(f, -ENOMEM);
        hf->fetch = NULL;
        return;
    }
    fetch__tell(f);
}

static void on_whole(struct h2_stream *s)
{
    struct h2_fetch *hf = of(s);
    if (!hf->fetch || hf->fetch->state != FETCH_BODY) return;
    fetch__move(hf->fetch, FETCH_DONE);
    fetch__tell(hf->fetch);
}

static void on_closed(struct h2_stream *s, int err, const char *why)
{
    struct h2_fetch *hf = of(s);
    if (!hf->fetch) {
        release(hf);
        return;
    }
    if (fetch_ended(hf->fetch)) return;
    hf->fetch->why = why;
    break_off(hf, err ? err : ERR_PROTOCOL);
}

static void on_drained(struct h2_stream *s UNUSED)
{
}

static void on_failed(void *owner, int err)
{
    give_up(owner, err, NULL);
}

static const struct h2_events events = {
    .head = on_head,
    .data = on_body,
    .end = on_whole,
    .closed = on_closed,
    .drained = on_drained,
    .failed = on_failed,
};

/* --- what the stream tells --- */

/* Whether further fetches may join. */
static void update_open(struct h2_upstream *u)
{
    bool open = !u->over && !u->private && !h2_peer_leaves(u->h2);
    if (open == list_linked(&u->open_link)) return;
    if (open)
        list_push_back(&u->base.pool->open, &u->open_link);
    else
        list_remove(&u->open_link);
    if (!open) note_idle(u);
}

static void on_data(void *owner, struct str bytes)
{
    struct h2_upstream *u = owner;
    const char *why;
    u->heard_us = now_of(u);
    if (u->over) return;
    int err = h2_feed(u->h2, bytes, &why);
    if (err) give_up(u, err, why);
    update_open(u);
}

static void on_settle(void *owner)
{
    struct h2_upstream *u = owner;
    struct list *link;
    while ((link = list_pop_front(&u->touched))) {
        struct h2_fetch *hf = LIST_ITEM(link, struct h2_fetch, touched);
        struct fetch *f = hf->fetch;
        if (!f || f->body.len == 0) continue;
        int err = buf_append(&hf->held, f->body);
        if (err)
            break_off(hf, err);
        else
            f->body = buf_str(&hf->held);
    }
}

static void on_end(void *owner, int err)
{
    struct h2_upstream *u = owner;
    on_settle(u);
    give_up(u, err, stream_facts(u->base.stream)->error);
}

static void on_drain(void *owner)
{
    struct h2_upstream *u = owner;
    if (!u->over) h2_go_on(u->h2);
}

static const struct stream_handler upstream_handler = {
    .on_data = on_data, .on_settle = on_settle, .on_end = on_end, .on_drain = on_drain};

/* --- what the owner does --- */

static void open_window(struct h2_fetch *hf, size_t n)
{
    hf->owed += n;
    if (hf->paused) return;
    h2_consume(&hf->stream, hf->owed);
    hf->owed = 0;
}

static void taken(struct fetch *f, size_t n)
{
    struct h2_fetch *hf = f->carrier;
    list_remove(&hf->touched);
    if (buf_len(&hf->held)) buf_clear(&hf->held); /* the caller uses them in this step */
    open_window(hf, n);
}

static void pause_window(struct fetch *f, bool paused)
{
    struct h2_fetch *hf = f->carrier;
    hf->paused = paused;
    open_window(hf, 0);
}

/* A peer that has not answered may have gone without a word. */
static void doubt(struct h2_upstream *u)
{
    if (now_of(u) - u->heard_us < SILENCE_US) return;
    list_remove(&u->open_link);
    h2_ping(u->h2);
}

static void end(struct fetch *f)
{
    struct h2_fetch *hf = f->carrier;
    struct h2_upstream *u = hf->upstream;
    if (!fetch_ended(f) && !u->over) doubt(u);
    f->ops = NULL;
    release(hf);
}

static void leave(struct fetch *f)
{
    end(f);
    f->carrier = NULL;
    f->body = STR_NULL;
}

static const struct fetch_ops fetch_ops = {
    .taken = taken, .pause = pause_window, .leave = leave, .end = end};

static int begin(struct h2_upstream *u, struct fetch *f)
{
    struct h2_fetch *hf = mem_try_zero(1, sizeof *hf);
    if (!hf) return -ENOMEM;
    hf->upstream = u;
    hf->fetch = f;
    list_init(&hf->touched);
    buf_init(&hf->held, STREAM_WINDOW * 2);
    h2_stream_init(&hf->stream, f->arena, REQUEST_MAX);
    list_push_back(&u->fetches, &hf->link);
    int err = h2_request(u->h2, &hf->stream, u->secure ? STR("https") : STR("http"), &f->request);
    if (err) {
        release(hf);
        return err;
    }
    f->ops = &fetch_ops;
    f->carrier = hf;
    f->reused = u->begun++ > 0;
    f->sent = true;
    f->last_read_us = now_of(u);
    u->base.busy = true;
    u->private = f->no_keep;
    if (u->private) list_remove(&u->open_link);
    fetch__move(f, FETCH_AWAIT);
    return 0;
}

bool h2__carry(struct http_pool *pool, struct fetch *f)
{
    LIST_EACH_SAFE(&pool->open, it, next)
    {
        struct h2_upstream *u = LIST_ITEM(it, struct h2_upstream, open_link);
        if (h2_room(u->h2) == 0) continue;
        int err = begin(u, f);
        if (err == ERR_FULL) continue;
        if (err)
            fetch__fail(f, err);
        else if (f->reused)
            metric_add(&f->client->stats.reuses, 1);
        return true;
    }
    return false;
}

int h2__open(struct http_client *c, struct http_pool *pool, struct stream *stream, bool secure)
{
    struct h2_upstream *u = mem_try_zero(1, sizeof *u);
    if (!u) return -ENOMEM;
    const struct h2_settings settings = {
        .limits = c->limits,
        .streams_max = STREAMS_MAX,
        .heads_max = STREAMS_MAX * c->limits.head_max,
        .stream_window = STREAM_WINDOW,
        .window = STREAMS_MAX * STREAM_WINDOW,
    };
    list_init(&u->fetches);
    list_init(&u->touched);
    task_init(&u->clean, run_clean);
    u->secure = secure;
    int err = h2_new(c->loop, stream, &settings, &events, u, &u->h2);
    if (err) {
        free(u);
        return err;
    }
    u->heard_us = loop_now(c->loop);
    upstream__join(&u->base, &upstream_ops, c, pool, stream);
    list_push_front(&pool->open, &u->open_link); /* whoever dialled it is the next to look */
    stream_set_handler(stream, &upstream_handler, u);
    stream_read(stream, true);
    note_idle(u);
    return 0;
}
