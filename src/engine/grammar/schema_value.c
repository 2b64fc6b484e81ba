/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of values that a schema spells out. */
#include "base/err.h"
#include "engine/grammar/chars.h"
#include "engine/grammar/schema_priv.h"

term schema__spaced(struct schema_job *job, term first, term rest)
{
    return term_cat(job->t, first, term_cat(job->t, job->space, rest));
}

term schema__name(struct schema_job *job, struct str name)
{
    term quote = term_byte(job->t, '"');
    return term_cat(job->t, quote, term_cat(job->t, chars_text(job->t, name, CHARS_JSON), quote));
}

enum { EXACT_DIGITS = 15 }; /* of a number that is no other once it is read as a double */

/* A whole one may be written with a point where numbers in general may stand: most readers then
 * have a double. */
static term number(struct schema_job *job, const struct json *v, unsigned kinds)
{
    struct decimal d;
    if (decimal_of(&job->arena, v, &d)) {
        schema__fail(job, ERR_TOO_LARGE);
        return TERM_NONE;
    }
    struct str text = decimal_text(&job->arena, &d);
    if (!text.ptr) schema__fail(job, ERR_TOO_LARGE);
    term out = text.ptr ? term_text(job->t, text) : TERM_NONE;
    bool exact = d.whole.len <= EXACT_DIGITS;
    if (!decimal_is_whole(&d) || !exact || !(kinds & IS_BROKEN)) return out;
    return term_cat(job->t, out, term_optional(job->t, term_text(job->t, STR(".0"))));
}

static term closed(struct schema_job *job, char open, term inner, char close)
{
    term end = term_byte(job->t, (unsigned char)close);
    if (inner != TERM_EMPTY) inner = schema__spaced(job, inner, end);
    return schema__spaced(job, term_byte(job->t, (unsigned char)open),
                          inner == TERM_EMPTY ? end : inner);
}

/* `list`, which may be empty so far, a comma, and one more. */
static term joined(struct schema_job *job, term list, term more)
{
    if (list == TERM_EMPTY) return more;
    return term_cat(job->t, list, schema__spaced(job, term_byte(job->t, ','), more));
}

static term array(struct schema_job *job, const struct json *v)
{
    struct json_iter it = {0};
    const struct json *item;
    term list = TERM_EMPTY;
    while (json_next_item(v, &it, &item))
        list = joined(job, list, schema__value(job, item, IS_ANY));
    return closed(job, '[', list, ']');
}

term schema__pair(struct schema_job *job, term name, term value)
{
    return term_cat(job->t, name, schema__spaced(job, term_byte(job->t, ':'), value));
}

static term object(struct schema_job *job, const struct json *v)
{
    struct json_iter it = {0};
    struct str name;
    const struct json *member;
    term list = TERM_EMPTY;
    while (json_next_member(v, &it, &name, &member))
        list =
            joined(job, list,
                   schema__pair(job, schema__name(job, name), schema__value(job, member, IS_ANY)));
    return closed(job, '{', list, '}');
}

term schema__value(struct schema_job *job, const struct json *v, unsigned kinds)
{
    struct str text;
    bool yes = false;
    switch (json_type(v)) {
    case JSON_NULL: return term_text(job->t, STR("null"));
    case JSON_BOOL:
        return json_to_bool(v, &yes) && yes ? term_text(job->t, STR("true"))
                                            : term_text(job->t, STR("false"));
    case JSON_NUMBER: return number(job, v, kinds);
    case JSON_STRING: return json_to_str(v, &text) ? schema__name(job, text) : TERM_NONE;
    case JSON_ARRAY: return array(job, v);
    case JSON_OBJECT: return object(job, v);
    case JSON_NONE: break;
    }
    return TERM_NONE;
}
