/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for runtimes: each address is asked what it is and which models it lists. */
#ifndef HOSTLER_CMD_SCOUT_H
#define HOSTLER_CMD_SCOUT_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"

/* An address, and what to call a runtime there that does not tell what it is. */
struct scout_place {
    const char *url;
    const char *usual;
};

/* Where runtimes listen that nobody told otherwise. */
extern const struct scout_place scout_usual[];
extern const size_t scout_usual_count;

struct scout_finding {
    bool answered;   /* something is there */
    bool listed;     /* and it lists models */
    struct str kind; /* as in the setting `kind`; empty: it did not tell */
    struct str *models;
    size_t model_count;
};

/* Asks them all at once, for some seconds at most. `key` is sent to each; NULL: none is. `out` has
 * `count` entries, whose texts are on the arena. An exit code: 0, else stderr was told. */
MUST_CHECK int scout(const char *command, const char *key, const struct scout_place *places,
                     size_t count, struct arena *arena, struct scout_finding *out);

#endif
