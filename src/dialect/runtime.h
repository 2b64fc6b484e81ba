/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of runtimes: what each product answers itself, how it takes a key, and its quirks. A row per
 * kind; constant data, any thread. */
#ifndef HOSTLER_DIALECT_RUNTIME_H
#define HOSTLER_DIALECT_RUNTIME_H

#include "dialect/dialect.h"
#include "http/message.h"

enum runtime_key { KEY_BEARER, KEY_X_API_KEY, KEY_API_KEY };

/* A field of translated chats. */
struct runtime_field {
    const char *name; /* NULL at the end of a list */
    const char *as;   /* what the product calls it; NULL: the same */
};

struct runtime_kind {
    struct str name;   /* in the setting `kind` */
    uint32_t surfaces; /* what it answers, as a set */
    enum runtime_key key;
    bool keeps_responses; /* clients may come back to its responses by their ids */
    /* its Responses know tools that are functions, and no others: who asks for these is translated */
    bool functions_only;
    const struct runtime_field *chat; /* fields that it calls differently, or, with */
    bool chat_only;                   /* this, all that it takes */
    bool no_usage; /* refuses to be asked for the usage of streams, or always tells it */
    /* fields that each request gets which has none by that name; name empty: none */
    struct http_field fields[1];
};

/* NULL: no such kind. */
const struct runtime_kind *runtime_kind(struct str name);

/* All of them. */
const struct runtime_kind *runtime_kinds(size_t *count);

extern const struct runtime_kind runtime_engine; /* our own engine */

#endif
