/* SPDX-License-Identifier: Apache-2.0 */
/* The input as a list of items, each with its class, and the outputs by the calls that they are
 * of. */
#include "dialect/responses/responses_priv.h"
#include "dialect/responses/responses.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

/* A row reads best as one line. */
/* clang-format off */
static const struct item_type types[] = {
    {STR_INIT("message"), ITEM_MESSAGE, NULL, false, NULL, NULL},
    {STR_INIT("agent_message"), ITEM_MESSAGE, NULL, false, NULL, NULL},
    {STR_INIT("reasoning"), ITEM_REASONING, NULL, false, NULL, NULL},
    {STR_INIT("function_call"), ITEM_CALL, "arguments", false, NULL, NULL},
    {STR_INIT("custom_tool_call"), ITEM_CALL, "input", true, NULL, NULL},
    {STR_INIT("tool_search_call"), ITEM_CALL, "arguments", false, "tool_search", NULL},
    {STR_INIT("local_shell_call"), ITEM_CALL, "action", false, "local_shell", NULL},
    {STR_INIT("shell_call"), ITEM_CALL, "action", false, "shell", NULL},
    {STR_INIT("apply_patch_call"), ITEM_CALL, "operation", false, "apply_patch", NULL},
    {STR_INIT("function_call_output"), ITEM_OUTPUT, "output", false, NULL, NULL},
    {STR_INIT("custom_tool_call_output"), ITEM_OUTPUT, "output", false, NULL, NULL},
    {STR_INIT("tool_search_output"), ITEM_OUTPUT, "tools", false, NULL, NULL},
    {STR_INIT("local_shell_call_output"), ITEM_OUTPUT, "output", false, NULL, NULL},
    {STR_INIT("shell_call_output"), ITEM_OUTPUT, "output", false, NULL, NULL},
    {STR_INIT("apply_patch_call_output"), ITEM_OUTPUT, "output", false, NULL, NULL},
    {STR_INIT("item_reference"), ITEM_REFERENCE, NULL, false, NULL, NULL},
    /* whose tools are collected */
    {STR_INIT("additional_tools"), ITEM_SKIP, NULL, false, NULL, NULL},
    /* what came of them is in the text behind them */
    {STR_INIT("web_search_call"), ITEM_SKIP, NULL, false, NULL, NULL},
    {STR_INIT("image_generation_call"), ITEM_SKIP, NULL, false, NULL, NULL},
    {STR_INIT("file_search_call"), ITEM_SKIP, NULL, false, NULL, NULL},
    {STR_INIT("code_interpreter_call"), ITEM_SKIP, NULL, false, NULL, NULL},
    {STR_INIT("mcp_list_tools"), ITEM_SKIP, NULL, false, NULL, NULL},
    {STR_INIT("compaction_trigger"), ITEM_SKIP, NULL, false, NULL, NULL},
    {STR_INIT("ghost_snapshot"), ITEM_SKIP, NULL, false, NULL, NULL},
    /* what nobody else can read, or chat cannot say */
    {STR_INIT("compaction"), ITEM_SKIP, NULL, false, NULL, "input[].compaction"},
    {STR_INIT("compaction_summary"), ITEM_SKIP, NULL, false, NULL, "input[].compaction"},
    {STR_INIT("context_compaction"), ITEM_SKIP, NULL, false, NULL, "input[].compaction"},
    {STR_INIT("mcp_call"), ITEM_SKIP, NULL, false, NULL, "input[].mcp_call"},
    {STR_INIT("mcp_approval_request"), ITEM_SKIP, NULL, false, NULL, "input[].mcp_approval_request"},
    {STR_INIT("mcp_approval_response"), ITEM_SKIP, NULL, false, NULL, "input[].mcp_approval_response"},
    {STR_INIT("computer_call"), ITEM_SKIP, NULL, false, NULL, "input[].computer_call"},
    {STR_INIT("computer_call_output"), ITEM_SKIP, NULL, false, NULL, "input[].computer_call_output"},
};
/* clang-format on */

