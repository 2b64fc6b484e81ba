/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

int str_cmp(struct str a, struct str b)
{
    size_t n = MIN(a.len, b.len);
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

bool str_matches(struct str s, struct str pattern)
{
    if (!str_ends(pattern, STR("*"))) return str_eq(s, pattern);
    return str_starts(s, str_sub(pattern, 0, pattern.len - 1));
}

ptrdiff_t str_find_char(struct str s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return at ? at - s.ptr : -1;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
    if (needle.len == 0) return 0;
    const char *at = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    return at ? at - s.ptr : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.len && is_blank(s.ptr[0]))
        s = str_n(s.ptr + 1, s.len - 1);
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_cut(struct str *rest, char sep, struct str *piece)
{
    if (!rest->ptr) return false;
    ptrdiff_t at = str_find_char(*rest, sep);
    if (at < 0) {
        *piece = *rest;
        *rest = STR_NULL;
    } else {
        *piece = str_n(rest->ptr, (size_t)at);
        *rest = str_skip(*rest, (size_t)at + 1);
    }
    return true;
}

int str_to_u64(struct str s, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0) return ERR_SYNTAX;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') return ERR_SYNTAX;
        if (__builtin_mul_overflow(value, 10u, &value)) return ERR_RANGE;
        if (__builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value)) return ERR_RANGE;
    }
    *out = value;
    return 0;
}

int str_to_i64(struct str s, int64_t *out)
{
    bool negative = s.len && s.ptr[0] == '-';
    uint64_t magnitude;
    int err = str_to_u64(negative ? str_skip(s, 1) : s, &magnitude);
    if (err) return err;
    if (magnitude > (uint64_t)INT64_MAX + negative) return ERR_RANGE;
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return 0;
}

int str_to_double(struct str s, double *out)
{
    char text[64];
    if (s.len == 0 || s.len >= sizeof text) return ERR_SYNTAX;
    for (size_t i = 0; i < s.len; i++) /* strtod would also take blanks, names and hexadecimals */
        if (!strchr("0123456789+-.eE", s.ptr[i]) || s.ptr[i] == '\0') return ERR_SYNTAX;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end != text + s.len) return ERR_SYNTAX;
    if (errno == ERANGE) return ERR_RANGE;
    *out = value;
    return 0;
}

struct str str_of_u64(uint64_t value, unsigned base, char room[STR_U64_ROOM])
{
    size_t at = STR_U64_ROOM;
    bool hexadecimal = base == 16; /* both are divisors that the compiler knows */
    do {
        room[--at] = "0123456789abcdef"[hexadecimal ? value % 16 : value % 10];
        value = hexadecimal ? value / 16 : value / 10;
    } while (value);
    return str_n(room + at, STR_U64_ROOM - at);
}

static char *copy_to(char *copy, struct str s)
{
    if (!copy) return NULL;
    if (s.len) memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

char *str_dup(struct str s)
{
    return copy_to(mem_must(s.len + 1), s);
}

char *str_try_dup(struct str s)
{
    return copy_to(mem_try(s.len + 1), s);
}
