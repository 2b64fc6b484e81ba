/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/mask.h"

void mask_row(struct masker *chain, float *logits, uint32_t vocab)
{
    for (struct masker *m = chain; m; m = m->next)
        m->mask(m, logits, vocab);
}

void mask_accept(struct masker *chain, int32_t token)
{
    for (struct masker *m = chain; m; m = m->next)
        m->accept(m, token);
}

void mask_free(struct masker *chain)
{
    while (chain) {
        struct masker *next = chain->next;
        chain->free(chain);
        chain = next;
    }
}

void mask_push(struct masker **chain, struct masker *m)
{
    m->next = *chain;
    *chain = m;
}
