/* SPDX-License-Identifier: Apache-2.0 */
/* The happy path: IDENTIFY finds the key, BODY waits for the body, PERMIT reads it and finds the model, ADMIT gets a
 * credit at an endpoint (QUEUE waits for one), SEND writes the request, AWAIT waits for the response head, RELAY passes the body
 * on, and finish() settles.
 *
 * What can go wrong: the client leaves (any state: the upstream connection is closed, which cancels it), the body is broken
 * (400, 413), nobody can serve (503, 429), an attempt fails before the first byte to the client (another endpoint, a
 * fallback model, else 502 or 504), it fails after (an error event in a stream, else the connection is cut), time
 * runs out (504, or as after the first byte).
 *
 *   IDENTIFY -> BODY -> PERMIT -> ADMIT -> SEND -> AWAIT -> RELAY -> finish
 *       |                          |  ^               |
 *       v                          v  |  failed       |
 *     LOCAL                      QUEUE+---------------+
 *
 * Callbacks only store facts in call, fetch and waiter and wake the task. run() looks at the facts that end everything first,
 * then calls the state's step. */
#include "gate/exchange.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "gate/caller.h"
#include "gate/forward.h"
#include "obs/log.h"

enum {
    EXCHANGE_MAGIC = 0x48455843,
    /* a pooled connection that had been closed already shows it within a round trip */
    STALE_US = 500 * USEC_PER_MS,
};

static const char *const state_names[] = {
#define X(name) #name,
    EXCHANGE_STATES(X)
#undef X
};

const char *exchange_state_name(enum exchange_state s)
{
    return state_names[s];
}

static uint64_t now_of(const struct exchange *x)
{
    return loop_now(x->worker->loop);
}

static const struct conf *conf_of(const struct exchange *x)
{
    return snapshot_conf(x->snapshot);
}

static enum step go(struct exchange *x, enum exchange_state state)
{
    x->state = state;
    return STEP_NEXT;
}

/* --- the end --- */

/* Gives back what an attempt holds. Its verdict must have been reported, or none is due. */
static void end_attempt(struct exchange *x)
{
    fetch_end(&x->fetch);
    if (x->grant.endpoint) endpoint_release(&x->grant, now_of(x));
}

static void report(struct exchange *x, enum attempt_result result, uint64_t retry_after_us)
{
    if (!x->grant.endpoint || x->reported) return;
    x->reported = true;
    endpoint_report(&x->grant, x->worker->index, result, retry_after_us, now_of(x),
                    &x->worker->rng);
}

static void leave_queue(struct exchange *x)
{
    admit_cancel(x->waiter, now_of(x));
    x->waiter = NULL;
}

/* SETTLE: on every path exactly once. */
static void settle(struct exchange *x)
{
    struct worker *w = x->worker;
    assert(!x->settled);
    x->settled = true;
    exchange_account(x);
    report(x, ATTEMPT_CANCELLED, 0);
    end_attempt(x);
    leave_queue(x);
    relay_fini(&x->relay);
    timer_stop(w->loop, &x->timer);
    task_cancel(&x->task);
    list_remove(&x->link);
    local_forget(x);
    snapshot_unref(x->snapshot);
    keyring_unref(x->keyring);
    x->magic = 0;
}

/* Ends an exchange whose answer was given (or has been cut). The memory of x goes with the call. */
static enum step finish(struct exchange *x, enum outcome outcome)
{
    struct http_call *call = x->call;
    struct worker *w = x->worker;
    x->outcome = outcome;
    settle(x);
    call_end(call);
    /* Only now, so that a connection with unsent bytes counts as lingering before. */
    metric_sub(&w->stats.active, 1);
    return STEP_DONE;
}

static enum step finish_gone(struct exchange *x)
{
    int why = x->call->gone_why;
    enum outcome outcome = why == ERR_TIMEOUT     ? OUTCOME_CLIENT_SLOW
                           : why == ERR_CANCELLED ? OUTCOME_CANCELLED
                                                  : OUTCOME_CLIENT_GONE;
    if (!x->status) x->status = 499;
    return finish(x, outcome);
}

