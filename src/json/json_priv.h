/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#ifndef HOSTLER_JSON_JSON_PRIV_H
#define HOSTLER_JSON_JSON_PRIV_H

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/base.h"
#include "json/json.h"

/* Escapes that are half of a surrogate pair become those of U+FFFD, which are as long: *out is a copy
 * on `arena` then, else the text itself. For texts that are JSON. -ENOMEM. */
MUST_CHECK int json__mend(struct arena *arena, struct str text, struct str *out);

/* Validates a whole text, whose outermost value may be of any type: what
 * json_parse does before it builds. */
MUST_CHECK int json__check(struct str text, struct json_error *error);

/* True for a string as written, with its quotes, that stands for `text`; false for any
 * other, malformed ones too. */
bool json__string_is(struct str quoted, struct str text);

static inline bool json__is_digit(unsigned char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* What a value that begins with `c` can only be; JSON_NONE: no value begins so. */
static inline enum json_type json__type_by_first(unsigned char c)
{
    switch (c) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 't':
    case 'f': return JSON_BOOL;
    case 'n': return JSON_NULL;
    default: return c == '-' || json__is_digit(c) ? JSON_NUMBER : JSON_NONE;
    }
}

/* A number without fraction as an integer; false when it has one or does not fit. */
static inline bool json__whole(double real, int64_t *out)
{
    if (!(real >= -0x1p63 && real < 0x1p63) || real != (double)(int64_t)real) return false;
    *out = (int64_t)real;
    return true;
}

/* The first byte in [p, end) that a JSON string cannot hold as it is or that is not ASCII;
 * `end` when there is none. */
static inline const unsigned char *json__plain_end(const unsigned char *p, const unsigned char *end)
{
#ifdef __SSE2__
    /* The comparison is signed: bytes from 0x80 on are negative, so one test finds them and the
     * control characters. */
    __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), blank = _mm_set1_epi8(' ');
    for (size_t blocks = (size_t)(end - p) / 16; blocks; blocks--, p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
                                   _mm_cmplt_epi8(v, blank));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask) return p + __builtin_ctz(mask);
    }
#endif
    uint64_t ones = UINT64_MAX / 255;
    for (; end - p >= 8; p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        uint64_t hit =
            v | (v - ones * ' ') | ((v ^ ones * '"') - ones) | ((v ^ ones * '\\') - ones);
        if (hit & ones * 0x80) break;
    }
    while (p < end && *p >= ' ' && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

#endif
