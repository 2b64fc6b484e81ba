/* SPDX-License-Identifier: Apache-2.0 */
/* Properties without a place of their own: classes of names by what is demanded of their values. */
#include "base/err.h"
#include "engine/grammar/chars.h"
#include "engine/grammar/schema_priv.h"

/* Names that match the same patterns. */
struct class
{
    term key;
    const struct demands *list;
    bool known; /* to the patterns of the schema that is looked at */
};

struct classes {
    struct schema_job *job;
    struct class all[SCHEMA_CLASSES_MAX];
    size_t count;
    size_t patterns;
};

static void add(struct classes *c, struct class class)
{
    if (class.key == TERM_NONE || c->job->err) return;
    if (c->count == ARRAY_LEN(c->all))
        schema__fail(c->job, ERR_TOO_LARGE);
    else
        c->all[c->count++] = class;
}

/* Each class becomes two: its names that match, and those that do not. */
static void split(struct classes *c, term pattern, const struct json *schema)
{
    struct terms *t = c->job->t;
    size_t count = c->count;
    for (size_t i = 0; i < count && !c->job->err; i++) {
        struct class both = c->all[i];
        c->all[i].key = term_and(t, both.key, term_not(t, pattern));
        both.key = term_and(t, both.key, pattern);
        both.list = schema__meets(c->job, both.list, schema);
        both.known = true;
        add(c, both);
    }
}

static void drop_empty(struct classes *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->count; i++)
        if (c->all[i].key != TERM_NONE) c->all[kept++] = c->all[i];
    c->count = kept;
}

static void forget(struct classes *c)
{
    for (size_t i = 0; i < c->count; i++)
        c->all[i].known = false;
}

/* `demanded`: so are their schemas. */
static void split_by_patterns(struct classes *c, const struct json *patterns, bool demanded)
{
    struct json_iter it = {0};
    struct str pattern;
    const struct json *v;
    while (json_type(patterns) == JSON_OBJECT && !c->job->err &&
           json_next_member(patterns, &it, &pattern, &v)) {
        if (c->patterns++ >= SCHEMA_PATTERNS_MAX)
            schema__refuse(c->job, patterns, "patternProperties", "there are too many");
        split(c, schema__pattern(c->job, patterns, pattern), demanded ? v : NULL);
        drop_empty(c);
    }
}

static void demand_of_unknown(struct classes *c, const struct json *schema)
{
    for (size_t i = 0; i < c->count; i++)
        if (!c->all[i].known) c->all[i].list = schema__meets(c->job, c->all[i].list, schema);
}

static void add_schema(struct classes *c, const struct members *m)
{
    forget(c);
    split_by_patterns(c, m->patterns, true);
    if (m->others) demand_of_unknown(c, m->others);
}

static void add_unevaluated(struct classes *c, const struct shape *s, const struct unevaluated *u)
{
    if (schema__evaluates_all(s, u)) return;
    forget(c);
    for (const struct members *m = s->members; m; m = m->next)
        if (schema__is_within(m->from, u)) split_by_patterns(c, m->patterns, false);
    demand_of_unknown(c, u->at);
}

static bool wants_none(const struct class *class)
{
    for (const struct demands *x = class->list; x; x = x->next)
        if (schema__is_false(x->demand.schema)) return true;
    return false;
}

static term pair(struct schema_job *job, const struct class *class)
{
    term quote = term_byte(job->t, '"');
    term name = term_cat(job->t, quote, term_cat(job->t, class->key, quote));
    return schema__pair(job, name, schema__goal(job, class->list));
}

static bool all_closed(const struct shape *s)
{
    for (const struct members *m = s->members; m; m = m->next)
        if (m->others && schema__is_false(m->others) && !json_count(m->patterns)) return true;
    return false;
}

static term named(struct schema_job *job, const struct json *names)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *v;
    struct term_list list = {0};
    while (json_type(names) == JSON_OBJECT && json_next_member(names, &it, &name, &v))
        schema__add_term(job, &list, chars_text(job->t, name, CHARS_JSON));
    return schema__one_of(job, &list);
}

/* A class without the names that are not in the set of a DEMAND_KEY. */
static term keep_keys(struct schema_job *job, term key, const struct demand *d)
{
    struct terms *t = job->t;
    const struct json *patterns = json_get(d->schema, "patternProperties"), *v;
    struct json_iter it = {0};
    struct str pattern;
    if (d->at) return term_and(t, key, schema__pattern(job, patterns, d->name));
    key = term_and(t, key, term_not(t, named(job, json_get(d->schema, "properties"))));
    while (json_type(patterns) == JSON_OBJECT && json_next_member(patterns, &it, &pattern, &v))
        key = term_and(t, key, term_not(t, schema__pattern(job, patterns, pattern)));
    return key;
}

static struct class extra_of(struct schema_job *job, const struct shape *s, struct class class)
{
    if (!s->extra) class.key = TERM_NONE;
    for (const struct demands *x = s->extra; x && !job->err; x = x->next)
        class.key = keep_keys(job, class.key, &x->demand);
    return class;
}

static void
add_members(struct schema_job *job, const struct shape *s, const struct class *class,
            struct others *out)
{
    struct class extra = extra_of(job, s, *class);
    if (wants_none(class) || job->err) return;
    out->any = term_or(job->t, out->any, pair(job, class));
    if (extra.key != TERM_NONE) out->extra = term_or(job->t, out->extra, pair(job, &extra));
}

struct others schema__other_members(struct schema_job *job, const struct shape *s, term taken)
{
    struct classes c = {.job = job, .count = 0};
    struct others out = {TERM_NONE, TERM_NONE};
    if (all_closed(s)) return out;
    term key = term_and(job->t, schema__plain_text(job), term_not(job->t, taken));
    if (s->keys) key = term_and(job->t, key, schema__key(job, s->keys));
    add(&c, (struct class){.key = key});
    for (const struct members *m = s->members; m && !job->err; m = m->next)
        add_schema(&c, m);
    for (const struct unevaluated *u = s->unevaluated; u && !job->err; u = u->next)
        add_unevaluated(&c, s, u);
    for (size_t i = 0; i < c.count && !job->err; i++)
        add_members(job, s, &c.all[i], &out);
    return out;
}
