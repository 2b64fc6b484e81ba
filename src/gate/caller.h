/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asking, as far as a request's head and connection tell. Pure functions. */
#ifndef HOSTLER_GATE_CALLER_H
#define HOSTLER_GATE_CALLER_H

#include "base/base.h"
#include "base/str.h"
#include "gate/forwarded.h"
#include "http/message.h"
#include "http/server.h"

/* The API key that a head presents (Authorization: Bearer, x-api-key, api-key), or ptr NULL.
 * Borrowed from the head. ERR_DUPLICATE: different keys; a proxy that looked at one of them
 * would not know who we think it is. */
MUST_CHECK int caller_key(const struct http_head *head, struct str *out);

/* True for names of this machine: localhost or below it (RFC 6761: nobody else can own such a
 * name), [::1], 127.x.y.z, or one of `hosts`; with or without port. */
bool caller_is_local_name(struct str host, const struct str *hosts, size_t host_count);

/* Without keys, only who asks for a name of this machine is answered: a web site that made its own
 * name resolve to 127.0.0.1 (DNS rebinding) still sends that as Host. What a proxy tells of the
 * name that its client asked for must be local as well, and cannot replace Host: a page may send
 * such a header, too. A UNIX socket cannot be reached by a name. */
bool caller_asks_local(const struct http_call *call, const struct forwarded *way,
                       const struct settings *s);

#endif
