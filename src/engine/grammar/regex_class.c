/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a pattern that take one character. */
#include <assert.h>

#include "base/err.h"
#include "engine/grammar/categories.h"
#include "engine/grammar/regex_priv.h"

enum {
    ARENA_MAX = 64 << 20,
    ARENA_BLOCK = 4096,
    CATEGORIES_MAX = 256, /* few bytes that take long */
};

/* --- reading --- */

int regex__refuse(struct pattern *p, const char *what, size_t at)
{
    return grammar_refuse(p->why, "%s at byte %zu of the pattern cannot be enforced", what, at);
}

int regex__wrong(struct pattern *p, const char *what, size_t at)
{
    (void)grammar_refuse(p->why, "%s at byte %zu of the pattern", what, at);
    return ERR_SYNTAX;
}

bool regex__skip(struct pattern *p, struct str text)
{
    if (!str_starts(str_skip(p->text, p->at), text)) return false;
    p->at += text.len;
    return true;
}

/* The byte that comes next; 0: none does. */
static char peek(const struct pattern *p)
{
    return p->at < p->text.len ? p->text.ptr[p->at] : 0;
}

/* The next character. The pattern is valid UTF-8, and has one. */
static uint32_t next_char(struct pattern *p)
{
    return chars_read(p->text, &p->at);
}

static unsigned hex(struct pattern *p, unsigned most, uint32_t *out)
{
    return chars_read_hex(p->text, &p->at, most, out);
}

/* --- escapes --- */

/* One character, or several as a set that was added to another. */
struct item {
    bool is_set;
    uint32_t code;
};

static int point(struct pattern *p, uint32_t code, size_t from, struct item *out)
{
    if (code > CHAR_MAX_POINT) return regex__wrong(p, "a code point that is too large", from);
    if (code >= 0xd800 && code <= 0xdfff) return regex__refuse(p, "half a surrogate pair", from);
    *out = (struct item){.code = code};
    return 0;
}

static int fixed_hex(struct pattern *p, unsigned digits, size_t from, struct item *out)
{
    uint32_t code;
    if (hex(p, digits, &code) < digits) return regex__wrong(p, "too few hexadecimal digits", from);
    return point(p, code, from, out);
}

/* Behind \u: {...}, or four digits, or twice four for a pair of surrogates. */
static int unicode(struct pattern *p, size_t from, struct item *out)
{
    uint32_t code, low;
    if (regex__skip(p, STR("{"))) {
        unsigned digits = hex(p, 6, &code);
        if (!digits || !regex__skip(p, STR("}"))) return regex__wrong(p, "a bad \\u{...}", from);
        return point(p, code, from, out);
    }
    if (hex(p, 4, &code) < 4) return regex__wrong(p, "too few hexadecimal digits", from);
    size_t behind = p->at;
    bool pair = code >= 0xd800 && code <= 0xdbff && regex__skip(p, STR("\\u")) &&
                hex(p, 4, &low) == 4 && low >= 0xdc00 && low <= 0xdfff;
    if (pair) code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    if (!pair) p->at = behind;
    return point(p, code, from, out);
}

static void add_digits(struct chars *c)
{
    chars_add(c, '0', '9');
}

static void add_word(struct chars *c)
{
    add_digits(c);
    chars_add(c, 'A', 'Z');
    chars_add(c, '_', '_');
    chars_add(c, 'a', 'z');
}

static void add_line_ends(struct chars *c)
{
    chars_add(c, '\n', '\n');
    chars_add(c, '\r', '\r');
    chars_add(c, 0x2028, 0x2029);
}

/* White space to ECMA 262 and to Python. */
static void add_spaces(struct chars *c)
{
    chars_add(c, '\t', '\r');
    chars_add(c, ' ', ' ');
    chars_add(c, 0xa0, 0xa0);
    chars_add(c, 0x1680, 0x1680);
    chars_add(c, 0x2000, 0x200a);
    chars_add(c, 0x2028, 0x2029);
    chars_add(c, 0x202f, 0x202f);
    chars_add(c, 0x205f, 0x205f);
    chars_add(c, 0x3000, 0x3000);
}

/* What only some call digits, parts of words, or white space: to Python and Rust these are of all
 * scripts. */
