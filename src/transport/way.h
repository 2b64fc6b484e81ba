/* SPDX-License-Identifier: Apache-2.0 */
/* How a peer is reached: its address, and what is spoken on the way there. */
#ifndef HOSTLER_TRANSPORT_WAY_H
#define HOSTLER_TRANSPORT_WAY_H

#include "base/arena.h"
#include "loop/stream.h"
#include "transport/tls.h"

/* Which HTTP is spoken. */
enum way_http {
    WAY_HTTP_ANY, /* by TLS what the peer prefers, else HTTP/1.1 */
    WAY_HTTP_1,
    WAY_HTTP_2, /* without TLS, too: "with prior knowledge" (RFC 9113 section 3.3) */
};

/* Borrows everything. */
struct way {
    struct addr addr;
    struct tls_context *tls; /* NULL: plain */
    struct str tls_name;     /* whom the peer's certificate must be for */
    enum way_http http;
};

/* Dials; on_open of the stream tells how all of it went. */
MUST_CHECK int way_dial(struct loop *l, const struct way *way, struct stream **out);

/* Equal for ways that lead to the same peer in the same manner, on the arena: names a pool of
 * connections. */
struct str way_key(struct arena *arena, const struct way *way);

#endif
