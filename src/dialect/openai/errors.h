/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAI's errors, which other dialects share. */
#ifndef HOSTLER_DIALECT_OPENAI_ERRORS_H
#define HOSTLER_DIALECT_OPENAI_ERRORS_H

#include "dialect/dialect.h"

/* Appends {"error": {...}}, or nothing where there is no room. */
void openai_write_error(struct buf *out, const struct refusal *why);

/* Whether a body is such an object. */
bool openai_is_error(struct str body);

#endif
