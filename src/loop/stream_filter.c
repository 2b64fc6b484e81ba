/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/stream_filter.h"

#include <errno.h>
#include <string.h>

/* What is held while the holder does not read: no more than what had been received when it stopped,
 * since the stream below is stopped with it. */
#define HELD_MAX ((size_t)1 << 20)

static struct filter *of(struct stream *s)
{
    return CONTAINER_OF(s, struct filter, base);
}

static void end(struct filter *f)
{
    if (f->end_told || f->base.closed) return;
    f->end_told = true;
    f->ops->ended(f, f->end_err);
}

/* Offers what there is; what comes of it may close the filter, which stays in memory until the
 * loop is out of all handlers. */
static void offer(struct filter *f)
{
    if (filter_wants(f)) f->ops->input(f);
    if (f->end_err && f->input.len == 0 && filter_wants(f)) end(f);
}

void filter_used(struct filter *f, size_t n)
{
    assert(n <= f->input.len);
    f->input = str_skip(f->input, n);
    if (f->input.len == 0) f->input = STR_NULL;
    if (buf_len(&f->held) == 0) return;
    buf_consume(&f->held, n);
    if (buf_len(&f->held) == 0) buf_release(&f->held);
}

void filter_open(struct filter *f, int err)
{
    stream_tell_open(&f->base, err);
    if (!f->base.closed && !f->end_err) stream_read(f->base.below, f->base.reading);
}

static void on_open(void *owner, int err)
{
    struct filter *f = owner;
    memcpy(f->base.peer, f->base.below->peer, sizeof f->base.peer); /* it may know better now */
    f->ops->opened(f, err);
    if (!err && !f->base.closed) stream_read(f->base.below, true);
}

static int hold(struct filter *f, struct str bytes)
{
    int err = buf_append(&f->held, bytes);
    f->input = buf_str(&f->held);
    return err;
}

static void on_data(void *owner, struct str bytes)
{
    struct filter *f = owner;
    int err = 0;
    if (f->input.len)
        err = hold(f, bytes);
    else
        f->input = bytes;
    if (err) f->end_err = err;
    offer(f);
}

static void on_settle(void *owner)
{
    struct filter *f = owner;
    if (f->base.closed || f->input.len == 0 || buf_len(&f->held)) return;
    int err = hold(f, f->input);
    if (!err) return;
    f->input = STR_NULL;
    f->end_err = err;
    end(f);
}

static void on_end(void *owner, int err)
{
    struct filter *f = owner;
    if (!f->end_err) f->end_err = err;
    offer(f);
}

static void on_drain(void *owner)
{
    struct filter *f = owner;
    stream_tell_taken(&f->base);
}

static const struct stream_handler below_handler = {
    .on_open = on_open,
    .on_data = on_data,
    .on_settle = on_settle,
    .on_end = on_end,
    .on_drain = on_drain,
};

static void run_resume(struct task *task)
{
    struct filter *f = CONTAINER_OF(task, struct filter, resume);
    if (!f->base.closed) {
        offer(f);
        return;
    }
    buf_fini(&f->held);
    f->ops->release(f);
}

void filter_init(struct filter *f, const struct stream_ops *stream_ops,
                 const struct filter_ops *ops, struct stream *below)
{
    *f = (struct filter){
        .base = {.ops = stream_ops, .loop = below->loop, .below = below, .opening = true},
        .ops = ops,
    };
    memcpy(f->base.peer, below->peer, sizeof f->base.peer);
    buf_init(&f->held, HELD_MAX);
    task_init(&f->resume, run_resume);
    stream_set_handler(below, &below_handler, f);
    if (stream_is_open(below)) stream_read(below, true);
}

void filter_resume(struct filter *f)
{
    loop_defer(f->base.loop, &f->resume);
}

void filter__read(struct stream *s, bool on)
{
    struct filter *f = of(s);
    if (s->opening) return; /* the handshake reads */
    if (!f->end_err) stream_read(s->below, on);
    if (on) filter_resume(f);
}

size_t filter__pending(const struct stream *s)
{
    return stream_pending(s->below);
}

void filter__close(struct stream *s, bool reset)
{
    struct filter *f = of(s);
    f->ops->farewell(f, reset);
    task_cancel(&f->resume);
    if (reset)
        stream_close_reset(s->below);
    else
        stream_close(s->below);
    s->below = NULL;
    loop_defer(s->loop, &f->resume);
}
