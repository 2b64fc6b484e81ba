/* SPDX-License-Identifier: Apache-2.0 */
/* The few macros that every file may use. */
#ifndef HOSTLER_BASE_BASE_H
#define HOSTLER_BASE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define RARE __attribute__((cold, noinline))      /* so that callers need not prepare for it */
#define NOT_ZEROED __attribute__((uninitialized)) /* large, and filled as far as needed */
#define NORETURN __attribute__((noreturn))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The object of `type` whose member `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
