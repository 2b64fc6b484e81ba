/* SPDX-License-Identifier: Apache-2.0 */
/* Grammars that were compiled, the latest ones: who asks for the same again does not wait, and
 * finds the model's masks for it. One thread's, the preparing one. */
#ifndef HOSTLER_ENGINE_GRAMMAR_CACHE_H
#define HOSTLER_ENGINE_GRAMMAR_CACHE_H

#include "base/base.h"
#include "base/list.h"
#include "engine/grammar/grammar.h"

enum {
    GRAMMAR_CACHE_COUNT = 64,
    GRAMMAR_CACHE_BYTES = 64 << 20, /* of all of them, with what they were compiled from */
};

struct grammar_cache {
    struct list kept; /* latest first */
    unsigned count;
    size_t bytes;
};

void grammar_cache_init(struct grammar_cache *c);
void grammar_cache_fini(struct grammar_cache *c);

/* As grammar_compile. */
MUST_CHECK int grammar_cache_get(struct grammar_cache *c, const struct grammar_spec *spec,
                                 struct grammar_why *why, struct terms **out);

#endif
