/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs of calls: a message each, and one behind them with what such messages cannot hold. */
#include "dialect/responses/responses_priv.h"

#include "base/err.h"

#define LEFT_OUT "[What is no text of this result is not shown here.]"
#define IMAGES_BEHIND "[The images of this result are in the next message of the user.]"

static struct part_place place_of(const struct item *output)
{
    return (struct part_place){output, output->type->value};
}

static const struct json *content_of(const struct item *output)
{
    return json_get(output->v, output->type->value);
}

static bool is_image(const struct json *part)
{
    return str_eq(json_str_or(part, "type", STR("")), STR("input_image"));
}

static bool has_images(const struct item *output)
{
    struct json_iter it = {0};
    const struct json *content = content_of(output), *part;
    while (json_next_item(content, &it, &part))
        if (is_image(part)) return true;
    return false;
}

/* True for a list of parts, which have a type of content each; other lists and objects are data. */
static bool is_parts(const struct item *output)
{
    const struct json *content = content_of(output);
    struct str type = json_str_or(json_at(content, 0), "type", STR(""));
    if (json_type(content) == JSON_ARRAY && json_count(content) == 0) return true;
    return str_starts(type, STR("input_")) || str_ends(type, STR("text")) ||
           str_eq(type, STR("encrypted_content"));
}

static int read_data(struct asking *a, const struct item *output)
{
    struct json_writer w;
    json_write_init(&w, &a->text);
    json_write_json(&w, content_of(output));
    int err = json_write_end(&w);
    if (err != ERR_DEPTH) return err;
    return responses__wrong(a, responses__item_path(a, output, output->type->value), "less deep");
}

/* Tools that were found are offered; the text has their names. */
static int read_found(struct asking *a, const struct json *tools, struct str space)
{
    struct json_iter it = {0};
    const struct json *tool;
    int err = 0;
    while (!err && json_next_item(tools, &it, &tool)) {
        struct str name = json_str_or(tool, "name", STR(""));
        const struct json *inner = json_get(tool, "tools");
        const struct named_tool *named = names_find(&a->names, TOOL_FUNCTION, space, name);
        if (json_type(inner) == JSON_ARRAY)
            err = space.len ? 0 : read_found(a, inner, name);
        else if (named)
            err = buf_printf(&a->text, "%s%.*s", buf_len(&a->text) ? "\n" : "",
                             STR_ARG(named->is.flat));
    }
    return err;
}

/* The output as a text, on a->text. */
static int read_output(struct asking *a, const struct item *output)
{
    const struct json *content = content_of(output);
    bool others;
    buf_clear(&a->text);
    if (str_eq(output->type->name, STR("tool_search_output")))
        return read_found(a, content, STR(""));
    if (!responses__absent(content) && json_type(content) != JSON_STRING && !is_parts(output))
        return read_data(a, output);
    int err = responses__read_text(a, content, place_of(output), &a->text, &others);
    if (err || !others) return err;
    if (buf_len(&a->text)) err = buf_append(&a->text, STR("\n"));
    if (err) return err;
    return buf_append(&a->text, has_images(output) ? STR(IMAGES_BEHIND) : STR(LEFT_OUT));
}

/* A call without an output: who was interrupted goes on without it, but runtimes want one. */
static void write_aborted(struct asking *a, struct str id)
{
    json_write_object(a->w);
    json_write_str_member(a->w, "role", STR("tool"));
    json_write_str_member(a->w, "tool_call_id", id);
    json_write_str_member(a->w, "content", STR("aborted"));
    json_write_object_end(a->w);
}

static int write_output(struct asking *a, struct str id, const struct item *output)
{
    int err = read_output(a, output);
    if (err) return err;
    json_write_object(a->w);
    json_write_str_member(a->w, "role", STR("tool"));
    json_write_str_member(a->w, "tool_call_id", id);
    json_write_str_member(a->w, "content", buf_str(&a->text));
    json_write_object_end(a->w);
    return 0;
}

/* --- images --- */

static int write_images(struct asking *a, const struct item *output)
{
    json_write_object(a->w);
    json_write_str_member(a->w, "role", STR("user"));
    json_write_key(a->w, "content");
    int err = responses__write_parts(a, content_of(output), place_of(output), true);
    if (!err) json_write_object_end(a->w);
    return err;
}

/* --- all of a turn --- */

int responses__write_outputs(struct asking *a, size_t from, size_t end)
{
    struct item *with_images = NULL, **last = &with_images;
    int err = 0;
    for (size_t i = from; !err && i < end; i++) {
        if (a->items.list[i].class != ITEM_CALL) continue;
        struct str id = responses__call_id(a->items.list[i].v);
        struct item *output = responses__take_output(a, id, i);
        if (!output) {
            write_aborted(a, id);
            continue;
        }
        err = write_output(a, id, output);
        if (!has_images(output)) continue;
        *last = output;
        last = &output->next_image;
    }
    for (struct item *at = with_images; !err && at; at = at->next_image)
        err = write_images(a, at);
    return err;
}

int responses__write_orphan(struct asking *a, const struct item *output)
{
    int err = read_output(a, output);
    if (err) return err;
    json_write_object(a->w);
    json_write_str_member(a->w, "role", STR("user"));
    json_write_str_member(a->w, "content", buf_str(&a->text));
    json_write_object_end(a->w);
    return has_images(output) ? write_images(a, output) : 0;
}
