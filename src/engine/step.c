/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/scheduler_priv.h"
#include "obs/log.h"

enum {
    GROUP_US = 30 * USEC_PER_MS, /* prompts of one decode, whose first tokens come together */
    GROUP_LEAST = 32,            /* tokens; in fewer each one costs more */
};

/* After a decode that failed nothing is known of its slots. */
static void fail_items(struct scheduler *s, size_t count, int err)
{
    log_note(LOG_ERROR, "decode", "%s", err_text(err));
    metric_add(&s->stats.failures, 1);
    for (size_t i = 0; i < count; i++) {
        struct sequence *q = s->cache.all[s->items[i].sequence].user;
        if (!q) continue;
        q->done = 0;
        tell__end(s, q, NULL, FINISH_FAILED);
    }
}

static bool runs(const struct sequence *q)
{
    return q && q->state == SEQUENCE_RUNNING && !q->paused;
}

/* Tokens of running sequences: of each its next one. One that runs alone gets those behind it that
 * are known already, too; beside others they would go through the model in a piece of their own,
 * which takes longer than a step of all. Logits are wanted behind the last that is known. */
static size_t collect_running(struct scheduler *s, size_t *sequences)
{
    size_t n = 0;
    *sequences = 0;
    for (uint32_t i = 0; i < s->cache.count; i++)
        *sequences += runs(s->cache.all[i].user);
    for (uint32_t i = 0; i < s->cache.count; i++) {
        const struct sequence *q = s->cache.all[i].user;
        if (!runs(q)) continue;
        uint32_t room = *sequences == 1 ? s->info->batch - 1 : 0;
        uint32_t more = MIN(q->count - q->done - 1, room);
        for (uint32_t at = q->done; at <= q->done + more; at++)
            s->items[n++] = (struct context_item){q->tokens[at], i, at, at + 1 == q->count};
    }
    return n;
}

/* Behind a decode of `n` tokens: each is in the cache, and those with logits have a next one. */
static void end_running(struct scheduler *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sequence *q = s->cache.all[s->items[i].sequence].user;
        q->done++;
        fair_compute(&q->account, 1);
    }
    for (size_t i = 0; i < n; i++) {
        const struct context_item *item = &s->items[i];
        struct sequence *q = s->cache.all[item->sequence].user;
        if (item->logits) token__take(s, q, context_logits(s->context, i));
    }
}

static size_t length(const struct list *l)
{
    size_t n = 0;
    LIST_EACH(l, it)
    n++;
    return n;
}

/* Returns how many ran. */
static size_t decode_running(struct scheduler *s)
{
    size_t sequences, n = collect_running(s, &sequences);
    if (!n) return 0;
    uint64_t started = s->options.now_us();
    unsigned threads = threads_pick(&s->decode_threads);
    model_set_threads(s->model, threads);
    int err = context_decode(s->context, s->items, n, NULL);
    if (err) {
        fail_items(s, n, err);
        return sequences;
    }
    uint64_t us = s->options.now_us() - started;
    threads_note(&s->decode_threads, n, (double)n, us);
    threads_follow(&s->prefill_threads, &s->decode_threads);
    histogram_observe_us(&s->stats.decode_seconds, us);
    metric_add(&s->stats.decodes, 1);
    metric_store(&s->stats.threads, threads);
    end_running(s, n);
    return sequences;
}

static int compare_slots(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    return x->sequence->slot < y->sequence->slot ? -1 : x->sequence->slot > y->sequence->slot;
}

/* The slice's parts, in order of their slots. */
static size_t collect_parts(struct scheduler *s, size_t running)
{
    size_t count = 0, n = 0, at = 0;
    LIST_EACH(&s->prefill, it)
    {
        const struct sequence *q = LIST_ITEM(it, struct sequence, link);
        s->prompts[count++] = (struct plan_prompt){
            .rest = sequence_slice_end(q) - q->done, .depth = q->done, .waiters = q->followers};
    }
    (void)plan_slice(&s->plan, s->prompts, count, running);
    LIST_EACH(&s->prefill, it)
    {
        uint32_t take = s->prompts[at].take;
        if (take)
            s->parts[n++] = (struct part){
                .sequence = LIST_ITEM(it, struct sequence, link), .count = take, .oldest = at == 0};
        at++;
    }
    qsort(s->parts, n, sizeof *s->parts, compare_slots);
    return n;
}

/* How many of the parts from `first` on go well in one decode: of neighbouring slots and equally
 * long, since the model computes others one after the other anyway, in pieces that waste its time.
 * And no more than a short while takes, after which the first ones' tokens can go out. */
