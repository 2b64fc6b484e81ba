/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

void sampler_scratch_init(struct sampler_scratch *s, uint32_t vocab)
{
    s->vocab = vocab;
    s->candidates = mem_must((size_t)vocab * sizeof *s->candidates);
}

void sampler_scratch_fini(struct sampler_scratch *s)
{
    free(s->candidates);
    *s = (struct sampler_scratch){0};
}

/* --- penalties and bias --- */

static bool has_penalties(const struct sampler_params *p)
{
    return p->repeat_penalty != 1 || p->presence_penalty != 0 || p->frequency_penalty != 0;
}

static void note_token(struct sampler *s, int32_t token)
{
    uint8_t *byte = &s->seen[token / 8];
    uint8_t bit = (uint8_t)(1u << (token % 8));
    if (*byte & bit) return;
    *byte = (uint8_t)(*byte | bit);
    if (s->distinct_count == s->distinct_cap) {
        s->distinct_cap = s->distinct_cap ? s->distinct_cap * 2 : 64;
        s->distinct = mem_must_grow(s->distinct, s->distinct_cap, sizeof *s->distinct);
    }
    s->distinct[s->distinct_count++] = token;
}

void sampler_init(struct sampler *s, const struct sampler_params *params, uint32_t vocab,
                  const int32_t *prompt, uint32_t prompt_count)
{
    *s = (struct sampler){.params = *params, .vocab = vocab};
    rng_seed(&s->rng, params->seed);
    s->params.bias = NULL;
    if (params->bias_count) {
        size_t size = params->bias_count * sizeof *params->bias;
        s->params.bias = memcpy(mem_must(size), params->bias, size);
    }
    if (!has_penalties(params)) return;
    s->counts = mem_must_zero(vocab, sizeof *s->counts);
    s->seen = mem_must_zero(vocab / 8 + 1, 1);
    if (params->repeat_penalty == 1) return;
    for (uint32_t i = 0; i < prompt_count; i++)
        note_token(s, prompt[i]);
}

void sampler_fini(struct sampler *s)
{
    free((void *)(uintptr_t)s->params.bias);
    free(s->counts);
    free(s->seen);
    free(s->distinct);
    *s = (struct sampler){0};
}

static void apply_penalties(const struct sampler *s, float *logits)
{
    const struct sampler_params *p = &s->params;
    for (uint32_t i = 0; i < s->distinct_count; i++) {
        int32_t t = s->distinct[i];
        float x = logits[t];
        if (p->repeat_penalty != 1) x = x > 0 ? x / p->repeat_penalty : x * p->repeat_penalty;
        if (s->counts[t]) x -= p->presence_penalty + p->frequency_penalty * (float)s->counts[t];
        logits[t] = x;
    }
}

static void apply_bias(const struct sampler *s, float *logits)
{
    for (uint32_t i = 0; i < s->params.bias_count; i++) {
        const struct sampler_bias *b = &s->params.bias[i];
        if (b->bias <= -100)
            logits[b->token] = -INFINITY;
        else
            logits[b->token] += b->bias;
    }
}

/* --- selection --- */

/* The greatest of x; -INFINITY when there is no number. Eight at a time, since each maximum waits
 * for the former. */
static float row_max(const float *x, uint32_t n)
{
    float best[8];
    uint32_t i = 0;
    for (unsigned k = 0; k < 8; k++)
        best[k] = -INFINITY;
    for (; i + 8 <= n; i += 8) {
        for (unsigned k = 0; k < 8; k++)
            best[k] = x[i + k] > best[k] ? x[i + k] : best[k];
    }
    for (; i < n; i++)
        best[0] = x[i] > best[0] ? x[i] : best[0];
    for (unsigned k = 1; k < 8; k++)
        best[0] = best[k] > best[0] ? best[k] : best[0];
    return best[0];
}

static int32_t row_find(const float *x, uint32_t n, float value)
{
    for (uint32_t i = 0; i < n; i++) {
        if (x[i] == value) return (int32_t)i;
    }
    return -1;
}

/* Greater logits first; of equal ones the lower token, so that results do not depend on the order
 * of work. */
