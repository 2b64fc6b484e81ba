/* SPDX-License-Identifier: Apache-2.0 */
/* The happy path: IDENTIFY finds route and key, BODY waits for the body, PERMIT reads it and
 * finds the model, HANDLE is the route's handler (gate/model_call.c for what a runtime answers),
 * and finish settles.
 *
 * What can go wrong: the client leaves (any state), the head or the body is broken (400, 413,
 * 431), nobody may ask that (401, 403, 404), time runs out (504).
 *
 *   IDENTIFY --model--> BODY -> PERMIT -> HANDLE -> finish
 *       +------------page-----------------^
 *
 * Callbacks only store facts in the call and in what the handler has, and wake the task. run()
 * looks at the facts that end everything first, then calls the state's step. */
#include "gate/exchange.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/machine.h"
#include "base/utf8.h"
#include "dialect/error.h"
#include "dialect/error_codes.h"
#include "dialect/surface.h"
#include "gate/account.h"
#include "gate/caller.h"
#include "gate/via.h"

enum { EXCHANGE_MAGIC = 0x48455843, EXCHANGE_STATES = EXCHANGE_HANDLE + 1 };

static const char *const state_names[EXCHANGE_STATES] = {
    [EXCHANGE_IDENTIFY] = "IDENTIFY",
    [EXCHANGE_BODY] = "BODY",
    [EXCHANGE_PERMIT] = "PERMIT",
    [EXCHANGE_HANDLE] = "HANDLE",
};

static const struct machine machine = {
    .name = "exchange",
    .count = EXCHANGE_STATES,
    .names = state_names,
    .moves =
        (const uint32_t[]){
            [EXCHANGE_IDENTIFY] = MACHINE_BIT(EXCHANGE_BODY) | MACHINE_BIT(EXCHANGE_HANDLE),
            [EXCHANGE_BODY] = MACHINE_BIT(EXCHANGE_PERMIT) | MACHINE_BIT(EXCHANGE_HANDLE),
            [EXCHANGE_PERMIT] = MACHINE_BIT(EXCHANGE_HANDLE),
            [EXCHANGE_HANDLE] = 0,
        },
};

static enum step go(struct exchange *x, enum exchange_state state)
{
    x->state = machine_move(&machine, x->state, state);
    return STEP_NEXT;
}

/* The handler, once it has begun; else NULL. */
static const struct handler *handler_of(const struct exchange *x)
{
    return x->state == EXCHANGE_HANDLE ? x->handler : NULL;
}

enum step exchange_pass_on(struct exchange *x, const struct handler *to)
{
    const struct handler *from = x->handler;
    x->handler = to;
    if (to->begin == NULL || to->begin(x) == 0) return STEP_NEXT;
    x->handler = from; /* the other has nothing that could be settled */
    return exchange_lack_memory(x);
}

static enum step hand_over(struct exchange *x)
{
    const struct handler *about = x->match.route->about, *h = x->match.route->handler;
    if (about && x->ask.purpose != ASK_ANSWER) h = about;
    x->handler = h;
    if (h->begin && h->begin(x)) return exchange_lack_memory(x);
    return go(x, EXCHANGE_HANDLE);
}

static const char *state_name(const struct exchange *x)
{
    const struct handler *h = handler_of(x);
    return h && h->state_name ? h->state_name(x) : state_names[x->state];
}

/* --- the end --- */

/* SETTLE: on every path exactly once. */
static void settle(struct exchange *x)
{
    const struct handler *h = handler_of(x);
    assert(!x->settled);
    x->settled = true;
    account(x, h, state_name(x));
    if (h && h->settle) h->settle(x);
    timer_stop(x->lane->loop, &x->timer);
    task_cancel(&x->task);
    list_remove(&x->link);
    snapshot_unref(x->snapshot);
    keyring_unref(x->keyring);
    x->magic = 0;
}

enum step exchange_finish(struct exchange *x, enum outcome outcome)
{
    struct http_call *call = x->call;
    struct lane *lane = x->lane;
    x->outcome = outcome;
    settle(x);
    call_end(call);
    /* Only now, so that a connection with unsent bytes counts as lingering before. */
    metric_sub(&lane->stats.active, 1);
    return STEP_DONE;
}

