/* SPDX-License-Identifier: Apache-2.0 */
/* What all kinds of streams share: telling the handler, and then running what it woke. */
#include "loop/stream.h"

#include <string.h>

#include "loop/loop_priv.h"
#include "loop/stream_impl.h"

void stream_set_handler(struct stream *s, const struct stream_handler *handler, void *owner)
{
    s->handler = handler;
    s->owner = owner;
}

void stream_read(struct stream *s, bool on)
{
    if (s->reading == on) return;
    s->reading = on;
    s->ops->read(s, on);
}

void stream_read_into(struct stream *s, char *place, size_t len)
{
    s->place = place;
    s->place_len = len;
}

int stream_write(struct stream *s, const struct iovec *iov, unsigned count)
{
    int err = s->ops->write(s, iov, count);
    if (err) return err;
    for (unsigned i = 0; i < count; i++)
        s->written += iov[i].iov_len;
    if (s->ops->pending(s) > s->low_mark) s->above = true;
    return 0;
}

size_t stream_pending(const struct stream *s)
{
    return s->ops->pending(s);
}

void stream_set_low_mark(struct stream *s, size_t low)
{
    s->low_mark = low;
    s->above = s->ops->pending(s) > low;
    if (s->below) stream_set_low_mark(s->below, low);
}

static struct stream *bottom(struct stream *s)
{
    while (s->below)
        s = s->below;
    return s;
}

void stream_may_wait(struct stream *s, bool may)
{
    bottom(s)->may_wait = may;
}

void stream_set_spare(struct stream *s)
{
    bottom(s)->spare = true;
}

bool stream_is_spare(const struct stream *s)
{
    while (s->below)
        s = s->below;
    return s->spare;
}

uint64_t stream_drained(const struct stream *s)
{
    while (s->below)
        s = s->below;
    return s->written - s->ops->pending(s);
}

bool stream_is_open(const struct stream *s)
{
    return !s->opening;
}

const struct stream_facts *stream_facts(const struct stream *s)
{
    static const struct stream_facts nothing = {
        .alpn = STR_INIT(""), .server_name = STR_INIT(""), .peer_name = STR_INIT("")};
    return s && s->facts ? s->facts : &nothing;
}

static void close_stream(struct stream *s, bool reset)
{
    assert(!s->closed);
    s->closed = true;
    s->handler = NULL;
    s->ops->close(s, reset);
}

void stream_close(struct stream *s)
{
    close_stream(s, false);
}

void stream_close_reset(struct stream *s)
{
    close_stream(s, true);
}

struct str stream_peer(const struct stream *s)
{
    return str_of(s->peer);
}

void stream_tell_open(struct stream *s, int err)
{
    struct loop *l = s->loop;
    loop__enter(l);
    s->opening = false;
    if (s->handler && s->handler->on_open) s->handler->on_open(s->owner, err);
    loop_run_ready(l);
    loop__leave(l);
}

void stream_tell_data(struct stream *s, struct str bytes)
{
    struct loop *l = s->loop;
    loop__enter(l);
    s->place_len = 0;
    if (s->handler) s->handler->on_data(s->owner, bytes);
    loop_run_ready(l);
    if (!s->closed && s->handler && s->handler->on_settle) s->handler->on_settle(s->owner);
    loop_run_ready(l);
    loop__leave(l);
}

void stream_tell_end(struct stream *s, int err)
{
    struct loop *l = s->loop;
    loop__enter(l);
    if (s->handler) s->handler->on_end(s->owner, err);
    loop_run_ready(l);
    loop__leave(l);
}

void stream_tell_taken(struct stream *s)
{
    struct loop *l = s->loop;
    loop__enter(l);
    if (s->above && s->ops->pending(s) <= s->low_mark) {
        s->above = false;
        if (s->handler && s->handler->on_drain) s->handler->on_drain(s->owner);
    }
    loop_run_ready(l);
    loop__leave(l);
}
