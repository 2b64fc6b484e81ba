/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scheduler.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/scheduler_priv.h"

static const struct context_info no_context = {.sequences = 0, .batch = 1};

struct scheduler *scheduler_new(const struct scheduler_options *options)
{
    struct scheduler *s = mem_must_zero(1, sizeof *s);
    s->options = *options;
    if (!s->options.slice_us) s->options.slice_us = SCHEDULER_SLICE_US;
    if (!s->options.slice_alone_us) s->options.slice_alone_us = SCHEDULER_SLICE_ALONE_US;
    if (!s->options.slice_long_us) s->options.slice_long_us = SCHEDULER_SLICE_LONG_US;
    if (!s->options.now_us) s->options.now_us = clock_mono_us;
    s->model = options->model;
    s->vocab = model_vocab(s->model);
    s->context = model_context(s->model);
    s->info = s->context ? context_info(s->context) : &no_context;
    fair_init(&s->fair);
    s->deadline_us = UINT64_MAX;
    list_init(&s->prefill);
    list_init(&s->parked);
    list_init(&s->embeds);
    const struct cache_options cache = {
        .context = s->context,
        .slots = s->info->sequences,
        .ram_bytes = options->cache_ram,
        .stats = &s->stats.cache,
        .now_us = s->options.now_us,
    };
    cache_init(&s->cache, &cache);
    s->items = mem_must_zero(s->info->batch, sizeof *s->items);
    s->prompts = mem_must_zero(MAX(s->info->sequences, 1), sizeof *s->prompts);
    s->parts = mem_must_zero(MAX(s->info->sequences, 1), sizeof *s->parts);
    size_t bytes = options->grammar_bytes;
    if (s->context)
        automaton_init(&s->automaton, s->vocab, bytes ? bytes : (size_t)SCHEDULER_GRAMMAR_BYTES,
                       &s->stats.mask_seconds);
    sampler_scratch_init(&s->scratch, vocab_info(s->vocab)->count);
    threads_init(&s->decode_threads, options->threads, options->threads_most);
    threads_init(&s->prefill_threads, options->threads, options->threads_most);
    bool interrupts = options->newcomers.any && s->info->trims;
    const struct plan_options plan = {
        .slice_us = s->options.slice_us,
        .slice_alone_us = s->options.slice_alone_us,
        .slice_long_us = interrupts ? s->options.slice_long_us : s->options.slice_alone_us,
        .pace = s->options.inter_token,
        .batch = s->info->batch,
        .blas_from = s->info->blas_from,
    };
    plan_init(&s->plan, &plan);
    return s;
}

void scheduler_free(struct scheduler *s)
{
    if (!s) return;
    assert(!fair_next(&s->fair, NULL) && list_empty(&s->parked) && cache_busy(&s->cache) == 0);
    cache_fini(&s->cache);
    automaton_fini(&s->automaton);
    sampler_scratch_fini(&s->scratch);
    free(s->items);
    free(s->prompts);
    free(s->parts);
    free(s);
}

uint64_t scheduler_due_us(const struct scheduler *s)
{
    return s->deadline_us;
}

struct cache *scheduler_cache(struct scheduler *s)
{
    return &s->cache;
}

const struct scheduler_stats *scheduler_stats(const struct scheduler *s)
{
    return &s->stats;
}

static void note_gauges(struct scheduler *s)
{
    uint64_t used = 0;
    for (uint32_t i = 0; i < s->cache.count; i++)
        used += s->cache.all[i].user ? s->cache.all[i].user->done : 0;
    metric_store(&s->stats.cache_used, used);
    metric_store(&s->stats.running, cache_busy(&s->cache));
}

/* --- asking --- */

/* It can use a slot from now on; while all others of its tenant in line are paused, nobody of it
 * could. */
static void begin_to_wait(struct scheduler *s, struct sequence *q)
{
    bool alone = true;
    LIST_EACH(&q->account.tenant->waiting, it)
    {
        alone = LIST_ITEM(it, struct sequence, link)->paused;
        if (!alone) break;
    }
    fair_wait(&s->fair, &q->account, alone);
}

/* Behind those of its tenant that go before it. */
static void put_in_line(struct scheduler *s, struct sequence *q)
{
    struct list *line = &q->account.tenant->waiting, *at = line->prev;
    begin_to_wait(s, q);
    while (at != line && LIST_ITEM(at, struct sequence, link)->rank_us > q->rank_us)
        at = at->prev;
    list_insert_after(at, &q->link);
    metric_add(&s->stats.waiting, 1);
}

