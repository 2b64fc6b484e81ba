/* SPDX-License-Identifier: Apache-2.0 */
/* The escapes of string literals. */
#ifndef HOSTLER_JINJA_LEX_STRING_H
#define HOSTLER_JINJA_LEX_STRING_H

#include "jinja/run.h"

/* Borrows from `raw` when there is no escape. ERR_SYNTAX, ERR_UNSUPPORTED (\N{...}). */
MUST_CHECK int lex_unescape(struct run *r, struct str raw, struct str *out);

#endif
