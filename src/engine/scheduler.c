/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/scheduler.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/plan.h"
#include "engine/slots.h"
#include "engine/threads.h"
#include "obs/log.h"

enum {
    GROUP_US = 30 * USEC_PER_MS, /* prompts of one decode, whose first tokens come together */
    GROUP_LEAST = 32,            /* tokens; in fewer each one costs more */
    FOLLOW_LEAST = PLAN_ROWS,    /* tokens to copy that make waiting for them worth it */
};

/* A prompt's part in a slice. */
struct part {
    struct sequence *sequence;
    uint32_t count;
    uint32_t last_item;
    bool oldest; /* no other prompt has waited longer */
};

struct scheduler {
    struct scheduler_options options;
    struct model *model;
    const struct model_info *info;
    struct list waiting; /* without slot, in order of arrival */
    struct list prefill; /* with slot, prompt not yet decoded, in order of arrival */
    struct list parked;  /* paused, without slot */
    struct list embeds;  /* struct embed_job */
    struct slots slots;
    struct model_item *items;    /* info->batch */
    struct plan_prompt *prompts; /* info->slots */
    struct part *parts;          /* info->slots */
    struct sampler_scratch scratch;
    struct threads decode_threads;
    struct threads prefill_threads;
    struct plan plan;
    struct cost embed_cost;
    struct scheduler_stats stats;
};

struct scheduler *scheduler_new(const struct scheduler_options *options)
{
    struct scheduler *s = mem_must_zero(1, sizeof *s);
    s->options = *options;
    if (!s->options.slice_us) s->options.slice_us = SCHEDULER_SLICE_US;
    if (!s->options.slice_alone_us) s->options.slice_alone_us = SCHEDULER_SLICE_ALONE_US;
    if (!s->options.now_us) s->options.now_us = clock_mono_us;
    s->model = options->model;
    s->info = model_info(s->model);
    list_init(&s->waiting);
    list_init(&s->prefill);
    list_init(&s->parked);
    list_init(&s->embeds);
    slots_init(&s->slots, s->model);
    s->items = mem_must_zero(s->info->batch, sizeof *s->items);
    s->prompts = mem_must_zero(s->info->slots, sizeof *s->prompts);
    s->parts = mem_must_zero(s->info->slots, sizeof *s->parts);
    sampler_scratch_init(&s->scratch, s->info->vocab);
    threads_init(&s->decode_threads, options->threads, options->threads_most);
    threads_init(&s->prefill_threads, options->threads, options->threads_most);
    const struct plan_options plan = {
        .slice_us = s->options.slice_us,
        .slice_alone_us = s->options.slice_alone_us,
        .batch = s->info->batch,
        .blas_from = s->info->blas_from,
    };
    plan_init(&s->plan, &plan);
    return s;
}

void scheduler_free(struct scheduler *s)
{
    if (!s) return;
    assert(list_empty(&s->waiting) && list_empty(&s->parked) && slots_busy(&s->slots) == 0);
    slots_fini(&s->slots);
    sampler_scratch_fini(&s->scratch);
    free(s->items);
    free(s->prompts);
    free(s->parts);
    free(s);
}

const struct scheduler_stats *scheduler_stats(const struct scheduler *s)
{
    return &s->stats;
}

static void set_gauge(struct metric_cell *c, uint64_t v)
{
    atomic_store_explicit(&c->v, v, memory_order_relaxed);
}

static void note_gauges(struct scheduler *s)
{
    uint64_t used = 0;
    for (uint32_t i = 0; i < s->slots.count; i++)
        used += s->slots.all[i].user ? s->slots.all[i].user->done : 0;
    set_gauge(&s->stats.cache_used, used);
    set_gauge(&s->stats.running, slots_busy(&s->slots));
}

/* --- telling --- */

static void let_out(struct scheduler *s)
{
    s->options.sink.on_pause(s->options.sink.user);
}

static void tell(struct scheduler *s, struct sequence *q, struct str text, enum finish finish)
{
    struct output out = {
        .sequence = q,
        .text = text,
        .choices = q->pending,
        .choice_count = q->pending_count,
        .finish = finish,
        .prompt_tokens = q->prompt_count,
        .cached_tokens = q->cached,
        .generated = q->generated,
    };
    s->options.sink.on_output(s->options.sink.user, &out);
    q->pending_count = 0;
}

