/* SPDX-License-Identifier: Apache-2.0 */
/* Tools for templates that know nothing of them: a system text that lists them and says how they are
 * called; earlier calls and what came of them as text. What a template does know is left to it. */
#ifndef HOSTLER_ENGINE_CHAT_TOOL_TEXT_H
#define HOSTLER_ENGINE_CHAT_TOOL_TEXT_H

#include "base/arena.h"
#include "base/base.h"
#include "engine/chat/messages.h"
#include "engine/text/call_formats.h"
#include "json/json.h"

/* *out: `messages` itself, or a copy on the arena. `tools` may be NULL. ERR_DEPTH,
 * ERR_TOO_LARGE. */
MUST_CHECK int tool_text_messages(struct arena *arena, const struct json *messages,
                                  const struct json *tools, const struct chat_caps *caps,
                                  const struct call_format *format, const struct json **out);

#endif
