/* SPDX-License-Identifier: Apache-2.0 */
/* What must not come next: a chain of maskers that stands before the sampler, one for each reason.
 * The last of a chain has the last word. A chain belongs to one sequence and is the compute
 * thread's. */
#ifndef HOSTLER_ENGINE_MASK_H
#define HOSTLER_ENGINE_MASK_H

#include "base/base.h"

struct masker {
    struct masker *next;
    /* Sets the logits of tokens that must not come next to -INFINITY. */
    void (*mask)(struct masker *m, float *logits, uint32_t vocab);
    /* The token that came. */
    void (*accept)(struct masker *m, int32_t token);
    void (*free)(struct masker *m);
};

/* Of all maskers of a chain; NULL: of none. */
void mask_row(struct masker *chain, float *logits, uint32_t vocab);
void mask_accept(struct masker *chain, int32_t token);
void mask_free(struct masker *chain);

/* Puts a masker before a chain. */
void mask_push(struct masker **chain, struct masker *m);

/* None of the tokens `ends` before `least` others, as long as any other may come. Copies them. */
struct masker *mask_ends_new(const int32_t *ends, uint32_t count, uint32_t least);

/* None of these tokens, ever. Borrows them. */
struct masker *mask_tokens_new(const int32_t *tokens, uint32_t count);

struct reasoning;

/* After `budget` tokens of thoughts their end marker, token by token. Borrows `r`. */
struct masker *mask_thoughts_new(const struct reasoning *r, uint32_t budget);

#endif
