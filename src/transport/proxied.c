/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/proxied.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "loop/stream_filter.h"
#include "transport/proxy_header.h"

/* What each header begins with. */
static const struct str signature = STR_INIT("\r\n\r\n\0\r\nQUIT\n");

static bool may_begin(struct str bytes)
{
    return str_starts(signature, str_sub(bytes, 0, MIN(bytes.len, signature.len)));
}

static void name_peer(struct filter *f, const struct proxy_header_end *source)
{
    char room[IP_TEXT_ROOM];
    struct str text = ip_text(&source->address, room);
    bool v6 = str_find_char(text, ':') >= 0;
    (void)snprintf(f->base.peer, sizeof f->base.peer, v6 ? "[%.*s]:%u" : "%.*s:%u", STR_ARG(text),
                   source->port);
}

static void read_header(struct filter *f)
{
    struct proxy_header header = {0};
    if (filter_input(f).len == 0) return;
    if (!may_begin(filter_input(f))) {
        filter_open(f, 0);
        return;
    }
    switch (proxy_header_parse(filter_input(f), &header)) {
    case PROXY_HEADER_MORE: return;
    case PROXY_HEADER_INVALID: filter_open(f, ERR_PROTOCOL); return;
    case PROXY_HEADER_CLIENT: name_peer(f, &header.source); break;
    case PROXY_HEADER_LOCAL: break;
    }
    filter_used(f, header.size);
    filter_open(f, 0);
}

/* Bytes stay where they are, unless the holder has a place for them. */
static void pass(struct filter *f)
{
    struct str bytes = filter_input(f);
    if (f->base.place_len) {
        bytes.len = MIN(bytes.len, f->base.place_len);
        memcpy(f->base.place, bytes.ptr, bytes.len);
        bytes.ptr = f->base.place;
    }
    stream_tell_data(&f->base, bytes);
    if (!f->base.closed) filter_used(f, bytes.len);
}

static void proxied_input(struct filter *f)
{
    if (f->base.opening) read_header(f);
    while (!f->base.opening && filter_wants(f) && filter_input(f).len)
        pass(f);
}

static void proxied_opened(struct filter *f, int err)
{
    if (err) filter_open(f, err);
}

static void proxied_ended(struct filter *f, int err)
{
    if (f->base.opening)
        filter_open(f, err);
    else
        stream_tell_end(&f->base, err);
}

static int proxied_write(struct stream *s, const struct iovec *iov, unsigned count)
{
    return stream_write(s->below, iov, count);
}

static void proxied_farewell(struct filter *f UNUSED, bool reset UNUSED)
{
}

static void proxied_release(struct filter *f)
{
    free(f);
}

static const struct stream_ops stream_ops = FILTER_STREAM_OPS(proxied_write);

static const struct filter_ops filter_ops = {
    .opened = proxied_opened,
    .input = proxied_input,
    .ended = proxied_ended,
    .farewell = proxied_farewell,
    .release = proxied_release,
};

static bool is_trusted(const struct proxied_acceptor *a, struct str peer)
{
    struct ip address;
    if (str_eq(peer, STR("unix"))) return a->trusts_unix;
    if (a->trusted_count == 0 || ip_parse_node(peer, &address)) return false;
    return ip_networks_have(a->trusted, a->trusted_count, &address);
}

static void accept_proxied(struct acceptor *acceptor, struct stream *s)
{
    struct proxied_acceptor *a = CONTAINER_OF(acceptor, struct proxied_acceptor, acceptor);
    if (!is_trusted(a, stream_peer(s))) {
        a->next->accept(a->next, s);
        return;
    }
    struct filter *f = mem_try(sizeof *f);
    if (!f) {
        stream_close(s);
        return;
    }
    filter_init(f, &stream_ops, &filter_ops, s);
    a->next->accept(a->next, &f->base);
}

void proxied_acceptor_init(struct proxied_acceptor *a, struct acceptor *next)
{
    *a = (struct proxied_acceptor){.acceptor.accept = accept_proxied, .next = next};
}
