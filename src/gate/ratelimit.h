/* SPDX-License-Identifier: Apache-2.0 */
/* What a runtime tells of its rate limits, in the words of a client of another dialect. */
#ifndef HOSTLER_GATE_RATELIMIT_H
#define HOSTLER_GATE_RATELIMIT_H

#include "base/arena.h"
#include "dialect/dialect.h"
#include "http/message.h"

enum { RATELIMIT_FIELDS_MAX = 6 };

/* Adds fields to those of an answer that is translated: from OpenAI's `x-ratelimit-` to Anthropic's
 * where the client is Anthropic's, and the other way where the runtime is. `now_us`: since 1970, for
 * Anthropic's times. What cannot be read is left out. Returns how many there are then. */
unsigned ratelimit_translate(struct arena *arena, const struct http_head *head, enum surface asked,
                             enum surface sent, uint64_t now_us, struct http_field *fields,
                             unsigned n);

#endif
