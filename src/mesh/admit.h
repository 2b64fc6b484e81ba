/* SPDX-License-Identifier: Apache-2.0 */
/* Admission: a request gets a credit at an endpoint, waits for one, or learns that none will come.
 *
 *   admit_try --ADMIT_OK----> grant --> endpoint_report, endpoint_release
 *      |   \--ADMIT_NONE--> fall back, or answer 503 with Retry-After
 *   ADMIT_WAIT, or ADMIT_REST without a fallback
 *      v
 *   admit_wait --> WAITER_WAITING --woken--> WAITER_GRANTED --admit_take--> grant
 *                      |                  \-> WAITER_REFUSED --admit_cancel
 *                  admit_cancel (any state)
 *
 * Endpoints that answer badly are left out as long as others are there, full or not; a retry goes
 * to those without recent failures first. Credits are taken with one compare-and-swap against the
 * capacity, so there are never more in flight. The queue's mutex is taken only when requests
 * wait. Waiting costs no polling: whoever frees a credit hands it to the first waiter and posts
 * mail to that waiter's loop. */
#ifndef HOSTLER_MESH_ADMIT_H
#define HOSTLER_MESH_ADMIT_H

#include "base/base.h"
#include "base/rand.h"
#include "loop/loop.h"
#include "mesh/endpoint.h"
#include "mesh/service.h"

enum { TRIED_MAX = 8 };

/* Endpoints that an exchange has tried; when the list is full the oldest entry is overwritten.
 * Zeroed: none. */
struct tried {
    const struct endpoint_state *items[TRIED_MAX];
    unsigned count; /* ever added */
};

void tried_add(struct tried *t, const struct endpoint *e);
bool tried_has(const struct tried *t, const struct endpoint_state *s);

/* What a request asks for. */
struct admission {
    const struct service *service;
    uint32_t surfaces;    /* an endpoint must answer one of these (enum surface); 0: any will do */
    struct str only;      /* the name of the one endpoint that will do; empty: any */
    struct tried tried;   /* endpoints that are not to be tried again */
    int priority;         /* in the queue: higher first */
    uint64_t deadline_us; /* on the loop's clock; past it a waiter is passed over */
};

/* True when one of the service's endpoints answers one of the surfaces, up or not. */
bool admit_served(const struct service *s, uint32_t surfaces);

enum {
    ADMIT_OK = 0,
    ADMIT_WAIT = 1, /* all usable endpoints are full, or have yet to start */
    ADMIT_NONE = 2, /* every endpoint is down, cooling down or tried */
    ADMIT_REST = 3, /* as ADMIT_WAIT, but what is left asked for a pause: a fallback is better */
};

/* Tries to take a credit. ADMIT_OK: *out holds it. ADMIT_WAIT: processes that can be started
 * have been asked for. ADMIT_NONE: *retry_after_us is when the first cooldown ends, from now, 0
 * when no wait would help (all were tried). */
MUST_CHECK int admit_try(const struct admission *a, struct rng *rng, uint64_t now_us,
                         struct grant *out, uint64_t *retry_after_us);

/* Whether an endpoint that was not tried could serve a request now, or soon to one that waits. Only
 * a question: takes nothing, starts nothing. */
bool admit_hopeful(const struct admission *a, uint64_t now_us);

enum waiter_state { WAITER_WAITING, WAITER_GRANTED, WAITER_REFUSED };

/* A place in a service's queue. Heap-allocated by the mesh, used by the thread that called
 * admit_wait. */
struct waiter;

/* Queues behind those who wait already. ERR_FULL: queue_max wait. 0: *out is in WAITER_WAITING
 * and `task` is woken on `loop` once, later, when it is granted or refused. The waiter keeps a
 * reference on the service's snapshot. deadline_us: on the loop's clock; past it the waiter is
 * passed over, but its owner must cancel it (there is no timer here). */
MUST_CHECK int admit_wait(const struct admission *a, struct loop *loop, struct task *task,
                          uint64_t now_us, struct waiter **out);

enum waiter_state waiter_state(const struct waiter *w);

/* WAITER_REFUSED: as for ADMIT_NONE. */
uint64_t waiter_retry_after_us(const struct waiter *w);

/* WAITER_GRANTED only: moves the credit to *out and frees the waiter. */
void admit_take(struct waiter *w, struct grant *out);

/* Gives the place up in any state: the waiter is dead for its owner, `task` is not woken by it
 * any more, and a credit that was granted meanwhile goes to the next waiter. NULL is fine. */
void admit_cancel(struct waiter *w, uint64_t now_us);

#endif
