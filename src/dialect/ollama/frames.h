/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of Ollama's API: lines of a stream, or one object. */
#ifndef HOSTLER_DIALECT_OLLAMA_FRAMES_H
#define HOSTLER_DIALECT_OLLAMA_FRAMES_H

#include "dialect/pivot.h"

/* Of chat and generate, raw or not.
 *
 * What is told of time is what the gateway can know: of a stream, prompt_eval_duration is the time
 * until the answer's first piece and eval_duration that from there to its end; of another answer,
 * all is eval_duration. None is ever 0, since clients divide by them, but load_duration. */
extern const struct answer_writer_ops ollama_chat_writer;

/* Of embed, and of its older form, which has one text. */
extern const struct answer_writer_ops ollama_embed_writer;
extern const struct answer_writer_ops ollama_embeddings_writer;

#endif
