/* SPDX-License-Identifier: Apache-2.0 */
/* An answer as Messages: what its writer keeps, and what streams and whole answers have in common. */
#ifndef HOSTLER_DIALECT_ANTHROPIC_ANSWER_PRIV_H
#define HOSTLER_DIALECT_ANTHROPIC_ANSWER_PRIV_H

#include "dialect/anthropic/blocks.h"
#include "dialect/pivot.h"

enum open_block { OPEN_NONE, OPEN_TEXT, OPEN_THINKING, OPEN_CALL };

struct answer {
    struct answer_writer base;
    struct blocks held; /* a whole answer's content; in a stream what must wait for a call's end */
    bool called;        /* a tool */
    bool refused;       /* by the model's own words */
    bool no_thinking;   /* the client wants none */
    enum finish finish; /* FINISH_STOP until it is told */
    struct str stop;    /* the stop sequence that was met, or empty */

    /* Of a stream: */
    bool started;
    enum open_block open;
    unsigned index;       /* of the open block, or of the next */
    unsigned call;        /* number of the open call */
    bool filled;          /* the open call has arguments, open thinking its signature */
    unsigned char blanks; /* bytes in blank */
    unsigned char deltas; /* bytes in delta */
    char blank[32];       /* blank text that waits for other text */
    char delta[160];      /* what begins each piece of the open block */
};

/* What proves thinking that nobody signed: clients keep what they get here and give it back, and no
 * runtime reads it. */
#define ANSWER_SEAL "aG9zdGxlcg=="

/* --- pieces.c --- */

/* Appends a message up to the beginning of its content. */
int anthropic__put_head(const struct answer *a, struct buf *out);

/* Appends why it ended: "stop_reason":...,"stop_sequence":... */
int anthropic__put_ending(const struct answer *a, struct buf *out);

/* Appends "usage":{...}; the estimate where nothing is known. */
int anthropic__put_usage(const struct answer *a, const struct usage *u, struct buf *out);

/* Appends a call's members "id" and "name", with an id where it has none. */
int anthropic__put_call(const struct answer *a, unsigned call, struct str id, struct str name,
                        struct buf *out);

/* --- the rest --- */

int anthropic__put_frames(struct answer *a, const struct answer_event *e,
                          struct buf *out); /* frames.c */
int anthropic__put_object(struct answer *a, const struct answer_event *e,
                          struct buf *out); /* object.c */

#endif
