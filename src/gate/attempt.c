/* SPDX-License-Identifier: Apache-2.0 */
/* One request to an endpoint: a credit (ADMIT, QUEUE), the request (SEND), the response head (AWAIT, HOLD), and, while the client has
 * nothing yet, another try elsewhere. */
#include "base/clock.h"
#include "base/err.h"
#include "gate/exchange_priv.h"
#include "gate/forward.h"
#include "http/retry_after.h"
#include "obs/log.h"

enum {
    /* a pooled connection that had been closed already shows it within a round trip */
    STALE_US = 500 * USEC_PER_MS,
    LACK_TELL_US = 10 * USEC_PER_SEC, /* between two lines of the log about it */
};

/* --- ADMIT and QUEUE --- */

bool exchange_may_use(const struct exchange *x, const struct service *s)
{
    for (size_t i = 0; i < s->name_count; i++)
        if (key_allows(x->key, s->names[i].id)) return true;
    return false;
}

/* Goes on with the next fallback model that the key allows. */
static bool next_fallback(struct exchange *x)
{
    while (x->fallbacks < x->asked->fallback_count) {
        const struct service *s = x->asked->fallback[x->fallbacks++];
        if (!exchange_may_use(x, s)) continue;
        x->service = s;
        x->tried = (struct tried){0};
        return true;
    }
    return false;
}

/* Nobody can take it: what to say when nothing was tried, or when all that was tried failed. */
static enum step no_endpoint(struct exchange *x, uint64_t retry_after_us)
{
    if (next_fallback(x)) return exchange__go(x, EXCHANGE_ADMIT);
    struct buf reason;
    buf_init(&reason, 1024);
    service_ready(x->service, exchange__now(x), &reason);
    struct str why = arena_dup(x->call->arena, buf_str(&reason));
    buf_fini(&reason);
    return exchange_refuse(x, OUTCOME_NO_ENDPOINT, 503,
                           arena_printf(x->call->arena,
                                        "No endpoint can serve the model '%" STR_FMT
                                        "' now%s%" STR_FMT ".",
                                        STR_ARG(x->asked->name), why.len ? ": " : "", STR_ARG(why)),
                           NULL, "no_endpoint", MAX(retry_after_us, (uint64_t)USEC_PER_SEC));
}

static enum step queue_refused(struct exchange *x)
{
    metric_add(&service_stats(x->service, x->worker->index)->queue_full, 1);
    if (next_fallback(x)) return exchange__go(x, EXCHANGE_ADMIT);
    return exchange_refuse(
        x, OUTCOME_QUEUE_FULL, 429,
        arena_printf(x->call->arena, "The queue of the model '%" STR_FMT "' is full. Retry later.",
                     STR_ARG(x->asked->name)),
        NULL, "rate_limit_exceeded", 1 * USEC_PER_SEC);
}

enum step exchange__admit(struct exchange *x)
{
    uint64_t retry_after_us = 0, now = exchange__now(x);
    int got = admit_try(x->service, &x->tried, &x->worker->rng, now, &x->grant, &retry_after_us);
    if (got == ADMIT_OK) return exchange__go(x, EXCHANGE_SEND);
    if (got == ADMIT_NONE) return no_endpoint(x, retry_after_us);
    if (got == ADMIT_REST && next_fallback(x)) return STEP_NEXT;
    uint64_t until = x->deadline_us ? x->deadline_us : UINT64_MAX;
    if (admit_wait(x->service, &x->tried, x->worker->loop, &x->task, 0, until, now, &x->waiter))
        return queue_refused(x);
    x->queued_us = now;
    return exchange__go(x, EXCHANGE_QUEUE);
}

/* The wait is over, one way or the other. */
static void note_wait(struct exchange *x, uint64_t now)
{
    struct service_stats *stats = service_stats(x->service, x->worker->index);
    histogram_observe_us(&stats->queued, now - x->queued_us);
    x->waited_us += now - x->queued_us;
}

enum step exchange__queue(struct exchange *x)
{
    uint64_t now = exchange__now(x), retry_after_us;
    struct service_stats *stats = service_stats(x->service, x->worker->index);
    switch (waiter_state(x->waiter)) {
    case WAITER_GRANTED:
        admit_take(x->waiter, &x->grant);
        x->waiter = NULL;
        note_wait(x, now);
        return exchange__go(x, EXCHANGE_SEND);
    case WAITER_REFUSED:
        retry_after_us = waiter_retry_after_us(x->waiter);
        exchange__leave_queue(x);
        note_wait(x, now);
        return no_endpoint(x, retry_after_us);
    default: break;
    }
    if (now < exchange__phase_deadline(x)) return STEP_WAIT;
    exchange__leave_queue(x);
    metric_add(&stats->queue_deadline, 1);
    note_wait(x, now);
    if (next_fallback(x)) return exchange__go(x, EXCHANGE_ADMIT);
    return exchange_refuse(
        x, OUTCOME_QUEUE_TIMEOUT, 503,
        arena_printf(x->call->arena,
                     "The request waited %llu s for a free endpoint of the model '%" STR_FMT "'.",
                     (unsigned long long)((now - x->queued_us + USEC_PER_SEC - 1) / USEC_PER_SEC),
                     STR_ARG(x->asked->name)),
        NULL, "queue_timeout", 1 * USEC_PER_SEC);
}

