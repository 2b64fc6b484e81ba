/* SPDX-License-Identifier: Apache-2.0 */
/* Chat templates of our own, for models whose file has none, or a bad one. Constant data. */
#ifndef HOSTLER_ENGINE_CHAT_BUILTIN_H
#define HOSTLER_ENGINE_CHAT_BUILTIN_H

#include "base/str.h"

struct chat_builtin {
    const char *name;
    const char *text; /* Jinja */
};

/* The one of that name, or NULL. */
const struct chat_builtin *chat_builtin(struct str name);

/* All names, "a, b, c". */
extern const char chat_builtin_names[];

#endif
