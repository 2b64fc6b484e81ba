/* SPDX-License-Identifier: Apache-2.0 */
/* A validator for RFC 8259 with a bit per open level instead of recursion, and an eye
 * on the outermost members.
 *
 *   WANT_VALUE --"[" "{"--> WANT_VALUE / WANT_KEY --key ":"--> WANT_VALUE
 *       `--scalar, "]", "}"--> WANT_NEXT --","--> WANT_VALUE / WANT_KEY
 *                                  `--outermost closed--> FINISHED */
#include "json/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "json/json_priv.h"

enum step { WANT_VALUE, WANT_KEY, WANT_NEXT, FINISHED, FAILED };

struct scanner {
    const unsigned char *p; /* next byte */
    const unsigned char *end;
    const unsigned char *begin;
    uint64_t objects; /* a bit per open level, the innermost lowest: it is an object */
    unsigned depth;   /* open levels */
    const struct str *names;
    size_t count;
    struct json_span *spans; /* one per name */
    /* The span for the value that is being read; NULL: nobody asked for it. */
    struct json_span *current;
    int err;
    struct json_error error;
};

RARE static bool fail(struct scanner *s, int err, const unsigned char *at, const char *text)
{
    s->err = err;
    s->error = (struct json_error){(size_t)(at - s->begin), text};
    return false;
}

RARE static enum step refuse(struct scanner *s, const char *text)
{
    fail(s, ERR_SYNTAX, s->p, s->p == s->end ? "the text ends too early" : text);
    return FAILED;
}

static inline void skip_blanks(struct scanner *s)
{
    const unsigned char *p = s->p;
    while (p < s->end && *p <= ' ' && json_is_blank(*p))
        p++;
    s->p = p;
}

