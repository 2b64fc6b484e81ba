/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation on standard input and output: at a terminal, line by line from a pipe, or one
 * question. */
#ifndef HOSTLER_CMD_CHAT_H
#define HOSTLER_CMD_CHAT_H

#include "base/base.h"

/* All texts but `command` may be NULL. */
struct chat_options {
    const char *command; /* for messages */
    const char *model;   /* NULL: the first one that is listed */
    const char *url;     /* NULL: $HOSTLER_URL, else REMOTE_DEFAULT_URL */
    const char *key;     /* NULL: $HOSTLER_KEY */
    const char *system;
    const char *message; /* asked once; "-": what standard input holds; NULL: a conversation */
    bool no_history;     /* what is typed is not kept for later sessions */
    const char *place;   /* told at the start of a conversation; NULL: the URL */
};

/* The rows of what both commands with a chat have (cmd/command.h). */
enum { CHAT_NO_HISTORY = 'H' };
#define CHAT_SYSTEM_OPTION(id) {id, 0, "system", "TEXT", CLI_TEXT, NULL, "system message"}
#define CHAT_HISTORY_OPTION                                                 \
    {CHAT_NO_HISTORY,                                                       \
     0,                                                                     \
     "no-history",                                                          \
     NULL,                                                                  \
     CLI_TEXT,                                                              \
     NULL,                                                                  \
     "do not keep what is typed, nor recall what was kept; else it is in\n" \
     "$XDG_STATE_HOME/hostler/history (~/.local/state/hostler/history)"}

/* Returns an exit code: 1 when the last answer failed, 2 for a URL or key that cannot be one. */
int chat_run(const struct chat_options *o);

#endif
