/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine has left. Any thread. */
#ifndef HOSTLER_ENGINE_MEMORY_H
#define HOSTLER_ENGINE_MEMORY_H

#include "base/base.h"

/* Bytes that this process could get without swapping, by the machine's memory and the limit of its
 * control group (version 2); UINT64_MAX when neither says. */
uint64_t memory_available(void);

/* How many engines run on this machine, as far as can be seen; at least 1: this one. */
unsigned memory_engines(void);

#endif
