/* SPDX-License-Identifier: Apache-2.0 */
/* hostler chat: the lines of a person. The editor has the keyboard: it waits for a line, and keeps what
 * is typed while an answer comes. */
#include <stdio.h>

#include "base/err.h"
#include "cmd/chat_priv.h"

static bool on_interrupt(void *owner)
{
    return chat__cancel(owner);
}

static void on_complete(void *owner, struct str line, struct editor_offers *offers)
{
    chat__complete(owner, line, offers);
}

static const struct editor_owner editor_functions = {.on_interrupt = on_interrupt,
                                                     .on_complete = on_complete};

static void recall(void *owner, struct str line)
{
    struct chat *c = owner;
    editor_remember(c->editor, line);
}

/* A chat is possible without. */
static void judge_history(struct chat *c, int err)
{
    if (!err) return;
    if (c->history.path)
        screen_note(&c->screen, "what you type is not kept: %s: %s", c->history.path,
                    err_text(err));
    else
        screen_note(&c->screen,
                    "what you type is not kept: neither XDG_STATE_HOME nor HOME says where");
    history_file_close(&c->history);
}

static void begin_history(struct chat *c)
{
    if (!c->options->no_history) judge_history(c, history_file_open(&c->history, recall, c));
}

static void remember(struct chat *c, struct str line)
{
    if (str_trim(line).len) judge_history(c, history_file_add(&c->history, line));
}

/* True when a message is complete. */
static bool edit_line(struct chat *c)
{
    struct str line;
    switch (editor_line(c->editor, buf_len(&c->line) ? "... " : "> ", &line)) {
    case EDITOR_LINE:
        c->warned = false;
        remember(c, line);
        return chat__add_line(c, line);
    case EDITOR_INTERRUPTED: chat__give_up_line(c, line.len > 0); break;
    case EDITOR_EOF:
        c->input_ended = true;
        fputc('\n', stdout);
        break;
    }
    return false;
}

static void greet(const struct chat *c)
{
    const char *where = c->options->place;
    screen_note(&c->screen, "%s%s%s; /help lists the commands", c->talk.model,
                where ? ", " : " at ", where ? where : c->remote.text);
    if (!chat__has_model(c, str_of(c->talk.model)))
        screen_note(&c->screen, "a model of that name is not listed; /model shows what there is");
}

bool chat__converse_at_terminal(struct chat *c)
{
    c->editor = editor_new(c->loop, &editor_functions, c);
    if (!c->editor) return false;
    greet(c);
    begin_history(c);
    while (!c->input_ended) {
        if (edit_line(c)) chat__take_message(c);
    }
    return true;
}
