/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/shape.h"

#include "base/err.h"
#include "engine/refuse.h"

enum { VALUE_SHOWN_MAX = 64 };

/* A field, or a member of one, that holds a grammar. */
struct way {
    const char *name;
    enum grammar_kind kind;
};

static const struct way request_ways[] = {
    {"json_schema", GRAMMAR_SCHEMA},   {"grammar", GRAMMAR_GBNF},
    {"guided_json", GRAMMAR_SCHEMA},   {"guided_regex", GRAMMAR_REGEX},
    {"guided_choice", GRAMMAR_CHOICE}, {"guided_grammar", GRAMMAR_GBNF},
    {"regex", GRAMMAR_REGEX},          {"ebnf", GRAMMAR_GBNF},
};

static const struct way structured_ways[] = {
    {"json", GRAMMAR_SCHEMA},  {"regex", GRAMMAR_REGEX},      {"choice", GRAMMAR_CHOICE},
    {"grammar", GRAMMAR_GBNF}, {"json_object", GRAMMAR_JSON},
};

static int refuse_second(struct fields *f, const char *field, const struct shape *s)
{
    return refuse_field(f->arena, f->error, field, NULL,
                        "'%s' and '%s' both say what the answer must be: only one may.", s->field,
                        field);
}

/* --- one grammar --- */

static int refuse_text(struct fields *f, const char *field, const struct json_error *where)
{
    return refuse_field(f->arena, f->error, field, NULL,
                        "'%s' is a text that is not JSON: %s at byte %zu.", field,
                        where->text ? where->text : "it is too deep", where->offset);
}

/* A schema, or its JSON text. */
static int read_schema(struct fields *f, const char *field, const struct json *v, struct shape *s)
{
    struct json_error where = {0};
    struct str text;
    if (json_to_str(v, &text) && json_parse(f->arena, text, &v, &where))
        return refuse_text(f, field, &where);
    if (json_type(v) != JSON_OBJECT && json_type(v) != JSON_BOOL)
        return fields_wrong_type(f, field, "a JSON schema, or its text");
    s->spec.json = v;
    return 0;
}

static int read_text(struct fields *f, const char *field, const struct json *v, struct shape *s)
{
    return json_to_str(v, &s->spec.text) ? 0 : fields_wrong_type(f, field, "a string");
}

static int read_choices(struct fields *f, const char *field, const struct json *v, struct shape *s)
{
    struct json_iter it = {0};
    const struct json *item;
    bool strings = true;
    while (json_next_item(v, &it, &item))
        strings &= json_type(item) == JSON_STRING;
    if (json_type(v) != JSON_ARRAY || !strings)
        return fields_wrong_type(f, field, "an array of strings");
    if (!json_count(v))
        return refuse_field(f->arena, f->error, field, NULL, "'%s' must not be empty.", field);
    s->spec.json = v;
    return 0;
}

static int read_grammar(struct fields *f, const char *field, enum grammar_kind kind,
                        const struct json *v, struct shape *s)
{
    if (s->field) return refuse_second(f, field, s);
    s->field = field;
    s->spec.kind = kind;
    switch (kind) {
    case GRAMMAR_SCHEMA: return read_schema(f, field, v, s);
    case GRAMMAR_CHOICE: return read_choices(f, field, v, s);
    case GRAMMAR_REGEX:
    case GRAMMAR_GBNF: return read_text(f, field, v, s);
    case GRAMMAR_JSON:
    case GRAMMAR_CALLS: break;
    }
    return 0;
}

/* Null, false and an empty string ask for nothing; an empty schema asks for JSON, and an empty list of
 * choices for what cannot be. */
static bool asks(const struct json *v)
{
    struct str text;
    bool truth;
    if (json_to_bool(v, &truth)) return truth;
    if (json_to_str(v, &text)) return text.len > 0;
    return !fields_absent(v);
}

/* --- response_format --- */

/* A bare schema is a frequent mistake: that has a type of its own, and members. */
static bool is_bare_schema(const struct json *v, struct str type)
{
    return str_eq(type, STR("object")) || json_get(v, "properties");
}

static int refuse_type(struct fields *f, const struct json *v, struct str type)
{
    static const char path[] = "response_format.type";
    if (is_bare_schema(v, type))
        return refuse_field(f->arena, f->error, "response_format", NULL,
                            "'response_format' is a schema, which belongs into its "
                            "json_schema.schema: {\"type\": \"json_schema\", "
                            "\"json_schema\": {\"name\": ..., \"schema\": ...}}.");
    if (!type.ptr)
        return refuse_field(f->arena, f->error, path, NULL,
                            "'%s' is missing; there are text, json_object and json_schema.", path);
    return refuse_field(f->arena, f->error, path, "unsupported_parameter",
                        "'%s' is '%.*s'; there are text, json_object and json_schema.", path,
                        (int)MIN(type.len, VALUE_SHOWN_MAX), type.ptr);
}

