/* SPDX-License-Identifier: Apache-2.0 */
/* Members of values, as jinja2 finds them: a.b prefers what the type has by that name, a["b"] the
 * key. */
#ifndef HOSTLER_JINJA_ATTRIBUTE_H
#define HOSTLER_JINJA_ATTRIBUTE_H

#include "jinja/value.h"

/* a.name. A method comes as *method, with *out untouched; else *method is NULL. `may_be_method`:
 * false when no type has a method of this name. */
MUST_CHECK int attribute_find(struct run *r, const struct value *v, const struct value *name,
                              bool may_be_method, const struct builtin **method, struct value *out);

/* a.name and a[key] as values. */
MUST_CHECK int attribute_get(struct run *r, const struct value *v, const struct value *name,
                             bool may_be_method, struct value *out);
MUST_CHECK int attribute_item(struct run *r, const struct value *v, const struct value *key,
                              struct value *out);

/* a.name, but never a key of a dict. KIND_UNDEFINED: there is none. */
MUST_CHECK int attribute_only(struct run *r, const struct value *v, const struct value *name,
                              struct value *out);

#endif
