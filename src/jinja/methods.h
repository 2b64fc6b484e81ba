/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of Python's types that a sandboxed template may call: a table per type. */
#ifndef HOSTLER_JINJA_METHODS_H
#define HOSTLER_JINJA_METHODS_H

#include "jinja/value.h"

/* NULL: the type has no such method; or it changes the object, which the sandbox does not let
 * (*refused). */
const struct builtin *method_find(const struct value *v, struct str name, bool *refused);

/* Some type has a method of this name. */
bool method_exists(struct str name);

#endif