static size_t group_length(const struct scheduler *s, size_t first, size_t parts)
{
    const struct part *p = &s->parts[first];
    size_t n = 1;
    for (; first + n < parts; n++) {
        uint32_t tokens = (uint32_t)(n + 1) * p->count;
        double us = cost_of(&s->plan.cost, tokens, p->sequence->done);
        if (tokens > GROUP_LEAST && (us <= 0 || us > GROUP_US)) break;
        if (p[n].count != p->count || p[n].sequence->slot != p->sequence->slot + n) break;
    }
    return n;
}

static size_t collect_items(struct scheduler *s, struct part *parts, size_t count)
{
    size_t n = 0;
    for (size_t p = 0; p < count; p++) {
        const struct sequence *q = parts[p].sequence;
        for (uint32_t i = 0; i < parts[p].count; i++) {
            uint32_t at = q->done + i;
            s->items[n++] = (struct context_item){q->tokens[at], q->slot, at, at + 1 == q->goal};
        }
        parts[p].last_item = (uint32_t)(n - 1);
    }
    return n;
}

static unsigned bits(size_t n)
{
    unsigned b = 0;
    for (; n; n /= 2)
        b++;
    return b;
}

/* The depth that a part's cost is noted and looked up at. */
static uint32_t middle(const struct part *p)
{
    return p->sequence->done + p->count / 2;
}

static void note_slice(struct scheduler *s, const struct part *parts, size_t count, size_t tokens,
                       uint64_t us)
{
    bool oldest = false;
    for (size_t p = 0; p < count; p++)
        oldest |= parts[p].oldest;
    threads_note(&s->prefill_threads, bits(tokens), (double)tokens, us);
    threads_follow(&s->decode_threads, &s->prefill_threads);
    histogram_observe_us(&s->stats.prefill_seconds, us);
    histogram_observe_size(&s->stats.slice_tokens, tokens);
    metric_add(&s->stats.prompt_tokens, tokens);
    plan_prefilled(&s->plan, (uint32_t)tokens, middle(parts), us, oldest);
}

/* A part of the prompt was decoded: the rest follows, or behind the
 * whole prompt the first token. */
static void end_part(struct scheduler *s, const struct part *part)
{
    struct sequence *q = part->sequence;
    q->done += part->count;
    cache_progress(&s->cache, q);
    fair_compute(&q->account, part->count);
    if (q->done < q->goal) return;
    q->state = SEQUENCE_RUNNING;
    list_remove(&q->link);
    if (!q->generated) q->prefill_us = s->options.now_us() - q->queued_us - q->waited_us;
    token__take(s, q, context_logits(s->context, part->last_item));
}

/* Parts that are computed in one decode. */
struct group {
    struct scheduler *scheduler;
    const struct part *parts;
    size_t count;
    uint64_t until_us; /* when it will be done, if newcomers may interrupt it; else 0 */
    bool interrupted;
};

/* True when nobody waits for what `q` computes, neither for its own sake nor to copy it. */
static bool is_for_nobody(struct scheduler *s, const struct sequence *q)
{
    if (!sequence_abandoned(q)) return false;
    for (struct fair_tenant *t = fair_next(&s->fair, NULL); t; t = fair_next(&s->fair, t)) {
        LIST_EACH(&t->waiting, it)
        {
            const struct sequence *f = LIST_ITEM(it, struct sequence, link);
            if (f->leader == q && !sequence_abandoned(f)) return false;
        }
    }
    return true;
}

/* True when most of what is computed is for nobody; all of it, where the others could not be put
 * back. */
static bool is_vain(const struct group *g)
{
    uint32_t vain = 0, all = 0;
    for (size_t p = 0; p < g->count; p++) {
        all += g->parts[p].count;
        if (is_for_nobody(g->scheduler, g->parts[p].sequence)) vain += g->parts[p].count;
    }
    return g->scheduler->info->trims ? vain > all / 2 : vain == all;
}

/* True when somebody has come who would wait too long for its end. */
static bool is_in_the_way(const struct group *g)
{
    const struct scheduler_options *o = &g->scheduler->options;
    if (g->until_us <= o->slice_alone_us) return false;
    return o->newcomers.any(o->newcomers.user) && o->now_us() < g->until_us - o->slice_alone_us;
}

static bool must_stop(void *user)
{
    struct group *g = user;
    g->interrupted = is_in_the_way(g);
    return g->interrupted || is_vain(g);
}

