/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, section 4), with padding. */
#ifndef HOSTLER_BASE_BASE64_H
#define HOSTLER_BASE_BASE64_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

/* Characters of the text that stands for so many bytes. */
#define BASE64_LENGTH(bytes_len) (((bytes_len) + 2) / 3 * 4)

/* Writes `bytes` as text into `room`, which has BASE64_LENGTH. No terminator. */
void base64_write(struct str bytes, char *room);

/* Appends `bytes` as text. ERR_TOO_LARGE, -ENOMEM. */
MUST_CHECK int base64_append(struct buf *out, struct str bytes);

/* Bytes that a text of that length stands for, at most. */
#define BASE64_ROOM(text_len) ((text_len) / 4 * 3 + 3)

/* Reads a text into `room`, which has BASE64_ROOM. The number of bytes, or ERR_SYNTAX. Padding may
 * be missing. */
MUST_CHECK ptrdiff_t base64_read(struct str text, char *room);

#endif
