/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/chat/messages.h"

#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "json/write.h"

enum { COPY_MAX = 64 * 1024 * 1024, SHORT_ID = 9 };

/* --- contents --- */

static struct str part_text(const struct json *part)
{
    struct str text = STR("");
    (void)json_to_str(json_get(part, "text"), &text);
    return text;
}

/* Texts of parts with a line end between them. */
static struct str join(struct arena *arena, const struct json *parts)
{
    struct json_iter it = {0};
    const struct json *part;
    size_t len = 0;
    while (json_next_item(parts, &it, &part))
        len += part_text(part).len + 1;
    char *out = arena_try(arena, len + 1);
    if (!out) return STR_NULL;
    it = (struct json_iter){0};
    len = 0;
    while (json_next_item(parts, &it, &part)) {
        struct str text = part_text(part);
        if (len) out[len++] = '\n';
        if (text.len) memcpy(out + len, text.ptr, text.len);
        len += text.len;
    }
    return str_n(out, len);
}

struct str chat_content(struct arena *arena, const struct json *message)
{
    const struct json *content = json_get(message, "content");
    struct str text = STR("");
    if (json_type(content) == JSON_ARRAY) return join(arena, content);
    (void)json_to_str(content, &text);
    return text;
}

/* --- copies --- */

struct copier {
    struct arena *arena;
    const struct chat_caps *caps;
    struct json_writer w;
    struct str system; /* what goes before the next user's message; ptr NULL: nothing */
    int err;
};

static bool is_role(const struct json *message, const char *role)
{
    return str_eq(json_str_or(message, "role", STR_NULL), str_of(role));
}

/* Several system messages in a row become one. */
static void keep_system(struct copier *c, struct str text)
{
    struct str before = c->system;
    c->system = before.ptr ? arena_try_cat(c->arena, before, STR("\n\n")) : text;
    if (before.ptr && c->system.ptr) c->system = arena_try_cat(c->arena, c->system, text);
    if (!c->system.ptr) c->err = ERR_TOO_LARGE;
}

static struct str with_system(struct copier *c, struct str text)
{
    if (!c->system.ptr) return text;
    struct str all = arena_try_cat(c->arena, c->system, STR("\n\n"));
    if (all.ptr) all = arena_try_cat(c->arena, all, text);
    if (!all.ptr) c->err = ERR_TOO_LARGE;
    c->system = STR_NULL;
    return all;
}

static void write_text(struct copier *c, struct str text)
{
    json_write_key(&c->w, "content");
    if (c->caps->text) {
        json_write_str(&c->w, text);
        return;
    }
    json_write_array(&c->w);
    json_write_object(&c->w);
    json_write_str_member(&c->w, "type", STR("text"));
    json_write_str_member(&c->w, "text", text);
    json_write_object_end(&c->w);
    json_write_array_end(&c->w);
}

/* Arguments come as the text of an object. */
static void write_arguments(struct copier *c, const struct json *v)
{
    const struct json *object = v;
    struct str text;
    struct buf out;
    struct json_writer w;
    if (c->caps->objects) {
        if (json_to_str(v, &text) && json_parse(c->arena, text, &object, NULL)) object = v;
        json_write_json(&c->w, json_type(object) == JSON_OBJECT ? object : v);
        return;
    }
    if (json_type(v) != JSON_OBJECT) {
        json_write_json(&c->w, v);
        return;
    }
    buf_init(&out, COPY_MAX);
    json_write_init(&w, &out);
    json_write_json(&w, v);
    if (json_write_end(&w)) c->err = ERR_TOO_LARGE;
    json_write_str(&c->w, buf_str(&out));
    buf_fini(&out);
}

static bool is_short_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char b = id.ptr[i];
        bool letter = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9');
        if (!letter) return false;
    }
    return id.len == SHORT_ID;
}

/* An id of somebody else's gets a short one, always the same. */
static void write_id(struct copier *c, const struct json *v)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char made[SHORT_ID];
    struct str id;
    if (!c->caps->short_ids || !json_to_str(v, &id) || is_short_id(id)) {
        json_write_json(&c->w, v);
        return;
    }
    uint64_t hash = hash_sip(id, 1, 2);
    for (size_t i = 0; i < SHORT_ID; i++, hash /= sizeof letters - 1)
        made[i] = letters[hash % (sizeof letters - 1)];
    json_write_str(&c->w, str_n(made, SHORT_ID));
}

static void write_function(struct copier *c, const struct json *function)
{
    struct json_iter it = {0};
    const struct json *v;
    struct str name;
    json_write_object(&c->w);
    while (json_next_member(function, &it, &name, &v)) {
        json_write_key_str(&c->w, name);
        if (str_eq(name, STR("arguments")))
            write_arguments(c, v);
        else
            json_write_json(&c->w, v);
    }
    json_write_object_end(&c->w);
}

