/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sequence.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { ROOM_FOR_ANSWER = 128 };

struct sequence *sequence_new(const struct sequence_spec *spec, uint32_t vocab)
{
    struct sequence *q = mem_must_zero(1, sizeof *q);
    assert(spec->prompt_count > 0 && spec->max_tokens > 0);
    list_init(&q->link);
    q->cap = spec->prompt_count + MIN(spec->max_tokens, (uint32_t)ROOM_FOR_ANSWER);
    q->tokens = mem_must(q->cap * sizeof *q->tokens);
    memcpy(q->tokens, spec->prompt, spec->prompt_count * sizeof *q->tokens);
    q->count = q->prompt_count = spec->prompt_count;
    q->max_tokens = spec->max_tokens;
    q->ignore_end = spec->ignore_end;
    q->end_count = spec->end_count;
    if (q->end_count) {
        q->ends = mem_must(q->end_count * sizeof *q->ends);
        memcpy(q->ends, spec->ends, q->end_count * sizeof *q->ends);
    }
    q->leader = spec->leader;
    q->shared = q->leader ? spec->prompt_count : 0;
    if (q->leader) q->leader->followers++;
    sampler_init(&q->sampler, &spec->sampling, vocab, spec->prompt, spec->prompt_count);
    stop_init(&q->stop, spec->stops, spec->stop_count);
    return q;
}

void sequence_free(struct sequence *q)
{
    if (!q) return;
    assert(q->state == SEQUENCE_NEW || q->state == SEQUENCE_ENDED);
    sampler_fini(&q->sampler);
    stop_fini(&q->stop);
    free(q->ends);
    free(q->tokens);
    free(q->pending);
    free(q);
}

bool sequence_ends_at(const struct sequence *q, int32_t token)
{
    for (uint32_t i = 0; i < q->end_count; i++)
        if (q->ends[i] == token) return true;
    return false;
}

void sequence_push(struct sequence *q, int32_t token)
{
    if (q->count == q->cap) {
        q->cap *= 2;
        q->tokens = mem_must_grow(q->tokens, q->cap, sizeof *q->tokens);
    }
    q->tokens[q->count++] = token;
}

void sequence_leave_leader(struct sequence *q)
{
    if (!q->leader) return;
    q->leader->followers--;
    q->leader = NULL;
}
