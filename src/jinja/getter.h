/* SPDX-License-Identifier: Apache-2.0 */
/* What filters take of each member of a list: "address.city", 0, or the member itself. */
#ifndef HOSTLER_JINJA_GETTER_H
#define HOSTLER_JINJA_GETTER_H

#include "jinja/value.h"

struct getter {
    struct value attribute; /* a text, an integer; KIND_NONE: the member itself */
    struct value otherwise; /* for what is undefined; KIND_MISSING: stays so */
    bool fold;              /* texts in lower case */
};

MUST_CHECK int getter_init(struct run *r, struct getter *g, const struct value *attribute,
                           bool fold);
MUST_CHECK int getter_get(struct run *r, const struct getter *g, const struct value *member,
                          struct value *out);

/* A tuple of what the names between commas give: tuples that are equal have an order, whatever is
 * in them. */
MUST_CHECK int getter_get_all(struct run *r, const struct getter *g, const struct value *member,
                              struct value *out);

/* A stream of what each member gives. */
MUST_CHECK int getter_map(struct run *r, const struct getter *g, const struct value *list,
                          struct value *out);

MUST_CHECK int getter_fold(struct run *r, struct value *v); /* to lower case, if it is a text */

#endif
