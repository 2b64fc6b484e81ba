/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluating expressions. */
#ifndef HOSTLER_JINJA_EXPRESSION_H
#define HOSTLER_JINJA_EXPRESSION_H

#include "jinja/node.h"
#include "jinja/text.h"

MUST_CHECK int expression_value(struct run *r, const struct node *n, struct value *out);

/* Writes str() of it to r->out, without making one text of what is put together first. */
MUST_CHECK int expression_print(struct run *r, const struct node *n);

/* A call node's value, with `caller` as one more named argument. */
MUST_CHECK int expression_call(struct run *r, const struct node *n, const struct value *caller,
                               struct value *out);

#endif
