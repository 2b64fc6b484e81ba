/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    buf_release(b);
}

static void compact(struct buf *b)
{
    if (b->start == 0) return;
    memmove(b->ptr, b->ptr + b->start, b->end - b->start);
    b->end -= b->start;
    b->start = 0;
}

int buf__reserve_more(struct buf *b, size_t n, char **out)
{
    size_t len = buf_len(b);
    size_t need;
    if (__builtin_add_overflow(len, n, &need) || need > b->max) return ERR_TOO_LARGE;
    if (b->cap - b->end < n && need <= b->cap) compact(b);
    if (b->cap - b->end < n) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < need)
            cap *= 2;
        char *grown = mem_try(MIN(cap, MAX(b->max, need)) + 1);
        if (!grown) return -ENOMEM;
        if (len) memcpy(grown, b->ptr + b->start, len);
        free(b->ptr);
        *b = (struct buf){grown, 0, len, MIN(cap, MAX(b->max, need)), b->max};
    }
    *out = b->ptr + b->end;
    return 0;
}

int buf_append_all(struct buf *b, const struct str *pieces, size_t count)
{
    size_t len = 0;
    char *room;
    for (size_t i = 0; i < count; i++)
        len += pieces[i].len;
    int err = buf_reserve(b, len, &room);
    if (err) return err;
    for (size_t i = 0; i < count; i++)
        if (pieces[i].len) room = mempcpy(room, pieces[i].ptr, pieces[i].len);
    buf_commit(b, len);
    return 0;
}

int buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    char small[256];
    int n = vsnprintf(small, sizeof small, fmt, args);
    int err = 0;
    if (n < 0) {
        err = ERR_INVALID;
    } else if ((size_t)n < sizeof small) {
        err = buf_append(b, str_n(small, (size_t)n));
    } else {
        char *room;
        /* Each allocation has a byte more, for the terminator. */
        err = buf_reserve(b, (size_t)n, &room);
        if (!err) {
            vsnprintf(room, (size_t)n + 1, fmt, again);
            buf_commit(b, (size_t)n);
        }
    }
    va_end(again);
    return err;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int err = buf_vprintf(b, fmt, args);
    va_end(args);
    return err;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= buf_len(b));
    b->start += n;
    if (b->start == b->end) b->start = b->end = 0;
}

void buf_clear(struct buf *b)
{
    b->start = b->end = 0;
}

void buf_release(struct buf *b)
{
    if (!b->ptr) return;
    free(b->ptr);
    b->ptr = NULL;
    b->start = b->end = b->cap = 0;
}
