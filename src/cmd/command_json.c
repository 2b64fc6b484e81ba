/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/command.h"
#include "json/write.h"

static const char *const takes[] = {
    [CLI_TEXT] = "text", [CLI_FILE] = "file", [CLI_FOLDER] = "folder", [CLI_COMMAND] = "command"};

static void write_optional(struct json_writer *w, const char *name, const char *text)
{
    if (text) json_write_str_member(w, name, str_of(text));
}

static void write_row(struct json_writer *w, const struct cli_option *row)
{
    const char *value;
    char name[CLI_NAME_SIZE];
    json_write_object(w);
    if (row->name) {
        cli_option_name(row, name);
        json_write_str_member(w, "name", str_of(name));
    }
    if (row->letter) json_write_str_member(w, "letter", (struct str){&row->letter, 1});
    write_optional(w, "value", row->value);
    if (row->value) json_write_str_member(w, "takes", str_of(takes[row->takes]));
    if (row->value_at) {
        json_write_key(w, "values");
        json_write_array(w);
        for (size_t i = 0; (value = row->value_at(row->id, i)) != NULL; i++)
            json_write_str(w, str_of(value));
        json_write_array_end(w);
    }
    json_write_str_member(w, "help", str_of(row->help));
    json_write_object_end(w);
}

/* Those with a name, or those without. */
static void write_rows(struct json_writer *w, const struct cli_command *c, bool named)
{
    struct cli_option row;
    json_write_key(w, named ? "options" : "arguments");
    json_write_array(w);
    for (size_t i = 0; cli_row(c, i, &row); i++)
        if (row.help && (row.name != NULL) == named) write_row(w, &row);
    if (named) write_row(w, &cli_help_option);
    json_write_array_end(w);
}

static void write_commands(struct json_writer *w, const struct cli_command *const *list)
{
    for (; *list; list++) {
        const struct cli_command *c = *list;
        json_write_object(w);
        json_write_str_member(w, "name", str_of(c->name));
        json_write_str_member(w, "about", str_of(c->about));
        json_write_str_member(w, "usage", str_of(c->usage));
        json_write_str_member(w, "text", str_of(c->text));
        write_rows(w, c, false);
        write_rows(w, c, true);
        write_optional(w, "notes", c->notes);
        write_optional(w, "examples", c->examples);
        json_write_object_end(w);
        if (c->parts) write_commands(w, c->parts);
    }
}

int cli_write_json(const struct cli_command *const *list, struct buf *out)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_object(&w);
    json_write_str_member(&w, "name", STR("hostler"));
    json_write_str_member(&w, "version", STR(HOSTLER_VERSION));
    json_write_key(&w, "commands");
    json_write_array(&w);
    write_commands(&w, list);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return json_write_end(&w);
}
