/* SPDX-License-Identifier: Apache-2.0 */
/* The happy path: ADMIT gets a credit at an endpoint (QUEUE waits for one), SEND writes the
 * request, AWAIT waits for the response head (HOLD, of a stream, for the first event with
 * content), RELAY passes the body on.
 *
 * What can go wrong: the client leaves (the upstream connection is closed, which cancels the
 * request), nobody can serve (503, 429), the endpoint's dialect cannot say it (one of another
 * dialect, else 400), an attempt fails before the first byte to the client (another endpoint, a
 * fallback model, else 502 or 504), it fails after (an error event in a stream, else the
 * connection is cut), time runs out (504, or as after the first byte).
 *
 *   ADMIT -> SEND -> AWAIT -> HOLD -> RELAY
 *    |  ^               |       |
 *    v  |  failed       |       |
 *   QUEUE+--------------+-------+ */
#include "gate/model_call.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "dialect/runtime.h"
#include "dialect/surface.h"
#include "gate/answer.h"
#include "gate/history.h"
#include "gate/model_call_priv.h"

static struct model_call *of(const struct exchange *x)
{
    return x->mine;
}

static void leave_queue(struct model_call *m)
{
    admit_cancel(m->waiter, exchange_now(m->x));
    m->waiter = NULL;
}

/* --- ADMIT and QUEUE --- */

/* Nobody can take it: what to say when nothing was tried, or when all that was tried failed. */
static enum step no_endpoint(struct model_call *m, uint64_t retry_after_us)
{
    if (model_call__next_fallback(m)) return model_call__go(m, MODEL_CALL_ADMIT);
    struct buf reason;
    buf_init(&reason, 1024);
    service_ready(m->admission.service, exchange_now(m->x), &reason);
    struct str why = buf_str(&reason);
    struct str text = arena_say(m->x->call->arena,
                                "No endpoint can serve the model '%" STR_FMT "' now%s%" STR_FMT ".",
                                STR_ARG(m->x->asked->name), why.len ? ": " : "", STR_ARG(why));
    buf_fini(&reason);
    return exchange_refuse(m->x, OUTCOME_NO_ENDPOINT,
                           &(struct refusal){.status = 503, .message = text, .code = "no_endpoint"},
                           MAX(retry_after_us, (uint64_t)USEC_PER_SEC));
}

static enum step queue_refused(struct model_call *m)
{
    metric_add(
        &service_stats(m->admission.service, m->x->lane->index)->queue_refused[QUEUE_REFUSAL_FULL],
        1);
    if (model_call__next_fallback(m)) return model_call__go(m, MODEL_CALL_ADMIT);
    return exchange_refuse(
        m->x, OUTCOME_QUEUE_FULL,
        &(struct refusal){.status = 429,
                          .message = arena_say(m->x->call->arena,
                                               "The queue of the model '%" STR_FMT
                                               "' is full. Retry later.",
                                               STR_ARG(m->x->asked->name)),
                          .code = "rate_limit_exceeded"},
        1 * USEC_PER_SEC);
}

/* None of the model's endpoints can be asked this, in whatever dialect. */
static enum step not_served(struct model_call *m)
{
    if (model_call__next_fallback(m)) return STEP_NEXT;
    return exchange_refuse(
        m->x, OUTCOME_NOT_FOUND,
        &(struct refusal){
            .status = 404,
            .message = arena_say(m->x->call->arena,
                                 "No runtime of the model '%" STR_FMT
                                 "' serves %s; see `kind` and `dialects` of its endpoints.",
                                 STR_ARG(m->x->asked->name), surface_row(m->x->ask.surface)->name),
            .code = "not_served"},
        0);
}

/* What a request goes on from is not here, and no runtime of the model would know it: its answer
 * would be one without what was said. */
static bool has_lost_history(const struct model_call *m)
{
    const struct history *h = m->attempt.history;
    const struct service *s = m->admission.service;
    bool lost = h && h->wants.previous.len && !h->previous;
    for (size_t i = 0; lost && i < s->endpoint_count; i++)
        lost = !endpoint_kind(&s->endpoints[i])->keeps_responses;
    return lost;
}

