/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef HOSTLER_BASE_UTF8_H
#define HOSTLER_BASE_UTF8_H

#include "base/base.h"
#include "base/str.h"

bool utf8_valid(struct str s);

/* Length of the longest prefix of s that ends at a character border: s.len unless s ends within a
 * character that could still become valid. Invalid bytes count as whole. Used to hold back the
 * start of a character that the next token completes. */
size_t utf8_complete(struct str s);

/* At most the first `most` bytes of s, but no part of a character. Borrowed. */
struct str utf8_cut(struct str s, size_t most);

/* Appends the UTF-8 form of `code` (0..0x10FFFF) to out; the number of bytes written, 1..4. */
size_t utf8_encode(uint32_t code, char out[4]);

/* Length of the character at p (p < end), 1..4. When it is broken, minus the number of
 * bytes to skip, -1..-3: the longest start of some character (Unicode 3.9, table 3-8),
 * for which one U+FFFD stands. */
static inline int utf8_step(const unsigned char *p, const unsigned char *end)
{
    unsigned char lead = *p, low = 0x80, high = 0xbf;
    if (lead < 0x80) return 1;
    if (lead < 0xc2 || lead > 0xf4) return -1;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
    if (end - p < 2 || p[1] < low || p[1] > high) return -1;
    if (lead < 0xe0) return 2;
    if (end - p < 3 || (p[2] & 0xc0) != 0x80) return -2;
    if (lead < 0xf0) return 3;
    if (end - p < 4 || (p[3] & 0xc0) != 0x80) return -3;
    return 4;
}

/* True for the control characters of ASCII and of C1, which may steer a terminal. `len` is what
 * utf8_step says of p. */
static inline bool utf8_is_control(const unsigned char *p, int len)
{
    bool c1 = len == 2 && p[0] == 0xc2 && p[1] < 0xa0;
    return c1 || *p < ' ' || *p == 0x7f;
}

#endif
