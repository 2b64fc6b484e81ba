/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/numbers.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "json/write.h"

enum { DIGITS_MAX = 400 }; /* a double's, with its zeros */

/* --- decimals --- */

static struct str without_front_zeros(struct str digits)
{
    while (digits.len > 1 && digits.ptr[0] == '0')
        digits = str_skip(digits, 1);
    return digits;
}

static struct str without_end_zeros(struct str digits)
{
    while (digits.len && digits.ptr[digits.len - 1] == '0')
        digits.len--;
    return digits;
}

/* Digits with the point moved: `point` of them are whole, or that many zeros are missing. */
static int place_point(struct arena *arena, struct str digits, long point, struct decimal *out)
{
    long before = point < 0 ? -point : 0;
    long behind = MAX(point - (long)digits.len, 0);
    if (before > DIGITS_MAX || behind > DIGITS_MAX) return ERR_INVALID;
    size_t len = (size_t)before + digits.len + (size_t)behind;
    char *all = arena_try(arena, len + 1);
    if (!all) return -ENOMEM;
    memset(all, '0', len + 1);
    memcpy(all + before, digits.ptr, digits.len);
    size_t whole = (size_t)MAX(point, 0);
    out->whole = whole ? without_front_zeros(str_n(all, whole)) : STR("0");
    out->fraction = without_end_zeros(str_n(all + whole, len - whole));
    return 0;
}

/* A number as JSON writes it. */
static int parse(struct arena *arena, struct str text, struct decimal *out)
{
    char digits[DIGITS_MAX];
    size_t count = 0, i = 0;
    long point = -1, exponent = 0;
    bool negative = text.len && text.ptr[0] == '-';
    for (i = negative; i < text.len && (text.ptr[i] | 0x20) != 'e'; i++) {
        if (count == sizeof digits) return ERR_INVALID;
        if (text.ptr[i] == '.')
            point = (long)count;
        else
            digits[count++] = text.ptr[i];
    }
    if (i < text.len) exponent = strtol(text.ptr + i + 1, NULL, 10);
    if (point < 0) point = (long)count;
    if (exponent > DIGITS_MAX || exponent < -DIGITS_MAX) return ERR_INVALID;
    int err = place_point(arena, str_n(digits, count), point + exponent, out);
    out->negative = false;
    if (!err) out->negative = negative && !decimal_is_zero(out);
    return err;
}

int decimal_of(struct arena *arena, const struct json *v, struct decimal *out)
{
    struct json_writer w;
    struct buf text;
    if (json_type(v) != JSON_NUMBER) return ERR_INVALID;
    buf_init(&text, DIGITS_MAX);
    json_write_init(&w, &text);
    json_write_json(&w, v);
    int err = json_write_end(&w);
    if (!err && buf_str(&text).ptr[0] == 'n') err = ERR_INVALID;
    char zero = 0;
    if (!err) err = buf_append(&text, str_n(&zero, 1));
    if (!err) err = parse(arena, str_n(buf_str(&text).ptr, buf_len(&text) - 1), out);
    buf_fini(&text);
    return err;
}

bool decimal_is_whole(const struct decimal *d)
{
    return !d->fraction.len;
}

bool decimal_is_zero(const struct decimal *d)
{
    return decimal_is_whole(d) && str_eq(d->whole, STR("0"));
}

static int compare_sizes(const struct decimal *a, const struct decimal *b)
{
    if (a->whole.len != b->whole.len) return a->whole.len < b->whole.len ? -1 : 1;
    int way = str_cmp(a->whole, b->whole);
    if (!way) way = str_cmp(a->fraction, b->fraction);
    return way < 0 ? -1 : way > 0;
}

int decimal_compare(const struct decimal *a, const struct decimal *b)
{
    if (a->negative != b->negative) return a->negative ? -1 : 1;
    return a->negative ? -compare_sizes(a, b) : compare_sizes(a, b);
}

/* The whole number behind d's in size. */
static struct str one_more(struct arena *arena, struct str whole)
{
    char *out = arena_try(arena, whole.len + 1);
    if (!out) return STR_NULL;
    size_t i = whole.len;
    memcpy(out + 1, whole.ptr, whole.len);
    out[0] = '0';
    for (; out[i] == '9'; i--)
        out[i] = '0';
    out[i]++;
    return without_front_zeros(str_n(out, whole.len + 1));
}

static struct decimal whole_of(struct arena *arena, const struct decimal *d, bool away)
{
    struct decimal out = {.negative = d->negative, .whole = d->whole};
    if (!decimal_is_whole(d) && away) out.whole = one_more(arena, d->whole);
    if (str_eq(out.whole, STR("0"))) out.negative = false;
    return out;
}

struct decimal decimal_ceiling(struct arena *arena, const struct decimal *d)
{
    return whole_of(arena, d, !d->negative);
}

