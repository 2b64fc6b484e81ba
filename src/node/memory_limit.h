/* SPDX-License-Identifier: Apache-2.0 */
/* How much of its memory limit the process's control group uses, of cgroup v2 and v1.
 *
 * What counts is what the kernel cannot take back: all that is used, without the pages of files
 * (mapped models), be they those of engines, which are in the same group. Main thread. */
#ifndef HOSTLER_NODE_MEMORY_LIMIT_H
#define HOSTLER_NODE_MEMORY_LIMIT_H

#include "base/cgroup.h"

struct memory_limit {
    struct cgroup group; /* the nearest one that has a limit; an empty folder: none has */
    uint64_t bytes;      /* the limit; 0: none */
};

/* Finds the limit below `root`, "" but for tests. *out is empty where there is none. */
void memory_limit_find(const char *root, struct memory_limit *out);

/* 0 to 1, of the limit as it is now; 0 without one. */
double memory_limit_used(struct memory_limit *m);

#endif
