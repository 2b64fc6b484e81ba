/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/model/block.h"

size_t block_runs(const struct context_item *items, size_t count, uint32_t runs[ROWS_MAX])
{
    size_t n = 0;
    if (count < 1 || count > ROWS_MAX) return 0;
    runs[0] = 1;
    for (size_t i = 1; i < count; i++) {
        uint32_t last = items[i - 1].sequence;
        if (items[i].sequence <= last) return 0;
        if (items[i].sequence == last + 1)
            runs[n]++;
        else
            runs[++n] = 1;
    }
    return n + 1;
}

static bool is_free(const struct block_room *room, const struct context_item *items, size_t count,
                    struct block b)
{
    uint32_t deepest = 0;
    size_t at = 0;
    if (b.first + b.count > room->sequences) return false;
    for (size_t i = 0; i < count; i++)
        deepest = MAX(deepest, items[i].position);
    for (uint32_t s = b.first; s < b.first + b.count; s++) {
        if (at < count && items[at].sequence == s)
            at++;
        else if (!room->may_pad(room->user, s, deepest))
            return false;
    }
    return true;
}

bool block_find(const struct block_room *room, const struct context_item *items, size_t count,
                struct block *out)
{
    uint32_t first = items[0].sequence, span = items[count - 1].sequence - first + 1;
    uint32_t whole = (span + ROWS_STEP - 1) / ROWS_STEP * ROWS_STEP;
    if (count < 2 || whole > ROWS_MAX || whole == count) return false;
    for (uint32_t before = 0; before <= MIN(first, whole - span); before++) {
        *out = (struct block){first - before, whole};
        if (is_free(room, items, count, *out)) return true;
    }
    *out = (struct block){first, span};
    return span > count && is_free(room, items, count, *out);
}
