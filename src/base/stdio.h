/* SPDX-License-Identifier: Apache-2.0 */
/* The three standard descriptors of a process. */
#ifndef HOSTLER_BASE_STDIO_H
#define HOSTLER_BASE_STDIO_H

#include "base/base.h"

/* Opens /dev/null on those of the descriptors 0 to 2 that are closed, so that no socket or file
 * opened later takes their number and receives what is meant for the log. First thing in main,
 * before anything is opened. 0 or a negative errno. */
MUST_CHECK int stdio_claim(void);

#endif
