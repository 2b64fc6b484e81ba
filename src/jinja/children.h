/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes right below an expression, in the order they stand in. */
#ifndef HOSTLER_JINJA_CHILDREN_H
#define HOSTLER_JINJA_CHILDREN_H

#include "jinja/node.h"

typedef int (*visit_fn)(void *context, struct node *n);

/* Ends with the first visit that gives anything but 0, and gives that. */
MUST_CHECK int children_visit(struct node *n, visit_fn visit, void *context);

#endif
