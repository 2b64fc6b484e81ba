/* SPDX-License-Identifier: Apache-2.0 */
/* Which tokens may come next, for each state of a model's automaton (terms.h), as a bit for each
 * token.
 *
 * A walk over the vocabulary (trie.h) is made once for what a state begins with, whatever comes
 * behind that: tokens that end within it are the same for all that begin so, and those that go on
 * are looked at again. Repeated characters need one walk for all counts: each token has so many of
 * them. Masks of whole states are kept, too.
 *
 * One for each model, its compute thread's. */
#ifndef HOSTLER_ENGINE_GRAMMAR_MASKS_H
#define HOSTLER_ENGINE_GRAMMAR_MASKS_H

#include "base/base.h"
#include "engine/grammar/terms.h"
#include "engine/grammar/trie.h"

struct masks;

/* `bytes`: the most that states and masks may take, together. Borrows the trie. NULL: there is no
 * memory. */
MUST_CHECK struct masks *masks_new(const struct trie *trie, size_t bytes);
void masks_free(struct masks *m); /* also NULL */

/* Where grammars are imported to. */
struct terms *masks_terms(struct masks *m);

/* True once there was no memory, or no room, for a state or mask: no answer holds any more. */
bool masks_failed(const struct masks *m);

/* Bit i of word i / 64: token i may come next, since some text of the state's begins with what it
 * is. Tokens without text never may; whether the answer may end, term_may_end says. Valid until the
 * next call; NULL: it has failed. */
const uint64_t *masks_of(struct masks *m, term state);

/* The words of a mask. */
uint32_t masks_words(const struct masks *m);

#endif
