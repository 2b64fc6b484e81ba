/* SPDX-License-Identifier: Apache-2.0 */
/* Tools, and which of them is to be called. */
#include "dialect/anthropic/request_priv.h"

/* Tools that Anthropic's servers or models bring themselves, by the beginning of their type. */
static const struct hosted {
    struct str type;
    const char *drop;
} hosted[] = {
    {STR_INIT("web_search_"), "web_search tool"},
    {STR_INIT("web_fetch_"), "web_fetch tool"},
    {STR_INIT("bash_"), "bash tool"},
    {STR_INIT("text_editor_"), "text_editor tool"},
    {STR_INIT("memory_"), "memory tool"},
    {STR_INIT("code_execution_"), "code_execution tool"},
    {STR_INIT("computer_"), "computer tool"},
    {STR_INIT("browser_"), "browser tool"},
    {STR_INIT("tool_search_tool_"), "tool_search tool"},
    {STR_INIT("advisor_"), "advisor tool"},
    {STR_INIT("mcp_toolset"), "mcp_toolset tool"},
};

/* A tool of the client's own. One of an unknown type that has a schema can be called as well. */
static bool is_function(const struct json *tool)
{
    struct str type = json_str_or(tool, "type", STR("custom"));
    return str_eq(type, STR("custom")) || json_type(json_get(tool, "input_schema")) == JSON_OBJECT;
}

/* A function as chats have it. Left out as an unknown tool it would be missed without a word, and
 * Anthropic refuses it, too. */
static int check_types(struct request *q, const struct json *tools)
{
    struct json_iter it = {0};
    const struct json *tool;
    for (size_t i = 0; json_next_item(tools, &it, &tool); i++) {
        struct place at = {.name = "tools", .index = i};
        if (is_function(tool) || !str_eq(json_str_or(tool, "type", STR("")), STR("function")))
            continue;
        return anthropic__refuse(q, &at, "type",
                                 "must be custom, or left out; the tool itself has the function's "
                                 "'name', 'description' and 'input_schema'");
    }
    return 0;
}

static const char *hosted_name(const struct json *tool)
{
    struct str type = json_str_or(tool, "type", STR(""));
    for (size_t i = 0; i < ARRAY_LEN(hosted); i++)
        if (str_starts(type, hosted[i].type)) return hosted[i].drop;
    return "unknown tool";
}

static int put_schema(struct request *q, const struct place *at, const struct json *schema)
{
    if (!anthropic__absent(schema) && json_type(schema) != JSON_OBJECT)
        return anthropic__refuse(q, at, "input_schema", "must be an object");
    json_write_key(q->w, "parameters");
    if (anthropic__absent(schema))
        json_write_raw(q->w, STR("{\"type\":\"object\",\"properties\":{}}"));
    else
        json_write_json(q->w, schema);
    return 0;
}

static int put_function(struct request *q, const struct place *at, const struct json *tool,
                        struct str name)
{
    struct str description = STR_NULL;
    bool strict;
    int err = anthropic__str_or(q, at, tool, "description", &description);
    json_write_object(q->w);
    json_write_str_member(q->w, "name", name);
    if (description.ptr) json_write_str_member(q->w, "description", description);
    if (!err) err = put_schema(q, at, json_get(tool, "input_schema"));
    if (err) return err;
    if (json_to_bool(json_get(tool, "strict"), &strict))
        json_write_bool_member(q->w, "strict", strict);
    json_write_object_end(q->w);
    return 0;
}

static int put_tool(struct request *q, const struct place *at, const struct json *tool)
{
    static const char *const dropped[] = {"cache_control",         "defer_loading",
                                          "eager_input_streaming", "allowed_callers",
                                          "input_examples",        NULL};
    struct str name;
    int err = anthropic__str(q, at, tool, "name", &name);
    if (!err && name.len == 0) err = anthropic__refuse(q, at, "name", "must not be empty");
    if (err) return err;
    anthropic__drop(q, tool, dropped);
    json_write_object(q->w);
    json_write_str_member(q->w, "type", STR("function"));
    json_write_key(q->w, "function");
    err = put_function(q, at, tool, name);
    if (!err) json_write_object_end(q->w);
    return err;
}

