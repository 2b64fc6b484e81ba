/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of OpenAI's answers, for those who write them themselves: engine, mock and desk. */
#ifndef HOSTLER_DIALECT_OPENAI_WRITE_H
#define HOSTLER_DIALECT_OPENAI_WRITE_H

#include "dialect/dialect.h"
#include "json/write.h"

/* Begins an object that describes a model. The caller may add members, and ends it. */
void openai_begin_model(struct json_writer *w, struct str id, uint64_t created_s,
                        struct str owned_by);

/* The body of an error, on the arena; "{}" where there is no memory for it. */
struct str openai_error_body(struct arena *arena, const struct refusal *why);

#endif
