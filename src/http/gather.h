/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces that leave by one write: any number of them, mostly in one system call. */
#ifndef HOSTLER_HTTP_GATHER_H
#define HOSTLER_HTTP_GATHER_H

#include "base/base.h"
#include "base/str.h"
#include "loop/stream.h"

enum { GATHER_PIECES = 16 }; /* that leave by one call */

struct gather {
    struct stream *stream;
    unsigned count;
    int err; /* the first write that failed; nothing is written after it */
    struct iovec pieces[GATHER_PIECES];
};

static inline void gather_init(struct gather *g, struct stream *stream)
{
    g->stream = stream;
    g->count = 0;
    g->err = 0;
}

static inline void gather_flush(struct gather *g)
{
    if (g->count && !g->err) g->err = stream_write(g->stream, g->pieces, g->count);
    g->count = 0;
}

/* Borrows the piece until gather_flush. */
static inline void gather_add(struct gather *g, struct str piece)
{
    if (piece.len == 0) return;
    if (g->count == GATHER_PIECES) gather_flush(g);
    g->pieces[g->count++] = (struct iovec){(char *)(uintptr_t)piece.ptr, piece.len};
}

#endif
