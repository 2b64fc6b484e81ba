/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/shape.h"

#include "base/err.h"
#include "engine/refuse.h"

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

/* A schema, or its JSON text. */
static int read_schema(struct fields *f, const char *field, const struct json *v, struct shape *s)
{
    struct str text;
    if (json_to_str(v, &text) && json_parse(f->arena, text, &v, NULL))
        return fields_wrong_type(f, field, "a JSON schema, or its text");
    if (json_type(v) != JSON_OBJECT && json_type(v) != JSON_BOOL)
        return fields_wrong_type(f, field, "a JSON schema");
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
    bool strings = json_count(v) > 0;
    while (json_next_item(v, &it, &item))
        strings &= json_type(item) == JSON_STRING;
    if (json_type(v) != JSON_ARRAY || !strings)
        return fields_wrong_type(f, field, "an array of strings");
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

/* Null, false and an empty string or array ask for nothing; an empty schema asks for JSON. */
static bool asks(const struct json *v)
{
    struct str text;
    bool truth;
    if (json_to_bool(v, &truth)) return truth;
    if (json_to_str(v, &text)) return text.len > 0;
    return !fields_absent(v) && (json_type(v) != JSON_ARRAY || json_count(v));
}

/* --- response_format --- */

static int refuse_type(struct fields *f, const char *field)
{
    return refuse_field(f->arena, f->error, field, "unsupported_parameter",
                        "'%s.type' must be text, json_object or json_schema.", field);
}

/* OpenAI's has its schema in a json_schema, llama-server's beside the type. */
static int read_format(struct fields *f, struct shape *s)
{
    static const char field[] = "response_format";
    const struct json *v = json_get(f->body, field), *schema = json_get(v, "schema");
    struct str type = json_str_or(v, "type", STR_NULL);
    if (fields_absent(v)) return 0;
    if (json_type(v) != JSON_OBJECT) return fields_wrong_type(f, field, "an object");
    if (str_eq(type, STR("text"))) return 0;
    if (str_eq(type, STR("json_object")) && fields_absent(schema))
        return read_grammar(f, field, GRAMMAR_JSON, v, s);
    if (str_eq(type, STR("json_schema")) && !fields_absent(json_get(v, "json_schema")))
        schema = json_get(json_get(v, "json_schema"), "schema");
    else if (!str_eq(type, STR("json_object")) && !str_eq(type, STR("json_schema")))
        return refuse_type(f, field);
    if (fields_absent(schema))
        return refuse_field(f->arena, f->error, field, NULL,
                            "'response_format.json_schema.schema' is missing.");
    return read_grammar(f, field, GRAMMAR_SCHEMA, schema, s);
}

/* --- structured_outputs --- */

static int refuse_member(struct fields *f, const char *member)
{
    return refuse_field(f->arena, f->error, "structured_outputs", "unsupported_parameter",
                        "'structured_outputs.%s' is not supported by this engine.", member);
}

/* All of its members but those that say how, not what. */
static int read_structured(struct fields *f, struct shape *s)
{
    static const char *const refused[] = {"structural_tag", "disable_any_whitespace",
                                          "disable_additional_properties", "whitespace_pattern"};
    static const char field[] = "structured_outputs";
    const struct json *v = json_get(f->body, field);
    int err = 0;
    if (fields_absent(v)) return 0;
    if (json_type(v) != JSON_OBJECT) return fields_wrong_type(f, field, "an object");
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (asks(json_get(v, refused[i]))) return refuse_member(f, refused[i]);
    for (size_t i = 0; !err && i < ARRAY_LEN(structured_ways); i++) {
        const struct way *w = &structured_ways[i];
        const struct json *member = json_get(v, w->name);
        if (asks(member)) err = read_grammar(f, field, w->kind, member, s);
    }
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
                        "'%s' cannot be kept to: %.*s.", shape->field,
                        STR_ARG(grammar_reason(&why)));
}
