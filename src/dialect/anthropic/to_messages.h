/* SPDX-License-Identifier: Apache-2.0 */
/* Anthropic's Messages API (anthropic-version 2023-06-01) as a runtime's. */
#ifndef HOSTLER_DIALECT_ANTHROPIC_TO_MESSAGES_H
#define HOSTLER_DIALECT_ANTHROPIC_TO_MESSAGES_H

#include "dialect/pivot.h"

/* Makes a request of SURFACE_MESSAGES or SURFACE_COUNT_MESSAGES of a chat, as t->sent says. */
int anthropic_from_pivot(struct translation *t, struct str model, const struct json *chat,
                         struct json_writer *out, struct refusal *why);

#endif
