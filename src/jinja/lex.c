/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/lex.h"

#include "jinja/lex_string.h"
#include "jinja/letters.h"

enum { BRACKETS_MAX = 512 };

struct lexer {
    struct run *r;
    struct str s;
    size_t at;
    bool line_starts; /* what was read last ended with a line break */
    struct tokens *out;
    char brackets[BRACKETS_MAX]; /* those that close what is open */
    size_t open;
};

static const struct {
    char text[3];
    enum token_type type;
} operators[] = {
    {"**", TOKEN_POW},         {"//", TOKEN_FLOOR},
    {"==", TOKEN_EQ},          {"!=", TOKEN_NE},
    {">=", TOKEN_GE},          {"<=", TOKEN_LE},
    {"+", TOKEN_ADD},          {"-", TOKEN_SUB},
    {"/", TOKEN_DIV},          {"*", TOKEN_MUL},
    {"%", TOKEN_MOD},          {"~", TOKEN_TILDE},
    {"[", TOKEN_LEFT_BRACKET}, {"]", TOKEN_RIGHT_BRACKET},
    {"(", TOKEN_LEFT_PAREN},   {")", TOKEN_RIGHT_PAREN},
    {"{", TOKEN_LEFT_BRACE},   {"}", TOKEN_RIGHT_BRACE},
    {">", TOKEN_GT},           {"<", TOKEN_LT},
    {"=", TOKEN_ASSIGN},       {".", TOKEN_DOT},
    {":", TOKEN_COLON},        {"|", TOKEN_PIPE},
    {",", TOKEN_COMMA},        {";", TOKEN_SEMICOLON},
};

static int fail(struct lexer *l, size_t at, const char *why)
{
    l->r->at = (uint32_t)at;
    return run_fail(l->r, ERR_SYNTAX, "%s", why);
}

static int add(struct lexer *l, enum token_type type, size_t at, struct str text)
{
    int err = run_grow(l->r, &l->out->list, l->out->count, &l->out->cap, sizeof *l->out->list);
    if (err) return err;
    l->out->list[l->out->count++] = (struct token){type, (uint32_t)at, text};
    return 0;
}

static char peek(const struct lexer *l, size_t ahead)
{
    return l->at + ahead < l->s.len ? l->s.ptr[l->at + ahead] : 0;
}

static bool looking_at(const struct lexer *l, size_t at, const char *text)
{
    return str_starts(str_skip(l->s, at), str_of(text)) && at <= l->s.len;
}

static size_t skip_space(const struct lexer *l, size_t at)
{
    size_t bytes;
    while (at < l->s.len && letter_is_space(text_code(l->s, at, &bytes)))
        at += bytes;
    return at;
}

/* Where a tag ends that begins to end at `at` ("-%}", "+%}", "%}"), and what goes with it; 0: not
 * there. */
static size_t end_of_tag(const struct lexer *l, size_t at, const char *end, bool plus, bool trims)
{
    char c = at < l->s.len ? l->s.ptr[at] : 0;
    if (c == '-' && looking_at(l, at + 1, end)) return skip_space(l, at + 3);
    if (c == '+' && plus && looking_at(l, at + 1, end)) return at + 3;
    if (!looking_at(l, at, end)) return 0;
    at += 2;
    return trims && at < l->s.len && l->s.ptr[at] == '\n' ? at + 1 : at;
}

static void go_to(struct lexer *l, size_t at)
{
    l->line_starts = at > 0 && l->s.ptr[at - 1] == '\n';
    l->at = at;
}

/* --- between tags --- */

static struct str strip_right(struct str text)
{
    while (text.len) {
        size_t bytes, step = text_step_back(text, text.len);
        if (!letter_is_space(text_code(text, text.len - step, &bytes))) break;
        text.len -= step;
    }
    return text;
}

/* Without the blanks before a tag that is the first of its line. */
static struct str strip_line(const struct lexer *l, struct str text)
{
    struct str stripped = strip_right(text);
    const char *line = text.len ? memrchr(text.ptr, '\n', text.len) : NULL;
    size_t start = line ? (size_t)(line - text.ptr) + 1 : 0;
    if (start == 0 && !l->line_starts) return text;
    if (stripped.len > start) return text;
    return str_n(text.ptr, start);
}

static int add_data(struct lexer *l, size_t end, char sign, bool lstrip)
{
    struct str text = str_n(l->s.ptr + l->at, end - l->at);
    if (sign == '-')
        text = strip_right(text);
    else if (sign != '+' && lstrip)
        text = strip_line(l, text);
    return text.len ? add(l, TOKEN_DATA, l->at, text) : 0;
}

static char sign_at(const struct lexer *l, size_t at)
{
    char c = at < l->s.len ? l->s.ptr[at] : 0;
    return c == '-' || c == '+' ? c : 0;
}

