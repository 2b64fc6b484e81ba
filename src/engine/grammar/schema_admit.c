/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a value that is known is valid: those of enum and const, beside other keywords. */
#include "base/err.h"
#include "engine/grammar/schema_priv.h"

static bool is_in(struct schema_job *job, const struct values *x, const struct json *v)
{
    return schema__spend(job, 1 + (uint32_t)(json_count(x->at) / SCHEMA_CHEAP)) &&
           schema__is_listed(x, v);
}

static bool has_text(const struct values *x, struct str text)
{
    struct value_iter at = {0};
    struct str other;
    const struct json *v;
    while ((v = schema__listed(x, &at)))
        if (json_to_str(v, &other) && str_eq(other, text)) return true;
    return false;
}

/* --- kinds of values --- */

static bool admits(struct schema_job *job, const struct shape *s, const struct json *v);

static bool admits_number(struct schema_job *job, const struct shape *s, const struct json *v)
{
    struct decimal d;
    struct shape plain = *s;
    if (decimal_of(&job->arena, v, &d)) return false;
    if (!(s->kinds & (decimal_is_whole(&d) ? IS_WHOLE : IS_BROKEN))) return false;
    int low = s->low.set ? decimal_compare(&d, &s->low.at) : 1;
    int high = s->high.set ? decimal_compare(&d, &s->high.at) : -1;
    if (low < 0 || high > 0 || (!low && s->low.strict) || (!high && s->high.strict)) return false;
    if (!s->multiples) return true;
    plain.low.set = plain.high.set = false;
    plain.others = NULL;
    struct str text = decimal_text(&job->arena, &d);
    return text.ptr && term_takes(job->t, schema__number(job, &plain), text);
}

static bool admits_text(struct schema_job *job, const struct shape *s, struct str text)
{
    struct shape plain = *s;
    plain.others = NULL;
    if (schema__any_text(s)) return s->kinds & IS_STRING;
    return s->kinds & IS_STRING && schema__text_takes(job, schema__string(job, &plain), text);
}

static bool admits_string(struct schema_job *job, const struct shape *s, const struct json *v)
{
    struct str text;
    return json_to_str(v, &text) && admits_text(job, s, text);
}

struct question {
    const struct json *value;
    bool yes;
};

static bool ask(struct schema_job *job, const struct shape *s, void *user)
{
    struct question *q = user;
    q->yes |= admits(job, s, q->value);
    return !q->yes;
}

static bool meets(struct schema_job *job, const struct demands *list, const struct json *v)
{
    struct question q = {.value = v};
    (void)schema__each_of(job, list, ask, &q);
    return q.yes;
}

static bool has_hits(struct schema_job *job, const struct hits *h, const struct json *v)
{
    struct json_iter it = {0};
    const struct json *item;
    struct demands one = {.demand = h->demand};
    uint32_t count = 0;
    while (json_next_item(v, &it, &item))
        count += meets(job, &one, item);
    return count >= h->least;
}

static bool repeats(const struct json *v)
{
    const struct json *a, *b;
    for (size_t i = 0; (a = json_at(v, i)); i++)
        for (size_t k = 0; k < i && (b = json_at(v, k)); k++)
            if (schema__equal(a, b)) return true;
    return false;
}

static bool admits_array(struct schema_job *job, const struct shape *s, const struct json *v)
{
    struct json_iter it = {0};
    const struct json *item;
    size_t count = json_count(v), i = 0;
    if (!(s->kinds & IS_ARRAY) || count < s->items_least || count > s->items_most) return false;
    if (s->unique && repeats(v)) return false;
    for (const struct hits *h = s->hits; h; h = h->next)
        if (!has_hits(job, h, v)) return false;
    while (json_next_item(v, &it, &item))
        if (!meets(job, schema__item(job, s, i++), item)) return false;
    return true;
}

struct naming {
    struct str name;
    bool yes;
};

static bool ask_name(struct schema_job *job, const struct shape *s, void *user)
{
    struct naming *n = user;
    bool in = true;
    for (const struct values *x = s->values; x; x = x->next)
        in &= has_text(x, n->name);
    for (const struct values *x = s->others; x; x = x->next)
        in &= !has_text(x, n->name);
    n->yes |= in && admits_text(job, s, n->name);
    return !n->yes;
}

static bool admits_name(struct schema_job *job, const struct shape *s, struct str name)
{
    struct naming n = {.name = name};
    if (schema__named(s->forbidden, name)) return false;
    if (!s->keys) return true;
    (void)schema__each_of(job, s->keys, ask_name, &n);
    return n.yes;
}

static bool has_key(struct schema_job *job, const struct demand *d, const struct json *v)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *member;
    while (json_next_member(v, &it, &name, &member))
        if (schema__is_key(job, d, name)) return true;
    return false;
}

static bool admits_object(struct schema_job *job, const struct shape *s, const struct json *v)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *member;
    size_t count = json_count(v);
    if (!(s->kinds & IS_OBJECT) || count < s->members_least || count > s->members_most)
        return false;
    for (const struct names *n = s->required; n; n = n->next)
        if (!json_get_str(v, n->name)) return false;
    for (const struct demands *x = s->extra; x; x = x->next)
        if (!has_key(job, &x->demand, v)) return false;
    while (json_next_member(v, &it, &name, &member))
        if (!admits_name(job, s, name) || !meets(job, schema__property(job, s, name), member))
            return false;
    return true;
}

static bool admits_alone(const struct shape *s, const struct json *v)
{
    bool yes = false;
    if (json_type(v) == JSON_NULL) return s->kinds & IS_NULL;
    (void)json_to_bool(v, &yes);
    return s->kinds & (yes ? IS_TRUE : IS_FALSE);
}

static bool admits(struct schema_job *job, const struct shape *s, const struct json *v)
{
    for (const struct values *x = s->values; x; x = x->next)
        if (!is_in(job, x, v)) return false;
    for (const struct values *x = s->others; x; x = x->next)
        if (is_in(job, x, v)) return false;
    switch (json_type(v)) {
    case JSON_NUMBER: return admits_number(job, s, v);
    case JSON_STRING: return admits_string(job, s, v);
    case JSON_ARRAY: return admits_array(job, s, v);
    case JSON_OBJECT: return admits_object(job, s, v);
    default: return admits_alone(s, v);
    }
}

bool schema__admits(struct schema_job *job, const struct shape *s, const struct json *v)
{
    return admits(job, s, v) && !job->err;
}

/* The list itself need not be searched for its values. */
const struct json *schema__next_value(struct schema_job *job, const struct shape *s,
                                      struct value_iter *at)
{
    const struct values *first = s->values;
    struct shape rest = *s;
    const struct json *v;
    rest.values = first->next;
    while (!job->err && (v = schema__listed(first, at)))
        if (schema__admits(job, &rest, v)) return v;
    return NULL;
}
