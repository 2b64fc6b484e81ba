/* SPDX-License-Identifier: Apache-2.0 */
/* The exchange: one client request and its answer, through its whole life (ARCHITECTURE.md shows
 * the states).
 *
 * It finds out who asks, reads the body and judges it; then the route's handler answers. One
 * thread's. */
#ifndef HOSTLER_GATE_EXCHANGE_H
#define HOSTLER_GATE_EXCHANGE_H

#include "gate/handler.h"

/* Begins an exchange for a call whose head is complete, or cannot be read. */
void exchange_start(struct lane *l, struct http_call *call);

/* --- for handlers --- */

/* Ends an exchange whose answer was given (or has been cut). The memory of x goes with the call. */
enum step exchange_finish(struct exchange *x, enum outcome outcome);

/* Answers with an error in the dialect's shape and ends the exchange. retry_after_us 0: no
 * header. */
enum step exchange_refuse(struct exchange *x, enum outcome outcome, const struct refusal *why,
                          uint64_t retry_after_us);

/* Begins the client's stream before there is anything of an answer, so that it can be told that it
 * is waited for: from here on a refusal is an error event. */
void exchange_begin_stream(struct exchange *x);

/* The refusal of what must end before it is done. */
enum step exchange_refuse_cut(struct exchange *x, enum cut why);

/* Answers with a body of ours and ends the exchange. */
enum step exchange_reply(struct exchange *x, enum outcome outcome, int status,
                         struct str content_type, struct str body);

/* The same with more headers, EXCHANGE_MORE_MAX at most. Their texts live as long as the call. */
enum { EXCHANGE_MORE_MAX = 4 };
enum step exchange_reply_with(struct exchange *x, enum outcome outcome, int status,
                              struct str content_type, const struct http_field *more,
                              unsigned count, struct str body);

/* How long all of it may take from its beginning; 0: no limit. What the client says it will wait
 * shortens it. */
void exchange_set_total(struct exchange *x, uint64_t total_us);

/* The client has something of its answer: what it said it would wait does not count any more. */
void exchange_end_patience(struct exchange *x);

/* The exchange is about that service from here on. */
void exchange_ask(struct exchange *x, const struct service *s);

/* Another handler goes on with it. */
enum step exchange_pass_on(struct exchange *x, const struct handler *to);

/* Ends the exchange with 503, since there is no memory for what it asks. */
enum step exchange_lack_memory(struct exchange *x);

/* True when the client's key allows the service by the name that was asked for, or by its own. */
bool exchange_may_ask(const struct exchange *x, struct str name, const struct service *s);

/* True when the client's key allows the service under any of its names: what names it here need
 * not be what the key's list has. */
bool exchange_may_use(const struct exchange *x, const struct service *s);

#endif
