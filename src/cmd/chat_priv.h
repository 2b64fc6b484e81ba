/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `hostler chat` share, from the top: chat.c (one question, lines of a pipe),
 * chat_terminal.c (lines of a person), chat_message.c (what becomes of them), chat_commands.c,
 * chat_answer.c (what is asked and comes back). */
#ifndef HOSTLER_CMD_CHAT_PRIV_H
#define HOSTLER_CMD_CHAT_PRIV_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "cmd/chat.h"
#include "cmd/editor.h"
#include "cmd/history_file.h"
#include "cmd/remote.h"
#include "cmd/screen.h"
#include "cmd/talk.h"
#include "loop/process.h"

struct chat {
    const struct chat_options *options;
    struct loop *loop;
    struct remote remote;
    struct talk talk;
    struct screen screen;
    struct arena arena;
    const struct json *models;    /* as listed the last time, on the arena; NULL: not asked for */
    struct fd_watch *input_watch; /* NULL: a plain file, a terminal, or one message only */
    struct editor *editor;        /* the terminal's; NULL: there is none */
    struct history_file history;  /* what is typed there */
    struct signal_watch *interrupt;
    struct buf input; /* read and not yet taken */
    struct buf line;  /* continued lines so far */
    bool input_ended;
    bool waits;  /* the loop runs until chat__wake */
    bool reads;  /* meanwhile, for the next line of a pipe */
    bool looks;  /* for models */
    bool warned; /* Ctrl-C was pressed once without an answer coming */
    bool failed; /* the last answer */
};

/* Makes screen and talk, which are the caller's to end. */
void chat__init_talk(struct chat *c);

/* Runs the loop until it is woken, or it need not run any more. */
void chat__wait(struct chat *c);
void chat__wake(struct chat *c);

/* Says the user's next message, and waits until its answer has come to the screen. */
void chat__ask(struct chat *c, struct str text);

/* Ends what is waited for. False: nothing is. */
bool chat__cancel(struct chat *c);

/* Asks which models there are. 0, or a negative error and why. */
MUST_CHECK int chat__list_models(struct chat *c, struct str *why);

/* Whether it was listed the last time. */
bool chat__has_model(const struct chat *c, struct str name);

/* A line that begins with a slash. */
void chat__command(struct chat *c, struct str line);

/* Offers what a line that begins like this may become: commands, and models of /model. */
void chat__complete(const struct chat *c, struct str line, struct editor_offers *offers);

/* Adds a line to the message. True when it is complete: a trailing backslash asks for more. */
bool chat__add_line(struct chat *c, struct str text);

/* Asks, or does as commanded, what the message says, and forgets it: when this returns, the next may come. */
void chat__take_message(struct chat *c);

/* Ctrl-C while no answer comes: what is typed is forgotten. Twice with nothing typed leaves. */
void chat__give_up_line(struct chat *c, bool typed);

/* A conversation with who sits at the terminal. False: it has no editor, and no word was said. */
bool chat__converse_at_terminal(struct chat *c);

#endif
