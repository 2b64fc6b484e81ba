/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/number.h"

#include <math.h>
#include <stdlib.h>

#include "jinja/dict.h"
#include "jinja/format.h"
#include "jinja/letters.h"
#include "jinja/markup.h"
#include "jinja/text.h"

static const char *const signs[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};

static int unsupported(struct run *r, enum binary op, const struct value *a, const struct value *b)
{
    return run_raise(r, "unsupported operand type(s) for %s: '%s' and '%s'", signs[op],
                     value_type(a), value_type(b));
}

static int too_large(struct run *r)
{
    return run_fail(r, ERR_TOO_LARGE, "an integer beyond 64 bits");
}

static int by_zero(struct run *r)
{
    return run_raise(r, "division by zero");
}

/* --- integers --- */

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static int power(struct run *r, int64_t base, int64_t exponent, int64_t *out)
{
    int64_t result = 1;
    for (uint64_t left = (uint64_t)exponent; left; left >>= 1) {
        if ((left & 1) && __builtin_mul_overflow(result, base, &result)) return too_large(r);
        if (left > 1 && __builtin_mul_overflow(base, base, &base)) return too_large(r);
    }
    *out = result;
    return 0;
}

static int divide(struct run *r, enum binary op, int64_t a, int64_t b, int64_t *out)
{
    if (b == 0) return by_zero(r);
    if (b == -1) {
        if (op == BINARY_FLOOR && a == INT64_MIN) return too_large(r);
        *out = op == BINARY_FLOOR ? -a : 0;
        return 0;
    }
    int64_t q = floor_div(a, b);
    *out = op == BINARY_FLOOR ? q : a - q * b;
    return 0;
}

static int integers(struct run *r, enum binary op, int64_t a, int64_t b, int64_t *out)
{
    bool overflow = false;
    switch (op) {
    case BINARY_ADD: overflow = __builtin_add_overflow(a, b, out); break;
    case BINARY_SUB: overflow = __builtin_sub_overflow(a, b, out); break;
    case BINARY_MUL: overflow = __builtin_mul_overflow(a, b, out); break;
    case BINARY_POW: return power(r, a, b, out);
    default: return divide(r, op, a, b, out);
    }
    return overflow ? too_large(r) : 0;
}

/* --- floats --- */

static double float_mod(double a, double b)
{
    double m = fmod(a, b);
    if (m != 0 && (m < 0) != (b < 0)) return m + b;
    return m == 0 ? copysign(0, b) : m;
}

static double float_floor(double a, double b)
{
    double m = fmod(a, b), q = (a - m) / b;
    if (m != 0 && (m < 0) != (b < 0)) q -= 1;
    if (q == 0) return copysign(0, a / b);
    double whole = floor(q);
    return q - whole > 0.5 ? whole + 1 : whole;
}

static int floats(struct run *r, enum binary op, double a, double b, double *out)
{
    if (b == 0 && (op == BINARY_DIV || op == BINARY_FLOOR || op == BINARY_MOD)) return by_zero(r);
    if (op == BINARY_POW && a == 0 && b < 0) return by_zero(r);
    switch (op) {
    case BINARY_ADD: *out = a + b; break;
    case BINARY_SUB: *out = a - b; break;
    case BINARY_MUL: *out = a * b; break;
    case BINARY_DIV: *out = a / b; break;
    case BINARY_FLOOR: *out = float_floor(a, b); break;
    case BINARY_MOD: *out = float_mod(a, b); break;
    case BINARY_POW: *out = pow(a, b); break;
    }
    if (op == BINARY_POW && isnan(*out) && !isnan(a) && !isnan(b))
        return run_raise(r, "a complex number");
    if (op == BINARY_POW && isinf(*out) && !isinf(a) && !isinf(b))
        return run_raise(r, "the result is too large");
    return 0;
}

static int numbers(struct run *r, enum binary op, const struct value *a, const struct value *b,
                   struct value *out)
{
    int64_t i, j, whole = 0;
    double x, y, real = 0;
    int err;
    if (a->kind == KIND_BIG || b->kind == KIND_BIG) return too_large(r);
    bool own = a->own && b->own;
    bool whole_ones = value_to_int(a, &i) && value_to_int(b, &j);
    if (whole_ones && op != BINARY_DIV && !(op == BINARY_POW && j < 0)) {
        err = integers(r, op, i, j, &whole);
        *out = value_int(whole);
    } else {
        if (!value_to_double(a, &x) || !value_to_double(b, &y)) return unsupported(r, op, a, b);
        err = floats(r, op, x, y, &real);
        *out = value_float(real);
    }
    out->own = own;
    return err;
}

