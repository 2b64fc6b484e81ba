/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pin.h"

#include <stdio.h>

#include "base/base64.h"
#include "base/err.h"

#define PREFIX "sha256:"
enum { HEX_LENGTH = 2 * PIN_SIZE, TEXT_LENGTH = BASE64_LENGTH(PIN_SIZE) };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int read_hex(struct str text, unsigned char digest[PIN_SIZE])
{
    for (size_t i = 0; i < PIN_SIZE; i++) {
        int high = hex_value(text.ptr[2 * i]), low = hex_value(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0) return ERR_SYNTAX;
        digest[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

static int read_base64(struct str text, unsigned char digest[PIN_SIZE])
{
    char room[BASE64_ROOM(TEXT_LENGTH)];
    if (text.len > TEXT_LENGTH || base64_read(text, room) != PIN_SIZE) return ERR_SYNTAX;
    memcpy(digest, room, PIN_SIZE);
    return 0;
}

int pin_read(struct str text, unsigned char digest[PIN_SIZE])
{
    if (!str_starts(text, STR(PREFIX))) return ERR_SYNTAX;
    text = str_skip(text, sizeof PREFIX - 1);
    return text.len == HEX_LENGTH ? read_hex(text, digest) : read_base64(text, digest);
}

void pin_write(const unsigned char digest[PIN_SIZE], char text[PIN_TEXT_SIZE])
{
    char room[TEXT_LENGTH];
    base64_write(str_n((const char *)digest, PIN_SIZE), room);
    snprintf(text, PIN_TEXT_SIZE, PREFIX "%.*s", TEXT_LENGTH, room);
}
