/* SPDX-License-Identifier: Apache-2.0 */
/* A chat's tools and which of them are to be used. */
#include "dialect/anthropic/to_messages_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

/* --- choices --- */

enum choice { CHOICE_AUTO, CHOICE_NONE, CHOICE_ANY, CHOICE_TOOL, CHOICE_UNKNOWN };

/* What `tool_choice` asks. */
struct choice_of {
    enum choice choice;
    struct str name;            /* of CHOICE_TOOL */
    const struct json *allowed; /* the only tools that may be used, or NULL: all */
    struct str *names;          /* of these, sorted, once sort_allowed was called */
    size_t name_count;
};

static enum choice choice_word(struct str word)
{
    static const struct {
        struct str word;
        enum choice choice;
    } words[] = {
        {STR_INIT("auto"), CHOICE_AUTO},
        {STR_INIT("none"), CHOICE_NONE},
        {STR_INIT("required"), CHOICE_ANY},
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(word, words[i].word)) return words[i].choice;
    return CHOICE_UNKNOWN;
}

/* The name that {type: function, function: {name}} or {type: function, name} has; or empty. */
static struct str function_name(const struct json *of)
{
    return json_str_or(json_get(of, "function"), "name", json_str_or(of, "name", STR("")));
}

static struct choice_of read_choice(const struct json *choice)
{
    struct choice_of out = {.choice = CHOICE_UNKNOWN};
    struct str word, type = json_str_or(choice, "type", STR(""));
    if (!choice) out.choice = CHOICE_AUTO;
    if (json_to_str(choice, &word)) out.choice = choice_word(word);
    if (str_eq(type, STR("function"))) {
        out.name = function_name(choice);
        if (out.name.len) out.choice = CHOICE_TOOL;
    }
    if (str_eq(type, STR("allowed_tools"))) {
        const struct json *list = json_get(choice, "allowed_tools");
        out.choice = choice_word(json_str_or(list, "mode", STR("auto")));
        out.allowed = json_get(list, "tools");
        if (json_type(out.allowed) != JSON_ARRAY) out.choice = CHOICE_UNKNOWN;
    }
    return out;
}

static bool has_tools(const struct json *chat)
{
    return json_count(to_messages_get(chat, "tools")) > 0;
}

bool anthropic__forces_tool(const struct json *chat)
{
    struct choice_of of = read_choice(to_messages_get(chat, "tool_choice"));
    return has_tools(chat) && (of.choice == CHOICE_ANY || of.choice == CHOICE_TOOL);
}

/* --- tools --- */

/* A schema must be of an object: others are refused by Anthropic, an empty one too. */
static void write_schema(struct json_writer *w, const struct json *schema)
{
    struct str name;
    const struct json *value;
    json_write_object(w);
    json_write_str_member(w, "type", STR("object"));
    if (!json_get(schema, "properties")) {
        json_write_key(w, "properties");
        json_write_object(w);
        json_write_object_end(w);
    }
    for (struct json_iter it = {0}; json_next_member(schema, &it, &name, &value);) {
        if (str_eq(name, STR("type"))) continue;
        json_write_key_str(w, name);
        json_write_json(w, value);
    }
    json_write_object_end(w);
}

static void write_tool(struct json_writer *w, const struct json *tool)
{
    const struct json *function = json_get(tool, "function");
    const struct json *schema = to_messages_get(function, "parameters");
    struct str text;
    json_write_object(w);
    json_write_str_member(w, "name", json_str_or(function, "name", STR("")));
    if (json_to_str(json_get(function, "description"), &text))
        json_write_str_member(w, "description", text);
    json_write_key(w, "input_schema");
    if (str_eq(json_str_or(schema, "type", STR("")), STR("object")))
        json_write_json(w, schema);
    else
        write_schema(w, schema);
    anthropic__write_cache_control(w, tool);
    json_write_object_end(w);
}

static int refuse_tool(struct to_messages *m, size_t index, const char *below, const char *text)
{
    struct str path = arena_say(m->t->arena, "tools[%zu]%s", index, below);
    return pivot_refuse(m->t, m->why, path.ptr, "%s", text);
}

static int check_tool(struct to_messages *m, const struct json *tool, size_t index)
{
    const struct json *function = json_get(tool, "function");
    enum json_type schema = json_type(to_messages_get(function, "parameters"));
    if (!str_eq(json_str_or(tool, "type", STR("function")), STR("function")))
        return refuse_tool(m, index, ".type",
                           "Only tools of the type 'function' can be offered to this model.");
    if (json_str_or(function, "name", STR("")).len == 0)
        return refuse_tool(m, index, ".function.name", "A tool needs its function's name.");
    if (schema != JSON_NONE && schema != JSON_OBJECT)
        return refuse_tool(m, index, ".function.parameters",
                           "A function's parameters must be a JSON schema.");
    if (json_bool_or(function, "strict", false)) pivot_drop(m->t, "tools[].function.strict");
    return 0;
}