static void write_call(struct copier *c, const struct json *call)
{
    struct json_iter it = {0};
    const struct json *v;
    struct str name;
    json_write_object(&c->w);
    while (json_next_member(call, &it, &name, &v)) {
        json_write_key_str(&c->w, name);
        if (str_eq(name, STR("function")))
            write_function(c, v);
        else if (str_eq(name, STR("id")))
            write_id(c, v);
        else
            json_write_json(&c->w, v);
    }
    json_write_object_end(&c->w);
}

static void write_calls(struct copier *c, const struct json *calls)
{
    struct json_iter it = {0};
    const struct json *v;
    json_write_array(&c->w);
    while (json_next_item(calls, &it, &v))
        write_call(c, v);
    json_write_array_end(&c->w);
}

/* Role and content are written already, and thoughts that have both names are written once. */
static bool is_further(const struct json *message, struct str name)
{
    if (str_eq(name, STR("reasoning")))
        return json_type(json_get(message, "reasoning_content")) != JSON_STRING;
    return !str_eq(name, STR("role")) && !str_eq(name, STR("content"));
}

static void write_member(struct copier *c, struct str name, const struct json *v)
{
    bool thoughts = str_eq(name, STR("reasoning"));
    if (json_type(v) == JSON_NULL) return;
    json_write_key_str(&c->w, thoughts ? STR("reasoning_content") : name);
    if (str_eq(name, STR("tool_calls")))
        write_calls(c, v);
    else if (str_eq(name, STR("tool_call_id")))
        write_id(c, v);
    else
        json_write_json(&c->w, v);
}

static void write_role(struct copier *c, struct str role)
{
    bool developer = str_eq(role, STR("developer")) && !c->caps->developer;
    json_write_key(&c->w, "role");
    json_write_str(&c->w, developer ? STR("system") : role);
}

static void write_user(struct copier *c, struct str text)
{
    json_write_object(&c->w);
    write_role(c, STR("user"));
    write_text(c, text);
    json_write_object_end(&c->w);
}

/* `mark`: what comes behind the content, or ptr NULL. */
static void write_message(struct copier *c, const struct json *message, struct str mark)
{
    struct json_iter it = {0};
    const struct json *v;
    struct str name, text = chat_content(c->arena, message);
    bool system = is_role(message, "system") || is_role(message, "developer");
    if (text.ptr && mark.ptr) text = arena_try_cat(c->arena, text, mark);
    if (!text.ptr) c->err = ERR_TOO_LARGE;
    if (system && !c->caps->system) {
        keep_system(c, text);
        return;
    }
    bool user = is_role(message, "user");
    if (c->system.ptr && !user) write_user(c, with_system(c, STR("")));
    if (user) text = with_system(c, text);
    json_write_object(&c->w);
    write_role(c, json_str_or(message, "role", STR("user")));
    if (c->caps->null_calls && !text.len && json_count(json_get(message, "tool_calls")))
        json_write_null_member(&c->w, "content");
    else
        write_text(c, text);
    while (json_next_member(message, &it, &name, &v))
        if (is_further(message, name)) write_member(c, name, v);
    json_write_object_end(&c->w);
}

/* --- which need one --- */

static bool fits(const struct json *message, const struct chat_caps *caps)
{
    struct str text;
    if (!caps->text || !json_to_str(json_get(message, "content"), &text)) return false;
    if (!caps->system && is_role(message, "system")) return false;
    if (caps->short_ids && json_get(message, "tool_call_id")) return false;
    return !is_role(message, "developer") && !json_get(message, "tool_calls") &&
           !json_get(message, "reasoning");
}

static bool all_fit(const struct json *messages, const struct chat_caps *caps)
{
    struct json_iter it = {0};
    const struct json *message;
    while (json_next_item(messages, &it, &message))
        if (!fits(message, caps)) return false;
    return true;
}

int chat_messages(struct arena *arena, const struct json *messages, struct str mark,
                  const struct chat_caps *caps, const struct json **out)
{
    struct copier c = {.arena = arena, .caps = caps, .system = STR_NULL};
    struct json_iter it = {0};
    const struct json *message;
    struct buf text;
    size_t left = json_count(messages);
    *out = messages;
    if (!mark.ptr && all_fit(messages, caps)) return 0;
    buf_init(&text, COPY_MAX);
    json_write_init(&c.w, &text);
    json_write_array(&c.w);
    while (json_next_item(messages, &it, &message))
        write_message(&c, message, --left ? STR_NULL : mark);
    if (c.system.ptr) write_user(&c, with_system(&c, STR("")));
    json_write_array_end(&c.w);
    int err = json_write_end(&c.w);
    if (!err) err = c.err;
    if (!err) err = json_parse(arena, buf_str(&text), out, NULL);
    buf_fini(&text);
    return err;
}
