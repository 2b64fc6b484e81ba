/* SPDX-License-Identifier: Apache-2.0 */
/* The happy path: ADMIT gets a credit at an endpoint (QUEUE waits for one), SEND writes the
 * request, AWAIT waits for the response head (HOLD, of a stream, for the first event with
 * content), RELAY passes the body on.
 *
 * What can go wrong: the client leaves (the upstream connection is closed, which cancels the
 * request), nobody can serve (503, 429), an attempt fails before the first byte to the client
 * (another endpoint, a fallback model, else 502 or 504), it fails after (an error event in a
 * stream, else the connection is cut), time runs out (504, or as after the first byte).
 *
 *   ADMIT -> SEND -> AWAIT -> HOLD -> RELAY
 *    |  ^               |       |
 *    v  |  failed       |       |
 *   QUEUE+--------------+-------+ */
#include "gate/model_call.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/machine.h"
#include "gate/answer.h"
#include "gate/forward.h"
#include "http/retry_after.h"

enum {
    /* a pooled connection that had been closed already shows it within a round trip */
    STALE_US = 500 * USEC_PER_MS,
    LACK_TELL_US = 10 * USEC_PER_SEC, /* between two lines of the log about it */
    HOLD_US = 10 * USEC_PER_SEC,      /* the head of a stream is held back so long at most */
    HELD_MAX = 64 * 1024,             /* and so much of it */
};

/* In the order of life. */
#define STATES(X) X(ADMIT) X(QUEUE) X(SEND) X(AWAIT) X(HOLD) X(RELAY)

enum state {
#define X(name) MODEL_CALL_##name,
    STATES(X)
#undef X
        STATE_COUNT
};

static const struct machine machine = {
    .name = "model call",
    .count = STATE_COUNT,
    .names =
        (const char *const[]){
#define X(name) [MODEL_CALL_##name] = #name,
            STATES(X)
#undef X
        },
    .moves =
        (const uint32_t[]){
            [MODEL_CALL_ADMIT] = MACHINE_BIT(MODEL_CALL_ADMIT) | MACHINE_BIT(MODEL_CALL_QUEUE) |
                                 MACHINE_BIT(MODEL_CALL_SEND),
            [MODEL_CALL_QUEUE] = MACHINE_BIT(MODEL_CALL_ADMIT) | MACHINE_BIT(MODEL_CALL_SEND),
            [MODEL_CALL_SEND] = MACHINE_BIT(MODEL_CALL_AWAIT),
            [MODEL_CALL_AWAIT] = MACHINE_BIT(MODEL_CALL_ADMIT) | MACHINE_BIT(MODEL_CALL_SEND) |
                                 MACHINE_BIT(MODEL_CALL_HOLD) | MACHINE_BIT(MODEL_CALL_RELAY),
            [MODEL_CALL_HOLD] = MACHINE_BIT(MODEL_CALL_ADMIT) | MACHINE_BIT(MODEL_CALL_SEND) |
                                MACHINE_BIT(MODEL_CALL_RELAY),
            [MODEL_CALL_RELAY] = 0,
        },
};

struct model_call {
    enum state state;
    struct exchange *x;
    size_t fallbacks;           /* tried so far, those of the service asked for */
    struct admission admission; /* its service: the one asked for, or a fallback of it */
    struct waiter *waiter;      /* in QUEUE */
    uint64_t queued_us;         /* began to wait for a credit */
    uint64_t waited_us;         /* in queues, altogether */
    struct attempt attempt;
    struct buf held; /* HOLD: what came of a stream before its answer began */
};

static struct model_call *of(const struct exchange *x)
{
    return x->mine;
}

static enum step go(struct model_call *m, enum state state)
{
    m->state = machine_move(&machine, m->state, state);
    return STEP_NEXT;
}

/* The states in which a request is on its way. */
static bool is_attempt(enum state s)
{
    return s == MODEL_CALL_AWAIT || s == MODEL_CALL_HOLD || s == MODEL_CALL_RELAY;
}

/* When the state has taken too long; 0: never. */
static uint64_t due(const struct model_call *m)
{
    if (m->state == MODEL_CALL_QUEUE) return service_wait_until(m->admission.service, m->queued_us);
    if (!is_attempt(m->state)) return 0;
    uint64_t attempt = attempt_due(&m->attempt);
    bool holds = m->state == MODEL_CALL_HOLD && !m->attempt.first_us;
    return holds ? MIN(attempt, m->attempt.head_us + HOLD_US) : attempt;
}

