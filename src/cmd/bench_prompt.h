/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies for `hostler bench`: prompts of a given length in words, alike at the start and
 * different after it. */
#ifndef HOSTLER_CMD_BENCH_PROMPT_H
#define HOSTLER_CMD_BENCH_PROMPT_H

#include "base/base.h"
#include "base/buf.h"
#include "base/rand.h"
#include "base/str.h"

enum { BENCH_WORDS = 32768, BENCH_PROMPT_MAX = BENCH_WORDS / 2 };

/* Common short words in random order, one blank behind each. */
struct bench_words {
    char *text;
    uint32_t starts[BENCH_WORDS + 1];
};

void bench_words_init(struct bench_words *w, uint64_t seed);
void bench_words_fini(struct bench_words *w);

/* Appends a prompt of `count` words: the first `shared` of the pool, then a number that no other
 * prompt has, then words from a place drawn with `rng`. Needs no JSON escapes. */
MUST_CHECK int bench_words_prompt(const struct bench_words *w, struct rng *rng, uint64_t number,
                                  uint32_t shared, uint32_t count, struct buf *out);

#endif
