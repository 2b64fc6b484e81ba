/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of a shape: items by place, and those behind, which are all alike. */
#include "base/err.h"
#include "engine/grammar/schema_priv.h"

struct array {
    struct schema_job *job;
    const struct shape *shape;
    uint32_t least, most; /* items; TERM_ANY_NUMBER: no limit */
};

static term item(const struct array *a, size_t index)
{
    return schema__goal(a->job, schema__item(a->job, a->shape, index));
}

/* What comes at `index`: a comma first, unless it is the first. */
static term placed(const struct array *a, size_t index, term value)
{
    return index ? schema__spaced(a->job, term_byte(a->job->t, ','), value) : value;
}

static term end(const struct array *a, bool empty)
{
    term bracket = term_byte(a->job->t, ']');
    return empty ? bracket : term_cat(a->job->t, a->job->space, bracket);
}

static uint32_t less(uint32_t n, uint32_t by)
{
    return n == TERM_ANY_NUMBER ? n : n - MIN(n, by);
}

/* --- without contains --- */

/* Items from `index` on, all alike. */
static term alike(const struct array *a, uint32_t index)
{
    struct terms *t = a->job->t;
    uint32_t least = less(a->least, index), most = less(a->most, index);
    term value = item(a, index);
    if (index)
        return term_cat(t, term_repeat(t, placed(a, index, value), least, most), end(a, false));
    term more = term_repeat(t, placed(a, 1, value), less(least, 1), less(most, 1));
    term some = term_cat(t, value, term_cat(t, more, end(a, false)));
    return !least ? term_or(t, some, end(a, true)) : some;
}

static term plain(const struct array *a)
{
    struct terms *t = a->job->t;
    uint32_t own = (uint32_t)MIN(schema__prefix(a->shape), a->most);
    term out = own < a->most ? alike(a, own) : end(a, own == 0);
    for (uint32_t i = own; i-- > 0;) {
        out = term_cat(t, placed(a, i, item(a, i)), out);
        if (i >= a->least) out = term_or(t, out, end(a, i == 0));
    }
    return out;
}

/* --- with contains: an item by place and hits that are still to come --- */

static term hit(const struct array *a, size_t index)
{
    const struct demands *list = schema__item(a->job, a->shape, index);
    return schema__goal(a->job, schema__with(a->job, list, a->shape->hits->demand));
}

/* Behind the items that are looked at one by one: any number, unless there must be no more. */
static term behind(const struct array *a, uint32_t index, uint32_t missing)
{
    struct terms *t = a->job->t;
    if (index == a->most) return missing ? TERM_NONE : end(a, false);
    term more = term_repeat(t, placed(a, index, item(a, index)), 0, TERM_ANY_NUMBER);
    term out = term_cat(t, more, end(a, false));
    for (uint32_t i = 0; i < missing; i++)
        out = term_cat(t, more, term_cat(t, placed(a, index, hit(a, index)), out));
    return out;
}

/* One row of the table: cells[m] is what may come from `index` on with m hits missing. */
static void step_back(const struct array *a, uint32_t index, term *cells, uint32_t hits)
{
    struct terms *t = a->job->t;
    term any = placed(a, index, item(a, index)), one = placed(a, index, hit(a, index));
    for (uint32_t m = hits + 1; m-- > 0;) {
        term out = term_cat(t, any, cells[m]);
        if (m) out = term_or(t, out, term_cat(t, one, cells[m - 1]));
        if (!m && index >= a->least) out = term_or(t, out, end(a, index == 0));
        cells[m] = out;
    }
}

static term with_hits(const struct array *a)
{
    term cells[SCHEMA_HITS_MAX + 1];
    uint32_t hits = a->shape->hits->least;
    uint32_t own = MAX((uint32_t)schema__prefix(a->shape), MAX(a->least, 1));
    if (a->most != TERM_ANY_NUMBER) own = a->most;
    if (!own) return TERM_NONE;
    if (a->shape->hits->next || own > SCHEMA_COUNT_MAX) {
        schema__refuse(a->job, a->shape->hits->demand.schema, "contains",
                       "it is not supported beside another one or so many items");
        return TERM_NONE;
    }
    for (uint32_t m = 0; m <= hits; m++)
        cells[m] = behind(a, own, m);
    for (uint32_t i = own; i-- > 0 && !a->job->err;)
        step_back(a, i, cells, hits);
    return cells[hits];
}

/* --- both --- */

static uint32_t limited(struct schema_job *job, uint64_t n)
{
    if (n < TERM_ANY_NUMBER) return (uint32_t)n;
    schema__fail(job, ERR_TOO_LARGE);
    return 0;
}

term schema__array(struct schema_job *job, const struct shape *s)
{
    struct array a = {.job = job, .shape = s, .most = TERM_ANY_NUMBER};
    if (!(s->kinds & IS_ARRAY) || s->items_least > s->items_most) return TERM_NONE;
    a.least = limited(job, s->items_least);
    if (s->items_most < TERM_ANY_NUMBER) a.most = (uint32_t)s->items_most;
    term inner = s->unique && a.most > 1 ? schema__unique(job, s)
                 : s->hits               ? with_hits(&a)
                                         : plain(&a);
    return schema__spaced(job, term_byte(job->t, '['), inner);
}
