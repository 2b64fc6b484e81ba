/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal numbers of any length, and the terms of ranges of them.
 *
 * Ranges take plain decimals, as JSON writes them: no exponents, no needless zeros in front, and no
 * minus sign before a zero. */
#ifndef HOSTLER_ENGINE_GRAMMAR_NUMBERS_H
#define HOSTLER_ENGINE_GRAMMAR_NUMBERS_H

#include "base/arena.h"
#include "base/base.h"
#include "engine/grammar/terms.h"
#include "json/json.h"

struct decimal {
    bool negative;       /* never of zero */
    struct str whole;    /* digits, "0" or not beginning with 0 */
    struct str fraction; /* digits that do not end in 0; often none */
};

/* The value of a number, as its shortest text has it. ERR_INVALID: it is none, or not finite;
 * -ENOMEM. */
MUST_CHECK int decimal_of(struct arena *arena, const struct json *v, struct decimal *out);

bool decimal_is_zero(const struct decimal *d);
bool decimal_is_whole(const struct decimal *d);
int decimal_compare(const struct decimal *a, const struct decimal *b); /* -1, 0, 1 */

/* The next whole number that is not below (or not above), which may be itself. NULL pointer in
 * `whole`: there is no memory. */
struct decimal decimal_ceiling(struct arena *arena, const struct decimal *d);
struct decimal decimal_floor(struct arena *arena, const struct decimal *d);

/* "-12.5"; a NULL pointer when there is no memory. */
struct str decimal_text(struct arena *arena, const struct decimal *d);

/* One end of a range. */
struct bound {
    bool set;    /* there is one */
    bool strict; /* the number itself is not within */
    struct decimal at;
};

/* The numbers between two bounds, with at most `places` digits behind the point; TERM_ANY_NUMBER:
 * any. 0: whole ones, without a point. */
term numbers_between(struct terms *t, const struct bound *low, const struct bound *high,
                     uint32_t places);

/* Any number as JSON may write it, with an exponent of at most 299; any without point and
 * exponent. */
term numbers_any(struct terms *t);
term numbers_whole(struct terms *t);

/* Of numbers_between's: those that are multiples of `of`. TERM_NONE, and *can false: of such a
 * number that cannot be said. */
term numbers_multiples(struct terms *t, const struct decimal *of, bool *can);

#endif