/* The common headers of our own answers. */
static unsigned own_fields(struct exchange *x, struct http_field fields[4], struct str content_type,
                           uint64_t retry_after_us)
{
    unsigned n = 0;
    fields[n++] = (struct http_field){STR("content-type"), content_type};
    fields[n++] = (struct http_field){STR("x-request-id"), str_of(x->id)};
    if (retry_after_us) {
        uint64_t seconds = (retry_after_us + USEC_PER_SEC - 1) / USEC_PER_SEC;
        fields[n++] = (struct http_field){
            STR("retry-after"), arena_printf(x->call->arena, "%llu", (unsigned long long)seconds)};
    }
    return n;
}

enum step exchange_reply(struct exchange *x, enum outcome outcome, int status,
                         struct str content_type, struct str body)
{
    struct http_field fields[4];
    unsigned n = own_fields(x, fields, content_type, 0);
    x->status = status;
    call_begin(x->call, status, fields, n, HTTP_LENGTH, body.len);
    call_write(x->call, &body, 1, true);
    return finish(x, outcome);
}

enum step exchange_refuse(struct exchange *x, enum outcome outcome, int status, struct str message,
                          const char *param, const char *code, uint64_t retry_after_us)
{
    struct http_field fields[6];
    unsigned n = own_fields(x, fields, STR("application/json"), retry_after_us);
    if (x->retry_denied) fields[n++] = (struct http_field){STR("x-should-retry"), STR("false")};
    if (status == 405) fields[n++] = (struct http_field){STR("allow"), x->match.allow};
    if (status == 401) fields[n++] = (struct http_field){STR("www-authenticate"), STR("Bearer")};
    struct buf body;
    buf_init(&body, 16384);
    api_write_error(&body, status, message, param, code);
    x->status = status;
    x->error_code = code;
    call_begin(x->call, status, fields, n, HTTP_LENGTH, buf_len(&body));
    struct str text = buf_str(&body);
    call_write(x->call, &text, 1, true);
    buf_fini(&body);
    return finish(x, outcome);
}

/* --- IDENTIFY --- */

static bool is_probe(enum api_route route)
{
    return route == API_LIVEZ || route == API_READYZ || route == API_HEALTHZ;
}

static enum step step_identify(struct exchange *x)
{
    const struct http_head *head = x->call->head;
    api_match(head, x->call->arena, &x->match);
    bool keys = keyring_required(x->keyring);
    if (!keys && !caller_is_local(x->call))
        return exchange_refuse(
            x, OUTCOME_FORBIDDEN, 403,
            STR("Without API keys, only requests to localhost are answered. Configure keys to serve others."),
            NULL, "foreign_host", 0);
    if (head->method == METHOD_OPTIONS && x->match.route != API_UNKNOWN) {
        struct http_field fields[] = {{STR("allow"), x->match.allow},
                                      {STR("x-request-id"), str_of(x->id)}};
        x->status = 204;
        call_begin(x->call, 204, fields, 2, HTTP_NO_BODY, 0);
        call_write(x->call, NULL, 0, true);
        return finish(x, OUTCOME_OK);
    }
    if (keys) {
        struct str secret = caller_key(head);
        if (secret.len) x->key = keyring_find(x->keyring, x->worker->digester, secret);
        if (!x->key && !is_probe(x->match.route)) {
            metric_add(&x->worker->stats.auth_failures, 1);
            return exchange_refuse(
                x, OUTCOME_UNAUTHORIZED, 401,
                secret.len ? STR("Incorrect API key provided.")
                           : STR("No API key provided. Send it as 'Authorization: Bearer KEY'."),
                NULL, "invalid_api_key", 0);
        }
    }
    if (x->match.route == API_UNKNOWN)
        return exchange_refuse(
            x, OUTCOME_NOT_FOUND, 404,
            arena_printf(x->call->arena, "Unknown request URL: %" STR_FMT " %" STR_FMT ".",
                         STR_ARG(head->method_name), STR_ARG(str_sub(head->path, 0, 200))),
            NULL, "unknown_url", 0);
    if (!x->match.method_ok)
        return exchange_refuse(x, OUTCOME_BAD_REQUEST, 405,
                               arena_printf(x->call->arena,
                                            "Method %" STR_FMT " is not allowed here.",
                                            STR_ARG(head->method_name)),
                               NULL, "method_not_allowed", 0);
    if (!api_is_inference(x->match.route)) return go(x, EXCHANGE_LOCAL);
    if (x->worker->draining)
        return exchange_refuse(x, OUTCOME_DRAINING, 503, STR("The server is shutting down."), NULL,
                               "draining", 1 * USEC_PER_SEC);
    call_read_body(x->call, conf_of(x)->limits.body_max);
    return go(x, EXCHANGE_BODY);
}

