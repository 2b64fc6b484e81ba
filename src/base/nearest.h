/* SPDX-License-Identifier: Apache-2.0 */
/* Which word was meant by one that is none of those known. */
#ifndef HOSTLER_BASE_NEAREST_H
#define HOSTLER_BASE_NEAREST_H

#include "base/str.h"

/* The candidate least unlike `word`, or an empty one when none is near: one letter in three may be put
 * in, left out, changed or swapped with the next, one in the shortest words and four at most.
 * `candidate` gives the i-th of `count`; empty ones never match. Any thread. */
struct str nearest_word(struct str word, struct str (*candidate)(const void *ctx, size_t i),
                        const void *ctx, size_t count);

#endif
