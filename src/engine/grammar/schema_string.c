/* SPDX-License-Identifier: Apache-2.0 */
/* Strings of a shape: what stands between the quotes. */
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/grammar/chars.h"
#include "engine/grammar/formats.h"
#include "engine/grammar/regex.h"
#include "engine/grammar/schema_priv.h"
#include "json/write.h"

struct pattern { /* one that was compiled */
    const struct pattern *next;
    struct str text;
    term term;
};

static term any_char(struct schema_job *job)
{
    if (job->any_char == TERM_NONE) job->any_char = chars_json_any(job->t);
    return job->any_char;
}

term schema__plain_text(struct schema_job *job)
{
    if (job->plain_text == TERM_NONE)
        job->plain_text = term_repeat(job->t, chars_any(job->t, CHARS_JSON), 0, TERM_ANY_NUMBER);
    return job->plain_text;
}

static term compile(struct schema_job *job, const struct json *schema, struct str text)
{
    struct grammar_why why = {.arena = &job->arena};
    char reason[300] = "it is not supported";
    term out = TERM_NONE;
    int err = regex_term(job->t, text, false, CHARS_JSON, &why, &out);
    if (!err) return out;
    if (why.text.len) (void)snprintf(reason, sizeof reason, "%" STR_FMT, STR_ARG(why.text));
    if (err == ERR_UNSUPPORTED || err == ERR_SYNTAX)
        schema__refuse(job, schema, "pattern", reason);
    else
        schema__fail(job, ERR_TOO_LARGE);
    return TERM_NONE;
}

term schema__pattern(struct schema_job *job, const struct json *schema, struct str text)
{
    for (const struct pattern *p = job->patterns; p; p = p->next)
        if (str_eq(p->text, text)) return p->term;
    term out = compile(job, schema, text);
    struct pattern *made = job->err ? NULL : schema__push(job, &job->patterns, sizeof *made);
    if (!made) return TERM_NONE;
    made->text = text;
    made->term = out;
    return out;
}

bool schema__text_takes(struct schema_job *job, term a, struct str text)
{
    struct buf out;
    bool yes = false;
    buf_init(&out, 6 * text.len + 1);
    if (json_escape(&out, text))
        schema__fail(job, ERR_TOO_LARGE);
    else
        yes = term_takes(job->t, a, buf_str(&out));
    buf_fini(&out);
    return yes;
}

/* Those of the drafts, which promise something; other names are notes. */
static bool is_known_format(struct str name)
{
    static const char *const known[] = {"date-time",    "date",          "time",
                                        "duration",     "email",         "idn-email",
                                        "hostname",     "idn-hostname",  "ipv4",
                                        "ipv6",         "uri",           "uri-reference",
                                        "iri",          "iri-reference", "uuid",
                                        "uri-template", "json-pointer",  "relative-json-pointer",
                                        "regex"};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(name, str_of(known[i]))) return true;
    return false;
}

/* True: *out is what it takes. False: it says nothing, or was refused. */
static bool format(struct schema_job *job, const struct strings *x, term *out)
{
    struct grammar_why why = {.arena = &job->arena};
    struct str name = STR("");
    (void)json_to_str(x->at, &name);
    int err = format_term(job->t, name, &why, out);
    if (!err) return true;
    if (err == FORMAT_UNKNOWN && !is_known_format(name)) return false;
    if (err == FORMAT_UNKNOWN || err == ERR_UNSUPPORTED)
        schema__refuse(job, x->schema, "format", "this format is not supported");
    else
        schema__fail(job, ERR_TOO_LARGE);
    return false;
}

/* What a pattern or format takes; false: anything. */
static bool text_of(struct schema_job *job, const struct strings *x, term *out)
{
    struct str text = STR("");
    if (x->format) return format(job, x, out);
    (void)json_to_str(x->at, &text);
    *out = schema__pattern(job, x->schema, text);
    if (x->breaks) *out = term_and(job->t, schema__plain_text(job), term_not(job->t, *out));
    return true;
}

static term lengths(struct schema_job *job, const struct shape *s)
{
    uint64_t least = s->length_least, most = s->length_most;
    if (least > most) return TERM_NONE;
    if (least >= TERM_ANY_NUMBER) {
        schema__fail(job, ERR_TOO_LARGE);
        return TERM_NONE;
    }
    return term_repeat(job->t, any_char(job), (uint32_t)least,
                       (uint32_t)MIN(most, TERM_ANY_NUMBER));
}

static void add_text(struct schema_job *job, struct term_list *list, const struct json *v)
{
    struct str text;
    if (json_to_str(v, &text)) schema__add_term(job, list, chars_text(job->t, text, CHARS_JSON));
}

static term without_others(struct schema_job *job, const struct shape *s, term a)
{
    term others = schema__others(job, s, add_text);
    if (others == TERM_NONE) return a;
    term plain = term_and(job->t, a, schema__plain_text(job));
    return term_and(job->t, plain, term_not(job->t, others));
}

static bool any_length(const struct shape *s)
{
    return s->length_least == 0 && s->length_most == SCHEMA_NO_LIMIT;
}

bool schema__any_text(const struct shape *s)
{
    return any_length(s) && !s->strings;
}

term schema__string(struct schema_job *job, const struct shape *s)
{
    term out = TERM_NONE, one;
    bool limited = false;
    if (!(s->kinds & IS_STRING)) return TERM_NONE;
    for (const struct strings *x = s->strings; x && !job->err; x = x->next) {
        if (!text_of(job, x, &one)) continue;
        out = limited ? term_and(job->t, out, one) : one;
        limited = true;
    }
    if (!limited)
        out = lengths(job, s);
    else if (!any_length(s))
        out = term_and(job->t, out, lengths(job, s));
    return job->err ? TERM_NONE : without_others(job, s, out);
}

/* Formats that nobody reads in a way that makes them share a text. */
static bool is_clear_format(const struct strings *x)
{
    static const char *const clear[] = {"date-time", "date", "time", "ipv4", "ipv6", "uuid"};
    struct str name = STR("");
    (void)json_to_str(x->at, &name);
    for (size_t i = 0; i < ARRAY_LEN(clear); i++)
        if (str_eq(name, str_of(clear[i]))) return true;
    return false;
}

/* A format's term may take less than others would: it proves nothing, then. */
bool schema__string_possible(struct schema_job *job, const struct shape *s)
{
    struct shape sure = *s;
    sure.strings = NULL;
    sure.others = NULL;
    for (const struct strings *x = s->strings; x; x = x->next) {
        if (x->format && !is_clear_format(x)) continue;
        struct strings *copy = schema__push(job, &sure.strings, sizeof *copy);
        if (!copy) return true;
        const struct strings *next = copy->next;
        *copy = *x;
        copy->next = next;
    }
    if (s->length_least > s->length_most) return false;
    if (!sure.strings) return true;
    return schema__string(job, &sure) != TERM_NONE || job->err;
}