static enum step finish_gone(struct exchange *x)
{
    int why = x->call->gone_why;
    enum outcome outcome = why == -ENOMEM         ? OUTCOME_OVERLOADED
                           : why == ERR_TIMEOUT   ? OUTCOME_CLIENT_SLOW
                           : why == ERR_CANCELLED ? OUTCOME_CANCELLED
                                                  : OUTCOME_CLIENT_GONE;
    if (!x->status) x->status = 499;
    return exchange_finish(x, outcome);
}

/* The common headers of our own answers. */
static unsigned own_fields(struct exchange *x, struct http_field fields[5], struct str content_type,
                           uint64_t retry_after_us)
{
    unsigned n = 0;
    fields[n++] = (struct http_field)HTTP_FIELD(CONTENT_TYPE, content_type);
    fields[n++] = (struct http_field)HTTP_FIELD(X_REQUEST_ID, str_of(x->id));
    fields[n++] = (struct http_field)HTTP_FIELD(X_CONTENT_TYPE_OPTIONS, STR("nosniff"));
    if (x->match.dialect->id_header.len)
        fields[n++] =
            (struct http_field){.name = x->match.dialect->id_header, .value = str_of(x->id)};
    if (retry_after_us) {
        uint64_t seconds = (retry_after_us + USEC_PER_SEC - 1) / USEC_PER_SEC;
        fields[n++] = (struct http_field)HTTP_FIELD(
            RETRY_AFTER, arena_say(x->call->arena, "%llu", (unsigned long long)seconds));
    }
    return n;
}

enum step exchange_reply_with(struct exchange *x, enum outcome outcome, int status,
                              struct str content_type, const struct http_field *more,
                              unsigned count, struct str body)
{
    struct http_field fields[5 + EXCHANGE_MORE_MAX];
    unsigned n = own_fields(x, fields, content_type, 0);
    assert(count <= EXCHANGE_MORE_MAX);
    for (unsigned i = 0; i < count; i++)
        fields[n++] = more[i];
    x->status = status;
    cors_begin(x->call, &x->cors, status, fields, n, body.len);
    call_write(x->call, &body, 1, true);
    return exchange_finish(x, outcome);
}

enum step exchange_reply(struct exchange *x, enum outcome outcome, int status,
                         struct str content_type, struct str body)
{
    return exchange_reply_with(x, outcome, status, content_type, NULL, 0, body);
}

void exchange_begin_stream(struct exchange *x)
{
    struct http_field fields[9];
    unsigned n = own_fields(x, fields, STR("text/event-stream; charset=utf-8"), 0);
    fields[n++] = (struct http_field)HTTP_FIELD(CACHE_CONTROL, STR("no-cache, no-transform"));
    fields[n++] = (struct http_field)HTTP_FIELD(X_ACCEL_BUFFERING, STR("no"));
    x->streaming = true;
    x->status = 200;
    cors_begin(x->call, &x->cors, 200, fields, n, HTTP_LENGTH_UNKNOWN);
}

/* Where the head has gone, the error is the stream's only event. */
static enum step refuse_inside(struct exchange *x, enum outcome outcome, const struct refusal *why)
{
    struct buf event;
    struct stream_mark mark = {0};
    buf_init(&event, ERROR_TOLD_MAX);
    x->match.dialect->write_error_event(&event, why, &mark);
    x->error_code = why->code;
    struct str text = buf_str(&event);
    if (text.len) call_write(x->call, &text, 1, true);
    buf_fini(&event);
    return exchange_finish(x, outcome);
}

enum step exchange_refuse(struct exchange *x, enum outcome outcome, const struct refusal *why,
                          uint64_t retry_after_us)
{
    struct http_field fields[9];
    struct refusal told = *why;
    assert(why->theirs || error_code_known(why->code));
    told.id = x->id;
    told.message = utf8_cut(told.message, ERROR_TEXT_MAX);
    if (x->streaming) return refuse_inside(x, outcome, &told);
    unsigned n = own_fields(x, fields, STR("application/json"), retry_after_us);
    if (x->no_retry) fields[n++] = (struct http_field)HTTP_FIELD(X_SHOULD_RETRY, STR("false"));
    if (why->status == 405) fields[n++] = (struct http_field)HTTP_FIELD(ALLOW, x->match.allow);
    if (why->status == 401)
        fields[n++] = (struct http_field)HTTP_FIELD(WWW_AUTHENTICATE, STR("Bearer"));
    struct buf body;
    buf_init(&body, ERROR_TOLD_MAX);
    x->match.dialect->write_error(&body, &told);
    x->status = why->status;
    x->error_code = why->code;
    cors_begin(x->call, &x->cors, why->status, fields, n, buf_len(&body));
    struct str text = buf_str(&body);
    call_write(x->call, &text, 1, true);
    buf_fini(&body);
    return exchange_finish(x, outcome);
}

