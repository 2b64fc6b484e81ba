/* SPDX-License-Identifier: Apache-2.0 */
/* Content of an answer that is held until it can be written: all of it where the answer is one
 * object, and in a stream what comes while a call's arguments are not all there.
 *
 * Owns the texts. Strings are as in answer_event. */
#ifndef HOSTLER_DIALECT_ANTHROPIC_BLOCKS_H
#define HOSTLER_DIALECT_ANTHROPIC_BLOCKS_H

#include "dialect/pivot.h"

enum block_kind { BLOCK_TEXT, BLOCK_THINKING, BLOCK_REDACTED, BLOCK_CALL };

struct block {
    struct block *next;
    enum block_kind kind;
    unsigned call;        /* of a call: its number */
    struct str id, name;  /* of a call */
    struct str signature; /* of thinking; empty: none */
    struct buf text;      /* or thoughts, or arguments */
};

struct blocks {
    struct block *first;
    struct block *last;
    size_t bytes; /* held, with what each block takes */
    unsigned calls;
};

/* Takes an event of content; one for a call that has not begun is left out. -ENOMEM, ERR_TOO_LARGE
 * (beyond ANSWER_HELD_MAX). */
int anthropic__hold(struct blocks *b, struct arena *arena, const struct answer_event *e);

void anthropic__held_fini(struct blocks *b); /* fine on a zeroed one */

/* True for text of which nothing is to be seen. Anthropic refuses a message that has a block of
 * only that, and some models say it between thinking and calling. */
bool anthropic__is_blank(struct str text);

#endif
