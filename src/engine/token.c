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

/* True when the name of a control token is to be read. */
static bool reads_name(const struct sequence *q, int32_t token)
{
    return reasoning_reads_name(&q->reasoning, token) || calls_reads_name(&q->calls, token);
}

/* Forgets the choices whose whole text lies in the last `cut` bytes, which a stop string took. */
static void cut_choices(struct scheduler *s, struct sequence *q, size_t cut)
{
    char piece[VOCAB_PIECE_MAX];
    while (cut && q->pending_count) {
        int32_t token = q->pending[q->pending_count - 1].token;
        bool named = reads_name(q, token);
        size_t len = vocab_piece(s->vocab, token, named, piece);
        if (len > cut) return;
        cut -= len;
        q->pending_count--;
    }
}

/* What was read so far goes out, since it does not outlast the next reading. */
static void flush(struct scheduler *s, struct sequence *q, struct pieces *out)
{
    if (out->count) tell__text(s, q, out, FINISH_NONE);
    out->count = 0;
}

static void read_calls(struct scheduler *s, struct sequence *q, struct str text, bool last,
                       struct pieces *out)
{
    flush(s, q, out);
    while (calls_feed(&q->calls, text, last, out)) {
        flush(s, q, out);
        text = STR("");
    }
}

/* Thoughts are told from the rest, and in that calls of tools. */
static void read_pieces(struct scheduler *s, struct sequence *q, struct str text, bool last,
                        struct pieces *out)
{
    struct pieces parts = {.count = 0};
    if (!q->calls.marks) {
        reasoning_feed(&q->reasoning, text, last, out);
        return;
    }
    reasoning_feed(&q->reasoning, text, last, &parts);
    for (unsigned i = 0; i < parts.count; i++) {
        if (parts.all[i].kind == PIECE_CONTENT)
            read_calls(s, q, parts.all[i].text, false, out);
        else
            pieces_add(out, parts.all[i].kind, parts.all[i].text);
    }
    if (last) read_calls(s, q, STR(""), true, out);
}

/* The token's text, on its way through the readers: stop strings, then thoughts and calls. Behind
 * the one call that there may be the answer stops, too. */
static enum stop_result read_text(struct scheduler *s, struct sequence *q, struct str bytes,
                                  bool last, struct pieces *out)
{
    struct str text;
    size_t held = buf_len(&q->stop.held) + bytes.len;
    enum stop_result result = stop_feed(&q->stop, bytes, last, &text);
    if (result == STOP_FOUND) cut_choices(s, q, held - text.len);
    q->reasoned += q->reasoning.state == REASONING_THINKING;
    read_pieces(s, q, text, last || result == STOP_FOUND, out);
    return calls_done(&q->calls) ? STOP_FOUND : result;
}

/* True for a token that ends this answer. With a grammar an end comes only where nothing else may. */
static bool ends(const struct scheduler *s, const struct sequence *q, int32_t token)
{
    bool heeds = !q->ignore_end || q->grammar;
    return (heeds && vocab_is_end(s->vocab, token)) || sequence_ends_at(q, token);
}

/* Appends a token that was chosen and tells it. False: that was the end. */
static bool append(struct scheduler *s, struct sequence *q, const struct sampler_choice *choice)
{
    struct pieces pieces = {.count = 0};
    char bytes[VOCAB_PIECE_MAX];
    q->generated++;
    metric_add(&s->stats.output_tokens, 1);
    if (ends(s, q, choice->token)) {
        (void)read_text(s, q, STR_NULL, true, &pieces);
        tell__end(s, q, &pieces, FINISH_STOP);
        return false;
    }
    sequence_push(q, choice->token);
    remember_choice(q, choice);
    bool whole = q->grammar && mask_grammar_done(q->grammar);
    bool last = whole || q->generated == q->max_tokens;
    bool named = reads_name(q, choice->token);
    size_t len = vocab_piece(s->vocab, choice->token, named, bytes);
    enum stop_result result = read_text(s, q, str_n(bytes, len), last, &pieces);
    if (last || result == STOP_FOUND) {
        bool stopped = whole || result == STOP_FOUND;
        tell__end(s, q, &pieces, stopped ? FINISH_STOP : FINISH_LENGTH);
        return false;
    }
    if (pieces.count) tell__text(s, q, &pieces, FINISH_NONE);
    return true;
}

/* True, and told: it is the request's own doing. */
static bool asks_too_much(const struct sequence *q)
{
    if (!q->grammar || !mask_grammar_failed(q->grammar)) return false;
    log_note(LOG_WARN, "grammar",
             mask_grammar_exhausted(q->grammar) ? "what may come next takes too long to find out"
                                                : "there is no memory for what may come next");
    return true;
}

/* Where the model gave no numbers, what it has computed of the sequence may be none either: others
 * must not go on from that. */
static void fail(struct scheduler *s, struct sequence *q)
{
    bool refused = asks_too_much(q);
    if (!refused) {
        cache_forget(&s->cache, q);
        log_note(LOG_ERROR, "sampling",
                 q->grammar ? "no token is left that the request allows"
                            : "the model gave no finite number");
    }
    metric_add(&s->stats.failures, 1);
    tell__end(s, q, NULL, refused ? FINISH_REFUSED : FINISH_FAILED);
}

/* Tokens that need no choice. Returns how many came. */
static size_t take_forced(struct scheduler *s, struct sequence *q)
{
    int32_t tokens[MASK_FORCED_MAX];
    size_t n = q->forces ? mask_grammar_forced(q->grammar, tokens) : 0;
    for (size_t i = 0; i < n; i++) {
        const struct sampler_choice choice = {.token = tokens[i]};
        sampler_note(&q->sampler, q->masks, choice.token);
        metric_add(&s->stats.forced_tokens, 1);
        if (!append(s, q, &choice)) return i + 1;
    }
    return n;
}

void token__take(struct scheduler *s, struct sequence *q, float *logits)
{
    struct sampler_choice choice;
    if (take_forced(s, q)) return;
    if (sampler_next(&q->sampler, &s->scratch, logits, q->masks, &choice))
        fail(s, q);
    else if (append(s, q, &choice))
        (void)take_forced(s, q);
}