static enum step refuse_history(struct model_call *m)
{
    return exchange_refuse(
        m->x, OUTCOME_BAD_REQUEST,
        &(struct refusal){.status = 400,
                          .message =
                              arena_say(m->x->call->arena,
                                        "Previous response with id '%" STR_FMT "' not found.",
                                        STR_ARG(m->attempt.history->wants.previous)),
                          .param = "previous_response_id",
                          .code = "previous_response_not_found"},
        0);
}

static enum step step_admit(struct model_call *m)
{
    if (has_lost_history(m)) return refuse_history(m);
    if (!admit_served(m->admission.service, m->admission.surfaces)) return not_served(m);
    uint64_t retry_after_us = 0, now = exchange_now(m->x);
    int got = admit_try(&m->admission, &m->x->lane->rng, now, &m->attempt.grant, &retry_after_us);
    if (got == ADMIT_OK) return model_call__go(m, MODEL_CALL_SEND);
    if (got == ADMIT_NONE) return no_endpoint(m, retry_after_us);
    if (got == ADMIT_REST && model_call__next_fallback(m)) return STEP_NEXT;
    m->admission.deadline_us = m->x->deadline_us ? m->x->deadline_us : UINT64_MAX;
    int err = admit_wait(&m->admission, m->x->lane->loop, &m->x->task, now, &m->waiter);
    if (err == -ENOMEM) return exchange_lack_memory(m->x);
    if (err) return queue_refused(m);
    m->queued_us = now;
    return model_call__go(m, MODEL_CALL_QUEUE);
}

/* The wait is over, one way or the other. */
static void note_wait(struct model_call *m, uint64_t now)
{
    struct service_stats *stats = service_stats(m->admission.service, m->x->lane->index);
    histogram_observe_span_us(&stats->queued, now - m->queued_us);
    m->waited_us += now - m->queued_us;
}

static enum step step_queue(struct model_call *m)
{
    uint64_t now = exchange_now(m->x), retry_after_us;
    struct service_stats *stats = service_stats(m->admission.service, m->x->lane->index);
    switch (waiter_state(m->waiter)) {
    case WAITER_GRANTED:
        admit_take(m->waiter, &m->attempt.grant);
        m->waiter = NULL;
        note_wait(m, now);
        return model_call__go(m, MODEL_CALL_SEND);
    case WAITER_REFUSED:
        retry_after_us = waiter_retry_after_us(m->waiter);
        leave_queue(m);
        note_wait(m, now);
        return no_endpoint(m, retry_after_us);
    default: break;
    }
    if (now < model_call__due(m)) return STEP_WAIT;
    leave_queue(m);
    metric_add(&stats->queue_refused[QUEUE_REFUSAL_DEADLINE], 1);
    note_wait(m, now);
    if (model_call__next_fallback(m)) return model_call__go(m, MODEL_CALL_ADMIT);
    return exchange_refuse(
        m->x, OUTCOME_QUEUE_TIMEOUT,
        &(struct refusal){
            .status = 503,
            .message = arena_say(
                m->x->call->arena,
                "The request waited %llu s for a free endpoint of the model '%" STR_FMT "'.",
                (unsigned long long)(MAX((now - m->queued_us + USEC_PER_SEC / 2) / USEC_PER_SEC,
                                         (uint64_t)1)),
                STR_ARG(m->x->asked->name)),
            .code = "queue_timeout"},
        1 * USEC_PER_SEC);
}

/* The dialect of the endpoint cannot say it, which is not its fault: another of the model's may speak
 * one that can, be it the client's own. */
static enum step ask_otherwise(struct model_call *m, const struct refusal *why)
{
    uint32_t all = m->admission.surfaces, left = all & ~SURFACE_BIT(m->attempt.surface);
    if (left == all || !left || !admit_served(m->admission.service, left))
        return exchange_refuse(m->x, OUTCOME_BAD_REQUEST, why, 0);
    m->admission.surfaces = left;
    attempt_report(&m->attempt, VERDICT_CANCELLED, 0, NULL);
    attempt_end(&m->attempt);
    return model_call__go(m, MODEL_CALL_ADMIT);
}

static enum step step_send(struct model_call *m)
{
    struct refusal why;
    int err = attempt_start(&m->attempt, &why);
    if (err == ERR_INVALID) return ask_otherwise(m, &why);
    if (err) return model_call__lack(m, err);
    return model_call__go(m, MODEL_CALL_AWAIT);
}

