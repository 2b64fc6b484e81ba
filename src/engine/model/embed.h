/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors that mean texts, and scores of pairs of texts. The compute thread. */
#ifndef HOSTLER_ENGINE_MODEL_EMBED_H
#define HOSTLER_ENGINE_MODEL_EMBED_H

#include <math.h>

#include "base/base.h"
#include "engine/model/model.h"
#include "engine/model/vocab.h"

struct embedder;

enum { EMBED_INPUTS_MAX = 32 }; /* texts of one embed_run */

struct embed_info {
    uint32_t length;    /* numbers of one vector; with MODEL_POOLING_RANK scores */
    uint32_t input_max; /* tokens of one text, and of all of one embed_run together */
    enum model_pooling pooling;
};

/* Makes the length of a vector 1; a zero one stays so. False: it is no vector of numbers. `out` may
 * be `in`. */
static inline bool embed_normalise(float *out, const float *in, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)in[i] * (double)in[i];
    double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(in[i] * scale);
    return isfinite(sum);
}

const struct embed_info *embed_info(const struct embedder *e);

/* The vectors of `count` texts of at least one token, to out[count][length]. Vectors have the
 * length 1; scores are as the model gives them. May make its own context at the first call
 * (-ENOMEM). ERR_INVALID: they are no numbers. */
MUST_CHECK int embed_run(struct embedder *e, const struct token_list *inputs, size_t count,
                         float *out);

#endif