/* The value of a hexadecimal digit, or -1. */
static int hex_digit(unsigned char c)
{
    if (json__is_digit(c)) return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number in the four digits at p, or -1. */
static int32_t hex4(const unsigned char *p, const unsigned char *end)
{
    int32_t value = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool is_high(int32_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(int32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* The code point of the \uXXXX at *p, or of two of them for one beyond U+FFFF; *p goes behind it.
 * -1: the digits are missing. A surrogate without its partner is returned as it is. */
static int32_t take_unicode(const unsigned char **p, const unsigned char *end)
{
    const unsigned char *at = *p;
    int32_t unit = hex4(at + 2, end);
    if (unit < 0) return -1;
    *p = at += 6;
    if (!is_high(unit) || end - at < 6 || at[0] != '\\' || at[1] != 'u') return unit;
    int32_t low = hex4(at + 2, end);
    if (!is_low(low)) return unit;
    *p = at + 6;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

int json__mend(struct arena *arena, struct str text, struct str *out)
{
    const char *p = text.ptr, *end = p + text.len;
    char *copy = NULL;
    *out = text;
    while (p < end && (p = memchr(p, '\\', (size_t)(end - p))) && end - p >= 2) {
        const char *at = p;
        const unsigned char *behind = (const unsigned char *)at;
        int32_t code = at[1] == 'u' ? take_unicode(&behind, (const unsigned char *)end) : -1;
        p = code < 0 ? at + 2 : (const char *)behind;
        if (!is_high(code) && !is_low(code)) continue;
        if (!copy) {
            copy = arena_try(arena, text.len);
            if (!copy) return -ENOMEM;
            memcpy(copy, text.ptr, text.len);
            *out = str_n(copy, text.len);
        }
        memcpy(copy + (at - text.ptr), "\\ufffd", 6);
    }
    return 0;
}

static bool scan_unicode(struct scanner *s)
{
    const unsigned char *at = s->p;
    int32_t code = take_unicode(&s->p, s->end);
    if (code < 0) return fail(s, ERR_SYNTAX, at, "\\u needs four hexadecimal digits");
    return true;
}

static bool is_letter_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return true;
    default: return false;
    }
}

static inline bool scan_escape(struct scanner *s)
{
    if (s->end - s->p < 2) return fail(s, ERR_SYNTAX, s->end, "the text ends within a string");
    if (s->p[1] == 'u') return scan_unicode(s);
    if (!is_letter_escape(s->p[1])) return fail(s, ERR_SYNTAX, s->p, "no such escape");
    s->p += 2;
    return true;
}

static inline bool continues(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* A run of characters beyond ASCII. The common ones of two and three
 * bytes have a short way each. */
static inline bool scan_wide(struct scanner *s)
{
    const unsigned char *p = s->p, *end = s->end;
    while (p < end && *p >= 0x80) {
        if (end - p >= 3 && p[0] >= 0xe1 && p[0] <= 0xec && continues(p[1]) && continues(p[2])) {
            p += 3;
            continue;
        }
        int n = utf8_step(p, end);
        if (n < 0) return fail(s, ERR_UTF8, p, "not valid UTF-8");
        p += n;
        /* A single blank between words. */
        if (end - p >= 2 && *p == ' ' && p[1] >= 0x80) p++;
    }
    s->p = p;
    return true;
}

/* Goes on within a string that is not plain to its end. */
static bool scan_rest(struct scanner *s)
{
    for (;; s->p = json__plain_end(s->p, s->end)) {
        if (s->p == s->end) return fail(s, ERR_SYNTAX, s->p, "the text ends within a string");
        if (*s->p == '"') break;
        if (*s->p == '\\') {
            if (!scan_escape(s)) return false;
        } else if (*s->p < ' ') {
            return fail(s, ERR_SYNTAX, s->p, "a control character in a string");
        } else if (!scan_wide(s)) {
            return false;
        }
    }
    s->p++;
    return true;
}

/* p is at the opening quote, afterwards behind the closing one. False: not plain to its end, to
 * which scan_rest goes on. */
static inline bool scan_plain(struct scanner *s)
{
    s->p = json__plain_end(s->p + 1, s->end);
    if (s->p == s->end || *s->p != '"') return false;
    s->p++;
    return true;
}

static inline bool scan_string(struct scanner *s)
{
    return scan_plain(s) || scan_rest(s);
}

static bool scan_digits(struct scanner *s)
{
    const unsigned char *p = s->p;
    while (p < s->end && json__is_digit(*p))
        p++;
    bool any = p > s->p;
    s->p = p;
    return any || fail(s, ERR_SYNTAX, p, "a digit is missing");
}

static bool scan_number(struct scanner *s)
{
    if (*s->p == '-') s->p++;
    bool zero = s->p < s->end && *s->p == '0';
    const unsigned char *first = s->p;
    if (!scan_digits(s)) return false;
    if (zero && s->p - first > 1) return fail(s, ERR_SYNTAX, first, "a number with a leading zero");
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!scan_digits(s)) return false;
    }
    if (s->p < s->end && (*s->p | 0x20) == 'e') {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-')) s->p++;
        if (!scan_digits(s)) return false;
    }
    return true;
}

static bool scan_word(struct scanner *s, struct str word)
{
    if ((size_t)(s->end - s->p) < word.len || memcmp(s->p, word.ptr, word.len) != 0)
        return fail(s, ERR_SYNTAX, s->p, "no such word");
    s->p += word.len;
    return true;
}

/* Reads the escape at *p of a string that was validated; the bytes it stands for, 1..4, go to out.
 * 0: half a surrogate pair, which stands for nothing. */
static size_t unescape(const unsigned char **p, const unsigned char *end, char out[4])
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    const unsigned char *at = *p;
    if (at[1] == 'u') {
        int32_t code = take_unicode(p, end);
        return is_high(code) || is_low(code) ? 0 : utf8_encode((uint32_t)code, out);
    }
    const char *letter = strchr(letters, at[1]);
    out[0] = letter ? meanings[letter - letters] : (char)at[1];
    *p = at + 2;
    return 1;
}

/* The next character of a validated string, unescaped. Returns its bytes in
 * out, 0..4 as unescape does. */
static size_t take_char(const unsigned char **p, const unsigned char *end, char out[4])
{
    if (**p == '\\') return unescape(p, end, out);
    size_t n = (size_t)utf8_step(*p, end);
    memcpy(out, *p, n);
    *p += n;
    return n;
}

/* The small ASCII letter for which a character stands where case is ignored, itself for other
 * ASCII, 0 for the rest. Beyond Unicode's simple folding (long s, Kelvin sign) some libraries take
 * a dotted or dotless i for i. */
static char folded(struct str c)
{
    static const struct {
        struct str from;
        char to;
    } wide[] = {{STR_INIT("\u017f"), 's'},
                {STR_INIT("\u212a"), 'k'},
                {STR_INIT("\u0130"), 'i'},
                {STR_INIT("\u0131"), 'i'}};
    if (c.len == 1 && c.ptr[0] >= 'A' && c.ptr[0] <= 'Z') return (char)(c.ptr[0] | 0x20);
    if (c.len == 1) return c.ptr[0];
    for (size_t i = 0; i < ARRAY_LEN(wide); i++)
        if (str_eq(c, wide[i].from)) return wide[i].to;
    return 0;
}

enum likeness { DIFFERENT, FOLDED, SAME };

/* Compares a validated string (without its quotes) with a name, character by character. */
static enum likeness compare_slowly(struct str raw, struct str name)
{
    const unsigned char *p = (const unsigned char *)raw.ptr, *end = p + raw.len;
    enum likeness best = SAME;
    while (p < end) {
        char bytes[4];
        struct str c = str_n(bytes, take_char(&p, end, bytes));
        if (c.len == 0 || name.len == 0) return DIFFERENT;
        if (!str_starts(name, c)) {
            if (folded(c) == 0 || folded(c) != folded(str_n(name.ptr, 1))) return DIFFERENT;
            best = FOLDED;
            c.len = 1;
        }
        name = str_skip(name, c.len);
    }
    return name.len == 0 ? best : DIFFERENT;
}

static enum likeness compare_plain(struct str raw, struct str name)
{
    if (str_eq(raw, name)) return SAME;
    return str_eq_nocase(raw, name) ? FOLDED : DIFFERENT;
}

/* Takes note of an outermost member's name, which stands in quotes from `open` to p. `plain`: it
 * has neither escapes nor characters beyond ASCII, so what is like it has its length. */
static bool note_key(struct scanner *s, const unsigned char *open, bool plain)
{
    struct str key = str_n((const char *)open + 1, (size_t)(s->p - open) - 2);
    for (size_t i = 0; i < s->count; i++) {
        if (plain && key.len != s->names[i].len) continue;
        enum likeness like =
            plain ? compare_plain(key, s->names[i]) : compare_slowly(key, s->names[i]);
        if (like == DIFFERENT) continue;
        s->spans[i].alike |= !plain || like == FOLDED;
        if (like == FOLDED) continue;
        if (s->spans[i].type != JSON_NONE) return fail(s, ERR_DUPLICATE, open, s->names[i].ptr);
        s->current = &s->spans[i];
        break;
    }
    return true;
}

static enum step open_level(struct scanner *s, bool object)
{
    if (s->depth == JSON_MAX_DEPTH) {
        fail(s, ERR_DEPTH, s->p, "nested too deeply");
        return FAILED;
    }
    s->objects = s->objects << 1 | object;
    s->depth++;
    s->p++;
    skip_blanks(s);
    if (s->p < s->end && *s->p == (object ? '}' : ']')) return WANT_NEXT;
    return object ? WANT_KEY : WANT_VALUE;
}

static enum step step_key(struct scanner *s)
{
    skip_blanks(s);
    const unsigned char *open = s->p;
    if (open == s->end || *open != '"') return refuse(s, "a member's name is missing");
    bool plain = scan_plain(s);
    if (!plain && !scan_rest(s)) return FAILED;
    if (s->depth == 1 && s->count && !note_key(s, open, plain)) return FAILED;
    skip_blanks(s);
    if (s->p == s->end || *s->p != ':') return refuse(s, "a colon is missing");
    s->p++;
    return WANT_VALUE;
}

static enum step step_value(struct scanner *s)
{
    skip_blanks(s);
    if (s->p == s->end) return refuse(s, "");
    enum json_type type = json__type_by_first(*s->p);
    if (s->depth == 1 && s->current) {
        s->current->type = type;
        s->current->raw = str_n((const char *)s->p, 0);
    }
    bool ok = false;
    switch (type) {
    case JSON_OBJECT: return open_level(s, true);
    case JSON_ARRAY: return open_level(s, false);
    case JSON_STRING: ok = scan_string(s); break;
    case JSON_NUMBER: ok = scan_number(s); break;
    case JSON_NULL: ok = scan_word(s, STR("null")); break;
    case JSON_BOOL: ok = scan_word(s, *s->p == 't' ? STR("true") : STR("false")); break;
    case JSON_NONE: return refuse(s, "a value is missing");
    }
    return ok ? WANT_NEXT : FAILED;
}

/* Behind a value, or at the bracket that closes an empty level. */
static enum step step_next(struct scanner *s)
{
    for (;;) {
        if (s->depth == 0) return FINISHED;
        if (s->depth == 1 && s->current) {
            s->current->raw.len = (size_t)((const char *)s->p - s->current->raw.ptr);
            s->current = NULL;
        }
        skip_blanks(s);
        if (s->p == s->end) return refuse(s, "");
        bool object = s->objects & 1;
        if (*s->p == ',') {
            s->p++;
            return object ? WANT_KEY : WANT_VALUE;
        }
        if (*s->p != (object ? '}' : ']'))
            return refuse(s, "a comma or a closing bracket is missing");
        s->p++;
        s->objects >>= 1;
        s->depth--;
    }
}

static int scan(struct scanner *s, struct json_error *error)
{
    enum step step = WANT_VALUE;
    while (step < FINISHED) {
        switch (step) {
        case WANT_KEY: step = step_key(s); break;
        case WANT_VALUE: step = step_value(s); break;
        default: step = step_next(s); break;
        }
    }
    skip_blanks(s);
    if (step == FINISHED && s->p < s->end) refuse(s, "more text after the value");
    if (s->err && error) *error = s->error;
    return s->err;
}

static struct scanner scanner_of(struct str text)
{
    const unsigned char *p = (const unsigned char *)(text.ptr ? text.ptr : "");
    return (struct scanner){.p = p, .begin = p, .end = p + text.len};
}

int json__check(struct str text, struct json_error *error)
{
    struct scanner s = scanner_of(text);
    return scan(&s, error);
}

bool json__string_is(struct str quoted, struct str text)
{
    struct scanner s = scanner_of(quoted);
    return quoted.len > 1 && scan_string(&s) && s.p == s.end &&
           compare_slowly(str_n(quoted.ptr + 1, quoted.len - 2), text) == SAME;
}

int json_scan(struct str text, const struct str *names, size_t count, struct json_span *spans,
              struct json_error *error)
{
    struct scanner s = scanner_of(text);
    s.names = names;
    s.count = count;
    s.spans = spans;
    for (size_t i = 0; i < count; i++)
        spans[i] = (struct json_span){.type = JSON_NONE};
    skip_blanks(&s);
    if (s.p < s.end && *s.p != '{' && json__type_by_first(*s.p) != JSON_NONE) {
        fail(&s, ERR_TYPE, s.p, "not an object");
        if (error) *error = s.error;
        return s.err;
    }
    return scan(&s, error);
}

int json_scan_span(const struct json_span *object, const struct str *names, size_t count,
                   struct json_span *spans, struct json_error *error)
{
    if (object->type != JSON_OBJECT) {
        if (error) *error = (struct json_error){0, "not an object"};
        return ERR_TYPE;
    }
    return json_scan(object->raw, names, count, spans, error);
}

int json_span_str(const struct json_span *span, struct arena *arena, struct str *out)
{
    if (span->type != JSON_STRING) return ERR_TYPE;
    struct str inner = str_n(span->raw.ptr + 1, span->raw.len - 2);
    if (str_find_char(inner, '\\') < 0) {
        *out = inner;
        return 0;
    }
    char *copy = arena_try(arena, inner.len);
    if (!copy) return -ENOMEM;
    size_t len = 0;
    const unsigned char *p = (const unsigned char *)inner.ptr, *end = p + inner.len;
    while (p < end) {
        size_t n = take_char(&p, end, copy + len);
        if (n == 0) return ERR_SYNTAX;
        len += n;
    }
    *out = str_n(copy, len);
    return 0;
}

bool json_span_bool(const struct json_span *span, bool *out)
{
    if (span->type != JSON_BOOL) return false;
    *out = span->raw.ptr[0] == 't';
    return true;
}

static bool is_real(struct str number)
{
    for (size_t i = 0; i < number.len; i++)
        if (number.ptr[i] == '.' || (number.ptr[i] | 0x20) == 'e') return true;
    return false;
}

bool json_span_i64(const struct json_span *span, int64_t *out)
{
    if (span->type != JSON_NUMBER) return false;
    if (!is_real(span->raw)) return str_to_i64(span->raw, out) == 0;
    /* Within an object some byte that belongs to no number follows: strtod stops there. */
    return json__whole(strtod(span->raw.ptr, NULL), out);
}
