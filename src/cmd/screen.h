/* SPDX-License-Identifier: Apache-2.0 */
/* Where a person reads a chat: notes, and the answer that streams in, with something that moves until
 * it begins. Markdown is made readable. Only the answer's text where standard output is no terminal.
 *
 * Belongs to its loop's thread. */
#ifndef HOSTLER_CMD_SCREEN_H
#define HOSTLER_CMD_SCREEN_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "cmd/markdown.h"
#include "loop/loop.h"

enum screen_kind { SCREEN_NOTHING, SCREEN_THOUGHT, SCREEN_TEXT, SCREEN_CALL };

struct screen {
    struct loop *loop;
    bool terminal; /* stdout is one */
    bool moves;    /* and is not dumb: what was shown can be erased */
    bool styles;   /* and NO_COLOR is not set */
    /* Who reads it types there, too; set by the owner. Then notes go to stdout, and thoughts are shown. */
    bool person;

    /* the answer that is coming */
    struct task task; /* draws what moves */
    struct timer timer;
    uint64_t since_us;     /* it was asked for */
    unsigned turn;         /* how often what moves was drawn since */
    enum screen_kind kind; /* printed last */
    char last;             /* byte printed of it; a newline at the start */
    struct buf text;       /* to be cleaned: the start of a character, which the next piece ends */
    struct buf clean;
    struct markdown markdown;
    struct buf styled;
};

void screen_init(struct screen *s, struct loop *loop);
void screen_fini(struct screen *s);

/* A line of ours: to stderr unless a person reads. */
void screen_note(const struct screen *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* An answer is asked for. Pieces of it follow in any number, and its end. */
void screen_begin(struct screen *s);
void screen_text(struct screen *s, struct str text, bool reasoning);

/* A line for each call: its tool's name and its arguments. With an empty name, the last one goes on. */
void screen_call(struct screen *s, struct str name, struct str arguments);
void screen_end(struct screen *s);

#endif
