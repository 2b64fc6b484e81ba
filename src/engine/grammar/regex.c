/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/regex.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/grammar/regex_priv.h"

enum { DEPTH_MAX = 100, PATTERN_MAX = 32 << 10, COUNT_MAX = 1 << 20 };

/* Where a part of the pattern stands in the text. */
enum { AT_START = 1, AT_END = 2, PLACES = 4 };

/* What a part takes, by whether it begins at the text's start and ends at its end: what it takes
 * elsewhere it takes there, too. Without ^ and $ in it all are the same. */
struct part {
    term at[PLACES];
};

struct reader {
    struct pattern p;
    struct part *parts; /* of what is not yet closed, one above the other */
    uint32_t count, cap;
    unsigned depth; /* of groups */
};

static struct part everywhere(term a)
{
    return (struct part){{a, a, a, a}};
}

static bool is_everywhere(const struct part *x)
{
    return x->at[0] == x->at[AT_START | AT_END];
}

static int push(struct reader *r, struct part x)
{
    if (r->count == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 64;
        struct part *more = mem_try_grow(r->parts, cap, sizeof *more);
        if (!more) return -ENOMEM;
        r->parts = more;
        r->cap = cap;
    }
    r->parts[r->count++] = x;
    return 0;
}

/* --- putting parts together --- */

/* Where a is empty, b begins where a does, and the other way around. */
static term cat_at(struct terms *t, const struct part *a, const struct part *b, unsigned place)
{
    term before = a->at[place & AT_START], behind = b->at[place & AT_END];
    bool both_empty = term_may_end(t, a->at[place]) && term_may_end(t, b->at[place]);
    term all[] = {
        term_cat(t, before, behind),
        term_may_end(t, before) ? b->at[place] : TERM_NONE,
        term_may_end(t, behind) ? a->at[place] : TERM_NONE,
        both_empty ? TERM_EMPTY : TERM_NONE,
    };
    return term_or_all(t, all, ARRAY_LEN(all));
}

static struct part cat(struct terms *t, const struct part *a, const struct part *b)
{
    struct part out;
    if (is_everywhere(a) && is_everywhere(b)) return everywhere(term_cat(t, a->at[0], b->at[0]));
    for (unsigned i = 0; i < PLACES; i++)
        out.at[i] = cat_at(t, a, b, i);
    return out;
}

/* The first time may be at the text's start, the last at its end. Where one of them may be empty, as
 * many as are missing are. */
static term repeat_at(struct terms *t, const struct part *x, unsigned place, uint32_t least,
                      uint32_t most)
{
    term first = x->at[place & AT_START], last = x->at[place & AT_END];
    term none = least ? TERM_NONE : TERM_EMPTY;
    if (most == 0) return TERM_EMPTY;
    if (term_may_end(t, first) || term_may_end(t, last)) least = MIN(least, 1);
    term once = least <= 1 ? x->at[place] : TERM_NONE, more = TERM_NONE;
    if (most >= 2) {
        uint32_t rest = most == TERM_ANY_NUMBER ? most : most - 2;
        term middle = term_repeat(t, x->at[0], MAX(least, 2) - 2, rest);
        more = term_cat(t, first, term_cat(t, middle, last));
    }
    return term_or_all(t, (const term[]){none, once, more}, 3);
}

static struct part repeat(struct terms *t, const struct part *x, uint32_t least, uint32_t most)
{
    struct part out;
    if (is_everywhere(x)) return everywhere(term_repeat(t, x->at[0], least, most));
    for (unsigned i = 0; i < PLACES; i++)
        out.at[i] = repeat_at(t, x, i, least, most);
    return out;
}

/* The parts from `from` on, one behind the other. */
static struct part join(struct reader *r, uint32_t from)
{
    struct part out = everywhere(TERM_EMPTY);
    while (r->count > from)
        out = cat(r->p.t, &r->parts[--r->count], &out);
    return out;
}

/* One of the parts from `from` on. */
static int choose(struct reader *r, uint32_t from, struct part *out)
{
    uint32_t count = r->count - from;
    term *all = mem_try(count * sizeof *all);
    if (!all) return -ENOMEM;
    for (unsigned i = 0; i < PLACES; i++) {
        for (uint32_t k = 0; k < count; k++)
            all[k] = r->parts[from + k].at[i];
        out->at[i] = term_or_all(r->p.t, all, count);
    }
    free(all);
    r->count = from;
    return 0;
}

/* --- reading --- */