/* An unknown item: with a content it is read as a message, else there is nothing to read. */
static const struct item_type unknown_message = {STR_INIT(""), ITEM_MESSAGE, NULL,
                                                 false,        NULL,         NULL};
static const struct item_type unknown = {STR_INIT(""), ITEM_SKIP, NULL, false, NULL, "input[]"};

static const struct item_type *type_of(const struct json *v)
{
    struct str type = json_str_or(v, "type", STR("message"));
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq(types[i].name, type)) return &types[i];
    return responses__absent(json_get(v, "content")) ? &unknown : &unknown_message;
}

struct str responses__call_id(const struct json *item)
{
    return json_str_or(item, "call_id", json_str_or(item, "id", STR("")));
}

/* --- items by an id --- */

static int by_id(const void *x, const void *y)
{
    const struct item_key *a = x, *b = y;
    int order = str_cmp(a->id, b->id);
    return order ? order : a->item < b->item ? -1 : 1;
}

static int init_keys(struct asking *a, struct item_keys *keys, size_t most)
{
    keys->list = arena_try(&a->scratch, (most + 1) * sizeof *keys->list);
    return keys->list ? 0 : -ENOMEM;
}

static void sort_keys(struct item_keys *keys)
{
    if (keys->count) qsort(keys->list, keys->count, sizeof *keys->list, by_id);
}

