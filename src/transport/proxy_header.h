/* SPDX-License-Identifier: Apache-2.0 */
/* What a proxy in front says of a connection before its first byte: the header of the PROXY
 * protocol, version 2 (HAProxy's doc/proxy-protocol.txt, section 2.2).
 *
 * A pure function of the bytes that have arrived. It believes them; whether the peer may say who
 * its client is, the caller has to know before it asks. */
#ifndef HOSTLER_TRANSPORT_PROXY_HEADER_H
#define HOSTLER_TRANSPORT_PROXY_HEADER_H

#include "base/base.h"
#include "base/ip.h"
#include "base/str.h"

/* The longest header that is taken: addresses and some 4 KB of what else proxies tell (TLS, ids
 * of networks), which is skipped. */
enum { PROXY_HEADER_MAX = 4096 };

enum proxy_header_outcome {
    PROXY_HEADER_MORE,    /* what there is may be the beginning of one */
    PROXY_HEADER_INVALID, /* this is none, whatever follows: `why` says what is wrong */
    PROXY_HEADER_LOCAL,   /* the connection is the proxy's own (a health check), or it cannot say
                           * whose it is: the connection's own addresses count */
    PROXY_HEADER_CLIENT,  /* source and destination are the client's connection */
};

struct proxy_header_end {
    struct ip address;
    uint16_t port;
};

struct proxy_header {
    size_t size; /* bytes of the header; what follows is the client's */
    struct proxy_header_end source;
    struct proxy_header_end destination;
    const char *why; /* static */
};

/* `bytes`: all that has arrived, from the connection's first byte on; more than PROXY_HEADER_MAX
 * need never be kept for it. Of *out, what the outcome says is set. */
enum proxy_header_outcome proxy_header_parse(struct str bytes, struct proxy_header *out);

#endif
