/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of a template while it renders. */
#ifndef HOSTLER_JINJA_MACRO_H
#define HOSTLER_JINJA_MACRO_H

#include "jinja/node.h"

/* The variables of one call of a function. */
struct activation {
    struct activation *outer; /* of the function around, where this one was made */
    struct value slots[];
};

struct macro {
    const struct function *function;
    struct activation *home;
};

static inline struct str macro_name(const struct macro *m)
{
    return m->function->name;
}

static inline struct value *macro_place(struct activation *here, struct place place)
{
    for (unsigned i = 0; i < place.outward; i++)
        here = here->outer;
    return &here->slots[place.slot];
}

#endif
