/* SPDX-License-Identifier: Apache-2.0 */
/* What computing a piece of a prompt costs, learned from the pieces that were computed.
 *
 * A token costs what its company and its depth make of it: in a batch of 20 several times what it
 * costs in one of 256 (a BLAS library and the tiles of flash attention want many rows), and more
 * with each token before it. So there is one smoothed cost per class of sizes and class of depths,
 * each twice as wide as the one before. What makes one class slower, as fewer threads or a busy
 * neighbour do, moves the others along by half as much, until they are measured themselves.
 *
 * A class that was not measured is guessed from its neighbours, rather too cheap than too
 * dear: so it will be tried.
 *
 * Plain data, no clock: the scheduler's thread. A zeroed one knows nothing. */
#ifndef HOSTLER_ENGINE_COST_H
#define HOSTLER_ENGINE_COST_H

#include "base/base.h"

enum { COST_SIZES = 8, COST_DEPTHS = 8 };

struct cost {
    double token_us[COST_SIZES][COST_DEPTHS]; /* microseconds per token; 0: not measured */
};

/* A decode of `tokens`, at least 1, behind `depth` others took `us`. */
void cost_note(struct cost *c, uint32_t tokens, uint32_t depth, uint64_t us);

/* Microseconds that such a decode will take; 0 while nothing has been measured. */
double cost_of(const struct cost *c, uint32_t tokens, uint32_t depth);

#endif
