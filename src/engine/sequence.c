/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sequence.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { ROOM_FOR_ANSWER = 128 };

static void hold_back_ends(struct sequence *q, const struct vocab_info *vocab, uint32_t least)
{
    mask_push(&q->masks, mask_ends_new(vocab->ends, vocab->end_count, least));
    mask_push(&q->masks, mask_ends_new(q->ends, q->end_count, least));
}

static void keep_to_grammar(struct sequence *q, const struct sequence_spec *spec,
                            const struct reasoning_markers *markers, const struct vocab_info *vocab)
{
    const struct call_marks *marks = spec->calls ? spec->calls->marks : NULL;
    const struct mask_grammar_options options = {
        .named = marks ? marks->controls : NULL,
        .named_count = marks ? marks->control_count : 0,
        .grammar = spec->grammar,
        .markers = markers,
        .begun = spec->reasoning_begun,
        .ignore_ends = spec->ignore_end,
        .own = spec->ends,
        .own_count = spec->end_count,
        .vocab = vocab,
    };
    q->grammar = mask_grammar_new(&options);
    q->forces = !spec->sampling.logprobs && !spec->sampling.bias_count && !spec->words;
    mask_push(&q->masks, mask_grammar_masker(q->grammar));
}

struct sequence *sequence_new(const struct sequence_spec *spec, const struct vocab_info *vocab)
{
    struct sequence *q = mem_must_zero(1, sizeof *q);
    assert(spec->prompt_count > 0 && spec->max_tokens > 0);
    list_init(&q->link);
    q->cap = spec->prompt_count + MIN(spec->max_tokens, (uint32_t)ROOM_FOR_ANSWER);
    q->tokens = mem_must(q->cap * sizeof *q->tokens);
    memcpy(q->tokens, spec->prompt, spec->prompt_count * sizeof *q->tokens);
    q->count = q->prompt_count = spec->prompt_count;
    q->max_tokens = spec->max_tokens;
    q->salt = spec->salt;
    q->ignore_end = spec->ignore_end;
    q->end_count = spec->end_count;
    if (q->end_count) {
        q->ends = mem_must(q->end_count * sizeof *q->ends);
        memcpy(q->ends, spec->ends, q->end_count * sizeof *q->ends);
    }
    q->tenant = spec->tenant;
    q->priority = spec->priority;
    q->deadline_us = spec->deadline_us;
    q->leader = spec->leader;
    q->shared = q->leader ? spec->prompt_count : 0;
    if (q->leader) q->leader->followers++;
    sampler_init(&q->sampler, &spec->sampling, vocab->count, spec->prompt, spec->prompt_count);
    stop_init(&q->stop, spec->stops, spec->stop_count);
    static const struct reasoning_markers none;
    const struct reasoning_markers *markers = spec->reasoning ? spec->reasoning : &none;
    reasoning_init(&q->reasoning, markers, spec->reasoning_begun);
    calls_init(&q->calls, spec->calls);
    if (spec->reasoning && spec->thinking_budget >= 0)
        mask_push(&q->masks, mask_thoughts_new(&q->reasoning, (uint32_t)spec->thinking_budget));
    /* Before the thoughts' masker, which has the last word. */
    if (spec->min_tokens) hold_back_ends(q, vocab, spec->min_tokens);
    if (spec->words) mask_push(&q->masks, mask_words_new(spec->words));
    if (vocab->suppressed_count)
        mask_push(&q->masks, mask_tokens_new(vocab->suppressed, vocab->suppressed_count));
    if (spec->grammar) keep_to_grammar(q, spec, markers, vocab);
    return q;
}

void sequence_free(struct sequence *q)
{
    if (!q) return;
    assert(q->state == SEQUENCE_NEW || q->state == SEQUENCE_ENDED);
    sampler_fini(&q->sampler);
    stop_fini(&q->stop);
    reasoning_fini(&q->reasoning);
    calls_fini(&q->calls);
    mask_free(q->masks);
    free(q->ends);
    free(q->tokens);
    free(q->pending);
    free(q);
}

bool sequence_ends_at(const struct sequence *q, int32_t token)
{
    return tokens_have(q->ends, q->end_count, token);
}

void sequence_push(struct sequence *q, int32_t token)
{
    if (q->count == q->cap) {
        q->cap *= 2;
        q->tokens = mem_must_grow(q->tokens, q->cap, sizeof *q->tokens);
    }
    q->tokens[q->count++] = token;
}

uint32_t sequence_slice_end(const struct sequence *q)
{
    return q->checkpoint > q->done ? q->checkpoint : q->goal;
}

void sequence_leave_leader(struct sequence *q)
{
    if (!q->leader) return;
    q->leader->followers--;
    q->leader = NULL;
}
