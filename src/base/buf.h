/* SPDX-License-Identifier: Apache-2.0 */
/* A byte queue that grows to a mandatory maximum: append at the end, consume from the front.
 *
 * Owns its memory. A zeroed struct may be finished but not used: buf_init sets the maximum. */
#ifndef HOSTLER_BASE_BUF_H
#define HOSTLER_BASE_BUF_H

#include <stdarg.h>

#include "base/base.h"
#include "base/str.h"

struct buf {
    char *ptr;    /* start of the allocation, NULL while empty */
    size_t start; /* first unread byte */
    size_t end;   /* one past the last byte */
    size_t cap;   /* bytes allocated */
    size_t max;   /* most unread bytes it may ever hold */
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);

/* The unread bytes; borrowed until the next change of b. */
struct str buf_str(const struct buf *b);
size_t buf_len(const struct buf *b);

/* Appends whole or not at all. ERR_TOO_LARGE beyond max, -ENOMEM. */
MUST_CHECK int buf_append(struct buf *b, struct str s);
MUST_CHECK int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
MUST_CHECK int buf_vprintf(struct buf *b, const char *fmt, va_list args);

/* Room for n more bytes at *out, contiguous after the unread ones; buf_commit
 * says how many were written. */
MUST_CHECK int buf_reserve(struct buf *b, size_t n, char **out);
void buf_commit(struct buf *b, size_t n);

/* Drops the first n unread bytes (n <= buf_len). */
void buf_consume(struct buf *b, size_t n);

void buf_clear(struct buf *b);   /* empties, keeps the memory */
void buf_release(struct buf *b); /* empties, gives the memory back */

#endif
