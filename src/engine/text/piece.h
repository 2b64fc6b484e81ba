/* SPDX-License-Identifier: Apache-2.0 */
/* What a stretch of an answer's text is. */
#ifndef HOSTLER_ENGINE_TEXT_PIECE_H
#define HOSTLER_ENGINE_TEXT_PIECE_H

#include "base/base.h"
#include "base/str.h"

enum piece_kind {
    PIECE_CONTENT,
    PIECE_REASONING, /* what the model thinks before it answers */
    PIECE_CALL,      /* a call of a tool begins, whose name this is */
    PIECE_ARGUMENTS  /* of the call that began last, further bytes of a JSON object */
};

struct piece {
    enum piece_kind kind;
    struct str text;
};

/* Out of one token's text and what was held back before it: a stop string's length and a token's,
 * of which a piece and its markers take more than 50 bytes. */
enum { PIECES_MAX = 24 };

struct pieces {
    struct piece all[PIECES_MAX];
    unsigned count;
};

/* Adds a piece; an empty one is none. */
static inline void pieces_add(struct pieces *p, enum piece_kind kind, struct str text)
{
    assert(p->count < PIECES_MAX);
    if (text.len) p->all[p->count++] = (struct piece){kind, text};
}

#endif
