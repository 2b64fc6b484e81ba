/* SPDX-License-Identifier: Apache-2.0 */
/* Python's str() and repr(). */
#ifndef HOSTLER_JINJA_PRINT_H
#define HOSTLER_JINJA_PRINT_H

#include "jinja/text.h"

enum { PRINT_DOUBLE_ROOM = 32 };

/* The shortest digits that read back as the same number, as repr() has them. */
struct str print_double(double real, char room[PRINT_DOUBLE_ROOM]);

MUST_CHECK int print_str(struct run *r, struct sink *s, const struct value *v);
MUST_CHECK int print_repr(struct run *r, struct sink *s, const struct value *v);

/* The value itself when it is a text. */
MUST_CHECK int value_to_text(struct run *r, const struct value *v, struct value *out);

#endif
