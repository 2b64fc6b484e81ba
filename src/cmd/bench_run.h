/* SPDX-License-Identifier: Apache-2.0 */
/* The load behind `hostler bench`: requests fall due at times that do not depend on answers, and
 * every latency counts from the time at which its request was due, not from when it could be
 * sent. One thread, one loop. */
#ifndef HOSTLER_CMD_BENCH_RUN_H
#define HOSTLER_CMD_BENCH_RUN_H

#include "base/base.h"
#include "base/str.h"
#include "cmd/bench_answer.h"
#include "cmd/latency.h"
#include "cmd/remote.h"
#include "loop/loop.h"

/* A uniform choice from least..most. */
struct bench_range {
    uint32_t least;
    uint32_t most;
};

/* "128" or "64-256". */
bool bench_range_parse(const char *text, uint32_t max, struct bench_range *out);

struct bench_spec {
    struct remote remote;
    struct str model;
    struct str extra; /* members added to each body, without braces */
    enum bench_api api;
    bool stream;
    double rate;          /* requests per second; 0: closed loop */
    bool constant;        /* arrivals at even distances instead of a Poisson process */
    uint64_t concurrency; /* closed loop: requests in flight */
    uint64_t
        connections; /* open loop: most requests in flight; others wait, and their wait counts */
    uint64_t duration_us;      /* measured time; 0: until `requests` */
    uint64_t requests;         /* measured requests; 0: until duration_us */
    uint64_t warmup_us;        /* not measured */
    uint64_t timeout_us;       /* for one request, from its due time */
    struct bench_range prompt; /* words; a word of the pool is about one token */
    struct bench_range output; /* max_tokens; 0: not sent */
    uint32_t shared_prefix;    /* words at the start of all prompts that are the same */
    uint64_t seed;
    uint64_t goal_ttft_us; /* goodput limits; 0: none */
    uint64_t goal_itl_us;  /* for a request's mean */
    uint64_t goal_total_us;
    bool progress; /* a line per second on stderr */
};

enum { BENCH_KINDS_MAX = 32 };

/* Errors of one kind: "429", "timeout", "ECONNREFUSED", "cut stream", "error event". */
struct bench_error {
    char kind[32];
    char example[160]; /* the message of the first one */
    uint64_t count;
};

struct bench_result {
    uint64_t started;   /* measured requests */
    uint64_t completed; /* those that were whole and without an error */
    uint64_t failed;
    uint64_t good;            /* completed within the goals */
    uint64_t window_us;       /* measured time */
    uint64_t window_requests; /* completed within it, whenever they were due */
    uint64_t window_tokens;   /* the same for frames with text; not streamed: what usage says */
    uint64_t prompt_tokens;   /* as usage says */
    uint64_t announced; /* completion tokens as usage says, of completed requests with usage */
    uint64_t frames;    /* stream frames with text */
    uint64_t reads;     /* reads that brought at least one of them */
    uint64_t merged;    /* frames that came with another one in the same read */
    uint64_t lost;      /* gaps in the numbering of the mock's tokens */
    uint64_t connects;
    uint64_t bytes_in;      /* response bodies */
    uint64_t peak;          /* most in flight */
    uint64_t repeated;      /* numbers seen again */
    uint64_t succeeded;     /* all requests that ended well, measured or not */
    struct latency ttft;    /* streams: first text, from the due time */
    struct latency itl;     /* between frames with text; 0 within a read */
    struct latency total;   /* to the end of the answer, from the due time */
    struct latency refused; /* the same for answers of another status than 200 */
    struct latency
        late; /* from due to sent: how far the generator, or its connection limit, was behind */
    struct bench_error errors[BENCH_KINDS_MAX];
    unsigned error_kinds;
};

/* Runs the whole load. Negative: nothing could be measured at all (no answer to the first
 * requests); *why is then for people, on the arena. SIGINT ends the run early; what was measured
 * until then counts. */
MUST_CHECK int bench_run(const struct bench_spec *spec, struct bench_result *result,
                         struct arena *arena, struct str *why);

#endif
