/* SPDX-License-Identifier: Apache-2.0 */
/* What a chat's messages must have before they are translated, so that nothing else looks. */
#include "dialect/anthropic/to_messages_priv.h"

#include "base/err.h"

enum role anthropic__role_of(const struct json *message)
{
    static const struct {
        struct str name;
        enum role role;
    } roles[] = {
        {STR_INIT("system"), ROLE_SYSTEM}, {STR_INIT("developer"), ROLE_SYSTEM},
        {STR_INIT("user"), ROLE_USER},     {STR_INIT("assistant"), ROLE_ASSISTANT},
        {STR_INIT("tool"), ROLE_TOOL},
    };
    struct str name = json_str_or(message, "role", STR(""));
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (str_eq(name, roles[i].name)) return roles[i].role;
    return ROLE_NONE;
}

static int refuse_call(struct to_messages *m, size_t index, const char *below, const char *text)
{
    struct str path =
        arena_say(m->t->arena, "messages[%zu].tool_calls[%zu]%s", m->message, index, below);
    return pivot_refuse(m->t, m->why, path.ptr, "%s", text);
}

static int check_call(struct to_messages *m, const struct json *call, size_t index)
{
    const struct json *function = json_get(call, "function");
    enum json_type arguments = json_type(to_messages_get(function, "arguments"));
    if (!str_eq(json_str_or(call, "type", STR("function")), STR("function")))
        return refuse_call(m, index, ".type",
                           "Only calls of functions can be sent to this model's runtime.");
    if (json_str_or(call, "id", STR("")).len == 0)
        return refuse_call(m, index, ".id", "A tool call needs an id.");
    if (json_str_or(function, "name", STR("")).len == 0)
        return refuse_call(m, index, ".function.name", "A tool call needs its function's name.");
    if (arguments != JSON_NONE && arguments != JSON_STRING && arguments != JSON_OBJECT)
        return refuse_call(m, index, ".function.arguments",
                           "The arguments of a tool call must be a string.");
    return 0;
}

static int check_assistant(struct to_messages *m, const struct json *message)
{
    static const char *const unknown[] = {"audio", "function_call"};
    const struct json *calls = to_messages_get(message, "tool_calls"), *call;
    struct json_iter it = {0};
    size_t index = 0;
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        if (to_messages_get(message, unknown[i]))
            return pivot_refuse(
                m->t, m->why,
                arena_say(m->t->arena, "%s.%s", anthropic__path(m, ""), unknown[i]).ptr,
                "'%s' cannot be sent to this model's runtime.", unknown[i]);
    if (calls && json_type(calls) != JSON_ARRAY)
        return pivot_refuse(m->t, m->why, anthropic__path(m, ".tool_calls"),
                            "'tool_calls' must be a list.");
    while (!err && json_next_item(calls, &it, &call))
        err = check_call(m, call, index++);
    return err;
}

static int check_message(struct to_messages *m, const struct json *message)
{
    enum role role = anthropic__role_of(message);
    if (to_messages_get(message, "name") && role != ROLE_TOOL) pivot_drop(m->t, "messages[].name");
    switch (role) {
    case ROLE_NONE: break;
    case ROLE_ASSISTANT: return check_assistant(m, message);
    case ROLE_TOOL:
        if (json_str_or(message, "tool_call_id", STR("")).len) return 0;
        return pivot_refuse(m->t, m->why, anthropic__path(m, ".tool_call_id"),
                            "A tool's message needs the id of its call.");
    default: return 0;
    }
    return pivot_refuse(m->t, m->why, anthropic__path(m, ".role"),
                        "A message's role must be system, developer, user, assistant or tool.");
}

int anthropic__check_messages(struct to_messages *m)
{
    const struct json *messages = m->messages, *message;
    struct json_iter it = {0};
    int err = 0;
    if (json_type(messages) != JSON_ARRAY || json_count(messages) == 0)
        return pivot_refuse(m->t, m->why, "messages",
                            "'messages' must be a list with at least one message.");
    for (m->message = 0; !err && json_next_item(messages, &it, &message); m->message++)
        err = check_message(m, message);
    return err;
}