static void leave_queue(struct model_call *m)
{
    admit_cancel(m->waiter, exchange_now(m->x));
    m->waiter = NULL;
}

/* --- ADMIT and QUEUE --- */

/* Goes on with the next fallback model that the key allows. */
/* What a chat becomes with another model's template is no answer. */
static bool next_fallback(struct model_call *m)
{
    if (m->x->match.route->surface == SURFACE_TEMPLATE) return false;
    while (m->fallbacks < m->x->asked->fallback_count) {
        const struct service *s = m->x->asked->fallback[m->fallbacks++];
        if (!exchange_may_use(m->x, s)) continue;
        m->admission.service = s;
        m->admission.tried = (struct tried){0};
        return true;
    }
    return false;
}

/* Nobody can take it: what to say when nothing was tried, or when all that was tried failed. */
static enum step no_endpoint(struct model_call *m, uint64_t retry_after_us)
{
    if (next_fallback(m)) return go(m, MODEL_CALL_ADMIT);
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
    if (next_fallback(m)) return go(m, MODEL_CALL_ADMIT);
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

static enum step step_admit(struct model_call *m)
{
    uint64_t retry_after_us = 0, now = exchange_now(m->x);
    int got = admit_try(&m->admission, &m->x->lane->rng, now, &m->attempt.grant, &retry_after_us);
    if (got == ADMIT_OK) return go(m, MODEL_CALL_SEND);
    if (got == ADMIT_NONE) return no_endpoint(m, retry_after_us);
    if (got == ADMIT_REST && next_fallback(m)) return STEP_NEXT;
    m->admission.deadline_us = m->x->deadline_us ? m->x->deadline_us : UINT64_MAX;
    int err = admit_wait(&m->admission, m->x->lane->loop, &m->x->task, now, &m->waiter);
    if (err == -ENOMEM) return exchange_lack_memory(m->x);
    if (err) return queue_refused(m);
    m->queued_us = now;
    return go(m, MODEL_CALL_QUEUE);
}

/* The wait is over, one way or the other. */
static void note_wait(struct model_call *m, uint64_t now)
{
    struct service_stats *stats = service_stats(m->admission.service, m->x->lane->index);
    histogram_observe_us(&stats->queued, now - m->queued_us);
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
        return go(m, MODEL_CALL_SEND);
    case WAITER_REFUSED:
        retry_after_us = waiter_retry_after_us(m->waiter);
        leave_queue(m);
        note_wait(m, now);
        return no_endpoint(m, retry_after_us);
    default: break;
    }
    if (now < due(m)) return STEP_WAIT;
    leave_queue(m);
    metric_add(&stats->queue_refused[QUEUE_REFUSAL_DEADLINE], 1);
    note_wait(m, now);
    if (next_fallback(m)) return go(m, MODEL_CALL_ADMIT);
    return exchange_refuse(
        m->x, OUTCOME_QUEUE_TIMEOUT,
        &(struct refusal){
            .status = 503,
            .message = arena_say(
                m->x->call->arena,
                "The request waited %llu s for a free endpoint of the model '%" STR_FMT "'.",
                (unsigned long long)((now - m->queued_us + USEC_PER_SEC - 1) / USEC_PER_SEC),
                STR_ARG(m->x->asked->name)),
            .code = "queue_timeout"},
        1 * USEC_PER_SEC);
}

/* --- SEND and AWAIT --- */

/* We lack something ourselves: nobody else can help, and no endpoint is to blame. */
static enum step lack(struct model_call *m, int err)
{
    const struct verdict_row *row = verdict_row(VERDICT_LOCAL);
    struct lane *lane = m->x->lane;
    uint64_t now = exchange_now(m->x);
    attempt_report(&m->attempt, VERDICT_LOCAL, 0, NULL);
    attempt_end(&m->attempt);
    if (!lane->lack_told_us || now - lane->lack_told_us >= LACK_TELL_US) {
        lane->lack_told_us = now;
        log_note(
            LOG_ERROR, "overloaded",
            "a request cannot be passed on: %s; see limits.connections_max, ulimit -n and the memory",
            err_text(err));
    }
    return exchange_refuse(
        m->x, OUTCOME_OVERLOADED,
        &(struct refusal){.status = row->status,
                          .message = arena_say(m->x->call->arena, "The gateway is overloaded: %s.",
                                               err_text(err)),
                          .code = row->code},
        1 * USEC_PER_SEC);
}

static enum step step_send(struct model_call *m)
{
    int err = attempt_start(&m->attempt);
    if (err) return lack(m, err);
    return go(m, MODEL_CALL_AWAIT);
}

