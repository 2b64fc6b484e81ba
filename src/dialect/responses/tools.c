/* SPDX-License-Identifier: Apache-2.0 */
/* Tools: each becomes a function of chat. */
#include "dialect/responses/responses_priv.h"

#include <errno.h>

#include "base/err.h"

/* Tools that the API itself serves, or whose calls chat has no words for. Those that agents send
 * with every request, or that only help others, can be left out. */
static const struct builtin {
    struct str type;
    const char *dropped; /* NULL: refused, since the client would wait for it in vain */
} builtins[] = {
    {STR_INIT("web_search"), "tools[].web_search"},
    {STR_INIT("web_search_2025_08_26"), "tools[].web_search"},
    {STR_INIT("web_search_preview"), "tools[].web_search"},
    {STR_INIT("web_search_preview_2025_03_11"), "tools[].web_search"},
    {STR_INIT("image_generation"), "tools[].image_generation"},
    {STR_INIT("tool_search"), "tools[].tool_search"},
    {STR_INIT("programmatic_tool_calling"), "tools[].programmatic_tool_calling"},
    {STR_INIT("file_search"), NULL},
    {STR_INIT("code_interpreter"), NULL},
    {STR_INIT("mcp"), NULL},
    {STR_INIT("computer"), NULL},
    {STR_INIT("computer_use_preview"), NULL},
    {STR_INIT("local_shell"), NULL},
    {STR_INIT("shell"), NULL},
    {STR_INIT("apply_patch"), NULL},
};

static const struct builtin *builtin_of(struct str type)
{
    for (size_t i = 0; i < ARRAY_LEN(builtins); i++)
        if (str_eq(builtins[i].type, type)) return &builtins[i];
    return NULL;
}

bool responses__is_builtin(struct str type)
{
    return builtin_of(type) != NULL;
}

/* --- what a tool is --- */

/* The object with name, description and parameters: some clients nest it as chat does. */
static const struct json *body_of(const struct json *tool)
{
    const struct json *function = json_get(tool, "function");
    return json_type(function) == JSON_OBJECT ? function : tool;
}

static bool is_client_search(const struct json *tool)
{
    return str_eq(json_str_or(tool, "execution", STR("")), STR("client"));
}

/* False: it is none that a runtime can be told of. A type may be missing within a namespace. */
static bool kind_of(const struct json *tool, enum tool_kind *out)
{
    struct str type = json_str_or(tool, "type", STR("function"));
    *out = str_eq(type, STR("custom"))        ? TOOL_CUSTOM
           : str_eq(type, STR("tool_search")) ? TOOL_SEARCH
                                              : TOOL_FUNCTION;
    if (*out == TOOL_SEARCH) return is_client_search(tool);
    return *out == TOOL_CUSTOM || str_eq(type, STR("function"));
}

/* --- naming --- */

static int add_name(struct asking *a, enum tool_kind kind, struct str space, struct str name,
                    struct named_tool **out)
{
    int err = names_add(&a->names, kind, space, name, out);
    if (err != ERR_FULL) return err;
    return pivot_refuse(a->t, a->why, "tools", "There may be at most %d tools.", NAMES_MAX);
}

static int name_tool(struct asking *a, const struct json *tool, struct str space, const char *path,
                     struct named_tool **out)
{
    enum tool_kind kind;
    struct str name = STR("tool_search");
    if (!kind_of(tool, &kind)) return ERR_NOT_FOUND;
    if (kind != TOOL_SEARCH && !json_to_str(json_get(body_of(tool), "name"), &name))
        return responses__wrong(a, path, "tools that have a 'name'");
    return add_name(a, kind, space, name, out);
}

/* Names of the client's own come first, so that those made of namespaces give way. */
static int reserve_names(struct asking *a, const struct json *tools)
{
    struct json_iter it = {0};
    const struct json *tool;
    struct named_tool *named;
    while (json_next_item(tools, &it, &tool)) {
        int err = name_tool(a, tool, STR(""), "tools", &named);
        if (err && err != ERR_NOT_FOUND) return err;
    }
    return 0;
}

/* --- offering --- */

static int offer(struct asking *a, const struct json *tool, const struct json *space,
                 struct named_tool *named)
{
    a->t->tools_moved |= space || named->offered;
    if (named->offered) return 0;
    struct offer *made = arena_try_zero(&a->scratch, sizeof *made);
    if (!made) return -ENOMEM;
    *made = (struct offer){.tool = tool, .space = space, .name = named};
    named->offered = true;
    *a->offers_end = made;
    a->offers_end = &made->next;
    return 0;
}

static int leave_out(struct asking *a, const struct json *tool)
{
    struct str type = json_str_or(tool, "type", STR(""));
    const struct builtin *known = builtin_of(type);
    a->t->tools_moved = true;
    if (!known || known->dropped) {
        pivot_drop(a->t, known ? known->dropped : "tools[]");
        return 0;
    }
    return pivot_refuse(a->t, a->why, "tools",
                        "The built-in tool '%.*s' is not supported; define a function instead.",
                        STR_ARG(type));
}

/* `space`: its namespace, or NULL; and the name of that. */
static int offer_tool(struct asking *a, const struct json *tool, const struct json *space,
                      struct str name)
{
    struct named_tool *named;
    int err = name_tool(a, tool, name, "tools", &named);
    if (err == ERR_NOT_FOUND) return leave_out(a, tool);
    return err ? err : offer(a, tool, space, named);
}

