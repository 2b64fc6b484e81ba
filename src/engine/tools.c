/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/tools.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/grammar/schema.h"
#include "engine/refuse.h"
#include "json/write.h"

enum { LIST_MAX = 64 * 1024 * 1024 };

/* The path of one of the tools' members, on the arena. */
static const char *path_of(struct fields *f, size_t index, const char *member)
{
    return arena_printf(f->arena, "tools[%zu]%s", index, member).ptr;
}

/* --- one tool --- */

/* Names that each family can write without quotes. */
static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (!c || !strchr("_-./", c))) return false;
    }
    return name.len > 0 && name.len <= TOOL_NAME_MAX;
}

static const struct tool *find_tool(const struct tools *t, struct str name)
{
    for (size_t i = 0; i < t->count; i++)
        if (str_eq(t->all[i].name, name)) return &t->all[i];
    return NULL;
}

static int read_name(struct fields *f, const struct json *function, size_t index,
                     const struct tools *t, struct tool *out)
{
    const char *path = path_of(f, index, ".function.name");
    if (fields_absent(json_get(function, "name"))) return fields_missing(f, path);
    out->name = json_str_or(function, "name", STR(""));
    if (!is_name(out->name))
        return refuse_field(f->arena, f->error, path, NULL,
                            "'%s' must be 1 to %d letters, digits or _-./.", path, TOOL_NAME_MAX);
    if (!find_tool(t, out->name)) return 0;
    return refuse_field(f->arena, f->error, path, NULL, "'%s': there are two tools called '%.*s'.",
                        path, STR_ARG(out->name));
}

/* What should be within `properties` stands in its place: no keywords, only names with schemas. */
static bool are_bare_properties(const struct json *schema)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *v;
    while (json_next_member(schema, &it, &name, &v))
        if (schema_is_keyword(name) || json_type(json_get(v, "type")) != JSON_STRING) return false;
    return true;
}

/* Reasons mostly begin with a path in the schema. */
static int refuse_schema(struct arena *arena, struct refusal *error, const char *path,
                         const char *code, struct str reason)
{
    const char *between = str_starts(reason, STR("#")) ? " at " : ": ";
    return refuse_field(arena, error, path, code, "'%s'%s%" STR_FMT, path, between,
                        STR_ARG(reason));
}

static int read_parameters(struct fields *f, const struct json *v, size_t index, struct tool *out)
{
    const char *path = path_of(f, index, ".function.parameters");
    struct grammar_why why = {.arena = f->arena};
    if (!fields_absent(v) && json_type(v) != JSON_OBJECT)
        return fields_wrong_type(f, path, "a JSON schema");
    if (!json_count(v)) return 0;
    if (schema_check(v, &why))
        return refuse_schema(f->arena, f->error, path, "invalid_schema", why.text);
    if (!tool_takes_objects(v)) return fields_wrong_type(f, path, "a schema of type object");
    if (are_bare_properties(v))
        return refuse_field(f->arena, f->error, path, NULL,
                            "'%s' has no keyword of JSON Schema: did you mean {\"type\": "
                            "\"object\", \"properties\": ...}?",
                            path);
    out->parameters = v;
    return 0;
}

static int read_function(struct fields *f, const struct json *function, size_t index,
                         const struct tools *t, struct tool *out)
{
    const struct json *description = json_get(function, "description");
    const struct json *strict = json_get(function, "strict");
    if (json_type(function) != JSON_OBJECT)
        return fields_wrong_type(f, path_of(f, index, ".function"), "an object");
    int err = read_name(f, function, index, t, out);
    if (err) return err;
    if (!fields_absent(description) && json_type(description) != JSON_STRING)
        return fields_wrong_type(f, path_of(f, index, ".function.description"), "a string");
    if (!fields_absent(strict) && !json_to_bool(strict, &out->strict))
        return fields_wrong_type(f, path_of(f, index, ".function.strict"), "true or false");
    out->index = index;
    return read_parameters(f, json_get(function, "parameters"), index, out);
}

static int read_tool(struct fields *f, const struct json *v, size_t index, struct tools *t)
{
    struct tool *out = &t->all[t->count];
    struct str type = json_str_or(v, "type", STR("function"));
    if (json_type(v) != JSON_OBJECT)
        return fields_wrong_type(f, path_of(f, index, ""), "an object");
    if (!str_eq(type, STR("function")))
        return refuse_field(f->arena, f->error, path_of(f, index, ".type"), "unsupported_parameter",
                            "'tools[%zu].type' must be 'function': others are not supported.",
                            index);
    int err = read_function(f, json_get(v, "function"), index, t, out);
    if (!err) t->count++;
    return err;
}

