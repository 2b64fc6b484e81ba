/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that a proxy in front has introduced by the PROXY protocol, version 2.
 *
 * Peers in trusted networks may begin with such a header, which then says whose the connection is:
 * stream_peer tells it. They need not: what does not begin like one passes as it is, since neither
 * HTTP nor TLS can. Others are not looked at. Belongs to the loop's thread. */
#ifndef HOSTLER_TRANSPORT_PROXIED_H
#define HOSTLER_TRANSPORT_PROXIED_H

#include "base/ip.h"
#include "loop/stream.h"

/* In front of what TLS or HTTP accepts. Who embeds it may change what is trusted between events. */
struct proxied_acceptor {
    struct acceptor acceptor;
    struct acceptor *next;
    const struct ip_network *trusted; /* borrowed */
    size_t trusted_count;
    bool trusts_unix; /* peers on UNIX sockets */
};

void proxied_acceptor_init(struct proxied_acceptor *a, struct acceptor *next);

#endif
