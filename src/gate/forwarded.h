/* SPDX-License-Identifier: Apache-2.0 */
/* What proxies in front tell of a request's way: X-Forwarded-For, -Proto, -Host and Forwarded
 * (RFC 7239). Believed of those proxies only that are configured; from anybody else, and what is
 * malformed, it counts for nothing. Pure functions. */
#ifndef HOSTLER_GATE_FORWARDED_H
#define HOSTLER_GATE_FORWARDED_H

#include "base/base.h"
#include "base/ip.h"
#include "base/str.h"
#include "http/message.h"
#include "mesh/settings.h"

enum forwarded_scheme { SCHEME_UNSAID, SCHEME_PLAIN, SCHEME_SECURE };

/* Zeroed: nobody has told anything. */
struct forwarded {
    bool known; /* `client` is set */
    /* the last address on the way that is no proxy of ours; where all are, the first */
    struct ip client;
    enum forwarded_scheme scheme; /* of the client's own connection */
    struct str host;   /* the name that the client asked for; ptr NULL: not told. Borrowed */
    bool host_unclear; /* several were told, or none that is a name */
};

/* Reads what the head says, where the peer of its connection ("127.0.0.1:4711" or "unix") is to be
 * believed. Both headers may be there: where they differ on the client or on how it came, it is not
 * known, and not secure, since most proxies write one of them and pass on whatever the client says
 * in the other. */
void forwarded_read(const struct http_head *head, struct str peer, const struct settings *s,
                    struct forwarded *out);

#endif
