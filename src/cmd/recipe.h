/* SPDX-License-Identifier: Apache-2.0 */
/* A row of cmd/clients.h with a gateway and a model put in.
 *
 * In templates stand
 *   %r  the gateway's address          %R  as a JSON string, which TOML, YAML, Python and
 *   %u  the same with /v1              %U  JavaScript read alike
 *   %m  the model                      %M
 *   %s  the model as a word of a shell
 *   %O  "hostler/MODEL" as a JSON string
 *   %k  the key; how to get it, where one is to be pasted
 *   %d  the folder of the launch
 *   %E  all that is set and unset, as a JSON object
 *   %%  a percent sign */
#ifndef HOSTLER_CMD_RECIPE_H
#define HOSTLER_CMD_RECIPE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "cmd/clients.h"

struct recipe {
    const struct client *client;
    struct str root; /* the gateway's address, without a slash or /v1 at its end */
    struct str model;
    struct str key;     /* never empty */
    const char *folder; /* where a launch keeps files; NULL: there is none */
};

/* What a key is called where it is pasted: recipe.key of recipe_paste and recipe_json. */
#define RECIPE_KEY "$HOSTLER_KEY"

/* A part's text filled in, on the arena, with a terminator. */
struct str recipe_fill(const struct recipe *r, struct arena *arena, const char *text);

/* What to paste, for people and shells. */
MUST_CHECK int recipe_paste(const struct recipe *r, struct buf *out);

/* The same as a JSON object. */
MUST_CHECK int recipe_json(const struct recipe *r, struct buf *out);

#endif
