/* SPDX-License-Identifier: Apache-2.0 */
/* What a refusal of a translated request calls its fields: who reads the chat that a request became
 * finds fault with the chat's fields, while the client knows its own.
 *
 * Pure functions and constant data, any thread. */
#ifndef HOSTLER_DIALECT_WORDING_H
#define HOSTLER_DIALECT_WORDING_H

#include "dialect/dialect.h"

/* A field of the pivot as a client's surface has it. What stands within the field keeps its place
 * there ("response_format.type" follows a row of response_format), unless `alone`. A list's index is
 * "[]" in both names. Of rows that fit, the first counts. */
struct wording {
    const char *pivot; /* NULL at the end of a list */
    const char *own;
    bool alone; /* what stands within it has another place, or none, at the client */
};

/* Puts the client's name in place of the pivot's in why->param and, with `text`, where the message
 * begins with it in quotes ("'response_format' must ..."). Names without a row stay, as does all
 * where there is no memory. `words` may be NULL. Strings go onto the arena. */
void wording_apply(struct arena *arena, const struct wording *words, bool text,
                   struct refusal *why);

#endif