/* --- BODY --- */

static enum step refuse_body(struct exchange *x)
{
    switch (x->call->body_err) {
    case ERR_TOO_LARGE:
        return exchange_refuse(
            x, OUTCOME_BAD_REQUEST, 413,
            arena_printf(x->call->arena, "The request body is larger than the limit of %llu bytes.",
                         (unsigned long long)conf_of(x)->limits.body_max),
            NULL, "request_too_large", 0);
    case ERR_TIMEOUT:
        return exchange_refuse(x, OUTCOME_TIMEOUT, 408,
                               STR("The request body did not arrive in time."), NULL,
                               "request_timeout", 0);
    case ERR_PROTOCOL:
        return exchange_refuse(x, OUTCOME_BAD_REQUEST, 400,
                               STR("The request body is not well-formed HTTP."), NULL,
                               "bad_framing", 0);
    default:
        return exchange_refuse(x, OUTCOME_BAD_REQUEST, 503, STR("Out of memory."), NULL,
                               "overloaded", 0);
    }
}

static enum step step_body(struct exchange *x)
{
    if (x->call->body_err) return refuse_body(x);
    if (!x->call->body_done) return STEP_WAIT;
    x->body_us = now_of(x);
    return go(x, EXCHANGE_PERMIT);
}

/* --- PERMIT --- */

bool exchange_may_ask(const struct exchange *x, struct str name, const struct service *s)
{
    return key_allows(x->key, name) || key_allows(x->key, s->name);
}

static enum step step_permit(struct exchange *x)
{
    struct arena *arena = x->call->arena;
    struct api_problem problem;
    struct str encoding = http_head_get(x->call->head, HDR_CONTENT_ENCODING);
    if (encoding.len && !str_eq_nocase(encoding, STR("identity")))
        return exchange_refuse(x, OUTCOME_BAD_REQUEST, 415,
                               STR("Compressed request bodies are not supported."), NULL,
                               "unsupported_encoding", 0);
    if (api_read_body(arena, x->call->body, &x->request, &problem))
        return exchange_refuse(x, OUTCOME_BAD_REQUEST, 400, problem.message, problem.param, NULL,
                               0);
    struct str model = x->request.model;
    x->asked = snapshot_service(x->snapshot, model);
    if (!x->asked)
        return exchange_refuse(x, OUTCOME_NOT_FOUND, 404,
                               arena_printf(arena, "The model '%" STR_FMT "' does not exist.",
                                            STR_ARG(str_sub(model, 0, 200))),
                               "model", "model_not_found", 0);
    if (!exchange_may_ask(x, model, x->asked)) {
        x->asked = NULL; /* not counted for the model */
        return exchange_refuse(x, OUTCOME_FORBIDDEN, 403,
                               arena_printf(arena,
                                            "This API key may not use the model '%" STR_FMT "'.",
                                            STR_ARG(str_sub(model, 0, 200))),
                               "model", "model_not_allowed", 0);
    }
    x->service = x->asked;
    struct service_stats *stats = service_stats(x->asked, x->worker->index);
    metric_add(&stats->active, 1);
    service_count_request(x->asked, x->worker->index, now_of(x));
    x->admit_us = now_of(x);
    return go(x, EXCHANGE_ADMIT);
}

/* --- ADMIT and QUEUE --- */

