/* SPDX-License-Identifier: Apache-2.0 */
/* A request that is answered from vectors of its texts: embeddings, scores, ranks. Its texts are
 * prepared, become one job of the compute thread's (COMPUTING), the answer is written on the
 * preparing thread, piece by piece (WRITING), and goes out. As with other requests the client may
 * leave before the job has ended; the job is then cancelled, and freed when that has been told.
 *
 * What is asked and how it is answered is the kind's. */
#ifndef HOSTLER_ENGINE_VECTORS_H
#define HOSTLER_ENGINE_VECTORS_H

#include "base/base.h"
#include "base/buf.h"
#include "engine/preparation.h"
#include "engine/scheduler.h"
#include "json/write.h"

struct vectors;

struct vectors_kind {
    const char *name;                       /* for the log */
    struct preparation_handler preparation; /* on_prepared and on_refused are vectors_on_... */
    /* The answer, written on the preparing thread: what comes before its items, of which it says how
     * many there are (v->items) and how many are some milliseconds' work (v->piece), each of them,
     * and what comes behind. */
    void (*begin)(struct vectors *v);
    void (*item)(struct vectors *v, uint32_t index);
    int (*end)(struct vectors *v);
};

struct vectors {
    struct preparation preparation;
    const struct vectors_kind *kind;
    struct task task;       /* once it is prepared */
    struct http_call *call; /* NULL when it has ended */
    void *asked;            /* the kind's, on the preparation's arena */
    struct embed_job *job;  /* in COMPUTING and WRITING, else NULL */
    uint64_t tokens;
    bool writes; /* it is WRITING */
    struct prepare_job writing;
    struct json_writer writer;
    struct buf body;
    uint32_t items, piece; /* the kind's, set by begin */
    uint32_t written;      /* items */
    int write_err;
};

/* Takes the call over. */
void vectors_begin(struct server *s, struct http_call *call, const struct vectors_kind *kind);

void vectors_on_prepared(struct preparation *p);
void vectors_on_refused(struct preparation *p);

/* For `read`: the model must be this one and give vectors, for `count` texts named by `param`. */
MUST_CHECK int vectors_check(struct vectors *v, struct str model, const char *param, size_t count);

/* The vector of the index-th text. */
const float *vectors_at(const struct vectors *v, size_t index);

/* The members with which an answer begins: id, object (NULL: none), created, model; and with which
 * it ends, behind an open array. */
void vectors_write_head(struct vectors *v, const char *prefix, const char *object);
MUST_CHECK int vectors_write_tail(struct vectors *v);

static inline struct vectors *vectors_of(struct preparation *p)
{
    return CONTAINER_OF(p, struct vectors, preparation);
}

#endif
