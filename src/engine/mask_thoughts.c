/* SPDX-License-Identifier: Apache-2.0 */
/* A budget of thinking tokens. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "engine/mask.h"
#include "engine/text/reasoning.h"

struct mask_thoughts {
    struct masker masker;
    const struct reasoning *reasoning;
    uint32_t left;   /* tokens of the budget */
    uint32_t forced; /* tokens of the end marker that have come */
};

static bool forces(const struct mask_thoughts *t)
{
    return t->reasoning->state == REASONING_THINKING && t->left == 0 &&
           t->forced < t->reasoning->markers.end_token_count;
}

static void mask(struct masker *m, float *logits, uint32_t vocab)
{
    const struct mask_thoughts *t = CONTAINER_OF(m, struct mask_thoughts, masker);
    if (!forces(t)) return;
    uint32_t wanted = (uint32_t)t->reasoning->markers.end_tokens[t->forced];
    for (uint32_t i = 0; i < vocab; i++)
        logits[i] = i == wanted ? 0 : -INFINITY;
}

static void accept(struct masker *m, int32_t token UNUSED)
{
    struct mask_thoughts *t = CONTAINER_OF(m, struct mask_thoughts, masker);
    if (forces(t))
        t->forced++;
    else if (t->reasoning->state == REASONING_THINKING && t->left)
        t->left--;
}

static void free_thoughts(struct masker *m)
{
    free(CONTAINER_OF(m, struct mask_thoughts, masker));
}

struct masker *mask_thoughts_new(const struct reasoning *r, uint32_t budget)
{
    struct mask_thoughts *t = mem_must(sizeof *t);
    *t = (struct mask_thoughts){
        .masker = {.mask = mask, .accept = accept, .free = free_thoughts},
        .reasoning = r,
        .left = budget,
    };
    return &t->masker;
}