/* The first with the id, or NULL. */
static struct item_key *find_key(const struct item_keys *keys, struct str id)
{
    size_t low = 0, high = keys->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(keys->list[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < keys->count && str_eq(keys->list[low].id, id) ? &keys->list[low] : NULL;
}

/* --- collecting --- */

static bool is_assistant(const struct json *v)
{
    return str_eq(json_str_or(v, "role", STR("")), STR("assistant"));
}

/* Searches of the API's own have no id and no call that a client answered. */
static bool is_served(const struct json *v)
{
    return str_eq(json_str_or(v, "execution", STR("")), STR("server"));
}

static enum item_class class_of(const struct item *item)
{
    enum item_class class = item->type->class;
    if (class == ITEM_MESSAGE && is_assistant(item->v)) return ITEM_ASSISTANT;
    if ((class == ITEM_CALL || class == ITEM_OUTPUT) && is_served(item->v)) return ITEM_SKIP;
    return class;
}

/* Puts the item in the place of one that refers to it. Once: a small request could name a large item
 * many times. */
static int find_known(struct asking *a, struct item *item)
{
    struct item_key *key = find_key(&a->items.known, json_str_or(item->v, "id", STR("")));
    if (!key)
        return pivot_refuse(a->t, a->why, responses__item_path(a, item, "type"),
                            "The item that this refers to is not stored here; send the item "
                            "itself.");
    if (key->taken++)
        return pivot_refuse(a->t, a->why, responses__item_path(a, item, "id"),
                            "The item that this refers to is there already.");
    item->v = key->v;
    return 0;
}

static int add_item(struct asking *a, const struct json *v, bool before, size_t place)
{
    struct item *item = &a->items.list[a->items.count];
    *item = (struct item){.v = v, .before = before, .place = place};
    if (json_type(v) != JSON_OBJECT)
        return responses__wrong(a, responses__item_path(a, item, NULL), "an object");
    int err = type_of(v)->class == ITEM_REFERENCE ? find_known(a, item) : 0;
    if (err) return err;
    item->type = type_of(item->v);
    item->class = class_of(item);
    if (item->type->dropped) pivot_drop(a->t, item->type->dropped);
    a->items.count++;
    return 0;
}

static int add_items(struct asking *a, const struct json *array, bool before)
{
    struct json_iter it = {0};
    const struct json *v;
    for (size_t i = 0; json_next_item(array, &it, &v); i++) {
        int err = add_item(a, v, before, i);
        if (err) return err;
    }
    return 0;
}

/* --- outputs --- */

static int index_outputs(struct asking *a)
{
    struct item_keys *keys = &a->items.outputs;
    int err = init_keys(a, keys, a->items.count);
    for (size_t i = 0; !err && i < a->items.count; i++) {
        struct item *item = &a->items.list[i];
        if (item->class == ITEM_OUTPUT)
            keys->list[keys->count++] =
                (struct item_key){.id = responses__call_id(item->v), .v = item->v, .item = i};
    }
    if (!err) sort_keys(keys);
    return err;
}

/* Calls come in their order, so those of one id take its outputs one after the other. */
struct item *responses__take_output(struct asking *a, struct str id, size_t item)
{
    struct item_keys *keys = &a->items.outputs;
    struct item_key *first = find_key(keys, id), *end = keys->list + keys->count;
    if (!first) return NULL;
    struct item_key *at = first + first->taken;
    while (at < end && at->item < item && str_eq(at->id, id))
        at++;
    first->taken = (size_t)(at - first);
    if (at == end || !str_eq(at->id, id)) return NULL;
    first->taken++;
    a->items.list[at->item].placed = true;
    return &a->items.list[at->item];
}

/* --- both --- */

static int refuse_stored(struct asking *a)
{
    return pivot_refuse(a->t, a->why, "previous_response_id",
                        "What is stored of earlier responses cannot be read.");
}

/* Lists that were stored, and how many items they have together. */
static int read_lists(struct asking *a, const struct str *texts, size_t count,
                      const struct json ***out, size_t *items)
{
    const struct json **lists = arena_try(&a->scratch, (count + 1) * sizeof *lists);
    *items = 0;
    if (!lists) return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int err = json_parse(&a->scratch, texts[i], &lists[i], NULL);
        if (err == ERR_TOO_LARGE) return -ENOMEM;
        if (err || json_type(lists[i]) != JSON_ARRAY) return refuse_stored(a);
        *items += json_count(lists[i]);
    }
    *out = lists;
    return 0;
}

static void add_known(struct item_keys *keys, const struct json *list)
{
    struct json_iter it = {0};
    const struct json *v;
    while (json_next_item(list, &it, &v)) {
        keys->list[keys->count] =
            (struct item_key){.id = json_str_or(v, "id", STR("")), .v = v, .item = keys->count};
        if (json_type(v) == JSON_OBJECT) keys->count++;
    }
}

static int read_known(struct asking *a, const struct responses_past *past)
{
    const struct json **lists;
    size_t items;
    int err = read_lists(a, past->known, past->known_count, &lists, &items);
    if (!err) err = init_keys(a, &a->items.known, items);
    if (err) return err;
    for (size_t i = 0; i < past->known_count; i++)
        add_known(&a->items.known, lists[i]);
    sort_keys(&a->items.known);
    return 0;
}

static int add_lists(struct asking *a, const struct json **before, size_t count,
                     const struct json *input)
{
    int err = 0;
    for (size_t i = 0; !err && i < count; i++)
        err = add_items(a, before[i], true);
    return err ? err : add_items(a, input, false);
}

int responses__collect_items(struct asking *a)
{
    static const struct responses_past nothing = {NULL, 0, NULL, 0};
    const struct responses_past *past = a->t->past ? a->t->past : &nothing;
    const struct json **before, *input = json_get(a->body, "input");
    enum json_type type = json_type(input);
    size_t room;
    if (!responses__absent(input) && type != JSON_STRING && type != JSON_ARRAY)
        return responses__wrong(a, "input", "a string or an array of items");
    if (type != JSON_ARRAY) input = NULL;
    int err = read_known(a, past);
    if (!err) err = read_lists(a, past->before, past->before_count, &before, &room);
    if (err) return err;
    a->items.list = arena_try(&a->scratch, (room + json_count(input) + 1) * sizeof *a->items.list);
    if (!a->items.list) return -ENOMEM;
    err = add_lists(a, before, past->before_count, input);
    return err ? err : index_outputs(a);
}