bool exchange_may_use(const struct exchange *x, const struct service *s)
{
    size_t count;
    const struct service_name *names = snapshot_names(x->snapshot, &count);
    for (size_t i = 0; i < count; i++)
        if (names[i].service == s && key_allows(x->key, names[i].id)) return true;
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
    if (next_fallback(x)) return go(x, EXCHANGE_ADMIT);
    struct buf reason;
    buf_init(&reason, 1024);
    service_ready(x->service, now_of(x), &reason);
    struct str why = arena_dup(x->call->arena, buf_str(&reason));
    buf_fini(&reason);
    enum step step = exchange_refuse(
        x, OUTCOME_NO_ENDPOINT, 503,
        arena_printf(x->call->arena,
                     "No endpoint can serve the model '%" STR_FMT "' now%s%" STR_FMT ".",
                     STR_ARG(x->asked->name), why.len ? ": " : "", STR_ARG(why)),
        NULL, "no_endpoint", MAX(retry_after_us, (uint64_t)USEC_PER_SEC));
    return step;
}

static enum step queue_refused(struct exchange *x)
{
    metric_add(&service_stats(x->service, x->worker->index)->queue_full, 1);
    if (next_fallback(x)) return go(x, EXCHANGE_ADMIT);
    return exchange_refuse(
        x, OUTCOME_QUEUE_FULL, 429,
        arena_printf(x->call->arena, "The queue of the model '%" STR_FMT "' is full. Retry later.",
                     STR_ARG(x->asked->name)),
        NULL, "rate_limit_exceeded", 1 * USEC_PER_SEC);
}

static enum step step_admit(struct exchange *x)
{
    uint64_t retry_after_us = 0, now = now_of(x);
    int got = admit_try(x->service, &x->tried, &x->worker->rng, now, &x->grant, &retry_after_us);
    if (got == ADMIT_OK) {
        x->granted_us = now;
        return go(x, EXCHANGE_SEND);
    }
    if (got != ADMIT_WAIT) return no_endpoint(x, retry_after_us);
    uint64_t until = now + x->service->queue_timeout_us;
    if (x->deadline_us) until = MIN(until, x->deadline_us);
    if (admit_wait(x->service, &x->tried, x->worker->loop, &x->task, 0, until, now, &x->waiter))
        return queue_refused(x);
    x->queued_us = now;
    return go(x, EXCHANGE_QUEUE);
}

static enum step step_queue(struct exchange *x)
{
    uint64_t now = now_of(x), retry_after_us;
    struct service_stats *stats = service_stats(x->service, x->worker->index);
    switch (waiter_state(x->waiter)) {
    case WAITER_GRANTED:
        admit_take(x->waiter, &x->grant);
        x->waiter = NULL;
        x->granted_us = now;
        histogram_observe_us(&stats->queued, now - x->queued_us);
        return go(x, EXCHANGE_SEND);
    case WAITER_REFUSED:
        retry_after_us = waiter_retry_after_us(x->waiter);
        leave_queue(x);
        return no_endpoint(x, retry_after_us);
    default: break;
    }
    if (now < x->queued_us + x->service->queue_timeout_us) return STEP_WAIT;
    leave_queue(x);
    metric_add(&stats->queue_deadline, 1);
    histogram_observe_us(&stats->queued, now - x->queued_us);
    if (next_fallback(x)) return go(x, EXCHANGE_ADMIT);
    return exchange_refuse(
        x, OUTCOME_QUEUE_TIMEOUT, 503,
        arena_printf(x->call->arena,
                     "The request waited %llu s for a free endpoint of the model '%" STR_FMT "'.",
                     (unsigned long long)((now - x->queued_us + USEC_PER_SEC - 1) / USEC_PER_SEC),
                     STR_ARG(x->asked->name)),
        NULL, "queue_timeout", 1 * USEC_PER_SEC);
}

/* --- SEND and AWAIT --- */