/* {n}, {n,} or {n,m}; false, and nothing was read: it is none of them. */
static bool read_braces(struct pattern *p, uint32_t *least, uint32_t *most)
{
    size_t from = p->at;
    bool is = regex__skip(p, STR("{")) && chars_read_number(p->text, &p->at, least);
    *most = *least;
    if (is && regex__skip(p, STR(",")) && !chars_read_number(p->text, &p->at, most))
        *most = TERM_ANY_NUMBER;
    if (is && regex__skip(p, STR("}"))) return true;
    p->at = from;
    return false;
}

/* How often the part before it comes; false: once, since nothing says otherwise. */
static bool read_times(struct pattern *p, uint32_t *least, uint32_t *most)
{
    *least = 0;
    *most = TERM_ANY_NUMBER;
    if (regex__skip(p, STR("*"))) return true;
    if (regex__skip(p, STR("?"))) {
        *most = 1;
        return true;
    }
    *least = 1;
    if (regex__skip(p, STR("+"))) return true;
    return read_braces(p, least, most);
}

static int quantify(struct pattern *p, struct part *x)
{
    uint32_t least = 1, most = 1;
    size_t from = p->at;
    if (!read_times(p, &least, &most)) return 0;
    if (least > most)
        return regex__wrong(p, "a repetition with its numbers in the wrong order", from);
    if (least > COUNT_MAX || (most > COUNT_MAX && most != TERM_ANY_NUMBER))
        return regex__refuse(p, "a number of times that is so large", from);
    if (regex__skip(p, STR("+"))) return regex__refuse(p, "a possessive repetition", from);
    (void)regex__skip(p, STR("?")); /* lazy: it takes the same texts */
    *x = repeat(p->t, x, least, most);
    return 0;
}

static int read_alternatives(struct reader *r, struct part *out);

static const struct {
    struct str begins;
    const char *name;
} refused_groups[] = {
    {STR_INIT("(?="), "look ahead"},         {STR_INIT("(?!"), "look ahead"},
    {STR_INIT("(?<="), "look behind"},       {STR_INIT("(?<!"), "look behind"},
    {STR_INIT("(?>"), "an atomic group"},    {STR_INIT("(?P="), "a back reference"},
    {STR_INIT("(?P>"), "a call of a group"}, {STR_INIT("(?("), "a group with a condition"},
};

static int skip_name(struct pattern *p, size_t from)
{
    ptrdiff_t len = str_find_char(str_skip(p->text, p->at), '>');
    if (len < 1) return regex__wrong(p, "a group whose name does not end", from);
    p->at += (size_t)len + 1;
    return 0;
}

/* What a group begins with. */
static int open_group(struct pattern *p)
{
    size_t from = p->at;
    for (size_t i = 0; i < ARRAY_LEN(refused_groups); i++)
        if (regex__skip(p, refused_groups[i].begins))
            return regex__refuse(p, refused_groups[i].name, from);
    if (regex__skip(p, STR("(?:"))) return 0;
    if (regex__skip(p, STR("(?i:"))) {
        p->any_case = true;
        return 0;
    }
    if (regex__skip(p, STR("(?<")) || regex__skip(p, STR("(?P<"))) return skip_name(p, from);
    if (regex__skip(p, STR("(?"))) return regex__refuse(p, "this kind of group", from);
    p->at++;
    return 0;
}

static int read_group(struct reader *r, struct part *out)
{
    size_t from = r->p.at;
    bool any_case = r->p.any_case;
    int err = open_group(&r->p);
    if (!err && r->depth == DEPTH_MAX)
        return regex__refuse(&r->p, "a group so deep in others", from);
    r->depth++;
    if (!err) err = read_alternatives(r, out);
    r->depth--;
    r->p.any_case = any_case;
    if (!err && !regex__skip(&r->p, STR(")")))
        err = regex__wrong(&r->p, "a group without an end", from);
    return err;
}

/* ^ and $, and what Python has for them. */
static bool read_border(struct pattern *p, struct part *out)
{
    bool start = regex__skip(p, STR("^")) || regex__skip(p, STR("\\A"));
    bool end = !start && (regex__skip(p, STR("$")) || regex__skip(p, STR("\\Z")));
    unsigned border = start ? AT_START : AT_END;
    if (!start && !end) return false;
    for (unsigned i = 0; i < PLACES; i++)
        out->at[i] = i & border ? TERM_EMPTY : TERM_NONE;
    return true;
}

/* {,n} is to some a repetition, to others just these characters. */
static int refuse_open_braces(struct pattern *p, size_t from)
{
    uint32_t most = 0;
    p->at = from + 2;
    if (!chars_read_number(p->text, &p->at, &most) || !regex__skip(p, STR("}")))
        return regex__refuse(p, "{,", from);
    return grammar_refuse(p->why,
                          "{,%u} at byte %zu of the pattern cannot be enforced, since it means "
                          "different things to different readers: write {0,%u}",
                          most, from, most);
}

