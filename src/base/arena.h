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

struct arena_cleanup;

enum { ARENA_ALIGN = 16 };
#define ARENA_ROUND(size) (((size) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1))

struct arena_block {
    struct arena_block *next; /* the one allocated before it */
    size_t size;              /* usable bytes in data */
    size_t used;
    _Alignas(ARENA_ALIGN) char data[];
};

struct arena {
    struct arena_block *first;      /* kept by arena_reset; NULL until the first allocation */
    struct arena_block *current;    /* where the next allocation comes from */
    struct arena_cleanup *cleanups; /* run in reverse order of registration */
    size_t before;                  /* bytes handed out from the blocks before `current` */
    size_t cap;                     /* beyond so many bytes, arena_try gets no further block */
    size_t block_size;              /* size of the first block, bytes */
};

void arena_init(struct arena *a, size_t cap, size_t block_size);
void arena_fini(struct arena *a);

/* Runs the cleanups and forgets every allocation; keeps the first block. */
void arena_reset(struct arena *a);

/* The block that a reset arena has kept, which it then has no more; NULL: it has none. It is for
 * another arena of the same block size that has none, or for free(). */
struct arena_block *arena_take_block(struct arena *a);
void arena_give_block(struct arena *a, struct arena_block *block);

/* Aligned to 16 bytes, not zeroed. For sizes that we choose: aborts when memory is
 * exhausted, ignores the cap. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_zalloc(struct arena *a, size_t size); /* zeroed */

/* Copies, as arena_alloc; the copy has a terminator behind it. */
struct str arena_dup(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* For sizes that a peer chooses, and for numbers that it does (whatever each call needs): NULL,
 * or a string without a pointer, beyond the cap or out of memory. */
MUST_CHECK static inline void *arena_try(struct arena *a, size_t size);
MUST_CHECK void *arena_try_zero(struct arena *a, size_t size);

/* What `ptr` has, in more room: where it stands, if it is the last that was handed out. NULL: it is
 * as it was. */
MUST_CHECK void *arena_try_grow(struct arena *a, void *ptr, size_t old_size, size_t size);
MUST_CHECK struct str arena_try_dup(struct arena *a, struct str s);
MUST_CHECK struct str arena_try_cat(struct arena *a, struct str first, struct str second);

/* A text for people: without memory for it, ARENA_SAY_NOTHING. */
struct str arena_say(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define ARENA_SAY_NOTHING "(there is no memory to say more)"

/* Bytes handed out, with what aligning them took. */
size_t arena_used(const struct arena *a);

/* Calls fn(ptr) at reset or fini. */
void arena_on_reset(struct arena *a, void (*fn)(void *), void *ptr);

/* --- the rest is inside of it --- */

/* The same from a new block. NULL: only where it need not be. */
void *arena__take_more(struct arena *a, size_t size, bool must);

static inline void *arena__take(struct arena *a, size_t size, bool must)
{
    struct arena_block *block = a->current;
    if (!block || block->size - block->used < size) return arena__take_more(a, size, must);
    void *out = block->data + block->used;
    block->used += ARENA_ROUND(size);
    return out;
}

static inline void *arena_try(struct arena *a, size_t size)
{
    return arena__take(a, size, false);
}

#endif
