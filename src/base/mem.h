/* SPDX-License-Identifier: Apache-2.0 */
/* The door for memory: who takes some says here whether it may be refused.
 *
 * mem_try... is for what a peer chooses or multiplies (connections, calls, bodies, waiters):
 * NULL when memory is exhausted, and the caller refuses what it was for. mem_must... is for
 * sizes and numbers that we choose: says so and aborts. docs/memory.md lists who does that, and
 * `scripts/layers` compares. All is given back by free(). Any thread. */
#ifndef HOSTLER_BASE_MEM_H
#define HOSTLER_BASE_MEM_H

#include <stdlib.h>

#include "base/base.h"
#include "base/fault.h"

MUST_CHECK static inline void *mem_try(size_t size)
{
    return fault_point(FAULT_ALLOC) ? NULL : malloc(size);
}

/* `count` zeroed objects of `size` bytes. */
MUST_CHECK static inline void *mem_try_zero(size_t count, size_t size)
{
    return fault_point(FAULT_ALLOC) ? NULL : calloc(count, size);
}

/* Room for `count` objects of `size` bytes, with the beginning of what `ptr` held. NULL leaves
 * that as it was. */
MUST_CHECK static inline void *mem_try_grow(void *ptr, size_t count, size_t size)
{
    return fault_point(FAULT_ALLOC) ? NULL : reallocarray(ptr, count, size);
}

void *mem_must(size_t size);
void *mem_must_zero(size_t count, size_t size);
void *mem_must_grow(void *ptr, size_t count, size_t size);

/* Zeroed objects that are aligned to `align`, a power of two that divides `size`. */
void *mem_must_aligned(size_t align, size_t count, size_t size);

/* A text of its own. */
char *mem_must_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Large requests come one after the other: what they took need not be had anew from the kernel each
 * time, page by page. Each thread gives memory back only where it has more than MEM_KEPT bytes free
 * in a row. Once, before there are threads. */
enum { MEM_KEPT = 4 << 20 };
void mem_keep(void);

/* Gives back what was needed for a while only, as at a start. */
void mem_trim(void);

/* The end of all _must: says that memory is exhausted, and aborts. */
NORETURN void mem_exhausted(void);

#endif