/* OpenAI's has its schema in a json_schema, llama-server's beside the type. */
static int read_format(struct fields *f, struct shape *s)
{
    static const char field[] = "response_format";
    const char *path = "response_format.json_schema.schema";
    const struct json *v = json_get(f->body, field), *schema = json_get(v, "schema");
    struct str type = json_str_or(v, "type", STR_NULL);
    if (fields_absent(v)) return 0;
    if (json_type(v) != JSON_OBJECT) return fields_wrong_type(f, field, "an object");
    if (str_eq(type, STR("text"))) return 0;
    if (str_eq(type, STR("json_object")) && fields_absent(schema))
        return read_grammar(f, field, GRAMMAR_JSON, v, s);
    if (str_eq(type, STR("json_schema")) && !fields_absent(json_get(v, "json_schema")))
        schema = json_get(json_get(v, "json_schema"), "schema");
    else if (str_eq(type, STR("json_object")) || str_eq(type, STR("json_schema")))
        path = fields_absent(schema) ? path : "response_format.schema";
    else
        return refuse_type(f, v, type);
    if (fields_absent(schema)) return fields_missing(f, path);
    return read_grammar(f, path, GRAMMAR_SCHEMA, schema, s);
}

/* --- structured_outputs --- */

/* Those of its members that say how, not what: they are refused where they ask for something. */
static const char *const structured_hows[] = {"structural_tag", "disable_any_whitespace",
                                              "disable_additional_properties",
                                              "whitespace_pattern"};

static const struct way *structured_way(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(structured_ways); i++)
        if (str_eq(name, str_of(structured_ways[i].name))) return &structured_ways[i];
    return NULL;
}

static bool is_how(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(structured_hows); i++)
        if (str_eq(name, str_of(structured_hows[i]))) return true;
    return false;
}

static int read_member(struct fields *f, struct str name, const struct json *v, struct shape *s)
{
    const struct way *way = structured_way(name);
    /* There is nothing to fall back to. */
    if (str_eq(name, STR("disable_fallback"))) return 0;
    if ((way || is_how(name)) && !asks(v)) return 0;
    const char *path = arena_printf(f->arena, "structured_outputs.%.*s",
                                    (int)MIN(name.len, VALUE_SHOWN_MAX), name.ptr)
                           .ptr;
    if (is_how(name))
        return refuse_field(f->arena, f->error, path, "unsupported_parameter",
                            "'%s' is not supported by this engine.", path);
    if (!way)
        return refuse_field(f->arena, f->error, path, "unsupported_parameter",
                            "'%s' is not known; there are json, regex, choice, grammar and "
                            "json_object.",
                            path);
    if (way->kind == GRAMMAR_JSON && json_type(v) != JSON_BOOL)
        return fields_wrong_type(f, path, "true or false");
    return read_grammar(f, path, way->kind, v, s);
}

static int read_structured(struct fields *f, struct shape *s)
{
    static const char field[] = "structured_outputs";
    const struct json *v = json_get(f->body, field), *member;
    struct json_iter it = {0};
    struct str name;
    int err = 0;
    if (fields_absent(v)) return 0;
    if (json_type(v) != JSON_OBJECT) return fields_wrong_type(f, field, "an object");
    while (!err && json_next_member(v, &it, &name, &member))
        err = read_member(f, name, member, s);
    return err;
}

int shape_read(struct fields *f, struct shape *out)
{
    *out = (struct shape){.field = NULL};
    int err = read_format(f, out);
    if (!err) err = read_structured(f, out);
    for (size_t i = 0; !err && i < ARRAY_LEN(request_ways); i++) {
        const struct way *w = &request_ways[i];
        const struct json *v = json_get(f->body, w->name);
        if (asks(v)) err = read_grammar(f, w->name, w->kind, v, out);
    }
    return err;
}

int shape_compile(const struct shape *shape, struct grammar_cache *cache, struct arena *arena,
                  struct refusal *error, struct terms **out)
{
    struct grammar_why why = {.arena = arena};
    *out = NULL;
    if (!shape->field || !grammar_cache_get(cache, &shape->spec, &why, out)) return 0;
    return refuse_field(arena, error, shape->field, "unsupported_value",
                        "'%s' cannot be enforced: %.*s", shape->field, STR_ARG(why.text));
}
