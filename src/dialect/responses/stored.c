/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a request and its response, and what later ones need of it. */
#include "dialect/responses/responses.h"
#include "dialect/responses/responses_priv.h"

#include <errno.h>

#include "base/err.h"
#include "json/scan.h"
#include "json/skim.h"

/* --- what a request needs of earlier ones --- */

/* The response of an item's id ("msg_ID_0"), on the arena; empty: it is none of ours. */
static struct str response_of(struct arena *arena, struct str item_id)
{
    ptrdiff_t first = str_find_char(item_id, '_');
    size_t last = item_id.len;
    while (last > 0 && item_id.ptr[last - 1] != '_')
        last--;
    if (first < 0 || last < (size_t)first + 3) return STR("");
    struct str id = str_sub(item_id, (size_t)first + 1, last - (size_t)first - 2);
    return arena_try_cat(arena, STR("resp_"), id);
}

static int add_id(struct responses_wants *out, struct str id)
{
    if (!id.ptr) return -ENOMEM;
    for (unsigned i = 0; i < out->count; i++)
        if (str_eq(out->ids[i], id)) return 0;
    if (id.len && out->count < RESPONSES_WANTS_MAX) out->ids[out->count++] = id;
    return 0;
}

static int read_reference(struct arena *arena, const struct json_span *item,
                          struct responses_wants *out)
{
    static const struct str names[] = {STR_INIT("type"), STR_INIT("id")};
    struct json_span fields[ARRAY_LEN(names)];
    struct str id;
    if (json_scan_span(item, names, ARRAY_LEN(names), fields, NULL)) return 0;
    if (!str_eq(fields[0].raw, STR("\"item_reference\"")) || fields[1].type != JSON_STRING)
        return 0;
    int err = json_span_str(&fields[1], arena, &id);
    if (err) return err == -ENOMEM ? err : 0;
    return add_id(out, response_of(arena, id));
}

static int read_references(struct arena *arena, const struct json_span *input,
                           struct responses_wants *out)
{
    struct str rest = input->raw;
    struct json_span item;
    int err = 0;
    if (input->type != JSON_ARRAY || str_find(rest, STR("\"item_reference\"")) < 0) return 0;
    while (!err && json_skim_element(&rest, &item))
        err = read_reference(arena, &item, out);
    return err;
}

int responses_read_wants(struct arena *arena, struct str body, struct responses_wants *out)
{
    static const struct str names[] = {STR_INIT("previous_response_id"), STR_INIT("store"),
                                       STR_INIT("input")};
    struct json_span fields[ARRAY_LEN(names)];
    *out = (struct responses_wants){.store = true};
    if (json_scan(body, names, ARRAY_LEN(names), fields, NULL)) return 0;
    (void)json_span_bool(&fields[1], &out->store);
    if (fields[0].type == JSON_STRING &&
        json_span_str(&fields[0], arena, &out->previous) == -ENOMEM)
        return -ENOMEM;
    return read_references(arena, &fields[2], out);
}

/* --- the input as it is kept --- */

static const struct prefix {
    struct str type, id;
} prefixes[] = {
    {STR_INIT("message"), STR_INIT("msg")},
    {STR_INIT("reasoning"), STR_INIT("rs")},
    {STR_INIT("function_call"), STR_INIT("fc")},
    {STR_INIT("function_call_output"), STR_INIT("fco")},
    {STR_INIT("custom_tool_call"), STR_INIT("ctc")},
    {STR_INIT("custom_tool_call_output"), STR_INIT("ctco")},
};

static struct str prefix_of(struct str type)
{
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_eq(prefixes[i].type, type)) return prefixes[i].id;
    return STR("item");
}

/* The client's id, or one of ours. */
static void write_id(struct json_writer *w, const struct translation *t, const struct json *item,
                     struct str type, size_t place)
{
    struct str given = json_str_or(item, "id", STR(""));
    json_write_key(w, "id");
    if (given.len) {
        json_write_str(w, given);
        return;
    }
    json_write_raw(w, STR("\""));
    if (w->err) return;
    w->err =
        buf_printf(w->out, "%.*s_%.*s_i%zu\"", STR_ARG(prefix_of(type)), STR_ARG(t->id), place);
}

static void write_text_parts(struct json_writer *w, struct str role, struct str text)
{
    bool assistant = str_eq(role, STR("assistant"));
    json_write_key(w, "content");
    json_write_array(w);
    json_write_object(w);
    json_write_str_member(w, "type", assistant ? STR("output_text") : STR("input_text"));
    json_write_str_member(w, "text", text);
    if (assistant) {
        json_write_key(w, "annotations");
        json_write_array(w);
        json_write_array_end(w);
    }
    json_write_object_end(w);
    json_write_array_end(w);
}

static void write_rest(struct json_writer *w, const struct json *item)
{
    struct json_iter it = {0};
    struct str role = json_str_or(item, "role", STR("")), name, text;
    const struct json *v;
    while (json_next_member(item, &it, &name, &v)) {
        if (str_eq(name, STR("id")) || str_eq(name, STR("type"))) continue;
        if (str_eq(name, STR("content")) && json_to_str(v, &text)) {
            write_text_parts(w, role, text);
            continue;
        }
        json_write_key_str(w, name);
        json_write_json(w, v);
    }
}

static void write_item(struct json_writer *w, const struct translation *t, const struct item *item)
{
    struct str type = json_str_or(item->v, "type", STR("message"));
    json_write_object(w);
    write_id(w, t, item->v, type, item->place);
    json_write_str_member(w, "type", type);
    write_rest(w, item->v);
    json_write_object_end(w);
}

static void write_only(struct json_writer *w, const struct translation *t, struct str text)
{
    json_write_object(w);
    write_id(w, t, NULL, STR("message"), 0);
    json_write_str_member(w, "type", STR("message"));
    json_write_str_member(w, "role", STR("user"));
    write_text_parts(w, STR("user"), text);
    json_write_object_end(w);
}

static int write_input(struct asking *a, struct buf *out)
{
    struct json_writer w;
    struct str text;
    int err = responses__collect_items(a);
    if (err) return err;
    json_write_init(&w, out);
    json_write_array(&w);
    for (size_t i = 0; i < a->items.count; i++)
        if (!a->items.list[i].before) write_item(&w, a->t, &a->items.list[i]);
    if (json_to_str(json_get(a->body, "input"), &text)) write_only(&w, a->t, text);
    json_write_array_end(&w);
    err = json_write_end(&w);
    return err == ERR_DEPTH ? ERR_INVALID : err;
}

int responses_write_input(const struct translation *t, struct str body, struct buf *out)
{
    struct refusal why;
    struct arena scratch;
    struct translation own = *t;
    struct asking a = {.t = &own, .why = &why};
    arena_init(&scratch, SIZE_MAX, 8192);
    arena_init(&a.scratch, SIZE_MAX, 8192);
    own.arena = &scratch;
    int err = json_parse(&scratch, body, &a.body, NULL);
    if (!err)
        err = write_input(&a, out);
    else
        err = err == ERR_TOO_LARGE ? -ENOMEM : ERR_INVALID;
    arena_fini(&a.scratch);
    arena_fini(&scratch);
    return err;
}

/* --- its output --- */

struct str responses_output(struct str response)
{
    static const struct str names[] = {STR_INIT("output")};
    struct json_span output[1];
    if (json_scan(response, names, 1, output, NULL)) return STR("");
    return output[0].type == JSON_ARRAY ? output[0].raw : STR("");
}
