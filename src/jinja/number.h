/* SPDX-License-Identifier: Apache-2.0 */
/* Python's operators, order of values, and numbers in texts. */
#ifndef HOSTLER_JINJA_NUMBER_H
#define HOSTLER_JINJA_NUMBER_H

#include "jinja/operator.h"
#include "jinja/value.h"

/* a op b. A text % something is formatted. ERR_INVALID where Python has a TypeError and the like;
 * ERR_TOO_LARGE beyond 64 bits. */
MUST_CHECK int number_binary(struct run *r, enum binary op, const struct value *a,
                             const struct value *b, struct value *out);

MUST_CHECK int number_negate(struct run *r, const struct value *v, struct value *out);

/* The sign of a - b. ERR_INVALID: Python knows no order of these types. */
MUST_CHECK int value_order(struct run *r, const struct value *a, const struct value *b, int *out);

/* int(): the whole text in base 2..36, or by its prefix in base 0. NUMBER_NONE: it is none. */
enum { NUMBER_NONE = 1 };
MUST_CHECK int number_of_text(struct run *r, struct str s, int base, struct value *out);
bool number_float_of_text(struct str s, double *out); /* float() */

/* int() of a float. */
MUST_CHECK int number_truncate(struct run *r, double real, struct value *out);

#endif