/* Where the next "{{", "{%" or "{#" is; the end when there is none. */
static size_t find_tag(const struct lexer *l)
{
    for (size_t at = l->at; at + 1 < l->s.len; at++) {
        const char *brace = memchr(l->s.ptr + at, '{', l->s.len - at - 1);
        if (!brace) break;
        at = (size_t)(brace - l->s.ptr);
        if (brace[1] == '{' || brace[1] == '%' || brace[1] == '#') return at;
    }
    return l->s.len;
}

/* Where the contents of a raw block begin whose tag is at `at`; 0: it is none. */
static size_t raw_begins(const struct lexer *l, size_t at)
{
    size_t p = skip_space(l, at + 2 + (sign_at(l, at + 2) != 0));
    if (!looking_at(l, p, "raw")) return 0;
    return end_of_tag(l, skip_space(l, p + 3), "%}", false, false);
}

/* Where a raw block's end tag at `at` ends; 0: it is none. */
static size_t raw_ends(const struct lexer *l, size_t at)
{
    size_t p = skip_space(l, at + 2 + (sign_at(l, at + 2) != 0));
    if (!looking_at(l, p, "endraw")) return 0;
    return end_of_tag(l, skip_space(l, p + 6), "%}", true, true);
}

static int lex_raw(struct lexer *l, size_t begin, size_t contents)
{
    go_to(l, contents);
    for (size_t at = contents; at + 1 < l->s.len; at++) {
        if (!looking_at(l, at, "{%")) continue;
        size_t end = raw_ends(l, at);
        if (!end) continue;
        int err = add_data(l, at, sign_at(l, at + 2), true);
        go_to(l, end);
        return err;
    }
    return fail(l, begin, "missing end of raw directive");
}

static int lex_comment(struct lexer *l, size_t begin)
{
    for (size_t at = begin + 2 + (sign_at(l, begin + 2) != 0); at + 1 < l->s.len; at++) {
        size_t end = end_of_tag(l, at, "#}", true, true);
        if (!end) continue;
        go_to(l, end);
        return 0;
    }
    return fail(l, begin, "missing end of comment tag");
}

/* --- within tags --- */

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits of a base, single underscores between; the position after them. */
static size_t skip_digits(const struct lexer *l, size_t at, const char *digits)
{
    size_t start = at;
    for (; at < l->s.len && l->s.ptr[at]; at++) {
        bool underscore = l->s.ptr[at] == '_' && at > start && at + 1 < l->s.len &&
                          l->s.ptr[at + 1] && strchr(digits, l->s.ptr[at + 1]);
        if (!underscore && !strchr(digits, l->s.ptr[at])) break;
    }
    return at;
}

static const char decimal[] = "0123456789";

static size_t end_of_exponent(const struct lexer *l, size_t at)
{
    if (at >= l->s.len || (l->s.ptr[at] | 0x20) != 'e') return at;
    size_t digits = at + 1;
    if (digits < l->s.len && (l->s.ptr[digits] == '+' || l->s.ptr[digits] == '-')) digits++;
    size_t end = skip_digits(l, digits, decimal);
    return end > digits ? end : at;
}

/* Where a float at `at` ends; at: it is none. */
static size_t end_of_float(const struct lexer *l, size_t at)
{
    if (at > 0 && l->s.ptr[at - 1] == '.') return at;
    size_t whole = skip_digits(l, at, decimal), end = whole;
    if (whole + 1 < l->s.len && l->s.ptr[whole] == '.' && is_digit(l->s.ptr[whole + 1]))
        end = skip_digits(l, whole + 1, decimal);
    end = end_of_exponent(l, end);
    return end > whole ? end : at;
}

static size_t end_of_integer(const struct lexer *l, size_t at)
{
    static const char *const digits[] = {"01", "01234567", "0123456789abcdefABCDEF"};
    static const char letters[] = "box";
    if (l->s.ptr[at] != '0') return skip_digits(l, at, decimal);
    const char *base =
        at + 1 < l->s.len ? memchr(letters, l->s.ptr[at + 1] | 0x20, sizeof letters - 1) : NULL;
    if (base) {
        size_t from = at + 2 + (at + 2 < l->s.len && l->s.ptr[at + 2] == '_');
        size_t end = skip_digits(l, from, digits[base - letters]);
        if (end > from) return end;
    }
    return skip_digits(l, at, "0");
}

static int lex_number(struct lexer *l)
{
    size_t start = l->at, end = end_of_float(l, start);
    enum token_type type = end > start ? TOKEN_FLOAT : TOKEN_INTEGER;
    if (end == start) end = end_of_integer(l, start);
    go_to(l, end);
    return add(l, type, start, str_n(l->s.ptr + start, end - start));
}

static int lex_name(struct lexer *l)
{
    size_t start = l->at, end = start;
    while (end < l->s.len && is_name_byte(l->s.ptr[end]))
        end++;
    go_to(l, end);
    return add(l, TOKEN_NAME, start, str_n(l->s.ptr + start, end - start));
}