static void add_doubtful(struct chars *c, char kind)
{
    static const char *const word[] = {"L", "M", "N"};
    /* Connectors (Pc, of which ASCII has the underscore), and what joins letters. */
    static const struct char_range joins[] = {{0x200c, 0x200d}, {0x203f, 0x2040}, {0x2054, 0x2054},
                                              {0xfe33, 0xfe34}, {0xfe4d, 0xfe4f}, {0xff3f, 0xff3f}};
    static const struct char_range spaces[] = {{0x1c, 0x1f}, {0x85, 0x85}, {0xfeff, 0xfeff}};
    bool known = kind != 'd' || categories_add(c, STR("N"));
    for (size_t i = 0; kind == 'w' && i < ARRAY_LEN(word); i++)
        known &= categories_add(c, str_of(word[i]));
    assert(known);
    for (size_t i = 0; kind == 'w' && i < ARRAY_LEN(joins); i++)
        chars_add(c, joins[i].first, joins[i].last);
    for (size_t i = 0; kind == 's' && i < ARRAY_LEN(spaces); i++)
        chars_add(c, spaces[i].first, spaces[i].last);
}

static int category(struct pattern *p, struct chars *set, size_t from)
{
    if (p->categories++ == CATEGORIES_MAX)
        return regex__refuse(p, "a \\p{...} behind 256 others", from);
    if (!regex__skip(p, STR("{")))
        return regex__refuse(p, "\\p without a category in braces", from);
    struct str rest = str_skip(p->text, p->at);
    ptrdiff_t end = str_find_char(rest, '}');
    if (end < 0) return regex__wrong(p, "a category without an end", from);
    p->at += (size_t)end + 1;
    if (categories_add(set, str_n(rest.ptr, (size_t)end))) return 0;
    return regex__refuse(p, "this kind of \\p{...}", from);
}

/* \d and its like, of which `kind` is the letter. What it takes is so to everybody: what must not be
 * a digit, say, is not one to anybody. */
static int add_set(struct pattern *p, char kind, size_t from, struct chars *out)
{
    struct chars set;
    int err = 0;
    bool opposite = kind >= 'A' && kind <= 'Z';
    char base = opposite ? (char)(kind + ('a' - 'A')) : kind;
    chars_init(&set, out->arena);
    if (base == 'd') add_digits(&set);
    if (base == 'w') add_word(&set);
    if (base == 's') add_spaces(&set);
    if (base == 'p') err = category(p, &set, from);
    if (opposite != p->inverted && !p->any_case) add_doubtful(&set, base);
    if (opposite) chars_invert(&set);
    chars_add_all(out, &set);
    return err;
}

static int control(struct pattern *p, size_t from, struct item *out)
{
    char c = peek(p);
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
        return regex__wrong(p, "\\c without a letter", from);
    p->at++;
    out->code = (uint32_t)c & 0x1f;
    return 0;
}

/* A letter or digit that means something only behind a backslash. */
static int letter(struct pattern *p, char c, size_t from, struct item *out)
{
    static const char names[] = "tnrfv", codes[] = "\t\n\r\f\v";
    const char *simple = strchr(names, c);
    if (simple) {
        out->code = (uint32_t)codes[simple - names];
        return 0;
    }
    switch (c) {
    case 'x': return fixed_hex(p, 2, from, out);
    case 'u': return unicode(p, from, out);
    case 'U': return fixed_hex(p, 8, from, out);
    case 'c': return control(p, from, out);
    case 'b':
    case 'B': return regex__refuse(p, "a word's border", from);
    case 'k': return regex__refuse(p, "a back reference", from);
    default: break;
    }
    if (c == '0' && (peek(p) < '0' || peek(p) > '9')) return 0;
    if (c == '0') return regex__refuse(p, "an octal escape", from);
    if (c >= '1' && c <= '9') return regex__refuse(p, "a back reference", from);
    return regex__refuse(p, "an unknown escape", from);
}

/* Behind a backslash, which is at `from`. */
static int escape(struct pattern *p, size_t from, struct chars *set, struct item *out)
{
    char c = peek(p);
    *out = (struct item){.code = 0};
    if (p->at == p->text.len) return regex__wrong(p, "a backslash with nothing behind it", from);
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!is_letter && (c < '0' || c > '9')) {
        out->code = next_char(p);
        return 0;
    }
    p->at++;
    out->is_set = strchr("dDwWsSpP", c) != NULL;
    return out->is_set ? add_set(p, c, from, set) : letter(p, c, from, out);
}

/* --- sets --- */

/* Both cases of ASCII letters; others are only themselves. */
static void add_cases(struct chars *c)
{
    size_t count = c->count;
    for (size_t i = 0; i < count; i++) {
        struct char_range r = c->ranges[i];
        uint32_t upper = MAX(r.first, 'A'), upper_end = MIN(r.last, 'Z');
        uint32_t lower = MAX(r.first, 'a'), lower_end = MIN(r.last, 'z');
        if (upper <= upper_end) chars_add(c, upper + 32, upper_end + 32);
        if (lower <= lower_end) chars_add(c, lower - 32, lower_end - 32);
    }
}

