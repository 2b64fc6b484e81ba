/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of str: a table. */
#ifndef HOSTLER_JINJA_METHODS_TEXT_H
#define HOSTLER_JINJA_METHODS_TEXT_H

#include "jinja/value.h"

extern const struct builtin text_methods[];
extern const size_t text_methods_count;

#endif
