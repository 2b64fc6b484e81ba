/* SPDX-License-Identifier: Apache-2.0 */
/* The schema table as JSON Schema (draft 2020-12), for editors. */
#include <inttypes.h>

#include "conf/conf_priv.h"
#include "conf/value.h"
#include "json/write.h"

struct schema_out {
    struct json_writer w;
    struct arena arena;
};

static void write_group(struct schema_out *s, const struct conf_group *group);

static void member(struct schema_out *s, const char *name, const char *value)
{
    json_write_str_member(&s->w, name, str_of(value));
}

/* {"$ref": "#/$defs/NAME"} */
static void ref(struct schema_out *s, const char *name)
{
    json_write_object(&s->w);
    json_write_str_member(&s->w, "$ref", arena_printf(&s->arena, "#/$defs/%s", name));
    json_write_object_end(&s->w);
}

static void pattern_def(struct schema_out *s, const char *name, const char *doc,
                        const char *pattern)
{
    json_write_key(&s->w, name);
    json_write_object(&s->w);
    member(s, "type", "string");
    member(s, "description", doc);
    member(s, "pattern", pattern);
    json_write_object_end(&s->w);
}

static void write_defs(struct schema_out *s)
{
    json_write_key(&s->w, "$defs");
    json_write_object(&s->w);
    pattern_def(s, "reference", "A value from elsewhere: ${env.NAME} or ${file:PATH}.",
                "\\$\\{(env\\.|file:).+\\}");
    pattern_def(s, "duration", "500us, 500ms, 30s, 5m, 1h or 2d.", "^[0-9]+ *(us|ms|s|m|h|d)$|^0$");
    pattern_def(s, "size", "65536, 64KiB or 16k (1024), 64KB (1000).",
                "^[0-9]+ *(B|[kKmMgG]|[KMG]iB|[kKMG]B)?$");
    json_write_object_end(&s->w);
}

static void write_const(struct schema_out *s, const char *value)
{
    json_write_object(&s->w);
    member(s, "const", value);
    json_write_object_end(&s->w);
}

static void write_number(struct schema_out *s, const struct conf_row *row)
{
    json_write_key(&s->w, "anyOf");
    json_write_array(&s->w);
    if (row->type != CONF_DURATION) {
        json_write_object(&s->w);
        member(s, "type", "integer");
        json_write_u64_member(&s->w, "minimum", conf__least(row));
        json_write_u64_member(&s->w, "maximum", row->max);
        json_write_object_end(&s->w);
    } else if (conf__least(row) == 0) {
        json_write_object(&s->w);
        json_write_u64_member(&s->w, "const", 0);
        json_write_object_end(&s->w);
    }
    if (row->type == CONF_DURATION) ref(s, "duration");
    if (row->type == CONF_SIZE) ref(s, "size");
    if (row->zero) write_const(s, row->zero);
    ref(s, "reference");
    json_write_array_end(&s->w);
}

static void write_words(struct schema_out *s, const struct conf_row *row)
{
    json_write_key(&s->w, "anyOf");
    json_write_array(&s->w);
    json_write_object(&s->w);
    json_write_key(&s->w, "enum");
    json_write_array(&s->w);
    for (size_t i = 0; row->words[i]; i++)
        json_write_str(&s->w, str_of(row->words[i]));
    json_write_array_end(&s->w);
    json_write_object_end(&s->w);
    ref(s, "reference");
    json_write_array_end(&s->w);
}

/* YAML reads 12345678 as a number where a text is meant, which the loader takes as text. */
static void write_text_type(struct schema_out *s)
{
    json_write_key(&s->w, "type");
    json_write_array(&s->w);
    json_write_str(&s->w, STR("string"));
    json_write_str(&s->w, STR("number"));
    json_write_str(&s->w, STR("boolean"));
    json_write_array_end(&s->w);
}

