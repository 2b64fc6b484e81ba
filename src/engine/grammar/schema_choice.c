/* SPDX-License-Identifier: Apache-2.0 */
/* Choices, resolved: each way of each of them. */
#include "base/err.h"
#include "engine/grammar/schema_priv.h"

struct visit {
    schema_shape_fn fn;
    void *user;
};

static bool each(struct schema_job *job, const struct shape *shape, const struct visit *v);

static struct demand sub(enum demand_kind kind, const struct json *schema,
                         const struct demand *from)
{
    return (struct demand){.kind = kind, .schema = schema, .within = from};
}

static void read_sub(struct schema_job *job, struct shape *s, enum demand_kind kind,
                     const struct json *schema, const struct demand *from)
{
    struct demand d = sub(kind, schema, from);
    schema__read(job, s, &d);
}

static bool any_of(struct schema_job *job, const struct shape *shape, const struct choice *c,
                   const struct visit *v)
{
    struct json_iter it = {0};
    const struct json *at;
    bool on = true;
    while (on && !job->err && json_next_item(c->at, &it, &at)) {
        struct shape s = *shape;
        read_sub(job, &s, DEMAND_MEETS, at, &c->from);
        on = each(job, &s, v);
    }
    return on;
}

/* One branch, and none of the others. */
static bool one_branch(struct schema_job *job, const struct shape *shape, const struct choice *c,
                       const struct json *branch, const struct visit *v)
{
    struct json_iter it = {0};
    const struct json *other;
    struct shape s = *shape;
    read_sub(job, &s, DEMAND_MEETS, branch, &c->from);
    while (!job->err && json_next_item(c->at, &it, &other))
        if (other != branch) read_sub(job, &s, DEMAND_FAILS, other, &c->from);
    return each(job, &s, v);
}

static bool one_of(struct schema_job *job, const struct shape *shape, const struct choice *c,
                   const struct visit *v)
{
    struct json_iter it = {0};
    const struct json *at;
    bool on = true;
    if (job->proving) return any_of(job, shape, c, v);
    while (on && !job->err && json_next_item(c->at, &it, &at))
        on = one_branch(job, shape, c, at, v);
    return on;
}

static bool if_then(struct schema_job *job, const struct shape *shape, const struct choice *c,
                    const struct visit *v)
{
    const struct json *then = json_get(c->from.schema, "then");
    const struct json *otherwise = json_get(c->from.schema, "else");
    struct shape s = *shape, other = *shape;
    read_sub(job, &s, DEMAND_MEETS, c->at, &c->from);
    if (then) read_sub(job, &s, DEMAND_MEETS, then, &c->from);
    if (!each(job, &s, v)) return false;
    read_sub(job, &other, DEMAND_FAILS, c->at, &c->from);
    if (otherwise) read_sub(job, &other, DEMAND_MEETS, otherwise, &c->from);
    return each(job, &other, v);
}

static void read_dependents(struct schema_job *job, struct shape *s, const struct choice *c)
{
    struct json_iter it = {0};
    struct demand d = {.kind = DEMAND_HAS};
    const struct json *at;
    if (json_type(c->at) != JSON_ARRAY) {
        read_sub(job, s, DEMAND_MEETS, c->at, &c->from);
        return;
    }
    while (json_next_item(c->at, &it, &at))
        if (json_to_str(at, &d.name)) schema__read(job, s, &d);
}

static bool depend(struct schema_job *job, const struct shape *shape, const struct choice *c,
                   const struct visit *v)
{
    struct shape s = *shape, other = *shape;
    struct demand has = {.kind = DEMAND_HAS, .name = c->from.name};
    struct demand without = {.kind = DEMAND_WITHOUT, .name = c->from.name};
    schema__read(job, &other, &without);
    if (!each(job, &other, v)) return false;
    schema__read(job, &s, &has);
    read_dependents(job, &s, c);
    return each(job, &s, v);
}

static bool is_any_implied(const struct shape *s, const struct way *w)
{
    for (; w; w = w->next)
        if (schema__is_implied(s, w->demands)) return true;
    return false;
}

/* A schema to be failed. What is looked for in a proof may be more than there is: not less. Where
 * some ways cannot be said, the others do if they lead to any value at all. */
