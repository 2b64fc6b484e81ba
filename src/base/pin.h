/* SPDX-License-Identifier: Apache-2.0 */
/* Pins: the SHA-256 digest of a public key (its SubjectPublicKeyInfo, RFC 7469 section 2.4), by
 * which a peer is known whatever its certificate says. Any thread. */
#ifndef HOSTLER_BASE_PIN_H
#define HOSTLER_BASE_PIN_H

#include "base/base.h"
#include "base/str.h"

enum {
    PIN_SIZE = 32,                        /* the digest, bytes */
    PIN_TEXT_SIZE = sizeof "sha256:" + 44 /* its text with terminator */
};

/* Reads "sha256:" and the digest, in Base64 or hexadecimal. ERR_SYNTAX: `text` is none, and
 * `digest` is not to be used. */
MUST_CHECK int pin_read(struct str text, unsigned char digest[PIN_SIZE]);

/* "sha256:" and the digest in Base64, terminated. */
void pin_write(const unsigned char digest[PIN_SIZE], char text[PIN_TEXT_SIZE]);

#endif
