/* SPDX-License-Identifier: Apache-2.0 */
/* Work that another thread does for an exchange, which waits for it and may leave meanwhile. */
#ifndef HOSTLER_GATE_ERRAND_H
#define HOSTLER_GATE_ERRAND_H

#include "gate/handler.h"

/* On the heap; embedded in what it brings back. */
struct errand {
    struct mail mail;
    struct loop *home;              /* where the exchange runs */
    struct exchange *x;             /* NULL: it has ended meanwhile */
    bool done;                      /* the work is done and the result is back */
    void (*work)(struct errand *e); /* runs on the other thread, once */
    void (*free)(struct errand *e);
};

/* Sends `e` to the thread of `where`, with both functions set. When it is done, the exchange's
 * task is woken. */
void errand_start(struct errand *e, struct exchange *x, struct loop *where);

/* The exchange wants it no more: frees it, now or when it comes back. NULL is fine. */
void errand_leave(struct errand *e);

#endif
