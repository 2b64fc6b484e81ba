/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/way.h"

static enum tls_alpn alpn_of(enum way_http http)
{
    switch (http) {
    case WAY_HTTP_1: return TLS_ALPN_H1;
    case WAY_HTTP_2: return TLS_ALPN_H2;
    case WAY_HTTP_ANY: break;
    }
    return TLS_ALPN_H2_OR_H1;
}

int way_dial(struct loop *l, const struct way *way, struct stream **out)
{
    struct stream *below;
    int err = loop_dial(l, &way->addr, &below);
    if (err) return err;
    if (way->tls) return tls_connect(below, way->tls, way->tls_name, alpn_of(way->http), out);
    *out = below;
    return 0;
}

static struct str address_key(struct arena *arena, const struct addr *a)
{
    if (a->is_unix) return arena_printf(arena, "unix:%" STR_FMT, STR_ARG(a->path));
    return arena_printf(arena, "%" STR_FMT ":%u", STR_ARG(a->host), a->port);
}

struct str way_key(struct arena *arena, const struct way *way)
{
    struct str address = address_key(arena, &way->addr);
    if (!way->tls && way->http != WAY_HTTP_2) return address;
    unsigned long long context = way->tls ? tls_context_number(way->tls) : 0;
    return arena_printf(arena, "%" STR_FMT " %d %llu %" STR_FMT, STR_ARG(address), (int)way->http,
                        context, STR_ARG(way->tls_name));
}
