/* SPDX-License-Identifier: Apache-2.0 */
/* Running statements. */
#ifndef HOSTLER_JINJA_RENDER_H
#define HOSTLER_JINJA_RENDER_H

#include "jinja/node.h"
#include "jinja/text.h"

/* The template's body, written to r->out; r->globals are set. */
MUST_CHECK int render_root(struct run *r, const struct function *root);

/* For hooks. */
MUST_CHECK int render_macro(struct run *r, const struct macro *m, const struct args *args,
                            struct value *out);
MUST_CHECK int render_recurse(struct run *r, struct iteration *loop, const struct args *args,
                              struct value *out);

#endif
