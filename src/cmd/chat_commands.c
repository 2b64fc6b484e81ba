/* SPDX-License-Identifier: Apache-2.0 */
/* hostler chat: what a line that begins with a slash commands. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "cmd/chat_priv.h"
#include "json/json.h"

static void show_models(struct chat *c)
{
    screen_note(&c->screen, "talking to %s; there are:", c->talk.model);
    for (size_t i = 0; i < json_count(c->models); i++) {
        screen_note(&c->screen, "  %.*s",
                    STR_ARG(json_str_or(json_at(c->models, i), "id", STR("?"))));
    }
}

static void save(struct chat *c, struct str path)
{
    struct buf text;
    char *name = str_dup(path);
    buf_init(&text, SIZE_MAX / 2);
    FILE *f = path.len ? fopen(name, "w") : NULL;
    int err = path.len ? 0 : ERR_INVALID;
    if (!err) err = f ? talk_write(&c->talk, &text, false) : -errno;
    if (!err) err = buf_append(&text, STR("\n"));
    if (!err && fwrite(buf_str(&text).ptr, 1, buf_len(&text), f) != buf_len(&text)) err = -EIO;
    if (f && fclose(f) && !err) err = -errno;
    if (path.len == 0)
        screen_note(&c->screen, "name a file: /save talk.json");
    else if (err)
        screen_note(&c->screen, "cannot write %s: %s", name, err_text(err));
    else
        screen_note(&c->screen, "saved to %s", name);
    buf_fini(&text);
    free(name);
}

static void model(struct chat *c, struct str name)
{
    if (name.len == 0) {
        show_models(c);
        return;
    }
    talk_set_model(&c->talk, name);
    screen_note(&c->screen, "talking to %s", c->talk.model);
}

static void set_system(struct chat *c, struct str text)
{
    talk_set_system(&c->talk, text);
    screen_note(&c->screen, text.len ? "system message set" : "no system message");
}

static void reset(struct chat *c, struct str rest UNUSED)
{
    talk_reset(&c->talk);
    screen_note(&c->screen, "the conversation is forgotten");
}

static void quit(struct chat *c, struct str rest UNUSED)
{
    c->input_ended = true;
    buf_clear(&c->input);
}

static void show_help(struct chat *c, struct str rest);

static const struct {
    struct str name;
    const char *argument;
    const char *help;
    void (*run)(struct chat *c, struct str rest);
} commands[] = {
    {STR_INIT("/model"), "[NAME]", "show the models, or talk to another one", model},
    {STR_INIT("/system"), "[TEXT]", "set or remove the system message", set_system},
    {STR_INIT("/reset"), "", "forget the conversation", reset},
    {STR_INIT("/save"), "FILE", "write the conversation as JSON", save},
    {STR_INIT("/help"), "", "this list", show_help},
    {STR_INIT("/quit"), "", "leave (also Ctrl-D)", quit},
    {STR_INIT("/exit"), "", "the same", quit},
};

static const char keys_help[] =
    "  A line that ends in \\ goes on in the next one; a pasted text is one message, however many\n"
    "  lines it has. Ctrl-C cancels an answer or clears the line, twice on an empty one it leaves.\n"
    "  The arrow keys edit a line and recall earlier ones, Ctrl-R searches them.\n";

static void show_help(struct chat *c, struct str rest UNUSED)
{
    FILE *out = c->screen.person ? stdout : stderr;
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        int width = 15 - (int)commands[i].name.len;
        fprintf(out, "  %" STR_FMT " %-*s %s\n", STR_ARG(commands[i].name), width,
                commands[i].argument, commands[i].help);
    }
    fputs(keys_help, out);
}

void chat__command(struct chat *c, struct str line)
{
    struct str name;
    str_cut(&line, ' ', &name);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (!str_eq(name, commands[i].name)) continue;
        commands[i].run(c, str_trim(line));
        return;
    }
    screen_note(&c->screen, "no such command; /help lists them");
}
