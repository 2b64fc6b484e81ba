/* SPDX-License-Identifier: Apache-2.0 */
/* Whether keywords have what JSON Schema wants there. What they have instead is refused wherever it
 * stands, whether or not a value could ever come to it: whoever wrote it means something else. */
#include <stdio.h>

#include "base/err.h"
#include "engine/grammar/schema_priv.h"

enum {
    REFS_MAX = 1000, /* that are looked up; those beyond are left to whoever reads them */
    TYPE_SHOWN_MAX = 64,
};

/* What a keyword must have. */
enum form {
    FORM_SCHEMA,
    FORM_ITEMS,      /* a schema, or an array of them */
    FORM_LIST,       /* an array of schemas */
    FORM_CHOICE,     /* the same, not empty */
    FORM_MEMBERS,    /* an object of schemas */
    FORM_DEPENDENTS, /* an object of schemas and of arrays of strings */
    FORM_NAMED,      /* an object of arrays of strings */
    FORM_NAMES,      /* an array of strings */
    FORM_TYPE,
    FORM_VALUES, /* an array, not empty */
    FORM_STRING,
    FORM_FLAG,
    FORM_NUMBER,
    FORM_DIVISOR, /* a number above 0 */
    FORM_BOUND,   /* a number, in old drafts a flag */
    FORM_COUNT,
};

static const struct row {
    struct str name;
    enum form form;
} rows[] = {
    {STR_INIT("$ref"), FORM_STRING},
    {STR_INIT("$anchor"), FORM_STRING},
    {STR_INIT("$defs"), FORM_MEMBERS},
    {STR_INIT("definitions"), FORM_MEMBERS},
    {STR_INIT("allOf"), FORM_CHOICE},
    {STR_INIT("anyOf"), FORM_CHOICE},
    {STR_INIT("oneOf"), FORM_CHOICE},
    {STR_INIT("not"), FORM_SCHEMA},
    {STR_INIT("if"), FORM_SCHEMA},
    {STR_INIT("then"), FORM_SCHEMA},
    {STR_INIT("else"), FORM_SCHEMA},
    {STR_INIT("type"), FORM_TYPE},
    {STR_INIT("enum"), FORM_VALUES},
    {STR_INIT("minimum"), FORM_NUMBER},
    {STR_INIT("maximum"), FORM_NUMBER},
    {STR_INIT("exclusiveMinimum"), FORM_BOUND},
    {STR_INIT("exclusiveMaximum"), FORM_BOUND},
    {STR_INIT("multipleOf"), FORM_DIVISOR},
    {STR_INIT("minLength"), FORM_COUNT},
    {STR_INIT("maxLength"), FORM_COUNT},
    {STR_INIT("pattern"), FORM_STRING},
    {STR_INIT("format"), FORM_STRING},
    {STR_INIT("items"), FORM_ITEMS},
    {STR_INIT("prefixItems"), FORM_LIST},
    {STR_INIT("additionalItems"), FORM_SCHEMA},
    {STR_INIT("unevaluatedItems"), FORM_SCHEMA},
    {STR_INIT("minItems"), FORM_COUNT},
    {STR_INIT("maxItems"), FORM_COUNT},
    {STR_INIT("uniqueItems"), FORM_FLAG},
    {STR_INIT("contains"), FORM_SCHEMA},
    {STR_INIT("minContains"), FORM_COUNT},
    {STR_INIT("maxContains"), FORM_COUNT},
    {STR_INIT("properties"), FORM_MEMBERS},
    {STR_INIT("patternProperties"), FORM_MEMBERS},
    {STR_INIT("additionalProperties"), FORM_SCHEMA},
    {STR_INIT("unevaluatedProperties"), FORM_SCHEMA},
    {STR_INIT("propertyNames"), FORM_SCHEMA},
    {STR_INIT("required"), FORM_NAMES},
    {STR_INIT("minProperties"), FORM_COUNT},
    {STR_INIT("maxProperties"), FORM_COUNT},
    {STR_INIT("dependentRequired"), FORM_NAMED},
    {STR_INIT("dependentSchemas"), FORM_MEMBERS},
    {STR_INIT("dependencies"), FORM_DEPENDENTS},
};

