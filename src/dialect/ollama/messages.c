/* SPDX-License-Identifier: Apache-2.0 */
/* Messages. Ollama's images are bare base64, its calls have arguments that are objects and mostly no
 * ids, and a tool's result says at best which function it is of: so ids are made, in order, and
 * results find their calls by id, by name, or as the next one without a result. */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "dialect/ollama/ollama_priv.h"

enum { TEXT_MAX = 512 << 20, CALLS_MAX = 64, ID_ROOM = 16 };

/* What results name a call by; both may be empty. */
struct call {
    struct str id, name;
};

/* A chat that is written, message by message. */
struct talk {
    struct ollama__request *r;
    int at;                       /* index of the message */
    struct call calls[CALLS_MAX]; /* of the last message that had any */
    unsigned call_count;
    unsigned first;    /* the number of the first of them, among all */
    uint64_t answered; /* those that have their result, a bit each */
    unsigned count;    /* calls so far */
};

static int refuse(struct talk *k, const char *name, const char *should)
{
    return ollama__refuse(k->r, k->at, name, should);
}

/* --- images --- */

/* Whether base64 is of a RIFF file with that form, whose name stands behind its size. */
static bool has_form(struct str data, struct str form)
{
    return str_eq(str_sub(data, 12, form.len), form);
}

/* By the first bytes; ptr NULL: it is no such image. */
static struct str media_type(struct str data)
{
    static const struct {
        struct str begins, form, type;
    } kinds[] = {
        {STR_INIT("iVBORw0KGgo"), STR_INIT(""), STR_INIT("image/png")},
        {STR_INIT("/9j/"), STR_INIT(""), STR_INIT("image/jpeg")},
        {STR_INIT("R0lGOD"), STR_INIT(""), STR_INIT("image/gif")},
        {STR_INIT("UklGR"), STR_INIT("RUJQ"), STR_INIT("image/webp")},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_starts(data, kinds[i].begins) && has_form(data, kinds[i].form))
            return kinds[i].type;
    return STR_NULL;
}

/* What is put together in `text`, as a value. */
static int write_text(struct json_writer *w, struct buf *text, int err)
{
    if (!err) json_write_str(w, buf_str(text));
    buf_fini(text);
    return err ? -ENOMEM : 0;
}

/* Some clients send URLs already. */
static int write_url(struct json_writer *w, struct str data, struct str type)
{
    struct buf url;
    if (!type.ptr) {
        json_write_str(w, data);
        return 0;
    }
    buf_init(&url, TEXT_MAX);
    int err = buf_append(&url, STR("data:"));
    if (!err) err = buf_append(&url, type);
    if (!err) err = buf_append(&url, STR(";base64,"));
    if (!err) err = buf_append(&url, data);
    return write_text(w, &url, err);
}

static int write_image(struct ollama__request *r, int message, unsigned index,
                       const struct json *image)
{
    struct str data = STR(""), type = STR_NULL;
    bool url = json_to_str(image, &data) && str_starts(data, STR("data:image/"));
    if (!url) type = media_type(data);
    if (!url && !type.ptr) {
        struct str name = arena_say(r->t->arena, "images[%u]", index);
        return ollama__refuse(r, message, name.ptr, "a PNG, JPEG, GIF or WebP file in base64");
    }
    json_write_object(r->w);
    json_write_str_member(r->w, "type", STR("image_url"));
    json_write_key(r->w, "image_url");
    json_write_object(r->w);
    json_write_key(r->w, "url");
    int err = write_url(r->w, data, type);
    json_write_object_end(r->w);
    json_write_object_end(r->w);
    return err;
}

static void write_text_part(struct json_writer *w, struct str text)
{
    json_write_object(w);
    json_write_str_member(w, "type", STR("text"));
    json_write_str_member(w, "text", text);
    json_write_object_end(w);
}

/* Text and images as a value. */
static int write_parts(struct ollama__request *r, int message, struct str text,
                       const struct json *images)
{
    struct json_iter it = {0};
    const struct json *image;
    int err = 0;
    json_write_array(r->w);
    if (text.len) write_text_part(r->w, text);
    for (unsigned i = 0; !err && json_next_item(images, &it, &image); i++)
        err = write_image(r, message, i, image);
    json_write_array_end(r->w);
    return err;
}

