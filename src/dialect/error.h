/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of runtimes, in whatever shape: what they say, so that they can be told in a client's. */
#ifndef HOSTLER_DIALECT_ERROR_H
#define HOSTLER_DIALECT_ERROR_H

#include "dialect/dialect.h"

enum {
    ERROR_BODY_MAX = 64 * 1024, /* a larger one is not read */
    ERROR_TEXT_MAX = 2000,      /* bytes of its message that are told */
    ERROR_NAME_MAX = 100,       /* of its code, type and param */
    ERROR_TOLD_MAX =
        16 * 1024, /* as much has the error that tells them, however they are escaped */
};

/* What an error's body says: {"error": {message, code, type, param}}, {"error": "text"},
 * {"message": ...}, {"detail": ...}, one of them in a list, or a line of plain text. A page of HTML
 * or nothing is told by its status. Strings go onto the arena. */
void error_read(struct arena *arena, int status, struct str body, struct refusal *out);

/* The runtime's own name for an error, its code or else its type: "context_length_exceeded". Only
 * letters and underscores, so that neither a secret nor a text can stand there; ptr NULL: it has
 * none that is so. Borrowed. */
struct str error_word(const struct refusal *why);

#endif
