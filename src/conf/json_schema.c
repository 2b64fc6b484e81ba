/* SPDX-License-Identifier: Apache-2.0 */
/* The schema table as JSON Schema (draft 2020-12), for editors. */
#include <stdio.h>

#include "conf/conf_priv.h"
#include "conf/group.h"
#include "conf/types.h"
#include "json/write.h"

static void write_group(struct json_writer *w, const struct conf_group *group);

static void member(struct json_writer *w, const char *name, const char *value)
{
    json_write_str_member(w, name, str_of(value));
}

static void write_def(struct json_writer *w, const struct conf_def *def)
{
    json_write_key(w, def->name);
    json_write_object(w);
    member(w, "type", "string");
    member(w, "description", def->doc);
    if (def->pattern) member(w, "pattern", def->pattern);
    if (def->format) member(w, "format", def->format);
    json_write_object_end(w);
}

static void write_defs(struct json_writer *w)
{
    static const struct conf_def reference = {
        .name = "reference",
        .doc = "A value from elsewhere: ${env.NAME} or ${file:PATH}.",
        .pattern = "\\$\\{(env\\.|file:).+\\}",
    };
    json_write_key(w, "$defs");
    json_write_object(w);
    write_def(w, &reference);
    for (enum conf_type type = 0; conf__scalar(type); type++)
        if (conf__kind(type)->def) write_def(w, conf__kind(type)->def);
    json_write_object_end(w);
}

static void write_text(struct json_writer *w, const struct conf_row *row)
{
    json_write_object(w);
    conf__kind(row->words ? CONF_WORD : CONF_TEXT)->schema(w, row);
    json_write_object_end(w);
}

static void write_texts(struct json_writer *w, const struct conf_row *row)
{
    json_write_key(w, "anyOf");
    json_write_array(w);
    write_text(w, row);
    json_write_object(w);
    member(w, "type", "array");
    json_write_key(w, "items");
    write_text(w, row);
    json_write_object_end(w);
    json_write_array_end(w);
}

static void write_pairs(struct json_writer *w, const struct conf_row *row)
{
    member(w, "type", "object");
    json_write_key(w, "additionalProperties");
    write_text(w, row);
}

static void write_object(struct json_writer *w, const struct conf_group *group)
{
    json_write_object(w);
    write_group(w, group);
    json_write_object_end(w);
}

/* Elements of an open array: a group's short form and the group itself. */
static void write_forms(struct json_writer *w, const struct conf_group *group)
{
    const struct conf_row *text = conf__row(group, str_of(group->text_row));
    json_write_object(w);
    conf__kind(text->type)->schema(w, text);
    json_write_object_end(w);
    write_object(w, group);
}

/* Members of an open object. */
static void write_inner(struct json_writer *w, const struct conf_group *group)
{
    if (!group->text_row) {
        write_group(w, group);
        return;
    }
    json_write_key(w, "anyOf");
    json_write_array(w);
    write_forms(w, group);
    json_write_array_end(w);
}

static void write_items(struct json_writer *w, const struct conf_group *group)
{
    member(w, "type", "array");
    json_write_key(w, "items");
    json_write_object(w);
    write_inner(w, group);
    json_write_object_end(w);
}

/* Where an item has a short form, one may stand in place of the list. */
static void write_list(struct json_writer *w, const struct conf_group *group)
{
    if (!group->text_row) {
        write_items(w, group);
        return;
    }
    json_write_key(w, "anyOf");
    json_write_array(w);
    write_forms(w, group);
    json_write_object(w);
    write_items(w, group);
    json_write_object_end(w);
    json_write_array_end(w);
}

static void write_type(struct json_writer *w, const struct conf_row *row)
{
    switch (row->type) {
    case CONF_TEXTS: write_texts(w, row); break;
    case CONF_PAIRS: write_pairs(w, row); break;
    case CONF_LIST: write_list(w, row->group); break;
    case CONF_GROUP:
    case CONF_OPTIONAL: write_inner(w, row->group); break;
    default: conf__kind(row->type)->schema(w, row); break;
    }
}

static void write_required(struct json_writer *w, const struct conf_group *group)
{
    json_write_key(w, "required");
    json_write_array(w);
    for (size_t i = 0; i < group->row_count; i++)
        if (group->rows[i].flags & CONF_REQUIRED && !group->rows[i].choice)
            json_write_str(w, str_of(group->rows[i].name));
    json_write_array_end(w);
}

