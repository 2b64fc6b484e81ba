/* SPDX-License-Identifier: Apache-2.0 */
/* What an ended exchange leaves behind: counters and one log line. */
#ifndef HOSTLER_GATE_ACCOUNT_H
#define HOSTLER_GATE_ACCOUNT_H

#include "gate/handler.h"

/* Once per exchange, whose outcome and status are set. `h`: its handler, or NULL where it had
 * none yet. `state`: the name of the state in which it ended. */
void account(struct exchange *x, const struct handler *h, const char *state);

/* A further piece of a stream has come, the one before at *last_us, which is moved on. */
void account_piece(struct exchange *x, uint64_t *last_us);

#endif
