/* SPDX-License-Identifier: Apache-2.0 */
/* A request of the Messages API that is written of a chat, in parts: fields (to_messages.c), how
 * much is thought and sampled (to_thinking.c), tools (to_tools.c), turns (to_turns.c) and what
 * stands in them (to_blocks.c). All return 0, ERR_INVALID (*why says what cannot be said) or
 * -ENOMEM. */
#ifndef HOSTLER_DIALECT_ANTHROPIC_TO_MESSAGES_PRIV_H
#define HOSTLER_DIALECT_ANTHROPIC_TO_MESSAGES_PRIV_H

#include "dialect/pivot.h"

struct to_messages {
    struct translation *t;
    struct json_writer *w;
    struct refusal *why;
    struct str model; /* as the runtime knows it */
    const struct json *chat;
    const struct json
        *messages;  /* its member; looking for that takes as long as there are others */
    bool counting;  /* it is only asked how many tokens the request has */
    size_t message; /* the place in the chat that is being read, for refusals */
    ptrdiff_t part; /* of its content; -1: none */
};

/* The member of that name, or NULL where it is null or not there. */
static inline const struct json *to_messages_get(const struct json *object, const char *name)
{
    const struct json *v = json_get(object, name);
    return json_type(v) == JSON_NULL ? NULL : v;
}

/* --- to_blocks.c --- */

/* Where content stands: who may say what. */
enum speaker { SAYS_SYSTEM = 1, SAYS_USER = 2, SAYS_ASSISTANT = 4, SAYS_TOOL = 8 };

/* Whether content has anything that Anthropic takes: it refuses texts without a letter. What is of
 * a wrong type counts, so that it is refused. */
bool anthropic__has_blocks(const struct json *content);

/* The content of a message as blocks, into an array that is open. */
int anthropic__write_content(struct to_messages *m, const struct json *message,
                             enum speaker speaker);

void anthropic__write_text(struct json_writer *w, struct str text);

/* The mark for the prompt cache, where `from` has one. */
void anthropic__write_cache_control(struct json_writer *w, const struct json *from);

/* "messages[3].content[0]" and `below`, of the place that is being read. */
const char *anthropic__path(const struct to_messages *m, const char *below);

/* --- to_checks.c --- */

enum role { ROLE_NONE, ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

enum role anthropic__role_of(const struct json *message);

/* Messages have roles, tool calls ids and names, and results the ids of theirs. */
int anthropic__check_messages(struct to_messages *m);

/* --- to_turns.c --- */

/* `system` and `messages`, which were checked. `further`: another text for the system, or empty. */
int anthropic__write_turns(struct to_messages *m, struct str further);

/* The name of the first tool that was called, or empty. */
struct str anthropic__called_tool(const struct to_messages *m);

/* --- to_tools.c --- */

/* `tools` and `tool_choice`. */
int anthropic__write_tools(struct to_messages *m);

/* True when the answer must be a tool call. */
bool anthropic__forces_tool(const struct json *chat);

/* --- to_thinking.c --- */

/* `thinking`, `output_config`, `max_tokens`, `temperature`, `top_p` and `top_k`. `schema`: that of
 * the answer, or NULL. */
int anthropic__write_thinking(struct to_messages *m, const struct json *schema);

#endif