/* --- SEND and AWAIT --- */

/* Whether this attempt asks for the usage of a stream on our own account. */
static bool wants_usage(const struct exchange *x, const struct endpoint *e)
{
    if (x->match.route == API_EMBEDDINGS || !x->request.stream || x->request.asks_usage)
        return false;
    if (e->usage == CONF_USAGE_AUTO)
        return !x->no_usage && endpoint_usage(e->state) != ENDPOINT_USAGE_REFUSED;
    return e->usage == CONF_USAGE_ASK;
}

enum step exchange__send(struct exchange *x)
{
    const struct endpoint *e = x->grant.endpoint;
    x->endpoint_name = arena_dup(x->call->arena, e->name);
    if (!x->again && x->attempts++ > 0) metric_add(&x->worker->stats.retries, 1);
    x->reported = x->began = false;
    x->sent_us = exchange__now(x);
    exchange__set_total(x, e->timeouts.total_us);
    x->asked_usage = wants_usage(x, e);
    x->fetch = (struct fetch){
        .client = &x->worker->client,
        .arena = x->call->arena,
        .task = &x->task,
        .addr = e->addr,
        .key = e->pool_key,
        .no_reuse = x->fresh,
    };
    forward_request(x, e, &x->fetch.request);
    x->fetch.request.body = x->slices;
    x->fetch.request.body_count =
        api_splice(&x->request, x->call->body, e->model, x->asked_usage, x->call->arena, x->slices);
    x->again = x->fresh = false;
    fetch_start(&x->fetch);
    return exchange__go(x, EXCHANGE_AWAIT);
}

/* A fallback model that the key allows has not been tried yet. */
static bool has_fallback(const struct exchange *x)
{
    for (size_t i = x->fallbacks; i < x->asked->fallback_count; i++)
        if (exchange_may_use(x, x->asked->fallback[i])) return true;
    return false;
}

enum retry { RETRY_NO, RETRY_FALLBACK, RETRY_HERE };

/* Where one more attempt makes sense and is allowed: at another endpoint of the model, within its retry budget (counted when it is
 * granted), else at a fallback model, which is another runtime and needs none. */
static enum retry take_retry(struct exchange *x)
{
    struct tried tried = x->tried;
    if (x->attempts >= exchange__conf(x)->retry.attempts_max) return RETRY_NO;
    tried_add(&tried, x->grant.endpoint);
    bool here = admit_hopeful(x->service, &tried, exchange__now(x));
    if (here && service_may_retry(x->asked, x->worker->index, exchange__now(x))) return RETRY_HERE;
    if (has_fallback(x)) return RETRY_FALLBACK;
    if (!here) return RETRY_NO;
    metric_add(&x->worker->stats.retries_denied, 1);
    x->retry_denied = true;
    return RETRY_NO;
}

/* The same request to the same endpoint once more, which is no other attempt: nothing is known against it. */
static enum step send_again(struct exchange *x)
{
    fetch_end(&x->fetch);
    x->again = true;
    return exchange__go(x, EXCHANGE_SEND);
}

/* An attempt failed before the client got anything: goes where `retry` says and somebody is there, else tells of it. `what`: a
 * sentence's end behind the runtime's name. */
static enum step attempt_failed(struct exchange *x, enum verdict verdict, uint64_t retry_after_us,
                                enum retry retry, const char *what)
{
    const struct verdict_row *row = verdict_row(verdict);
    exchange__report(x, verdict, retry_after_us, what);
    x->no_usage = false;
    buf_release(&x->held);
    x->relay.usage = (struct usage){0}; /* nobody got what it counts */
    x->relay.deltas = 0;
    tried_add(&x->tried, x->grant.endpoint);
    exchange__end_attempt(x);
    if (retry == RETRY_HERE) {
        uint64_t wait_us = 0;
        int got = admit_try(x->service, &x->tried, &x->worker->rng, exchange__now(x), &x->grant,
                            &wait_us);
        if (got == ADMIT_OK) return exchange__go(x, EXCHANGE_SEND);
        if (got != ADMIT_NONE) return exchange__go(x, EXCHANGE_ADMIT);
    }
    if (retry != RETRY_NO && next_fallback(x)) return exchange__go(x, EXCHANGE_ADMIT);
    return exchange_refuse(x, row->status == 504 ? OUTCOME_TIMEOUT : OUTCOME_UPSTREAM_FAILED,
                           row->status,
                           arena_printf(x->call->arena, "The runtime '%" STR_FMT "' %s.",
                                        STR_ARG(x->endpoint_name), what),
                           NULL, row->code, retry_after_us);
}