static void heed_deadline(struct scheduler *s, const struct sequence *q)
{
    if (q->deadline_us) s->deadline_us = MIN(s->deadline_us, q->deadline_us);
}

void scheduler_add(struct scheduler *s, struct sequence *q)
{
    assert(q->state == SEQUENCE_NEW);
    assert(q->prompt_count + q->max_tokens <= s->info->length);
    if (q->leader && q->leader->state == SEQUENCE_ENDED) q->leader = NULL;
    if (!cache_copies(&s->cache)) sequence_leave_leader(q);
    q->state = SEQUENCE_WAITING;
    q->queued_us = s->options.now_us();
    q->came = s->steps;
    if (q->grammar) mask_grammar_attach(q->grammar, &s->automaton);
    q->rank_us = fair_rank_us(q->queued_us, q->priority);
    fair_open(&s->fair, &q->account, q->tenant);
    put_in_line(s, q);
    heed_deadline(s, q);
}

void scheduler_cancel(struct scheduler *s, struct sequence *q)
{
    if (q->state == SEQUENCE_NEW || q->state == SEQUENCE_ENDED) return;
    tell__end(s, q, NULL, FINISH_CANCELLED);
    note_gauges(s);
}

void scheduler_embed(struct scheduler *s, struct embed_job *job)
{
    job->next = 0;
    list_push_back(&s->embeds, &job->link);
}

void scheduler_cancel_embed(struct scheduler *s, struct embed_job *job)
{
    if (!list_linked(&job->link)) return;
    list_remove(&job->link);
    s->options.sink.on_embedded(s->options.sink.user, job, ERR_CANCELLED);
}

void scheduler_cancel_all(struct scheduler *s)
{
    for (struct fair_tenant *t; (t = fair_next(&s->fair, NULL));)
        scheduler_cancel(s, LIST_ITEM(t->waiting.next, struct sequence, link));
    while (!list_empty(&s->parked))
        scheduler_cancel(s, LIST_ITEM(s->parked.next, struct sequence, link));
    for (uint32_t i = 0; i < s->cache.count; i++) {
        if (s->cache.all[i].user) scheduler_cancel(s, s->cache.all[i].user);
    }
    while (!list_empty(&s->embeds))
        scheduler_cancel_embed(s, LIST_ITEM(s->embeds.next, struct embed_job, link));
}

/* One that comes back goes before those of its tenant that have nothing yet. */
void scheduler_pause(struct scheduler *s, struct sequence *q, bool paused)
{
    if (q->state == SEQUENCE_WAITING && q->paused && !paused) begin_to_wait(s, q);
    q->paused = paused;
    if (paused || q->state != SEQUENCE_PARKED) return;
    list_remove(&q->link);
    q->state = SEQUENCE_WAITING;
    q->rank_us = 0;
    put_in_line(s, q);
}

/* --- deadlines --- */

static void end_late(struct scheduler *s, struct sequence *q, uint64_t now)
{
    if (!q->deadline_us || now < q->deadline_us) {
        heed_deadline(s, q);
        return;
    }
    metric_add(&s->stats.late, 1);
    tell__end(s, q, NULL, FINISH_LATE);
}

static void end_late_of(struct scheduler *s, struct list *sequences, uint64_t now)
{
    LIST_EACH_SAFE(sequences, it, next)
    end_late(s, LIST_ITEM(it, struct sequence, link), now);
}

/* Ends all whose deadline has passed. */
static void end_all_late(struct scheduler *s)
{
    uint64_t now = s->deadline_us == UINT64_MAX ? 0 : s->options.now_us();
    if (now < s->deadline_us) return;
    s->deadline_us = UINT64_MAX;
    for (unsigned i = 0; i < s->fair.count; i++)
        end_late_of(s, &s->fair.tenants[i].waiting, now);
    end_late_of(s, &s->parked, now);
    for (uint32_t i = 0; i < s->cache.count; i++)
        if (s->cache.all[i].user) end_late(s, s->cache.all[i].user, now);
}

bool scheduler_step(struct scheduler *s)
{
    end_all_late(s);
    admit__waiting(s);
    note_gauges(s);
    bool computed = step__run(s);
    note_gauges(s);
    return computed || automaton_prepare(&s->automaton) || cache_tidy(&s->cache);
}
