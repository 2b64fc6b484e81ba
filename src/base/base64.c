/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include "base/err.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Three bytes, or what is left, as four characters. */
static void put_group(const unsigned char *p, size_t n, char out[4])
{
    uint32_t v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
    out[0] = digits[v >> 18];
    out[1] = digits[v >> 12 & 63];
    out[2] = n > 1 ? digits[v >> 6 & 63] : '=';
    out[3] = n > 2 ? digits[v & 63] : '=';
}

void base64_write(struct str bytes, char *room)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    for (size_t i = 0; i < bytes.len; i += 3, room += 4)
        put_group(p + i, bytes.len - i, room);
}

int base64_append(struct buf *out, struct str bytes)
{
    size_t size = BASE64_LENGTH(bytes.len);
    char *room;
    if (bytes.len == 0) return 0;
    int err = buf_reserve(out, size, &room);
    if (err) return err;
    base64_write(bytes, room);
    buf_commit(out, size);
    return 0;
}

/* What a character stands for, or -1. */
static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ptrdiff_t base64_read(struct str text, char *room)
{
    char *at = room;
    uint32_t bits = 0;
    unsigned count = 0; /* bits that wait */
    for (int i = 0; i < 2 && text.len && text.ptr[text.len - 1] == '='; i++)
        text.len--;
    if (text.len % 4 == 1) return ERR_SYNTAX;
    for (size_t i = 0; i < text.len; i++) {
        int v = digit_value(text.ptr[i]);
        if (v < 0) return ERR_SYNTAX;
        bits = bits << 6 | (uint32_t)v;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        *at++ = (char)(bits >> count & 255);
    }
    return at - room;
}
