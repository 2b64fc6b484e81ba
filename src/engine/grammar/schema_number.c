/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of a shape. */
#include "base/err.h"
#include "engine/grammar/schema_priv.h"

enum {
    SAFE_DIGITS = 15,    /* that a double keeps apart */
    FRACTION_DIGITS = 6, /* of these, behind the point of what must not be another number */
};

/* Readers round: so that what is above a bound that is not within stays above it once it is a double,
 * numbers beside such a bound have no more digits than a double keeps apart. */
static uint32_t places_of(const struct shape *s)
{
    size_t whole = 0;
    if (!(s->kinds & IS_BROKEN)) return 0;
    if (s->low.set && s->low.strict) whole = s->low.at.whole.len;
    if (s->high.set && s->high.strict) whole = MAX(whole, s->high.at.whole.len);
    if (!whole) return TERM_ANY_NUMBER;
    return whole < SAFE_DIGITS ? (uint32_t)(SAFE_DIGITS - whole) : 0;
}

/* However many zeros are behind the point. */
static term and_zeros(struct schema_job *job, term whole)
{
    struct terms *t = job->t;
    term zeros = term_repeat(t, term_byte(t, '0'), 1, TERM_ANY_NUMBER);
    return term_cat(t, whole, term_optional(t, term_cat(t, term_byte(t, '.'), zeros)));
}

static term multiples(struct schema_job *job, const struct shape *s, term a)
{
    for (const struct numbers *m = s->multiples; m; m = m->next) {
        bool can;
        term b = numbers_multiples(job->t, &m->of, &can);
        if (!can) schema__refuse(job, m->at, "multipleOf", "multiples of this are not supported");
        a = term_and(job->t, a, m->breaks ? term_not(job->t, and_zeros(job, b)) : b);
    }
    return a;
}

static bool has_others(const struct shape *s)
{
    for (const struct values *x = s->others; x; x = x->next) {
        struct value_iter at = {0};
        const struct json *v;
        while ((v = schema__listed(x, &at)))
            if (json_type(v) == JSON_NUMBER) return true;
    }
    return false;
}

/* What a reader that rounds keeps apart from other numbers. */
static term few_digits(struct schema_job *job, term fraction)
{
    struct terms *t = job->t;
    term whole = term_repeat(t, term_range(t, '0', '9'), 1, SAFE_DIGITS - FRACTION_DIGITS);
    return term_cat(t, term_optional(t, term_byte(t, '-')),
                    term_cat(t, whole, term_cat(t, term_byte(t, '.'), fraction)));
}

/* Those that are not whole. */
static term broken(struct schema_job *job, term a)
{
    struct terms *t = job->t;
    term before = term_repeat(t, term_range(t, '0', '9'), 0, FRACTION_DIGITS - 1);
    term fraction = term_cat(t, before, term_range(t, '1', '9'));
    return term_and(t, a, few_digits(job, fraction));
}

/* Those that are kept apart from some that they must not be. */
static term apart(struct schema_job *job, term a)
{
    struct terms *t = job->t;
    term fraction = term_repeat(t, term_range(t, '0', '9'), 1, FRACTION_DIGITS);
    return term_and(t, a, term_or(t, numbers_whole(t), few_digits(job, fraction)));
}

static bool must_be_apart(const struct shape *s)
{
    bool breaks = false;
    for (const struct numbers *m = s->multiples; m; m = m->next)
        breaks |= m->breaks;
    return s->kinds & IS_BROKEN && (breaks || has_others(s));
}

static void add_number(struct schema_job *job, struct term_list *list, const struct json *v)
{
    struct bound b = {.set = true};
    if (json_type(v) != JSON_NUMBER) return;
    if (decimal_of(&job->arena, v, &b.at))
        schema__fail(job, ERR_TOO_LARGE);
    else
        schema__add_term(job, list, numbers_between(job->t, &b, &b, TERM_ANY_NUMBER));
}

static term without_others(struct schema_job *job, const struct shape *s, term a)
{
    term others = schema__others(job, s, add_number);
    return others == TERM_NONE ? a : term_and(job->t, a, term_not(job->t, others));
}

/* Only of whole numbers bounds can be moved to the next one. */
static void tighten(struct schema_job *job, struct bound *low, struct bound *high)
{
    if (low->set && !decimal_is_whole(&low->at)) {
        low->at = decimal_ceiling(&job->arena, &low->at);
        low->strict = false;
    }
    if (high->set && !decimal_is_whole(&high->at)) {
        high->at = decimal_floor(&job->arena, &high->at);
        high->strict = false;
    }
    if ((low->set && !low->at.whole.ptr) || (high->set && !high->at.whole.ptr))
        schema__fail(job, ERR_TOO_LARGE);
}

term schema__number(struct schema_job *job, const struct shape *s)
{
    struct bound low = s->low, high = s->high;
    bool plain = !low.set && !high.set && !s->multiples && !has_others(s);
    if (!(s->kinds & IS_NUMBER)) return TERM_NONE;
    if (plain && (s->kinds & IS_NUMBER) == IS_NUMBER) return numbers_any(job->t);
    if (plain && s->kinds & IS_WHOLE) return numbers_whole(job->t);
    uint32_t places = places_of(s);
    if (!places) tighten(job, &low, &high);
    if (job->err) return TERM_NONE;
    term out = numbers_between(job->t, &low, &high, places);
    if (!(s->kinds & IS_WHOLE)) out = broken(job, out);
    if (must_be_apart(s)) out = apart(job, out);
    return without_others(job, s, multiples(job, s, out));
}
