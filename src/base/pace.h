/* SPDX-License-Identifier: Apache-2.0 */
/* How much slower what runs may become beside other work, as settings have it: "auto", "2x" (so
 * many times as slow) or "50ms" (so long for each of its steps, on average). */
#ifndef HOSTLER_BASE_PACE_H
#define HOSTLER_BASE_PACE_H

#include "base/base.h"
#include "base/str.h"

struct pace {
    double times; /* PACE_TIMES_LEAST to PACE_TIMES_MOST; 0: not said */
    uint64_t us;  /* PACE_US_LEAST to PACE_US_MOST; 0: not said. Both 0: auto */
};

#define PACE_TIMES_LEAST 1.1
#define PACE_TIMES_MOST 100.0
enum { PACE_US_LEAST = 1000, PACE_US_MOST = 60 * 1000 * 1000 };

/* What values look like, and which there are, for messages and manuals. */
#define PACE_HINT "auto, a factor such as 2x or a duration such as 50ms"
#define PACE_RANGE "auto, 1.1x to 100x, or 1ms to 60s"

/* ERR_SYNTAX, or ERR_RANGE. */
MUST_CHECK int pace_read(struct str text, struct pace *out);

#endif
