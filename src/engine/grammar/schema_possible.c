/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a value may be there that meets several demands: two branches of a oneOf of which none is
 * exclude each other. A proof that is not found, not understood or too long proves nothing. */
#include "base/err.h"
#include "engine/grammar/schema_priv.h"

struct proof {
    unsigned depth; /* values within each other that are still looked at */
    bool found;
};

static bool look(struct schema_job *job, const struct shape *s, void *user);

static bool meets_all(struct schema_job *job, const struct demands *list, unsigned depth)
{
    struct proof inner = {.depth = depth - 1};
    if (depth <= 1 || !list) return true;
    (void)schema__each_of(job, list, look, &inner);
    return inner.found || job->err;
}

static bool number_possible(struct schema_job *job, const struct shape *s)
{
    struct decimal low = s->low.at, high = s->high.at;
    bool whole = !(s->kinds & IS_BROKEN);
    if (!(s->kinds & IS_NUMBER)) return false;
    if (!s->low.set || !s->high.set) return true;
    if (whole) low = decimal_ceiling(&job->arena, &low);
    if (whole) high = decimal_floor(&job->arena, &high);
    if (!low.whole.ptr || !high.whole.ptr) return true;
    int way = decimal_compare(&low, &high);
    return way < 0 || (way == 0 && !s->low.strict && !s->high.strict);
}

static bool array_possible(struct schema_job *job, const struct shape *s, unsigned depth)
{
    size_t own = schema__prefix(s) + 1; /* behind these items are all alike */
    if (!(s->kinds & IS_ARRAY) || s->items_least > s->items_most) return false;
    for (size_t i = 0; i < own && i < s->items_least; i++)
        if (!meets_all(job, schema__item(job, s, i), depth)) return false;
    return true;
}

static bool object_possible(struct schema_job *job, const struct shape *s, unsigned depth)
{
    uint64_t count = 0;
    if (!(s->kinds & IS_OBJECT) || s->members_least > s->members_most) return false;
    for (const struct names *n = s->required; n; n = n->next, count++)
        if (schema__named(s->forbidden, n->name) ||
            !meets_all(job, schema__property(job, s, n->name), depth))
            return false;
    return count <= s->members_most;
}

static bool listed_possible(struct schema_job *job, const struct shape *s)
{
    struct value_iter at = {0};
    return schema__next_value(job, s, &at) || job->err;
}

static bool shape_possible(struct schema_job *job, const struct shape *s, unsigned depth)
{
    if (s->values) return listed_possible(job, s);
    if (s->kinds & (IS_NULL | IS_BOOLEAN)) return true;
    return number_possible(job, s) || (s->kinds & IS_STRING && schema__string_possible(job, s)) ||
           array_possible(job, s, depth) || object_possible(job, s, depth);
}

static bool look(struct schema_job *job, const struct shape *s, void *user)
{
    struct proof *p = user;
    p->found |= shape_possible(job, s, p->depth);
    return !p->found;
}

bool schema__possible(struct schema_job *job, const struct shape *shape,
                      const struct json *const *also, size_t count, const struct demand *within)
{
    struct shape s = *shape;
    struct proof p = {.depth = SCHEMA_DEPTH};
    uint32_t limit = job->steps_limit;
    if (job->proving || job->err) return true;
    job->proving = true;
    job->steps_limit = MIN(limit, job->steps + SCHEMA_PROOF_STEPS);
    for (size_t i = 0; i < count; i++) {
        struct demand d = {.kind = DEMAND_MEETS, .schema = also[i], .within = within};
        schema__read(job, &s, &d);
    }
    (void)schema__each(job, &s, look, &p);
    job->proving = false;
    job->steps_limit = limit;
    if (!job->err) return p.found;
    job->err = 0;
    return true;
}