static int read_list(struct fields *f, struct tools *t)
{
    const struct json *list = json_get(f->body, "tools"), *v;
    struct json_iter it = {0};
    if (fields_absent(list)) return 0;
    if (json_type(list) != JSON_ARRAY) return fields_wrong_type(f, "tools", "an array");
    if (json_count(list) > TOOLS_MAX)
        return refuse_field(f->arena, f->error, "tools", NULL, "'tools' may have at most %d items.",
                            TOOLS_MAX);
    t->all = arena_zalloc(f->arena, (json_count(list) + 1) * sizeof *t->all);
    for (size_t i = 0; json_next_item(list, &it, &v); i++) {
        int err = read_tool(f, v, i, t);
        if (err) return err;
    }
    if (t->count) t->list = list;
    return 0;
}

/* --- which of them --- */

static int refuse_unknown(struct fields *f, const char *path, struct str name)
{
    return refuse_field(f->arena, f->error, path, NULL,
                        "'%s' names '%.*s', which is none of the tools.", path,
                        (int)MIN(name.len, 64), name.ptr ? name.ptr : "");
}

/* {"type": "function", "function": {"name": N}}, or with the name beside the type; STR_NULL: none. */
static struct str chosen_name(const struct json *choice)
{
    const struct json *function = json_get(choice, "function");
    return json_str_or(function ? function : choice, "name", STR_NULL);
}

static int choose_named(struct fields *f, const struct json *choice, struct tools *t)
{
    static const char path[] = "tool_choice.function.name";
    struct str name = chosen_name(choice);
    const struct tool *tool = find_tool(t, name);
    if (!name.ptr) return fields_missing(f, path);
    if (!tool) return refuse_unknown(f, path, name);
    t->all[0] = *tool;
    t->count = 1;
    t->must = t->single = true;
    return 0;
}

static int choose_word(struct fields *f, const char *path, struct str word, struct tools *t)
{
    bool needs = str_eq(word, STR("required")) || str_eq(word, STR("any"));
    if (str_eq(word, STR("auto"))) return 0;
    if (str_eq(word, STR("none"))) {
        *t = (struct tools){.list = NULL};
        return 0;
    }
    if (!needs)
        return refuse_field(f->arena, f->error, path, NULL,
                            "'%s' must be none, auto or required, or an object of type function or "
                            "allowed_tools.",
                            path);
    if (!t->count) return refuse_field(f->arena, f->error, path, NULL, "'%s' needs 'tools'.", path);
    t->must = true;
    return 0;
}

/* --- allowed_tools --- */

static bool is_among(const struct json *allowed, struct str name)
{
    struct json_iter it = {0};
    const struct json *v;
    while (json_next_item(allowed, &it, &v))
        if (str_eq(chosen_name(v), name)) return true;
    return false;
}

static int check_allowed(struct fields *f, const struct json *allowed, const struct tools *t)
{
    static const char path[] = "tool_choice.allowed_tools.tools";
    struct json_iter it = {0};
    const struct json *v;
    if (json_type(allowed) != JSON_ARRAY || !json_count(allowed))
        return fields_wrong_type(f, path, "an array of tools");
    while (json_next_item(allowed, &it, &v))
        if (!find_tool(t, chosen_name(v))) return refuse_unknown(f, path, chosen_name(v));
    return 0;
}

/* Of the list, those that are allowed: the template must not offer others. */
static int keep_allowed(struct fields *f, const struct json *allowed, struct tools *t)
{
    struct json_iter it = {0};
    const struct json *v;
    struct json_writer w;
    struct buf text;
    size_t kept = 0;
    buf_init(&text, LIST_MAX);
    json_write_init(&w, &text);
    json_write_array(&w);
    for (size_t i = 0; json_next_item(t->list, &it, &v); i++) {
        if (!is_among(allowed, t->all[i].name)) continue;
        json_write_json(&w, v);
        t->all[kept++] = t->all[i];
    }
    json_write_array_end(&w);
    t->count = kept;
    int err = json_write_end(&w);
    if (!err) err = json_parse(f->arena, buf_str(&text), &t->list, NULL);
    buf_fini(&text);
    return err ? refuse_field(f->arena, f->error, "tools", NULL, "'tools' is too long.") : 0;
}