static int offer_space(struct asking *a, const struct json *space)
{
    struct json_iter it = {0};
    const struct json *tools = json_get(space, "tools"), *tool;
    struct str name;
    bool told = false;
    if (!json_to_str(json_get(space, "name"), &name))
        return responses__wrong(a, "tools", "namespaces that have a 'name'");
    if (name.len > NAMES_SPACE_MAX)
        return pivot_refuse(a->t, a->why, "tools",
                            "The name of a namespace may have at most %d bytes.", NAMES_SPACE_MAX);
    while (json_next_item(tools, &it, &tool)) {
        struct offer **end = a->offers_end;
        int err = offer_tool(a, tool, space, name);
        if (err) return err;
        if (*end && !told) (*end)->tells_space = told = true;
    }
    return 0;
}

static int offer_tools(struct asking *a, const struct json *tools)
{
    struct json_iter it = {0};
    const struct json *tool;
    while (json_next_item(tools, &it, &tool)) {
        bool space = str_eq(json_str_or(tool, "type", STR("")), STR("namespace"));
        int err = space ? offer_space(a, tool) : offer_tool(a, tool, NULL, STR(""));
        if (err) return err;
    }
    return 0;
}

/* Tools that came later in the conversation. */
static int offer_found(struct asking *a)
{
    for (size_t i = 0; i < a->items.count; i++) {
        const struct item *item = &a->items.list[i];
        bool more = str_eq(item->type->name, STR("additional_tools")) ||
                    str_eq(item->type->name, STR("tool_search_output"));
        int err = more ? offer_tools(a, json_get(item->v, "tools")) : 0;
        a->t->tools_moved |= more;
        if (err) return err;
    }
    return 0;
}

int responses__collect_tools(struct asking *a)
{
    const struct json *tools = json_get(a->body, "tools");
    if (!responses__absent(tools) && json_type(tools) != JSON_ARRAY)
        return responses__wrong(a, "tools", "an array");
    int err = reserve_names(a, tools);
    if (!err) err = offer_tools(a, tools);
    return err ? err : offer_found(a);
}

/* --- writing --- */

static int append_paragraph(struct buf *out, struct str text)
{
    int err = buf_len(out) && text.len ? buf_append(out, STR("\n\n")) : 0;
    return err ? err : buf_append(out, text);
}

static int describe_input(struct buf *out, const struct json *format)
{
    struct str grammar;
    if (!json_to_str(json_get(format, "definition"), &grammar)) return 0;
    int err = append_paragraph(out, STR("The input must follow this grammar ("));
    if (err) return err;
    return buf_printf(out, "%.*s):\n%.*s", STR_ARG(json_str_or(format, "syntax", STR("lark"))),
                      STR_ARG(grammar));
}

/* What the model is told of a tool, on a->text. */
static int describe(struct asking *a, const struct offer *o)
{
    buf_clear(&a->text);
    int err = 0;
    if (o->tells_space) err = buf_append(&a->text, json_str_or(o->space, "description", STR("")));
    if (!err)
        err = append_paragraph(&a->text, json_str_or(body_of(o->tool), "description", STR("")));
    if (err || o->name->is.kind != TOOL_CUSTOM) return err;
    return describe_input(&a->text, json_get(o->tool, "format"));
}

static void write_parameters(struct asking *a, const struct offer *o)
{
    static const char text[] =
        "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},"
        "\"required\":[\"input\"],\"additionalProperties\":false}";
    const struct json *given = json_get(body_of(o->tool), "parameters");
    json_write_key(a->w, "parameters");
    if (o->name->is.kind == TOOL_CUSTOM)
        json_write_raw(a->w, str_of(text));
    else if (json_type(given) == JSON_OBJECT && json_count(given))
        json_write_json(a->w, given);
    else
        json_write_raw(a->w, STR("{\"type\":\"object\",\"properties\":{}}"));
}

static int write_tool(struct asking *a, const struct offer *o)
{
    bool strict;
    int err = describe(a, o);
    if (err) return err;
    json_write_object(a->w);
    json_write_str_member(a->w, "type", STR("function"));
    json_write_key(a->w, "function");
    json_write_object(a->w);
    json_write_str_member(a->w, "name", o->name->is.flat);
    if (buf_len(&a->text)) json_write_str_member(a->w, "description", buf_str(&a->text));
    write_parameters(a, o);
    if (json_to_bool(json_get(body_of(o->tool), "strict"), &strict))
        json_write_bool_member(a->w, "strict", strict);
    json_write_object_end(a->w);
    json_write_object_end(a->w);
    return 0;
}

static bool is_sent(const struct asking *a, const struct offer *o)
{
    return !a->only_allowed || o->name->allowed;
}

bool responses__has_offers(const struct asking *a)
{
    for (const struct offer *o = a->offers; o; o = o->next)
        if (is_sent(a, o)) return true;
    return false;
}

int responses__write_tools(struct asking *a)
{
    int err = 0;
    if (!responses__has_offers(a)) return 0;
    a->t->tools_moved |= a->only_allowed;
    json_write_key(a->w, "tools");
    json_write_array(a->w);
    for (const struct offer *o = a->offers; !err && o; o = o->next)
        err = is_sent(a, o) ? write_tool(a, o) : 0;
    if (!err) json_write_array_end(a->w);
    return err;
}
