/* SPDX-License-Identifier: Apache-2.0 */
/* Fields that say what an answer must be (a schema, a pattern, a grammar): those that runtimes have
 * beyond the APIs, and those of one API in a request of another. Leaving one out would change the
 * answer without a word.
 *
 * Pure functions, any thread. */
#ifndef HOSTLER_DIALECT_SHAPES_H
#define HOSTLER_DIALECT_SHAPES_H

#include "dialect/pivot.h"
#include "json/json.h"
#include "json/write.h"

/* Writes the runtimes' own fields of a client's request into its open chat, as they are. */
void shapes_carry(const struct json *request, struct json_writer *chat);

/* Refuses a chat with one of the runtimes' own fields, for a dialect that has none of them. 0,
 * ERR_INVALID. */
int shapes_refuse_own(struct translation *t, const struct json *chat, struct refusal *why);

/* Refuses a client's request that says it in another API's words, and names `own`, the path by which
 * its own API does ("text.format"). 0, ERR_INVALID. */
int shapes_refuse_foreign(struct translation *t, const struct json *request, const char *own,
                          struct refusal *why);

#endif
