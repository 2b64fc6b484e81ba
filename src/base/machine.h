/* SPDX-License-Identifier: Apache-2.0 */
/* State machines whose allowed moves stand in a table: one that is not in it is our own bug. */
#ifndef HOSTLER_BASE_MACHINE_H
#define HOSTLER_BASE_MACHINE_H

#include "base/base.h"

/* Up to 32 states, numbered from 0. Constant data. */
struct machine {
    const char *name;
    unsigned count;           /* how many states */
    const char *const *names; /* how they are called */
    const uint32_t *moves;    /* from each state: the set of those that may follow, a bit each */
};

#define MACHINE_BIT(state) (UINT32_C(1) << (state))

static inline bool machine_allows(const struct machine *m, unsigned from, unsigned to)
{
    return from < m->count && to < m->count && (m->moves[from] & MACHINE_BIT(to));
}

/* The state to be in now. Aborts where the table does not allow the move. */
static inline unsigned machine_move(const struct machine *m, unsigned from, unsigned to)
{
    assert(machine_allows(m, from, to));
    return to;
}

#endif