/* An element of an open array: {"required": [NAME]} */
static void write_presence(struct json_writer *w, const struct conf_row *row)
{
    json_write_object(w);
    json_write_key(w, "required");
    json_write_array(w);
    json_write_str(w, str_of(row->name));
    json_write_array_end(w);
    json_write_object_end(w);
}

static void write_presences(struct json_writer *w, const struct conf_group *group, unsigned choice)
{
    const struct conf_row *row = NULL;
    while ((row = conf__alternative(group, choice, row)))
        write_presence(w, row);
}

/* {"oneOf": [one is there, another is, none is]}, the last where that is fine. */
static void write_choice(struct json_writer *w, const struct conf_group *group,
                         const struct conf_row *first)
{
    json_write_object(w);
    json_write_key(w, "oneOf");
    json_write_array(w);
    write_presences(w, group, first->choice);
    if (!(first->flags & CONF_REQUIRED)) {
        json_write_object(w);
        json_write_key(w, "not");
        json_write_object(w);
        json_write_key(w, "anyOf");
        json_write_array(w);
        write_presences(w, group, first->choice);
        json_write_array_end(w);
        json_write_object_end(w);
        json_write_object_end(w);
    }
    json_write_array_end(w);
    json_write_object_end(w);
}

static void write_choices(struct json_writer *w, const struct conf_group *group)
{
    bool any = false;
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        if (!row->choice || row != conf__alternative(group, row->choice, NULL)) continue;
        if (!any) json_write_key(w, "allOf");
        if (!any) json_write_array(w);
        any = true;
        write_choice(w, group, row);
    }
    if (any) json_write_array_end(w);
}

/* Rows that belong to another come with it. */
static void write_belongings(struct json_writer *w, const struct conf_group *group)
{
    bool any = false;
    for (size_t i = 0; i < group->row_count; i++) {
        if (!group->rows[i].belongs_to) continue;
        if (!any) json_write_key(w, "dependentRequired");
        if (!any) json_write_object(w);
        any = true;
        json_write_key(w, group->rows[i].name);
        json_write_array(w);
        json_write_str(w, str_of(group->rows[i].belongs_to));
        json_write_array_end(w);
    }
    if (any) json_write_object_end(w);
}

/* Numbers and booleans as themselves, so that validators compare them with `type`. */
static void write_default(struct json_writer *w, const struct conf_row *row)
{
    if (!row->standard) return;
    json_write_key(w, "default");
    conf__write_value(w, conf__scalar(row->type) && conf__kind(row->type)->plain,
                      str_of(row->standard));
}

static void write_row(struct json_writer *w, const struct conf_row *row)
{
    json_write_key(w, row->name);
    json_write_object(w);
    member(w, "description", row->doc);
    write_type(w, row);
    write_default(w, row);
    json_write_object_end(w);
}

/* The old name of a row, which editors strike out. */
static void write_former(struct json_writer *w, const struct conf_row *row)
{
    char doc[128];
    snprintf(doc, sizeof doc, "The old name of `%s`.", row->name);
    json_write_key(w, row->former);
    json_write_object(w);
    member(w, "description", doc);
    json_write_bool_member(w, "deprecated", true);
    write_type(w, row);
    json_write_object_end(w);
}

/* Members of an object schema that the caller opened. */
static void write_group(struct json_writer *w, const struct conf_group *group)
{
    member(w, "type", "object");
    json_write_bool_member(w, "additionalProperties", false);
    write_required(w, group);
    write_choices(w, group);
    write_belongings(w, group);
    json_write_key(w, "properties");
    json_write_object(w);
    for (size_t i = 0; i < group->row_count; i++)
        write_row(w, &group->rows[i]);
    for (size_t i = 0; i < group->row_count; i++)
        if (group->rows[i].former) write_former(w, &group->rows[i]);
    json_write_object_end(w);
}

int conf__write_json_schema(const struct conf_group *schema, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    member(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    member(&w, "title", "Hostler configuration");
    write_defs(&w);
    write_group(&w, schema);
    json_write_object_end(&w);
    return json_write_end(&w);
}

int conf_write_json_schema(struct buf *out)
{
    return conf__write_json_schema(&conf__root, out);
}
