/* SPDX-License-Identifier: Apache-2.0 */
/* The happy path: IDENTIFY finds the key, BODY waits for the body, PERMIT reads it and finds the model, ADMIT gets a
 * credit at an endpoint (QUEUE waits for one), SEND writes the request, AWAIT waits for the response head (HOLD, of a stream, for the
 * first event with content), RELAY passes the body on, and finish settles.
 *
 * What can go wrong: the client leaves (any state: the upstream connection is closed, which cancels it), the body is broken
 * (400, 413), nobody can serve (503, 429), an attempt fails before the first byte to the client (another endpoint, a
 * fallback model, else 502 or 504), it fails after (an error event in a stream, else the connection is cut), time
 * runs out (504, or as after the first byte).
 *
 *   IDENTIFY -> BODY -> PERMIT -> ADMIT -> SEND -> AWAIT -> HOLD -> RELAY -> finish
 *       |                          |  ^               |       |
 *       v                          v  |  failed       |       |
 *     LOCAL                      QUEUE+---------------+-------+
 *
 * Callbacks only store facts in call, fetch and waiter and wake the task. run() looks at the facts that end everything first,
 * then calls the state's step. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "gate/caller.h"
#include "gate/exchange_priv.h"
#include "gate/forward.h"
#include "gate/gate.h"
#include "obs/log.h"

enum { EXCHANGE_MAGIC = 0x48455843 };

static const char *const state_names[] = {
#define X(name) #name,
    EXCHANGE_STATES(X)
#undef X
};

const char *exchange_state_name(enum exchange_state s)
{
    return state_names[s];
}

/* --- the end --- */

void exchange__end_attempt(struct exchange *x)
{
    fetch_end(&x->fetch);
    if (x->grant.endpoint) endpoint_release(&x->grant, exchange__now(x));
}

void exchange__report(struct exchange *x, enum verdict verdict, uint64_t retry_after_us,
                      const char *what)
{
    if (!x->grant.endpoint || x->reported) return;
    x->reported = true;
    endpoint_report(&x->grant, x->worker->index, verdict, retry_after_us, what, exchange__now(x),
                    &x->worker->rng);
}

void exchange__leave_queue(struct exchange *x)
{
    admit_cancel(x->waiter, exchange__now(x));
    x->waiter = NULL;
}

/* SETTLE: on every path exactly once. */
static void settle(struct exchange *x)
{
    struct worker *w = x->worker;
    assert(!x->settled);
    x->settled = true;
    exchange_account(x);
    exchange__report(x, VERDICT_CANCELLED, 0, NULL);
    exchange__end_attempt(x);
    exchange__leave_queue(x);
    relay_fini(&x->relay);
    buf_fini(&x->held);
    timer_stop(w->loop, &x->timer);
    task_cancel(&x->task);
    list_remove(&x->link);
    local_forget(x);
    snapshot_unref(x->snapshot);
    keyring_unref(x->keyring);
    x->magic = 0;
}

enum step exchange__finish(struct exchange *x, enum outcome outcome)
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
    return exchange__finish(x, outcome);
}

/* The common headers of our own answers. */
static unsigned own_fields(struct exchange *x, struct http_field fields[4], struct str content_type,
                           uint64_t retry_after_us)
{
    unsigned n = 0;
    fields[n++] = (struct http_field)HTTP_FIELD(CONTENT_TYPE, content_type);
    fields[n++] = (struct http_field)HTTP_FIELD(X_REQUEST_ID, str_of(x->id));
    if (retry_after_us) {
        uint64_t seconds = (retry_after_us + USEC_PER_SEC - 1) / USEC_PER_SEC;
        fields[n++] = (struct http_field)HTTP_FIELD(
            RETRY_AFTER, arena_printf(x->call->arena, "%llu", (unsigned long long)seconds));
    }
    return n;
}