static bool fail(struct schema_job *job, const struct shape *shape, const struct demand *d,
                 const struct visit *v)
{
    bool lost, on = true;
    uint64_t before = job->visits;
    const struct way *w = schema__ways_to_fail(job, shape, d, &lost);
    if (is_any_implied(shape, w) || (lost && job->proving)) return each(job, shape, v);
    for (; on && w && !job->err; w = w->next) {
        struct shape s = *shape;
        schema__read_all(job, &s, w->demands);
        on = each(job, &s, v);
    }
    if (lost && job->visits == before)
        schema__refuse(job, d->schema, "not or oneOf", "what is not valid here cannot be said");
    return on;
}

static bool resolve(struct schema_job *job, const struct shape *s, const struct choice *c,
                    const struct visit *v)
{
    switch (c->kind) {
    case CHOICE_ANY: return any_of(job, s, c, v);
    case CHOICE_ONE: return one_of(job, s, c, v);
    case CHOICE_IF: return if_then(job, s, c, v);
    case CHOICE_DEPEND: break;
    }
    return depend(job, s, c, v);
}

static unsigned kinds_of_way(const struct way *w)
{
    unsigned kinds = IS_ANY;
    for (const struct demands *x = w->demands; x; x = x->next)
        switch (x->demand.kind) {
        case DEMAND_KINDS: kinds &= x->demand.kinds; break;
        case DEMAND_HAS:
        case DEMAND_LACKS:
        case DEMAND_KEY:
        case DEMAND_WRONG: kinds &= IS_OBJECT; break;
        case DEMAND_ITEM:
        case DEMAND_NO_ITEM: kinds &= IS_ARRAY; break;
        default: break;
        }
    return kinds;
}

static unsigned kinds_of_ways(const struct way *w)
{
    unsigned kinds = 0;
    for (; w; w = w->next)
        kinds |= kinds_of_way(w);
    return kinds;
}

/* Whether a value of the shape might be valid under the schema after all. */
static bool might_meet(struct schema_job *job, const struct shape *shape, const struct demand *d)
{
    struct shape s = *shape;
    s.fails = s.hard = NULL;
    return job->possible(job, &s, &d->schema, 1, d->within);
}

static void settle(struct schema_job *job, struct shape *s, const struct demand *d)
{
    bool lost;
    const struct way *w = schema__ways_to_fail(job, s, d, &lost);
    if (!schema__spend(job, 1)) return;
    if (!lost) s->kinds &= kinds_of_ways(w);
    if (is_any_implied(s, w)) return;
    if (!lost && !(w && w->next))
        schema__read_all(job, s, w ? w->demands : NULL);
    else if (might_meet(job, s, d))
        s->hard = schema__with(job, s->hard, *d);
}

/* Schemas to be failed that fail anyway, or in one way only, need no choice. The others wait until all
 * choices are made, which may leave them fewer ways. */
static void settle_fails(struct schema_job *job, struct shape *s)
{
    while (s->fails && !job->err) {
        const struct demand *d = &s->fails->demand;
        s->fails = s->fails->next;
        settle(job, s, d);
    }
}

static bool each(struct schema_job *job, const struct shape *shape, const struct visit *v)
{
    struct shape s = *shape;
    settle_fails(job, &s);
    if (job->err || schema__is_dead(&s)) return true;
    if (s.steps++ > SCHEMA_CHOICES_MAX) schema__fail(job, ERR_TOO_LARGE);
    if (s.choices) {
        const struct choice *c = s.choices;
        s.choices = c->next;
        return resolve(job, &s, c, v);
    }
    if (s.hard) {
        const struct demands *hard = s.hard;
        s.hard = hard->next;
        return fail(job, &s, &hard->demand, v);
    }
    job->visits++;
    return v->fn(job, &s, v->user);
}

bool schema__each(struct schema_job *job, const struct shape *shape, schema_shape_fn fn, void *user)
{
    struct visit v = {.fn = fn, .user = user};
    return each(job, shape, &v);
}

bool schema__each_of(struct schema_job *job, const struct demands *list, schema_shape_fn fn,
                     void *user)
{
    struct shape s;
    schema__init_shape(&s);
    schema__read_all(job, &s, list);
    return schema__each(job, &s, fn, user);
}
