/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/lex_string.h"

#include "base/utf8.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly `digits` of them after "\x" and the like. */
static int read_hex(struct run *r, struct str raw, size_t *at, size_t digits, uint32_t *code)
{
    *code = 0;
    for (size_t i = 0; i < digits; i++) {
        int digit = *at + i < raw.len ? hex_digit(raw.ptr[*at + i]) : -1;
        if (digit < 0) return run_fail(r, ERR_SYNTAX, "a truncated escape in a string");
        *code = *code << 4 | (uint32_t)digit;
    }
    *at += digits;
    if (*code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
        return run_fail(r, ERR_SYNTAX, "an escape in a string names no character");
    return 0;
}

/* Up to three digits; the first one is at *at - 1. */
static uint32_t read_octal(struct str raw, size_t *at)
{
    uint32_t code = (uint32_t)(raw.ptr[*at - 1] - '0');
    for (size_t i = 0; i < 2 && *at < raw.len; i++, (*at)++) {
        char c = raw.ptr[*at];
        if (c < '0' || c > '7') break;
        code = code << 3 | (uint32_t)(c - '0');
    }
    return code;
}

static char simple_escape(char c)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    const char *hit = memchr(from, c, sizeof from - 1);
    return hit ? to[hit - from] : 0;
}

/* The escape whose letter is at *at, written to `to`. */
static int one_escape(struct run *r, struct str raw, size_t *at, char *to, size_t *n)
{
    uint32_t code = 0;
    int err = 0;
    char c = raw.ptr[(*at)++];
    if (c == '\n') return 0;
    if (simple_escape(c)) {
        to[(*n)++] = simple_escape(c);
        return 0;
    }
    if (c == 'N') return run_fail(r, ERR_UNSUPPORTED, "\\N{...} in a string");
    if (c >= '0' && c <= '7') {
        code = read_octal(raw, at);
    } else if (c == 'x' || c == 'u' || c == 'U') {
        err = read_hex(r, raw, at, c == 'x' ? 2 : c == 'u' ? 4 : 8, &code);
    } else {
        to[(*n)++] = '\\';
        to[(*n)++] = c;
        return 0;
    }
    if (!err) *n += utf8_encode(code, to + *n);
    return err;
}

int lex_unescape(struct run *r, struct str raw, struct str *out)
{
    char *to;
    size_t n = 0;
    *out = raw.len ? raw : STR("");
    if (raw.len == 0 || !memchr(raw.ptr, '\\', raw.len)) return 0;
    int err = run_alloc(r, raw.len + 4, 1, &to);
    for (size_t at = 0; !err && at < raw.len;) {
        char c = raw.ptr[at++];
        if (c == '\\' && at < raw.len)
            err = one_escape(r, raw, &at, to, &n);
        else
            to[n++] = c;
    }
    *out = str_n(to, n);
    return err;
}
