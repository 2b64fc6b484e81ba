/* SPDX-License-Identifier: Apache-2.0 */
/* What a request for a response goes on from, and its answer kept for those that will go on from
 * it. One thread's. */
#ifndef HOSTLER_GATE_HISTORY_H
#define HOSTLER_GATE_HISTORY_H

#include "dialect/responses/responses.h"
#include "gate/archive.h"
#include "gate/attempt.h"

struct history {
    struct responses_wants wants;
    struct archived *previous;                   /* one reference, or NULL */
    struct archived *named[RESPONSES_WANTS_MAX]; /* likewise */
    struct responses_past past;
    bool found;      /* it refers to what is kept here */
    struct str only; /* it refers to what this endpoint keeps; empty: to none such */
};

/* Looks for what the request of x refers to. *out is on the call's arena, NULL where the request is
 * none for a response. -ENOMEM. */
MUST_CHECK int history_open(struct exchange *x, struct history **out);

/* What is kept of a response; one reference, or NULL. */
struct archived *history_find(struct exchange *x, struct str id);

/* Keeps the answer of an attempt, which is complete, where that is wanted: all of it, or where the
 * runtime does so itself, or still works on it, only whose it is. */
void history_keep(struct history *h, struct attempt *a);

void history_close(struct history *h); /* NULL is fine */

#endif
