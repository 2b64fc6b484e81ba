/* SPDX-License-Identifier: Apache-2.0 */
/* A chat's messages as a template can take them: the request's own JSON where that will do, else a
 * copy in which contents, roles, tool calls and thoughts have the shape that the template reads. */
#ifndef HOSTLER_ENGINE_CHAT_MESSAGES_H
#define HOSTLER_ENGINE_CHAT_MESSAGES_H

#include "base/arena.h"
#include "base/base.h"
#include "json/json.h"

/* What a template can do with messages; found out by trying. */
struct chat_caps {
    bool system;     /* it takes system messages; else they go before the next user's */
    bool developer;  /* it knows that role; else it is system's */
    bool parts;      /* it takes an array of parts as content; only that, with !text */
    bool text;       /* it takes a string as content */
    bool tools;      /* it lists tools */
    bool results;    /* it takes what tools answered */
    bool tool_calls; /* it writes what was called */
    bool objects;    /* and reads its arguments as an object; else as a string */
    bool short_ids;  /* ids of calls are nine letters and digits, or it refuses them */
    bool null_calls; /* it does so only where such a message has null as content */
};

/* *out: `messages` itself, or a copy on the arena. `mark` is put behind the last one's content; ptr
 * NULL: nothing is. ERR_DEPTH, ERR_TOO_LARGE. */
MUST_CHECK int chat_messages(struct arena *arena, const struct json *messages, struct str mark,
                             const struct chat_caps *caps, const struct json **out);

/* A message's content as one text on the arena: texts of parts with a line end between them. ptr
 * NULL: no memory. */
struct str chat_content(struct arena *arena, const struct json *message);

#endif
