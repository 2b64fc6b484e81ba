/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/utf8.h"
#include "jinja/dict.h"
#include "jinja/markup.h"
#include "jinja/print.h"
#include "jinja/text.h"

/* How a value is to be written: "%-08.3f", "{:>8,}". */
struct spec {
    char fill, align; /* align 0: by the value's type */
    char sign;        /* '+', ' ' or 0 */
    bool alternate, zero, comma;
    size_t width;
    int precision; /* -1: none */
    char type;     /* 0: none */
};

enum { WIDTH_MAX = 1000000, PRECISION_MAX = 100 };

/* --- writing --- */

static int put_padded(struct run *r, struct sink *s, const struct value *text,
                      const struct spec *spec, char align)
{
    size_t len = text_length(value_str(text));
    size_t missing = spec->width > len ? spec->width - len : 0;
    size_t left = align == '>' ? missing : align == '^' ? missing / 2 : 0;
    int err = sink_fill(r, s, spec->fill, left, value_is_own(r, text));
    if (!err) err = sink_put_text(r, s, text);
    return err ? err : sink_fill(r, s, spec->fill, missing - left, value_is_own(r, text));
}

static int put_string(struct run *r, struct sink *s, const struct value *text,
                      const struct spec *spec)
{
    struct value part = *text;
    if (spec->precision >= 0) {
        size_t end = text_offset(value_str(text), (size_t)spec->precision);
        int err = text_part(r, text, 0, end, &part);
        if (err) return err;
    }
    return put_padded(r, s, &part, spec, spec->align ? spec->align : '<');
}

/* Commas between thousands of the whole part, which begins at `text`. */
static void group_thousands(char *text, size_t room)
{
    size_t whole = strspn(text, "0123456789"), len = strlen(text);
    for (size_t i = whole; i > 3 && len + 2 < room; i -= 3, len++) {
        memmove(text + i - 2, text + i - 3, len - (i - 3) + 1);
        text[i - 3] = ',';
    }
}

/* Sign, then zeros up to the width, then digits. */
static int put_number(struct run *r, struct sink *s, bool negative, char *digits, bool own,
                      const struct spec *spec)
{
    struct sink inner = {0};
    struct value text;
    char sign = negative ? '-' : spec->sign;
    size_t len = strlen(digits) + (sign != 0);
    bool zeros = spec->align == '=' || (spec->zero && !spec->align);
    int err = sign ? sink_fill(r, &inner, sign, 1, own) : 0;
    if (!err && zeros && spec->width > len)
        err = sink_fill(r, &inner, spec->zero ? '0' : spec->fill, spec->width - len, own);
    if (!err) err = sink_put(r, &inner, str_of(digits), own);
    if (!err) err = sink_end(r, &inner, &text);
    if (err) return err;
    return put_padded(r, s, &text, spec, spec->align && spec->align != '=' ? spec->align : '>');
}

static void in_base(uint64_t n, char type, bool alternate, char *room, size_t size)
{
    if (type == 'x')
        snprintf(room, size, "%s%" PRIx64, alternate ? "0x" : "", n);
    else if (type == 'X')
        snprintf(room, size, "%s%" PRIX64, alternate ? "0X" : "", n);
    else if (type == 'o')
        snprintf(room, size, "%s%" PRIo64, alternate ? "0o" : "", n);
    else
        snprintf(room, size, "%" PRIu64, n);
}

static void in_binary(uint64_t n, bool alternate, char *room)
{
    int bits = n ? 64 - __builtin_clzll(n) : 1;
    if (alternate) {
        *room++ = '0';
        *room++ = 'b';
    }
    while (bits--)
        *room++ = (n >> bits & 1) ? '1' : '0';
    *room = 0;
}

static int put_integer(struct run *r, struct sink *s, int64_t n, bool own, const struct spec *spec)
{
    char room[128];
    uint64_t size = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    if (spec->type == 'b')
        in_binary(size, spec->alternate, room);
    else
        in_base(size, spec->type, spec->alternate, room, sizeof room);
    if (spec->comma) group_thousands(room, sizeof room);
    return put_number(r, s, n < 0, room, own, spec);
}

