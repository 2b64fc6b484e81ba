/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted per service: one set per worker, written by its thread, summed when scraped. */
#ifndef HOSTLER_MESH_STATS_H
#define HOSTLER_MESH_STATS_H

#include "base/base.h"
#include "obs/metrics.h"

/* Status codes that have their own series; all others count as "other". */
/* clang-format off */
#define SERVICE_CODES(X) \
    X(200) X(204) X(400) X(401) X(403) X(404) X(405) X(408) X(409) X(413) X(415) X(417) X(422) X(426) \
    X(429) X(431) X(499) X(500) X(501) X(502) X(503) X(504) X(505) X(508) X(529)
/* clang-format on */

enum service_code {
#define X(code) SERVICE_CODE_##code,
    SERVICE_CODES(X)
#undef X
        SERVICE_CODE_OTHER,
    SERVICE_CODE_COUNT
};

/* Why a queue refuses a request. */
enum queue_refusal { QUEUE_REFUSAL_FULL, QUEUE_REFUSAL_DEADLINE, QUEUE_REFUSALS };

/* Answers, of a service or to requests that name none. */
struct answer_stats {
#define ANSWER_METRIC METRIC_MEMBER
#include "obs/metrics.def"
};

struct service_stats {
    struct answer_stats answers;
#define SERVICE_METRIC METRIC_MEMBER
#include "obs/metrics.def"
};

/* Which cell counts an answer with this status. */
enum service_code service_code(int status);

/* The label value of a code: "200", "other"; static. */
const char *service_code_text(enum service_code code);

#endif
