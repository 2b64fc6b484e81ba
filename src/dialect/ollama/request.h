/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of Ollama's API as the pivot has them. docs/dialects.md says what of them is passed,
 * translated, left out and refused. */
#ifndef HOSTLER_DIALECT_OLLAMA_REQUEST_H
#define HOSTLER_DIALECT_OLLAMA_REQUEST_H

#include "dialect/pivot.h"
#include "dialect/wording.h"

/* Each a to_pivot_fn. */
int ollama_chat_to_pivot(struct translation *t, struct str model, const struct json *body,
                         struct json_writer *chat, struct refusal *why);
int ollama_generate_to_pivot(struct translation *t, struct str model, const struct json *body,
                             struct json_writer *chat, struct refusal *why);

/* These write the body of completions, and of embeddings. */
int ollama_raw_to_pivot(struct translation *t, struct str model, const struct json *body,
                        struct json_writer *completion, struct refusal *why);
int ollama_embed_to_pivot(struct translation *t, struct str model, const struct json *body,
                          struct json_writer *embedding, struct refusal *why);
int ollama_embeddings_to_pivot(struct translation *t, struct str model, const struct json *body,
                               struct json_writer *embedding, struct refusal *why);

/* wording.c: of chats and raw prompts; of generate; of the older form of embeddings. */
extern const struct wording ollama_chat_wording[];
extern const struct wording ollama_generate_wording[];
extern const struct wording ollama_embeddings_wording[];

#endif
