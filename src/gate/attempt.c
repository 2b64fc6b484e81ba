/* SPDX-License-Identifier: Apache-2.0 */
/* One request to an endpoint: a credit (ADMIT, QUEUE), the request (SEND), the response head (AWAIT), and, while the client has
 * nothing yet, another try elsewhere. */
#include "base/clock.h"
#include "base/err.h"
#include "gate/exchange_priv.h"
#include "gate/forward.h"

enum {
    /* a pooled connection that had been closed already shows it within a round trip */
    STALE_US = 500 * USEC_PER_MS,
};

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
    if (next_fallback(x)) return exchange__go(x, EXCHANGE_ADMIT);
    struct buf reason;
    buf_init(&reason, 1024);
    service_ready(x->service, exchange__now(x), &reason);
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
    if (got == ADMIT_OK) {
        x->granted_us = now;
        return exchange__go(x, EXCHANGE_SEND);
    }
    if (got != ADMIT_WAIT) return no_endpoint(x, retry_after_us);
    uint64_t until = now + x->service->queue_timeout_us;
    if (x->deadline_us) until = MIN(until, x->deadline_us);
    if (admit_wait(x->service, &x->tried, x->worker->loop, &x->task, 0, until, now, &x->waiter))
        return queue_refused(x);
    x->queued_us = now;
    return exchange__go(x, EXCHANGE_QUEUE);
}

enum step exchange__queue(struct exchange *x)
{
    uint64_t now = exchange__now(x), retry_after_us;
    struct service_stats *stats = service_stats(x->service, x->worker->index);
    switch (waiter_state(x->waiter)) {
    case WAITER_GRANTED:
        admit_take(x->waiter, &x->grant);
        x->waiter = NULL;
        x->granted_us = now;
        histogram_observe_us(&stats->queued, now - x->queued_us);
        return exchange__go(x, EXCHANGE_SEND);
    case WAITER_REFUSED:
        retry_after_us = waiter_retry_after_us(x->waiter);
        exchange__leave_queue(x);
        return no_endpoint(x, retry_after_us);
    default: break;
    }
    if (now < x->queued_us + x->service->queue_timeout_us) return STEP_WAIT;
    exchange__leave_queue(x);
    metric_add(&stats->queue_deadline, 1);
    histogram_observe_us(&stats->queued, now - x->queued_us);
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

enum step exchange__send(struct exchange *x)
{
    const struct endpoint *e = x->grant.endpoint;
    bool fresh = x->stale_retry;
    x->endpoint_name = arena_dup(x->call->arena, e->name);
    if (!fresh && x->attempts++ > 0) metric_add(&x->worker->stats.retries, 1);
    x->stale_retry = false;
    x->reported = false;
    x->sent_us = exchange__now(x);
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
    return exchange__go(x, EXCHANGE_AWAIT);
}

int exchange__failure_status(enum attempt_result result)
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

/* An attempt failed before the client got anything: goes where `retry` says and somebody is there, else tells of it. */
static enum step attempt_failed(struct exchange *x, enum attempt_result result,
                                uint64_t retry_after_us, enum retry retry, const char *what)
{
    exchange__report(x, result, retry_after_us);
    tried_add(&x->tried, x->grant.endpoint);
    exchange__end_attempt(x);
    if (retry == RETRY_HERE) {
        uint64_t wait_us = 0;
        int got = admit_try(x->service, &x->tried, &x->worker->rng, exchange__now(x), &x->grant,
                            &wait_us);
        if (got == ADMIT_OK) return exchange__go(x, EXCHANGE_SEND);
        if (got == ADMIT_WAIT) return exchange__go(x, EXCHANGE_ADMIT);
    }
    if (retry != RETRY_NO && next_fallback(x)) return exchange__go(x, EXCHANGE_ADMIT);
    int status = exchange__failure_status(result);
    return exchange_refuse(
        x, result == ATTEMPT_TIMEOUT ? OUTCOME_TIMEOUT : OUTCOME_UPSTREAM_FAILED, status,
        arena_printf(x->call->arena, "The runtime '%" STR_FMT "' %s.", STR_ARG(x->endpoint_name),
                     what),
        NULL, status == 504 ? "upstream_timeout" : "upstream_error", retry_after_us);
}

static enum step fetch_failed(struct exchange *x)
{
    int err = x->fetch.err;
    bool at_once = exchange__now(x) - x->sent_us < STALE_US;
    if (x->fetch.reused && !x->fetch.any_byte && at_once) {
        /* The pooled connection was closed as we wrote: no verdict on the endpoint, the same again on a new one. */
        fetch_end(&x->fetch);
        x->stale_retry = true;
        return exchange__go(x, EXCHANGE_SEND);
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
    x->head_us = exchange__now(x);
    if (head->status == 401 || head->status == 403)
        return attempt_failed(x, ATTEMPT_STATUS_5XX, 0, take_retry(x),
                              "refuses the gateway's credentials");
    if (is_retryable(head->status)) {
        enum attempt_result result = head->status == 429 ? ATTEMPT_STATUS_429 : ATTEMPT_STATUS_5XX;
        enum retry retry = take_retry(x);
        if (retry != RETRY_NO)
            return attempt_failed(x, result, retry_after_us, retry, "is overloaded or failing");
        exchange__report(x, result, retry_after_us);
    } else {
        endpoint_answered(&x->grant, exchange__now(x));
    }
    forward_response_head(x, head);
    return exchange__go(x, EXCHANGE_RELAY);
}

enum step exchange__await(struct exchange *x)
{
    if (x->fetch.state == FETCH_FAILED)
        return fetch_failed(x); /* even behind a head: the client has nothing of it */
    if (x->fetch.head) return take_head(x);
    uint64_t due = exchange__phase_deadline(x);
    if (due && exchange__now(x) >= due)
        return attempt_failed(x, ATTEMPT_TIMEOUT, 0, take_retry(x),
                              x->fetch.state == FETCH_CONNECTING
                                  ? "did not accept the connection in time"
                                  : "did not answer in time");
    return STEP_WAIT;
}