/* repr's digits when neither type nor precision says otherwise. */
static void double_digits(double size, const struct spec *spec, char *room, size_t room_size)
{
    char shortest[PRINT_DOUBLE_ROOM];
    int precision = spec->precision < 0 ? 6 : spec->precision;
    switch (spec->type) {
    case 'e': snprintf(room, room_size, "%.*e", precision, size); return;
    case 'E': snprintf(room, room_size, "%.*E", precision, size); return;
    case 'g':
    case 'n': snprintf(room, room_size, "%.*g", precision, size); return;
    case 'G': snprintf(room, room_size, "%.*G", precision, size); return;
    case '%': snprintf(room, room_size, "%.*f%%", precision, size * 100); return;
    case 0: break;
    default: snprintf(room, room_size, "%.*f", precision, size); return;
    }
    if (spec->precision >= 0)
        snprintf(room, room_size, "%.*g", MAX(precision, 1), size);
    else
        snprintf(room, room_size, "%" STR_FMT, STR_ARG(print_double(size, shortest)));
}

static int put_double(struct run *r, struct sink *s, double real, bool own, const struct spec *spec)
{
    char room[512];
    double_digits(fabs(real), spec, room, sizeof room);
    if (spec->comma) group_thousands(room, sizeof room);
    return put_number(r, s, signbit(real), room, own, spec);
}

/* --- the operator % --- */

struct percent {
    struct run *r;
    const struct value *pattern;
    const struct value *values; /* a tuple's, or the only one */
    size_t count, used;
    const struct dict *dict;
    struct sink out;
    size_t at;
};

static int next_value(struct percent *p, struct value *out)
{
    if (p->used >= p->count) return run_raise(p->r, "not enough arguments for format string");
    *out = p->values[p->used++];
    return 0;
}

static char peek(const struct percent *p)
{
    return p->at < p->pattern->len ? p->pattern->bytes[p->at] : 0;
}

static void read_flags(struct percent *p, struct spec *spec)
{
    for (;; p->at++) {
        switch (peek(p)) {
        case '-': spec->align = '<'; break;
        case '0': spec->zero = true; break;
        case '+': spec->sign = '+'; break;
        case ' ': spec->sign = spec->sign ? spec->sign : ' '; break;
        case '#': spec->alternate = true; break;
        default: return;
        }
    }
}

static int read_count(struct percent *p, int64_t max, int64_t *out)
{
    struct value v = VALUE_MISSING;
    *out = 0;
    if (peek(p) == '*') {
        p->at++;
        int err = next_value(p, &v);
        if (err) return err;
        if (!value_to_int(&v, out)) return run_raise(p->r, "* wants int");
        if (*out > max || *out < -max) return run_raise(p->r, "too wide a field");
        return 0;
    }
    for (char c; (c = peek(p)) >= '0' && c <= '9'; p->at++) {
        *out = *out * 10 + (c - '0');
        if (*out > max) return run_raise(p->r, "too wide a field");
    }
    return 0;
}

static int read_spec(struct percent *p, struct spec *spec)
{
    int64_t number;
    *spec = (struct spec){.fill = ' ', .precision = -1};
    read_flags(p, spec);
    int err = read_count(p, WIDTH_MAX, &number);
    if (err) return err;
    if (number < 0) spec->align = '<';
    spec->width = (size_t)(number < 0 ? -number : number);
    if (peek(p) == '.') {
        p->at++;
        err = read_count(p, PRECISION_MAX, &number);
        spec->precision = (int)MAX(number, 0);
    }
    while (peek(p) == 'l' || peek(p) == 'h' || peek(p) == 'L')
        p->at++;
    spec->type = peek(p);
    p->at++;
    return err;
}

/* "%(name)s" takes the dict's member. */
static int read_name(struct percent *p, struct value *v, bool *named)
{
    *named = peek(p) == '(';
    if (!*named) return 0;
    size_t from = p->at + 1, depth = 0;
    for (; p->at < p->pattern->len; p->at++) {
        if (peek(p) == '(') depth++;
        if (peek(p) == ')' && --depth == 0) break;
    }
    if (p->at >= p->pattern->len) return run_raise(p->r, "incomplete format key");
    if (!p->dict) return run_raise(p->r, "format requires a mapping");
    const struct value *found =
        dict_get(p->r, p->dict, str_n(p->pattern->bytes + from, p->at - from));
    if (!found) return run_raise(p->r, "the format's key is not there");
    p->at++;
    *v = *found;
    return 0;
}

