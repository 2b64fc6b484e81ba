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

static inline size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}

/* The unread bytes; borrowed until the next change of b. */
static inline struct str buf_str(const struct buf *b)
{
    return str_n(b->ptr ? b->ptr + b->start : NULL, buf_len(b));
}

MUST_CHECK int buf__reserve_more(struct buf *b, size_t n, char **out);

/* Room for n more bytes at *out, contiguous after the unread ones; buf_commit
 * says how many were written. ERR_TOO_LARGE beyond max, -ENOMEM. */
MUST_CHECK static inline int buf_reserve(struct buf *b, size_t n, char **out)
{
    if (n > b->cap - b->end || buf_len(b) + n > b->max) return buf__reserve_more(b, n, out);
    *out = b->ptr + b->end;
    return 0;
}

static inline void buf_commit(struct buf *b, size_t n)
{
    assert(n <= b->cap - b->end);
    b->end += n;
}

/* Appends whole or not at all. The same errors. */
MUST_CHECK static inline int buf_append(struct buf *b, struct str s)
{
    char *room;
    if (s.len == 0) return 0;
    int err = buf_reserve(b, s.len, &room);
    if (err) return err;
    memcpy(room, s.ptr, s.len);
    buf_commit(b, s.len);
    return 0;
}

/* Appends all of them or nothing. The same errors. */
MUST_CHECK int buf_append_all(struct buf *b, const struct str *pieces, size_t count);

MUST_CHECK int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
MUST_CHECK int buf_vprintf(struct buf *b, const char *fmt, va_list args);

/* Drops the first n unread bytes (n <= buf_len). */
void buf_consume(struct buf *b, size_t n);

void buf_clear(struct buf *b);   /* empties, keeps the memory */
void buf_release(struct buf *b); /* empties, gives the memory back */

#endif