/* A fallback model that the key allows has not been tried yet. */
static bool has_fallback(const struct model_call *m)
{
    for (size_t i = m->fallbacks; i < m->x->asked->fallback_count; i++)
        if (exchange_may_use(m->x, m->x->asked->fallback[i])) return true;
    return false;
}

enum retry { RETRY_NO, RETRY_FALLBACK, RETRY_HERE };

/* Where one more attempt makes sense and is allowed: at another endpoint of the model, within
 * its retry budget (counted when it is granted), else at a fallback model, which is another
 * runtime and needs none. */
static enum retry take_retry(struct model_call *m)
{
    struct admission next = m->admission;
    if (m->attempt.count >= exchange_settings(m->x)->attempts_max) return RETRY_NO;
    tried_add(&next.tried, m->attempt.grant.endpoint);
    bool here = admit_hopeful(&next, exchange_now(m->x));
    if (here && service_may_retry(m->x->asked, m->x->lane->index, exchange_now(m->x)))
        return RETRY_HERE;
    if (has_fallback(m)) return RETRY_FALLBACK;
    if (!here) return RETRY_NO;
    metric_add(&m->x->lane->stats.retries_denied, 1);
    m->x->no_retry = true;
    return RETRY_NO;
}

/* The same request to the same endpoint once more, which is no other attempt: nothing is known
 * against it. */
static enum step send_again(struct model_call *m)
{
    fetch_end(&m->attempt.fetch);
    m->attempt.again = true;
    return go(m, MODEL_CALL_SEND);
}

/* An attempt failed before the client got anything: goes where `retry` says and somebody is
 * there, else tells of it. `what`: a sentence's end behind the runtime's name. */
static enum step attempt_failed(struct model_call *m, enum verdict verdict, uint64_t retry_after_us,
                                enum retry retry, const char *what)
{
    const struct verdict_row *row = verdict_row(verdict);
    attempt_report(&m->attempt, verdict, retry_after_us, what);
    m->attempt.no_usage = false;
    buf_release(&m->held);
    m->attempt.relay.usage = (struct usage){0}; /* nobody got what it counts */
    m->attempt.relay.deltas = 0;
    tried_add(&m->admission.tried, m->attempt.grant.endpoint);
    attempt_end(&m->attempt);
    if (retry == RETRY_HERE) {
        uint64_t wait_us = 0;
        int got = admit_try(&m->admission, &m->x->lane->rng, exchange_now(m->x), &m->attempt.grant,
                            &wait_us);
        if (got == ADMIT_OK) return go(m, MODEL_CALL_SEND);
        if (got != ADMIT_NONE) return go(m, MODEL_CALL_ADMIT);
    }
    if (retry != RETRY_NO && next_fallback(m)) return go(m, MODEL_CALL_ADMIT);
    return exchange_refuse(
        m->x, row->status == 504 ? OUTCOME_TIMEOUT : OUTCOME_UPSTREAM_FAILED,
        &(struct refusal){.status = row->status,
                          .message = arena_say(m->x->call->arena, "The runtime '%" STR_FMT "' %s.",
                                               STR_ARG(m->attempt.endpoint_name), what),
                          .code = row->code},
        retry_after_us);
}

/* The same, with whatever retry the table allows. */
static enum step fail_attempt(struct model_call *m, enum verdict verdict, const char *what)
{
    bool elsewhere = verdict_row(verdict)->retry == RETRY_ELSEWHERE;
    return attempt_failed(m, verdict, 0, elsewhere ? take_retry(m) : RETRY_NO, what);
}

static enum step fetch_failed(struct model_call *m)
{
    const char *why = fetch_error_text(&m->attempt.fetch);
    bool at_once = exchange_now(m->x) - m->attempt.sent_us < STALE_US;
    if (m->attempt.fetch.reused && !m->attempt.fetch.any_byte && at_once) {
        /* The pooled connection was closed as we wrote. */
        m->attempt.fresh = true;
        return send_again(m);
    }
    enum verdict verdict = verdict_of_error(m->attempt.fetch.err, m->attempt.fetch.sent);
    if (verdict == VERDICT_LOCAL) return lack(m, m->attempt.fetch.err);
    const char *what = m->attempt.fetch.sent ? "broke off before answering" : "cannot be reached";
    attempt_log_protocol(&m->attempt);
    return fail_attempt(m, verdict, arena_say(m->x->call->arena, "%s: %s", what, why).ptr);
}

