/* SPDX-License-Identifier: Apache-2.0 */
/* Tells what a model thinks from what it answers, by the markers of its template.
 *
 *     START --start marker--> THINKING --end marker--> ANSWER
 *       ^  +--------------anything else----------------^
 *       |                        | (with a `turn` marker)
 *       +------turn marker---- BETWEEN
 *
 * White space around the thoughts belongs to nobody. Held back is what may become a marker, and
 * white space that may be the thoughts' last. Belongs to one sequence. */
#ifndef HOSTLER_ENGINE_TEXT_REASONING_H
#define HOSTLER_ENGINE_TEXT_REASONING_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "engine/text/piece.h"

enum { REASONING_END_MAX = 16 };

/* How a template marks thoughts. Constant, any thread. */
struct reasoning_markers {
    struct str start; /* ptr NULL: it does not */
    struct str end;
    struct str answer; /* opens what is no thought; ptr NULL: nothing does */
    struct str turn; /* comes behind thoughts, before the next of either; ptr NULL: nothing does */
    bool spelled;    /* markers are made of control tokens and words, as gpt-oss's channels are */
    /* Markers that are control tokens, whose text no other reading gives; -1: they are not. */
    int32_t start_control, end_control;
    int32_t end_tokens[REASONING_END_MAX]; /* the end marker as the model writes it */
    uint32_t end_token_count;
};

enum reasoning_state { REASONING_START, REASONING_THINKING, REASONING_BETWEEN, REASONING_ANSWER };

struct reasoning {
    struct reasoning_markers markers;
    enum reasoning_state state;
    bool skips;      /* white space that follows is nobody's */
    struct buf held; /* not yet let out */
};

/* `begun`: the prompt has the start marker already. Borrows the markers. */
void reasoning_init(struct reasoning *r, const struct reasoning_markers *markers, bool begun);
void reasoning_fini(struct reasoning *r);

/* True when the name of a control token is to be fed, since it may be a marker or part of one. */
bool reasoning_reads_name(const struct reasoning *r, int32_t token);

/* Takes some text, whole characters; with `last` nothing is held back any more. Adds to *out what
 * can be sent now, valid until the next call. */
void reasoning_feed(struct reasoning *r, struct str text, bool last, struct pieces *out);

#endif
