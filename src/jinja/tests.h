/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind "is": a table. */
#ifndef HOSTLER_JINJA_TESTS_H
#define HOSTLER_JINJA_TESTS_H

#include "jinja/value.h"

const struct builtin *test_find(struct str name); /* NULL: none */

#endif
