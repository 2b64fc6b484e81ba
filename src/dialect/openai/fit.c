/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/openai/fit.h"

#include "dialect/runtime.h"
#include "dialect/shapes.h"

/* The row of a field; NULL: it has none. */
static const struct runtime_field *row_of(const struct runtime_kind *kind, struct str name)
{
    for (const struct runtime_field *f = kind->chat; f->name; f++)
        if (str_eq(str_of(f->name), name)) return f;
    return NULL;
}

/* What the assistant thought is a field of chats that only some products know. */
static void write_message(struct json_writer *out, const struct json *message)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *value;
    json_write_object(out);
    while (json_next_member(message, &it, &name, &value)) {
        if (str_eq(name, STR("reasoning_content"))) continue;
        json_write_key_str(out, name);
        json_write_json(out, value);
    }
    json_write_object_end(out);
}

static void write_messages(struct json_writer *out, const struct json *messages)
{
    struct json_iter it = {0};
    const struct json *message;
    json_write_array(out);
    while (json_next_item(messages, &it, &message))
        write_message(out, message);
    json_write_array_end(out);
}

int openai_fit(struct translation *t, struct str model UNUSED, const struct json *chat,
               struct json_writer *out, struct refusal *why)
{
    const struct runtime_kind *kind = t->kind;
    struct json_iter it = {0};
    struct str name;
    const struct json *value;
    int err = kind->chat_only ? shapes_refuse_own(t, chat, why) : 0;
    if (err) return err;
    json_write_object(out);
    while (json_next_member(chat, &it, &name, &value)) {
        const struct runtime_field *row = row_of(kind, name);
        if (!row && kind->chat_only) continue;
        json_write_key_str(out, row && row->as ? str_of(row->as) : name);
        if (kind->chat_only && str_eq(name, STR("messages")))
            write_messages(out, value);
        else
            json_write_json(out, value);
    }
    json_write_object_end(out);
    return 0;
}
