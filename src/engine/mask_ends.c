/* SPDX-License-Identifier: Apache-2.0 */
/* min_tokens. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/mask.h"

struct mask_ends {
    struct masker masker;
    uint32_t left; /* tokens before an end may come */
    uint32_t count;
    int32_t ends[];
};

static void mask(struct masker *m, float *logits, uint32_t vocab UNUSED)
{
    const struct mask_ends *e = CONTAINER_OF(m, struct mask_ends, masker);
    for (uint32_t i = 0; e->left && i < e->count; i++)
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
