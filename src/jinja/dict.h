/* SPDX-License-Identifier: Apache-2.0 */
/* Dicts: in order of insertion, with an index when they are large. */
#ifndef HOSTLER_JINJA_DICT_H
#define HOSTLER_JINJA_DICT_H

#include "jinja/value.h"

MUST_CHECK int dict_new(struct run *r, size_t room, struct value *out);

/* The value of a key that is a text; NULL. */
const struct value *dict_get(struct run *r, const struct dict *d, struct str key);

/* The value of any key; NULL: none such. False: a key of this type can be in no dict. */
bool dict_find(struct run *r, const struct dict *d, const struct value *key,
               const struct value **out);

/* Adds, or replaces the value. ERR_INVALID for a key that cannot be in a dict. */
MUST_CHECK int dict_put(struct run *r, struct dict *d, const struct value *key,
                        const struct value *v);

/* Python's ==. False when a limit is hit, which the next step reports. */
bool value_equal(struct run *r, const struct value *a, const struct value *b);

#endif
