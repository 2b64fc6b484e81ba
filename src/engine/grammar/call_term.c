/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/call_term.h"

#include "base/err.h"
#include "engine/grammar/chars.h"
#include "engine/grammar/schema.h"

enum {
    INDENTATION_MAX = 16,
    NOISE_MAX = 2, /* marks of nobody's before a call */
    KEY_SHOWN_MAX = 64,
};

static const struct schema_options schema_options = {.spaces = true, .closed = true};

/* What the terms of a demand are made with. */
struct maker {
    struct terms *t;
    const struct call_demand *demand;
    const struct call_format *format;
    struct grammar_why *why;
    term gap; /* white space that may be there */
    int err;
};

/* --- small terms --- */

static term text(const struct maker *m, struct str s)
{
    return term_text(m->t, s);
}

/* One behind the other, with white space between them that may be there; an empty one is none. */
static term join(const struct maker *m, const term *parts, size_t count)
{
    term all = TERM_EMPTY;
    for (size_t i = count; i-- > 0;) {
        if (parts[i] == TERM_EMPTY) continue;
        term rest = all == TERM_EMPTY ? TERM_EMPTY : term_cat(m->t, m->gap, all);
        all = term_cat(m->t, parts[i], rest);
    }
    return all;
}

#define JOIN(m, ...) \
    join(m, (const term[]){__VA_ARGS__}, sizeof(const term[]){__VA_ARGS__} / sizeof(term))

static term make_gap(struct terms *t)
{
    term blank = term_byte(t, ' ');
    term line = term_cat(t, term_byte(t, '\n'), term_repeat(t, blank, 0, INDENTATION_MAX));
    return term_optional(t, term_or(t, blank, line));
}

/* Any text that has none of the mark in it. */
static term without(const struct maker *m, struct str mark)
{
    term any = term_repeat(m->t, term_range(m->t, 0, 255), 0, TERM_ANY_NUMBER);
    return term_not(m->t, term_cat(m->t, any, term_cat(m->t, text(m, mark), any)));
}

/* --- schemas --- */

/* Why a tool cannot be had, with the path in its parameters. */
static void refuse_for(struct maker *m, const struct tool *tool, int err, struct str why)
{
    if (m->err) return;
    m->err = err;
    m->why->tool = tool;
    (void)grammar_refuse(m->why, "%" STR_FMT, STR_ARG(why));
}

/* A keyword of the whole. */
static void refuse(struct maker *m, const struct tool *tool, const char *keyword, const char *why)
{
    refuse_for(m, tool, ERR_UNSUPPORTED, arena_printf(m->why->arena, "#: %s: %s", keyword, why));
}

static void refuse_property(struct maker *m, const struct tool *tool, struct str key,
                            const char *why)
{
    refuse_for(m, tool, ERR_UNSUPPORTED,
               arena_printf(m->why->arena, "#/properties/%.*s: %s this model's way to write calls",
                            (int)MIN(key.len, KEY_SHOWN_MAX), key.ptr, why));
}

/* What a schema takes. Where it cannot be enforced: `otherwise`, unless the tool is strict. */
static term schema_or(struct maker *m, const struct tool *tool, const struct json *schema,
                      term otherwise)
{
    const struct schema_options inner = {.spaces = true,
                                         .closed = true,
                                         .objects = schema == tool->parameters,
                                         .document = tool->parameters};
    struct grammar_why reason = {.arena = m->why->arena};
    term out = otherwise;
    if (m->err) return TERM_NONE;
    int err = schema_term(m->t, schema, &inner, &reason, &out);
    if (err == ERR_UNSUPPORTED && !tool->strict) return otherwise;
    if (err) refuse_for(m, tool, err, reason.text);
    return err ? TERM_NONE : out;
}

/* Arguments are objects, whether the schema says so or not. */
static term arguments(struct maker *m, const struct tool *tool)
{
    term any = schema_any_object(m->t, &schema_options);
    return tool->parameters ? schema_or(m, tool, tool->parameters, any) : any;
}

/* --- objects --- */

