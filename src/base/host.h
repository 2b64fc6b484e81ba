/* SPDX-License-Identifier: Apache-2.0 */
/* What this process may use of its machine, by its control groups as well. Any thread.
 *
 * `root` is "" but for tests: the folder that has /proc and /sys. */
#ifndef HOSTLER_BASE_HOST_H
#define HOSTLER_BASE_HOST_H

#include "base/base.h"

/* Processors, at least 1: the affinity mask, and the groups' quotas rounded up. */
unsigned host_processors(const char *root);

/* Bytes that the process could get without swapping; UINT64_MAX when nothing says. */
uint64_t host_memory(const char *root);

#endif
