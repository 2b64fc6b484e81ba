/* SPDX-License-Identifier: Apache-2.0 */
/* Time. Everything that waits uses the loop's clock (loop/loop.h), which tests move by
 * hand; this is its source. */
#ifndef HOSTLER_BASE_CLOCK_H
#define HOSTLER_BASE_CLOCK_H

#include "base/base.h"

#define USEC_PER_MS 1000
#define USEC_PER_SEC 1000000

uint64_t clock_mono_us(void); /* microseconds, never goes back */
uint64_t clock_wall_us(void); /* microseconds since 1970 UTC */

/* Of two times the first one; 0 is never. */
static inline uint64_t clock_earlier(uint64_t a, uint64_t b)
{
    return a && b ? MIN(a, b) : MAX(a, b);
}

enum { CLOCK_RFC3339_SIZE = 32 };

/* "2026-11-21T02:15:56.123456Z" with terminator. */
void clock_rfc3339(uint64_t wall_us, char out[CLOCK_RFC3339_SIZE]);

#endif
