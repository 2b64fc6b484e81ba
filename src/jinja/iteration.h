/* SPDX-License-Identifier: Apache-2.0 */
/* What `loop` is within a for: where it is, what comes next. */
#ifndef HOSTLER_JINJA_ITERATION_H
#define HOSTLER_JINJA_ITERATION_H

#include "jinja/args.h"
#include "jinja/text.h"
#include "jinja/walk.h"

struct node;

/* The next member that the loop's test lets through: 0, WALK_END. */
typedef int (*iteration_next_fn)(struct run *r, struct iteration *loop, struct value *out);

struct iteration {
    struct walk walk;
    iteration_next_fn next;
    const struct node *node;
    struct activation *home; /* what the loop's variables are in */
    int64_t index0;          /* -1 before the first one */
    int64_t length;          /* -1: not known yet */
    unsigned depth0;         /* recursive calls around */
    bool peeked, ended;      /* `after` is known; there is none */
    struct value before, current, after;
    struct value changed; /* what changed() was last given; KIND_MISSING */
};

/* Makes the next member the current one; WALK_END. */
MUST_CHECK int iteration_advance(struct run *r, struct iteration *loop);

/* KIND_MISSING: it has no such attribute. */
MUST_CHECK int iteration_attribute(struct run *r, struct iteration *loop, struct str name,
                                   struct value *out);

const struct builtin *iteration_method(struct str name); /* NULL: none */

MUST_CHECK int iteration_print(struct run *r, struct sink *s, struct iteration *loop);

#endif