/* A 400 or 422 may be about the `stream_options` that only we added. Asks without them, once:
 * when that goes well, they are left out from then on. */
static bool may_refuse_usage(const struct model_call *m, int status)
{
    const struct endpoint *e = m->attempt.grant.endpoint;
    return (status == 400 || status == 422) && m->attempt.asked_usage && e->usage == USAGE_AUTO &&
           endpoint_usage(e->state) == ENDPOINT_USAGE_UNKNOWN;
}

static void log_redirect(const struct model_call *m, const struct http_head *head)
{
    struct log_line l;
    log_begin(&l, LOG_WARN, "endpoint_redirect");
    log_cstr(&l, "request_id", m->x->id);
    log_str(&l, "model", m->admission.service->name);
    log_str(&l, "endpoint", m->attempt.endpoint_name);
    log_i64(&l, "status", head->status);
    log_str(&l, "location", str_sub(http_head_get(head, HDR_LOCATION), 0, 256));
    log_end(&l);
}

/* The answer is none that the client could use. */
static enum step refuse_answer(struct model_call *m, enum verdict verdict)
{
    if (verdict == VERDICT_UNAUTHORIZED)
        return fail_attempt(m, verdict, "refuses the gateway's credentials");
    log_redirect(m, m->attempt.fetch.head);
    return fail_attempt(
        m, verdict, "answers with a redirect; the endpoint's url must be set to where the API is");
}

static enum step begin_relay(struct model_call *m)
{
    int err = answer_begin(&m->attempt);
    return err ? lack(m, err) : go(m, MODEL_CALL_RELAY);
}

/* The answer goes to the client as it is. */
static enum step begin_answer(struct model_call *m)
{
    (void)attempt_read_as(&m->attempt, m->attempt.fetch.head);
    return begin_relay(m);
}

/* The runtime is overloaded or failing: elsewhere, or its answer after all. */
static enum step failing_answer(struct model_call *m, enum verdict verdict)
{
    const struct http_head *head = m->attempt.fetch.head;
    uint64_t retry_after_us = http_retry_after(head, clock_wall_us());
    enum retry retry = take_retry(m);
    if (retry != RETRY_NO)
        return attempt_failed(m, verdict, retry_after_us, retry, "is overloaded or failing");
    attempt_report(&m->attempt, verdict, retry_after_us, NULL);
    return begin_answer(m);
}

/* The response head is there: relay it, or try elsewhere. */
static enum step take_head(struct model_call *m)
{
    const struct http_head *head = m->attempt.fetch.head;
    enum verdict verdict = verdict_of_status(head->status);
    const char *why;
    m->attempt.head_us = exchange_now(m->x);
    if (may_refuse_usage(m, head->status)) {
        m->attempt.no_usage = true;
        return send_again(m);
    }
    if (verdict_row(verdict)->status) return refuse_answer(m, verdict);
    if (!forward_readable(head, &why)) return fail_attempt(m, VERDICT_UNREADABLE, why);
    if (verdict_row(verdict)->retry == RETRY_ELSEWHERE) return failing_answer(m, verdict);
    if (verdict != VERDICT_OK) {
        attempt_report(&m->attempt, verdict, 0, NULL);
        return begin_answer(m);
    }
    if (attempt_read_as(&m->attempt, head)) return go(m, MODEL_CALL_HOLD);
    endpoint_answered(&m->attempt.grant, exchange_now(m->x));
    return begin_relay(m);
}

/* What came with a head before the bytes broke off may be a whole stream, whose end does not
 * matter. */
static bool began_stream(struct model_call *m)
{
    const struct http_head *head = m->attempt.fetch.head;
    const char *why;
    return head && verdict_of_status(head->status) == VERDICT_OK && forward_readable(head, &why) &&
           attempt_read_as(&m->attempt, head);
}

static enum step step_await(struct model_call *m)
{
    if (m->attempt.fetch.state == FETCH_FAILED) {
        /* else even behind a head: the client has nothing of it */
        if (!began_stream(m)) return fetch_failed(m);
        m->attempt.head_us = exchange_now(m->x);
        return go(m, MODEL_CALL_HOLD);
    }
    if (m->attempt.fetch.head) return take_head(m);
    if (exchange_now(m->x) < due(m)) return STEP_WAIT;
    if (m->attempt.fetch.state == FETCH_CONNECTING)
        return fail_attempt(m, VERDICT_CONNECT_TIMEOUT, "did not accept the connection in time");
    return fail_attempt(m, VERDICT_TIMEOUT, "did not answer in time");
}

