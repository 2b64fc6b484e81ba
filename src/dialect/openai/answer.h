/* SPDX-License-Identifier: Apache-2.0 */
/* What runtimes answer on OpenAI's surfaces, as events of the pivot. */
#ifndef HOSTLER_DIALECT_OPENAI_ANSWER_H
#define HOSTLER_DIALECT_OPENAI_ANSWER_H

#include "dialect/pivot.h"

/* Of chat and completions: the first choice. */
extern const struct answer_source_ops openai_chat_source;

#endif
