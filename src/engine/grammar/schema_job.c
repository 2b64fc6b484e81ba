/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, refusals and lists of a schema that is being compiled. */
#include "base/err.h"
#include "engine/grammar/schema_priv.h"

enum { PATH_MAX_BYTES = 400 };

void schema__fail(struct schema_job *job, int err)
{
    if (!job->err) job->err = err;
}

bool schema__spend(struct schema_job *job, uint32_t steps)
{
    job->steps += steps;
    /* A schema that is only checked has no terms. */
    if (job->t) (void)terms_spend(job->t, (uint64_t)steps * SCHEMA_STEP_EFFORT);
    if (job->steps >= job->steps_limit || (job->t && terms_failed(job->t)))
        schema__fail(job, ERR_TOO_LARGE);
    return !job->err;
}

void *schema__take(struct schema_job *job, size_t size)
{
    void *out = job->err ? NULL : arena_try_zero(&job->arena, size);
    if (!out) schema__fail(job, ERR_TOO_LARGE);
    return out;
}

struct link {
    const struct link *next;
};

void *schema__push(struct schema_job *job, void *list, size_t size)
{
    const struct link **first = list;
    struct link *made = schema__take(job, size);
    if (!made) return NULL;
    made->next = *first;
    *first = made;
    return made;
}

const struct demands *schema__with(struct schema_job *job, const struct demands *list,
                                   struct demand demand)
{
    struct demands *made = schema__push(job, &list, sizeof *made);
    if (made) made->demand = demand;
    return list;
}

const struct demands *schema__meets(struct schema_job *job, const struct demands *list,
                                    const struct json *schema)
{
    if (!schema || schema__is_true(schema)) return list;
    return schema__with(job, list, (struct demand){.kind = DEMAND_MEETS, .schema = schema});
}

void schema__add_term(struct schema_job *job, struct term_list *list, term a)
{
    if (a == TERM_NONE || job->err) return;
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 8;
        term *all = schema__take(job, cap * sizeof *all);
        if (!all) return;
        if (list->count) memcpy(all, list->all, list->count * sizeof *all);
        list->all = all;
        list->cap = cap;
    }
    list->all[list->count++] = a;
}

term schema__one_of(struct schema_job *job, const struct term_list *list)
{
    return job->err ? TERM_NONE : term_or_all(job->t, list->all, list->count);
}

/* --- where a schema stands --- */

struct path {
    char text[PATH_MAX_BYTES];
    size_t len;
};

static size_t path_add(struct path *p, struct str piece)
{
    size_t before = p->len, len = MIN(piece.len, sizeof p->text - p->len);
    memcpy(p->text + p->len, piece.ptr, len);
    p->len += len;
    return before;
}

static void path_add_name(struct path *p, struct str name)
{
    (void)path_add(p, STR("/"));
    for (size_t i = 0; i < name.len; i++) {
        struct str c = str_n(name.ptr + i, 1);
        (void)path_add(p, c.ptr[0] == '~' ? STR("~0") : c.ptr[0] == '/' ? STR("~1") : c);
    }
}

/* Depth first: a document is at most JSON_MAX_DEPTH deep. */
static bool path_find(struct path *p, const struct json *at, const struct json *wanted)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *v;
    char room[STR_U64_ROOM];
    size_t before = p->len;
    if (at == wanted) return true;
    while (json_next_member(at, &it, &name, &v)) {
        path_add_name(p, name);
        if (path_find(p, v, wanted)) return true;
        p->len = before;
    }
    it = (struct json_iter){0};
    for (uint64_t i = 0; json_type(at) == JSON_ARRAY && json_next_item(at, &it, &v); i++) {
        path_add_name(p, str_of_u64(i, 10, room));
        if (path_find(p, v, wanted)) return true;
        p->len = before;
    }
    return false;
}

static void refuse(struct schema_job *job, int err, const struct json *schema, const char *keyword,
                   const char *why)
{
    struct path p = {.len = 0};
    if (job->err) return;
    job->err = err;
    if (job->proving) return;
    (void)path_add(&p, STR("#"));
    (void)path_find(&p, job->root, schema);
    (void)grammar_refuse(job->why, "%.*s: %s: %s.", (int)p.len, p.text, keyword, why);
}

void schema__refuse(struct schema_job *job, const struct json *schema, const char *keyword,
                    const char *why)
{
    refuse(job, ERR_UNSUPPORTED, schema, keyword, why);
}

void schema__malformed(struct schema_job *job, const struct json *schema, const char *keyword,
                       const char *why)
{
    refuse(job, ERR_SYNTAX, schema, keyword, why);
}

/* --- looking at schemas --- */

bool schema__is_true(const struct json *schema)
{
    bool yes;
    if (json_to_bool(schema, &yes)) return yes;
    return json_type(schema) == JSON_OBJECT && json_count(schema) == 0;
}

bool schema__is_false(const struct json *schema)
{
    bool yes;
    return json_to_bool(schema, &yes) && !yes;
}

bool schema__named(const struct names *list, struct str name)
{
    for (; list; list = list->next)
        if (str_eq(list->name, name)) return true;
    return false;
}

bool schema__limit(struct schema_job *job, const struct json *schema, struct str keyword,
                   const struct json *at, uint64_t *out)
{
    int64_t n = 0;
    double real = 0;
    if (json_to_i64(at, &n) && n >= 0) {
        *out = (uint64_t)n;
        return true;
    }
    if (json_to_double(at, &real) && real >= 0x1p62) {
        *out = SCHEMA_NO_LIMIT;
        return true;
    }
    schema__malformed(job, schema, keyword.ptr, "it must be a whole number that is not negative");
    return false;
}

bool schema__circles(struct schema_job *job, const struct demand *d)
{
    unsigned depth = 0;
    for (const struct demand *x = d->within; x && !job->err; x = x->within) {
        if (depth++ == SCHEMA_PLACE_DEPTH) schema__fail(job, ERR_TOO_LARGE);
        if (x->schema != d->schema || x->kind != d->kind) continue;
        schema__refuse(job, d->schema, "$ref", "it refers to itself");
    }
    return job->err;
}
