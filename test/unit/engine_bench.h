/* SPDX-License-Identifier: Apache-2.0 */
/* A scheduler on the scripted model, step by step, on a clock that the model moves: a decode takes
 * 1 ms, and 1 ms per token. Broken rules fail the test. */
#ifndef HOSTLER_TEST_ENGINE_BENCH_H
#define HOSTLER_TEST_ENGINE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/model/fake.h"
#include "engine/scheduler.h"

enum { BENCH_MANY = 1000 };

/* What has been told of one sequence. */
struct told {
    struct sequence *sequence;
    char text[8192];
    size_t len;
    char thoughts[512]; /* and calls */
    size_t thought_len;
    unsigned outputs;
    enum finish finish;
    uint32_t prompt, cached, generated;
    unsigned choices;
    uint64_t first_us;
    uint64_t out_us; /* when the first was let out */
};

struct bench {
    struct model *model;
    struct scheduler *scheduler;
    struct told told[BENCH_MANY];
    unsigned count;
    unsigned ended;
    unsigned embedded;
    int embed_err;
};

extern uint64_t bench_clock_us;

struct bench_options {
    const char *script;
    uint32_t slots, context, batch;
    size_t grammar_bytes; /* as the scheduler's; 0: its own */
    size_t cache_ram;
    struct newcomers newcomers;
};

struct bench *bench_open(const struct bench_options *options);
struct bench *bench_new(const char *script, uint32_t slots, uint32_t context, uint32_t batch);
void bench_free(struct bench *b);

/* A sequence whose prompt is the text's bytes. */
struct told *bench_add(struct bench *b, const char *text, struct sequence_spec spec);

/* Until nothing is left to do; how many steps that were. */
unsigned bench_run(struct bench *b);

#endif