static bool before(const struct sampler_candidate *a, const struct sampler_candidate *b)
{
    return a->logit > b->logit || (a->logit == b->logit && a->token < b->token);
}

static int compare(const void *a, const void *b)
{
    const struct sampler_candidate *x = a, *y = b;
    return before(x, y) ? -1 : before(y, x) ? 1 : 0;
}

static void swap(struct sampler_candidate *a, struct sampler_candidate *b)
{
    struct sampler_candidate t = *a;
    *a = *b;
    *b = t;
}

/* Moves the k foremost of c[0..n) to the front, in any order (quickselect, middle as pivot). */
static void select_front(struct sampler_candidate *c, size_t n, size_t k)
{
    while (n > 1 && k > 0 && k < n) {
        swap(&c[n / 2], &c[n - 1]);
        struct sampler_candidate pivot = c[n - 1];
        size_t split = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            if (before(&c[i], &pivot)) swap(&c[i], &c[split++]);
        }
        swap(&c[split], &c[n - 1]);
        if (k <= split) {
            n = split;
        } else {
            c += split + 1;
            n -= split + 1;
            k -= split + 1;
        }
    }
}

static float least(const struct sampler_candidate *c, size_t n)
{
    float low = INFINITY;
    for (size_t i = 0; i < n; i++)
        low = c[i].logit < low ? c[i].logit : low;
    return low;
}

/* The k foremost of the row, sorted; returns how many there are (fewer when the row has fewer
 * numbers). */
static size_t top_of_row(const float *x, uint32_t n, size_t k, struct sampler_candidate *c)
{
    size_t room = MIN((size_t)n, 2 * k + 64);
    float bar = -INFINITY;
    size_t m = 0;
    k = MIN(k, (size_t)n);
    for (uint32_t i = 0; i < n; i++) {
        if (!(x[i] > bar)) continue;
        c[m++] = (struct sampler_candidate){x[i], (int32_t)i};
        if (m < room || room == n) continue;
        select_front(c, m, k);
        m = k;
        bar = least(c, k);
    }
    if (m > k) {
        select_front(c, m, k);
        m = k;
    }
    qsort(c, m, sizeof *c, compare);
    return m;
}

/* All of the row that reach `bar`, sorted. */
static size_t reaching(const float *x, uint32_t n, float bar, struct sampler_candidate *c)
{
    size_t m = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (x[i] >= bar) c[m++] = (struct sampler_candidate){x[i], (int32_t)i};
    }
    qsort(c, m, sizeof *c, compare);
    return m;
}

/* How many of the sorted candidates hold the share `p` of `total`; 0 when all do not reach it. */
static size_t share(const struct sampler_candidate *c, size_t n, float max, double total, float p)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)expf(c[i].logit - max);
        if (sum >= (double)p * total) return i + 1;
    }
    return 0;
}

static double row_total(const float *x, uint32_t n, float max)
{
    double total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += x[i] > -INFINITY ? (double)expf(x[i] - max) : 0;
    return total;
}

/* top_p over the whole row: more and more of the foremost, until they suffice. */
static size_t nucleus(const float *x, uint32_t n, float max, float p, struct sampler_candidate *c)
{
    double total = row_total(x, n, max);
    for (size_t k = 64;; k *= 8) {
        size_t m = top_of_row(x, n, k, c);
        size_t keep = share(c, m, max, total, p);
        if (keep) return keep;
        if (k >= n || m < k) return m;
    }
}

/* Candidates after top_k, top_p and min_p, sorted. 0: no cut is asked for, the whole row stays. */
static size_t cut(const struct sampler_params *p, const float *x, uint32_t n, float max,
                  struct sampler_candidate *c)
{
    size_t m = 0;
    bool by_k = p->top_k > 0 && (uint32_t)p->top_k < n;
    float bar = p->min_p > 0 ? max + logf(p->min_p) : -INFINITY;
    if (by_k) {
        m = top_of_row(x, n, (size_t)p->top_k, c);
        if (p->top_p < 1) {
            double total = 0;
            for (size_t i = 0; i < m; i++)
                total += (double)expf(c[i].logit - max);
            size_t keep = share(c, m, max, total, p->top_p);
            if (keep) m = keep;
        }
    } else if (p->top_p < 1) {
        m = nucleus(x, n, max, p->top_p, c);
    } else if (p->min_p > 0) {
        return reaching(x, n, bar, c);
    }
    while (m > 1 && c[m - 1].logit < bar)
        m--;
    return m;
}

