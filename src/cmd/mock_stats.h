/* SPDX-License-Identifier: Apache-2.0 */
/* What the mock runtime has seen: counters, the list of aborts, recorded requests. Any thread. */
#ifndef HOSTLER_CMD_MOCK_STATS_H
#define HOSTLER_CMD_MOCK_STATS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/str.h"
#include "http/message.h"

enum { MOCK_ID_MAX = 64, MOCK_ABORTS_MAX = 100000 };

enum mock_phase { MOCK_BODY, MOCK_WAITING, MOCK_STREAMING };

/* A request whose client left before the end. */
struct mock_abort {
    char id[MOCK_ID_MAX];
    uint64_t at_us; /* CLOCK_MONOTONIC, when the close was seen */
    enum mock_phase phase;
};

struct mock_stats {
    _Atomic uint64_t connections;
    _Atomic uint64_t requests;  /* model requests: chat, completions, embeddings */
    _Atomic uint64_t streams;   /* those that were streamed */
    _Atomic uint64_t active;    /* in progress */
    _Atomic uint64_t peak;      /* most in progress at once */
    _Atomic uint64_t completed; /* answered to the end */
    _Atomic uint64_t errors;    /* answered by an error */
    _Atomic uint64_t died;      /* closed by die_... */
    _Atomic uint64_t aborted;   /* the client left first */
    _Atomic uint64_t frames;    /* token frames sent */

    pthread_mutex_t lock; /* for all below */
    struct mock_abort *aborts;
    size_t abort_count;
    size_t abort_cap;
    struct map tries;     /* id -> count as pointer-sized number; keys on the heap */
    struct buf *recorded; /* ring of JSON objects */
    size_t record_max;    /* its size */
    uint64_t record_next; /* number recorded so far */
};

void mock_stats_init(struct mock_stats *s, size_t record_max);
void mock_stats_fini(struct mock_stats *s);
void mock_stats_reset(struct mock_stats *s); /* all but `active` and `connections` */

static inline void mock_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void mock_stats_begin(struct mock_stats *s); /* a model request: requests, active, peak */
void mock_stats_abort(struct mock_stats *s, struct str id, uint64_t at_us, enum mock_phase phase);

/* Counts a request with that id; how many there were before. */
unsigned mock_stats_try(struct mock_stats *s, struct str id);

/* Keeps the request for GET /mock/requests, when recording is on. */
void mock_stats_record(struct mock_stats *s, const struct http_head *head, struct str id,
                       struct str body);

MUST_CHECK int mock_stats_write(struct mock_stats *s, struct buf *out);
MUST_CHECK int mock_stats_write_requests(struct mock_stats *s, struct buf *out);
MUST_CHECK int mock_stats_write_metrics(struct mock_stats *s, struct buf *out);

#endif
