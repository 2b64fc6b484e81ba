/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/shapes.h"

#include <string.h>

/* Of chats, at vLLM, SGLang, llama-server or our own engine. */
static const char *const runtimes_own[] = {
    "guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs",
    "json_schema", "grammar",      "regex",         "ebnf",
};

/* Of the APIs. */
static const struct api_field {
    const char *path;
    const char *outer; /* NULL: the request itself */
    const char *name;
} apis[] = {
    {"response_format", NULL, "response_format"},
    {"text.format", "text", "format"},
    {"output_config.format", "output_config", "format"},
    {"format", NULL, "format"},
    {"options.format", "options", "format"},
};

/* Null, false and an empty string or list ask for nothing; an empty schema asks for JSON. */
static bool asks(const struct json *v)
{
    struct str text;
    bool truth;
    switch (json_type(v)) {
    case JSON_NONE:
    case JSON_NULL: return false;
    case JSON_BOOL: return json_to_bool(v, &truth) && truth;
    case JSON_STRING: return json_to_str(v, &text) && text.len > 0;
    case JSON_ARRAY: return json_count(v) > 0;
    case JSON_NUMBER:
    case JSON_OBJECT: break;
    }
    return true;
}

/* A format that says what holds without one. */
static bool is_plain_text(const struct json *format)
{
    return str_eq(json_str_or(format, "type", STR("")), STR("text"));
}

void shapes_carry(const struct json *request, struct json_writer *chat)
{
    for (size_t i = 0; i < ARRAY_LEN(runtimes_own); i++) {
        const struct json *v = json_get(request, runtimes_own[i]);
        if (!asks(v)) continue;
        json_write_key(chat, runtimes_own[i]);
        json_write_json(chat, v);
    }
}

int shapes_refuse_own(struct translation *t, const struct json *chat, struct refusal *why)
{
    for (size_t i = 0; i < ARRAY_LEN(runtimes_own); i++)
        if (asks(json_get(chat, runtimes_own[i])))
            return pivot_refuse(t, why, runtimes_own[i],
                                "'%s' is not available: this model's runtime has nothing like it.",
                                runtimes_own[i]);
    return 0;
}

int shapes_refuse_foreign(struct translation *t, const struct json *request, const char *own,
                          struct refusal *why)
{
    for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
        const struct api_field *f = &apis[i];
        const struct json *outer = f->outer ? json_get(request, f->outer) : request;
        const struct json *v = json_get(outer, f->name);
        if (strcmp(f->path, own) == 0 || !asks(v) || is_plain_text(v)) continue;
        return pivot_refuse(t, why, f->path, "'%s' is another API's field: use '%s' here.", f->path,
                            own);
    }
    return 0;
}