static const struct row *find_row(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(rows[i].name, name)) return &rows[i];
    return NULL;
}

bool schema_is_keyword(struct str name)
{
    return find_row(name) || str_eq(name, STR("const"));
}

/* --- types --- */

static unsigned kind_named(const struct json *type)
{
    static const struct {
        struct str name;
        unsigned kinds;
    } table[] = {
        {STR_INIT("null"), IS_NULL},     {STR_INIT("boolean"), IS_BOOLEAN},
        {STR_INIT("integer"), IS_WHOLE}, {STR_INIT("number"), IS_NUMBER},
        {STR_INIT("string"), IS_STRING}, {STR_INIT("array"), IS_ARRAY},
        {STR_INIT("object"), IS_OBJECT},
    };
    struct str name;
    for (size_t i = 0; json_to_str(type, &name) && i < ARRAY_LEN(table); i++)
        if (str_eq(table[i].name, name)) return table[i].kinds;
    return 0;
}

unsigned schema__kinds(const struct json *type)
{
    struct json_iter it = {0};
    const struct json *v;
    unsigned all = kind_named(type);
    while (json_type(type) == JSON_ARRAY && json_next_item(type, &it, &v)) {
        unsigned one = kind_named(v);
        if (!one) return 0;
        all |= one;
    }
    return all;
}

static void check_type_name(struct schema_job *job, const struct json *schema,
                            const struct json *type)
{
    char why[256];
    struct str name;
    if (!json_to_str(type, &name)) {
        schema__malformed(job, schema, "type", "it must be a string, or an array of strings");
        return;
    }
    if (kind_named(type)) return;
    (void)snprintf(why, sizeof why,
                   "there is no type \"%.*s\", only null, boolean, integer, number, string, array "
                   "and object",
                   (int)MIN(name.len, TYPE_SHOWN_MAX), name.ptr);
    schema__malformed(job, schema, "type", why);
}

static void check_type(struct schema_job *job, const struct json *schema, const struct json *type)
{
    struct json_iter it = {0};
    const struct json *v;
    if (json_type(type) != JSON_ARRAY) {
        check_type_name(job, schema, type);
        return;
    }
    if (!json_count(type)) schema__malformed(job, schema, "type", "it must not be empty");
    while (json_next_item(type, &it, &v))
        check_type_name(job, schema, v);
}

/* --- other values --- */

static bool are_names(const struct json *array)
{
    struct json_iter it = {0};
    const struct json *v;
    while (json_next_item(array, &it, &v))
        if (json_type(v) != JSON_STRING) return false;
    return json_type(array) == JSON_ARRAY;
}

/* Of what dependents wait for; with `schemas`, those may also stand there. */
static bool are_lists(const struct json *object, bool schemas)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *v;
    while (json_next_member(object, &it, &name, &v))
        if (!are_names(v) && !(schemas && json_type(v) != JSON_ARRAY)) return false;
    return json_type(object) == JSON_OBJECT;
}

static bool is_divisor(const struct json *v)
{
    double x = 1;
    return json_type(v) == JSON_NUMBER && (!json_to_double(v, &x) || x > 0);
}

static const char *unless(bool fits, const char *wanted)
{
    return fits ? NULL : wanted;
}

static const char *not_filled(const struct json *v)
{
    if (json_type(v) != JSON_ARRAY) return "it must be an array";
    return unless(json_count(v), "it must not be empty");
}

/* What it must be instead; NULL: it is, or others look at it. */
static const char *what_instead(enum form form, const struct json *v)
{
    enum json_type type = json_type(v);
    switch (form) {
    case FORM_LIST: return unless(type == JSON_ARRAY, "it must be an array");
    case FORM_CHOICE:
    case FORM_VALUES: return not_filled(v);
    case FORM_MEMBERS: return unless(type == JSON_OBJECT, "it must be an object");
    case FORM_DEPENDENTS:
        return unless(are_lists(v, true), "it must be an object of schemas and arrays of strings");
    case FORM_NAMED:
        return unless(are_lists(v, false), "it must be an object of arrays of strings");
    case FORM_NAMES: return unless(are_names(v), "it must be an array of strings");
    case FORM_STRING: return unless(type == JSON_STRING, "it must be a string");
    case FORM_FLAG: return unless(type == JSON_BOOL, "it must be true or false");
    case FORM_NUMBER: return unless(type == JSON_NUMBER, "it must be a number");
    case FORM_DIVISOR: return unless(is_divisor(v), "it must be a number above 0");
    case FORM_BOUND: return unless(type == JSON_NUMBER || type == JSON_BOOL, "it must be a number");
    case FORM_SCHEMA:
    case FORM_ITEMS:
    case FORM_TYPE:
    case FORM_COUNT: break;
    }
    return NULL;
}

