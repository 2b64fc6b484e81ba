/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/gbnf.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/grammar/chars.h"

enum {
    TEXT_MAX = 256 << 10,
    RULES_MAX = 4096,
    SLOTS = 2 * RULES_MAX, /* a power of two */
    DEPTH_MAX = 100,
    COUNT_MAX = 1 << 20,
    NAME_SHOWN_MAX = 64,
    ARENA_MAX = 64 << 20,
    ARENA_BLOCK = 4096,
    RECURSION_BYTES = 64 << 20, /* of a grammar that is read again */
};

struct name {
    struct str text;
    size_t at; /* where it first stands; once it is defined, where that is */
    uint32_t rule;
    bool defined;
};

struct reader {
    struct terms *t;
    struct str text;
    size_t at; /* the byte that is read next */
    struct grammar_why *why;
    unsigned depth;     /* of groups */
    struct arena arena; /* for the set of characters that is being read */
    term *parts;        /* of what is not yet closed, one above the other */
    uint32_t part_count, part_cap;
    uint32_t name_count;
    struct name names[RULES_MAX];
    uint16_t slots[SLOTS]; /* of names, by hash, plus one; 0: free */
};

/* --- what is wrong --- */

static size_t line_of(const struct reader *r, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += r->text.ptr[i] == '\n';
    return line;
}

static int wrong(struct reader *r, const char *what, size_t at)
{
    (void)grammar_refuse(r->why, "%s in line %zu of the grammar", what, line_of(r, at));
    return ERR_SYNTAX;
}

static int wrong_rule(struct reader *r, const char *what, struct str name, size_t at)
{
    (void)grammar_refuse(r->why, "the rule %.*s %s in line %zu of the grammar",
                         (int)MIN(name.len, NAME_SHOWN_MAX), name.ptr, what, line_of(r, at));
    return ERR_SYNTAX;
}

static int refuse(struct reader *r, const char *what, size_t at)
{
    return grammar_refuse(r->why, "%s in line %zu of the grammar cannot be enforced", what,
                          line_of(r, at));
}

/* --- reading --- */

/* The byte that comes next; 0: none does. */
static char peek(const struct reader *r)
{
    return r->at < r->text.len ? r->text.ptr[r->at] : 0;
}

