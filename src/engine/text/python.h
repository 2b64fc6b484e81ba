/* SPDX-License-Identifier: Apache-2.0 */
/* Python's literals, as models write them that were taught calls in Python's notation. */
#ifndef HOSTLER_ENGINE_TEXT_PYTHON_H
#define HOSTLER_ENGINE_TEXT_PYTHON_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

/* Length of what a text begins with up to a comma or a closing bracket that is not its own; -1: none
 * has come yet. */
ptrdiff_t python_literal(struct str text);

/* Python's True, False and None as JSON has them; any other word is itself. */
struct str python_word(struct str word);

/* Appends a literal as JSON. What is no literal makes something that is no JSON either, which whoever
 * asks finds out. The buf's maximum is the only failure. */
MUST_CHECK int python_to_json(struct str literal, struct buf *out);

#endif