/* Null is then no more than a missing one: some libraries write all members that they know. */
static bool may_be_null(enum form form)
{
    return form == FORM_LIST || form == FORM_MEMBERS || form == FORM_DEPENDENTS ||
           form == FORM_NAMED || form == FORM_FLAG;
}

static void check_keyword(struct schema_job *job, const struct json *schema, const struct row *row,
                          const struct json *v)
{
    uint64_t limit;
    if (json_type(v) == JSON_NULL && may_be_null(row->form)) return;
    const char *wanted = what_instead(row->form, v);
    if (wanted) schema__malformed(job, schema, row->name.ptr, wanted);
    if (row->form == FORM_TYPE) check_type(job, schema, v);
    if (row->form == FORM_COUNT) (void)schema__limit(job, schema, row->name, v, &limit);
}

void schema__check(struct schema_job *job, const struct json *schema)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *v;
    enum json_type type = json_type(schema);
    if (type != JSON_OBJECT && type != JSON_BOOL)
        schema__malformed(job, schema, "schema", "it must be an object or a boolean");
    while (!job->err && json_next_member(schema, &it, &name, &v)) {
        const struct row *row = find_row(name);
        if (row) check_keyword(job, schema, row, v);
    }
}

/* --- those within --- */

struct walk {
    struct schema_job *job;
    unsigned refs; /* that were looked up */
};

static void check_within(struct walk *w, const struct json *schema);

static void check_items(struct walk *w, const struct json *array)
{
    struct json_iter it = {0};
    const struct json *v;
    while (!w->job->err && json_next_item(array, &it, &v))
        check_within(w, v);
}

/* Arrays are those of dependencies, which are no schemas. */
static void check_members(struct walk *w, const struct json *object, bool arrays)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *v;
    while (!w->job->err && json_next_member(object, &it, &name, &v))
        if (!arrays || json_type(v) != JSON_ARRAY) check_within(w, v);
}

static void check_parts(struct walk *w, enum form form, const struct json *v)
{
    bool list = form == FORM_LIST || form == FORM_CHOICE;
    if (list || (form == FORM_ITEMS && json_type(v) == JSON_ARRAY))
        check_items(w, v);
    else if (form == FORM_SCHEMA || form == FORM_ITEMS)
        check_within(w, v);
    else if (form == FORM_MEMBERS || form == FORM_DEPENDENTS)
        check_members(w, v, form == FORM_DEPENDENTS);
}

static void check_ref(struct walk *w, const struct json *schema)
{
    const struct json *ref = json_get(schema, "$ref");
    struct str text;
    if (!json_to_str(ref, &text) || !str_starts(text, STR("#")) || w->refs++ >= REFS_MAX) return;
    (void)schema__target(w->job, schema, ref);
}

static void check_within(struct walk *w, const struct json *schema)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *v;
    schema__check(w->job, schema);
    if (!w->job->err) check_ref(w, schema);
    while (!w->job->err && json_next_member(schema, &it, &name, &v)) {
        const struct row *row = find_row(name);
        if (row) check_parts(w, row->form, v);
    }
}

void schema__check_all(struct schema_job *job, const struct json *schema)
{
    struct walk w = {.job = job};
    check_within(&w, schema);
}

int schema_check(const struct json *schema, struct grammar_why *why)
{
    struct schema_job job = {.root = schema, .why = why, .steps_limit = SCHEMA_STEPS};
    arena_init(&job.arena, SCHEMA_ARENA, 1 << 12);
    job.has_ids = schema__has_ids(&job, schema);
    schema__check_all(&job, schema);
    arena_fini(&job.arena);
    return job.err == ERR_SYNTAX ? ERR_SYNTAX : 0;
}
