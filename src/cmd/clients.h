/* SPDX-License-Identifier: Apache-2.0 */
/* Programs and libraries that talk to a gateway, and what points each of them at one: a table from
 * which `hostler launch` starts them and `hostler client` tells what to paste.
 *
 * A row has parts in the order in which they are shown. Their texts are templates, filled by
 * cmd/recipe.h. */
#ifndef HOSTLER_CMD_CLIENTS_H
#define HOSTLER_CMD_CLIENTS_H

#include "base/base.h"

enum client_part_kind {
    CLIENT_SET,   /* name=text in the environment */
    CLIENT_UNSET, /* name is taken out of the environment, where it would win */
    CLIENT_FILE, /* its text; name is where a person keeps it, of which a launch takes the last piece */
    CLIENT_WORD, /* text is a word of the command line, after the program */
    CLIENT_CODE, /* lines to paste, where there is no program or something is to be done first */
};

/* What a part is for. */
enum { CLIENT_LAUNCH = 1, CLIENT_PASTE = 2, CLIENT_BOTH = CLIENT_LAUNCH | CLIENT_PASTE };

struct client_part {
    enum client_part_kind kind;
    unsigned when; /* CLIENT_LAUNCH ... */
    const char *name;
    const char *text; /* a template */
};

struct client {
    const char *name;    /* as commands take it */
    const char *about;   /* what it is, a few words */
    const char *program; /* NULL: nothing can be launched */
    const char *install; /* the command that brings the program */
    const struct client_part *parts;
    size_t part_count;
};

/* NULL: there is none of that name. */
const struct client *client_find(const char *name);

/* All of them; those that can be launched come first. */
const struct client *clients_all(size_t *count);

#endif
