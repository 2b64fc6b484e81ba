/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of an attempt on its way to the client. */
#ifndef HOSTLER_GATE_ANSWER_H
#define HOSTLER_GATE_ANSWER_H

#include "base/clock.h"
#include "gate/attempt.h"

/* Begins the client's answer with the runtime's head, for which the relay was set up. `length`: of
 * an answer that is made here; HTTP_LENGTH_UNKNOWN: not known, or the runtime's. -ENOMEM. */
MUST_CHECK int answer_begin(struct attempt *a, uint64_t length);

enum { PING_US = 15 * USEC_PER_SEC }; /* how long a stream may be quiet */

/* Gives the client the last of its answer, which is complete. */
enum step answer_whole(struct attempt *a, const struct str *out, unsigned n);

/* When the client of a quiet stream must hear that it is alive; 0: never. */
uint64_t answer_ping_due(const struct attempt *a);

/* Relays what has come since the last time. */
enum step answer_relay(struct attempt *a);

/* Passes what the relay gave on to the client, and ends the answer where it ends. */
enum step answer_pass(struct attempt *a, const struct str *out, unsigned n);

/* The answer cannot be completed: tells a stream's client in its own dialect, cuts everything
 * else. */
enum step answer_break(struct attempt *a, enum verdict verdict, enum outcome outcome,
                       const char *what);

#endif
