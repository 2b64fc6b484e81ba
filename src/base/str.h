/* SPDX-License-Identifier: Apache-2.0 */
/* A borrowed run of bytes: pointer and length, no terminator, no ownership.
 *
 * The comment at each use says from whom it borrows. ptr may be NULL when len is 0. */
#ifndef HOSTLER_BASE_STR_H
#define HOSTLER_BASE_STR_H

#include <string.h>
#include <strings.h>

#include "base/base.h"

struct str {
    const char *ptr;
    size_t len;
};

/* From a string literal or char array with terminator. */
#define STR(literal) ((struct str){("" literal), sizeof(literal) - 1})
#define STR_INIT(literal) {("" literal), sizeof(literal) - 1}
#define STR_NULL ((struct str){NULL, 0})

/* For printf: printf("%" STR_FMT, STR_ARG(s)) */
#define STR_FMT ".*s"
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct str str_n(const char *ptr, size_t len)
{
    return (struct str){ptr, len};
}

/* NULL gives STR_NULL. */
static inline struct str str_of(const char *cstr)
{
    return cstr ? str_n(cstr, strlen(cstr)) : STR_NULL;
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII only. */
static inline bool str_eq_nocase(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_n(s.ptr, prefix.len), prefix);
}

static inline bool str_starts_nocase(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq_nocase(str_n(s.ptr, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix);

/* Whether `s` is `pattern`, or begins as it does before a `*` at its end. */
bool str_matches(struct str s, struct str pattern);
int str_cmp(struct str a, struct str b); /* bytewise order, like memcmp */

/* Position of the first `c` or `needle`, or -1. */
ptrdiff_t str_find_char(struct str s, char c);
ptrdiff_t str_find(struct str s, struct str needle);

static inline struct str str_skip(struct str s, size_t n)
{
    n = MIN(n, s.len);
    return n ? str_n(s.ptr + n, s.len - n) : s;
}

/* s from `start` for at most `len` bytes, clamped to s. */
static inline struct str str_sub(struct str s, size_t start, size_t len)
{
    struct str rest = str_skip(s, start);
    return str_n(rest.ptr, MIN(len, rest.len));
}

/* Without blanks and tabs at both ends. */
struct str str_trim(struct str s);

/* Cuts the next piece up to `sep` off *rest into *piece. False when *rest is exhausted (ptr NULL).
 * "a,,b" gives "a", "", "b"; an empty *rest with a pointer gives one empty piece. */
bool str_cut(struct str *rest, char sep, struct str *piece);

/* Whole string as a decimal number. ERR_SYNTAX when it is none, ERR_RANGE when it does not fit. */
MUST_CHECK int str_to_u64(struct str s, uint64_t *out);
MUST_CHECK int str_to_i64(struct str s, int64_t *out);
MUST_CHECK int str_to_double(struct str s, double *out);

/* The number in decimal (base 10) or lower-case hexadecimal (base 16), written into `room`. */
enum { STR_U64_ROOM = 20 };
struct str str_of_u64(uint64_t value, unsigned base, char room[STR_U64_ROOM]);

/* A heap copy with terminator; the caller frees. str_dup aborts when memory is exhausted,
 * str_try_dup gives NULL. */
char *str_dup(struct str s);
MUST_CHECK char *str_try_dup(struct str s);

#endif
