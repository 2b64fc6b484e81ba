/* SPDX-License-Identifier: Apache-2.0 */
/* The tools of a request: `tools`, `tool_choice` and `parallel_tool_calls`, checked. */
#ifndef HOSTLER_ENGINE_TOOLS_H
#define HOSTLER_ENGINE_TOOLS_H

#include "base/base.h"
#include "engine/fields.h"
#include "engine/grammar/cache.h"
#include "engine/grammar/call_term.h"
#include "engine/shape.h"
#include "engine/text/call_parts.h"
#include "json/json.h"

enum { TOOLS_MAX = 1024, TOOL_NAME_MAX = 128 };

struct tools {
    const struct json *list;  /* for the template; NULL: there are none */
    struct tool *all;         /* what may be called */
    size_t count;             /* 0: nothing may */
    struct call_tool *called; /* the same, for the reader of calls */
    bool must;                /* the answer is a call, and nothing else */
    bool single;              /* one call at most */
};

/* 0, or ERR_INVALID and the refusal, which names the path. Borrows from the body. With the choice
 * "none" there are no tools. */
MUST_CHECK int tools_read(struct fields *f, struct tools *out);

/* What the answer to a request with tools must be, when they may be called as `format` says; *out is
 * the caller's to terms_free, and NULL when any text will do. With a shape an answer that calls
 * nothing has that. `begun`: the prompt ends with what opens a call. 0, or ERR_INVALID and
 * *error. */
MUST_CHECK int tools_compile(const struct tools *t, const struct shape *shape,
                             const struct call_format *format, bool begun,
                             struct grammar_cache *cache, struct arena *arena,
                             struct refusal *error, struct terms **out);

#endif
