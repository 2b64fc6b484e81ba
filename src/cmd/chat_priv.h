/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `hostler chat` share: chat.c (questions, answers, lines of a pipe), chat_terminal.c
 * (lines of a person), chat_commands.c. */
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
    const struct json *models;    /* as listed at the start, on the arena; NULL: not asked for */
    struct fd_watch *input_watch; /* NULL: a plain file, a terminal, or one message only */
    struct editor *editor;        /* the terminal's; NULL: there is none */
    struct history_file history;  /* what is typed there */
    struct signal_watch *interrupt;
    struct task task; /* takes the next line */
    struct buf input; /* read and not yet taken */
    struct buf line;  /* continued lines so far */
    bool input_ended;
    bool one_shot;
    bool warned; /* Ctrl-C was pressed once without an answer coming */
    bool failed; /* the last answer */
};

/* Adds a line to the message. True when it is complete: a trailing backslash asks for more. */
bool chat__add_line(struct chat *c, struct str text);

/* Asks, or does as commanded, what the message says, and forgets it. */
void chat__take_message(struct chat *c);

/* Ctrl-C while no answer comes: what is typed is forgotten. Twice with nothing typed leaves. */
void chat__give_up_line(struct chat *c, bool typed);

/* False: no answer comes. */
bool chat__cancel(struct chat *c);

/* A conversation with who sits at the terminal. False: it has no editor, and no word was said. */
bool chat__converse_at_terminal(struct chat *c);

/* A line that begins with a slash. */
void chat__command(struct chat *c, struct str line);

#endif
