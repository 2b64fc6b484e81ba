/* SPDX-License-Identifier: Apache-2.0 */
/* Which sequences a decode of one row each may be filled up with.
 *
 * Rows of sequences that lie side by side are computed at once; those of others, one run after the
 * other. A block holds all the items of a decode, and between and beside them rows that nobody
 * wants: each goes behind what its sequence has, and is taken out again. */
#ifndef HOSTLER_ENGINE_MODEL_BLOCK_H
#define HOSTLER_ENGINE_MODEL_BLOCK_H

#include "engine/model/context.h"
#include "engine/model/rows.h"

/* Sequences, of each a row. */
struct block {
    uint32_t first;
    uint32_t count;
};

/* The sequences that there are, and which may have a row that is nobody's beside items of which the
 * deepest is at `deepest`. */
struct block_room {
    uint32_t sequences;
    bool (*may_pad)(const void *user, uint32_t sequence, uint32_t deepest);
    const void *user;
};

/* How many of the items lie side by side each time, and how many such runs there are. 0 unless there
 * are at most ROWS_MAX items, one for each of their sequences and in their order. */
size_t block_runs(const struct context_item *items, size_t count, uint32_t runs[ROWS_MAX]);

/* A block that holds the items (of which block_runs has found runs): of a multiple of ROWS_STEP
 * rows, or at least without gaps. False: there is none but the items themselves. */
bool block_find(const struct block_room *room, const struct context_item *items, size_t count,
                struct block *out);

#endif
