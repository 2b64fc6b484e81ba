/* SPDX-License-Identifier: Apache-2.0 */
/* How many tokens a request has, asked of runtimes and by clients. */
#ifndef HOSTLER_DIALECT_OPENAI_COUNT_H
#define HOSTLER_DIALECT_OPENAI_COUNT_H

#include "dialect/pivot.h"

/* {"input_tokens": N}: llama-server's answer for chats, and Anthropic's. */
extern const struct answer_source_ops count_source;
extern const struct answer_writer_ops count_writer;

/* vLLM's /tokenize, which answers {"count": N} and all tokens. */
int tokenize_from_pivot(struct translation *t, struct str model, const struct json *chat,
                        struct json_writer *out, struct refusal *why);
extern const struct answer_source_ops tokenize_source;

#endif
