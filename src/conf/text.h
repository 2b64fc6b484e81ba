/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of people: what has no place in them, how messages quote them. */
#ifndef HOSTLER_CONF_TEXT_H
#define HOSTLER_CONF_TEXT_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"

/* Length of the character at s.ptr[at] when it has no place in a value or message: controls (ASCII
 * and C1), line and paragraph separators, byte order marks, non-characters. 0: an ordinary one. */
size_t conf__forbidden(struct str s, size_t at);

/* `text` in quotes, shortened. */
struct str conf__quoted(struct arena *a, struct str text);

#endif