/* The same, with whatever retry the table allows. */
static enum step fail_attempt(struct exchange *x, enum verdict verdict, const char *what)
{
    bool elsewhere = verdict_row(verdict)->retry == RETRY_ELSEWHERE;
    return attempt_failed(x, verdict, 0, elsewhere ? take_retry(x) : RETRY_NO, what);
}

/* We lack something ourselves: nobody else can help, and no endpoint is to blame. */
static enum step lack(struct exchange *x, int err)
{
    const struct verdict_row *row = verdict_row(VERDICT_LOCAL);
    struct worker *w = x->worker;
    uint64_t now = exchange__now(x);
    exchange__report(x, VERDICT_LOCAL, 0, NULL);
    exchange__end_attempt(x);
    if (!w->lack_told_us || now - w->lack_told_us >= LACK_TELL_US) {
        w->lack_told_us = now;
        log_note(
            LOG_ERROR, "overloaded",
            "no connection to an endpoint can be made: %s; see limits.connections_max and ulimit -n",
            err_text(err));
    }
    return exchange_refuse(
        x, OUTCOME_OVERLOADED, row->status,
        arena_printf(x->call->arena, "The gateway is overloaded: %s.", err_text(err)), NULL,
        row->code, 1 * USEC_PER_SEC);
}

static enum step fetch_failed(struct exchange *x)
{
    const char *why = fetch_error_text(&x->fetch);
    bool at_once = exchange__now(x) - x->sent_us < STALE_US;
    if (x->fetch.reused && !x->fetch.any_byte && at_once) {
        /* The pooled connection was closed as we wrote. */
        x->fresh = true;
        return send_again(x);
    }
    enum verdict verdict = verdict_of_error(x->fetch.err, x->fetch.sent);
    if (verdict == VERDICT_LOCAL) return lack(x, x->fetch.err);
    const char *what = x->fetch.sent ? "broke off before answering" : "cannot be reached";
    exchange__log_protocol(x);
    return fail_attempt(x, verdict, arena_printf(x->call->arena, "%s: %s", what, why).ptr);
}

/* A 400 or 422 may be about the `stream_options` that only we added. Asks without them, once: when that goes well, they are left out
 * from then on. */
static bool may_refuse_usage(const struct exchange *x, int status)
{
    const struct endpoint *e = x->grant.endpoint;
    return (status == 400 || status == 422) && x->asked_usage && e->usage == CONF_USAGE_AUTO &&
           endpoint_usage(e->state) == ENDPOINT_USAGE_UNKNOWN;
}

static void learn_usage(const struct exchange *x)
{
    const struct endpoint *e = x->grant.endpoint;
    if (e->usage != CONF_USAGE_AUTO) return;
    if (x->asked_usage)
        endpoint_note_usage(e->state, ENDPOINT_USAGE_GIVEN);
    else if (x->no_usage)
        endpoint_note_usage(e->state, ENDPOINT_USAGE_REFUSED);
}

static void log_redirect(const struct exchange *x, const struct http_head *head)
{
    struct log_line l;
    log_begin(&l, LOG_WARN, "endpoint_redirect");
    log_cstr(&l, "request_id", x->id);
    log_str(&l, "model", x->service->name);
    log_str(&l, "endpoint", x->endpoint_name);
    log_i64(&l, "status", head->status);
    log_str(&l, "location", str_sub(http_head_get(head, HDR_LOCATION), 0, 256));
    log_end(&l);
}

/* The answer is none that the client could use. */
static enum step refuse_answer(struct exchange *x, enum verdict verdict)
{
    if (verdict == VERDICT_UNAUTHORIZED)
        return fail_attempt(x, verdict, "refuses the gateway's credentials");
    log_redirect(x, x->fetch.head);
    return fail_attempt(
        x, verdict, "answers with a redirect; the endpoint's url must be set to where the API is");
}

/* The answer goes to the client as it is. */
static enum step begin_answer(struct exchange *x)
{
    (void)forward_starts_stream(x, x->fetch.head);
    exchange__begin_answer(x);
    return STEP_NEXT;
}

/* The runtime is overloaded or failing: elsewhere, or its answer after all. */
static enum step failing_answer(struct exchange *x, enum verdict verdict)
{
    const struct http_head *head = x->fetch.head;
    uint64_t retry_after_us = http_retry_after(head, clock_wall_us());
    enum retry retry = take_retry(x);
    if (retry != RETRY_NO)
        return attempt_failed(x, verdict, retry_after_us, retry, "is overloaded or failing");
    exchange__report(x, verdict, retry_after_us, NULL);
    return begin_answer(x);
}

