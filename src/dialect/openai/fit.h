/* SPDX-License-Identifier: Apache-2.0 */
/* Chats for products that take OpenAI's in their own way. */
#ifndef HOSTLER_DIALECT_OPENAI_FIT_H
#define HOSTLER_DIALECT_OPENAI_FIT_H

#include "dialect/pivot.h"

/* Writes a chat as t->kind takes it (runtime.h): a from_pivot. What says how the answer must be and is
 * none of the product's fields is refused. */
int openai_fit(struct translation *t, struct str model, const struct json *chat,
               struct json_writer *out, struct refusal *why);

#endif