/* A draw among candidates at a temperature. */
static int32_t draw(struct rng *rng, struct sampler_candidate *c, size_t m, float temperature)
{
    float max = c[0].logit;
    double total = 0;
    for (size_t i = 0; i < m; i++) {
        c[i].logit = expf((c[i].logit - max) / temperature);
        total += (double)c[i].logit;
    }
    double left = rng_unit(rng) * total;
    for (size_t i = 0; i < m; i++) {
        left -= (double)c[i].logit;
        if (left < 0) return c[i].token;
    }
    return c[0].token;
}

/* The same over the whole row. */
static int32_t draw_row(struct rng *rng, float *x, uint32_t n, float max, float temperature)
{
    double total = 0;
    for (uint32_t i = 0; i < n; i++) {
        x[i] = x[i] > -INFINITY ? expf((x[i] - max) / temperature) : 0;
        total += (double)x[i];
    }
    double left = rng_unit(rng) * total;
    uint32_t last = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!(x[i] > 0)) continue;
        left -= (double)x[i];
        if (left < 0) return (int32_t)i;
        last = i;
    }
    return (int32_t)last;
}

/* Below this a temperature is as good as none, and dividing by it would overflow. */
static const float temperature_least = 1e-3f;

static int choose(struct sampler *s, struct sampler_scratch *scratch, float *logits, int32_t *token)
{
    const struct sampler_params *p = &s->params;
    float max = row_max(logits, s->vocab);
    if (!isfinite(max)) return ERR_INVALID;
    if (p->temperature < temperature_least || p->top_k == 1) {
        *token = row_find(logits, s->vocab, max);
        return 0;
    }
    size_t m = cut(p, logits, s->vocab, max, scratch->candidates);
    if (m == 1)
        *token = scratch->candidates[0].token;
    else if (m > 1)
        *token = draw(&s->rng, scratch->candidates, m, p->temperature);
    else
        *token = draw_row(&s->rng, logits, s->vocab, max, p->temperature);
    return 0;
}

/* --- log probabilities --- */

/* Notes the most likely tokens of the untouched row. *offset: what a logit is above its log
 * probability. */
static int note_top(const struct sampler *s, struct sampler_scratch *scratch, const float *logits,
                    struct sampler_choice *out, float *offset)
{
    float max = row_max(logits, s->vocab);
    if (!isfinite(max)) return ERR_INVALID;
    *offset = max + (float)log(row_total(logits, s->vocab, max));
    out->top_count = 0;
    if (!s->params.top_logprobs) return 0;
    size_t m = top_of_row(logits, s->vocab, s->params.top_logprobs, scratch->candidates);
    for (size_t i = 0; i < m; i++) {
        out->top[i] = (struct sampler_prob){scratch->candidates[i].token,
                                            scratch->candidates[i].logit - *offset};
    }
    out->top_count = (uint8_t)m;
    return 0;
}

void sampler_note(struct sampler *s, struct masker *masks, int32_t token)
{
    mask_accept(masks, token);
    if (!s->counts) return;
    s->counts[token]++;
    note_token(s, token);
}

int sampler_next(struct sampler *s, struct sampler_scratch *scratch, float *logits,
                 struct masker *masks, struct sampler_choice *out)
{
    float *raw = NULL;
    float offset = 0;
    int err = 0;
    out->top_count = 0;
    out->logprob = 0;
    if (s->params.logprobs) {
        err = note_top(s, scratch, logits, out, &offset);
        if (err) return err;
        raw = mem_must(s->vocab * sizeof *raw);
        memcpy(raw, logits, s->vocab * sizeof *raw);
    }
    apply_penalties(s, logits);
    apply_bias(s, logits);
    mask_row(masks, logits, s->vocab);
    err = choose(s, scratch, logits, &out->token);
    if (!err && raw) out->logprob = raw[out->token] - offset;
    free(raw);
    if (err) return err;
    sampler_note(s, masks, out->token);
    return 0;
}