/* The images of a message or prompt; NULL: none. */
static int read_images(struct ollama__request *r, const struct json *object, int message,
                       const struct json **out)
{
    const struct json *images = json_get(object, "images");
    *out = NULL;
    if (ollama__absent(images)) return 0;
    if (json_type(images) != JSON_ARRAY) return ollama__refuse(r, message, "images", "a list");
    if (json_count(images)) *out = images;
    return 0;
}

/* --- calls --- */

static struct call read_call(const struct json *call)
{
    return (struct call){.id = json_str_or(call, "id", STR("")),
                         .name = json_str_or(json_get(call, "function"), "name", STR(""))};
}

/* Nine letters and digits, as the strictest runtime (Mistral's) has it. */
static struct str made_id(unsigned number, char room[ID_ROOM])
{
    return str_n(room, (size_t)snprintf(room, ID_ROOM, "call%05u", number));
}

static void write_id(struct talk *k, const char *member, struct str own, unsigned number)
{
    char room[ID_ROOM];
    json_write_str_member(k->r->w, member, own.len ? own : made_id(number, room));
}

static int refuse_call(struct talk *k, unsigned index, const char *member, const char *should)
{
    struct str name = arena_say(k->r->t->arena, "tool_calls[%u].function.%s", index, member);
    return refuse(k, name.ptr, should);
}

/* An object's text; some clients send that text itself. */
static int write_arguments(struct talk *k, const struct json *arguments)
{
    struct buf text;
    struct json_writer w;
    struct str given = STR("{}");
    if (ollama__absent(arguments) || json_to_str(arguments, &given)) {
        json_write_str(k->r->w, given);
        return 0;
    }
    buf_init(&text, TEXT_MAX);
    json_write_init(&w, &text);
    json_write_json(&w, arguments);
    return write_text(k->r->w, &text, json_write_end(&w));
}

static int write_call(struct talk *k, unsigned index, const struct json *call)
{
    struct json_writer *w = k->r->w;
    const struct json *arguments = json_get(json_get(call, "function"), "arguments");
    struct call read = k->calls[index] = read_call(call);
    enum json_type type = json_type(arguments);
    if (read.name.len == 0) return refuse_call(k, index, "name", "a string");
    if (!ollama__absent(arguments) && type != JSON_OBJECT && type != JSON_STRING)
        return refuse_call(k, index, "arguments", "an object");
    json_write_object(w);
    write_id(k, "id", read.id, k->first + index);
    json_write_str_member(w, "type", STR("function"));
    json_write_key(w, "function");
    json_write_object(w);
    json_write_str_member(w, "name", read.name);
    json_write_key(w, "arguments");
    int err = write_arguments(k, arguments);
    json_write_object_end(w);
    json_write_object_end(w);
    return err;
}

/* *out: whether there are any. */
static int write_calls(struct talk *k, const struct json *message, bool *out)
{
    const struct json *calls = json_get(message, "tool_calls"), *call;
    struct json_iter it = {0};
    int err = 0;
    *out = json_count(calls) > 0;
    if (!ollama__absent(calls) && json_type(calls) != JSON_ARRAY)
        return refuse(k, "tool_calls", "a list");
    if (!*out) return 0;
    if (json_count(calls) > CALLS_MAX) return refuse(k, "tool_calls", "a list of at most 64 calls");
    k->call_count = (unsigned)json_count(calls);
    k->first = k->count;
    k->answered = 0;
    json_write_key(k->r->w, "tool_calls");
    json_write_array(k->r->w);
    for (unsigned i = 0; !err && json_next_item(calls, &it, &call); i++)
        err = write_call(k, i, call);
    json_write_array_end(k->r->w);
    k->count += k->call_count;
    return err;
}

/* --- results --- */

/* What a result is of: an id, or else a name; both empty: whatever is next. */
static bool is_of(const struct call *call, struct str id, struct str name)
{
    if (id.len) return str_eq(call->id, id);
    return name.len == 0 || str_eq(call->name, name);
}

/* The call's index; CALLS_MAX: there is none without a result. */
static unsigned find_call(const struct talk *k, struct str id, struct str name)
{
    for (unsigned i = 0; i < k->call_count; i++)
        if (!(k->answered & UINT64_C(1) << i) && is_of(&k->calls[i], id, name)) return i;
    return CALLS_MAX;
}

