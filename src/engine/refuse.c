/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/refuse.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"

enum { TEXT_MAX = 1536 }; /* reasons of grammars have up to 1,024 */

/* With one dot at its end, unless it ends in another mark. */
static struct str sentence(struct arena *arena, const char *text)
{
    struct str s = str_trim(str_of(text));
    while (str_ends(s, STR(".")) || str_ends(s, STR(" ")))
        s.len--;
    bool ends = str_ends(s, STR("?")) || str_ends(s, STR("!"));
    return arena_printf(arena, "%" STR_FMT "%s", STR_ARG(s), ends ? "" : ".");
}

int refuse_field(struct arena *arena, struct refusal *error, const char *param, const char *code,
                 const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    *error = (struct refusal){
        .status = 400,
        .type = "invalid_request_error",
        .code = code,
        .param = param,
        .message = sentence(arena, text),
    };
    return ERR_INVALID;
}
