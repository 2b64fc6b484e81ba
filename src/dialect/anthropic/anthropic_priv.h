/* SPDX-License-Identifier: Apache-2.0 */
/* The members of dialect_anthropic (Messages API, anthropic-version 2023-06-01), in a file each. */
#ifndef HOSTLER_DIALECT_ANTHROPIC_ANTHROPIC_PRIV_H
#define HOSTLER_DIALECT_ANTHROPIC_ANTHROPIC_PRIV_H

#include "dialect/dialect.h"

int anthropic__peek(struct arena *arena, struct str body, struct ask *out, struct refusal *why);
void anthropic__write_error(struct buf *out, const struct refusal *why);
void anthropic__write_error_event(struct buf *out, const struct refusal *why,
                                  const struct stream_mark *mark);

/* Adds what a usage object says to what is known: later counts replace earlier ones, and those
 * that are not there stay. Its input_tokens are without the cache's; ours are with them. */
void anthropic__read_usage(struct str object, struct usage *u);

/* The code of a refusal that errors tell in `details`, where SDKs look for it. */
#define ANTHROPIC_NO_THREADS "thread_unsupported_request"

bool anthropic__is_error(struct str body);

extern const struct answer_reader anthropic__reader;

#endif
