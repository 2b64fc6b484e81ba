/* SPDX-License-Identifier: Apache-2.0 */
/* Chat completions as a client's: its request as the pivot, and answers in its form.
 *
 * What they have beyond OpenAI's: `reasoning_content`, and `thinking_blocks` behind it where the
 * runtime proves what it thought (see pivot.h), for the client to send back. */
#ifndef HOSTLER_DIALECT_OPENAI_CHAT_H
#define HOSTLER_DIALECT_OPENAI_CHAT_H

#include "dialect/pivot.h"

/* The client's body with another model's name: what it has besides passes to the runtime's dialect.
 * Also of those who ask how many tokens a chat has. */
int openai_to_pivot(struct translation *t, struct str model, const struct json *body,
                    struct json_writer *chat, struct refusal *why);

/* Chunks of a stream, or one chat.completion. */
extern const struct answer_writer_ops openai_chat_writer;

#endif
