/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/schema.h"

#include "base/err.h"
#include "engine/grammar/schema_priv.h"

enum { INDENTATION_MAX = 40, TABS_MAX = 20 };

/* None, one space, or a new line with indentation. */
static term space_between(struct terms *t, const struct schema_options *options)
{
    term blank = term_byte(t, ' ');
    if (!options->spaces) return TERM_EMPTY;
    term indented = term_or(t, term_repeat(t, blank, 0, INDENTATION_MAX),
                            term_repeat(t, term_byte(t, '\t'), 1, TABS_MAX));
    return term_optional(t, term_or(t, blank, term_cat(t, term_byte(t, '\n'), indented)));
}

/* What stands beside $ref is ignored by drafts before 2019-09. */
static bool ignores_beside_ref(const struct json *root)
{
    static const char *const old[] = {"draft-03", "draft-04", "draft-05", "draft-06", "draft-07"};
    struct str draft = json_str_or(root, "$schema", STR(""));
    for (size_t i = 0; i < ARRAY_LEN(old); i++)
        if (str_find(draft, str_of(old[i])) >= 0) return true;
    return false;
}

static void init(struct schema_job *job, struct terms *t, const struct schema_options *options)
{
    *job = (struct schema_job){.t = t,
                               .options = options,
                               .steps_limit = SCHEMA_STEPS,
                               .open_end = &job->open,
                               .possible = schema__possible};
    terms_limit_work(t, SCHEMA_WORK);
    arena_init(&job->arena, SCHEMA_ARENA, 1 << 16);
    job->goals = schema__take(job, SCHEMA_GOALS * sizeof(struct goal *));
    job->space = space_between(t, options);
}

static term body(struct schema_job *job, const struct goal *g)
{
    struct term_list list = {0};
    for (const struct shapes *s = g->shapes; s && !job->err; s = s->next) {
        schema__add_term(job, &list, schema__array(job, &s->shape));
        schema__add_term(job, &list, schema__object(job, &s->shape));
    }
    return schema__one_of(job, &list);
}

/* Bodies open further goals. */
static void make_rules(struct schema_job *job)
{
    for (struct goal *g = job->open; g && !job->err; g = g->next)
        terms_set_rule(job->t, g->rule, body(job, g));
}

static term compile(struct schema_job *job, const struct demands *list)
{
    term out = job->err ? TERM_NONE : schema__goal(job, list);
    make_rules(job);
    if (terms_failed(job->t)) schema__fail(job, ERR_TOO_LARGE);
    return out;
}

int schema_term(struct terms *t, const struct json *schema, const struct schema_options *options,
                struct grammar_why *why, term *out)
{
    struct schema_job job;
    init(&job, t, options);
    job.root = options->document ? options->document : schema;
    job.why = why;
    job.old_refs = ignores_beside_ref(job.root);
    job.has_ids = schema__has_ids(&job, job.root);
    schema__check_all(&job, schema);
    struct demand d = {.kind = DEMAND_MEETS, .schema = schema};
    struct demand object = {.kind = DEMAND_KINDS, .kinds = IS_OBJECT};
    const struct demands *list = schema__with(&job, NULL, d);
    if (options->objects) list = schema__with(&job, list, object);
    term made = compile(&job, list);
    arena_fini(&job.arena);
    if (job.err == ERR_TOO_LARGE)
        (void)grammar_refuse(why, "the schema takes more than %d MiB or %d steps to compile",
                             SCHEMA_ARENA >> 20, SCHEMA_STEPS);
    if (!job.err) *out = made;
    return job.err;
}

/* Without a schema nothing can be refused, and lack of memory shows in the terms. */
static term any(struct terms *t, const struct schema_options *options, unsigned kinds)
{
    struct schema_job job;
    struct demand d = {.kind = DEMAND_KINDS, .kinds = kinds};
    init(&job, t, options);
    term out = compile(&job, schema__with(&job, NULL, d));
    arena_fini(&job.arena);
    return out;
}

term schema_any_value(struct terms *t, const struct schema_options *options)
{
    return any(t, options, IS_ANY);
}

term schema_any_object(struct terms *t, const struct schema_options *options)
{
    return any(t, options, IS_OBJECT);
}
