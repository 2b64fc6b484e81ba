/* SPDX-License-Identifier: Apache-2.0 */
/* min_tokens. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/mask.h"
#include "engine/model/vocab.h"

struct mask_ends {
    struct masker masker;
    uint32_t left; /* tokens before an end may come */
    uint32_t count;
    int32_t ends[];
};

/* True when another token may come. */
static bool leaves_some(const struct mask_ends *e, const float *logits, uint32_t vocab)
{
    for (uint32_t i = 0; i < vocab; i++)
        if (logits[i] > -INFINITY && !tokens_have(e->ends, e->count, (int32_t)i)) return true;
    return false;
}

static void mask(struct masker *m, float *logits, uint32_t vocab)
{
    const struct mask_ends *e = CONTAINER_OF(m, struct mask_ends, masker);
    if (!e->left || !leaves_some(e, logits, vocab)) return;
    for (uint32_t i = 0; i < e->count; i++)
        logits[e->ends[i]] = -INFINITY;
}

static void accept(struct masker *m, int32_t token UNUSED)
{
    struct mask_ends *e = CONTAINER_OF(m, struct mask_ends, masker);
    e->left -= e->left > 0;
}

static void free_ends(struct masker *m)
{
    free(CONTAINER_OF(m, struct mask_ends, masker));
}

struct masker *mask_ends_new(const int32_t *ends, uint32_t count, uint32_t least)
{
    struct mask_ends *e = mem_must(sizeof *e + count * sizeof *e->ends);
    *e = (struct mask_ends){
        .masker = {.mask = mask, .accept = accept, .free = free_ends},
        .left = least,
        .count = count,
    };
    if (count) memcpy(e->ends, ends, count * sizeof *e->ends);
    return &e->masker;
}