static int lex_string(struct lexer *l)
{
    struct str text;
    size_t start = l->at, end = start + 1;
    char quote = l->s.ptr[start];
    while (end < l->s.len && l->s.ptr[end] != quote)
        end += l->s.ptr[end] == '\\' ? 2 : 1;
    if (end >= l->s.len) return fail(l, start, "a string does not end");
    l->r->at = (uint32_t)start;
    int err = lex_unescape(l->r, str_n(l->s.ptr + start + 1, end - start - 1), &text);
    if (err) return err;
    go_to(l, end + 1);
    return add(l, TOKEN_STRING, start, text);
}

static int keep_balance(struct lexer *l, char c)
{
    if (strchr("([{", c)) {
        if (l->open == BRACKETS_MAX) return run_fail(l->r, ERR_DEPTH, "nested too deeply");
        l->brackets[l->open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (strchr(")]}", c)) {
        if (!l->open || l->brackets[l->open - 1] != c)
            return run_fail(l->r, ERR_SYNTAX, "unexpected '%c'", c);
        l->open--;
    }
    return 0;
}

static int lex_operator(struct lexer *l)
{
    size_t start = l->at;
    l->r->at = (uint32_t)start;
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        if (!looking_at(l, start, operators[i].text)) continue;
        int err = keep_balance(l, operators[i].text[0]);
        if (err) return err;
        go_to(l, start + strlen(operators[i].text));
        return add(l, operators[i].type, start, str_of(operators[i].text));
    }
    return fail(l, start, "unexpected character");
}

static int lex_one(struct lexer *l)
{
    char c = peek(l, 0);
    if (is_digit(c)) return lex_number(l);
    if (is_name_byte(c)) return lex_name(l);
    if (c == '\'' || c == '"') return lex_string(l);
    return lex_operator(l);
}

/* From after a tag's beginning to its end. */
static int lex_tag(struct lexer *l, size_t begin, bool block)
{
    for (int err = 0; !err;) {
        go_to(l, skip_space(l, l->at));
        if (l->at >= l->s.len) break;
        size_t end = l->open ? 0 : end_of_tag(l, l->at, block ? "%}" : "}}", block, block);
        if (end) {
            err = add(l, block ? TOKEN_BLOCK_END : TOKEN_VARIABLE_END, l->at, STR_NULL);
            go_to(l, end);
            return err;
        }
        err = lex_one(l);
        if (err) return err;
    }
    return fail(l, begin, "a tag does not end");
}

static int lex_next(struct lexer *l)
{
    size_t tag = find_tag(l);
    if (tag == l->s.len) {
        int err = add_data(l, tag, '+', false);
        l->at = tag;
        return err;
    }
    char kind = l->s.ptr[tag + 1];
    size_t raw = kind == '%' ? raw_begins(l, tag) : 0;
    char sign = sign_at(l, tag + 2);
    int err = add_data(l, tag, sign, kind != '{');
    if (err) return err;
    if (raw) return lex_raw(l, tag, raw);
    if (kind == '#') return lex_comment(l, tag);
    go_to(l, tag + 2 + (sign != 0));
    err = add(l, kind == '%' ? TOKEN_BLOCK_BEGIN : TOKEN_VARIABLE_BEGIN, tag, STR_NULL);
    return err ? err : lex_tag(l, tag, kind == '%');
}

int lex(struct run *r, struct tokens *out)
{
    struct lexer l = {.r = r, .s = r->source, .line_starts = true, .out = out};
    int err = 0;
    while (!err && l.at < l.s.len)
        err = lex_next(&l);
    return err ? err : add(&l, TOKEN_END, l.s.len, STR_NULL);
}

int lex_normalise(struct run *r, struct str source, struct str *out)
{
    char *copy;
    size_t n = 0;
    int err = run_alloc(r, source.len + 1, 1, &copy);
    if (err) return err;
    for (size_t i = 0; i < source.len; i++) {
        bool first = source.ptr[i] == '\r';
        copy[n++] = first ? '\n' : source.ptr[i];
        if (first && i + 1 < source.len && source.ptr[i + 1] == '\n') i++;
    }
    if (n && copy[n - 1] == '\n') n--;
    *out = str_n(copy, n);
    return 0;
}

struct str lex_describe(const struct token *t)
{
    switch (t->type) {
    case TOKEN_DATA: return STR("template text");
    case TOKEN_VARIABLE_BEGIN: return STR("{{");
    case TOKEN_VARIABLE_END: return STR("}}");
    case TOKEN_BLOCK_BEGIN: return STR("{%");
    case TOKEN_BLOCK_END: return STR("%}");
    case TOKEN_STRING: return STR("a string");
    case TOKEN_END: return STR("the template's end");
    default: return str_sub(t->text, 0, 60);
    }
}