/* Followers go their own way. */
static void leave_followers(struct scheduler *s, struct sequence *q)
{
    if (!q->followers) return;
    LIST_EACH(&s->waiting, it)
    {
        struct sequence *f = LIST_ITEM(it, struct sequence, link);
        if (f->leader == q) f->leader = NULL;
    }
    q->followers = 0;
}

static void leave_leader(struct sequence *q)
{
    if (!q->leader) return;
    q->leader->followers--;
    q->leader = NULL;
}

/* The end of a sequence on every path. Its slot keeps what the cache holds. */
static void end(struct scheduler *s, struct sequence *q, struct str text, enum finish finish)
{
    enum sequence_state state = q->state;
    leave_followers(s, q);
    leave_leader(q);
    list_remove(&q->link);
    if (state == SEQUENCE_PREFILL || state == SEQUENCE_RUNNING)
        slots_give_back(&s->slots, q, true, s->options.now_us());
    if (state == SEQUENCE_WAITING) metric_sub(&s->stats.waiting, 1);
    q->state = SEQUENCE_ENDED;
    tell(s, q, text, finish);
}

/* --- asking --- */

void scheduler_add(struct scheduler *s, struct sequence *q)
{
    assert(q->state == SEQUENCE_NEW);
    assert(q->prompt_count + q->max_tokens <= s->info->context);
    if (q->leader && q->leader->state == SEQUENCE_ENDED) q->leader = NULL;
    q->state = SEQUENCE_WAITING;
    q->queued_us = s->options.now_us();
    list_push_back(&s->waiting, &q->link);
    metric_add(&s->stats.waiting, 1);
}

void scheduler_cancel(struct scheduler *s, struct sequence *q)
{
    if (q->state == SEQUENCE_NEW || q->state == SEQUENCE_ENDED) return;
    end(s, q, STR_NULL, FINISH_CANCELLED);
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
    while (!list_empty(&s->waiting))
        scheduler_cancel(s, LIST_ITEM(s->waiting.next, struct sequence, link));
    while (!list_empty(&s->parked))
        scheduler_cancel(s, LIST_ITEM(s->parked.next, struct sequence, link));
    for (uint32_t i = 0; i < s->slots.count; i++) {
        if (s->slots.all[i].user) scheduler_cancel(s, s->slots.all[i].user);
    }
    while (!list_empty(&s->embeds))
        scheduler_cancel_embed(s, LIST_ITEM(s->embeds.next, struct embed_job, link));
}

/* One that comes back goes before those that have nothing yet. */
void scheduler_pause(struct scheduler *s, struct sequence *q, bool paused)
{
    q->paused = paused;
    if (paused || q->state != SEQUENCE_PARKED) return;
    list_remove(&q->link);
    q->state = SEQUENCE_WAITING;
    list_push_front(&s->waiting, &q->link);
    metric_add(&s->stats.waiting, 1);
}

/* --- waiting sequences get slots --- */

/* Takes the slot of a sequence whose reader is slow: what it computed stays in the cache until
 * somebody needs the room. */
static bool park_one(struct scheduler *s)
{
    for (uint32_t i = 0; i < s->slots.count; i++) {
        struct sequence *q = s->slots.all[i].user;
        if (!q || !q->paused || q->state != SEQUENCE_RUNNING) continue;
        slots_give_back(&s->slots, q, false, s->options.now_us());
        q->state = SEQUENCE_PARKED;
        list_push_back(&s->parked, &q->link);
        return true;
    }
    return false;
}

static void admit_one(struct scheduler *s, struct sequence *q)
{
    slots_take(&s->slots, q, &s->plan.cost);
    list_remove(&q->link);
    list_push_back(&s->prefill, &q->link);
    q->state = SEQUENCE_PREFILL;
    metric_sub(&s->stats.waiting, 1);
    if (q->generated) return; /* it comes back */
    q->cached = q->done;
    metric_add(&s->stats.cached_tokens, q->cached);
    histogram_observe_us(&s->stats.wait_seconds, s->options.now_us() - q->queued_us);
}

/* Tokens that both begin with; never all of q's. */
static uint32_t common(const struct sequence *q, const struct sequence *other)
{
    uint32_t most = MIN(q->count - 1, other->goal);
    uint32_t n = 0;
    while (n < most && q->tokens[n] == other->tokens[n])
        n++;
    return n;
}

