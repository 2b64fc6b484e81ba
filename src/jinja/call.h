/* SPDX-License-Identifier: Apache-2.0 */
/* Calling a value. */
#ifndef HOSTLER_JINJA_CALL_H
#define HOSTLER_JINJA_CALL_H

#include "jinja/value.h"

MUST_CHECK int call_value(struct run *r, const struct value *callee, const struct args *args,
                          struct value *out);

#endif
