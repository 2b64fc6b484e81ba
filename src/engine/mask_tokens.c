/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that never come. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/mask.h"

struct mask_tokens {
    struct masker masker;
    const int32_t *tokens;
    uint32_t count;
};

static void mask(struct masker *m, float *logits, uint32_t vocab UNUSED)
{
    const struct mask_tokens *t = CONTAINER_OF(m, struct mask_tokens, masker);
    for (uint32_t i = 0; i < t->count; i++)
        logits[t->tokens[i]] = -INFINITY;
}

static void accept(struct masker *m UNUSED, int32_t token UNUSED)
{
}

static void free_tokens(struct masker *m)
{
    free(CONTAINER_OF(m, struct mask_tokens, masker));
}

struct masker *mask_tokens_new(const int32_t *tokens, uint32_t count)
{
    struct mask_tokens *t = mem_must(sizeof *t);
    *t = (struct mask_tokens){
        .masker = {.mask = mask, .accept = accept, .free = free_tokens},
        .tokens = tokens,
        .count = count,
    };
    return &t->masker;
}
