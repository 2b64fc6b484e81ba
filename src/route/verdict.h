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
    /* nothing bad: the request, the client or we ourselves were the cause */
    BLAME_NOBODY,
    /* it was not there, which no request can bring about: after some in a row it gets
     * none until it is seen again */
    BLAME_TRANSPORT,
    /* it answers badly, or not: when that is more often than well, others are preferred; it
     * stays when there are none */
    BLAME_ANSWERS,
    /* it asked for a pause: others are preferred for so long; without others requests
     * wait, for a bounded time */
    BLAME_LIMIT,
};

struct verdict_row {
    const char *label; /* of the metric */
    enum verdict_retry retry;
    enum verdict_blame blame;
    int status;       /* of our own answer; 0: the runtime's goes to the client */
    const char *code; /* of our own answer; NULL */
    const char *event;
    const char *client;
    const char *log;
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