enum step exchange_lack_memory(struct exchange *x)
{
    return exchange_refuse(x, OUTCOME_OVERLOADED,
                           &(struct refusal){.status = 503,
                                             .message = STR("The gateway is out of memory."),
                                             .code = "overloaded"},
                           1 * USEC_PER_SEC);
}

/* --- IDENTIFY --- */

static enum step refuse_unknown(struct exchange *x)
{
    const struct http_head *head = x->call->head;
    struct str hint = routes_suggest(x->lane->home->routes, x->lane->home->route_count,
                                     x->call->arena, head->path);
    return exchange_refuse(
        x, OUTCOME_NOT_FOUND,
        &(struct refusal){.status = 404,
                          .message = arena_say(
                              x->call->arena,
                              "Unknown request URL: %" STR_FMT " %" STR_FMT ".%s%" STR_FMT "%s",
                              STR_ARG(head->method_name), STR_ARG(str_sub(head->path, 0, 200)),
                              hint.len ? " Did you mean " : "", STR_ARG(hint), hint.len ? "?" : ""),
                          .code = "unknown_url"},
        0);
}

/* Whoever tries a WebSocket falls back to HTTP at once by this status (Codex). */
static enum step refuse_upgrade(struct exchange *x)
{
    return exchange_refuse(x, OUTCOME_BAD_REQUEST,
                           &(struct refusal){.status = 426,
                                             .message = STR("WebSockets are not served here; send "
                                                            "the request by POST."),
                                             .code = "upgrade_not_served"},
                           0);
}

static enum step refuse_method(struct exchange *x)
{
    if (x->call->head->method == METHOD_GET && http_head_get(x->call->head, HDR_UPGRADE).len)
        return refuse_upgrade(x);
    return exchange_refuse(
        x, OUTCOME_BAD_REQUEST,
        &(struct refusal){.status = 405,
                          .message =
                              arena_say(x->call->arena, "Method %" STR_FMT " is not allowed here.",
                                        STR_ARG(x->call->head->method_name)),
                          .code = "method_not_allowed"},
        0);
}

static enum step refuse_foreign(struct exchange *x)
{
    return exchange_refuse(
        x, OUTCOME_FORBIDDEN,
        &(struct refusal){
            .status = 403,
            .message = STR(
                "Without API keys, only requests to localhost and from local pages are answered. To serve others, configure "
                "'keys', 'cors: { origins: [...] }' for a page, or 'hosts: [NAME]' behind a proxy that lets in only who may."),
            .code = "foreign_host"},
        0);
}

/* What a path can do, to whoever asks. */
static enum step answer_options(struct exchange *x)
{
    struct http_field fields[] = {HTTP_FIELD(ALLOW, x->match.allow),
                                  HTTP_FIELD(X_REQUEST_ID, str_of(x->id))};
    x->status = 204;
    cors_begin(x->call, &x->cors, 204, fields, ARRAY_LEN(fields), 0);
    call_write(x->call, NULL, 0, true);
    return exchange_finish(x, OUTCOME_OK);
}

static enum step answer_preflight(struct exchange *x)
{
    x->status = 204;
    cors_answer_preflight(x->call, &x->cors, str_of(x->id));
    return exchange_finish(x, OUTCOME_OK);
}

/* OPTIONS asks what a path can do: of a browser, on behalf of a page, before anybody shows a key. */
static bool is_preflight(const struct exchange *x)
{
    return x->cors.allow.len && cors_is_preflight(x->call->head);
}

