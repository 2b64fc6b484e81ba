/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/refuse.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"

int refuse_field(struct arena *arena, struct refusal *error, const char *param, const char *code,
                 const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    *error = (struct refusal){
        .status = 400,
        .type = "invalid_request_error",
        .code = code,
        .param = param,
        .message = arena_dup(arena, str_of(text)),
    };
    return ERR_INVALID;
}