static int check_tools(struct to_messages *m)
{
    const struct json *tools = to_messages_get(m->chat, "tools"), *tool;
    size_t index = 0;
    int err = 0;
    if (tools && json_type(tools) != JSON_ARRAY)
        return pivot_refuse(m->t, m->why, "tools", "'tools' must be a list.");
    for (struct json_iter it = {0}; !err && json_next_item(tools, &it, &tool);)
        err = check_tool(m, tool, index++);
    return err;
}

/* --- tools that are allowed --- */

static int by_name(const void *a, const void *b)
{
    const struct str *left = a, *right = b;
    return str_cmp(*left, *right);
}

/* Both lists may be long: each tool's name is looked for among sorted ones. */
static int sort_allowed(struct choice_of *of)
{
    const struct json *tool;
    size_t room = json_count(of->allowed);
    if (room == 0) return 0;
    of->names = mem_try_zero(room, sizeof *of->names);
    if (!of->names) return -ENOMEM;
    for (struct json_iter it = {0}; json_next_item(of->allowed, &it, &tool);)
        of->names[of->name_count++] = function_name(tool);
    qsort(of->names, of->name_count, sizeof *of->names, by_name);
    return 0;
}

static bool is_allowed(const struct choice_of *of, struct str name)
{
    if (!of->allowed) return true;
    return of->name_count && bsearch(&name, of->names, of->name_count, sizeof name, by_name);
}

/* How many of the tools may be used: of a named one, how many have the name. */
static size_t count_usable(const struct json *tools, const struct choice_of *of)
{
    const struct json *tool;
    size_t count = 0;
    for (struct json_iter it = {0}; json_next_item(tools, &it, &tool);)
        if (of->choice == CHOICE_TOOL ? str_eq(function_name(tool), of->name)
                                      : is_allowed(of, function_name(tool)))
            count++;
    return count;
}

static int check_choice(struct to_messages *m, const struct choice_of *of)
{
    const struct json *tools = to_messages_get(m->chat, "tools");
    const char *wrong = NULL;
    if (of->choice == CHOICE_UNKNOWN)
        wrong = "'tool_choice' must be none, auto, required, a function or a list of allowed ones.";
    else if ((of->choice == CHOICE_ANY || of->choice == CHOICE_TOOL || of->allowed) &&
             count_usable(tools, of) == 0)
        wrong = "'tool_choice' asks for a tool that is not in 'tools'.";
    return wrong ? pivot_refuse(m->t, m->why, "tool_choice", "%s", wrong) : 0;
}

/* --- what is written --- */

static void write_choice(struct to_messages *m, const struct choice_of *of)
{
    static const char *const words[] = {[CHOICE_AUTO] = "auto",
                                        [CHOICE_NONE] = "none",
                                        [CHOICE_ANY] = "any",
                                        [CHOICE_TOOL] = "tool"};
    bool alone = !json_bool_or(m->chat, "parallel_tool_calls", true) && of->choice != CHOICE_NONE;
    if (of->choice == CHOICE_AUTO && !alone) return; /* as it is without */
    json_write_key(m->w, "tool_choice");
    json_write_object(m->w);
    json_write_str_member(m->w, "type", str_of(words[of->choice]));
    if (of->choice == CHOICE_TOOL) json_write_str_member(m->w, "name", of->name);
    if (alone) json_write_bool_member(m->w, "disable_parallel_tool_use", true);
    json_write_object_end(m->w);
}

/* Where calls were made and no tools are offered any more: Anthropic refuses calls without a tool,
 * so it gets one that it may not use. */
static void write_former_tool(struct to_messages *m)
{
    struct str name = anthropic__called_tool(m);
    if (name.len == 0) return;
    json_write_key(m->w, "tools");
    json_write_array(m->w);
    json_write_object(m->w);
    json_write_str_member(m->w, "name", name);
    json_write_str_member(m->w, "description", STR("Not available any more."));
    json_write_key(m->w, "input_schema");
    write_schema(m->w, NULL);
    json_write_object_end(m->w);
    json_write_array_end(m->w);
    write_choice(m, &(struct choice_of){.choice = CHOICE_NONE});
}

static void write_usable(struct to_messages *m, const struct choice_of *of)
{
    const struct json *tools = to_messages_get(m->chat, "tools"), *tool;
    json_write_key(m->w, "tools");
    json_write_array(m->w);
    for (struct json_iter it = {0}; json_next_item(tools, &it, &tool);)
        if (is_allowed(of, function_name(tool))) write_tool(m->w, tool);
    json_write_array_end(m->w);
    write_choice(m, of);
}

int anthropic__write_tools(struct to_messages *m)
{
    struct choice_of of = read_choice(to_messages_get(m->chat, "tool_choice"));
    int err = check_tools(m);
    if (!err) err = sort_allowed(&of);
    if (!err) err = check_choice(m, &of);
    if (!err && has_tools(m->chat))
        write_usable(m, &of);
    else if (!err)
        write_former_tool(m);
    free(of.names);
    return err;
}
