/* SPDX-License-Identifier: Apache-2.0 */
/* Gives every variable of a tree its place, by jinja2's rules of scope.
 *
 * The template, each function, loop, with, and each block that is caught are scopes. A name that a
 * scope sets is its own: it begins as what the scope around has by that name, and does not leak. A
 * name that no scope sets is a global. */
#ifndef HOSTLER_JINJA_RESOLVE_H
#define HOSTLER_JINJA_RESOLVE_H

#include "jinja/node.h"

struct globals {
    struct str *names;
    size_t count, cap;
};

/* `root` has the template's body. Also refuses filters and tests that are not there. */
MUST_CHECK int resolve(struct run *r, struct function *root, struct globals *globals);

#endif