static int put_percent_text(struct percent *p, const struct spec *spec, const struct value *v)
{
    struct sink s = {0};
    struct value text;
    int err = spec->type == 's' ? print_str(p->r, &s, v) : print_repr(p->r, &s, v);
    if (!err) err = sink_end(p->r, &s, &text);
    if (!err && p->pattern->markup && !v->markup) err = markup_escape(p->r, &text, &text);
    if (err) return err;
    struct spec right = *spec;
    right.align = spec->align ? '<' : '>';
    return put_string(p->r, &p->out, &text, &right);
}

static int put_percent_integer(struct percent *p, struct spec *spec, const struct value *v)
{
    int64_t n;
    if (v->kind == KIND_FLOAT && spec->type != 'x' && spec->type != 'X' && spec->type != 'o') {
        if (!(fabs(v->real) < 0x1p63)) return run_raise(p->r, "a float without an integer");
        n = (int64_t)v->real;
    } else if (!value_to_int(v, &n)) {
        return run_raise(p->r, "%%%c format: a real number is required, not %s", spec->type,
                         value_type(v));
    }
    return put_integer(p->r, &p->out, n, v->own, spec);
}

static int put_percent_double(struct percent *p, struct spec *spec, const struct value *v)
{
    double real;
    if (!value_to_double(v, &real))
        return run_raise(p->r, "must be real number, not %s", value_type(v));
    return put_double(p->r, &p->out, real, v->own, spec);
}

static int put_percent_character(struct percent *p, struct spec *spec, const struct value *v)
{
    char bytes[4];
    int64_t code;
    if (value_to_int(v, &code)) {
        if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return run_raise(p->r, "%%c arg not in range(0x110000)");
        struct value text = value_text(str_n(bytes, utf8_encode((uint32_t)code, bytes)), v->own);
        return put_padded(p->r, &p->out, &text, spec, spec->align ? '<' : '>');
    }
    if (v->kind != KIND_TEXT || text_length(value_str(v)) != 1)
        return run_raise(p->r, "%%c requires a character");
    return put_padded(p->r, &p->out, v, spec, spec->align ? '<' : '>');
}

static int put_conversion(struct percent *p, struct spec *spec, const struct value *v)
{
    switch (spec->type) {
    case 's':
    case 'r': return put_percent_text(p, spec, v);
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o': return put_percent_integer(p, spec, v);
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G': return put_percent_double(p, spec, v);
    case 'c': return put_percent_character(p, spec, v);
    default: return run_raise(p->r, "unsupported format character");
    }
}

static int one_percent(struct percent *p)
{
    struct spec spec;
    struct value v = VALUE_MISSING;
    bool named;
    size_t percent = p->at++;
    int err = read_name(p, &v, &named);
    if (!err) err = read_spec(p, &spec);
    if (err) return err;
    if (!spec.type) return run_raise(p->r, "incomplete format");
    if (spec.type == '%') return sink_put_part(p->r, &p->out, p->pattern, percent, percent + 1);
    if (!named) err = next_value(p, &v);
    return err ? err : put_conversion(p, &spec, &v);
}

static int go_through(struct percent *p)
{
    int err = 0;
    while (!err && p->at < p->pattern->len) {
        ptrdiff_t next = text_find(value_str(p->pattern), STR("%"), p->at);
        size_t end = next < 0 ? p->pattern->len : (size_t)next;
        err = sink_put_part(p->r, &p->out, p->pattern, p->at, end);
        p->at = end;
        if (!err && next >= 0) err = one_percent(p);
    }
    return err;
}

int format_percent(struct run *r, const struct value *pattern, const struct value *v,
                   struct value *out)
{
    struct percent p = {.r = r, .pattern = pattern, .values = v, .count = 1};
    if (v->kind == KIND_TUPLE) {
        p.values = v->list->items;
        p.count = v->list->count;
    }
    if (v->kind == KIND_DICT) p.dict = v->dict;
    int err = go_through(&p);
    bool may_be_unused = v->kind == KIND_DICT || v->kind == KIND_LIST || v->kind == KIND_RANGE ||
                         v->kind == KIND_UNDEFINED;
    if (!err && p.used < p.count && !may_be_unused)
        return run_raise(r, "not all arguments converted during string formatting");
    if (!err) err = sink_end(r, &p.out, out);
    if (!err) out->markup = pattern->markup;
    return err;
}

/* --- str.format --- */

struct braces {
    struct run *r;
    const struct value *pattern;
    const struct args *args;
    format_member_fn member;
    size_t automatic; /* number of the next "{}" */
    bool numbered;    /* "{0}" was used */
    struct sink out;
};

