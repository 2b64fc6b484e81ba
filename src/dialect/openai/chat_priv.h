/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of chat completions: as a stream (chat_frames.c), as a whole (chat_whole.c), and what
 * both tell of thoughts (chat_thoughts.c) and in the same words (chat_words.c). */
#ifndef HOSTLER_DIALECT_OPENAI_CHAT_PRIV_H
#define HOSTLER_DIALECT_OPENAI_CHAT_PRIV_H

#include "dialect/pivot.h"

/* Blocks of thoughts with their proofs, as they come; none where one lacks its proof. */
struct chat_thoughts {
    struct buf blocks; /* JSON, with commas between */
    struct buf text;   /* what was thought and is not proved yet */
    bool lost;         /* they cannot be told again, or are too large for that */
};

/* A tool call of a whole answer. */
struct chat_call {
    struct buf text; /* its JSON, up to what has come of its arguments */
    bool any;        /* something of these has */
};

struct chat_writer {
    struct answer_writer base;
    unsigned call_count;
    bool finished;
    struct chat_thoughts thoughts;

    /* of streams */
    struct buf head; /* how each chunk begins */
    bool begun;      /* the role is told */

    /* of whole answers */
    struct buf content, refusal, reasoning; /* strings without their last quotes, or empty */
    struct chat_call *calls;
    size_t call_room;
    size_t held; /* bytes of all these */
    enum finish finish;
};

/* --- chat_thoughts.c --- */

void chat__thoughts_init(struct chat_thoughts *th);
void chat__thoughts_fini(struct chat_thoughts *th);

/* Takes note of any event. -ENOMEM. */
int chat__thoughts_take(struct chat_thoughts *th, const struct answer_event *e);

/* --- chat_words.c --- */

/* The finish_reason. */
struct str chat__finish_word(const struct chat_writer *w, enum finish finish);

/* A call's beginning, up to its arguments: `"id":"...","type":"function",...,"arguments":"`. */
int chat__append_call(struct chat_writer *w, const struct answer_event *e, struct buf *out);

void chat__write_usage(struct json_writer *w, const struct usage *u);

/* --- chat_frames.c and chat_whole.c --- */

int chat__put_frame(struct chat_writer *w, const struct answer_event *e, struct buf *out);
int chat__put_whole(struct chat_writer *w, const struct answer_event *e, struct buf *out);

#endif
