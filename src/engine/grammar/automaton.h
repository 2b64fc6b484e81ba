/* SPDX-License-Identifier: Apache-2.0 */
/* A model's automaton: the texts of its vocabulary, and the states and masks of all its grammars.
 *
 * Those have room for so many bytes. Once that is filled, they are forgotten and made anew, as they
 * are asked for again: a new generation, in which the terms of earlier ones mean nothing. The
 * compute thread's. */
#ifndef HOSTLER_ENGINE_GRAMMAR_AUTOMATON_H
#define HOSTLER_ENGINE_GRAMMAR_AUTOMATON_H

#include "base/base.h"
#include "engine/grammar/masks.h"
#include "engine/grammar/trie.h"
#include "engine/model/vocab.h"
#include "obs/metrics.h"

struct automaton {
    const struct vocab *vocab;
    bool prepared;
    struct trie *trie; /* NULL: not prepared; or there was no memory: no grammar can be enforced */
    struct masks *masks; /* NULL: none yet, or no memory */
    uint64_t *spare;     /* a mask in the making */
    size_t bytes;
    uint32_t generation;            /* of `masks`; 0: before the first */
    struct histogram *mask_seconds; /* NULL: nobody wants to know */
};

void automaton_init(struct automaton *a, const struct vocab *vocab, size_t bytes,
                    struct histogram *mask_seconds);
void automaton_fini(struct automaton *a); /* also a zeroed one */

/* Gathers the vocabulary's texts, before the first grammar is enforced or while there is nothing else
 * to do: it takes 25 to 70 ms. False: that is done. */
bool automaton_prepare(struct automaton *a);

/* True when there are masks with room; makes them anew where need be. False: there is no memory. */
MUST_CHECK bool automaton_ready(struct automaton *a);

/* As masks_of. */
const uint64_t *automaton_mask(struct automaton *a, term state);

#endif