static bool skip(struct reader *r, struct str text)
{
    if (!str_starts(str_skip(r->text, r->at), text)) return false;
    r->at += text.len;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_of_name(char c)
{
    return is_letter(c) || is_digit(c) || c == '-' || c == '_';
}

/* White space, line ends, comments. */
static void skip_space(struct reader *r)
{
    bool comment = false;
    for (; r->at < r->text.len; r->at++) {
        char c = peek(r);
        if (c == '#') comment = true;
        if (c == '\n' || c == '\r') comment = false;
        if (!comment && c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
    }
}

/* Empty: none comes here. */
static struct str read_name(struct reader *r)
{
    size_t from = r->at;
    while (is_of_name(peek(r)))
        r->at++;
    return str_sub(r->text, from, r->at - from);
}

/* A rule goes on over the ends of lines, until a name comes that has a rule's sign behind it. */
static bool at_rule(struct reader *r)
{
    size_t from = r->at;
    bool named = read_name(r).len > 0;
    skip_space(r);
    bool is = named && skip(r, STR("::="));
    r->at = from;
    return is;
}

/* --- names of rules --- */

/* The rule of that name, of which this may be the first that is heard. */
static int find_rule(struct reader *r, struct str name, size_t at, struct name **out)
{
    uint32_t slot = (uint32_t)hash_keyed(name) & (SLOTS - 1);
    for (; r->slots[slot]; slot = (slot + 1) & (SLOTS - 1)) {
        *out = &r->names[r->slots[slot] - 1];
        if (str_eq((*out)->text, name)) return 0;
    }
    if (r->name_count == RULES_MAX) return refuse(r, "so large a number of rules", at);
    *out = &r->names[r->name_count++];
    **out = (struct name){.text = name, .at = at, .rule = terms_add_rule(r->t)};
    r->slots[slot] = (uint16_t)r->name_count;
    return 0;
}

/* --- parts --- */

static int push(struct reader *r, term a)
{
    if (r->part_count == r->part_cap) {
        uint32_t cap = r->part_cap ? r->part_cap * 2 : 64;
        term *more = mem_try_grow(r->parts, cap, sizeof *more);
        if (!more) return -ENOMEM;
        r->parts = more;
        r->part_cap = cap;
    }
    r->parts[r->part_count++] = a;
    return 0;
}

/* The parts from `from` on, one behind the other. */
static term join(struct reader *r, uint32_t from)
{
    term out = TERM_EMPTY;
    while (r->part_count > from)
        out = term_cat(r->t, r->parts[--r->part_count], out);
    return out;
}

/* One of the parts from `from` on. */
static term choose(struct reader *r, uint32_t from)
{
    term out = term_or_all(r->t, r->parts + from, r->part_count - from);
    r->part_count = from;
    return out;
}

/* --- characters --- */

static int read_code(struct reader *r, unsigned digits, size_t from, uint32_t *out)
{
    if (chars_read_hex(r->text, &r->at, digits, out) < digits)
        return wrong(r, "too few hexadecimal digits", from);
    if (*out > CHAR_MAX_POINT) return wrong(r, "a code point that is too large", from);
    if (*out >= 0xd800 && *out <= 0xdfff) return refuse(r, "half a surrogate pair", from);
    return 0;
}

/* Behind a backslash, which is at `from`. */
static int read_escape(struct reader *r, size_t from, uint32_t *out)
{
    static const char names[] = "tnrbfv", codes[] = "\t\n\r\b\f\v";
    char c = peek(r);
    if (r->at == r->text.len) return wrong(r, "a backslash with nothing behind it", from);
    *out = chars_read(r->text, &r->at);
    if (!is_letter(c) && !is_digit(c)) return 0;
    if (c == 'x') return read_code(r, 2, from, out);
    if (c == 'u') return read_code(r, 4, from, out);
    if (c == 'U') return read_code(r, 8, from, out);
    const char *name = strchr(names, c);
    if (!name) return wrong(r, "an unknown escape", from);
    *out = (uint32_t)codes[name - names];
    return 0;
}

static int read_char(struct reader *r, uint32_t *out)
{
    size_t from = r->at;
    if (skip(r, STR("\\"))) return read_escape(r, from, out);
    *out = chars_read(r->text, &r->at);
    return 0;
}

static int read_text(struct reader *r, term *out)
{
    size_t from = r->at;
    uint32_t first = r->part_count, code;
    struct str quote = str_sub(r->text, r->at, 1);
    r->at++;
    while (!skip(r, quote)) {
        char bytes[4];
        if (r->at == r->text.len) return wrong(r, "a text without an end", from);
        int err = read_char(r, &code);
        if (!err) err = push(r, term_text(r->t, str_n(bytes, utf8_encode(code, bytes))));
        if (err) return err;
    }
    *out = join(r, first);
    return 0;
}

/* A character, or two with a dash between them. */
static int read_range(struct reader *r, struct chars *set)
{
    size_t from = r->at;
    uint32_t first, last;
    int err = read_char(r, &first);
    last = first;
    bool dash = peek(r) == '-' && !str_starts(str_skip(r->text, r->at), STR("-]"));
    if (!err && dash) {
        r->at++;
        if (r->at == r->text.len) return wrong(r, "a class without an end", from);
        err = read_char(r, &last);
    }
    if (err) return err;
    if (last < first) return wrong(r, "a range that ends before it begins", from);
    chars_add(set, first, last);
    return 0;
}

static int read_class(struct reader *r, term *out)
{
    struct chars set;
    size_t from = r->at++;
    bool inverted = skip(r, STR("^"));
    chars_init(&set, &r->arena);
    if (peek(r) == ']') return wrong(r, "a class with nothing in it", from);
    while (!skip(r, STR("]"))) {
        if (r->at == r->text.len) return wrong(r, "a class without an end", from);
        int err = read_range(r, &set);
        if (err) return err;
    }
    if (inverted) chars_invert(&set);
    *out = chars_term(r->t, &set, CHARS_PLAIN);
    arena_reset(&r->arena);
    return 0;
}

/* --- elements --- */

static int read_alternatives(struct reader *r, term *out);

static int read_group(struct reader *r, term *out)
{
    size_t from = r->at++;
    if (r->depth == DEPTH_MAX) return refuse(r, "a group so deep in others", from);
    r->depth++;
    int err = read_alternatives(r, out);
    r->depth--;
    if (!err && !skip(r, STR(")"))) err = wrong(r, "a group without an end", from);
    return err;
}

static int read_call(struct reader *r, term *out)
{
    struct name *name;
    size_t from = r->at;
    struct str text = read_name(r);
    if (!text.len) return wrong(r, "something that is no part of a rule", from);
    int err = find_rule(r, text, from, &name);
    if (!err) *out = term_rule(r->t, name->rule);
    return err;
}

static int read_element(struct reader *r, term *out)
{
    switch (peek(r)) {
    case '"':
    case '\'': return read_text(r, out);
    case '[': return read_class(r, out);
    case '(': return read_group(r, out);
    case '.':
        r->at++;
        *out = chars_any(r->t, CHARS_PLAIN);
        return 0;
    case '<':
    case '!': return refuse(r, "a token (<...>)", r->at);
    case '*':
    case '+':
    case '?':
    case '{': return wrong(r, "a repetition of nothing", r->at);
    default: return read_call(r, out);
    }
}

/* Behind {. */
static int read_braces(struct reader *r, size_t from, uint32_t *least, uint32_t *most)
{
    skip_space(r);
    bool is = chars_read_number(r->text, &r->at, least);
    *most = *least;
    skip_space(r);
    if (is && skip(r, STR(","))) {
        skip_space(r);
        if (!chars_read_number(r->text, &r->at, most)) *most = TERM_ANY_NUMBER;
        skip_space(r);
    }
    if (!is || !skip(r, STR("}")))
        return wrong(r, "a repetition that is not {n}, {n,} or {n,m}", from);
    if (*least > *most) return wrong(r, "a repetition with its numbers in the wrong order", from);
    if (*least > COUNT_MAX || (*most > COUNT_MAX && *most != TERM_ANY_NUMBER))
        return refuse(r, "a number of times that is so large", from);
    return 0;
}

/* How often what stands before it comes; *is false: once, since nothing says otherwise. */
static int read_times(struct reader *r, bool *is, uint32_t *least, uint32_t *most)
{
    size_t from = r->at;
    char c = peek(r);
    *least = c == '+';
    *most = c == '?' ? 1 : TERM_ANY_NUMBER;
    *is = c == '*' || c == '+' || c == '?' || c == '{';
    if (*is) r->at++;
    return c == '{' ? read_braces(r, from, least, most) : 0;
}

static int repeat(struct reader *r, term *a)
{
    bool is;
    uint32_t least, most;
    int err;
    do {
        skip_space(r);
        err = read_times(r, &is, &least, &most);
        if (!err && is) *a = term_repeat(r->t, *a, least, most);
    } while (!err && is);
    return err;
}

static bool at_end(struct reader *r)
{
    char c = peek(r);
    return r->at == r->text.len || c == '|' || c == ')' || at_rule(r);
}

static int read_sequence(struct reader *r, term *out)
{
    uint32_t from = r->part_count;
    int err = 0;
    skip_space(r);
    while (!err && !at_end(r)) {
        term one = TERM_NONE;
        err = read_element(r, &one);
        if (!err) err = repeat(r, &one);
        if (!err) err = push(r, one);
    }
    if (!err) *out = join(r, from);
    return err;
}

static int read_alternatives(struct reader *r, term *out)
{
    uint32_t from = r->part_count;
    int err;
    do {
        term one = TERM_NONE;
        err = read_sequence(r, &one);
        if (!err) err = push(r, one);
    } while (!err && skip(r, STR("|")));
    if (!err) *out = choose(r, from);
    return err;
}

/* --- rules --- */

static int read_rule(struct reader *r)
{
    struct name *name;
    size_t from = r->at;
    term body = TERM_NONE;
    if (!at_rule(r)) return wrong(r, "what should be a rule (name ::= ...)", from);
    struct str text = read_name(r);
    int err = find_rule(r, text, from, &name);
    if (err) return err;
    if (name->defined) return wrong_rule(r, "is there again", text, from);
    name->defined = true;
    name->at = from;
    skip_space(r);
    (void)skip(r, STR("::="));
    err = read_alternatives(r, &body);
    if (!err && peek(r) == ')') err = wrong(r, "a ) that ends no group", r->at);
    if (!err) terms_set_rule(r->t, name->rule, body);
    return err;
}

static int read_rules(struct reader *r)
{
    if (r->text.len > TEXT_MAX)
        return grammar_refuse(r->why, "a grammar of more than %d bytes", TEXT_MAX);
    if (!utf8_valid(r->text)) {
        (void)grammar_refuse(r->why, "the grammar is not valid UTF-8");
        return ERR_SYNTAX;
    }
    int err = 0;
    for (skip_space(r); !err && r->at < r->text.len;)
        err = read_rule(r);
    for (uint32_t i = 0; !err && i < r->name_count; i++) {
        const struct name *n = &r->names[i];
        if (!n->defined) err = wrong_rule(r, "is not there, but named", n->text, n->at);
    }
    return err;
}

static int find_root(struct reader *r, term *out)
{
    for (uint32_t i = 0; i < r->name_count; i++) {
        if (!str_eq(r->names[i].text, STR("root"))) continue;
        *out = term_rule(r->t, r->names[i].rule);
        return 0;
    }
    (void)grammar_refuse(r->why, "the grammar has no rule with the name root");
    return ERR_SYNTAX;
}

static int read_grammar(struct reader *r, struct terms *t, struct str text, struct grammar_why *why)
{
    r->t = t;
    r->text = text;
    r->why = why;
    arena_init(&r->arena, ARENA_MAX, ARENA_BLOCK);
    return read_rules(r);
}

static void end(struct reader *r)
{
    if (!r) return;
    arena_fini(&r->arena);
    free(r->parts);
    free(r);
}

int gbnf_term(struct terms *t, struct str text, struct grammar_why *why, term *out)
{
    struct reader *r = mem_try_zero(1, sizeof *r);
    int err = r ? read_grammar(r, t, text, why) : -ENOMEM;
    if (!err) err = find_root(r, out);
    end(r);
    if (err != -ENOMEM && (err || !terms_failed(t))) return err;
    if (err) (void)grammar_refuse(why, "the grammar needs more memory than there is");
    return ERR_TOO_LARGE;
}

/* Reads it again: names are not kept, and whoever asks has time. */
void gbnf_refuse_recursion(struct str text, uint32_t rule, struct grammar_why *why)
{
    struct grammar_why unused = {.arena = why->arena};
    struct terms *t = terms_new(RECURSION_BYTES);
    struct reader *r = t ? mem_try_zero(1, sizeof *r) : NULL;
    if (r && !read_grammar(r, t, text, &unused) && rule < r->name_count) {
        const struct name *n = &r->names[rule];
        (void)grammar_refuse(
            why, "left recursion: rule %.*s in line %zu of the grammar begins with itself",
            (int)MIN(n->text.len, NAME_SHOWN_MAX), n->text.ptr, line_of(r, n->at));
    }
    end(r);
    terms_free(t);
}