/* By which Claude Code tells that there are tools to be searched for; nobody may call it. */
static bool is_placeholder(const struct json *tool)
{
    return json_bool_or(tool, "defer_loading", false) &&
           str_eq(json_str_or(tool, "name", STR("")), STR("DeferredToolPlaceholder"));
}

static int put_list(struct request *q, const struct json *tools)
{
    struct json_iter it = {0};
    const struct json *tool;
    int err = 0;
    json_write_key(q->w, "tools");
    json_write_array(q->w);
    for (size_t i = 0; !err && json_next_item(tools, &it, &tool); i++) {
        struct place at = {.name = "tools", .index = i};
        bool kept = is_function(tool) && !is_placeholder(tool);
        if (kept)
            err = put_tool(q, &at, tool);
        else if (!is_function(tool))
            pivot_drop(q->t, hosted_name(tool));
        q->t->tools_moved |= !kept;
    }
    if (!err) json_write_array_end(q->w);
    return err;
}

/* --- the choice --- */

static size_t count_functions(const struct json *tools)
{
    struct json_iter it = {0};
    const struct json *tool;
    size_t n = 0;
    while (json_next_item(tools, &it, &tool))
        n += is_function(tool);
    return n;
}

static bool has_function(const struct json *tools, struct str name)
{
    struct json_iter it = {0};
    const struct json *tool;
    while (json_next_item(tools, &it, &tool))
        if (is_function(tool) && str_eq(json_str_or(tool, "name", STR("")), name)) return true;
    return false;
}

static int put_named(struct request *q, const struct place *at, const struct json *choice)
{
    struct str name;
    int err = anthropic__str(q, at, choice, "name", &name);
    if (err) return err;
    if (!has_function(json_get(q->body, "tools"), name))
        return anthropic__refuse(q, at, "name",
                                 "must be a tool that this model can be given, not '%.*s'",
                                 (int)MIN(name.len, (size_t)80), name.ptr);
    json_write_key(q->w, "tool_choice");
    json_write_object(q->w);
    json_write_str_member(q->w, "type", STR("function"));
    json_write_key(q->w, "function");
    json_write_object(q->w);
    json_write_str_member(q->w, "name", name);
    json_write_object_end(q->w);
    json_write_object_end(q->w);
    return 0;
}

/* A chat without tools has no choice. */
static int put_word(struct request *q, const struct place *at, struct str type, size_t functions)
{
    bool any = str_eq(type, STR("any"));
    if (!any && !str_eq(type, STR("auto")) && !str_eq(type, STR("none")))
        return anthropic__refuse(q, at, "type", "must be auto, any, tool or none");
    if (any && functions == 0)
        return anthropic__refuse(q, at, "type", "is 'any', but no tool can be given to this model");
    if (functions) json_write_str_member(q->w, "tool_choice", any ? STR("required") : type);
    return 0;
}

static int put_choice(struct request *q, const struct json *choice, size_t functions)
{
    struct place at = {.name = "tool_choice", .index = NO_INDEX};
    const struct json *single = json_get(choice, "disable_parallel_tool_use");
    struct str type;
    bool one = false;
    int err = anthropic__str(q, &at, choice, "type", &type);
    if (!err) err = anthropic__flag_or(q, &at, choice, "disable_parallel_tool_use", &one);
    if (err) return err;
    if (functions && !anthropic__absent(single))
        json_write_bool_member(q->w, "parallel_tool_calls", !one);
    if (str_eq(type, STR("tool"))) return put_named(q, &at, choice);
    return put_word(q, &at, type, functions);
}

int anthropic__put_tools(struct request *q)
{
    const struct json *tools = json_get(q->body, "tools"), *tool;
    const struct json *choice = json_get(q->body, "tool_choice");
    struct json_iter it = {0};
    size_t functions = count_functions(tools);
    if (!anthropic__absent(tools) && json_type(tools) != JSON_ARRAY)
        return anthropic__refuse(q, NULL, "tools", "must be a list of tools");
    int err = check_types(q, tools);
    if (err) return err;
    if (functions) err = put_list(q, tools);
    while (!functions && json_next_item(tools, &it, &tool))
        pivot_drop(q->t, hosted_name(tool));
    if (!err && !anthropic__absent(choice)) err = put_choice(q, choice, functions);
    return err;
}
