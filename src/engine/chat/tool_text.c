/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/chat/tool_text.h"

#include "base/buf.h"
#include "base/err.h"
#include "engine/text/call_writer.h"
#include "json/write.h"

enum { TEXT_MAX = 64 * 1024 * 1024 };

struct teller {
    struct arena *arena;
    const struct json *tools; /* to be listed; NULL: none are */
    const struct chat_caps *caps;
    const struct call_format *format;
    struct json_writer w;
    struct buf results; /* what tools answered, for one message of the user's */
    int err;
};

static bool is_role(const struct json *message, const char *role)
{
    return str_eq(json_str_or(message, "role", STR_NULL), str_of(role));
}

static bool is_system(const struct json *message)
{
    return is_role(message, "system") || is_role(message, "developer");
}

/* --- texts --- */

/* What was written to a buf, on the arena; the buf's end. */
static struct str keep(struct teller *t, struct buf *text, int err)
{
    struct str kept = err ? STR_NULL : arena_try_dup(t->arena, buf_str(text));
    if (!kept.ptr && !t->err) t->err = ERR_TOO_LARGE;
    buf_fini(text);
    return kept.ptr ? kept : STR("");
}

static struct str join(struct teller *t, struct str a, const char *between, struct str b)
{
    struct buf text;
    if (!a.len || !b.len) return a.len ? a : b;
    buf_init(&text, TEXT_MAX);
    int err = buf_append(&text, a);
    if (!err) err = buf_append(&text, str_of(between));
    if (!err) err = buf_append(&text, b);
    return keep(t, &text, err);
}

static int write_json(struct buf *out, const struct json *v)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_json(&w, v);
    return json_write_end(&w);
}

static int write_example(struct teller *t, struct buf *out)
{
    struct call_said example = {.name = STR("NAME")};
    int err = json_parse(t->arena, STR("{\"PARAMETER\": \"VALUE\"}"), &example.arguments, NULL);
    return err ? err : calls_write(t->format, out, &example, 1);
}

static struct str tools_text(struct teller *t)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    int err = buf_append(&text, STR("You can call tools. These are there:\n<tools>\n"));
    if (!err) err = write_json(&text, t->tools);
    if (!err)
        err = buf_append(&text, STR("\n</tools>\n\nTo call one, write this, with its name, and its "
                                    "parameters as its schema has them:\n"));
    if (!err) err = write_example(t, &text);
    if (!err)
        err = buf_append(&text, STR("\nWrite one after the other to call several. What they "
                                    "answer comes in the next message."));
    return keep(t, &text, err);
}

/* --- calls --- */

/* Arguments come as the text of an object. */
static const struct json *arguments_of(struct arena *arena, const struct json *function)
{
    const struct json *v = json_get(function, "arguments");
    struct str text;
    if (json_to_str(v, &text) && json_parse(arena, text, &v, NULL)) return NULL;
    return v;
}

static struct str calls_text(struct teller *t, const struct json *calls)
{
    struct json_iter it = {0};
    const struct json *v;
    size_t count = 0;
    struct buf text;
    struct call_said *said = arena_try(t->arena, (json_count(calls) + 1) * sizeof *said);
    while (said && json_next_item(calls, &it, &v)) {
        const struct json *function = json_get(v, "function");
        said[count++] = (struct call_said){json_str_or(function, "name", STR("")),
                                           arguments_of(t->arena, function)};
    }
    buf_init(&text, TEXT_MAX);
    int err = said ? calls_write(t->format, &text, said, count) : ERR_TOO_LARGE;
    return keep(t, &text, err);
}

/* --- messages --- */

static void write_text_message(struct teller *t, struct str role, struct str text)
{
    json_write_object(&t->w);
    json_write_str_member(&t->w, "role", role);
    json_write_str_member(&t->w, "content", text);
    json_write_object_end(&t->w);
}

