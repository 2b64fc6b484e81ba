/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of filters, a file for each kind of value. */
#ifndef HOSTLER_JINJA_FILTER_TABLES_H
#define HOSTLER_JINJA_FILTER_TABLES_H

#include "jinja/value.h"

extern const struct builtin filters_of_text[], filters_of_lists[], filters_of_numbers[];
extern const size_t filters_of_text_count, filters_of_lists_count, filters_of_numbers_count;

#endif
