/* SPDX-License-Identifier: Apache-2.0 */
/* Texts made after a pattern: the operator % and str.format. */
#ifndef HOSTLER_JINJA_FORMAT_H
#define HOSTLER_JINJA_FORMAT_H

#include "jinja/value.h"

/* pattern % v, where v is a tuple of values, a dict by name, or the only value. */
MUST_CHECK int format_percent(struct run *r, const struct value *pattern, const struct value *v,
                              struct value *out);

/* How a field "{a.b[c]}" finds a member of a value. */
typedef int (*format_member_fn)(struct run *r, const struct value *v, struct str name,
                                bool attribute, struct value *out);

MUST_CHECK int format_braces(struct run *r, const struct value *pattern, const struct args *args,
                             format_member_fn member, struct value *out);

#endif