static term quoted(const struct maker *m, struct str key)
{
    term quote = term_byte(m->t, '"');
    return term_cat(m->t, quote, term_cat(m->t, text(m, key), quote));
}

/* {"name": NAME, "arguments": {...}} */
static term object(struct maker *m, const struct tool *tool)
{
    const struct call_format *f = m->format;
    term colon = term_byte(m->t, ':');
    term name = JOIN(m, quoted(m, f->name_key), colon, quoted(m, tool->name));
    term parameters = JOIN(m, quoted(m, f->arguments_key), colon, arguments(m, tool));
    return JOIN(m, term_byte(m->t, '{'), name, term_byte(m->t, ','), parameters,
                term_byte(m->t, '}'));
}

/* --- parameters without quotes --- */

/* True when its type says all that a text must be, but for a list of those that may be. */
static bool says_no_more(const struct json *schema)
{
    static const char *const known[] = {"type",     "enum",     "const",    "description",
                                        "title",    "default",  "examples", "deprecated",
                                        "$comment", "readOnly", "writeOnly"};
    struct json_iter it = {0};
    const struct json *v;
    struct str name;
    while (json_next_member(schema, &it, &name, &v)) {
        bool harmless = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            harmless |= str_eq(name, str_of(known[i]));
        if (!harmless) return false;
    }
    return !json_get(schema, "enum") || !json_get(schema, "const");
}

/* A value may stand on lines of its own: line ends at its edges are then not its. */
static term on_lines(const struct maker *m, term value, bool begins, bool ends)
{
    term line = term_byte(m->t, '\n'), maybe = term_optional(m->t, line);
    return term_cat(m->t, begins ? line : maybe, term_cat(m->t, value, ends ? line : maybe));
}

static term choice(const struct maker *m, const struct json *v)
{
    struct str one;
    if (!json_to_str(v, &one) || str_find(one, m->format->value_close) >= 0) return TERM_NONE;
    return on_lines(m, text(m, one), str_starts(one, STR("\n")), str_ends(one, STR("\n")));
}

/* The texts that a schema lists. */
static term choices(const struct maker *m, const struct json *schema)
{
    struct json_iter it = {0};
    const struct json *v, *only = json_get(schema, "const");
    term all = TERM_NONE;
    if (only) return choice(m, only);
    while (json_next_item(json_get(schema, "enum"), &it, &v))
        all = term_or(m->t, all, choice(m, v));
    return all;
}

static term text_value(struct maker *m, const struct tool *tool, struct str key,
                       const struct json *schema)
{
    bool listed = json_get(schema, "const") || json_type(json_get(schema, "enum")) == JSON_ARRAY;
    if (tool->strict && !says_no_more(schema))
        refuse_property(m, tool, key, "a keyword beside the type cannot be enforced in");
    return listed ? choices(m, schema)
                  : on_lines(m, without(m, m->format->value_close), false, false);
}

/* A schema that takes any value takes any text, too. */
static bool takes_all(const struct json *schema)
{
    bool yes = false;
    return (json_to_bool(schema, &yes) && yes) ||
           (json_type(schema) == JSON_OBJECT && !json_count(schema));
}

static term value(struct maker *m, const struct tool *tool, struct str key,
                  const struct json *schema)
{
    term any = without(m, m->format->value_close);
    if (tool_takes_text(schema)) return text_value(m, tool, key, schema);
    return on_lines(m, takes_all(schema) ? any : schema_or(m, tool, schema, any), false, false);
}

static term parameter(struct maker *m, const struct tool *tool, struct str key,
                      const struct json *schema)
{
    const struct call_format *f = m->format;
    term head =
        term_cat(m->t, text(m, f->key_open), term_cat(m->t, text(m, key), text(m, f->key_close)));
    term body = term_cat(m->t, value(m, tool, key, schema), text(m, f->value_close));
    return f->value_open.len ? JOIN(m, head, term_cat(m->t, text(m, f->value_open), body))
                             : term_cat(m->t, head, body);
}

