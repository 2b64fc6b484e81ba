/* SPDX-License-Identifier: Apache-2.0 */
/* Unicode's general categories, as \p{...} of a pattern names them. */
#ifndef HOSTLER_ENGINE_GRAMMAR_CATEGORIES_H
#define HOSTLER_ENGINE_GRAMMAR_CATEGORIES_H

#include "engine/grammar/chars.h"

/* Adds the characters of a category ("L", "Lu", "Letter" and so on). False: there is none of that
 * name here. */
MUST_CHECK bool categories_add(struct chars *c, struct str name);

#endif
