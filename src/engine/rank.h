/* SPDX-License-Identifier: Apache-2.0 */
/* How well texts fit a query: pairs of texts for a model that ranks, else the cosine of vectors. */
#ifndef HOSTLER_ENGINE_RANK_H
#define HOSTLER_ENGINE_RANK_H

#include "engine/vectors.h"

/* Which texts are judged: the index-th of `count` pairs is first[i] (or its only one) and
 * second[i]. On the preparation's arena. */
struct rank {
    const struct str *first, *second;
    const char *first_name, *second_name; /* for refusals */
    size_t first_count;
    size_t count;
};

/* For `read`: what vectors have to be computed. */
MUST_CHECK int rank_check(struct vectors *v, const struct rank *r, struct str model);

/* For the preparation's begin_prompt. */
int rank_begin_prompt(struct vectors *v, const struct rank *r, size_t index);

/* When the vectors are there: the index-th pair's score, higher for a better fit. */
float rank_score(const struct vectors *v, const struct rank *r, size_t index);

#endif