/* The API has them in a member of that name, and SDKs also beside the type. */
static int choose_allowed(struct fields *f, const struct json *choice, struct tools *t)
{
    const struct json *inner = json_get(choice, "allowed_tools");
    if (!inner) inner = choice;
    const struct json *allowed = json_get(inner, "tools");
    struct str mode = json_str_or(inner, "mode", STR("auto"));
    int err = check_allowed(f, allowed, t);
    if (!err) err = keep_allowed(f, allowed, t);
    return err ? err : choose_word(f, "tool_choice.allowed_tools.mode", mode, t);
}

/* Some clients have the words as types, too. */
static int read_choice(struct fields *f, struct tools *t)
{
    const struct json *choice = json_get(f->body, "tool_choice");
    struct str word;
    if (fields_absent(choice)) return 0;
    if (json_to_str(choice, &word)) return choose_word(f, "tool_choice", word, t);
    if (!json_to_str(json_get(choice, "type"), &word))
        return fields_wrong_type(f, "tool_choice", "a string, or an object with a 'type'");
    if (str_eq(word, STR("function"))) return choose_named(f, choice, t);
    if (str_eq(word, STR("allowed_tools"))) return choose_allowed(f, choice, t);
    return choose_word(f, "tool_choice", word, t);
}

/* --- for the reader --- */

static struct call_tool called_tool(struct arena *arena, const struct tool *tool)
{
    const struct json *properties = json_get(tool->parameters, "properties"), *schema;
    struct str *texts = arena_zalloc(arena, (json_count(properties) + 1) * sizeof *texts), name;
    struct json_iter it = {0};
    size_t count = 0;
    while (json_next_member(properties, &it, &name, &schema))
        if (tool_takes_text(schema)) texts[count++] = name;
    return (struct call_tool){tool->name, texts, count};
}

static void make_called(struct arena *arena, struct tools *t)
{
    t->called = arena_zalloc(arena, (t->count + 1) * sizeof *t->called);
    for (size_t i = 0; i < t->count; i++)
        t->called[i] = called_tool(arena, &t->all[i]);
}

int tools_read(struct fields *f, struct tools *out)
{
    bool parallel = true;
    *out = (struct tools){.list = NULL};
    int err = read_list(f, out);
    if (!err) err = fields_bool(f, "parallel_tool_calls", &parallel);
    if (!err) out->single = !parallel;
    if (!err) err = read_choice(f, out);
    if (!err) make_called(f->arena, out);
    /* Who must call is promised valid arguments. */
    for (size_t i = 0; out->must && i < out->count; i++)
        out->all[i].strict = true;
    return err;
}

/* --- what is enforced --- */

static bool has_strict(const struct tools *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->all[i].strict) return true;
    return false;
}

/* What tells demands on the same list of tools apart. */
static struct str demand_key(struct arena *arena, const struct call_demand *d)
{
    const char *only = d->count == 1 ? arena_dup(arena, d->tools->name).ptr : "";
    return arena_printf(arena, "%s %d%d%d%d %s", d->format->name, d->must, d->single, d->begun,
                        d->shaped, only);
}

/* An answer with a shape is a call or that, so that any text is neither. */
static bool must_call(const struct tools *t, const struct shape *shape)
{
    return t->must || shape->field;
}

static int refuse_call(struct arena *arena, struct refusal *error, const struct grammar_why *why)
{
    static const char code[] = "unsupported_value";
    if (!why->tool)
        return refuse_field(arena, error, "tools", code, "'tools' cannot be enforced: %" STR_FMT,
                            STR_ARG(why->text));
    const char *path = arena_printf(arena, "tools[%zu].function.parameters", why->tool->index).ptr;
    return refuse_schema(arena, error, path, code, why->text);
}

int tools_compile(const struct tools *t, const struct shape *shape,
                  const struct call_format *format, bool begun, struct grammar_cache *cache,
                  struct arena *arena, struct refusal *error, struct terms **out)
{
    const struct call_demand demand = {.format = format,
                                       .tools = t->all,
                                       .count = t->count,
                                       .must = must_call(t, shape),
                                       .single = t->single,
                                       .begun = begun,
                                       .shaped = !t->must && shape->field};
    struct grammar_spec spec = {.kind = GRAMMAR_CALLS, .json = t->list, .calls = &demand};
    struct grammar_why why = {.arena = arena};
    *out = NULL;
    if (!demand.must && !has_strict(t)) return 0;
    spec.text = demand_key(arena, &demand);
    if (!t->must && shape->field) spec.otherwise = &shape->spec;
    if (!grammar_cache_get(cache, &spec, &why, out)) return 0;
    return refuse_call(arena, error, &why);
}
