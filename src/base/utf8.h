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

/* Appends the UTF-8 form of `code` (0..0x10FFFF) to out; the number of bytes written, 1..4. */
size_t utf8_encode(uint32_t code, char out[4]);

#endif