/* --- RELAY --- */

static enum step step_relay(struct model_call *m)
{
    return answer_relay(&m->attempt);
}

/* --- as a handler --- */

static enum step (*const steps[MODEL_CALL_STATE_COUNT])(struct model_call *m) = {
    [MODEL_CALL_ADMIT] = step_admit,      [MODEL_CALL_QUEUE] = step_queue,
    [MODEL_CALL_SEND] = step_send,        [MODEL_CALL_AWAIT] = model_call__await,
    [MODEL_CALL_HOLD] = model_call__hold, [MODEL_CALL_GATHER] = model_call__gather,
    [MODEL_CALL_RELAY] = step_relay,
};

/* Only a runtime itself can answer later. */
static uint32_t native_if_any(const struct model_call *m)
{
    uint32_t native = SURFACE_BIT(m->x->ask.surface);
    return admit_served(m->admission.service, native) ? native : m->admission.surfaces;
}

static int open_history(struct model_call *m)
{
    struct exchange *x = m->x;
    struct history *h;
    int err = history_open(x, &h);
    m->attempt.history = h;
    m->attempt.keeps = h && (h->wants.store || x->ask.background);
    if (h && service_has_endpoint(x->asked, h->only)) m->admission.only = h->only;
    if (x->ask.background) m->admission.surfaces = native_if_any(m);
    if (h && h->found) {
        x->past = &h->past;
        m->admission.surfaces &= ~SURFACE_BIT(x->ask.surface);
    }
    if (err) history_close(h);
    return err;
}

static int on_begin(struct exchange *x)
{
    struct model_call *m = arena_try_zero(x->call->arena, sizeof *m);
    if (!m) return -ENOMEM;
    m->x = m->attempt.x = x;
    m->admission.service = x->asked;
    m->admission.surfaces = surface_ways(x->ask.surface);
    buf_init(&m->held, HELD_MAX);
    x->mine = m;
    if (x->bodiless) m->admission.only = x->only;
    return x->bodiless ? 0 : open_history(m);
}

/* True where comments may stand in the client's stream. */
static bool has_comments(const struct model_call *m)
{
    const struct answer_reader *reader = m->x->match.dialect->reader;
    return reader && !reader->lines;
}

/* How much of the model is loaded that the request waits for, in %; 0: it waits for something else,
 * or nobody knows. */
static unsigned loading(const struct model_call *m)
{
    const struct service *s = m->admission.service;
    for (size_t i = 0; m->state == MODEL_CALL_QUEUE && i < s->endpoint_count; i++) {
        unsigned percent = endpoint_loading(s->endpoints[i].state);
        if (percent) return percent;
    }
    return 0;
}

/* When a client that waits for its stream must hear that it is waited for; 0: never. Once the answer
 * is relayed, that is answer.c's. */
static uint64_t alive_due(const struct model_call *m)
{
    bool may_load = m->state == MODEL_CALL_QUEUE && has_comments(m);
    if (!m->x->ask.stream || (m->x->match.dialect->ping.len == 0 && !may_load)) return 0;
    return (m->alive_us ? m->alive_us : m->x->body_us) + PING_US;
}

/* What the client is told: how far loading has come, if it waits for that, else its dialect's ping,
 * which may be nothing. */
static struct str sign_of_life(const struct model_call *m)
{
    unsigned percent = has_comments(m) ? loading(m) : 0;
    if (!percent) return m->x->match.dialect->ping;
    return arena_say(m->x->call->arena, ": the model is being loaded: %u %%\n\n", percent);
}

RARE static void tell_alive(struct model_call *m)
{
    struct exchange *x = m->x;
    struct str sign = sign_of_life(m);
    m->alive_us = exchange_now(x);
    if (sign.len == 0) return;
    if (!x->streaming) exchange_begin_stream(x);
    call_write(x->call, &sign, 1, false);
}

static void keep_alive(struct model_call *m)
{
    uint64_t due = alive_due(m);
    if (due && exchange_now(m->x) >= due) tell_alive(m);
}

static enum step on_step(struct exchange *x)
{
    struct model_call *m = of(x);
    if (m->state != MODEL_CALL_RELAY) keep_alive(m);
    return x->call->gone ? STEP_NEXT : steps[m->state](m);
}

