/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of TLS on other streams.
 *
 * They are streams as any (loop/stream.h): opening until the handshake is over, which the holder
 * limits in time; stream_facts tells what was agreed on and who the peer is. A peer that ends
 * without TLS's own farewell is an ERR_CUT of on_end, since somebody on the way may have done that.
 * Belongs to the loop's thread. */
#ifndef HOSTLER_TRANSPORT_TLS_H
#define HOSTLER_TRANSPORT_TLS_H

#include "loop/stream.h"
#include "transport/tls_context.h"

/* Puts TLS onto accepted streams and hands them on. */
struct tls_acceptor {
    struct acceptor acceptor;
    struct acceptor *next;
    struct tls_context *context; /* the owner's reference */
};

void tls_acceptor_init(struct tls_acceptor *a, struct tls_context *context, struct acceptor *next);

/* What is offered to the server (RFC 7301). */
enum tls_alpn { TLS_ALPN_H2_OR_H1, TLS_ALPN_H1, TLS_ALPN_H2 };

/* The client's side on `below`, a dialled stream, which it takes over; the server must prove to be
 * `name`, a host or a literal address, unless the context does not verify. -ENOMEM: `below` is
 * closed. on_open may fail with ERR_TLS or ERR_CERTIFICATE; stream_facts tells the reason. */
MUST_CHECK int tls_connect(struct stream *below, struct tls_context *context, struct str name,
                           enum tls_alpn alpn, struct stream **out);

#endif