static bool is_align(char c)
{
    return c == '<' || c == '>' || c == '^' || c == '=';
}

static struct str read_width(struct str s, int64_t max, int64_t *out)
{
    *out = -1;
    for (; s.len && s.ptr[0] >= '0' && s.ptr[0] <= '9'; s = str_skip(s, 1))
        *out = MIN(MAX(*out, 0) * 10 + (s.ptr[0] - '0'), max + 1);
    return s;
}

static struct str read_marks(struct str s, struct spec *spec)
{
    if (s.len > 1 && is_align(s.ptr[1])) {
        spec->fill = s.ptr[0];
        spec->align = s.ptr[1];
        s = str_skip(s, 2);
    } else if (s.len && is_align(s.ptr[0])) {
        spec->align = s.ptr[0];
        s = str_skip(s, 1);
    }
    if (s.len && (s.ptr[0] == '+' || s.ptr[0] == ' ' || s.ptr[0] == '-')) {
        spec->sign = s.ptr[0] == '-' ? 0 : s.ptr[0];
        s = str_skip(s, 1);
    }
    if (s.len && s.ptr[0] == '#') {
        spec->alternate = true;
        s = str_skip(s, 1);
    }
    return s;
}

static int parse_spec(struct run *r, struct str s, struct spec *spec)
{
    int64_t number;
    *spec = (struct spec){.fill = ' ', .precision = -1};
    s = read_marks(s, spec);
    spec->zero = s.len && s.ptr[0] == '0' && !spec->align;
    s = read_width(s, WIDTH_MAX, &number);
    if (number > WIDTH_MAX) return run_raise(r, "too wide a field");
    spec->width = (size_t)MAX(number, 0);
    if (s.len && s.ptr[0] == ',') {
        spec->comma = true;
        s = str_skip(s, 1);
    }
    if (s.len && s.ptr[0] == '.') {
        s = read_width(str_skip(s, 1), PRECISION_MAX, &number);
        if (number < 0 || number > PRECISION_MAX) return run_raise(r, "bad precision of a format");
        spec->precision = (int)number;
    }
    if (s.len > 1) return run_raise(r, "invalid format specifier");
    spec->type = s.len ? s.ptr[0] : 0;
    return 0;
}

static int put_by_spec(struct run *r, struct sink *s, const struct value *v,
                       const struct spec *spec)
{
    double real;
    struct value text;
    bool integral = v->kind == KIND_INT || (v->kind == KIND_BOOL && spec->type);
    if (integral && (!spec->type || strchr("bdoxXn", spec->type)))
        return put_integer(r, s, v->kind == KIND_INT ? v->integer : v->truth, v->own, spec);
    if ((integral || v->kind == KIND_FLOAT) && (!spec->type || strchr("eEfFgGn%", spec->type))) {
        value_to_double(v, &real);
        return put_double(r, s, real, v->own, spec);
    }
    if (v->kind != KIND_TEXT && v->kind != KIND_BOOL)
        return run_raise(r, "unsupported format string passed to %s", value_type(v));
    if (spec->type && spec->type != 's') return run_raise(r, "unknown format code");
    if (spec->align == '=') return run_raise(r, "'=' alignment not allowed in string format");
    int err = value_to_text(r, v, &text);
    return err ? err : put_string(r, s, &text, spec);
}

static const struct value *argument_by_name(const struct args *args, struct str name)
{
    for (size_t i = 0; i < args->named_count; i++)
        if (str_eq(args->named[i].name, name)) return &args->named[i].value;
    return NULL;
}

static int first_argument(struct braces *b, struct str name, struct value *out)
{
    uint64_t number;
    const struct value *found;
    if (name.len == 0) {
        if (b->numbered)
            return run_raise(b->r, "cannot switch from manual field specification to automatic");
        number = b->automatic++;
    } else if (str_to_u64(name, &number)) {
        found = argument_by_name(b->args, name);
        if (!found) return run_raise(b->r, "the format names an argument that is not there");
        *out = *found;
        return 0;
    } else {
        if (b->automatic)
            return run_raise(b->r, "cannot switch from automatic field numbering to manual");
        b->numbered = true;
    }
    if (number >= b->args->count) return run_raise(b->r, "Replacement index out of range");
    *out = b->args->items[number];
    return 0;
}