/* --- sequences --- */

static int repeat_text(struct run *r, const struct value *text, size_t times, struct value *out)
{
    struct sink s = {0};
    int err = 0;
    if (text->len == 0) times = 0;
    for (size_t i = 0; !err && i < times; i++) {
        err = run_charge(r, 1);
        if (!err) err = sink_put_text(r, &s, text);
    }
    if (!err) err = sink_end(r, &s, out);
    if (!err) out->markup = text->markup;
    return err;
}

static int repeat_list(struct run *r, const struct value *v, size_t times, struct value *out)
{
    size_t count = v->list->count, total;
    if (__builtin_mul_overflow(count, times, &total))
        return run_fail(r, ERR_TOO_LARGE, "too long a list");
    int err = run_charge(r, total / 8);
    if (!err) err = list_new(r, v->kind, total, out);
    for (size_t i = 0; !err && i < total; i++)
        out->list->items[i] = v->list->items[i % count];
    return err;
}

static int repeat(struct run *r, const struct value *v, int64_t times, struct value *out)
{
    size_t n = times > 0 ? (size_t)times : 0;
    return v->kind == KIND_TEXT ? repeat_text(r, v, n, out) : repeat_list(r, v, n, out);
}

static int join_lists(struct run *r, const struct value *a, const struct value *b,
                      struct value *out)
{
    size_t n = a->list->count, m = b->list->count;
    int err = run_charge(r, (n + m) / 8);
    if (!err) err = list_new(r, a->kind, n + m, out);
    if (err) return err;
    if (n) memcpy(out->list->items, a->list->items, n * sizeof *out);
    if (m) memcpy(out->list->items + n, b->list->items, m * sizeof *out);
    return 0;
}

static bool can_repeat(const struct value *v)
{
    return v->kind == KIND_TEXT || value_is_sequence(v);
}

static int undefined_operand(struct run *r, const struct value *v)
{
    if (v->len) return run_raise(r, "'%.*s' is undefined", (int)MIN(v->len, 150U), v->bytes);
    return run_raise(r, "the value is undefined");
}

int number_binary(struct run *r, enum binary op, const struct value *a, const struct value *b,
                  struct value *out)
{
    int64_t times;
    if (op == BINARY_MOD && a->kind == KIND_TEXT) return format_percent(r, a, b, out);
    if (value_is_number(a) && value_is_number(b)) return numbers(r, op, a, b, out);
    if (a->kind == KIND_UNDEFINED) return undefined_operand(r, a);
    if (b->kind == KIND_UNDEFINED) return undefined_operand(r, b);
    if (op == BINARY_ADD && a->kind == b->kind) {
        if (a->kind == KIND_TEXT) return markup_add(r, a, b, out);
        if (value_is_sequence(a)) return join_lists(r, a, b, out);
    }
    if (op == BINARY_MUL && can_repeat(a) && value_to_int(b, &times))
        return repeat(r, a, times, out);
    if (op == BINARY_MUL && can_repeat(b) && value_to_int(a, &times))
        return repeat(r, b, times, out);
    return unsupported(r, op, a, b);
}

int number_negate(struct run *r, const struct value *v, struct value *out)
{
    int64_t i;
    if (v->kind == KIND_UNDEFINED) return undefined_operand(r, v);
    if (v->kind == KIND_FLOAT) {
        *out = value_float(-v->real);
    } else if (value_to_int(v, &i)) {
        if (i == INT64_MIN) return too_large(r);
        *out = value_int(-i);
    } else {
        return run_raise(r, "bad operand type for unary -: '%s'", value_type(v));
    }
    out->own = v->own;
    return 0;
}

/* --- order --- */

static int order_numbers(struct run *r, const struct value *a, const struct value *b, int *out)
{
    int64_t i, j;
    double x, y;
    if (value_to_int(a, &i) && value_to_int(b, &j)) {
        *out = (i > j) - (i < j);
        return 0;
    }
    if (!value_to_double(a, &x) || !value_to_double(b, &y)) return too_large(r);
    *out = (x > y) - (x < y);
    return 0;
}

static int no_order(struct run *r, const struct value *a, const struct value *b)
{
    if (a->kind == KIND_UNDEFINED) return undefined_operand(r, a);
    if (b->kind == KIND_UNDEFINED) return undefined_operand(r, b);
    return run_raise(r, "'<' not supported between instances of '%s' and '%s'", value_type(a),
                     value_type(b));
}

