/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of an exchange share: exchange.c (its life), attempt.c (one request to an endpoint), answer.c (the answer on
 * its way to the client). */
#ifndef HOSTLER_GATE_EXCHANGE_PRIV_H
#define HOSTLER_GATE_EXCHANGE_PRIV_H

#include "base/clock.h"
#include "gate/exchange.h"

/* The head of a stream is held back so long at most. */
enum { EXCHANGE_HOLD_US = 10 * USEC_PER_SEC };

static inline uint64_t exchange__now(const struct exchange *x)
{
    return loop_now(x->worker->loop);
}

static inline const struct conf *exchange__conf(const struct exchange *x)
{
    return snapshot_conf(x->snapshot);
}

static inline enum step exchange__go(struct exchange *x, enum exchange_state state)
{
    x->state = state;
    return STEP_NEXT;
}

/* --- exchange.c --- */

/* Ends an exchange whose answer was given (or has been cut). The memory of x goes with the call. */
enum step exchange__finish(struct exchange *x, enum outcome outcome);

/* The verdict on the attempt, once: the first one counts. `what`: the failure in words, or NULL. */
void exchange__report(struct exchange *x, enum verdict verdict, uint64_t retry_after_us,
                      const char *what);

/* Gives back what an attempt holds. Its verdict must have been reported, or none is due. */
void exchange__end_attempt(struct exchange *x);

void exchange__leave_queue(struct exchange *x);

/* How long all of it may take from now on; 0: no limit. What the client says it will wait shortens it. */
void exchange__set_total(struct exchange *x, uint64_t total_us);

/* When the attempt must have brought its first byte. */
uint64_t exchange__first_byte_deadline(const struct exchange *x);

/* When the current phase of the attempt has taken too long; 0: never. */
uint64_t exchange__phase_deadline(const struct exchange *x);

/* --- attempt.c --- */

enum step exchange__admit(struct exchange *x);
enum step exchange__queue(struct exchange *x);
enum step exchange__send(struct exchange *x);
enum step exchange__await(struct exchange *x);
enum step exchange__hold(struct exchange *x);

/* --- answer.c --- */

enum step exchange__relay(struct exchange *x);

/* Feeds the relay. `last`: no more bytes will come. */
unsigned exchange__feed(struct exchange *x, struct str bytes, bool last,
                        struct str out[RELAY_SLICES]);

/* The first piece of a stream's answer is there. */
void exchange__note_begin(struct exchange *x);

/* Begins the client's answer with the runtime's head. */
void exchange__begin_answer(struct exchange *x);

/* Passes what relay_feed gave on to the client, and ends the answer where it ends. */
enum step exchange__pass(struct exchange *x, const struct str *out, unsigned n);

/* Where the last attempt failed by what the runtime sent: says which rule it breaks, in a line of the log. */
void exchange__log_protocol(const struct exchange *x);

/* The answer cannot be completed: tell a stream's client in its own dialect, cut everything else. */
enum step exchange__break_answer(struct exchange *x, enum verdict verdict, enum outcome outcome,
                                 const char *what);

#endif
