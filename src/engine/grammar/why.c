/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/why.h"

#include <stdarg.h>

#include "base/buf.h"
#include "base/err.h"

enum { WHY_MAX = 1024 };

int grammar_refuse(struct grammar_why *why, const char *fmt, ...)
{
    if (why->text.ptr) return ERR_UNSUPPORTED;
    struct buf out;
    va_list args;
    buf_init(&out, WHY_MAX);
    va_start(args, fmt);
    int err = buf_vprintf(&out, fmt, args);
    va_end(args);
    why->text = err ? STR("It cannot be enforced.") : arena_dup(why->arena, buf_str(&out));
    buf_fini(&out);
    return ERR_UNSUPPORTED;
}