static enum step step_send(struct exchange *x)
{
    const struct endpoint *e = x->grant.endpoint;
    bool fresh = x->stale_retry;
    x->endpoint_name = arena_dup(x->call->arena, e->name);
    if (!fresh && x->attempts++ > 0) metric_add(&x->worker->stats.retries, 1);
    x->stale_retry = false;
    x->reported = false;
    x->sent_us = now_of(x);
    bool ask_usage = x->match.route != API_EMBEDDINGS;
    unsigned n =
        api_splice(&x->request, x->call->body, e->model, ask_usage, x->call->arena, x->slices + 1);
    size_t body_len = 0;
    for (unsigned i = 1; i <= n; i++)
        body_len += x->slices[i].len;
    x->slices[0] = forward_request_head(x, e, body_len);
    x->fetch = (struct fetch){
        .client = &x->worker->client,
        .arena = x->call->arena,
        .task = &x->task,
        .addr = e->addr,
        .key = e->pool_key,
        .request = x->slices,
        .request_count = n + 1,
        .no_reuse = fresh,
    };
    fetch_start(&x->fetch);
    return go(x, EXCHANGE_AWAIT);
}

static int failure_status(enum attempt_result result)
{
    return result == ATTEMPT_TIMEOUT ? 504 : 502;
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
    if (x->attempts >= conf_of(x)->retry.attempts_max) return RETRY_NO;
    tried_add(&tried, x->grant.endpoint);
    bool here = admit_hopeful(x->service, &tried, now_of(x));
    if (here && service_may_retry(x->asked, x->worker->index, now_of(x))) return RETRY_HERE;
    if (has_fallback(x)) return RETRY_FALLBACK;
    if (!here) return RETRY_NO;
    metric_add(&x->worker->stats.retries_denied, 1);
    x->retry_denied = true;
    return RETRY_NO;
}

/* An attempt failed before the client got anything: goes where `retry` says and somebody is there, else tells of it. */
static enum step attempt_failed(struct exchange *x, enum attempt_result result,
                                uint64_t retry_after_us, enum retry retry, const char *what)
{
    report(x, result, retry_after_us);
    tried_add(&x->tried, x->grant.endpoint);
    end_attempt(x);
    if (retry == RETRY_HERE) {
        uint64_t wait_us = 0;
        int got = admit_try(x->service, &x->tried, &x->worker->rng, now_of(x), &x->grant, &wait_us);
        if (got == ADMIT_OK) return go(x, EXCHANGE_SEND);
        if (got == ADMIT_WAIT) return go(x, EXCHANGE_ADMIT);
    }
    if (retry != RETRY_NO && next_fallback(x)) return go(x, EXCHANGE_ADMIT);
    int status = failure_status(result);
    return exchange_refuse(
        x, result == ATTEMPT_TIMEOUT ? OUTCOME_TIMEOUT : OUTCOME_UPSTREAM_FAILED, status,
        arena_printf(x->call->arena, "The runtime '%" STR_FMT "' %s.", STR_ARG(x->endpoint_name),
                     what),
        NULL, status == 504 ? "upstream_timeout" : "upstream_error", retry_after_us);
}

static enum step fetch_failed(struct exchange *x)
{
    int err = x->fetch.err;
    bool at_once = now_of(x) - x->sent_us < STALE_US;
    if (x->fetch.reused && !x->fetch.any_byte && at_once) {
        /* The pooled connection was closed as we wrote: no verdict on the endpoint, the same again on a new one. */
        fetch_end(&x->fetch);
        x->stale_retry = true;
        return go(x, EXCHANGE_SEND);
    }
    if (!x->fetch.sent)
        return attempt_failed(
            x, ATTEMPT_CONNECT_FAILED, 0, take_retry(x),
            arena_printf(x->call->arena, "cannot be reached: %s", err_text(err)).ptr);
    return attempt_failed(
        x, ATTEMPT_BROKEN, 0, take_retry(x),
        arena_printf(x->call->arena, "broke off before answering: %s", err_text(err)).ptr);
}

static bool is_retryable(int status)
{
    return status == 429 || status >= 500;
}