enum step exchange_reply(struct exchange *x, enum outcome outcome, int status,
                         struct str content_type, struct str body)
{
    struct http_field fields[4];
    unsigned n = own_fields(x, fields, content_type, 0);
    x->status = status;
    call_begin(x->call, status, fields, n, body.len);
    call_write(x->call, &body, 1, true);
    return exchange__finish(x, outcome);
}

enum step exchange_refuse(struct exchange *x, enum outcome outcome, int status, struct str message,
                          const char *param, const char *code, uint64_t retry_after_us)
{
    struct http_field fields[6];
    unsigned n = own_fields(x, fields, STR("application/json"), retry_after_us);
    if (x->retry_denied) fields[n++] = (struct http_field)HTTP_FIELD(X_SHOULD_RETRY, STR("false"));
    if (status == 405) fields[n++] = (struct http_field)HTTP_FIELD(ALLOW, x->match.allow);
    if (status == 401) fields[n++] = (struct http_field)HTTP_FIELD(WWW_AUTHENTICATE, STR("Bearer"));
    struct buf body;
    buf_init(&body, 16384);
    if (x->match.ollama)
        api_write_ollama_error(&body, message);
    else
        api_write_error(&body, status, message, param, code);
    x->status = status;
    x->error_code = code;
    call_begin(x->call, status, fields, n, buf_len(&body));
    struct str text = buf_str(&body);
    call_write(x->call, &text, 1, true);
    buf_fini(&body);
    return exchange__finish(x, outcome);
}

/* --- IDENTIFY --- */

static bool is_probe(enum api_route route)
{
    return route == API_LIVEZ || route == API_READYZ || route == API_HEALTHZ;
}

static enum step refuse_unknown(struct exchange *x)
{
    const struct http_head *head = x->call->head;
    struct str hint = api_suggest(x->call->arena, head->path);
    return exchange_refuse(
        x, OUTCOME_NOT_FOUND, 404,
        arena_printf(x->call->arena,
                     "Unknown request URL: %" STR_FMT " %" STR_FMT ".%s%" STR_FMT "%s",
                     STR_ARG(head->method_name), STR_ARG(str_sub(head->path, 0, 200)),
                     hint.len ? " Did you mean " : "", STR_ARG(hint), hint.len ? "?" : ""),
        NULL, "unknown_url", 0);
}

