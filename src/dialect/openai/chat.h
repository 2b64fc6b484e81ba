/* SPDX-License-Identifier: Apache-2.0 */
/* Chat completions as a client's, whose requests are the pivot: answers in its form.
 *
 * What they have beyond OpenAI's: `reasoning_content`, and `thinking_blocks` behind it where the
 * runtime proves what it thought (see pivot.h), for the client to send back. */
#ifndef HOSTLER_DIALECT_OPENAI_CHAT_H
#define HOSTLER_DIALECT_OPENAI_CHAT_H

#include "dialect/pivot.h"

/* Chunks of a stream, or one chat.completion. */
extern const struct answer_writer_ops openai_chat_writer;

#endif
