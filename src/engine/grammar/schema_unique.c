/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays whose items must differ: only of a few values, each of which is there or is not. */
#include "base/err.h"
#include "engine/grammar/schema_priv.h"

struct values_of {
    const struct json *values[SCHEMA_UNIQUE_MAX]; /* NULL: null, true or false, by its kind */
    term terms[SCHEMA_UNIQUE_MAX];
    size_t count;
    bool endless; /* or too many */
};

static void add(struct values_of *all, const struct json *value, term a)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->terms[i] == a || (value && schema__equal(all->values[i], value))) return;
    if (all->count == SCHEMA_UNIQUE_MAX) {
        all->endless = true;
        return;
    }
    all->values[all->count] = value;
    all->terms[all->count++] = a;
}

static void add_kinds(struct schema_job *job, struct values_of *all, unsigned kinds)
{
    if (kinds & ~(unsigned)(IS_NULL | IS_BOOLEAN)) all->endless = true;
    if (kinds & IS_NULL) add(all, NULL, term_text(job->t, STR("null")));
    if (kinds & IS_FALSE) add(all, NULL, term_text(job->t, STR("false")));
    if (kinds & IS_TRUE) add(all, NULL, term_text(job->t, STR("true")));
}

static bool gather(struct schema_job *job, const struct shape *s, void *user)
{
    struct values_of *all = user;
    struct value_iter at = {0};
    const struct json *v;
    if (!s->values) add_kinds(job, all, s->kinds);
    while (s->values && (v = schema__next_value(job, s, &at)))
        add(all, v, schema__value(job, v, IS_WHOLE));
    return !all->endless;
}

/* What may come once the values of a set, by bit, have been. */
static term behind(struct schema_job *job, const struct shape *s, const struct values_of *all,
                   const term *cells, unsigned set)
{
    struct terms *t = job->t;
    unsigned used = (unsigned)__builtin_popcount(set);
    term bracket = term_byte(t, ']'), out = TERM_NONE;
    if (used >= s->items_least) out = set ? term_cat(t, job->space, bracket) : bracket;
    for (size_t i = 0; i < all->count && used < s->items_most; i++) {
        if (set >> i & 1) continue;
        term value = set ? schema__spaced(job, term_byte(t, ','), all->terms[i]) : all->terms[i];
        out = term_or(t, out, term_cat(t, value, cells[set | 1U << i]));
    }
    return out;
}

term schema__unique(struct schema_job *job, const struct shape *s)
{
    term cells[1 << SCHEMA_UNIQUE_MAX];
    struct values_of all = {.count = 0};
    if (!s->hits && !schema__prefix(s))
        (void)schema__each_of(job, schema__item(job, s, 0), gather, &all);
    if (s->hits || schema__prefix(s) || all.endless) {
        schema__refuse(job, s->unique, "uniqueItems", "only items of up to 8 values are supported");
        return TERM_NONE;
    }
    for (unsigned set = 1U << all.count; set-- > 0 && !job->err;)
        cells[set] = behind(job, s, &all, cells, set);
    return job->err ? TERM_NONE : cells[0];
}