static bool is_required(const struct json *schema, struct str key)
{
    struct json_iter it = {0};
    const struct json *v;
    struct str name;
    while (json_next_item(json_get(schema, "required"), &it, &v))
        if (json_to_str(v, &name) && str_eq(name, key)) return true;
    return false;
}

/* True when a parameter's name is read back as it was written. */
static bool is_writable(const struct call_format *f, struct str key)
{
    bool words = true;
    for (size_t i = 0; i < key.len; i++)
        words &= key.ptr[i] == '_' || (key.ptr[i] >= '0' && key.ptr[i] <= '9') ||
                 (key.ptr[i] >= 'a' && key.ptr[i] <= 'z') ||
                 (key.ptr[i] >= 'A' && key.ptr[i] <= 'Z');
    return f->shape == CALL_PYTHON ? key.len && words : str_find(key, f->key_close) < 0;
}

/* The next property that the family can write; a strict tool must have no other. */
static bool next_property(struct maker *m, const struct tool *tool, struct json_iter *it,
                          struct str *key, const struct json **schema)
{
    while (json_next_member(json_get(tool->parameters, "properties"), it, key, schema)) {
        if (is_writable(m->format, *key)) return true;
        if (tool->strict) refuse_property(m, tool, *key, "this name cannot be written in");
    }
    return false;
}

/* True when the keyword asks for nothing. */
static bool is_idle(const struct json *v)
{
    double number = 1;
    bool list = json_type(v) == JSON_ARRAY || json_type(v) == JSON_OBJECT;
    if (json_to_double(v, &number)) return number == 0;
    return json_type(v) == JSON_NULL || (list && !json_count(v));
}

/* What a schema says of an object as a whole: parameters that come one by one, by their names,
 * cannot keep to it. */
static void check_whole(struct maker *m, const struct tool *tool)
{
    static const char *const beyond[] = {"$ref",
                                         "$dynamicRef",
                                         "$recursiveRef",
                                         "allOf",
                                         "anyOf",
                                         "oneOf",
                                         "not",
                                         "if",
                                         "const",
                                         "enum",
                                         "minProperties",
                                         "maxProperties",
                                         "propertyNames",
                                         "dependencies",
                                         "patternProperties",
                                         "dependentRequired",
                                         "dependentSchemas"};
    for (size_t i = 0; i < ARRAY_LEN(beyond); i++) {
        const struct json *v = json_get(tool->parameters, beyond[i]);
        if (v && !is_idle(v))
            refuse(m, tool, beyond[i],
                   "it cannot be enforced beside 'properties' in this model's way to write calls");
    }
}

bool tool_takes_objects(const struct json *schema)
{
    struct json_iter it = {0};
    const struct json *type = json_get(schema, "type"), *v;
    struct str name;
    bool found = !type || (json_to_str(type, &name) && str_eq(name, STR("object")));
    while (json_next_item(type, &it, &v))
        found |= json_to_str(v, &name) && str_eq(name, STR("object"));
    return found;
}

/* Of a strict tool all must be enforced. */
static void check_parameters(struct maker *m, const struct tool *tool)
{
    const struct json *properties = json_get(tool->parameters, "properties"), *v;
    const struct json *required = json_get(tool->parameters, "required");
    struct json_iter it = {0};
    struct str name;
    if (!tool->strict || !tool->parameters) return;
    check_whole(m, tool);
    if (!tool_takes_objects(tool->parameters)) refuse(m, tool, "type", "arguments are objects");
    while (json_next_item(required, &it, &v))
        if (!json_to_str(v, &name) || !json_get_str(properties, name))
            refuse(m, tool, "required", "it names what is none of the properties");
}

/* In the schema's order. */
static term parameters(struct maker *m, const struct tool *tool)
{
    check_parameters(m, tool);
    struct json_iter it = {0};
    const struct json *schema;
    struct str key;
    term all = TERM_EMPTY;
    while (next_property(m, tool, &it, &key, &schema)) {
        term one = term_cat(m->t, m->gap, parameter(m, tool, key, schema));
        if (!is_required(tool->parameters, key)) one = term_optional(m->t, one);
        all = term_cat(m->t, all, one);
    }
    return all;
}

