/* SPDX-License-Identifier: Apache-2.0 */
/* Anthropic's Messages as what clients speak (anthropic-version 2023-06-01, as of SDK 2.14): Claude
 * Code and Anthropic's SDKs over runtimes that have chats. docs/dialects.md tells what is passed on,
 * translated, left out and refused. */
#ifndef HOSTLER_DIALECT_ANTHROPIC_MESSAGES_H
#define HOSTLER_DIALECT_ANTHROPIC_MESSAGES_H

#include "dialect/pivot.h"
#include "dialect/wording.h"

/* request.c: Messages and, as t->asked says, the count of its tokens. */
int anthropic_to_pivot(struct translation *t, struct str model, const struct json *body,
                       struct json_writer *chat, struct refusal *why);

extern const struct answer_writer_ops anthropic_writer; /* answer.c */
extern const struct wording anthropic_wording[];        /* wording.c */

#endif
