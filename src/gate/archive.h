/* SPDX-License-Identifier: Apache-2.0 */
/* Responses that clients may come back to: by id they are shown, continued and deleted.
 *
 * Kept in memory, one archive for all threads, within a limit of bytes and of age; the oldest go
 * first. A response belongs to the key that asked for it, and nobody else finds it. Any thread;
 * what was found is immutable and lives until archived_unref. */
#ifndef HOSTLER_GATE_ARCHIVE_H
#define HOSTLER_GATE_ARCHIVE_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/list.h"
#include "base/str.h"

struct archive;

/* One response. */
struct archived {
    _Atomic unsigned refs;
    struct list link;   /* the archive's, oldest first; under its mutex */
    struct list bucket; /* of the same hash; likewise */
    struct archive *archive;
    struct archived *previous; /* what it continues, or NULL; one reference */
    size_t bytes;
    size_t chain_bytes;  /* with what it continues */
    uint64_t created_us; /* on the monotonic clock */
    struct str id;
    struct str owner;    /* the key's name; empty: without keys */
    struct str service;  /* where a runtime keeps it itself: its model ... */
    struct str endpoint; /* ... and endpoint; then the rest is empty */
    struct str response; /* the whole object, JSON */
    struct str input;    /* what was asked, a JSON array of items */
    struct str output;   /* what was answered, likewise */
};

struct archive_limits {
    size_t bytes;    /* all that is kept; 0: nothing is */
    uint64_t age_us; /* how long each is */
};

struct archive *archive_new(void);    /* a failure aborts: its size is ours */
void archive_free(struct archive *a); /* what was found must have been given back; NULL is fine */

/* Keeps a response, whose strings are copied; what it continues is `previous` (NULL: nothing). One
 * with the same id and owner is replaced. Nothing is kept of one that does not fit with all that it
 * continues, or without memory. */
void archive_put(struct archive *a, const struct archive_limits *limits,
                 const struct archived *response, struct archived *previous, uint64_t now_us);

/* A reference, or NULL. */
struct archived *archive_find(struct archive *a, const struct archive_limits *limits,
                              struct str owner, struct str id, uint64_t now_us);
struct archived *archived_ref(struct archived *r);
void archived_unref(struct archived *r); /* NULL is fine */

/* False: there is none. */
bool archive_delete(struct archive *a, struct str owner, struct str id);

/* Bytes that are held, also by what was deleted but is continued by others. */
size_t archive_bytes(const struct archive *a);

#endif
