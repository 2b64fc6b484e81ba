/* SPDX-License-Identifier: Apache-2.0 */
/* The keyboard of a person at a terminal: lines, which may be edited and recalled, and what is typed
 * while nobody wants a line. On libedit.
 *
 * From editor_new to editor_free the terminal hands over each key and shows none by itself. What is
 * typed ahead waits for the next line. Belongs to the loop's thread. */
#ifndef HOSTLER_CMD_EDITOR_H
#define HOSTLER_CMD_EDITOR_H

#include "base/base.h"
#include "base/str.h"
#include "loop/loop.h"

struct editor;
struct editor_offers;

struct editor_owner {
    /* Ctrl-C between two lines. False: it is none of ours, and belongs to the next line. */
    bool (*on_interrupt)(void *owner);
    /* TAB: offers each text that `line`, what stands before the cursor, may become. */
    void (*on_complete)(void *owner, struct str line, struct editor_offers *offers);
};

/* `whole` begins with the line, and has no control character. It is copied. */
void editor_offer(struct editor_offers *offers, struct str whole);

/* For stdin and stdout, which must be the terminal. NULL: it cannot be had. Makes the
 * process's characters UTF-8. */
struct editor *editor_new(struct loop *loop, const struct editor_owner *functions, void *owner);
void editor_free(struct editor *e);

enum editor_end {
    EDITOR_LINE,
    EDITOR_INTERRUPTED, /* by Ctrl-C; the line is what had been typed */
    EDITOR_EOF,         /* by Ctrl-D, or the terminal is gone; there is no line */
};

/* Waits for a line and runs the loop meanwhile; not from within it. `line` is without its newline and
 * valid until the next call; a pasted text may have further ones in it. It can be recalled from then
 * on. */
enum editor_end editor_line(struct editor *e, const char *prompt, struct str *line);

/* The next line begins with this text, which has no control characters but tabs and newlines. */
void editor_prefill(struct editor *e, struct str text);

/* A line that can be recalled, as if it had been typed last. It has a terminator. */
void editor_remember(struct editor *e, struct str line);

/* A Ctrl-C that came otherwise, to the line that is edited or the next one. */
void editor_interrupt(struct editor *e);

/* Tells the owner of a Ctrl-C that was typed ahead. Later ones are told as they come. */
void editor_listen(struct editor *e);

#endif
