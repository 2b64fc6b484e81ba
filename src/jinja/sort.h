/* SPDX-License-Identifier: Apache-2.0 */
/* Stable sorting by Python's order. */
#ifndef HOSTLER_JINJA_SORT_H
#define HOSTLER_JINJA_SORT_H

#include "jinja/dict.h"

/* A value, and what it is sorted by. */
struct keyed {
    struct value key, value;
};

MUST_CHECK int sort_keyed(struct run *r, struct keyed *list, size_t count, bool reverse);

/* A dict's entries by key. */
MUST_CHECK int sort_entries(struct run *r, const struct dict *d, const struct entry **out);

#endif