/* That it took too long is the endpoint's fault only when our own time is over: a client in a
 * hurry must not take an endpoint from the others. */
static enum step on_cut(struct exchange *x, enum cut why)
{
    struct model_call *m = of(x);
    bool late = why == CUT_TIME;
    if (m->state == MODEL_CALL_RELAY)
        return answer_break(&m->attempt, late ? VERDICT_STALLED : VERDICT_CANCELLED,
                            why == CUT_DRAIN ? OUTCOME_DRAINING : OUTCOME_TIMEOUT,
                            why == CUT_DRAIN ? "was not waited for" : "ran out of time");
    attempt_report(&m->attempt,
                   late && model_call__is_attempt(m->state) ? VERDICT_TIMEOUT : VERDICT_CANCELLED,
                   0, NULL);
    attempt_end(&m->attempt);
    return exchange_refuse_cut(x, why);
}

static uint64_t on_due(const struct exchange *x)
{
    const struct model_call *m = of(x);
    if (m->state == MODEL_CALL_RELAY)
        return clock_earlier(attempt_due(&m->attempt), answer_ping_due(&m->attempt));
    uint64_t at = model_call__due(m);
    /* Nobody wakes us when the connection is made: then other times hold. */
    if (m->state == MODEL_CALL_AWAIT && m->attempt.fetch.state == FETCH_CONNECTING)
        at = MIN(at, attempt_first_byte_due(&m->attempt));
    return clock_earlier(at, alive_due(m));
}

/* Microseconds between two marks, where both were reached. */
static void log_phase(struct log_line *l, const char *key, uint64_t from, uint64_t to)
{
    if (from && to >= from) log_u64(l, key, to - from);
}

static void log_call(const struct model_call *m, struct log_line *l)
{
    const struct attempt *a = &m->attempt;
    const struct usage *usage = &a->relay.usage;
    if (m->admission.service != m->x->asked) log_str(l, "fallback", m->admission.service->name);
    if (a->endpoint_name.len) log_str(l, "endpoint", a->endpoint_name);
    if (a->count) log_u64(l, "attempts", a->count);
    if (a->verdict != VERDICT_OK) log_cstr(l, "result", verdict_row(a->verdict)->label);
    if (a->error_word.ptr) log_str(l, "upstream_error", a->error_word);
    if (m->x->ask.stream) log_bool(l, "stream", true);
    if (m->waited_us) log_u64(l, "queue_us", m->waited_us);
    log_phase(l, "await_us", a->sent_us, a->head_us);
    log_phase(l, "ttft_us", m->x->call->started_us, a->first_us);
    if (!usage->known) return;
    log_u64(l, "prompt_tokens", usage->prompt);
    log_u64(l, "completion_tokens", usage->completion);
    log_u64(l, "cached_tokens", usage->cached);
    if (usage->estimated) log_cstr(l, "usage", "estimated");
}

static void on_account(struct exchange *x, uint64_t now_us UNUSED, struct log_line *line)
{
    struct model_call *m = of(x);
    struct attempt *a = &m->attempt;
    struct service_stats *stats = service_stats(x->asked, x->lane->index);
    relay_estimate(&a->relay, x->call->body.len);
    if (a->first_us && a->relay.is_stream)
        histogram_observe_span_us(&stats->ttft, a->first_us - x->call->started_us);
    if (a->relay.usage.known) {
        metric_add(&stats->tokens_prompt, a->relay.usage.prompt);
        metric_add(&stats->tokens_completion, a->relay.usage.completion);
        metric_add(&stats->tokens_cached, a->relay.usage.cached);
    }
    if (line) log_call(m, line);
}

static void on_settle(struct exchange *x)
{
    struct model_call *m = of(x);
    attempt_report(&m->attempt, VERDICT_CANCELLED, 0, NULL);
    attempt_end(&m->attempt);
    leave_queue(m);
    relay_fini(&m->attempt.relay);
    history_close(m->attempt.history);
    buf_fini(&m->held);
}

static const char *on_state_name(const struct exchange *x)
{
    return model_call__state_name(of(x));
}

const struct handler model_call_handler = {
    .begin = on_begin,
    .step = on_step,
    .cut = on_cut,
    .due = on_due,
    .account = on_account,
    .settle = on_settle,
    .state_name = on_state_name,
};