struct decimal decimal_floor(struct arena *arena, const struct decimal *d)
{
    return whole_of(arena, d, d->negative);
}

struct str decimal_text(struct arena *arena, const struct decimal *d)
{
    struct str out = arena_try_cat(arena, d->negative ? STR("-") : STR(""), d->whole);
    if (!out.ptr || decimal_is_whole(d)) return out;
    out = arena_try_cat(arena, out, STR("."));
    return out.ptr ? arena_try_cat(arena, out, d->fraction) : out;
}

/* --- their digits --- */

static term digits(struct terms *t, uint32_t least, uint32_t most)
{
    return term_repeat(t, term_range(t, '0', '9'), least, most);
}

static term minus(struct terms *t)
{
    return term_byte(t, '-');
}

static term any_fraction(struct terms *t, uint32_t places)
{
    if (!places) return TERM_EMPTY;
    return term_optional(t, term_cat(t, term_byte(t, '.'), digits(t, 1, places)));
}

/* Whole numbers of `least` to `most` digits; zero has one. */
static term wholes(struct terms *t, uint32_t least, uint32_t most)
{
    if (most == 0 || least > most) return TERM_NONE;
    uint32_t more = most == TERM_ANY_NUMBER ? most : most - 1;
    term out = term_cat(t, term_range(t, '1', '9'), digits(t, MAX(least, 1) - 1, more));
    return least <= 1 ? term_or(t, out, term_byte(t, '0')) : out;
}

/* Numbers that are at most, or at least, as large as `at`; signs left aside. */
struct side {
    const struct decimal *at;
    bool least;  /* at least */
    bool strict; /* and not the same */
    uint32_t places;
};

/* One digit that decides, at a place where the bound has `digit`. */
static term decides(struct terms *t, const struct side *s, char digit, bool front)
{
    char first = s->least ? (char)(digit + 1) : (front ? '1' : '0');
    char last = s->least ? '9' : (char)(digit - 1);
    return first <= last ? term_range(t, (unsigned char)first, (unsigned char)last) : TERM_NONE;
}

static uint32_t fewer(uint32_t places, size_t used)
{
    return places == TERM_ANY_NUMBER ? places : places - (uint32_t)MIN(used, places);
}

/* What may follow all digits of the bound's fraction; `least` of them at least. */
static term behind_fraction(struct terms *t, const struct side *s, uint32_t least)
{
    uint32_t places = fewer(s->places, s->at->fraction.len);
    term zeros = term_repeat(t, term_byte(t, '0'), 0, TERM_ANY_NUMBER);
    if (places < least) return TERM_NONE;
    if (!s->least && s->strict) return TERM_NONE;
    if (!s->least) return term_repeat(t, term_byte(t, '0'), least, places);
    if (!s->strict) return digits(t, least, places);
    return term_and(t, digits(t, least, places), term_not(t, zeros));
}

/* Behind the point. */
static term fraction_digits(struct terms *t, const struct side *s)
{
    struct str f = s->at->fraction;
    term out = behind_fraction(t, s, f.len ? 0 : 1);
    for (size_t i = f.len; i-- > 0;) {
        uint32_t places = fewer(s->places, i);
        if (!s->least && i + 1 < f.len) out = term_optional(t, out);
        if (!places) out = TERM_NONE;
        if (!places) continue;
        term other = term_cat(t, decides(t, s, f.ptr[i], false), digits(t, 0, fewer(places, 1)));
        out = term_or(t, other, term_cat(t, term_byte(t, (unsigned char)f.ptr[i]), out));
    }
    return out;
}

/* Once all whole digits are the bound's. */
static term fraction_side(struct terms *t, const struct side *s)
{
    bool has = s->at->fraction.len > 0;
    bool none = s->least ? !has && !s->strict : has || !s->strict;
    term out = s->places ? term_cat(t, term_byte(t, '.'), fraction_digits(t, s)) : TERM_NONE;
    return none ? term_optional(t, out) : out;
}

static term side(struct terms *t, const struct side *s)
{
    struct str w = s->at->whole;
    uint32_t len = (uint32_t)w.len;
    term fraction = any_fraction(t, s->places), out = fraction_side(t, s);
    for (uint32_t i = len; i-- > 0;) {
        term rest = term_cat(t, digits(t, len - 1 - i, len - 1 - i), fraction);
        term other = term_cat(t, decides(t, s, w.ptr[i], i == 0 && len > 1), rest);
        out = term_or(t, other, term_cat(t, term_byte(t, (unsigned char)w.ptr[i]), out));
    }
    term others = s->least ? wholes(t, len + 1, TERM_ANY_NUMBER) : wholes(t, 1, len - 1);
    return term_or(t, out, term_cat(t, others, fraction));
}

