/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cost.h"

#include <math.h>

enum { SIZE_FIRST = 16, DEPTH_FIRST = 256 }; /* the lowest class lies below */

static const double keep = 0.6; /* the old value's share when a new measurement comes */

/* Ratios of a token's cost to the one that is known, when nothing else is: in twice the size (and
 * the least to believe there), and in half the depth. In twice the depth it is taken as equal. */
static const double larger = 0.85;
static const double steepest = 0.5;
static const double shallower = 0.7;

/* 0 below `first`, then one more with each doubling. */
static int class_of(uint32_t n, uint32_t first, int count)
{
    int at = 0;
    for (n /= first; n && at < count - 1; n /= 2)
        at++;
    return at;
}

void cost_note(struct cost *c, uint32_t tokens, uint32_t depth, uint64_t us)
{
    int size = class_of(tokens, SIZE_FIRST, COST_SIZES);
    int deep = class_of(depth, DEPTH_FIRST, COST_DEPTHS);
    double measured = MAX((double)us, 1.0) / tokens;
    double old = c->token_us[size][deep];
    double now = old > 0 ? keep * old + (1 - keep) * measured : measured;
    double others = old > 0 ? sqrt(now / old) : 1;
    for (int s = 0; s < COST_SIZES; s++) {
        for (int d = 0; d < COST_DEPTHS; d++)
            c->token_us[s][d] *= others;
    }
    c->token_us[size][deep] = now;
}

/* How a token's cost changes from one class of depths to another, by the size nearest to `size`
 * that was measured at both; 0: none was. */
static double seen_growth(const struct cost *c, int size, int from, int to)
{
    for (int off = 1; off < COST_SIZES; off++) {
        for (int s = size - off; s <= size + off; s += 2 * off) {
            if (s < 0 || s >= COST_SIZES) continue;
            if (c->token_us[s][from] > 0 && c->token_us[s][to] > 0)
                return c->token_us[s][to] / c->token_us[s][from];
        }
    }
    return 0;
}

/* The same, and where no size was measured at both, from class to class, by whatever was seen. */
static double growth(const struct cost *c, int size, int from, int to)
{
    int step = to < from ? -1 : 1;
    double all = seen_growth(c, size, from, to);
    if (all > 0) return all;
    all = 1;
    for (int d = from; d != to; d += step) {
        double seen = seen_growth(c, size, d, d + step);
        all *= seen > 0 ? seen : step < 0 ? shallower : 1;
    }
    return all;
}

/* The cost in a size that was measured, at this depth or at another one; 0: it was at none. */
static double known(const struct cost *c, int size, int deep)
{
    if (c->token_us[size][deep] > 0) return c->token_us[size][deep];
    for (int off = 1; off < COST_DEPTHS; off++) {
        for (int d = deep - off; d <= deep + off; d += 2 * off) {
            if (d >= 0 && d < COST_DEPTHS && c->token_us[size][d] > 0)
                return c->token_us[size][d] * growth(c, size, d, deep);
        }
    }
    return 0;
}

/* From the next smaller size that is known: costs go on falling as they
 * last did. 0: there is none. */
static double from_smaller(const struct cost *c, int size, int deep)
{
    int s = size - 1;
    while (s >= 0 && known(c, s, deep) <= 0)
        s--;
    if (s < 0) return 0;
    double before = s > 0 ? known(c, s - 1, deep) : 0;
    double fall = before > 0 ? known(c, s, deep) / before : larger;
    return known(c, s, deep) * pow(MIN(MAX(fall, steepest), 1.0), size - s);
}

/* From the next larger one: no dearer. 0: there is none. */
static double from_larger(const struct cost *c, int size, int deep)
{
    for (int s = size + 1; s < COST_SIZES; s++) {
        if (known(c, s, deep) > 0) return known(c, s, deep);
    }
    return 0;
}

double cost_of(const struct cost *c, uint32_t tokens, uint32_t depth)
{
    int size = class_of(tokens, SIZE_FIRST, COST_SIZES);
    int deep = class_of(depth, DEPTH_FIRST, COST_DEPTHS);
    double us = known(c, size, deep);
    if (us <= 0) {
        double below = from_smaller(c, size, deep), above = from_larger(c, size, deep);
        us = below > 0 && above > 0 ? MIN(below, above) : MAX(below, above);
    }
    return us * tokens;
}
