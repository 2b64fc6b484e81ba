/* SPDX-License-Identifier: Apache-2.0 */
/* What the end of an attempt at an endpoint means: whether another one makes sense, whom it counts
 * against, what the client is told. One table (verdict.def), from which the code, the tests and
 * docs/failures.md come. Constant data, any thread. */
#ifndef HOSTLER_ROUTE_VERDICT_H
#define HOSTLER_ROUTE_VERDICT_H

#include "base/base.h"
#include "base/buf.h"

enum verdict {
#define VERDICT(name, ...) VERDICT_##name,
#include "route/verdict.def"
#undef VERDICT
    VERDICT_COUNT
};

/* Whether the request may go to another endpoint, as long as the client
 * has nothing of an answer. */
enum verdict_retry { RETRY_NEVER, RETRY_ELSEWHERE };

/* What it says of the endpoint's health. */
enum verdict_blame {
    /* Nothing bad: the request, the client or we ourselves were the cause. */
    BLAME_NOBODY,
    /* It was not there, which no request can bring about. After some in a row it gets no requests
     * until it is seen again. */
    BLAME_TRANSPORT,
    /* It answers badly, or not at all. When it does so more often than well, others are preferred;
     * without others it stays. */
    BLAME_ANSWERS,
    /* It asked for a pause. Others are preferred for so long; without others requests wait, for a
     * bounded time. */
    BLAME_LIMIT,
};

struct verdict_row {
    const char *label; /* the metric's `result` */
    enum verdict_retry retry;
    enum verdict_blame blame;
    int status;       /* our own answer's; 0: the runtime's goes to the client */
    const char *code; /* our own answer's; NULL with status 0 */
    /* For docs/failures.md, in Markdown: */
    const char *event;  /* what happened */
    const char *client; /* what the client gets */
    const char *log;    /* what the log has */
};

const struct verdict_row *verdict_row(enum verdict v);

/* The verdict on an answer by its status. */
enum verdict verdict_of_status(int status);

/* The verdict on an attempt that failed with `err` before an answer; `sent`: the connection was
 * made and has the request. */
enum verdict verdict_of_error(int err, bool sent);

/* The table as a page of Markdown (docs/failures.md). */
MUST_CHECK int verdict_write_manual(struct buf *out);

#endif