/* Characters that some take for another case of i, k or s: what must not be one of those must not be
 * one of them. */
static void add_doubtful_cases(struct chars *c)
{
    chars_add(c, 0x130, 0x131);
    chars_add(c, 0x17f, 0x17f);
    chars_add(c, 0x212a, 0x212a);
}

static term set_term(struct pattern *p, struct chars *c)
{
    chars_order(c);
    if (p->any_case) add_cases(c);
    return chars_term(p->t, c, p->form);
}

/* One item of a class. */
static int class_item(struct pattern *p, struct chars *set, struct item *out)
{
    size_t from = p->at;
    *out = (struct item){.code = 0};
    if (p->at == p->text.len) return regex__wrong(p, "a class without an end", from);
    if (regex__skip(p, STR("[:")) || regex__skip(p, STR("[=")) || regex__skip(p, STR("[.")))
        return regex__refuse(p, "a class in a class", from);
    if (regex__skip(p, STR("\\b"))) {
        out->code = '\b';
        return 0;
    }
    if (regex__skip(p, STR("\\"))) return escape(p, from, set, out);
    out->code = next_char(p);
    return 0;
}

/* An item, or two with a dash between them. Where one of them is a set, the dash is just one. */
static int class_range(struct pattern *p, struct chars *set)
{
    struct item first, last;
    size_t from = p->at;
    int err = class_item(p, set, &first);
    if (err) return err;
    bool dash = !first.is_set && str_starts(str_skip(p->text, p->at), STR("-")) &&
                !str_starts(str_skip(p->text, p->at), STR("-]"));
    if (!first.is_set) chars_add(set, first.code, first.code);
    if (!dash) return 0;
    p->at++;
    err = class_item(p, set, &last);
    if (err) return err;
    if (last.is_set) {
        chars_add(set, '-', '-');
        return 0;
    }
    if (last.code < first.code) return regex__wrong(p, "a range that ends before it begins", from);
    chars_add(set, first.code, last.code);
    return 0;
}

/* Of what a class that is turned around names, all forms of all cases must be known. */
static int invert(struct pattern *p, struct chars *set, size_t from)
{
    chars_order(set);
    if (p->any_case) {
        if (set->count && set->ranges[set->count - 1].last >= 0x80)
            return regex__refuse(p, "a class [^...] with more than ASCII in it, in any case,",
                                 from);
        add_cases(set);
        add_doubtful_cases(set);
    }
    chars_invert(set);
    return 0;
}

static int read_class(struct pattern *p, struct chars *set)
{
    size_t from = p->at++;
    p->inverted = regex__skip(p, STR("^"));
    /* To some an empty class, to others one that has a bracket in it. */
    if (peek(p) == ']') return regex__refuse(p, "a class that begins with ]", from);
    while (!regex__skip(p, STR("]"))) {
        int err = class_range(p, set);
        if (err) return err;
    }
    return p->inverted ? invert(p, set, from) : 0;
}

int regex__class(struct pattern *p, term *out)
{
    struct arena arena;
    struct chars set;
    arena_init(&arena, ARENA_MAX, ARENA_BLOCK);
    chars_init(&set, &arena);
    int err = read_class(p, &set);
    p->inverted = false;
    if (!err) *out = set_term(p, &set);
    arena_fini(&arena);
    return err;
}

int regex__escape(struct pattern *p, term *out)
{
    struct arena arena;
    struct chars set;
    struct item item;
    arena_init(&arena, ARENA_MAX, ARENA_BLOCK);
    chars_init(&set, &arena);
    size_t from = p->at++;
    int err = escape(p, from, &set, &item);
    if (!err && !item.is_set) chars_add(&set, item.code, item.code);
    if (!err) *out = set_term(p, &set);
    arena_fini(&arena);
    return err;
}

term regex__dot(struct pattern *p)
{
    struct arena arena;
    struct chars set;
    arena_init(&arena, ARENA_MAX, ARENA_BLOCK);
    chars_init(&set, &arena);
    if (!p->dot_all) add_line_ends(&set);
    chars_invert(&set);
    term out = chars_term(p->t, &set, p->form);
    arena_fini(&arena);
    p->at++;
    return out;
}

term regex__literal(struct pattern *p)
{
    struct char_range room[2];
    struct chars set = {.ranges = room, .cap = ARRAY_LEN(room)};
    uint32_t code = next_char(p);
    chars_add(&set, code, code);
    return set_term(p, &set);
}