/* Finds the key that the client presents. STEP_NEXT: it is good, or none is needed. */
static enum step check_key(struct exchange *x)
{
    struct str secret;
    if (caller_key(x->call->head, &secret))
        return exchange_refuse(
            x, OUTCOME_BAD_REQUEST,
            &(struct refusal){
                .status = 400,
                .message =
                    STR("The request presents different API keys in several headers. Send one."),
                .code = "ambiguous_api_key"},
            0);
    if (keyring_find(x->keyring, x->lane->digester, secret, &x->key))
        return exchange_lack_memory(x);
    if (x->key || route_is(&x->match, ROUTE_OPEN)) return STEP_NEXT;
    metric_add(&x->lane->stats.auth_failures, 1);
    return exchange_refuse(
        x, OUTCOME_UNAUTHORIZED,
        &(struct refusal){
            .status = 401,
            .message = secret.len
                           ? STR("Incorrect API key provided.")
                           : STR("No API key provided. Send it as 'Authorization: Bearer KEY'."),
            .code = "invalid_api_key"},
        0);
}

static enum step refuse_loop(struct exchange *x)
{
    metric_add(&x->lane->stats.loops, 1);
    return exchange_refuse(
        x, OUTCOME_BAD_REQUEST,
        &(struct refusal){
            .status = 508,
            .message = STR(
                "This request has come here before, or through more than 8 Hostlers: an endpoint leads in a circle."),
            .code = "loop_detected"},
        0);
}

/* A request for a runtime, whose body is wanted. */
static enum step await_body(struct exchange *x)
{
    if (x->lane->draining) return exchange_refuse_cut(x, CUT_DRAIN);
    call_read_body(x->call, exchange_settings(x)->server.body_max);
    return go(x, EXCHANGE_BODY);
}

/* Where a request comes from, as far as its head tells. To a POST without an origin, as most are,
 * origins make no difference. */
static void look_at_caller(struct exchange *x, bool keys)
{
    const struct settings *s = exchange_settings(x);
    bool post = x->call->head->method == METHOD_POST;
    if (!post || exchange_has(x, HDR_ORIGIN)) cors_judge(x->call, s, keys, &x->cors);
    if (s->proxy_count || s->unix_proxies)
        forwarded_read(x->call->head, x->call->peer, s, &x->forwarded);
}

/* Without keys: a page or a name that is not this machine's. */
static bool is_foreign(const struct exchange *x)
{
    return x->cors.foreign || !caller_asks_local(x->call, &x->forwarded, exchange_settings(x));
}

static enum step step_identify(struct exchange *x)
{
    const struct http_call *call = x->call;
    const struct lane_home *home = x->lane->home;
    bool keys = keyring_required(x->keyring);
    look_at_caller(x, keys);
    if (call->refused == 503) return exchange_lack_memory(x);
    if (call->refused)
        return exchange_refuse(
            x, OUTCOME_BAD_REQUEST,
            &(struct refusal){.status = call->refused, .message = str_of(call->refused_why)}, 0);
    if (routes_match(home->routes, home->route_count, call->head, call->arena, &x->match))
        return exchange_lack_memory(x);
    if (!keys && is_foreign(x)) return refuse_foreign(x);
    if (is_preflight(x)) return answer_preflight(x);
    if (call->head->method == METHOD_OPTIONS && x->match.route) return answer_options(x);
    if (keys && check_key(x) == STEP_DONE) return STEP_DONE;
    if (!x->match.route) return refuse_unknown(x);
    if (!x->match.method_ok) return refuse_method(x);
    if (exchange_has(x, HDR_VIA) && via_loops(call->head, home->via)) return refuse_loop(x);
    if (route_is(&x->match, ROUTE_MODEL) || route_is(&x->match, ROUTE_BODY)) return await_body(x);
    x->deadline_us = 0;
    return hand_over(x);
}

/* --- BODY --- */

static enum step refuse_body(struct exchange *x)
{
    switch (x->call->body_err) {
    case ERR_TOO_LARGE:
        return exchange_refuse(
            x, OUTCOME_BAD_REQUEST,
            &(struct refusal){
                .status = 413,
                .message = arena_say(x->call->arena,
                                     "The request body is larger than the limit of %llu bytes.",
                                     (unsigned long long)exchange_settings(x)->server.body_max),
                .code = "request_too_large"},
            0);
    case ERR_TIMEOUT:
        return exchange_refuse(
            x, OUTCOME_TIMEOUT,
            &(struct refusal){.status = 408,
                              .message = STR("The request body did not arrive in time."),
                              .code = "request_timeout"},
            0);
    case ERR_PROTOCOL:
        return exchange_refuse(
            x, OUTCOME_BAD_REQUEST,
            &(struct refusal){.status = 400,
                              .message = arena_say(x->call->arena,
                                                   "The request body is not well-formed HTTP: %s.",
                                                   x->call->body_why),
                              .code = "bad_framing"},
            0);
    case ERR_FULL:
        x->no_retry = true; /* each try would send the body again */
        return exchange_refuse(
            x, OUTCOME_OVERLOADED,
            &(struct refusal){
                .status = 503,
                .message = STR("Too many request bodies are held at this moment. Retry later."),
                .code = "overloaded"},
            1 * USEC_PER_SEC);
    default: return exchange_lack_memory(x);
    }
}

