/* SPDX-License-Identifier: Apache-2.0 */
/* Why a grammar, schema or pattern was refused, for whoever wrote it. */
#ifndef HOSTLER_ENGINE_GRAMMAR_WHY_H
#define HOSTLER_ENGINE_GRAMMAR_WHY_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"

struct tool;

/* Made on `arena`; the first reason stays. */
struct grammar_why {
    struct arena *arena;
    struct str text; /* one sentence; names the keyword or construct, and the path or byte */
    const struct tool *tool; /* whose parameters it is about; NULL: none's */
};

/* Notes a reason, unless there is one. Returns ERR_UNSUPPORTED, so that callers can return it. */
int grammar_refuse(struct grammar_why *why, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
