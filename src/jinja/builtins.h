/* SPDX-License-Identifier: Apache-2.0 */
/* The names that a template knows without being given them: range, dict, namespace, ... */
#ifndef HOSTLER_JINJA_BUILTINS_H
#define HOSTLER_JINJA_BUILTINS_H

#include "jinja/value.h"

/* KIND_MISSING: there is none. */
struct value builtins_find(struct str name);

#endif