static enum step step_body(struct exchange *x)
{
    if (x->call->body_err) return refuse_body(x);
    if (!x->call->body_done) return STEP_WAIT;
    x->body_us = exchange_now(x);
    return route_is(&x->match, ROUTE_BODY) ? hand_over(x) : go(x, EXCHANGE_PERMIT);
}

/* --- PERMIT --- */

bool exchange_may_ask(const struct exchange *x, struct str name, const struct service *s)
{
    return key_allows(x->key, name) || key_allows(x->key, s->name);
}

bool exchange_may_use(const struct exchange *x, const struct service *s)
{
    for (size_t i = 0; i < s->name_count; i++)
        if (key_allows(x->key, s->names[i].id)) return true;
    return false;
}

void exchange_ask(struct exchange *x, const struct service *s)
{
    x->asked = s;
    metric_add(&service_stats(s, x->lane->index)->active, 1);
    service_count_request(s, x->lane->index, exchange_now(x));
    exchange_set_total(x, s->total_us);
}

static enum step refuse_request(struct exchange *x, const struct refusal *why)
{
    return exchange_refuse(x, OUTCOME_BAD_REQUEST, why, 0);
}

static enum step step_permit(struct exchange *x)
{
    struct arena *arena = x->call->arena;
    struct refusal why;
    if (dialect_check_media(x->call->head, &why)) return refuse_request(x, &why);
    x->ask.surface = x->match.route->surface;
    int err = x->match.dialect->peek(arena, x->call->body, &x->ask, &why);
    if (err == -ENOMEM) return exchange_lack_memory(x);
    if (err) return refuse_request(x, &why);
    if (!surface_row(x->ask.surface)->streams) x->ask.stream = false; /* whatever the body says */
    x->asked = snapshot_service(x->snapshot, x->ask.model);
    if (!x->asked && x->match.dialect->other_name) {
        x->ask.model = x->match.dialect->other_name(x->ask.model);
        x->asked = snapshot_service(x->snapshot, x->ask.model);
    }
    struct str model = x->ask.model;
    if (!x->asked)
        return exchange_refuse(
            x, OUTCOME_NOT_FOUND,
            &(struct refusal){.status = 404,
                              .message =
                                  arena_say(arena, "The model '%" STR_FMT "' does not exist.",
                                            STR_ARG(str_sub(model, 0, 200))),
                              .param = "model",
                              .code = "model_not_found"},
            0);
    if (!exchange_may_ask(x, model, x->asked)) {
        x->asked = NULL; /* not counted for the model */
        return exchange_refuse(
            x, OUTCOME_FORBIDDEN,
            &(struct refusal){
                .status = 403,
                .message = arena_say(arena, "This API key may not use the model '%" STR_FMT "'.",
                                     STR_ARG(str_sub(model, 0, 200))),
                .param = "model",
                .code = "model_not_allowed"},
            0);
    }
    exchange_ask(x, x->asked);
    return hand_over(x);
}

/* --- running --- */

static enum step step_handle(struct exchange *x)
{
    return x->handler->step(x);
}

static enum step (*const steps[EXCHANGE_STATES])(struct exchange *x) = {
    [EXCHANGE_IDENTIFY] = step_identify,
    [EXCHANGE_BODY] = step_body,
    [EXCHANGE_PERMIT] = step_permit,
    [EXCHANGE_HANDLE] = step_handle,
};

