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

static const struct demands *meets(struct classes *c, const struct demands *list,
                                   const struct json *schema)
{
    if (schema__is_true(schema)) return list;
    return schema__with(c->job, list, (struct demand){.kind = DEMAND_MEETS, .schema = schema});
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
        both.list = meets(c, both.list, schema);
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

static void add_schema(struct classes *c, const struct members *m)
{
    struct json_iter it = {0};
    struct str pattern;
    const struct json *v;
    for (size_t i = 0; i < c->count; i++)
        c->all[i].known = false;
    while (json_type(m->patterns) == JSON_OBJECT && !c->job->err &&
           json_next_member(m->patterns, &it, &pattern, &v)) {
        if (c->patterns++ >= SCHEMA_PATTERNS_MAX)
            schema__refuse(c->job, m->patterns, "patternProperties", "there are too many");
        split(c, schema__pattern(c->job, m->patterns, pattern), v);
        drop_empty(c);
    }
    for (size_t i = 0; m->others && i < c->count; i++)
        if (!c->all[i].known) c->all[i].list = meets(c, c->all[i].list, m->others);
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

term schema__other_member(struct schema_job *job, const struct shape *s, term taken)
{
    struct classes c = {.job = job, .count = 0};
    term out = TERM_NONE;
    if (all_closed(s)) return TERM_NONE;
    term key = term_and(job->t, schema__plain_text(job), term_not(job->t, taken));
    if (s->keys) key = term_and(job->t, key, schema__key(job, s->keys));
    add(&c, (struct class){.key = key});
    for (const struct members *m = s->members; m && !job->err; m = m->next)
        add_schema(&c, m);
    for (size_t i = 0; i < c.count && !job->err; i++)
        if (!wants_none(&c.all[i])) out = term_or(job->t, out, pair(job, &c.all[i]));
    return out;
}
