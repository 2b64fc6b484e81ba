/* SPDX-License-Identifier: Apache-2.0 */
/* tool_choice: whether a tool must be called, and which. */
#include "dialect/responses/responses_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

static const struct json *choice_of(const struct asking *a)
{
    return json_get(a->body, "tool_choice");
}

static struct str type_of(const struct json *choice)
{
    return json_str_or(choice, "type", STR(""));
}

static int refuse(struct asking *a, const char *path, struct str name)
{
    return pivot_refuse(a->t, a->why, path, "The tool '%.*s' is not there to be called.",
                        STR_ARG(name));
}

/* The tool that an object names, as it is chosen or allowed; NULL: none that is offered. */
static struct named_tool *tool_of(const struct asking *a, const struct json *v)
{
    const struct json *function = json_get(v, "function");
    struct str space = json_str_or(v, "namespace", STR(""));
    struct str name = json_str_or(v, "name", json_str_or(function, "name", STR("")));
    bool search = str_eq(type_of(v), STR("tool_search"));
    struct named_tool *tool = names_find(&a->names, search ? TOOL_SEARCH : TOOL_FUNCTION, space,
                                         search ? STR("tool_search") : name);
    return tool && tool->offered ? tool : NULL;
}

/* --- before the tools are written --- */

static int by_name(const void *a, const void *b)
{
    const struct str *left = a, *right = b;
    return str_cmp(*left, *right);
}

/* A namespace stands for all that is in it. */
static void allow_spaces(struct asking *a, struct str *spaces, size_t count)
{
    if (count == 0) return;
    qsort(spaces, count, sizeof *spaces, by_name);
    for (struct offer *o = a->offers; o; o = o->next)
        if (bsearch(&o->name->is.space, spaces, count, sizeof *spaces, by_name))
            o->name->allowed = true;
}

static int read_allowed(struct asking *a, const struct json *choice)
{
    struct json_iter it = {0};
    const struct json *v, *list = json_get(choice, "tools");
    if (!list) list = json_get(json_get(choice, "allowed_tools"), "tools");
    if (json_type(list) != JSON_ARRAY) return responses__wrong(a, "tool_choice.tools", "an array");
    if (json_count(list) > NAMES_MAX) return responses__wrong(a, "tool_choice.tools", "shorter");
    struct str *spaces = arena_try(&a->scratch, (json_count(list) + 1) * sizeof *spaces);
    size_t count = 0;
    if (!spaces) return -ENOMEM;
    while (json_next_item(list, &it, &v)) {
        struct named_tool *tool = tool_of(a, v);
        if (tool) tool->allowed = true;
        if (str_eq(type_of(v), STR("namespace"))) spaces[count++] = json_str_or(v, "name", STR(""));
    }
    allow_spaces(a, spaces, count);
    a->only_allowed = true;
    return 0;
}

int responses__read_choice(struct asking *a)
{
    const struct json *choice = choice_of(a);
    if (responses__absent(choice) || json_type(choice) == JSON_STRING) return 0;
    if (json_type(choice) != JSON_OBJECT)
        return responses__wrong(a, "tool_choice", "a string or an object");
    if (str_eq(type_of(choice), STR("allowed_tools"))) return read_allowed(a, choice);
    if (tool_of(a, choice)) return 0;
    if (responses__is_builtin(type_of(choice))) return refuse(a, "tool_choice", type_of(choice));
    return refuse(a, "tool_choice.name", json_str_or(choice, "name", STR("")));
}

/* --- behind them --- */

/* "none", "auto" or "required". */
static int write_word(struct asking *a, struct str word)
{
    bool required = str_eq(word, STR("required"));
    if (!required && !str_eq(word, STR("auto")) && !str_eq(word, STR("none")))
        return responses__wrong(a, "tool_choice", "none, auto, required or an object");
    if (responses__has_offers(a))
        json_write_str_member(a->w, "tool_choice", word);
    else if (required)
        return pivot_refuse(a->t, a->why, "tool_choice", "There is no tool that could be called.");
    return 0;
}

static int write_allowed(struct asking *a, const struct json *choice)
{
    struct str inner = json_str_or(json_get(choice, "allowed_tools"), "mode", STR("auto"));
    return write_word(a, json_str_or(choice, "mode", inner));
}

static void write_function(struct asking *a, struct str name)
{
    json_write_key(a->w, "tool_choice");
    json_write_object(a->w);
    json_write_str_member(a->w, "type", STR("function"));
    json_write_key(a->w, "function");
    json_write_object(a->w);
    json_write_str_member(a->w, "name", name);
    json_write_object_end(a->w);
    json_write_object_end(a->w);
}

int responses__write_choice(struct asking *a)
{
    const struct json *choice = choice_of(a);
    struct str word;
    if (responses__absent(choice)) return 0;
    if (json_to_str(choice, &word)) return write_word(a, word);
    if (a->only_allowed) return write_allowed(a, choice);
    write_function(a, tool_of(a, choice)->is.flat);
    return 0;
}
