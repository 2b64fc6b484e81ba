/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/slots.h"

#include <stdlib.h>
#include <string.h>

enum {
    REUSE_LEAST = 16, /* tokens found that make a slot preferable to a well-placed one */
    COPY_BYTES_PER_US = 4000,
};

void slots_init(struct slots *s, struct model *model)
{
    *s = (struct slots){.model = model, .count = model_info(model)->slots};
    s->all = calloc(s->count, sizeof *s->all);
    if (!s->all) abort();
}

void slots_fini(struct slots *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        free(s->all[i].tokens);
    free(s->all);
    *s = (struct slots){0};
}

uint32_t slots_busy(const struct slots *s)
{
    return s->busy;
}

/* Tokens of q, except its last one, that slot `i` holds. */
static uint32_t common(const struct slots *s, uint32_t i, const struct sequence *q)
{
    const struct slot *slot = &s->all[i];
    const int32_t *tokens = slot->user ? slot->user->tokens : slot->tokens;
    const uint32_t held = slot->user ? slot->user->done : slot->count;
    const uint32_t most = MIN(held, q->count - 1);
    uint32_t n = 0;
    while (n < most && tokens[n] == q->tokens[n])
        n++;
    return n;
}

/* A free slot beside the busy ones, since neighbours are decoded together; of those the one unused
 * for longest. */
static uint32_t place(const struct slots *s)
{
    uint32_t low = s->count, high = 0, best = s->count;
    for (uint32_t i = 0; i < s->count; i++) {
        if (!s->all[i].user) continue;
        low = MIN(low, i);
        high = i;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->all[i].user) continue;
        if (low < i && i < high) return i;
        const bool beside = low == s->count || i + 1 == low || i == high + 1;
        if (!beside) continue;
        if (best == s->count || s->all[i].used_us < s->all[best].used_us) best = i;
    }
    assert(best < s->count);
    return best;
}

static void take(struct slots *s, struct sequence *q, uint32_t slot, uint32_t kept)
{
    if (!model_trim(s->model, slot, kept)) kept = 0;
    s->all[slot].user = q;
    free(s->all[slot].tokens);
    s->all[slot].tokens = NULL;
    s->all[slot].count = 0;
    s->busy++;
    q->slot = slot;
    q->done = kept;
    q->goal = q->count;
}

void slots_take(struct slots *s, struct sequence *q, double token_us)
{
    uint32_t free_best = 0, free_common = 0, any_best = 0, any_common = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        const uint32_t n = common(s, i, q);
        if (n > any_common) {
            any_common = n;
            any_best = i;
        }
        if (!s->all[i].user && n > free_common) {
            free_common = n;
            free_best = i;
        }
    }
    if (free_common < REUSE_LEAST && 2 * free_common < q->count) {
        free_best = place(s);
        free_common = common(s, free_best, q);
    }
    const double copy_us = (double)model_info(s->model)->slot_bytes / COPY_BYTES_PER_US;
    if (any_best != free_best && (any_common - free_common) * token_us > copy_us &&
        model_copy(s->model, any_best, free_best))
        free_common = any_common;
    take(s, q, free_best, free_common);
}

void slots_give_back(struct slots *s, struct sequence *q, bool ended, uint64_t now_us)
{
    struct slot *slot = &s->all[q->slot];
    assert(slot->user == q);
    slot->user = NULL;
    slot->count = q->done;
    slot->used_us = now_us;
    s->busy--;
    if (ended) {
        slot->tokens = q->tokens;
        q->tokens = NULL;
        return;
    }
    const size_t size = (q->done + 1) * sizeof *slot->tokens;
    slot->tokens = malloc(size);
    if (!slot->tokens) abort();
    memcpy(slot->tokens, q->tokens, q->done * sizeof *slot->tokens);
}
