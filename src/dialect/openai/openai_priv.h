/* SPDX-License-Identifier: Apache-2.0 */
/* The members of dialect_openai (API reference 2.3.0), in a file each. */
#ifndef HOSTLER_DIALECT_OPENAI_OPENAI_PRIV_H
#define HOSTLER_DIALECT_OPENAI_OPENAI_PRIV_H

#include "dialect/dialect.h"
#include "dialect/openai/errors.h"

int openai__peek(struct arena *arena, struct str body, struct ask *out, struct refusal *why);
unsigned openai__splice(const struct ask *ask, struct str body, const struct edits *wanted,
                        struct arena *arena, struct str slices[DIALECT_SLICES_MAX]);
unsigned openai__choices(struct str body);
void openai__write_error_event(struct buf *out, const struct refusal *why,
                               const struct stream_mark *mark);

extern const struct answer_reader openai__reader;

#endif