/* When a decode that began then will be done, if it can be interrupted: nothing but newcomers waits
 * for its end. */
static uint64_t interruptible_until(const struct scheduler *s, const struct part *parts,
                                    size_t tokens, uint64_t started, size_t running)
{
    if (running || s->plan.options.slice_long_us <= s->options.slice_alone_us) return 0;
    return started + (uint64_t)cost_of(&s->plan.cost, (uint32_t)tokens, middle(parts));
}

/* Makes the sequences of a decode that was stopped what they were before. */
static void put_back(struct scheduler *s, const struct part *parts, size_t count)
{
    for (size_t p = 0; p < count; p++) {
        struct sequence *q = parts[p].sequence;
        if (context_trim(s->context, q->slot, q->done)) continue;
        q->done = 0;
        cache_progress(&s->cache, q);
    }
    metric_add(&s->stats.aborted, 1);
}

/* False: it was stopped, and cancels or newcomers are on their way. */
static bool prefill_group(struct scheduler *s, struct part *parts, size_t count, size_t running)
{
    struct group group = {.scheduler = s, .parts = parts, .count = count};
    const struct context_stop stop = {must_stop, &group};
    tell__pause(s);
    size_t n = collect_items(s, parts, count);
    uint64_t started = s->options.now_us();
    group.until_us = interruptible_until(s, parts, n, started, running);
    model_set_threads(s->model, threads_pick(&s->prefill_threads));
    int err = context_decode(s->context, s->items, n, &stop);
    uint64_t us = s->options.now_us() - started;
    if (err == ERR_CANCELLED) {
        if (group.interrupted) plan_interrupted(&s->plan);
        put_back(s, parts, count);
        return false;
    }
    if (err) {
        fail_items(s, n, err);
        return true;
    }
    note_slice(s, parts, count, n, us);
    for (size_t p = 0; p < count; p++)
        end_part(s, &parts[p]);
    return true;
}

static bool prefill_slice(struct scheduler *s, size_t running)
{
    if (list_empty(&s->prefill)) {
        plan_calm(&s->plan);
        return false;
    }
    uint64_t started = s->options.now_us();
    size_t parts = collect_parts(s, running);
    bool wanted = true;
    for (size_t p = 0; wanted && p < parts;) {
        size_t n = group_length(s, p, parts);
        wanted = prefill_group(s, s->parts + p, n, running);
        p += n;
    }
    plan_charge(&s->plan, s->options.now_us() - started);
    return true;
}

static bool embed_batch(struct scheduler *s, size_t running)
{
    if (list_empty(&s->embeds)) return false;
    struct embed_job *job = LIST_ITEM(s->embeds.next, struct embed_job, link);
    double budget = plan_budget_us(&s->plan, running, 1);
    struct embedder *embedder = model_embedder(s->model);
    const struct embed_info *info = embed_info(embedder);
    uint32_t size = plan_fit(&s->embed_cost, budget, 0, info->input_max);
    uint32_t n = 0, tokens = 0;
    while (job->next + n < job->count && n < EMBED_INPUTS_MAX) {
        uint32_t more = job->inputs[job->next + n].count;
        if (n && tokens + more > size) break;
        tokens += more;
        n++;
    }
    tell__pause(s);
    size_t at = (size_t)job->next * info->length;
    uint64_t started = s->options.now_us();
    int err = embed_run(embedder, job->inputs + job->next, n, job->out + at);
    uint64_t us = s->options.now_us() - started;
    cost_note(&s->embed_cost, tokens, 0, us);
    plan_charge(&s->plan, us);
    job->next += n;
    if (err)
        metric_add(&s->stats.failures, 1);
    else
        metric_add(&s->stats.prompt_tokens, tokens);
    if (!err && job->next < job->count) {
        /* Behind the others: a long list must not keep them waiting. */
        list_remove(&job->link);
        list_push_back(&s->embeds, &job->link);
        return true;
    }
    list_remove(&job->link);
    s->options.sink.on_embedded(s->options.sink.user, job, err);
    return true;
}

bool step__run(struct scheduler *s)
{
    uint64_t started = s->options.now_us();
    size_t decoded = decode_running(s);
    if (decoded) plan_ran(&s->plan, decoded, length(&s->prefill), s->options.now_us() - started);
    bool more = plan_may(&s->plan, decoded);
    bool sliced = more && prefill_slice(s, decoded);
    bool embedded = more && embed_batch(s, decoded);
    return decoded > 0 || sliced || embedded;
}
