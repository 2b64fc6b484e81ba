/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <string.h>

/* Bytes a character that starts with `c` has: 1..4, 0 when no character starts so. */
static size_t length_by_lead(unsigned char c)
{
    if (c < 0x80) return 1;
    if (c >= 0xc2 && c <= 0xdf) return 2;
    if (c >= 0xe0 && c <= 0xef) return 3;
    if (c >= 0xf0 && c <= 0xf4) return 4;
    return 0;
}

/* True when `c` may stand at position `i` (1..3) of a character that starts with `lead`. */
static bool may_follow(unsigned char lead, size_t i, unsigned char c)
{
    if (i == 1 && lead == 0xe0) return c >= 0xa0 && c <= 0xbf;
    if (i == 1 && lead == 0xed) return c >= 0x80 && c <= 0x9f;
    if (i == 1 && lead == 0xf0) return c >= 0x90 && c <= 0xbf;
    if (i == 1 && lead == 0xf4) return c >= 0x80 && c <= 0x8f;
    return c >= 0x80 && c <= 0xbf;
}

static size_t ascii_run(const unsigned char *p, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        if (word & 0x8080808080808080) break;
    }
    while (i < len && p[i] < 0x80)
        i++;
    return i;
}

bool utf8_valid(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t i = 0;
    while (i < s.len) {
        i += ascii_run(p + i, s.len - i);
        if (i == s.len) break;
        size_t n = length_by_lead(p[i]);
        if (n == 0 || n > s.len - i) return false;
        for (size_t k = 1; k < n; k++)
            if (!may_follow(p[i], k, p[i + k])) return false;
        i += n;
    }
    return true;
}

size_t utf8_complete(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    for (size_t back = 1; back <= 3 && back <= s.len; back++) {
        size_t at = s.len - back;
        size_t n = length_by_lead(p[at]);
        if (n == 0 && (p[at] & 0xc0) == 0x80) continue;
        if (n <= back) return s.len;
        for (size_t k = 1; k < back; k++)
            if (!may_follow(p[at], k, p[at + k])) return s.len;
        return at;
    }
    return s.len;
}

struct str utf8_cut(struct str s, size_t most)
{
    struct str kept = str_n(s.ptr, MIN(s.len, most));
    if (kept.len < s.len) kept.len = utf8_complete(kept);
    return kept;
}

size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}
