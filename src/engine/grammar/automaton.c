/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/automaton.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/grammar/grammar.h"
#include "obs/log.h"

static void log_trie(const struct trie *t, uint64_t us)
{
    struct log_line l;
    log_begin(&l, LOG_DEBUG, "vocabulary");
    log_u64(&l, "tokens", t->token_count);
    log_u64(&l, "bytes", t->count * sizeof *t->nodes + t->token_count * sizeof *t->tokens);
    log_u64(&l, "took_us", us);
    log_end(&l);
}

void automaton_init(struct automaton *a, const struct vocab *vocab, size_t bytes,
                    struct histogram *mask_seconds)
{
    *a = (struct automaton){.vocab = vocab, .bytes = bytes, .mask_seconds = mask_seconds};
}

bool automaton_prepare(struct automaton *a)
{
    if (a->prepared || !a->vocab) return false;
    uint64_t started = clock_mono_us();
    a->prepared = true;
    a->trie = trie_of_vocab(a->vocab);
    if (automaton_ready(a)) grammar_prepare(a->masks);
    if (a->trie) log_trie(a->trie, clock_mono_us() - started);
    return true;
}

void automaton_fini(struct automaton *a)
{
    masks_free(a->masks);
    trie_free(a->trie);
    free(a->spare);
    *a = (struct automaton){.vocab = NULL};
}

bool automaton_ready(struct automaton *a)
{
    if (a->masks && !masks_failed(a->masks)) return true;
    if (!a->trie) return false;
    if (!a->spare) a->spare = mem_try_zero((a->trie->vocab + 63) / 64, sizeof *a->spare);
    masks_free(a->masks);
    a->masks = a->spare ? masks_new(a->trie, a->bytes) : NULL;
    a->generation++;
    return a->masks;
}

const uint64_t *automaton_mask(struct automaton *a, term state)
{
    uint64_t started = clock_mono_us();
    const uint64_t *mask = masks_of(a->masks, state);
    if (a->mask_seconds) histogram_observe_us(a->mask_seconds, clock_mono_us() - started);
    return mask;
}
