/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of a shape: properties that are named have a place each, in the schema's order; others
 * follow. */
#include "base/err.h"
#include "engine/grammar/chars.h"
#include "engine/grammar/schema_priv.h"

struct slot { /* a property that has a place */
    struct str name;
    bool required;
    term member; /* name and value; TERM_NONE: it must not be there */
};

struct object {
    struct schema_job *job;
    const struct shape *shape;
    struct slot *slots;
    size_t count;
    term extra;           /* one of those that must be there if the shape says so */
    term other;           /* one more property, of any other name */
    uint64_t least, most; /* properties; `least` is 0 where those that are required are enough */
    uint32_t cap;         /* counts are told apart up to here */
};

/* --- names --- */

static void add_slot(struct object *o, struct str name)
{
    for (size_t i = 0; i < o->count; i++)
        if (str_eq(o->slots[i].name, name)) return;
    if (o->count == SCHEMA_SLOTS_MAX)
        schema__fail(o->job, ERR_TOO_LARGE);
    else
        o->slots[o->count++] = (struct slot){.name = name};
}

static void make_room(struct object *o)
{
    size_t most = 0;
    for (const struct names *n = o->shape->required; n; n = n->next)
        most++;
    for (const struct members *m = o->shape->members; m; m = m->next)
        most += json_count(m->named);
    o->slots = schema__take(o->job, (MIN(most, SCHEMA_SLOTS_MAX) + 1) * sizeof *o->slots);
}

/* Lists have the last first. */
static void add_named(struct object *o, const struct members *m)
{
    const struct members *all[SCHEMA_CHOICES_MAX];
    size_t count = 0;
    for (; m; m = m->next) {
        if (count == ARRAY_LEN(all))
            schema__fail(o->job, ERR_TOO_LARGE);
        else if (json_type(m->named) == JSON_OBJECT)
            all[count++] = m;
    }
    while (count-- > 0 && !o->job->err) {
        struct json_iter it = {0};
        struct str name;
        const struct json *v;
        while (!o->job->err && json_next_member(all[count]->named, &it, &name, &v))
            add_slot(o, name);
    }
}

static void turn(struct slot *slots, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct slot kept = slots[i];
        slots[i] = slots[count - 1 - i];
        slots[count - 1 - i] = kept;
    }
}

static void add_required(struct object *o)
{
    size_t before = o->count;
    for (const struct names *n = o->shape->required; n && !o->job->err; n = n->next)
        add_slot(o, n->name);
    turn(o->slots + before, o->count - before);
}

static term taken_names(const struct object *o)
{
    struct schema_job *job = o->job;
    struct term_list list = {0};
    for (size_t i = 0; i < o->count; i++)
        schema__add_term(job, &list, chars_text(job->t, o->slots[i].name, CHARS_JSON));
    for (const struct names *n = o->shape->forbidden; n; n = n->next)
        schema__add_term(job, &list, chars_text(job->t, n->name, CHARS_JSON));
    return schema__one_of(job, &list);
}

/* --- members --- */

static void fill_slot(struct object *o, struct slot *slot, term keys)
{
    struct schema_job *job = o->job;
    const struct shape *s = o->shape;
    slot->required = schema__named(s->required, slot->name);
    if (schema__named(s->forbidden, slot->name)) return;
    if (s->keys && !schema__text_takes(job, keys, slot->name)) return;
    term value = schema__goal(job, schema__property(job, s, slot->name));
    slot->member = schema__pair(job, schema__name(job, slot->name), value);
}

/* Places that must stay empty go. False: one of them is required. */
static bool fill(struct object *o)
{
    term keys = o->shape->keys ? schema__key(o->job, o->shape->keys) : TERM_NONE;
    size_t kept = 0;
    for (size_t i = 0; i < o->count && !o->job->err; i++) {
        struct slot *slot = &o->slots[i];
        fill_slot(o, slot, keys);
        if (slot->member == TERM_NONE && slot->required) return false;
        if (slot->member != TERM_NONE) o->slots[kept++] = *slot;
    }
    o->count = kept;
    return true;
}

/* --- one behind the other --- */

static term behind_comma(const struct object *o, term member)
{
    return schema__spaced(o->job, term_byte(o->job->t, ','), member);
}

static term end(const struct object *o, bool empty)
{
    term brace = term_byte(o->job->t, '}');
    return empty ? brace : term_cat(o->job->t, o->job->space, brace);
}

static term some_others(const struct object *o, uint32_t most)
{
    return term_repeat(o->job->t, behind_comma(o, o->other), 0, most);
}

/* One other property, then any; the first of all needs no comma. */
static term one_and_others(const struct object *o, term one, uint32_t count, uint32_t most)
{
    struct terms *t = o->job->t;
    uint32_t rest = most == TERM_ANY_NUMBER ? most : most - 1;
    if (!most) return TERM_NONE;
    return term_cat(t, count ? behind_comma(o, one) : one,
                    term_cat(t, some_others(o, rest), end(o, false)));
}

/* The same, where the one may also come later. */
static term extra_and_others(const struct object *o, uint32_t count, uint32_t most)
{
    struct terms *t = o->job->t;
    term out = one_and_others(o, o->extra, count, most);
    if (most != TERM_ANY_NUMBER) return out;
    term later = term_cat(t, some_others(o, most), one_and_others(o, o->extra, 1, most));
    return term_or(t, out, term_cat(t, count ? behind_comma(o, o->other) : o->other, later));
}

