/* SPDX-License-Identifier: Apache-2.0 */
/* Words that must not come in an answer: whatever tokens would spell one, its last is left out. */
#ifndef HOSTLER_ENGINE_WORDS_H
#define HOSTLER_ENGINE_WORDS_H

#include "base/base.h"
#include "base/str.h"
#include "engine/mask.h"
#include "engine/model/vocab.h"

enum {
    WORDS_COUNT_MAX = 64,
    WORDS_BYTES_MAX = 1024, /* of all of them together */
};

/* What completes which word: constant, shared by reference, any thread's. */
struct words;

/* Looks through the whole vocabulary, which takes milliseconds. Copies the texts, none of which is
 * empty; borrows the vocabulary. NULL: there is no memory. */
MUST_CHECK struct words *words_new(const struct vocab *vocab, const struct str *texts,
                                   size_t count);
struct words *words_share(struct words *w);
void words_free(struct words *w); /* also NULL */

/* For a chain. Shares the words. */
struct masker *mask_words_new(struct words *words);

#endif
