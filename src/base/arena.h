/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is given back all at once, with a cap and a cleanup list.
 *
 * One owner and one thread at a time. The first block is kept across resets, so the
 * steady state allocates nothing. Under AddressSanitizer each allocation is its own malloc. */
#ifndef HOSTLER_BASE_ARENA_H
#define HOSTLER_BASE_ARENA_H

#include <stdarg.h>

#include "base/base.h"
#include "base/str.h"

struct arena_block;
struct arena_cleanup;

struct arena {
    struct arena_block *first;      /* kept by arena_reset; NULL until the first allocation */
    struct arena_block *current;    /* where the next allocation comes from */
    struct arena_cleanup *cleanups; /* run in reverse order of registration */
    size_t used;                    /* bytes handed out */
    size_t cap;                     /* most bytes arena_try may hand out */
    size_t block_size;              /* size of the first block, bytes */
};

void arena_init(struct arena *a, size_t cap, size_t block_size);
void arena_fini(struct arena *a);

/* Runs the cleanups and forgets every allocation; keeps the first block. */
void arena_reset(struct arena *a);

/* Aligned to 16 bytes, not zeroed. For sizes that we choose: aborts when memory is
 * exhausted, ignores the cap. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_zalloc(struct arena *a, size_t size); /* zeroed */

/* For sizes that a peer chooses: NULL beyond the cap or out of memory. */
MUST_CHECK void *arena_try(struct arena *a, size_t size);

/* Copies; the copy has a terminator behind it. */
struct str arena_dup(struct arena *a, struct str s);
struct str arena_cat(struct arena *a, struct str first, struct str second);
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Calls fn(ptr) at reset or fini. */
void arena_on_reset(struct arena *a, void (*fn)(void *), void *ptr);

#endif