static void write_text_object(struct schema_out *s)
{
    json_write_object(&s->w);
    write_text_type(s);
    json_write_object_end(&s->w);
}

static void write_texts(struct schema_out *s)
{
    json_write_key(&s->w, "anyOf");
    json_write_array(&s->w);
    write_text_object(s);
    json_write_object(&s->w);
    member(s, "type", "array");
    json_write_key(&s->w, "items");
    write_text_object(s);
    json_write_object_end(&s->w);
    json_write_array_end(&s->w);
}

static void write_bool(struct schema_out *s)
{
    json_write_key(&s->w, "anyOf");
    json_write_array(&s->w);
    json_write_object(&s->w);
    member(s, "type", "boolean");
    json_write_object_end(&s->w);
    ref(s, "reference");
    json_write_array_end(&s->w);
}

static void write_type(struct schema_out *s, const struct conf_row *row)
{
    switch (row->type) {
    case CONF_TEXT: write_text_type(s); break;
    case CONF_WORD:
    case CONF_ENUM: write_words(s, row); break;
    case CONF_BOOL: write_bool(s); break;
    case CONF_COUNT:
    case CONF_SIZE:
    case CONF_DURATION: write_number(s, row); break;
    case CONF_TEXTS:
    case CONF_ADDRESSES: write_texts(s); break;
    case CONF_PAIRS:
        member(s, "type", "object");
        json_write_key(&s->w, "additionalProperties");
        write_text_object(s);
        break;
    case CONF_LIST:
        member(s, "type", "array");
        json_write_key(&s->w, "items");
        json_write_object(&s->w);
        write_group(s, row->group);
        json_write_object_end(&s->w);
        break;
    case CONF_GROUP:
    case CONF_OPTIONAL: write_group(s, row->group); break;
    }
}

static void write_required(struct schema_out *s, const struct conf_group *group)
{
    json_write_key(&s->w, "required");
    json_write_array(&s->w);
    for (size_t i = 0; i < group->row_count; i++)
        if (group->rows[i].flags & CONF_REQUIRED)
            json_write_str(&s->w, str_of(group->rows[i].name));
    json_write_array_end(&s->w);
}

/* Numbers and booleans as themselves, so that validators compare them with `type`. */
static void write_default(struct schema_out *s, const struct conf_row *row)
{
    struct str text = str_of(row->standard);
    uint64_t value;
    if (!row->standard) return;
    json_write_key(&s->w, "default");
    if (row->type == CONF_BOOL)
        json_write_bool(&s->w, str_eq(text, STR("true")));
    else if (!str_to_u64(text, &value))
        json_write_u64(&s->w, value);
    else
        json_write_str(&s->w, text);
}

static void write_row(struct schema_out *s, const struct conf_row *row)
{
    json_write_key(&s->w, row->name);
    json_write_object(&s->w);
    member(s, "description", row->doc);
    write_type(s, row);
    write_default(s, row);
    json_write_object_end(&s->w);
}

/* Members of an object schema that the caller opened. */
static void write_group(struct schema_out *s, const struct conf_group *group)
{
    member(s, "type", "object");
    json_write_bool_member(&s->w, "additionalProperties", false);
    write_required(s, group);
    json_write_key(&s->w, "properties");
    json_write_object(&s->w);
    for (size_t i = 0; i < group->row_count; i++)
        write_row(s, &group->rows[i]);
    json_write_object_end(&s->w);
}

int conf_write_json_schema(struct buf *out)
{
    struct schema_out s;
    json_write_init(&s.w, out);
    arena_init(&s.arena, SIZE_MAX, 1024);
    json_write_object(&s.w);
    member(&s, "$schema", "https://json-schema.org/draft/2020-12/schema");
    member(&s, "title", "Hostler configuration");
    write_defs(&s);
    write_group(&s, &conf__root);
    json_write_object_end(&s.w);
    arena_fini(&s.arena);
    return json_write_end(&s.w);
}
