/* SPDX-License-Identifier: Apache-2.0 */
/* What the body of an answer tells `hostler bench`: whether a frame has text, what usage counts,
 * and whether tokens of the mock are missing, which numbers them ("t17 "). Pure functions. */
#ifndef HOSTLER_CMD_BENCH_ANSWER_H
#define HOSTLER_CMD_BENCH_ANSWER_H

#include "base/base.h"
#include "base/str.h"

enum bench_api { BENCH_CHAT, BENCH_COMPLETIONS };

/* One answer. Zero before its first byte. */
struct bench_answer {
    uint64_t announced; /* completion tokens as usage says */
    uint64_t prompt_tokens;
    uint64_t next_index; /* in the mock's numbering */
    uint64_t lost;       /* gaps in it */
    uint64_t repeated;   /* numbers seen again */
    bool foreign;        /* some of the text is not the mock's: it is not followed any more */
    bool done_seen;      /* [DONE] */
    bool error_seen;     /* an error event */
};

enum bench_frame { BENCH_FRAME_TEXT, BENCH_FRAME_ERROR, BENCH_FRAME_OTHER };

/* Reads the data of one event of a stream. */
enum bench_frame bench_answer_frame(struct bench_answer *a, enum bench_api api, struct str data);

/* Reads what a whole answer, or a frame, says of its usage; nothing where it says nothing. */
void bench_answer_usage(struct bench_answer *a, struct str object);

/* An answer that was whole has ended: what usage announced and never came is lost, too. */
void bench_answer_end(struct bench_answer *a);

#endif