static int order_within(struct run *r, const struct value *a, const struct value *b, unsigned depth,
                        int *out);

static int order_lists(struct run *r, const struct list *a, const struct list *b, unsigned depth,
                       int *out)
{
    for (size_t i = 0; i < a->count && i < b->count; i++)
        if (!value_equal(r, &a->items[i], &b->items[i]))
            return order_within(r, &a->items[i], &b->items[i], depth, out);
    *out = (a->count > b->count) - (a->count < b->count);
    return 0;
}

static int order_within(struct run *r, const struct value *a, const struct value *b, unsigned depth,
                        int *out)
{
    int err = run_charge(r, 1);
    if (err) return err;
    if (depth > VALUE_DEPTH_MAX) return run_fail(r, ERR_DEPTH, "values are nested too deeply");
    if (value_is_number(a) && value_is_number(b)) return order_numbers(r, a, b, out);
    if (a->kind != b->kind) return no_order(r, a, b);
    if (value_is_sequence(a)) return order_lists(r, a->list, b->list, depth + 1, out);
    if (a->kind != KIND_TEXT) return no_order(r, a, b);
    *out = text_order(a, b);
    return run_charge_bytes(r, MIN(a->len, b->len));
}

int value_order(struct run *r, const struct value *a, const struct value *b, int *out)
{
    return order_within(r, a, b, 0, out);
}

/* --- texts --- */

enum { NUMBER_TEXT_MAX = 400 };

/* The text without blanks at its ends and without the underscores between its digits. */
static bool plain_digits(struct str s, char room[NUMBER_TEXT_MAX])
{
    size_t n = 0;
    while (s.len && letter_is_space((unsigned char)s.ptr[0]))
        s = str_skip(s, 1);
    while (s.len && letter_is_space((unsigned char)s.ptr[s.len - 1]))
        s.len--;
    if (s.len == 0 || s.len >= NUMBER_TEXT_MAX) return false;
    for (size_t i = 0; i < s.len; i++) {
        bool between = i && i + 1 < s.len && s.ptr[i - 1] != '_' && s.ptr[i + 1] != '_';
        if (s.ptr[i] == '_' && !between) return false;
        if (s.ptr[i] != '_') room[n++] = s.ptr[i];
        if (s.ptr[i] == 0 || (unsigned char)s.ptr[i] >= 0x80) return false;
    }
    room[n] = 0;
    return true;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* The base that a prefix names, 0: none. */
static int prefix_base(const char *text)
{
    if (text[0] != '0') return 0;
    switch (text[1] | 0x20) {
    case 'x': return 16;
    case 'o': return 8;
    case 'b': return 2;
    default: return 0;
    }
}

static int read_digits(struct run *r, const char *text, int base, bool negative, struct value *out)
{
    int64_t n = 0;
    for (; *text; text++) {
        int digit = digit_of(*text);
        if (digit >= base) return NUMBER_NONE;
        if (__builtin_mul_overflow(n, base, &n) || __builtin_sub_overflow(n, digit, &n))
            return too_large(r);
    }
    if (!negative && n == INT64_MIN) return too_large(r);
    *out = value_int(negative ? n : -n);
    return 0;
}

int number_of_text(struct run *r, struct str s, int base, struct value *out)
{
    char room[NUMBER_TEXT_MAX];
    if (!plain_digits(s, room)) return NUMBER_NONE;
    const char *text = room;
    bool negative = *text == '-';
    text += *text == '-' || *text == '+';
    int named = prefix_base(text);
    if (named && (base == 0 || base == named)) {
        text += 2;
        base = named;
    }
    if (base == 0 && text[0] == '0' && strspn(text, "0") != strlen(text)) return NUMBER_NONE;
    if (!*text) return NUMBER_NONE;
    return read_digits(r, text, base ? base : 10, negative, out);
}

bool number_float_of_text(struct str s, double *out)
{
    char room[NUMBER_TEXT_MAX], *end;
    if (!plain_digits(s, room)) return false;
    if (strpbrk(room, "xXpP(")) return false; /* C's hexadecimal ones are none of Python's */
    *out = strtod(room, &end);
    return !*end;
}

int number_truncate(struct run *r, double real, struct value *out)
{
    if (isnan(real)) return run_raise(r, "cannot convert float NaN to integer");
    if (isinf(real)) return run_raise(r, "cannot convert float infinity to integer");
    if (!(real > -0x1p63 && real < 0x1p63)) return too_large(r);
    *out = value_int((int64_t)real);
    return 0;
}
