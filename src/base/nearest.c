/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

enum { WORD_MAX = 64, EDITS_MAX = 4 };

/* How many letters must be put in, left out, changed or swapped with the next to make b of a. Both
 * have WORD_MAX at most. (Damerau 1964; what was swapped is not changed further.) */
static size_t distance(struct str a, struct str b)
{
    uint8_t rows[WORD_MAX + 1][WORD_MAX + 1];
    for (size_t i = 0; i <= a.len; i++)
        rows[i][0] = (uint8_t)i;
    for (size_t k = 0; k <= b.len; k++)
        rows[0][k] = (uint8_t)k;
    for (size_t i = 1; i <= a.len; i++) {
        for (size_t k = 1; k <= b.len; k++) {
            char x = a.ptr[i - 1], y = b.ptr[k - 1];
            int best = MIN(rows[i - 1][k], rows[i][k - 1]) + 1;
            int changed = rows[i - 1][k - 1] + (x != y);
            bool swapped = i > 1 && k > 1 && x == b.ptr[k - 2] && a.ptr[i - 2] == y;
            best = MIN(best, changed);
            if (swapped) best = MIN(best, rows[i - 2][k - 2] + 1);
            rows[i][k] = (uint8_t)best;
        }
    }
    return rows[a.len][b.len];
}

static size_t edits_forgiven(struct str word)
{
    return word.len < 4 ? 1 : MIN(word.len / 3 + 1, EDITS_MAX);
}

struct str nearest_word(struct str word, struct str (*candidate)(const void *ctx, size_t i),
                        const void *ctx, size_t count)
{
    size_t best = edits_forgiven(word) + 1;
    struct str nearest = STR_NULL;
    if (word.len > WORD_MAX) return nearest;
    for (size_t i = 0; i < count; i++) {
        struct str c = candidate(ctx, i);
        size_t longer = MAX(word.len, c.len), shorter = MIN(word.len, c.len);
        if (c.len == 0 || c.len > WORD_MAX || longer - shorter >= best) continue;
        size_t d = distance(word, c);
        if (d >= best) continue;
        best = d;
        nearest = c;
    }
    return nearest;
}
