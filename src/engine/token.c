/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "engine/model/vocab.h"
#include "engine/scheduler_priv.h"
#include "obs/log.h"

static void remember_choice(struct sequence *q, const struct sampler_choice *c)
{
    if (!q->sampler.params.logprobs) return;
    if (q->pending_count == q->pending_cap) {
        q->pending_cap = q->pending_cap ? q->pending_cap * 2 : 4;
        q->pending = mem_must_grow(q->pending, q->pending_cap, sizeof *q->pending);
    }
    q->pending[q->pending_count++] = *c;
}

/* Forgets the choices whose whole text lies in the last `cut` bytes, which a stop string took. */
static void cut_choices(struct scheduler *s, struct sequence *q, size_t cut)
{
    char piece[VOCAB_PIECE_MAX];
    while (cut && q->pending_count) {
        int32_t token = q->pending[q->pending_count - 1].token;
        bool named = reasoning_reads_name(&q->reasoning, token);
        size_t len = vocab_piece(s->vocab, token, named, piece);
        if (len > cut) return;
        cut -= len;
        q->pending_count--;
    }
}

/* The token's text, on its way through the readers: stop strings, then thoughts. */
static enum stop_result read_text(struct scheduler *s, struct sequence *q, struct str bytes,
                                  bool last, struct pieces *out)
{
    struct str text;
    size_t held = buf_len(&q->stop.held) + bytes.len;
    enum stop_result result = stop_feed(&q->stop, bytes, last, &text);
    if (result == STOP_FOUND) cut_choices(s, q, held - text.len);
    q->reasoned += q->reasoning.state == REASONING_THINKING;
    reasoning_feed(&q->reasoning, text, last || result == STOP_FOUND, out);
    return result;
}

void token__take(struct scheduler *s, struct sequence *q, float *logits)
{
    struct sampler_choice choice;
    struct pieces pieces = {.count = 0};
    char bytes[VOCAB_PIECE_MAX];
    if (sampler_next(&q->sampler, &s->scratch, logits, q->masks, &choice)) {
        log_note(LOG_ERROR, "sampling", "the model gave no finite number");
        metric_add(&s->stats.failures, 1);
        tell__end(s, q, NULL, FINISH_FAILED);
        return;
    }
    q->generated++;
    metric_add(&s->stats.output_tokens, 1);
    if ((!q->ignore_end && vocab_is_end(s->vocab, choice.token)) ||
        sequence_ends_at(q, choice.token)) {
        (void)read_text(s, q, STR_NULL, true, &pieces);
        tell__end(s, q, &pieces, FINISH_STOP);
        return;
    }
    sequence_push(q, choice.token);
    remember_choice(q, &choice);
    bool last = q->generated == q->max_tokens;
    bool named = reasoning_reads_name(&q->reasoning, choice.token);
    size_t len = vocab_piece(s->vocab, choice.token, named, bytes);
    if (read_text(s, q, str_n(bytes, len), last, &pieces) == STOP_FOUND)
        tell__end(s, q, &pieces, FINISH_STOP);
    else if (last)
        tell__end(s, q, &pieces, FINISH_LENGTH);
    else if (pieces.count)
        tell__text(s, q, &pieces, FINISH_NONE);
}