static void write_result_id(struct talk *k, struct str id, struct str name)
{
    unsigned index = find_call(k, id, name);
    if (index == CALLS_MAX && !id.len) index = find_call(k, id, STR(""));
    if (index < CALLS_MAX) k->answered |= UINT64_C(1) << index;
    if (index < CALLS_MAX && !id.len) id = k->calls[index].id;
    write_id(k, "tool_call_id", id, index < CALLS_MAX ? k->first + index : k->count++);
}

/* --- messages --- */

/* Its role in small letters, as Ollama reads it. */
static int write_role(struct talk *k, const struct json *message, bool *is_tool)
{
    char small[32];
    struct str role = STR("");
    if (!json_to_str(json_get(message, "role"), &role) || role.len == 0 || role.len > sizeof small)
        return refuse(k, "role", "'system', 'user', 'assistant' or 'tool'");
    for (size_t i = 0; i < role.len; i++) {
        char c = role.ptr[i];
        small[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    role.ptr = small;
    *is_tool = str_eq(role, STR("tool"));
    json_write_str_member(k->r->w, "role", role);
    return 0;
}

static int write_result(struct talk *k, const struct json *message, const struct json *images)
{
    struct str text = STR(""), id = STR(""), name = STR("");
    int err = ollama__text(k->r, message, k->at, "content", &text);
    if (!err) err = ollama__text(k->r, message, k->at, "tool_call_id", &id);
    if (!err) err = ollama__text(k->r, message, k->at, "tool_name", &name);
    if (err) return err;
    if (images) return refuse(k, "images", "left out: a tool's result cannot have images here");
    write_result_id(k, id, name);
    json_write_str_member(k->r->w, "content", text);
    return 0;
}

/* Calls alone have no content, which some runtimes insist on. */
static int write_said(struct talk *k, const struct json *message, const struct json *images)
{
    struct json_writer *w = k->r->w;
    struct str text = STR(""), thought = STR("");
    bool calls;
    int err = ollama__text(k->r, message, k->at, "content", &text);
    if (!err) err = ollama__text(k->r, message, k->at, "thinking", &thought);
    if (!err && thought.len) json_write_str_member(w, "reasoning_content", thought);
    if (!err) err = write_calls(k, message, &calls);
    if (err) return err;
    json_write_key(w, "content");
    if (images) return write_parts(k->r, k->at, text, images);
    if (calls && text.len == 0)
        json_write_null(w);
    else
        json_write_str(w, text);
    return 0;
}

static int write_message(struct talk *k, const struct json *message)
{
    const struct json *images;
    bool is_tool = false;
    json_write_object(k->r->w);
    int err = write_role(k, message, &is_tool);
    if (!err) err = read_images(k->r, message, k->at, &images);
    if (!err) err = (is_tool ? write_result : write_said)(k, message, images);
    json_write_object_end(k->r->w);
    return err;
}

int ollama__write_messages(struct ollama__request *r)
{
    const struct json *messages = json_get(r->body, "messages"), *message;
    struct talk k = {.r = r};
    struct json_iter it = {0};
    int err = 0;
    if (json_type(messages) != JSON_ARRAY)
        return ollama__refuse(r, OLLAMA__OUTERMOST, "messages", "a list of messages");
    json_write_key(r->w, "messages");
    json_write_array(r->w);
    for (; !err && json_next_item(messages, &it, &message); k.at++)
        err = write_message(&k, message);
    json_write_array_end(r->w);
    return err;
}

/* --- a prompt --- */

static void begin_message(struct json_writer *w, struct str role)
{
    json_write_object(w);
    json_write_str_member(w, "role", role);
    json_write_key(w, "content");
}

int ollama__write_prompt(struct ollama__request *r)
{
    struct json_writer *w = r->w;
    struct str prompt = STR(""), system = STR("");
    const struct json *images;
    int err = ollama__text(r, r->body, OLLAMA__OUTERMOST, "prompt", &prompt);
    if (!err) err = ollama__text(r, r->body, OLLAMA__OUTERMOST, "system", &system);
    if (!err) err = read_images(r, r->body, OLLAMA__OUTERMOST, &images);
    if (err) return err;
    json_write_key(w, "messages");
    json_write_array(w);
    if (system.len) {
        begin_message(w, STR("system"));
        json_write_str(w, system);
        json_write_object_end(w);
    }
    begin_message(w, STR("user"));
    if (images)
        err = write_parts(r, OLLAMA__OUTERMOST, prompt, images);
    else
        json_write_str(w, prompt);
    json_write_object_end(w);
    json_write_array_end(w);
    return err;
}