static uint64_t retry_after_of(const struct http_head *head)
{
    uint64_t value;
    if (str_to_u64(http_head_get(head, HDR_RETRY_AFTER_MS), &value) == 0)
        return MIN(value, (uint64_t)3600000) * USEC_PER_MS;
    if (str_to_u64(http_head_get(head, HDR_RETRY_AFTER), &value) == 0)
        return MIN(value, (uint64_t)3600) * USEC_PER_SEC;
    return 0;
}

/* The response head is there: relay it, or try elsewhere. */
static enum step take_head(struct exchange *x)
{
    const struct http_head *head = x->fetch.head;
    uint64_t retry_after_us = is_retryable(head->status) ? retry_after_of(head) : 0;
    x->head_us = now_of(x);
    if (head->status == 401 || head->status == 403)
        return attempt_failed(x, ATTEMPT_STATUS_5XX, 0, take_retry(x),
                              "refuses the gateway's credentials");
    if (is_retryable(head->status)) {
        enum attempt_result result = head->status == 429 ? ATTEMPT_STATUS_429 : ATTEMPT_STATUS_5XX;
        enum retry retry = take_retry(x);
        if (retry != RETRY_NO)
            return attempt_failed(x, result, retry_after_us, retry, "is overloaded or failing");
        report(x, result, retry_after_us);
    } else {
        endpoint_answered(&x->grant, now_of(x));
    }
    forward_response_head(x, head);
    return go(x, EXCHANGE_RELAY);
}

/* When the current phase of the attempt has taken too long; 0: never. */
static uint64_t phase_deadline(const struct exchange *x)
{
    const struct conf *c = conf_of(x);
    switch (x->state) {
    case EXCHANGE_QUEUE: return x->queued_us + x->service->queue_timeout_us;
    case EXCHANGE_AWAIT:
        if (x->fetch.state == FETCH_CONNECTING) return x->sent_us + c->timeouts.connect_us;
        return c->timeouts.first_byte_us ? x->sent_us + c->timeouts.first_byte_us : 0;
    case EXCHANGE_RELAY:
        if (x->paused) return 0; /* the server watches slow clients */
        if (!x->first_us)
            return c->timeouts.first_byte_us ? x->sent_us + c->timeouts.first_byte_us : 0;
        return c->timeouts.between_us ? x->fetch.last_read_us + c->timeouts.between_us : 0;
    default: return 0;
    }
}

static enum step step_await(struct exchange *x)
{
    if (x->fetch.state == FETCH_FAILED)
        return fetch_failed(x); /* even behind a head: the client has nothing of it */
    if (x->fetch.head) return take_head(x);
    uint64_t due = phase_deadline(x);
    if (due && now_of(x) >= due)
        return attempt_failed(x, ATTEMPT_TIMEOUT, 0, take_retry(x),
                              x->fetch.state == FETCH_CONNECTING
                                  ? "did not accept the connection in time"
                                  : "did not answer in time");
    return STEP_WAIT;
}

/* --- RELAY --- */

/* Gives the client the last of its answer. The credit goes back first: whoever has the whole answer may ask again, on
 * another connection and thread, and must not meet itself. */
static enum step relay_whole(struct exchange *x, const struct str *out, unsigned n)
{
    report(x, ATTEMPT_OK, 0); /* unless it was reported with the head */
    endpoint_give_back(&x->grant, now_of(x));
    call_write(x->call, out, n, true);
    if (x->call->gone) return STEP_NEXT;
    if (x->fetch.head->status >= 400) return finish(x, OUTCOME_UPSTREAM_STATUS);
    return finish(x, x->relay.error ? OUTCOME_UPSTREAM_BROKEN : OUTCOME_OK);
}

/* The answer cannot be completed: tell a stream's client in its own dialect, cut everything else. */
static enum step break_answer(struct exchange *x, enum attempt_result result, enum outcome outcome,
                              const char *what)
{
    if (x->relay.is_sse &&
        !relay_cut(&x->relay)) { /* a stream that lacks nothing but the body's end */
        struct str rest = relay_last(&x->relay);
        return relay_whole(x, &rest, 1);
    }
    report(x, result, 0);
    end_attempt(x);
    if (x->relay.is_sse && !x->relay.done && !relay_inside(&x->relay)) {
        struct buf event;
        buf_init(&event, 16384);
        api_write_error_event(&event, failure_status(result),
                              arena_printf(x->call->arena, "The runtime '%" STR_FMT "' %s.",
                                           STR_ARG(x->endpoint_name), what),
                              result == ATTEMPT_TIMEOUT ? "upstream_timeout" : "upstream_error");
        struct str text = buf_str(&event);
        call_write(x->call, &text, 1, true);
        buf_fini(&event);
    }
    return finish(x, outcome);
}