/* The prompt being computed that will have most of q's tokens, if that is much
 * more than any slot has now. */
static struct sequence *find_leader(const struct scheduler *s, const struct sequence *q,
                                    uint32_t *shared)
{
    struct sequence *found = NULL;
    *shared = slots_held(&s->slots, q) + FOLLOW_LEAST - 1;
    LIST_EACH(&s->prefill, it)
    {
        struct sequence *other = LIST_ITEM(it, struct sequence, link);
        uint32_t n = common(q, other);
        if (n <= *shared || other->done >= n) continue;
        *shared = n;
        found = other;
    }
    return found;
}

/* True while another one computes what this one begins with: a copy will be cheaper. */
static bool follows(const struct scheduler *s, struct sequence *q)
{
    uint32_t shared;
    if (q->leader && q->leader->done < q->shared) return true;
    leave_leader(q);
    q->leader = s->info->copies ? find_leader(s, q, &shared) : NULL;
    if (!q->leader) return false;
    q->leader->followers++;
    q->shared = shared;
    return true;
}

static void admit(struct scheduler *s)
{
    LIST_EACH_SAFE(&s->waiting, it, next)
    {
        struct sequence *q = LIST_ITEM(it, struct sequence, link);
        if (q->paused || follows(s, q)) continue;
        if (slots_busy(&s->slots) == s->slots.count && !park_one(s)) return;
        admit_one(s, q);
    }
}

/* --- tokens --- */

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
    char piece[MODEL_PIECE_MAX];
    size_t len = 0;
    for (unsigned i = 0; i < q->pending_count; i++) {
        if (len >= text_len) {
            q->pending_count = i;
            return;
        }
        len += model_piece(s->model, q->pending[i].token, false, piece);
    }
}

/* Chooses the next token of `q` and tells it; may end the sequence. */
static void take_token(struct scheduler *s, struct sequence *q, float *logits)
{
    struct sampler_choice choice;
    char piece[MODEL_PIECE_MAX];
    struct str text;
    if (sampler_next(&q->sampler, &s->scratch, logits, &choice)) {
        log_note(LOG_ERROR, "sampling", "the model gave no finite number");
        metric_add(&s->stats.failures, 1);
        end(s, q, STR_NULL, FINISH_FAILED);
        return;
    }
    q->generated++;
    metric_add(&s->stats.output_tokens, 1);
    if ((!q->ignore_end && model_is_end(s->model, choice.token)) ||
        sequence_ends_at(q, choice.token)) {
        (void)stop_feed(&q->stop, STR_NULL, true, &text);
        end(s, q, text, FINISH_STOP);
        return;
    }
    sequence_push(q, choice.token);
    remember_choice(q, &choice);
    bool last = q->generated == q->max_tokens;
    size_t len = model_piece(s->model, choice.token, false, piece);
    if (stop_feed(&q->stop, str_n(piece, len), last, &text) == STOP_FOUND) {
        cut_choices(s, q, text.len);
        end(s, q, text, FINISH_STOP);
    } else if (last) {
        end(s, q, text, FINISH_LENGTH);
    } else if (text.len) {
        tell(s, q, text, FINISH_NONE);
    }
}

/* After a decode that failed nothing is known of its slots. */
static void fail_items(struct scheduler *s, size_t count, int err)
{
    log_note(LOG_ERROR, "decode", "%s", err_text(err));
    metric_add(&s->stats.failures, 1);
    for (size_t i = 0; i < count; i++) {
        struct sequence *q = s->slots.all[s->items[i].slot].user;
        if (!q) continue;
        q->done = 0;
        end(s, q, STR_NULL, FINISH_FAILED);
    }
}

/* --- the step's parts --- */

static bool runs(const struct sequence *q)
{
    return q && q->state == SEQUENCE_RUNNING && !q->paused;
}

