/* SPDX-License-Identifier: Apache-2.0 */
/* JSON in C strings, with fewer backslashes. */
#ifndef HOSTLER_TEST_UNIT_QUOTED_H
#define HOSTLER_TEST_UNIT_QUOTED_H

#include <string.h>

#include "base/arena.h"

/* The text with each ' as ", on the arena. */
static inline const char *quoted(struct arena *arena, const char *text)
{
    char *copy = arena_alloc(arena, strlen(text) + 1);
    strcpy(copy, text);
    for (char *p = copy; *p; p++)
        if (*p == '\'') *p = '"';
    return copy;
}

#endif
