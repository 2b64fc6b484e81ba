/* SPDX-License-Identifier: Apache-2.0 */
#include "http/call.h"

#include "http/call_impl.h"

void call_read_body(struct http_call *c, size_t max)
{
    c->ops->read_body(c, max);
}

bool call_skip_body(struct http_call *c)
{
    return !c->ops->skip_body || c->ops->skip_body(c);
}

bool call_hold(struct http_call *c, size_t more)
{
    return c->ops->hold(c, more);
}

void call_begin(struct http_call *c, int status, const struct http_field *fields, unsigned count,
                uint64_t length)
{
    c->ops->begin(c, status, fields, count, length);
}

void call_write(struct http_call *c, const struct str *slices, unsigned count, bool last)
{
    c->ops->write(c, slices, count, last);
}

void call_flush(struct http_call *c)
{
    c->ops->write(c, NULL, 0, false);
}

void call_end(struct http_call *c)
{
    c->ops->end(c);
}

void call_abort(struct http_call *c)
{
    c->ops->abort(c, false);
}

void call_abort_reset(struct http_call *c)
{
    c->ops->abort(c, true);
}

void call_reply(struct http_call *c, int status, const struct http_field *fields, unsigned count,
                struct str body)
{
    c->task = NULL;
    call_begin(c, status, fields, count, body.len);
    call_write(c, &body, 1, true);
    call_end(c);
}

size_t call_pending(const struct http_call *c)
{
    return c->ops->pending(c);
}

const struct stream_facts *call_facts(const struct http_call *c)
{
    return c->ops->facts(c);
}

void call_set_low_mark(struct http_call *c, size_t low)
{
    c->ops->set_low_mark(c, low);
}