/* --- parameters in Python's notation --- */

/* KEY=VALUE, the value as JSON, which is nearly Python. */
static term python_parameter(struct maker *m, const struct tool *tool, struct str key,
                             const struct json *schema)
{
    term any = schema_any_value(m->t, &schema_options);
    return JOIN(m, text(m, key), term_byte(m->t, '='), schema_or(m, tool, schema, any));
}

/* In the schema's order. `first`: nothing stands before; `later`: something does. */
static term python_parameters(struct maker *m, const struct tool *tool)
{
    size_t most = json_count(json_get(tool->parameters, "properties")), count = 0;
    term *all = arena_alloc(m->why->arena, (most + 1) * sizeof *all);
    bool *required = arena_alloc(m->why->arena, most + 1);
    term comma = term_cat(m->t, term_byte(m->t, ','), m->gap);
    term first = TERM_EMPTY, later = TERM_EMPTY;
    struct json_iter it = {0};
    const struct json *schema;
    struct str key;
    check_parameters(m, tool);
    for (; next_property(m, tool, &it, &key, &schema); count++) {
        all[count] = python_parameter(m, tool, key, schema);
        required[count] = is_required(tool->parameters, key);
    }
    for (size_t i = count; i-- > 0;) {
        term one = term_cat(m->t, all[i], later);
        term behind = term_cat(m->t, comma, one);
        first = required[i] ? one : term_or(m->t, one, first);
        later = required[i] ? behind : term_or(m->t, behind, later);
    }
    return first;
}

static term python(struct maker *m, const struct tool *tool)
{
    term head = term_cat(m->t, text(m, tool->name), term_byte(m->t, '('));
    return JOIN(m, head, python_parameters(m, tool), term_byte(m->t, ')'));
}

/* --- calls --- */

static term named(struct maker *m, const struct tool *tool)
{
    const struct call_format *f = m->format;
    term filler = term_optional(m->t, text(m, f->filler));
    term name = term_cat(m->t, text(m, tool->name), filler);
    term head = f->behind_name.len ? JOIN(m, name, text(m, f->behind_name))
                                   : term_cat(m->t, name, term_byte(m->t, '\n'));
    if (f->shape == CALL_TAGGED) return term_cat(m->t, head, parameters(m, tool));
    return JOIN(m, head, arguments(m, tool));
}

static term one_of_tools(struct maker *m, term (*each)(struct maker *m, const struct tool *tool))
{
    term all = TERM_NONE;
    for (size_t i = 0; i < m->demand->count && !m->err; i++)
        all = term_or(m->t, all, each(m, &m->demand->tools[i]));
    return all;
}

/* How many calls may follow one. A small model that must call may never want to end. */
static uint32_t further(const struct maker *m)
{
    if (m->demand->single) return 0;
    return m->demand->must ? CALLS_MUST_MAX - 1 : TERM_ANY_NUMBER;
}

/* All between what opens a call and its tail. */
static term inside(struct maker *m)
{
    const struct call_format *f = m->format;
    if (f->shape == CALL_NAMED || f->shape == CALL_TAGGED) return one_of_tools(m, named);
    term one = one_of_tools(m, f->shape == CALL_PYTHON ? python : object);
    if (f->shape == CALL_OBJECT) return one;
    term next = term_cat(m->t, m->gap, JOIN(m, term_byte(m->t, ','), one));
    term items = term_cat(m->t, one, term_repeat(m->t, next, 0, further(m)));
    return JOIN(m, term_byte(m->t, '['), items, term_byte(m->t, ']'));
}

/* A call, or a list of them, behind what opens it. */
static term behind_open(struct maker *m)
{
    const struct call_format *f = m->format;
    term close = text(m, f->close);
    if (f->close_ends) close = term_optional(m->t, close);
    return JOIN(m, text(m, f->lead), inside(m), text(m, f->tail), close);
}

