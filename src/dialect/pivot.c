/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/pivot.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

void pivot_drop(struct translation *t, const char *field)
{
    for (unsigned i = 0; i < t->dropped_count; i++)
        if (strcmp(t->dropped[i], field) == 0) return;
    if (t->dropped_count < ARRAY_LEN(t->dropped)) t->dropped[t->dropped_count++] = field;
}

int pivot_refuse(struct translation *t, struct refusal *why, const char *path, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    *why =
        (struct refusal){.status = 400, .message = arena_say(t->arena, "%s", text), .param = path};
    return ERR_INVALID;
}

void pivot_write_stream(const struct translation *t, struct json_writer *chat)
{
    if (!t->stream) return;
    json_write_bool_member(chat, "stream", true);
    if (!t->ask_usage) return;
    json_write_key(chat, "stream_options");
    json_write_object(chat);
    json_write_bool_member(chat, "include_usage", true);
    json_write_object_end(chat);
}