/* Without a sign; NULL: no such bound. */
static term sizes(struct terms *t, const struct bound *low, const struct bound *high,
                  uint32_t places)
{
    term out = term_cat(t, wholes(t, 1, TERM_ANY_NUMBER), any_fraction(t, places));
    if (low) {
        struct side s = {.at = &low->at, .least = true, .strict = low->strict, .places = places};
        out = side(t, &s);
    }
    if (!high) return out;
    struct side s = {.at = &high->at, .strict = high->strict, .places = places};
    return low ? term_and(t, out, side(t, &s)) : side(t, &s);
}

static const struct decimal zero = {.whole = STR_INIT("0")};

static struct bound turned(const struct bound *b)
{
    struct bound out = *b;
    out.at.negative = !b->at.negative && !decimal_is_zero(&b->at);
    return out;
}

static term positive(struct terms *t, const struct bound *low, const struct bound *high,
                     uint32_t places)
{
    if (high->set && high->at.negative) return TERM_NONE;
    bool bounded = low->set && !low->at.negative && (low->strict || !decimal_is_zero(&low->at));
    return sizes(t, bounded ? low : NULL, high->set ? high : NULL, places);
}

static term negative(struct terms *t, const struct bound *low, const struct bound *high,
                     uint32_t places)
{
    struct bound least = {.set = true, .strict = true, .at = zero}, most = turned(low);
    if (low->set && !low->at.negative) return TERM_NONE;
    if (high->set && high->at.negative) least = turned(high);
    return term_cat(t, minus(t), sizes(t, &least, low->set ? &most : NULL, places));
}

term numbers_between(struct terms *t, const struct bound *low, const struct bound *high,
                     uint32_t places)
{
    return term_or(t, positive(t, low, high, places), negative(t, low, high, places));
}

term numbers_whole(struct terms *t)
{
    return term_cat(t, term_optional(t, minus(t)), wholes(t, 1, TERM_ANY_NUMBER));
}

/* 0 to 299: with what people write in front of it, a double holds it. */
static term power(struct terms *t)
{
    return term_cat(t, term_optional(t, term_range(t, '0', '2')), digits(t, 1, 2));
}

term numbers_any(struct terms *t)
{
    struct byte_set e = {{0}}, signs = {{0}};
    byte_set_add(&e, 'e');
    byte_set_add(&e, 'E');
    byte_set_add(&signs, '+');
    byte_set_add(&signs, '-');
    term exponent = term_cat(t, term_optional(t, term_bytes(t, &signs)), power(t));
    exponent = term_optional(t, term_cat(t, term_bytes(t, &e), exponent));
    return term_cat(t, numbers_whole(t), term_cat(t, any_fraction(t, TERM_ANY_NUMBER), exponent));
}

/* --- multiples --- */

static uint64_t divisor_of_both(uint64_t a, uint64_t b)
{
    return b ? divisor_of_both(b, a % b) : a;
}

/* All digits of a small decimal as one number; false: there are too many. */
static bool small(const struct decimal *d, uint64_t *out)
{
    *out = 0;
    if (d->whole.len + d->fraction.len > 9) return false;
    for (size_t i = 0; i < d->whole.len; i++)
        *out = *out * 10 + (uint64_t)(d->whole.ptr[i] - '0');
    for (size_t i = 0; i < d->fraction.len; i++)
        *out = *out * 10 + (uint64_t)(d->fraction.ptr[i] - '0');
    return *out > 0;
}

/* Fractions of up to `places` digits, 10^places being `unit`: that many units are a multiple. */
static term fractions(struct terms *t, uint64_t of, uint32_t places, uint64_t unit)
{
    term out = TERM_EMPTY;
    for (uint32_t k = places; k > 0; k--, unit /= 10) {
        uint64_t zeros = 1;
        for (uint32_t i = k; i < places; i++)
            zeros *= 10;
        uint64_t rest = of / divisor_of_both(of, zeros);
        term some = term_and(t, digits(t, k, k), term_multiple(t, (uint32_t)rest, 0));
        out = term_or(t, out, term_cat(t, term_byte(t, '.'), some));
    }
    return out;
}

term numbers_multiples(struct terms *t, const struct decimal *of, bool *can)
{
    uint64_t n, unit = 1;
    term sign = term_optional(t, minus(t)), any = wholes(t, 1, TERM_ANY_NUMBER);
    *can = !of->negative && small(of, &n);
    if (!*can) return TERM_NONE;
    for (size_t i = 0; i < of->fraction.len; i++)
        unit *= 10;
    if (unit == 1) return term_cat(t, sign, term_and(t, any, term_multiple(t, (uint32_t)n, 0)));
    *can = unit % n == 0;
    if (!*can) return TERM_NONE;
    return term_cat(t, sign, term_cat(t, any, fractions(t, n, (uint32_t)of->fraction.len, unit)));
}
