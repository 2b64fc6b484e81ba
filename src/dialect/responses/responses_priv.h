/* SPDX-License-Identifier: Apache-2.0 */
/* The members of dialect_responses (OpenAI's Responses, API reference 2.3.0), in a file each. */
#ifndef HOSTLER_DIALECT_RESPONSES_RESPONSES_PRIV_H
#define HOSTLER_DIALECT_RESPONSES_RESPONSES_PRIV_H

#include "dialect/dialect.h"

int responses__peek(struct arena *arena, struct str body, struct ask *out, struct refusal *why);
void responses__write_error_event(struct buf *out, const struct refusal *why,
                                  const struct stream_mark *mark);

/* What clients know as the code of a response that failed. */
const char *responses__error_code(const struct refusal *why);

void responses__read_usage(struct str object, struct usage *u);

extern const struct answer_reader responses__reader;

#endif
