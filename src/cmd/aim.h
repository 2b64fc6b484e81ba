/* SPDX-License-Identifier: Apache-2.0 */
/* Which gateway a client is pointed at, and which of its models. */
#ifndef HOSTLER_CMD_AIM_H
#define HOSTLER_CMD_AIM_H

#include "base/arena.h"
#include "base/base.h"
#include "cmd/recipe.h"
#include "cmd/remote.h"

struct aim {
    const char *command; /* for messages */
    const char *url;     /* NULL: as remote_url() */
    const char *key;     /* NULL: as remote_key() */
    const char
        *model; /* NULL: the first one that the gateway lists, which is said if there are more */
    bool check; /* ask the gateway in any case: it must be there and have the model */
};

/* The rows of a command's table about it. */
#define AIM_OPTIONS                                                                         \
    {'m', 0, "model", "M", CLI_TEXT, NULL, "model (the first one that the gateway lists)"}, \
        REMOTE_URL_ROW("http://HOST:PORT[/base] ($HOSTLER_URL, else " REMOTE_DEFAULT_URL    \
                       "); https://\n"                                                      \
                       "only with --model, and without looking whether it is there"),       \
        REMOTE_KEY_OPTION

/* Fills root, model and key of `r`, on the arena. Returns an exit code; else a message was
 * printed. */
MUST_CHECK int aim(const struct aim *a, struct arena *arena, struct recipe *r);

#endif