static size_t collect_running(struct scheduler *s)
{
    size_t n = 0;
    for (uint32_t i = 0; i < s->slots.count; i++) {
        const struct sequence *q = s->slots.all[i].user;
        if (!runs(q)) continue;
        s->items[n++] = (struct model_item){q->tokens[q->done], i, q->done, true};
    }
    return n;
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
    size_t n = collect_running(s);
    if (!n) return 0;
    uint64_t started = s->options.now_us();
    unsigned threads = threads_pick(&s->decode_threads);
    model_set_threads(s->model, threads);
    int err = model_decode(s->model, s->items, n);
    if (err) {
        fail_items(s, n, err);
        return n;
    }
    uint64_t us = s->options.now_us() - started;
    plan_ran(&s->plan, n, length(&s->prefill), us);
    threads_note(&s->decode_threads, n, (double)n, us);
    threads_follow(&s->prefill_threads, &s->decode_threads);
    histogram_observe_us(&s->stats.decode_seconds, us);
    metric_add(&s->stats.decodes, 1);
    set_gauge(&s->stats.threads, threads);
    for (size_t i = 0; i < n; i++) {
        struct sequence *q = s->slots.all[s->items[i].slot].user;
        q->done++;
        take_token(s, q, model_logits(s->model, i));
    }
    return n;
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
            .rest = q->goal - q->done, .depth = q->done, .waiters = q->followers};
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
            s->items[n++] = (struct model_item){q->tokens[at], q->slot, at, at + 1 == q->goal};
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

static void note_slice(struct scheduler *s, const struct part *parts, size_t count, size_t tokens,
                       uint64_t us)
{
    bool oldest = false;
    for (size_t p = 0; p < count; p++)
        oldest |= parts[p].oldest;
    threads_note(&s->prefill_threads, bits(tokens), (double)tokens, us);
    threads_follow(&s->decode_threads, &s->prefill_threads);
    histogram_observe_us(&s->stats.prefill_seconds, us);
    metric_add(&s->stats.prompt_tokens, tokens);
    plan_prefilled(&s->plan, (uint32_t)tokens, parts->sequence->done + parts->count / 2, us,
                   oldest);
}

/* A part of the prompt was decoded: the rest follows, or behind the
 * whole prompt the first token. */
static void end_part(struct scheduler *s, const struct part *part)
{
    struct sequence *q = part->sequence;
    q->done += part->count;
    if (q->done < q->goal) return;
    q->state = SEQUENCE_RUNNING;
    list_remove(&q->link);
    take_token(s, q, model_logits(s->model, part->last_item));
}

static void prefill_group(struct scheduler *s, struct part *parts, size_t count)
{
    let_out(s);
    size_t n = collect_items(s, parts, count);
    uint64_t started = s->options.now_us();
    model_set_threads(s->model, threads_pick(&s->prefill_threads));
    int err = model_decode(s->model, s->items, n);
    if (err) {
        fail_items(s, n, err);
        return;
    }
    note_slice(s, parts, count, n, s->options.now_us() - started);
    for (size_t p = 0; p < count; p++)
        end_part(s, &parts[p]);
}

static bool prefill_slice(struct scheduler *s, size_t running)
{
    if (list_empty(&s->prefill)) return false;
    size_t parts = collect_parts(s, running);
    for (size_t p = 0; p < parts;) {
        size_t n = group_length(s, p, parts);
        prefill_group(s, s->parts + p, n);
        p += n;
    }
    return true;
}

static bool embed_batch(struct scheduler *s, size_t running)
{
    if (list_empty(&s->embeds)) return false;
    struct embed_job *job = LIST_ITEM(s->embeds.next, struct embed_job, link);
    double budget = plan_budget_us(&s->plan, running, 1);
    uint32_t size = plan_fit(&s->embed_cost, budget, 0, s->info->embed_max);
    uint32_t n = 0, tokens = 0;
    while (job->next + n < job->count && n < MODEL_EMBED_INPUTS) {
        uint32_t more = job->inputs[job->next + n].count;
        if (n && tokens + more > size) break;
        tokens += more;
        n++;
    }
    let_out(s);
    size_t at = (size_t)job->next * s->info->embedding;
    uint64_t started = s->options.now_us();
    int err = model_embed(s->model, job->inputs + job->next, n, job->out + at);
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

bool scheduler_step(struct scheduler *s)
{
    admit(s);
    note_gauges(s);
    size_t decoded = decode_running(s);
    bool more = plan_may(&s->plan, decoded);
    bool sliced = more && prefill_slice(s, decoded);
    bool embedded = more && embed_batch(s, decoded);
    note_gauges(s);
    return decoded > 0 || sliced || embedded;
}