static enum step step_identify(struct exchange *x)
{
    const struct http_head *head = x->call->head;
    if (x->call->refused)
        return exchange_refuse(x, OUTCOME_BAD_REQUEST, x->call->refused,
                               str_of(x->call->refused_why), NULL, NULL, 0);
    api_match(head, x->call->arena, &x->match);
    bool keys = keyring_required(x->keyring);
    if (!keys && !caller_is_local(x->call, exchange__conf(x)->hosts, exchange__conf(x)->host_count))
        return exchange_refuse(
            x, OUTCOME_FORBIDDEN, 403,
            STR("Without API keys, only requests to localhost and from local pages are answered. To serve others, configure "
                "'keys', or 'hosts: [NAME]' behind a proxy that lets in only who may."),
            NULL, "foreign_host", 0);
    if (head->method == METHOD_OPTIONS && x->match.route != API_UNKNOWN) {
        struct http_field fields[] = {HTTP_FIELD(ALLOW, x->match.allow),
                                      HTTP_FIELD(X_REQUEST_ID, str_of(x->id))};
        x->status = 204;
        call_begin(x->call, 204, fields, 2, 0);
        call_write(x->call, NULL, 0, true);
        return exchange__finish(x, OUTCOME_OK);
    }
    if (keys) {
        struct str secret;
        if (caller_key(head, &secret))
            return exchange_refuse(
                x, OUTCOME_BAD_REQUEST, 400,
                STR("The request presents different API keys in several headers. Send one."), NULL,
                "ambiguous_api_key", 0);
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
    if (x->match.route == API_UNKNOWN) return refuse_unknown(x);
    if (!x->match.method_ok)
        return exchange_refuse(x, OUTCOME_BAD_REQUEST, 405,
                               arena_printf(x->call->arena,
                                            "Method %" STR_FMT " is not allowed here.",
                                            STR_ARG(head->method_name)),
                               NULL, "method_not_allowed", 0);
    if (!api_is_inference(x->match.route)) return exchange__go(x, EXCHANGE_LOCAL);
    if (forward_loops(head, gate_via(x->worker->gate)))
        return exchange_refuse(
            x, OUTCOME_BAD_REQUEST, 508,
            STR("This request has come here before, or through more than 10 gateways: an endpoint leads in a circle."),
            NULL, "loop_detected", 0);
    if (x->worker->draining)
        return exchange_refuse(x, OUTCOME_DRAINING, 503, STR("The server is shutting down."), NULL,
                               "draining", 1 * USEC_PER_SEC);
    call_read_body(x->call, exchange__conf(x)->limits.body_max);
    return exchange__go(x, EXCHANGE_BODY);
}

/* --- BODY --- */

static enum step refuse_body(struct exchange *x)
{
    switch (x->call->body_err) {
    case ERR_TOO_LARGE:
        return exchange_refuse(
            x, OUTCOME_BAD_REQUEST, 413,
            arena_printf(x->call->arena, "The request body is larger than the limit of %llu bytes.",
                         (unsigned long long)exchange__conf(x)->limits.body_max),
            NULL, "request_too_large", 0);
    case ERR_TIMEOUT:
        return exchange_refuse(x, OUTCOME_TIMEOUT, 408,
                               STR("The request body did not arrive in time."), NULL,
                               "request_timeout", 0);
    case ERR_PROTOCOL:
        return exchange_refuse(x, OUTCOME_BAD_REQUEST, 400,
                               arena_printf(x->call->arena,
                                            "The request body is not well-formed HTTP: %s.",
                                            x->call->body_why),
                               NULL, "bad_framing", 0);
    case ERR_FULL:
        return exchange_refuse(x, OUTCOME_OVERLOADED, 503,
                               STR("Too many request bodies are held at this moment. Retry later."),
                               NULL, "overloaded", 1 * USEC_PER_SEC);
    default:
        return exchange_refuse(x, OUTCOME_OVERLOADED, 503, STR("Out of memory."), NULL,
                               "overloaded", 1 * USEC_PER_SEC);
    }
}

static enum step step_body(struct exchange *x)
{
    if (x->call->body_err) return refuse_body(x);
    if (!x->call->body_done) return STEP_WAIT;
    x->body_us = exchange__now(x);
    return exchange__go(x, EXCHANGE_PERMIT);
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
    if (api_check_media(x->call->head, &problem))
        return exchange_refuse(x, OUTCOME_BAD_REQUEST, 415, problem.message, problem.param,
                               problem.code, 0);
    if (api_read_body(arena, x->call->body, &x->request, &problem))
        return exchange_refuse(x, OUTCOME_BAD_REQUEST, 400, problem.message, problem.param,
                               problem.code, 0);
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
    service_count_request(x->asked, x->worker->index, exchange__now(x));
    exchange__set_total(x, x->service->total_us);
    return exchange__go(x, EXCHANGE_ADMIT);
}

/* --- running --- */

/* The states in which a fetch is on its way. */
static bool is_attempt(enum exchange_state s)
{
    return s == EXCHANGE_AWAIT || s == EXCHANGE_HOLD || s == EXCHANGE_RELAY;
}

uint64_t exchange__first_byte_deadline(const struct exchange *x)
{
    const struct endpoint_timeouts *t = &x->grant.endpoint->timeouts;
    return x->sent_us + (x->request.stream ? t->first_byte_us : t->whole_us);
}

uint64_t exchange__phase_deadline(const struct exchange *x)
{
    if (x->state == EXCHANGE_QUEUE) return service_wait_until(x->service, x->queued_us);
    if (!is_attempt(x->state)) return 0;
    const struct endpoint_timeouts *t = &x->grant.endpoint->timeouts;
    if (x->fetch.state == FETCH_CONNECTING) return x->sent_us + t->connect_us;
    if (x->paused) return 0; /* the server watches slow clients */
    if (x->first_us) return x->fetch.last_read_us + t->between_us;
    uint64_t first = exchange__first_byte_deadline(x);
    return x->state == EXCHANGE_HOLD ? MIN(first, x->head_us + EXCHANGE_HOLD_US) : first;
}

static enum step (*const steps[EXCHANGE_STATE_COUNT])(struct exchange *x) = {
    [EXCHANGE_IDENTIFY] = step_identify, [EXCHANGE_BODY] = step_body,
    [EXCHANGE_PERMIT] = step_permit,     [EXCHANGE_ADMIT] = exchange__admit,
    [EXCHANGE_QUEUE] = exchange__queue,  [EXCHANGE_SEND] = exchange__send,
    [EXCHANGE_AWAIT] = exchange__await,  [EXCHANGE_HOLD] = exchange__hold,
    [EXCHANGE_RELAY] = exchange__relay,  [EXCHANGE_LOCAL] = exchange_local,
};

/* The whole exchange took too long. That is the endpoint's fault only when our own time is over: a client in a hurry
 * must not take an endpoint from the others. */
static enum step out_of_time(struct exchange *x)
{
    bool ours = x->total_us && exchange__now(x) >= x->call->started_us + x->total_us;
    bool relaying = x->state == EXCHANGE_RELAY;
    enum verdict verdict = !ours ? VERDICT_CANCELLED : relaying ? VERDICT_STALLED : VERDICT_TIMEOUT;
    if (relaying) return exchange__break_answer(x, verdict, OUTCOME_TIMEOUT, "ran out of time");
    exchange__report(x, is_attempt(x->state) ? verdict : VERDICT_CANCELLED, 0, NULL);
    exchange__end_attempt(x);
    return exchange_refuse(x, OUTCOME_TIMEOUT, 504,
                           STR("The request was not answered before its deadline."), NULL,
                           "deadline_exceeded", 0);
}

/* The drain is over before the exchange is. */
static enum step out_of_drain(struct exchange *x)
{
    if (x->state == EXCHANGE_RELAY)
        return exchange__break_answer(x, VERDICT_CANCELLED, OUTCOME_DRAINING, "was not waited for");
    exchange__report(x, VERDICT_CANCELLED, 0, NULL);
    exchange__end_attempt(x);
    return exchange_refuse(x, OUTCOME_DRAINING, 503, STR("The server is shutting down."), NULL,
                           "draining", 1 * USEC_PER_SEC);
}

/* The deadline of the whole; 0: none. What the client says it will wait ends with the first byte of a stream: its SDK means
 * the time until then. */
static uint64_t total_deadline(const struct exchange *x)
{
    if (x->state == EXCHANGE_LOCAL) return 0;
    if (!x->request.stream || !x->first_us) return x->deadline_us;
    return x->total_us ? x->call->started_us + x->total_us : 0;
}

static bool past_deadline(const struct exchange *x)
{
    uint64_t due = total_deadline(x);
    return due && exchange__now(x) >= due;
}

static void arm(struct exchange *x)
{
    uint64_t due = exchange__phase_deadline(x);
    /* Nobody wakes us when the connection is made: then other times hold. */
    if (x->state == EXCHANGE_AWAIT && x->fetch.state == FETCH_CONNECTING)
        due = MIN(due, exchange__first_byte_deadline(x));
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
                         : x->call->ending  ? out_of_drain(x)
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

void exchange__set_total(struct exchange *x, uint64_t total_us)
{
    uint64_t wish = x->patience_us;
    uint64_t most = !wish ? total_us : total_us ? MIN(total_us, wish) : wish;
    x->total_us = total_us;
    x->deadline_us = most ? x->call->started_us + most : 0;
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
    buf_init(&x->held, EXCHANGE_HELD_MAX);
    call->user = x;
    call->task = &x->task;
    set_id(x);
    x->patience_us = client_patience(call->head);
    exchange__set_total(x, exchange__conf(x)->timeouts.total_us);
    loop_wake(w->loop, &x->task);
}