enum step exchange_refuse_cut(struct exchange *x, enum cut why)
{
    if (why == CUT_DRAIN)
        return exchange_refuse(x, OUTCOME_DRAINING,
                               &(struct refusal){.status = 503,
                                                 .message = STR("The server is shutting down."),
                                                 .code = "draining"},
                               1 * USEC_PER_SEC);
    return exchange_refuse(
        x, OUTCOME_TIMEOUT,
        &(struct refusal){.status = 504,
                          .message = STR("The request was not answered before its deadline."),
                          .code = "deadline_exceeded"},
        0);
}

static enum step cut(struct exchange *x, enum cut why)
{
    const struct handler *h = handler_of(x);
    return h && h->cut ? h->cut(x, why) : exchange_refuse_cut(x, why);
}

static enum step out_of_time(struct exchange *x)
{
    bool ours = x->total_us && exchange_now(x) >= x->call->started_us + x->total_us;
    return cut(x, ours ? CUT_TIME : CUT_PATIENCE);
}

static bool past_deadline(const struct exchange *x)
{
    return x->deadline_us && exchange_now(x) >= x->deadline_us;
}

static void arm(struct exchange *x)
{
    const struct handler *h = handler_of(x);
    uint64_t due = h && h->due ? h->due(x) : 0;
    if (x->deadline_us) due = due ? MIN(due, x->deadline_us) : x->deadline_us;
    if (due == 0) return;
    if (!timer_armed(&x->timer) || x->timer.due_us > due)
        timer_start(x->lane->loop, &x->timer, due);
}

static void run(struct task *task)
{
    struct exchange *x = CONTAINER_OF(task, struct exchange, task);
    assert(x->magic == EXCHANGE_MAGIC);
    for (;;) {
        enum step step = x->call->gone      ? finish_gone(x)
                         : x->call->ending  ? cut(x, CUT_DRAIN)
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
    struct str given = STR_NULL;
    if (exchange_has(x, HDR_X_REQUEST_ID)) given = http_head_get(x->call->head, HDR_X_REQUEST_ID);
    bool decent = given.len > 0 && given.len <= REQUEST_ID_MAX;
    for (size_t i = 0; decent && i < given.len; i++)
        decent = is_id_char(given.ptr[i]);
    if (decent) {
        memcpy(x->id, given.ptr, given.len);
        x->id[given.len] = '\0';
        return;
    }
    lane_new_id(x->lane, x->id);
}

/* What an OpenAI SDK says it will wait, 0: nothing usable. Node sends whole seconds; Python the
 * time between two reads, perhaps with a fraction, which for an answer's first byte is the same. */
static uint64_t client_patience(const struct exchange *x)
{
    static const enum http_header_id ids[] = {HDR_X_STAINLESS_TIMEOUT,
                                              HDR_X_STAINLESS_READ_TIMEOUT};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        double seconds;
        if (!exchange_has(x, ids[i])) continue;
        if (str_to_double(http_head_get(x->call->head, ids[i]), &seconds) == 0 && seconds > 0)
            return (uint64_t)(MIN(seconds, 86400.0) * USEC_PER_SEC);
    }
    return 0;
}

void exchange_set_total(struct exchange *x, uint64_t total_us)
{
    uint64_t wish = x->patience_us;
    uint64_t most = !wish ? total_us : total_us ? MIN(total_us, wish) : wish;
    x->total_us = total_us;
    x->deadline_us = most ? x->call->started_us + most : 0;
}

void exchange_end_patience(struct exchange *x)
{
    x->patience_us = 0;
    exchange_set_total(x, x->total_us);
}

void exchange_start(struct lane *l, struct http_call *call)
{
    struct exchange *x = arena_try_zero(call->arena, sizeof *x);
    if (!x) {
        call_reply(call, 503, NULL, 0, STR(""));
        return;
    }
    x->magic = EXCHANGE_MAGIC;
    x->match.dialect = &dialect_openai; /* until a route is found */
    x->lane = l;
    x->call = call;
    x->snapshot = snapshot_ref(l->snapshot);
    x->keyring = keyring_ref(l->keyring);
    task_init(&x->task, run);
    timer_init(&x->timer, &x->task);
    list_push_back(&l->exchanges, &x->link);
    metric_add(&l->stats.active, 1);
    call->user = x;
    call->task = &x->task;
    x->header_ids = http_head_ids(call->head);
    set_id(x);
    x->patience_us = client_patience(x);
    exchange_set_total(x, exchange_settings(x)->total_us);
    loop_wake(l->loop, &x->task);
}
