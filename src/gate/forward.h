/* SPDX-License-Identifier: Apache-2.0 */
/* Heads on their way through: what of the client's goes to the upstream, what of the upstream's
 * to the client.
 *
 * Both by one list of what may pass (forward.c; docs/deployment.md says it for operators): what
 * is not on it ends here, so a header that nobody thought of cannot speak for the gateway to the
 * one side or for the runtime to the other. */
#ifndef HOSTLER_GATE_FORWARD_H
#define HOSTLER_GATE_FORWARD_H

#include "base/base.h"
#include "base/str.h"
#include "gate/handler.h"

/* The request for an endpoint but for its body; the fields are on the call's arena: what may
 * pass of the client's, JSON as the content type (the body was read as that), no content coding
 * accepted (the relay reads the answer), our x-request-id and Via, the endpoint's own key and
 * fields, and for an engine of our own whose request it is and how long it is of use.
 * `surface`: which of the endpoint's; the client's own path goes there where it is the client's.
 * -ENOMEM. */
MUST_CHECK int forward_request(struct exchange *x, const struct endpoint *e, enum surface surface,
                               struct http_request *r);

/* False when the answer under this head cannot be relayed, since we cannot tell what its bytes
 * are: an event stream in a content coding, or content types that differ. *why is then what the
 * runtime does, for "The runtime 'x' ...". */
bool forward_readable(const struct http_head *head, const char **why);

/* Whether what follows this head is a stream of events. */
bool forward_is_stream(const struct http_head *head);

/* An answer that is not the upstream's bytes. */
struct forward_made {
    struct str content_type;
    uint64_t length;    /* or HTTP_LENGTH_UNKNOWN */
    enum surface sent;  /* what the runtime was asked */
    struct str dropped; /* fields that the runtime did not get, "a, b"; empty: none */
};

/* Begins the client's answer with the upstream's head. Streams also tell proxies on the way not
 * to gather them. `made`: what follows is ours; NULL: the upstream's. -ENOMEM. */
MUST_CHECK int forward_response_head(struct exchange *x, const struct http_head *head,
                                     bool is_stream, const struct forward_made *made);

#endif