/* Holds the upstream back while the client has much to read still, and lets it go on. */
static void adjust_flow(struct exchange *x)
{
    size_t max = conf_of(x)->limits.stream_buffer;
    size_t pending = call_pending(x->call);
    if (!x->paused && pending > max) {
        x->paused = true;
        call_set_low_mark(x->call, max / 2);
        fetch_pause(&x->fetch, true);
    } else if (x->paused && pending <= max / 2) {
        x->paused = false;
        x->fetch.last_read_us = now_of(x);
        fetch_pause(&x->fetch, false);
    }
}

static enum step step_relay(struct exchange *x)
{
    bool whole = x->fetch.state == FETCH_DONE;
    struct str out[RELAY_SLICES + 1], body = fetch_take(&x->fetch);
    bool failed = x->fetch.state == FETCH_FAILED;
    if (body.len && !x->first_us) x->first_us = now_of(x);
    unsigned n = relay_feed(&x->relay, body, whole, out);
    /* How the bytes ended does not matter to a stream: it is whole with its [DONE] (or the runtime's own error), else broken. */
    bool cut = relay_cut(&x->relay);
    bool broken = x->relay.is_sse ? (whole || failed) && cut : failed;
    bool last = (whole || failed) && !broken;
    if (last) {
        struct str rest = relay_last(&x->relay);
        if (rest.len) out[n++] = rest;
    }
    if (last) return relay_whole(x, out, n);
    if (n)
        call_write(x->call, out, n, false);
    else if (!x->call->head_sent)
        call_flush(x->call);
    if (x->call->gone) return STEP_NEXT;
    if (broken)
        return break_answer(x, ATTEMPT_BROKEN, OUTCOME_UPSTREAM_BROKEN,
                            arena_printf(x->call->arena,
                                         "broke off in the middle of the answer: %s",
                                         err_text(x->fetch.err ? x->fetch.err : ERR_EOF))
                                .ptr);
    adjust_flow(x);
    uint64_t due = phase_deadline(x);
    if (due && now_of(x) >= due)
        return break_answer(x, ATTEMPT_TIMEOUT, OUTCOME_TIMEOUT, "sent nothing for too long");
    return STEP_WAIT;
}

/* --- running --- */

static enum step (*const steps[EXCHANGE_STATE_COUNT])(struct exchange *x) = {
    [EXCHANGE_IDENTIFY] = step_identify, [EXCHANGE_BODY] = step_body,
    [EXCHANGE_PERMIT] = step_permit,     [EXCHANGE_ADMIT] = step_admit,
    [EXCHANGE_QUEUE] = step_queue,       [EXCHANGE_SEND] = step_send,
    [EXCHANGE_AWAIT] = step_await,       [EXCHANGE_RELAY] = step_relay,
    [EXCHANGE_LOCAL] = exchange_local,
};

/* The whole exchange took too long. That is the endpoint's fault only when our own time is over: a client in a hurry
 * must not take an endpoint from the others. */
static enum step out_of_time(struct exchange *x)
{
    uint64_t total = conf_of(x)->timeouts.total_us;
    bool ours = total && now_of(x) >= x->call->started_us + total;
    enum attempt_result result = ours ? ATTEMPT_TIMEOUT : ATTEMPT_CANCELLED;
    if (x->state == EXCHANGE_RELAY)
        return break_answer(x, result, OUTCOME_TIMEOUT, "ran out of time");
    report(x, x->state == EXCHANGE_AWAIT ? result : ATTEMPT_CANCELLED, 0);
    end_attempt(x);
    return exchange_refuse(x, OUTCOME_TIMEOUT, 504,
                           STR("The request was not answered before its deadline."), NULL,
                           "deadline_exceeded", 0);
}

