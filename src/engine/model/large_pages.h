/* SPDX-License-Identifier: Apache-2.0 */
/* Moves what a process has in memory to large pages, piece by piece, after it has got ready with small
 * ones: a token reads all the weights, and in small pages waits for the page tables, but new large
 * pages can take seconds to come. One thread. */
#ifndef HOSTLER_ENGINE_MODEL_LARGE_PAGES_H
#define HOSTLER_ENGINE_MODEL_LARGE_PAGES_H

#include "base/base.h"

enum { LARGE_PAGES_AREAS = 16 };

struct large_pages {
    struct {
        uintptr_t at; /* of the next piece */
        uintptr_t end;
    } areas[LARGE_PAGES_AREAS];
    unsigned count;
};

/* Finds the large areas of private memory that there are now. */
void large_pages_find(struct large_pages *p);

/* Moves a piece of 2 MiB, which takes up to some ms; where the kernel cannot, as before 6.1, it stays
 * where it is. What is not there any more is passed by. False: nothing is left. */
bool large_pages_step(struct large_pages *p);

#endif