static void write_results(struct teller *t)
{
    if (!buf_len(&t->results)) return;
    write_text_message(t, STR("user"), buf_str(&t->results));
    buf_clear(&t->results);
}

static void add_result(struct teller *t, const struct json *message)
{
    struct str text = chat_content(t->arena, message);
    const struct str parts[] = {buf_len(&t->results) ? STR("\n") : STR(""),
                                STR("<tool_response>\n"), text, STR("\n</tool_response>")};
    if (!text.ptr) t->err = ERR_TOO_LARGE;
    for (size_t i = 0; i < ARRAY_LEN(parts) && !t->err; i++)
        t->err = buf_append(&t->results, parts[i]);
}

/* All of a message but its content and its calls. */
static void write_others(struct teller *t, const struct json *message)
{
    struct json_iter it = {0};
    const struct json *v;
    struct str name;
    while (json_next_member(message, &it, &name, &v)) {
        if (str_eq(name, STR("content")) || str_eq(name, STR("tool_calls"))) continue;
        json_write_key_str(&t->w, name);
        json_write_json(&t->w, v);
    }
}

/* With texts before and behind its content, which may be empty. */
static void write_with(struct teller *t, const struct json *message, struct str before,
                       struct str behind)
{
    struct str text = chat_content(t->arena, message);
    if (!text.ptr) t->err = ERR_TOO_LARGE;
    text = join(t, before, "\n\n", text);
    json_write_object(&t->w);
    write_others(t, message);
    json_write_str_member(&t->w, "content", join(t, text, "\n\n", behind));
    json_write_object_end(&t->w);
}

/* What tools answered in a row, and what the user says behind it, is one message: templates want
 * turns. */
static void write_message(struct teller *t, const struct json *message)
{
    const struct json *calls = json_get(message, "tool_calls");
    if (is_role(message, "tool") && !t->caps->results) {
        add_result(t, message);
        return;
    }
    if (buf_len(&t->results) && is_role(message, "user")) {
        write_with(t, message, buf_str(&t->results), STR(""));
        buf_clear(&t->results);
        return;
    }
    write_results(t);
    if (json_count(calls) && !t->caps->tool_calls)
        write_with(t, message, STR(""), calls_text(t, calls));
    else
        json_write_json(&t->w, message);
}

static void write_all(struct teller *t, const struct json *messages)
{
    struct json_iter it = {0};
    const struct json *message;
    bool listed = !t->tools;
    json_write_array(&t->w);
    while (json_next_item(messages, &it, &message)) {
        bool joins = !listed && is_system(message);
        if (joins)
            write_with(t, message, STR(""), tools_text(t));
        else if (!listed)
            write_text_message(t, STR("system"), tools_text(t));
        if (!joins) write_message(t, message);
        listed = true;
    }
    write_results(t);
    json_write_array_end(&t->w);
}

static bool has_strange(const struct json *messages, const struct chat_caps *caps)
{
    struct json_iter it = {0};
    const struct json *message;
    while (json_next_item(messages, &it, &message)) {
        if (!caps->results && is_role(message, "tool")) return true;
        if (!caps->tool_calls && json_count(json_get(message, "tool_calls"))) return true;
    }
    return false;
}

int tool_text_messages(struct arena *arena, const struct json *messages, const struct json *tools,
                       const struct chat_caps *caps, const struct call_format *format,
                       const struct json **out)
{
    struct teller t = {.arena = arena, .caps = caps, .format = format};
    struct buf text;
    *out = messages;
    if (!caps->tools) t.tools = tools;
    if (!t.tools && !has_strange(messages, caps)) return 0;
    buf_init(&text, TEXT_MAX);
    buf_init(&t.results, TEXT_MAX);
    json_write_init(&t.w, &text);
    write_all(&t, messages);
    int err = json_write_end(&t.w);
    if (!err) err = t.err;
    if (!err) err = json_parse(arena, buf_str(&text), out, NULL);
    buf_fini(&t.results);
    buf_fini(&text);
    return err;
}