/* The deadline of the whole; 0: none. What the client says it will wait ends with the first byte of a stream: its SDK means
 * the time until then. */
static uint64_t total_deadline(const struct exchange *x)
{
    if (x->state == EXCHANGE_LOCAL) return 0;
    if (!x->request.stream || !x->first_us) return x->deadline_us;
    uint64_t total = conf_of(x)->timeouts.total_us;
    return total ? x->call->started_us + total : 0;
}

static bool past_deadline(const struct exchange *x)
{
    uint64_t due = total_deadline(x);
    return due && now_of(x) >= due;
}

static void arm(struct exchange *x)
{
    uint64_t due = phase_deadline(x), first_byte = conf_of(x)->timeouts.first_byte_us;
    /* Nobody wakes us when the connection is made. */
    if (x->state == EXCHANGE_AWAIT && first_byte) due = MIN(due, x->sent_us + first_byte);
    uint64_t total = total_deadline(x);
    if (total) due = due ? MIN(due, total) : total;
    if (due == 0) return;
    if (!timer_armed(&x->timer) || x->timer.due_us > due)
        timer_start(x->worker->loop, &x->timer, due);
}

static void run(struct task *task)
{
    struct exchange *x = CONTAINER_OF(task, struct exchange, task);
    assert(x->magic == EXCHANGE_MAGIC);
    for (;;) {
        enum step step = x->call->gone      ? finish_gone(x)
                         : past_deadline(x) ? out_of_time(x)
                                            : steps[x->state](x);
        if (step == STEP_DONE) return;
        if (step == STEP_WAIT) break;
    }
    arm(x);
}

/* --- the beginning --- */

static bool is_id_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
}

/* The client's own id when it is a decent one, else a new one. */
static void set_id(struct exchange *x)
{
    struct str given = http_head_get(x->call->head, HDR_X_REQUEST_ID);
    bool decent = given.len > 0 && given.len <= REQUEST_ID_MAX;
    for (size_t i = 0; decent && i < given.len; i++)
        decent = is_id_char(given.ptr[i]);
    if (decent) {
        memcpy(x->id, given.ptr, given.len);
        x->id[given.len] = '\0';
        return;
    }
    worker_new_id(x->worker, x->id);
}

/* What an OpenAI SDK says it will wait, 0: nothing usable. Node sends whole seconds; Python the time between two reads, perhaps with
 * a fraction, which for an answer's first byte is the same. */
static uint64_t client_patience(const struct http_head *head)
{
    static const enum http_header_id ids[] = {HDR_X_STAINLESS_TIMEOUT,
                                              HDR_X_STAINLESS_READ_TIMEOUT};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        double seconds;
        if (str_to_double(http_head_get(head, ids[i]), &seconds) == 0 && seconds > 0)
            return (uint64_t)(MIN(seconds, 86400.0) * USEC_PER_SEC);
    }
    return 0;
}

/* total, shortened by what the client says it will wait. */
static uint64_t deadline_of(const struct exchange *x)
{
    uint64_t total = conf_of(x)->timeouts.total_us, wish = client_patience(x->call->head);
    if (wish) total = total ? MIN(total, wish) : wish;
    return total ? x->call->started_us + total : 0;
}

void exchange_start(struct worker *w, struct http_call *call)
{
    struct exchange *x = arena_zalloc(call->arena, sizeof *x);
    x->magic = EXCHANGE_MAGIC;
    x->worker = w;
    x->call = call;
    x->snapshot = snapshot_ref(w->snapshot);
    x->keyring = keyring_ref(w->keyring);
    task_init(&x->task, run);
    timer_init(&x->timer, &x->task);
    list_push_back(&w->exchanges, &x->link);
    metric_add(&w->stats.active, 1);
    call->user = x;
    call->task = &x->task;
    set_id(x);
    x->deadline_us = deadline_of(x);
    loop_wake(w->loop, &x->task);
}