/* What may follow all places once `count` are taken. Of other properties only one is sure to be one
 * more: a name may come twice. */
static term others(const struct object *o, uint32_t count)
{
    struct terms *t = o->job->t;
    uint64_t missing = o->least > count ? o->least - count : 0;
    uint64_t room = o->most == SCHEMA_NO_LIMIT ? TERM_ANY_NUMBER : o->most - count;
    uint32_t most = (uint32_t)MIN(room, TERM_ANY_NUMBER);
    if (missing > 1) return TERM_NONE;
    if (o->shape->extra) return extra_and_others(o, count, most);
    if (o->other == TERM_NONE) return missing ? TERM_NONE : end(o, !count);
    term some = one_and_others(o, o->other, count, most);
    return missing ? some : term_or(t, some, end(o, !count));
}

/* What may follow when one more is taken; cells[c]: when c are. */
static term with_one_more(const struct object *o, const term *cells, uint32_t count)
{
    if (count < o->cap) return cells[count + 1];
    return o->most == SCHEMA_NO_LIMIT ? cells[count] : TERM_NONE;
}

/* cells[c], c > 0, from what may follow a place to what may follow from it on. */
static void step_back(const struct object *o, const struct slot *slot, term *cells)
{
    struct terms *t = o->job->t;
    term member = behind_comma(o, slot->member);
    for (uint32_t c = 1; c <= o->cap; c++) {
        term more = with_one_more(o, cells, c);
        if (slot->required)
            cells[c] = term_cat(t, member, more);
        else if (more == cells[c])
            cells[c] = term_cat(t, term_optional(t, member), more);
        else
            cells[c] = term_or(t, term_cat(t, member, more), cells[c]);
    }
}

/* The first of all properties is one of those up to the first that is required. */
static term sequence(const struct object *o)
{
    struct schema_job *job = o->job;
    struct term_list firsts = {0};
    size_t last = 0;
    term *cells = schema__take(job, (o->cap + 2) * sizeof *cells);
    for (uint32_t c = 0; cells && c <= o->cap; c++)
        cells[c] = others(o, c);
    while (last < o->count && !o->slots[last].required)
        last++;
    if (cells && last == o->count) schema__add_term(job, &firsts, cells[0]);
    for (size_t i = o->count; i-- > 0 && !job->err;) {
        if (i <= last)
            schema__add_term(job, &firsts, term_cat(job->t, o->slots[i].member, cells[1]));
        step_back(o, &o->slots[i], cells);
    }
    return schema__one_of(job, &firsts);
}

/* Whether and how far properties must be counted. */
static bool set_cap(struct object *o)
{
    const struct shape *s = o->shape;
    uint64_t required = 0, count = o->count;
    for (size_t i = 0; i < o->count; i++)
        required += o->slots[i].required;
    bool too_many =
        s->members_most < count || (o->other != TERM_NONE && s->members_most < SCHEMA_NO_LIMIT);
    o->most = too_many ? s->members_most : SCHEMA_NO_LIMIT;
    o->least = s->members_least > required ? s->members_least : 0;
    uint64_t cap = MIN(count, too_many ? s->members_most : o->least);
    o->cap = (uint32_t)MAX(cap, 1);
    return (uint64_t)o->cap * count <= SCHEMA_CELLS_MAX;
}

/* True when it names properties and says nothing about others. */
static bool says_no_others(const struct object *o)
{
    const struct shape *s = o->shape;
    if (!o->count || s->keys || s->members_least > o->count) return false;
    if (s->unevaluated || s->extra) return false;
    for (const struct members *m = s->members; m; m = m->next)
        if (m->patterns || m->others) return false;
    return true;
}

static void add_others(struct object *o)
{
    struct others others = schema__other_members(o->job, o->shape, taken_names(o));
    o->other = others.any;
    o->extra = others.extra;
}

static bool may_be_empty(const struct shape *s)
{
    return !s->required && !s->extra && !s->members_least;
}

static term build(struct object *o)
{
    struct schema_job *job = o->job;
    const struct shape *s = o->shape;
    make_room(o);
    if (!job->err) add_named(o, s->members);
    if (!job->err) add_required(o);
    if (job->err) return TERM_NONE;
    if (!job->options->closed || !says_no_others(o)) add_others(o);
    if (job->err || !fill(o)) return TERM_NONE;
    if (!set_cap(o)) schema__fail(job, ERR_TOO_LARGE);
    if (o->other != TERM_NONE && s->members_least > o->count + 1)
        schema__refuse(job, s->members_at, "minProperties",
                       "so many properties that the schema does not name cannot be told apart");
    if (job->err) return TERM_NONE;
    if (!s->members_most) return may_be_empty(s) ? end(o, true) : TERM_NONE;
    return sequence(o);
}

term schema__object(struct schema_job *job, const struct shape *s)
{
    if (!(s->kinds & IS_OBJECT) || s->members_least > s->members_most) return TERM_NONE;
    struct object o = {.job = job, .shape = s};
    return schema__spaced(job, term_byte(job->t, '{'), build(&o));
}
