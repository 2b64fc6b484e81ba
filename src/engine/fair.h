/* SPDX-License-Identifier: Apache-2.0 */
/* Which tenant is served next when they want more than there is: start-time fair queueing (Goyal,
 * Vin and Cheng 1996) over tokens.
 *
 * A tenant's virtual time is the tokens that were computed for it. When one of its sequences gets a
 * slot, what that will take is paid ahead as well as it is known, so that slots which come free
 * together do not all go to one tenant; what was too much comes back with the slot. Of those that
 * wait the tenant with the least time is next. A tenant that begins to wait is set to the time at
 * which the last one was served, unless it is ahead of that: what it did not use is not saved up.
 *
 * So of two tenants that wait all the time neither gets more tokens than the other by more than
 * twice what all slots can hold, however long that goes on and however many requests either has.
 *
 * Within a tenant the class counts, which is worth FAIR_CLASS_US of waiting: a sequence is passed by
 * none that came later than that for each class that it lacks.
 *
 * No clock and no model: times and tokens are told. The scheduler's thread. */
#ifndef HOSTLER_ENGINE_FAIR_H
#define HOSTLER_ENGINE_FAIR_H

#include "base/base.h"
#include "base/clock.h"
#include "base/list.h"

enum {
    /* Tenants that are known at once, those without a name being one of them. The idle one with the
     * least time makes room; when none is idle, a new one shares the account of those without. */
    FAIR_TENANTS = 256,
    FAIR_CLASS_TOP = 9, /* the highest one; 0 is the lowest */
    FAIR_CLASS_STANDARD = 5,
    FAIR_CLASS_US = 10 * USEC_PER_SEC,
    FAIR_ANSWER = 128, /* tokens that a tenant's first answer is taken to have */
};

struct fair_tenant {
    uint64_t id;
    uint64_t time; /* its virtual time, in tokens */
    uint64_t
        served; /* which serving of all its last one was: of equals the one longest ago is next */
    uint32_t members;    /* accounts that it has */
    double answer;       /* tokens of its answers, smoothed */
    struct list waiting; /* what waits for it, in the caller's order; the caller's */
};

/* Must not be moved. */
struct fair {
    struct fair_tenant tenants[FAIR_TENANTS]; /* the first is of those without a name */
    unsigned count;                           /* of them that have been used */
    uint64_t time;                            /* at which the last one was served */
    uint64_t servings;
};

/* What one sequence has with its tenant. */
struct fair_account {
    struct fair_tenant *tenant;
    uint32_t ahead; /* tokens that are paid ahead, while it has a slot */
};

void fair_init(struct fair *f);

/* Opens an account for a sequence of tenant `id`; 0: nobody was named. */
void fair_open(struct fair *f, struct fair_account *a, uint64_t id);

/* The sequence is about to wait for a slot. `alone`: no other one of its tenant does, for one that
 * is on the list and could not use a slot now does not count: the tenant saves nothing up by it. */
void fair_wait(struct fair *f, struct fair_account *a, bool alone);

/* The tenant whose turn is next behind that of `after` (NULL: the very next), of those that have
 * something on their lists; NULL: none. The order is the same until one is served or computed
 * for. */
struct fair_tenant *fair_next(struct fair *f, const struct fair_tenant *after);

/* It gets a slot, and will take so many tokens, and those of an answer of at most `answer_max`. */
void fair_serve(struct fair *f, struct fair_account *a, uint32_t tokens, uint32_t answer_max);

/* So many tokens were computed for it. */
void fair_compute(struct fair_account *a, uint32_t tokens);

/* It gives the slot back; without one nothing happens. */
void fair_give_back(struct fair_account *a);

/* It has ended, with so many tokens of an answer. */
void fair_close(struct fair_account *a, uint32_t answered);

/* When a sequence counts as having come, which orders those of one tenant. `class`: 0 to
 * FAIR_CLASS_TOP. */
uint64_t fair_rank_us(uint64_t came_us, unsigned class);

#endif