static int field_value(struct braces *b, struct str field, struct value *out)
{
    size_t n = 0;
    while (n < field.len && field.ptr[n] != '.' && field.ptr[n] != '[')
        n++;
    int err = first_argument(b, str_n(field.ptr, n), out);
    struct str rest = str_skip(field, n);
    while (!err && rest.len) {
        bool attribute = rest.ptr[0] == '.';
        rest = str_skip(rest, 1);
        for (n = 0; n < rest.len; n++)
            if (attribute ? rest.ptr[n] == '.' || rest.ptr[n] == '[' : rest.ptr[n] == ']') break;
        if (n == 0 || (!attribute && n == rest.len))
            return run_raise(b->r, "bad field of a format");
        struct value v = *out;
        err = b->member(b->r, &v, str_n(rest.ptr, n), attribute, out);
        rest = str_skip(rest, attribute ? n : n + 1);
    }
    return err;
}

static int convert(struct braces *b, char how, struct value *v)
{
    struct sink s = {0};
    if (how == 's') return value_to_text(b->r, v, v);
    if (how != 'r' && how != 'a') return run_raise(b->r, "unknown conversion of a format");
    int err = print_repr(b->r, &s, v);
    return err ? err : sink_end(b->r, &s, v);
}

static int put_value(struct braces *b, struct sink *s, struct str how, const struct value *v)
{
    struct spec spec;
    if (how.len == 0) return print_str(b->r, s, v);
    int err = parse_spec(b->r, how, &spec);
    return err ? err : put_by_spec(b->r, s, v, &spec);
}

static int put_escaped_field(struct braces *b, struct str how, const struct value *v)
{
    struct sink s = {0};
    struct value text;
    int err = put_value(b, &s, how, v);
    if (!err) err = sink_end(b->r, &s, &text);
    if (err) return err;
    return v->markup ? sink_put_text(b->r, &b->out, &text)
                     : markup_put_escaped(b->r, &b->out, &text);
}

/* "name!r:>10" */
static int put_field(struct braces *b, struct str field)
{
    struct value v = VALUE_MISSING;
    ptrdiff_t colon = str_find_char(field, ':');
    struct str how = colon < 0 ? STR("") : str_skip(field, (size_t)colon + 1);
    if (colon >= 0) field.len = (size_t)colon;
    ptrdiff_t bang = str_find_char(field, '!');
    if (str_find_char(how, '{') >= 0)
        return run_fail(b->r, ERR_UNSUPPORTED, "fields within fields of a format");
    int err = field_value(b, bang < 0 ? field : str_n(field.ptr, (size_t)bang), &v);
    if (!err && bang >= 0)
        err = (size_t)bang + 2 == field.len ? convert(b, field.ptr[bang + 1], &v)
                                            : run_raise(b->r, "bad conversion of a format");
    if (err) return err;
    if (b->pattern->markup) return put_escaped_field(b, how, &v);
    return put_value(b, &b->out, how, &v);
}

static int one_brace(struct braces *b, size_t *at)
{
    struct str s = value_str(b->pattern);
    char c = s.ptr[*at];
    if (*at + 1 < s.len && s.ptr[*at + 1] == c) {
        *at += 2;
        return sink_put_part(b->r, &b->out, b->pattern, *at - 1, *at);
    }
    if (c == '}') return run_raise(b->r, "Single '}' encountered in format string");
    size_t depth = 0, end = *at;
    for (; end < s.len; end++) {
        if (s.ptr[end] == '{') depth++;
        if (s.ptr[end] == '}' && --depth == 0) break;
    }
    if (end == s.len) return run_raise(b->r, "expected '}' before end of string");
    struct str field = str_n(s.ptr + *at + 1, end - *at - 1);
    *at = end + 1;
    return put_field(b, field);
}

int format_braces(struct run *r, const struct value *pattern, const struct args *args,
                  format_member_fn member, struct value *out)
{
    struct braces b = {.r = r, .pattern = pattern, .args = args, .member = member};
    struct str s = value_str(pattern);
    int err = 0;
    for (size_t at = 0; !err && at < s.len;) {
        size_t end = at;
        while (end < s.len && s.ptr[end] != '{' && s.ptr[end] != '}')
            end++;
        err = sink_put_part(r, &b.out, pattern, at, end);
        at = end;
        if (!err && at < s.len) err = one_brace(&b, &at);
    }
    return err ? err : sink_end(r, &b.out, out);
}
