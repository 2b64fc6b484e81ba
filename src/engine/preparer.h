/* SPDX-License-Identifier: Apache-2.0 */
/* The preparing thread: reads bodies, renders chats, tokenizes, writes long answers, so that the
 * loop never waits for that.
 *
 * Jobs are done in pieces of some milliseconds, by turns: the one with the least left goes first,
 * and every fourth piece is the oldest job's. So a short prompt waits for a piece of a long one
 * and not for its end, and a long one for no more than the short ones before it and three more
 * pieces for each of its own.
 *
 * The functions belong to the loop's thread. A job is the preparer's from preparer_add until its
 * on_prepared, which comes exactly once, also after a cancel. */
#ifndef HOSTLER_ENGINE_PREPARER_H
#define HOSTLER_ENGINE_PREPARER_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/list.h"
#include "loop/loop.h"

struct preparer;

struct prepare_job {
    struct list link; /* the preparer's */
    struct mail mail; /* the preparer's */
    size_t left;      /* what is to do, in bytes of text; set by the asker, then by step */
    /* Does a piece, on the preparing thread. False: that was the last one. */
    bool (*step)(struct prepare_job *job);
    void (*on_prepared)(struct prepare_job *job); /* on the loop */
    /* No more steps. on_prepared may find it set although the last step was done. */
    atomic_bool cancelled;
};

MUST_CHECK int preparer_start(struct loop *loop, struct preparer **out);

void preparer_add(struct preparer *p, struct prepare_job *job);

/* Hurries the job's end: after the piece in progress, if there is one. */
void preparer_cancel(struct prepare_job *job);

/* When no job is left: ends the thread and frees. Does nothing with NULL. */
void preparer_stop(struct preparer *p);

#endif