/* One character of some kind. */
static int read_char(struct pattern *p, term *out)
{
    uint32_t least, most;
    size_t from = p->at;
    switch (p->text.ptr[p->at]) {
    case '[': return regex__class(p, out);
    case '\\': return regex__escape(p, out);
    case '.': *out = regex__dot(p); return 0;
    case '*':
    case '+':
    case '?': return regex__wrong(p, "a repetition of nothing", from);
    case '{':
        if (read_braces(p, &least, &most)) return regex__wrong(p, "a repetition of nothing", from);
        if (str_starts(str_skip(p->text, from), STR("{,"))) return refuse_open_braces(p, from);
        break;
    default: break;
    }
    *out = regex__literal(p);
    return 0;
}

static int read_part(struct reader *r, struct part *out)
{
    struct pattern *p = &r->p;
    term one = TERM_NONE;
    int err = 0;
    if (p->text.ptr[p->at] == '(') {
        err = read_group(r, out);
    } else if (!read_border(p, out)) {
        err = read_char(p, &one);
        *out = everywhere(one);
    }
    return err ? err : quantify(p, out);
}

static bool at_end(const struct pattern *p)
{
    return p->at == p->text.len || p->text.ptr[p->at] == '|' || p->text.ptr[p->at] == ')';
}

static int read_sequence(struct reader *r, struct part *out)
{
    uint32_t from = r->count;
    int err = 0;
    while (!err && !at_end(&r->p)) {
        struct part x;
        err = read_part(r, &x);
        if (!err) err = push(r, x);
    }
    if (!err) *out = join(r, from);
    return err;
}

static int read_alternatives(struct reader *r, struct part *out)
{
    uint32_t from = r->count;
    int err;
    do {
        struct part x;
        err = read_sequence(r, &x);
        if (!err) err = push(r, x);
    } while (!err && regex__skip(&r->p, STR("|")));
    return err ? err : choose(r, from, out);
}

/* (?i) and (?s) at the beginning of the whole. */
static void read_flags(struct pattern *p)
{
    if (regex__skip(p, STR("(?i)"))) p->any_case = true;
    if (regex__skip(p, STR("(?s)"))) p->dot_all = true;
    if (regex__skip(p, STR("(?is)")) || regex__skip(p, STR("(?si)")))
        p->any_case = p->dot_all = true;
}

static int read_all(struct reader *r, struct part *out)
{
    struct pattern *p = &r->p;
    if (p->text.len > PATTERN_MAX)
        return grammar_refuse(p->why, "a pattern of more than %d bytes", PATTERN_MAX);
    if (!utf8_valid(p->text)) {
        (void)grammar_refuse(p->why, "the pattern is not valid UTF-8");
        return ERR_SYNTAX;
    }
    read_flags(p);
    int err = read_alternatives(r, out);
    if (!err && p->at < p->text.len) err = regex__wrong(p, "a ) that ends no group", p->at);
    return err;
}

/* --- the whole text --- */

/* The texts that have what x takes somewhere in them. */
static term search(struct terms *t, const struct part *x, enum chars_form form)
{
    term one = form == CHARS_JSON ? chars_json_any(t) : chars_any(t, form);
    term any = term_repeat(t, one, 0, TERM_ANY_NUMBER);
    term whole = x->at[AT_START | AT_END], first = x->at[AT_START], last = x->at[AT_END];
    if (term_may_end(t, x->at[0])) return any;
    term all[] = {
        term_cat(t, any, term_cat(t, x->at[0], any)),
        first == x->at[0] ? TERM_NONE : term_cat(t, first, any),
        last == x->at[0] ? TERM_NONE : term_cat(t, any, last),
        whole == first || whole == last ? TERM_NONE : whole,
    };
    return term_or_all(t, all, ARRAY_LEN(all));
}

int regex_term(struct terms *t, struct str pattern, bool whole, enum chars_form form,
               struct grammar_why *why, term *out)
{
    struct reader r = {.p = {.t = t, .text = pattern, .form = form, .why = why}};
    struct part x;
    int err = read_all(&r, &x);
    free(r.parts);
    if (err == -ENOMEM || (!err && terms_failed(t))) {
        (void)grammar_refuse(why, "the pattern needs more memory than there is");
        return ERR_TOO_LARGE;
    }
    if (err) return err;
    *out = whole ? x.at[AT_START | AT_END] : search(t, &x, form);
    return 0;
}
