/* SPDX-License-Identifier: Apache-2.0 */
/* Chooses the next token from a row of logits.
 *
 * In this order: penalties, logit_bias and masks (mask.h) on the logits; top_k, top_p, min_p cut
 * candidates; temperature; a draw. Greedy (temperature 0) is one pass over the row. Nothing
 * sorts the whole vocabulary unless top_p leaves most of it. A sampler belongs to one
 * sequence, a scratch to one thread. */
#ifndef HOSTLER_ENGINE_SAMPLER_H
#define HOSTLER_ENGINE_SAMPLER_H

#include "base/base.h"
#include "base/rand.h"
#include "engine/mask.h"

enum { SAMPLER_TOP_MAX = 20, SAMPLER_BIAS_MAX = 1024 };

struct sampler_bias {
    int32_t token;
    float bias; /* added to the logit; -100 and less: never, as OpenAI has it */
};

struct sampler_params {
    float temperature; /* 0: greedy */
    float top_p;       /* 1: off */
    float min_p;       /* 0: off */
    int32_t top_k;     /* 0: off */
    /* 1: off; divides positive logits of tokens in prompt and answer, multiplies negative ones. */
    float repeat_penalty;
    float presence_penalty;  /* 0: off; subtracted once per token in the answer */
    float frequency_penalty; /* 0: off; subtracted per occurrence in the answer */
    uint64_t seed;
    bool logprobs;                   /* log probabilities are wanted */
    uint8_t top_logprobs;            /* 0..SAMPLER_TOP_MAX most likely tokens besides */
    const struct sampler_bias *bias; /* borrowed by sampler_init, copied */
    uint32_t bias_count;
};

struct sampler {
    struct sampler_params params; /* bias is our own copy */
    struct rng rng;
    uint32_t vocab;
    /* Only with penalties: */
    uint32_t *counts;  /* per token: occurrences in the answer */
    uint8_t *seen;     /* bit per token: is on `distinct` */
    int32_t *distinct; /* tokens that penalties touch */
    uint32_t distinct_count;
    uint32_t distinct_cap;
};

struct sampler_prob {
    int32_t token;
    /* Natural logarithm, of the model's own distribution: before penalties and temperature. */
    float logprob;
};

struct sampler_choice {
    int32_t token;
    float logprob; /* with params.logprobs */
    uint8_t top_count;
    struct sampler_prob top[SAMPLER_TOP_MAX]; /* most likely first */
};

struct sampler_candidate {
    float logit;
    int32_t token;
};

/* Working memory for rows of `vocab` logits. */
struct sampler_scratch {
    struct sampler_candidate *candidates; /* vocab */
    uint32_t vocab;
};

void sampler_scratch_init(struct sampler_scratch *s, uint32_t vocab);
void sampler_scratch_fini(struct sampler_scratch *s);

/* `prompt` counts for the repeat penalty. */
void sampler_init(struct sampler *s, const struct sampler_params *params, uint32_t vocab,
                  const int32_t *prompt, uint32_t prompt_count);
void sampler_fini(struct sampler *s);

/* Chooses what no masker of the chain forbids, and remembers. Overwrites the row. ERR_INVALID: the
 * row holds no finite number. */
MUST_CHECK int sampler_next(struct sampler *s, struct sampler_scratch *scratch, float *logits,
                            struct masker *masks, struct sampler_choice *out);

/* Remembers a token that was chosen without it. */
void sampler_note(struct sampler *s, struct masker *masks, int32_t token);

#endif
