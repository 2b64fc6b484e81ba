/* SPDX-License-Identifier: Apache-2.0 */
/* What a scheduler tells of its sequences and embedding jobs, and where it tells it. */
#ifndef HOSTLER_ENGINE_OUTPUT_H
#define HOSTLER_ENGINE_OUTPUT_H

#include "base/base.h"
#include "base/str.h"
#include "engine/sampler.h"
#include "engine/text/piece.h"

struct sequence;
struct embed_job;

enum finish {
    FINISH_NONE,   /* goes on */
    FINISH_STOP,   /* an end token or a stop string */
    FINISH_CALLS,  /* the same, and tools were called */
    FINISH_LENGTH, /* max_tokens or the context's end */
    FINISH_CANCELLED,
    FINISH_LATE,    /* its deadline has passed */
    FINISH_REFUSED, /* what it must keep to takes too much time or memory to enforce */
    FINISH_FAILED,  /* the model could not compute; the log says more */
};

/* A step of one sequence. With a finish other than FINISH_NONE it is the last one, and the sequence
 * is the asker's again. */
struct output {
    struct sequence *sequence;
    const struct piece *pieces; /* whole characters; borrowed for the call */
    unsigned piece_count;
    /* The tokens behind them, with logprobs only; borrowed. */
    const struct sampler_choice *choices;
    unsigned choice_count;
    enum finish finish;
    uint32_t prompt_tokens;
    uint32_t cached_tokens;
    uint32_t generated;  /* tokens of the answer so far, with the end token if there was one */
    uint32_t reasoned;   /* those of them that are thoughts */
    uint64_t waited_us;  /* for a slot */
    uint64_t prefill_us; /* from there to the first token; 0: there is none */
};

/* Receives on the compute thread. */
struct output_sink {
    void (*on_output)(void *user, const struct output *out);
    /* The job is the asker's again. */
    void (*on_embedded)(void *user, struct embed_job *job, int err);
    /* A longer computation follows: what was told so far should not wait for its end. */
    void (*on_pause)(void *user);
    void *user;
};

#endif
