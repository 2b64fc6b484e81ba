/* SPDX-License-Identifier: Apache-2.0 */
/* Calling a value. */
#ifndef HOSTLER_JINJA_CALL_H
#define HOSTLER_JINJA_CALL_H

#include "jinja/value.h"

/* Methods of markup give markup. */
MUST_CHECK int call_method(struct run *r, const struct builtin *method, const struct value *self,
                           const struct args *args, struct value *out);

MUST_CHECK int call_value(struct run *r, const struct value *callee, const struct args *args,
                          struct value *out);

#endif
