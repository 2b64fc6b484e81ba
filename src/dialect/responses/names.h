/* SPDX-License-Identifier: Apache-2.0 */
/* The names of tools: as the client says them and as functions of the runtime are called.
 *
 * A client's tool may be in a namespace, or be none of the functions that chat knows. For the
 * runtime each is a function with a name of its own, of at most 64 letters, digits, "_" and "-". As
 * far as the client's own names are that, they are kept. The same tools in the same order get the
 * same names, so that prompts keep their beginning.
 *
 * All is on the arena that names_init gets. */
#ifndef HOSTLER_DIALECT_RESPONSES_NAMES_H
#define HOSTLER_DIALECT_RESPONSES_NAMES_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"

enum {
    NAMES_FLAT_MAX = 64,
    NAMES_SPACE_MAX = 512, /* of a namespace, which each of its tools repeats */
    NAMES_MAX = 4096,
    NAMES_BUCKETS = 256
};

enum tool_kind {
    TOOL_FUNCTION,
    TOOL_CUSTOM, /* takes a text, not an object */
    TOOL_SEARCH  /* finds further tools; there is one, and it has no name of its own */
};

struct tool_name {
    enum tool_kind kind;
    struct str space; /* its namespace; empty: none */
    struct str name;
    struct str flat; /* the function's */
};

struct named_tool {
    struct tool_name is;
    bool offered; /* the runtime is told of it */
    bool allowed; /* by tool_choice */
    struct named_tool *next_flat, *next_own;
};

struct names {
    struct arena *arena;
    unsigned count;
    struct named_tool *flat[NAMES_BUCKETS], *own[NAMES_BUCKETS];
};

void names_init(struct names *n, struct arena *arena);

/* NULL: there is none of that name. Functions and custom tools share their names. */
struct named_tool *names_find(const struct names *n, enum tool_kind kind, struct str space,
                              struct str name);
struct named_tool *names_find_flat(const struct names *n, struct str flat);

/* The same, and a new one if there is none. The strings are borrowed. -ENOMEM; ERR_FULL: there are
 * NAMES_MAX. */
MUST_CHECK int names_add(struct names *n, enum tool_kind kind, struct str space, struct str name,
                         struct named_tool **out);

#endif
