/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of a model call: model_retry.c (what follows a failure), model_answer.c (what
 * follows a response head), model_call.c (the rest). */
#ifndef HOSTLER_GATE_MODEL_CALL_PRIV_H
#define HOSTLER_GATE_MODEL_CALL_PRIV_H

#include "base/buf.h"
#include "base/clock.h"
#include "gate/attempt.h"

/* In the order of life. */
#define MODEL_CALL_STATES(X) X(ADMIT) X(QUEUE) X(SEND) X(AWAIT) X(HOLD) X(GATHER) X(RELAY)

enum model_call_state {
#define X(name) MODEL_CALL_##name,
    MODEL_CALL_STATES(X)
#undef X
        MODEL_CALL_STATE_COUNT
};

struct model_call {
    enum model_call_state state;
    struct exchange *x;
    size_t fallbacks;           /* tried so far, those of the service asked for */
    struct admission admission; /* its service: the one asked for, or a fallback of it */
    struct waiter *waiter;      /* in QUEUE */
    uint64_t queued_us;         /* began to wait for a credit */
    uint64_t waited_us;         /* in queues, altogether */
    uint64_t alive_us;          /* when a client that waits for its stream was told so last */
    struct attempt attempt;
    /* HOLD: what came of a stream before its answer began; GATHER: an error, as it comes */
    struct buf held;
};

enum {
    HELD_MAX = 64 * 1024,        /* of `held` */
    HOLD_US = 10 * USEC_PER_SEC, /* the head of a stream is held back so long at most */
};

/* --- model_retry.c --- */

enum step model_call__go(struct model_call *m, enum model_call_state state);
const char *model_call__state_name(const struct model_call *m);

/* When the state has taken too long; 0: never. */
uint64_t model_call__due(const struct model_call *m);

/* The states in which a request is on its way. */
bool model_call__is_attempt(enum model_call_state s);

/* Goes on with the next fallback model that the key allows and that can be asked so. */
bool model_call__next_fallback(struct model_call *m);

/* We lack something ourselves: nobody else can help, and no endpoint is to blame. */
enum step model_call__lack(struct model_call *m, int err);

enum model_retry { RETRY_NO, RETRY_FALLBACK, RETRY_HERE };

/* Where one more attempt makes sense and is allowed: at another endpoint of the model, within
 * its retry budget (counted when it is granted), else at a fallback model, which is another
 * runtime and needs none. */
enum model_retry model_call__take_retry(struct model_call *m);

/* The same request to the same endpoint once more, which is no other attempt: nothing is known
 * against it. */
enum step model_call__send_again(struct model_call *m);

/* An attempt failed before the client got anything: goes where `retry` says and somebody is
 * there, else tells of it. `what`: a sentence's end behind the runtime's name. */
enum step model_call__failed(struct model_call *m, enum verdict verdict, uint64_t retry_after_us,
                             enum model_retry retry, const char *what);

/* The same, with whatever retry the table allows. */
enum step model_call__fail(struct model_call *m, enum verdict verdict, const char *what);

/* The same for a fetch that failed. */
enum step model_call__fetch_failed(struct model_call *m);

/* --- model_answer.c: the steps of an attempt --- */

enum step model_call__await(struct model_call *m);
enum step model_call__hold(struct model_call *m);
enum step model_call__gather(struct model_call *m);

#endif