/* The response head is there: relay it, or try elsewhere. */
static enum step take_head(struct exchange *x)
{
    const struct http_head *head = x->fetch.head;
    enum verdict verdict = verdict_of_status(head->status);
    const char *why;
    x->head_us = exchange__now(x);
    if (may_refuse_usage(x, head->status)) {
        x->no_usage = true;
        return send_again(x);
    }
    if (verdict_row(verdict)->status) return refuse_answer(x, verdict);
    if (!forward_readable(head, &why)) return fail_attempt(x, VERDICT_UNREADABLE, why);
    if (verdict_row(verdict)->retry == RETRY_ELSEWHERE) return failing_answer(x, verdict);
    if (verdict != VERDICT_OK) {
        exchange__report(x, verdict, 0, NULL);
        return begin_answer(x);
    }
    if (forward_starts_stream(x, head)) return exchange__go(x, EXCHANGE_HOLD);
    endpoint_answered(&x->grant, exchange__now(x));
    exchange__begin_answer(x);
    return STEP_NEXT;
}

/* What came with a head before the bytes broke off may be a whole stream, whose end does not matter. */
static bool began_stream(struct exchange *x)
{
    const struct http_head *head = x->fetch.head;
    const char *why;
    return head && verdict_of_status(head->status) == VERDICT_OK && forward_readable(head, &why) &&
           forward_starts_stream(x, head);
}

enum step exchange__await(struct exchange *x)
{
    if (x->fetch.state == FETCH_FAILED) {
        /* else even behind a head: the client has nothing of it */
        if (!began_stream(x)) return fetch_failed(x);
        x->head_us = exchange__now(x);
        return exchange__go(x, EXCHANGE_HOLD);
    }
    if (x->fetch.head) return take_head(x);
    if (exchange__now(x) < exchange__phase_deadline(x)) return STEP_WAIT;
    if (x->fetch.state == FETCH_CONNECTING)
        return fail_attempt(x, VERDICT_CONNECT_TIMEOUT, "did not accept the connection in time");
    return fail_attempt(x, VERDICT_TIMEOUT, "did not answer in time");
}

/* --- HOLD: the client has nothing yet, so that a stream which comes to nothing can be tried elsewhere --- */

void exchange__note_begin(struct exchange *x)
{
    x->began = true;
    learn_usage(x);
    endpoint_answered(&x->grant, exchange__now(x));
}

/* Begins the client's answer with what was held. */
static enum step release(struct exchange *x, const struct str *out, unsigned n)
{
    exchange__begin_answer(x);
    struct str held = buf_str(&x->held);
    if (held.len) call_write(x->call, &held, 1, false);
    buf_release(&x->held);
    return x->call->gone ? STEP_NEXT : exchange__pass(x, out, n);
}

static bool keep(struct exchange *x, const struct str *out, unsigned n)
{
    size_t size = 0;
    for (unsigned i = 0; i < n; i++)
        size += out[i].len;
    if (buf_len(&x->held) + size > EXCHANGE_HELD_MAX) return false;
    for (unsigned i = 0; i < n; i++)
        if (buf_append(&x->held, out[i])) return false;
    return true;
}

/* An error, or the end, before anything of an answer. */
static enum step came_to_nothing(struct exchange *x, const struct str *out, unsigned n)
{
    const char *what =
        x->relay.error ? "failed before answering" : "ended the stream before answering";
    enum retry retry = take_retry(x);
    if (retry != RETRY_NO) return attempt_failed(x, VERDICT_EMPTY, 0, retry, what);
    exchange__report(x, VERDICT_EMPTY, 0, NULL);
    return release(x, out, n);
}

enum step exchange__hold(struct exchange *x)
{
    uint64_t now = exchange__now(x);
    bool failed = x->fetch.state == FETCH_FAILED, whole = fetch_ended(&x->fetch);
    struct str out[RELAY_SLICES], body = fetch_take(&x->fetch);
    unsigned n = exchange__feed(x, body, whole, out);
    if (failed && relay_cut(&x->relay)) return fetch_failed(x);
    if (x->relay.content) {
        x->first_us = now;
        exchange__note_begin(x);
        return release(x, out, n);
    }
    if (whole || x->relay.error) return came_to_nothing(x, out, n);
    if (now >= exchange__first_byte_deadline(x))
        return fail_attempt(x, VERDICT_TIMEOUT, "did not answer in time");
    if (now >= x->head_us + EXCHANGE_HOLD_US || !keep(x, out, n)) return release(x, out, n);
    return STEP_WAIT;
}
