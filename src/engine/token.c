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

/* Forgets choices whose text the stop string has cut off. */
static void cut_choices(struct scheduler *s, struct sequence *q, size_t text_len)
{
    char piece[VOCAB_PIECE_MAX];
    size_t len = 0;
    for (unsigned i = 0; i < q->pending_count; i++) {
        if (len >= text_len) {
            q->pending_count = i;
            return;
        }
        len += vocab_piece(s->vocab, q->pending[i].token, false, piece);
    }
}

void token__take(struct scheduler *s, struct sequence *q, float *logits)
{
    struct sampler_choice choice;
    char piece[VOCAB_PIECE_MAX];
    struct str text;
    if (sampler_next(&q->sampler, &s->scratch, logits, &choice)) {
        log_note(LOG_ERROR, "sampling", "the model gave no finite number");
        metric_add(&s->stats.failures, 1);
        tell__end(s, q, STR_NULL, FINISH_FAILED);
        return;
    }
    q->generated++;
    metric_add(&s->stats.output_tokens, 1);
    if ((!q->ignore_end && vocab_is_end(s->vocab, choice.token)) ||
        sequence_ends_at(q, choice.token)) {
        (void)stop_feed(&q->stop, STR_NULL, true, &text);
        tell__end(s, q, text, FINISH_STOP);
        return;
    }
    sequence_push(q, choice.token);
    remember_choice(q, &choice);
    bool last = q->generated == q->max_tokens;
    size_t len = vocab_piece(s->vocab, choice.token, false, piece);
    if (stop_feed(&q->stop, str_n(piece, len), last, &text) == STOP_FOUND) {
        cut_choices(s, q, text.len);
        tell__end(s, q, text, FINISH_STOP);
    } else if (last) {
        tell__end(s, q, text, FINISH_LENGTH);
    } else if (text.len) {
        tell__text(s, q, text, FINISH_NONE);
    }
}
