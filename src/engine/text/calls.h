/* SPDX-License-Identifier: Apache-2.0 */
/* Tells calls of tools from the text of an answer, as a family of models writes them.
 *
 *     START --anything else--> TEXT --open--> HEAD --a tool's name--> ARGUMENTS --> TAIL --> TEXT
 *       |                       ^              |                      (or TAGGED)     |
 *       +--a bare call--> HEAD  +---no call----+  <--a further one of a list----------+
 *
 * What looks like a call and names no tool is content. White space around calls is nobody's. Held
 * back is what may become a mark, white space before it, and a call up to its arguments, which come
 * as they are written. Belongs to one sequence. */
#ifndef HOSTLER_ENGINE_TEXT_CALLS_H
#define HOSTLER_ENGINE_TEXT_CALLS_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "engine/text/call_formats.h"
#include "engine/text/call_parts.h"
#include "engine/text/piece.h"

enum { CALL_CONTROLS_MAX = 24 };

/* How a template's model writes calls. Constant, any thread. */
struct call_marks {
    const struct call_format *format;    /* NULL: it does not */
    int32_t controls[CALL_CONTROLS_MAX]; /* control tokens that are in its marks */
    uint32_t control_count;
};

struct calls_spec {
    const struct call_marks *marks; /* borrowed */
    const struct call_tool *tools;  /* what may be called; copied */
    size_t tool_count;
    bool begun;  /* the prompt ends with the format's `open` */
    bool single; /* after the first one it is done */
    bool shaped; /* what does not begin with a call, marked as one, is content as a whole */
};

enum calls_state {
    CALLS_START,
    CALLS_TEXT,
    CALLS_PLAIN, /* to the end */
    CALLS_HEAD,
    CALLS_ARGUMENTS,
    CALLS_TAGGED,
    CALLS_TAIL,
};

struct calls {
    const struct call_marks *marks; /* NULL: all is content */
    struct call_tool *tools;        /* one block with what they point to */
    size_t tool_count;
    enum calls_state state;
    enum call_place place; /* in HEAD */
    bool skips;            /* white space that follows is nobody's */
    bool single, shaped, done;
    const struct call_tool *tool; /* the one that is called */
    unsigned count;               /* of calls so far */
    unsigned depth;               /* in ARGUMENTS: of brackets */
    bool quoted, escaped;         /* in ARGUMENTS: within a string, behind its backslash */
    unsigned parameters;          /* in TAGGED: so far */
    struct buf held;              /* not yet let out */
    struct buf made;              /* arguments that are written here, until the next call */
};

/* `spec` NULL: all is content. */
void calls_init(struct calls *c, const struct calls_spec *spec);
void calls_fini(struct calls *c);

/* True when the name of a control token is to be fed, since it may be in a mark. */
bool calls_reads_name(const struct calls *c, int32_t token);

/* True once a call is complete where there may be only one: what follows is not read. */
bool calls_done(const struct calls *c);

/* Takes some text, whole characters; with `last` nothing is held back any more. Adds to *out what
 * can be sent now, valid until the next call. True: *out is full, and there is more for one without
 * text. */
bool calls_feed(struct calls *c, struct str text, bool last, struct pieces *out);

#endif