/* --- HOLD: the client has nothing yet, so that a stream which comes to nothing can be tried
 * elsewhere --- */

/* Begins the client's answer with what was held. */
static enum step release(struct model_call *m, const struct str *out, unsigned n)
{
    enum step step = begin_relay(m);
    if (step == STEP_DONE) return step;
    struct str held = buf_str(&m->held);
    if (held.len) call_write(m->x->call, &held, 1, false);
    buf_release(&m->held);
    return m->x->call->gone ? STEP_NEXT : answer_pass(&m->attempt, out, n);
}

/* All of it or nothing. */
static bool keep(struct model_call *m, const struct str *out, unsigned n)
{
    size_t size = 0;
    char *room;
    for (unsigned i = 0; i < n; i++)
        size += out[i].len;
    if (buf_reserve(&m->held, size, &room)) return false;
    for (unsigned i = 0; i < n; i++)
        if (out[i].len) room = mempcpy(room, out[i].ptr, out[i].len);
    buf_commit(&m->held, size);
    return true;
}

/* An error, or the end, before anything of an answer. */
static enum step came_to_nothing(struct model_call *m, const struct str *out, unsigned n)
{
    const char *what =
        m->attempt.relay.error ? "failed before answering" : "ended the stream before answering";
    enum retry retry = take_retry(m);
    if (retry != RETRY_NO) return attempt_failed(m, VERDICT_EMPTY, 0, retry, what);
    attempt_report(&m->attempt, VERDICT_EMPTY, 0, NULL);
    return release(m, out, n);
}

static enum step step_hold(struct model_call *m)
{
    uint64_t now = exchange_now(m->x);
    bool failed = m->attempt.fetch.state == FETCH_FAILED, whole = fetch_ended(&m->attempt.fetch);
    struct str out[RELAY_SLICES], body = fetch_take(&m->attempt.fetch);
    unsigned n = attempt_feed(&m->attempt, body, whole, out);
    if (m->attempt.relay.starved) return lack(m, -ENOMEM);
    if (failed && relay_cut(&m->attempt.relay)) return fetch_failed(m);
    if (m->attempt.relay.content) {
        attempt_note_first(&m->attempt);
        attempt_note_begin(&m->attempt);
        return release(m, out, n);
    }
    if (whole || m->attempt.relay.error) return came_to_nothing(m, out, n);
    if (now >= attempt_first_byte_due(&m->attempt))
        return fail_attempt(m, VERDICT_TIMEOUT, "did not answer in time");
    if (now >= m->attempt.head_us + HOLD_US || !keep(m, out, n)) return release(m, out, n);
    return STEP_WAIT;
}

/* --- RELAY --- */

static enum step step_relay(struct model_call *m)
{
    return answer_relay(&m->attempt);
}

/* --- as a handler --- */

static enum step (*const steps[STATE_COUNT])(struct model_call *m) = {
    [MODEL_CALL_ADMIT] = step_admit, [MODEL_CALL_QUEUE] = step_queue,
    [MODEL_CALL_SEND] = step_send,   [MODEL_CALL_AWAIT] = step_await,
    [MODEL_CALL_HOLD] = step_hold,   [MODEL_CALL_RELAY] = step_relay,
};

static int on_begin(struct exchange *x)
{
    struct model_call *m = arena_try_zero(x->call->arena, sizeof *m);
    if (!m) return -ENOMEM;
    m->x = m->attempt.x = x;
    m->admission.service = x->asked;
    buf_init(&m->held, HELD_MAX);
    x->mine = m;
    return 0;
}

static enum step on_step(struct exchange *x)
{
    struct model_call *m = of(x);
    return steps[m->state](m);
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
    attempt_report(&m->attempt, late && is_attempt(m->state) ? VERDICT_TIMEOUT : VERDICT_CANCELLED,
                   0, NULL);
    attempt_end(&m->attempt);
    return exchange_refuse_cut(x, why);
}

static uint64_t on_due(const struct exchange *x)
{
    const struct model_call *m = of(x);
    uint64_t at = due(m);
    /* Nobody wakes us when the connection is made: then other times hold. */
    if (m->state == MODEL_CALL_AWAIT && m->attempt.fetch.state == FETCH_CONNECTING)
        at = MIN(at, attempt_first_byte_due(&m->attempt));
    return at;
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
    if (a->first_us && a->relay.is_sse)
        histogram_observe_us(&stats->ttft, a->first_us - x->call->started_us);
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
    buf_fini(&m->held);
}

static const char *on_state_name(const struct exchange *x)
{
    return machine.names[of(x)->state];
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
