/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind '|': tables. */
#ifndef HOSTLER_JINJA_FILTERS_H
#define HOSTLER_JINJA_FILTERS_H

#include "jinja/value.h"

const struct builtin *filter_find(struct str name); /* NULL: none */

#endif