/* Marks that are nobody's; none, one or a few. */
static term noise(const struct maker *m)
{
    term all = TERM_NONE;
    for (size_t i = 0; i < CALL_NOISE_MAX; i++)
        if (m->format->noise[i].len) all = term_or(m->t, all, text(m, m->format->noise[i]));
    if (all == TERM_NONE) return TERM_EMPTY;
    return term_repeat(m->t, term_cat(m->t, all, m->gap), 0, NOISE_MAX);
}

/* `first`, and calls behind it, unless it may be a list of all of them. */
static term calls(const struct maker *m, term first, term marked)
{
    bool lists = m->format->shape == CALL_LIST || m->format->shape == CALL_PYTHON;
    if (m->demand->single || (lists && m->demand->must)) return first;
    term between = m->format->bare ? term_optional(m->t, term_byte(m->t, ';')) : TERM_EMPTY;
    term next = term_cat(m->t, m->gap, JOIN(m, between, noise(m), marked));
    return term_cat(m->t, first, term_repeat(m->t, next, 0, further(m)));
}

/* --- answers --- */

static term name_of(struct maker *m, const struct tool *tool)
{
    return text(m, tool->name);
}

/* Text that begins like a call is one, where calls need no mark. */
static term begins_like_call(struct maker *m)
{
    term any = term_repeat(m->t, term_range(m->t, 0, 255), 0, TERM_ANY_NUMBER);
    term list = term_optional(m->t, term_byte(m->t, '['));
    term head = m->format->shape == CALL_PYTHON
                    ? JOIN(m, list, one_of_tools(m, name_of), term_byte(m->t, '('))
                    : JOIN(m, list, term_byte(m->t, '{'), quoted(m, m->format->name_key));
    return term_cat(m->t, m->gap, term_cat(m->t, head, any));
}

/* Text that is no call, up to the next one. */
static term plain(const struct maker *m)
{
    return without(m, m->format->open);
}

/* Where the prompt ends with the mark, text begins with the rest of one that begins the same. */
static term plain_behind_open(const struct maker *m)
{
    struct str open = m->format->open;
    term all = TERM_NONE;
    for (size_t i = 0; i < CALL_NOISE_MAX; i++) {
        struct str mark = m->format->noise[i];
        if (mark.len > open.len && str_starts(mark, open))
            all = term_or(m->t, all, text(m, str_skip(mark, open.len)));
    }
    return term_cat(m->t, all, plain(m));
}

static term may_call(struct maker *m, term first, term marked)
{
    const struct call_demand *d = m->demand;
    term begin = d->begun ? plain_behind_open(m) : plain(m);
    if (m->format->bare) begin = term_and(m->t, begin, term_not(m->t, begins_like_call(m)));
    term opened = term_cat(m->t, text(m, m->format->open), term_cat(m->t, m->gap, first));
    term again = term_cat(m->t, calls(m, opened, marked), d->single ? TERM_EMPTY : plain(m));
    term later =
        term_cat(m->t, begin, term_repeat(m->t, again, 0, d->single ? 1 : TERM_ANY_NUMBER));
    bool at_once = d->begun || m->format->bare;
    return at_once ? term_or(m->t, later, calls(m, d->begun ? first : marked, marked)) : later;
}

static term must_call(const struct maker *m, term first, term marked)
{
    term all = m->demand->begun ? calls(m, first, marked)
                                : term_cat(m->t, noise(m), calls(m, marked, marked));
    return term_cat(m->t, all, term_optional(m->t, term_cat(m->t, m->gap, noise(m))));
}

int call_term(struct terms *t, const struct call_demand *demand, struct grammar_why *why, term *out)
{
    struct maker m = {
        .t = t, .demand = demand, .format = demand->format, .why = why, .gap = make_gap(t)};
    term open = text(&m, m.format->open);
    if (m.format->bare && !demand->shaped) open = term_optional(t, open);
    term first = behind_open(&m), marked = JOIN(&m, open, first);
    if (m.err) return m.err;
    *out = demand->must ? must_call(&m, first, marked) : may_call(&m, first, marked);
    return terms_failed(t) ? ERR_TOO_LARGE : 0;
}
