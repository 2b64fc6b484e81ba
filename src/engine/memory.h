/* SPDX-License-Identifier: Apache-2.0 */
/* Who else uses the machine's memory. Any thread. */
#ifndef HOSTLER_ENGINE_MEMORY_H
#define HOSTLER_ENGINE_MEMORY_H

#include "base/base.h"

/* How many engines run on this machine, as far as can be seen; at least 1: this one. */
unsigned memory_engines(void);

#endif
