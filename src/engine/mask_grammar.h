/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps an answer to a grammar: a masker that lets through what the grammar may go on with, and the
 * answer's end exactly where it may end.
 *
 * The grammar is about the answer, not about thoughts before it, which are told apart here on the
 * raw text, before anything is held back. Where thoughts may yet begin, so may the grammar's text.
 * While they last, the answer may not end.
 *
 * Made on any thread; from mask_grammar_attach on the compute thread's. */
#ifndef HOSTLER_ENGINE_MASK_GRAMMAR_H
#define HOSTLER_ENGINE_MASK_GRAMMAR_H

#include "base/base.h"
#include "engine/grammar/automaton.h"
#include "engine/grammar/terms.h"
#include "engine/mask.h"
#include "engine/model/vocab.h"
#include "engine/text/reasoning.h"

struct mask_grammar;

struct mask_grammar_options {
    struct terms *grammar; /* finished; shared */
    const struct reasoning_markers *markers;
    bool begun;         /* the prompt ends within the thoughts */
    bool ignore_ends;   /* the answer ends only where nothing else may come */
    const int32_t *own; /* tokens that end the answer besides the model's own; copied */
    uint32_t own_count;
    const int32_t *named; /* control tokens whose names are text of the answer; copied */
    uint32_t named_count;
    const struct vocab_info *vocab;
};

struct mask_grammar *mask_grammar_new(const struct mask_grammar_options *options);

/* For a chain, which frees it. */
struct masker *mask_grammar_masker(struct mask_grammar *g);

/* Before the first token. */
void mask_grammar_attach(struct mask_grammar *g, struct automaton *automaton);

/* True when it cannot say any more what may come: no memory, or it takes too long (exhausted). It then
 * lets nothing through. */
bool mask_grammar_failed(const struct mask_grammar *g);
bool mask_grammar_exhausted(const struct mask_grammar *g);

/* True when the answer is whole and nothing may follow. */
bool mask_grammar_done(const struct mask_grammar *g);

/* Tokens that must come next, whatever the model says; returns how many. A text that must come is
 * left to the model where a token may go on beyond it. None of them ends the answer. */
enum { MASK_FORCED_MAX = 32 };
size_t mask_grammar_forced(struct mask_grammar *g, int32_t tokens[MASK_FORCED_MAX]);

#endif
