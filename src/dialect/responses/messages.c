/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation: instructions, messages, and the assistant's turns in between, in their order. */
#include "dialect/responses/responses_priv.h"

#include "base/err.h"

static struct part_place content_of(const struct item *item)
{
    return (struct part_place){item, "content"};
}

static void write_text_message(struct asking *a, struct str role)
{
    json_write_object(a->w);
    json_write_str_member(a->w, "role", role);
    json_write_str_member(a->w, "content", buf_str(&a->text));
    json_write_object_end(a->w);
}

/* --- the system's --- */

static bool is_system(const struct item *item)
{
    struct str role = json_str_or(item->v, "role", STR(""));
    return item->class == ITEM_MESSAGE &&
           (str_eq(role, STR("developer")) || str_eq(role, STR("system")));
}

static int append_system(struct asking *a, const struct item *item)
{
    bool others;
    buf_clear(&a->other);
    int err =
        responses__read_text(a, json_get(item->v, "content"), content_of(item), &a->other, &others);
    if (!err && others)
        return responses__wrong(a, responses__item_path(a, item, "content"),
                                "nothing but text in a message of the developer");
    if (!err && buf_len(&a->text) && buf_len(&a->other)) err = buf_append(&a->text, STR("\n\n"));
    return err ? err : buf_append(&a->text, buf_str(&a->other));
}

/* Messages of system and developer that follow each other are one: many a chat template takes but
 * one, and "developer" is a word that most do not know. */
static int write_system(struct asking *a, size_t *i)
{
    int err = 0;
    for (; !err && *i < a->items.count; ++*i) {
        const struct item *item = &a->items.list[*i];
        if (item->class == ITEM_SKIP) continue;
        if (!is_system(item)) break;
        err = append_system(a, item);
    }
    if (!err && buf_len(&a->text)) write_text_message(a, STR("system"));
    return err;
}

static int write_beginning(struct asking *a, size_t *i)
{
    struct str text = STR("");
    const struct json *instructions = json_get(a->body, "instructions");
    if (!responses__absent(instructions) && !json_to_str(instructions, &text))
        return responses__wrong(a, "instructions", "a string");
    buf_clear(&a->text);
    int err = buf_append(&a->text, text);
    return err ? err : write_system(a, i);
}

/* --- the user's --- */

static int check_role(struct asking *a, const struct item *item)
{
    const struct json *role = json_get(item->v, "role");
    bool may_lack = !str_eq(json_str_or(item->v, "type", STR("message")), STR("message"));
    if (json_type(role) == JSON_STRING || (may_lack && responses__absent(role))) return 0;
    return responses__wrong(a, responses__item_path(a, item, "role"), "a string");
}

static int write_user(struct asking *a, const struct item *item)
{
    const struct json *content = json_get(item->v, "content");
    bool others;
    buf_clear(&a->text);
    int err = check_role(a, item);
    if (!err) err = responses__read_text(a, content, content_of(item), &a->text, &others);
    if (err) return err;
    if (!others) {
        write_text_message(a, STR("user"));
        return 0;
    }
    json_write_object(a->w);
    json_write_str_member(a->w, "role", STR("user"));
    json_write_key(a->w, "content");
    err = responses__write_parts(a, content, content_of(item), false);
    if (!err) json_write_object_end(a->w);
    return err;
}

/* --- all --- */

static int write_message(struct asking *a, size_t *i)
{
    const struct item *item = &a->items.list[*i];
    buf_clear(&a->text);
    if (is_system(item)) return write_system(a, i);
    ++*i;
    return write_user(a, item);
}

static int write_item(struct asking *a, size_t *i)
{
    const struct item *item = &a->items.list[*i];
    switch (item->class) {
    case ITEM_MESSAGE: return write_message(a, i);
    case ITEM_ASSISTANT:
    case ITEM_REASONING:
    case ITEM_CALL: return responses__write_turn(a, *i, i);
    case ITEM_OUTPUT: ++*i; return item->placed ? 0 : responses__write_orphan(a, item);
    case ITEM_SKIP:
    case ITEM_REFERENCE: break;
    }
    ++*i;
    return 0;
}

/* The whole input is one text. */
static int write_only(struct asking *a, struct str text)
{
    buf_clear(&a->text);
    int err = buf_append(&a->text, text);
    if (!err) write_text_message(a, STR("user"));
    return err;
}

int responses__write_messages(struct asking *a)
{
    struct str text;
    size_t i = 0;
    json_write_key(a->w, "messages");
    json_write_array(a->w);
    int err = write_beginning(a, &i);
    while (!err && i < a->items.count)
        err = write_item(a, &i);
    if (!err && json_to_str(json_get(a->body, "input"), &text)) err = write_only(a, text);
    if (!err) json_write_array_end(a->w);
    return err;
}
