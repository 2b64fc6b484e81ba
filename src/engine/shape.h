/* SPDX-License-Identifier: Apache-2.0 */
/* What shape an answer must have, by any of the names that runtimes have for it: OpenAI's and
 * llama-server's response_format; llama-server's json_schema and grammar; vLLM's
 * structured_outputs and guided_...; SGLang's regex and ebnf. A request has one of them at most. */
#ifndef HOSTLER_ENGINE_SHAPE_H
#define HOSTLER_ENGINE_SHAPE_H

#include "base/base.h"
#include "engine/fields.h"
#include "engine/grammar/cache.h"

struct shape {
    const char *field; /* the path where the request says it; NULL: any text will do */
    struct grammar_spec spec;
};

/* 0, or ERR_INVALID and the refusal. Borrows from the body. */
MUST_CHECK int shape_read(struct fields *f, struct shape *out);

/* Its grammar, the caller's to terms_free; *out is NULL when any text will do. 0, or ERR_INVALID and
 * *error. */
MUST_CHECK int shape_compile(const struct shape *shape, struct grammar_cache *cache,
                             struct arena *arena, struct refusal *error, struct terms **out);

#endif
