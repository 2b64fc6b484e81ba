/* SPDX-License-Identifier: Apache-2.0 */
/* How many rows a decode of a few tokens is given.
 *
 * The kernels of some types of weights compute four rows at a time, and in less time than three; and
 * rows of sequences that do not lie side by side are computed one run after the other. So a decode
 * may go faster in one block with rows that nobody wants. Whether it does depends on the type, the
 * processor and the threads, and is learned from the decodes themselves: each size is tried a few
 * times, the faster way stays, and the other one is tried again at ever longer intervals.
 *
 * No clock and no library: it decides on what it is told. One thread. */
#ifndef HOSTLER_ENGINE_MODEL_ROWS_H
#define HOSTLER_ENGINE_MODEL_ROWS_H

#include "base/base.h"

enum {
    ROWS_STEP = 4, /* a block has a multiple of it */
    ROWS_MAX = 28  /* in a block; beyond, a few more or less make no difference */
};

/* What is known of decodes of one size. */
struct rows_cost {
    double us;
    unsigned noted; /* decodes that `us` is made of */
    uint64_t used;  /* the last time, in decodes */
    uint64_t pause; /* after which it is tried again */
};

struct rows {
    struct rows_cost costs[ROWS_MAX + 1]; /* by rows */
    uint64_t decodes;
    uint32_t last;      /* rows of the last decode */
    unsigned threads;   /* that the costs are those of */
    unsigned strangers; /* decodes in a row with another number of threads */
};

/* Nothing is known. */
void rows_init(struct rows *r);

/* True when a decode of so many runs of rows, which lie apart, had better be one of a block of
 * `block` rows, at most ROWS_MAX. Once for each decode for which there is such a block. */
bool rows_pads(struct rows *r, const uint32_t *runs, size_t count, uint32_t block);

/* Tells how long a decode of one run or block took. One of another size than the last pays for the
 * change, and counts only as long as little is known. */
void rows_note(struct rows *r, unsigned threads, uint32_t rows, uint64_t us);

#endif
