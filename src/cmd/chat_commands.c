/* SPDX-License-Identifier: Apache-2.0 */
/* hostler chat: what a line that begins with a slash commands. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "cmd/chat_priv.h"
#include "cmd/cli.h"
#include "json/json.h"

/* --- models --- */

static struct str model_at(const struct chat *c, size_t i)
{
    return json_str_or(json_at(c->models, i), "id", STR("?"));
}

static void show_models(const struct chat *c)
{
    for (size_t i = 0; i < json_count(c->models); i++)
        screen_note(&c->screen, "  %" STR_FMT, STR_ARG(model_at(c, i)));
}

bool chat__has_model(const struct chat *c, struct str name)
{
    for (size_t i = 0; i < json_count(c->models); i++)
        if (str_eq(model_at(c, i), name)) return true;
    return false;
}

/* A runtime that tells no list may have the model nevertheless. */
static void model(struct chat *c, struct str name)
{
    struct str why;
    int err = chat__list_models(c, &why);
    if (err == ERR_CANCELLED) {
        screen_note(&c->screen, "[cancelled]");
    } else if (err && name.len == 0) {
        screen_note(&c->screen, "talking to %s; what else there is cannot be seen: %" STR_FMT,
                    c->talk.model, STR_ARG(why));
    } else if (name.len == 0) {
        screen_note(&c->screen, "talking to %s; there are:", c->talk.model);
        show_models(c);
    } else if (!err && !chat__has_model(c, name)) {
        screen_note(&c->screen, "there is no model %" STR_FMT "; talking to %s still; there are:",
                    STR_ARG(name), c->talk.model);
        show_models(c);
    } else {
        talk_set_model(&c->talk, name);
        screen_note(&c->screen, "talking to %s", c->talk.model);
        if (err)
            screen_note(&c->screen, "whether it is there cannot be seen: %" STR_FMT, STR_ARG(why));
    }
}

/* --- the rest --- */

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

static char *take_back(struct chat *c)
{
    char *question = talk_take_back(&c->talk);
    if (!question) screen_note(&c->screen, "nothing was asked yet");
    return question;
}

static void retry(struct chat *c, struct str rest UNUSED)
{
    char *question = take_back(c);
    if (question) chat__ask(c, str_of(question));
    free(question);
}

static void edit(struct chat *c, struct str rest UNUSED)
{
    if (!c->editor) {
        screen_note(&c->screen, "only at a terminal a question can be edited");
        return;
    }
    char *question = take_back(c);
    if (question) editor_prefill(c->editor, str_of(question));
    free(question);
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
    {STR_INIT("/retry"), "", "ask the last question again, for another answer", retry},
    {STR_INIT("/edit"), "", "take the last question back, to change it", edit},
    {STR_INIT("/reset"), "", "forget the conversation", reset},
    {STR_INIT("/save"), "FILE", "write the conversation as JSON", save},
    {STR_INIT("/help"), "", "this list", show_help},
    {STR_INIT("/quit"), "", "leave (also Ctrl-D)", quit},
    {STR_INIT("/exit"), "", "the same", quit},
};

static const char keys_help[] =
    "  A line that ends in \\ goes on in the next one; a pasted text is one message,\n"
    "  however many lines it has. Ctrl-C cancels an answer or clears the line, twice\n"
    "  on an empty one it leaves. The arrow keys edit a line and recall earlier ones,\n"
    "  Ctrl-R searches them. TAB completes commands and the names of models.\n";

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

/* --- completion --- */

/* A name that could steer the terminal is not offered. */
static bool is_offered(struct str whole, struct str line)
{
    return str_starts(whole, line) && !cli_steers(whole);
}

void chat__complete(const struct chat *c, struct str line, struct editor_offers *offers)
{
    char whole[512];
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        bool takes = commands[i].argument[0] != '\0';
        snprintf(whole, sizeof whole, "%" STR_FMT "%s", STR_ARG(commands[i].name),
                 takes ? " " : "");
        if (line.len && is_offered(str_of(whole), line)) editor_offer(offers, str_of(whole));
    }
    for (size_t i = 0; i < json_count(c->models); i++) {
        snprintf(whole, sizeof whole, "/model %" STR_FMT, STR_ARG(model_at(c, i)));
        bool named = str_starts(line, STR("/model "));
        if (named && is_offered(str_of(whole), line)) editor_offer(offers, str_of(whole));
    }
}
