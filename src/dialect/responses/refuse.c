/* SPDX-License-Identifier: Apache-2.0 */
/* Refusals, and where in a request they find fault. */
#include "dialect/responses/responses_priv.h"

#include <stdarg.h>
#include <stdio.h>

const char *responses__path(struct asking *a, const char *fmt, ...)
{
    char room[160];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(room, sizeof room, fmt, args);
    va_end(args);
    return arena_say(a->t->arena, "%s", room).ptr;
}

const char *responses__item_path(struct asking *a, const struct item *item, const char *member)
{
    const char *array = item->before ? "previous_response_id" : "input";
    if (!member) return responses__path(a, "%s[%zu]", array, item->place);
    return responses__path(a, "%s[%zu].%s", array, item->place, member);
}

int responses__wrong(struct asking *a, const char *path, const char *wanted)
{
    return pivot_refuse(a->t, a->why, path, "'%s' must be %s.", path, wanted);
}
