/* SPDX-License-Identifier: Apache-2.0 */
/* Heads on their way through: what of the client's goes to the upstream, what of the upstream's to the client. */
#ifndef HOSTLER_GATE_FORWARD_H
#define HOSTLER_GATE_FORWARD_H

#include "base/base.h"
#include "base/str.h"
#include "gate/exchange.h"

/* The request head for an endpoint, on the call's arena. The client's headers go along but for those of the connection
 * (RFC 9110 section 7.6.1), its credentials, cookies and accept-encoding; x-request-id and the endpoint's own key come in.
 * body_len bytes of body follow. */
struct str forward_request_head(struct exchange *x, const struct endpoint *e, size_t body_len);

/* Begins the client's answer with the upstream's head, and sets up the relay. */
void forward_response_head(struct exchange *x, const struct http_head *head);

#endif
