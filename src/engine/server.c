/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/server.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "dialect/error_codes.h"
#include "dialect/openai/write.h"
#include "obs/log.h"

enum {
    HEAD_MAX = 64 * 1024,
    HEADERS_MAX = 128,
    CONNECTIONS_MAX = 4096,
    CUT_US = USEC_PER_SEC, /* to take the answers of those that are cut off */
};

static const struct http_field json_field = HTTP_FIELD(CONTENT_TYPE, STR_INIT("application/json"));

/* --- small answers --- */

void server_reply_json(struct http_call *c, int status, struct str body)
{
    call_reply(c, status, &json_field, 1, body);
}

void server_log_id(const struct http_call *c, struct log_line *l)
{
    struct str id = http_head_get(c->head, HDR_X_REQUEST_ID);
    if (id.len) log_str(l, "request_id", id);
}

void server_reply_error(struct http_call *c, const struct refusal *error)
{
    const struct http_field fields[] = {json_field, HTTP_FIELD(RETRY_AFTER, STR("1"))};
    unsigned count = error->status == 503 ? 2 : 1;
    assert(error_code_known(error->code));
    call_reply(c, error->status, fields, count, openai_error_body(c->arena, error));
}

void server_refuse(struct http_call *c, int status, const char *type, const char *code,
                   struct str message)
{
    const struct refusal error = {.status = status, .type = type, .code = code, .message = message};
    server_reply_error(c, &error);
}

static void not_found(struct http_call *c)
{
    server_refuse(c, 404, "invalid_request_error", NULL,
                  arena_printf(c->arena, "There is no %.*s %.*s here.",
                               STR_ARG(c->head->method_name),
                               (int)MIN(c->head->path.len, (size_t)200), c->head->path.ptr));
}

/* --- work in progress --- */

void server_enter(struct server *s, struct work *work)
{
    list_push_back(&s->requests, &work->link);
    s->request_count++;
}

static void tell_if_drained(struct server *s)
{
    if (s->draining && !s->request_count) loop_wake(s->loop, &s->drain_task);
}

void server_leave(struct server *s, struct work *work)
{
    list_remove(&work->link);
    s->request_count--;
    tell_if_drained(s);
}

/* --- routing --- */

static const struct server_route *find_route(const struct server *s, const struct http_call *c)
{
    struct str path = c->head->path;
    bool socket = str_eq(c->peer, STR("unix"));
    const struct server_routes *all = &s->options.routes;
    for (size_t i = 0; i < all->count; i++) {
        const struct server_route *r = &all->rows[i];
        if (r->socket && !socket) continue;
        if (r->rest ? str_starts(path, r->path) : str_eq(path, r->path)) return r;
    }
    return NULL;
}

static void refuse_method(const struct server_route *route, struct http_call *c)
{
    struct str allow = route->post ? STR("POST") : STR("GET, HEAD");
    const struct http_field fields[] = {json_field, HTTP_FIELD(ALLOW, allow)};
    const struct refusal error = {
        .status = 405,
        .type = "invalid_request_error",
        .message = arena_printf(c->arena, "%.*s %.*s is not known here, only %.*s.",
                                STR_ARG(c->head->method_name),
                                STR_ARG(str_sub(c->head->path, 0, 200)), STR_ARG(allow))};
    call_reply(c, 405, fields, ARRAY_LEN(fields), openai_error_body(c->arena, &error));
}

/* False: the answer has been given. */
static bool can_work(struct server *s, struct http_call *c)
{
    if (!s->hosted.model)
        server_refuse(c, 503, "server_error", "model_loading",
                      hosted_loading(&s->hosted, c->arena));
    else if (s->draining)
        server_refuse(c, 503, "server_error", "draining", STR("The engine is shutting down."));
    else if (s->request_count >= s->options.queue_max)
        server_refuse(c, 503, "server_error", "overloaded",
                      STR("The engine has too many requests in progress."));
    else
        return true;
    return false;
}

static void on_call(void *user, struct http_call *c)
{
    struct server *s = user;
    if (c->refused) {
        server_refuse(c, c->refused, c->refused < 500 ? "invalid_request_error" : "server_error",
                      NULL, str_of(c->refused_why));
        return;
    }
    const struct server_route *route = find_route(s, c);
    enum http_method method = c->head->method;
    bool got = method == METHOD_GET || method == METHOD_HEAD;
    if (!route)
        not_found(c);
    else if (route->post ? method != METHOD_POST : !got)
        refuse_method(route, c);
    else if (!(route->post || route->asks) || can_work(s, c))
        route->run(s, c);
}

/* --- life --- */

static const struct refusal shutting_down = {
    .status = 503, .type = "server_error", .message = STR_INIT("The engine is shutting down.")};

static void cut_all(struct server *s)
{
    log_note(LOG_WARN, "drain", "%u requests are cut off", s->request_count);
    s->cut = true;
    timer_start(s->loop, &s->drain_timer, loop_now(s->loop) + CUT_US);
    LIST_EACH_SAFE(&s->requests, link, next)
    {
        struct work *work = LIST_ITEM(link, struct work, link);
        work->cut(work, &shutting_down);
    }
}

/* Woken when the last request or a connection has gone, and when those that
 * remain have had their time. */
static void on_drain_task(struct task *task)
{
    struct server *s = CONTAINER_OF(task, struct server, drain_task);
    if (!s->request_count && !metric_read(&s->http.lingering)) {
        timer_stop(s->loop, &s->drain_timer);
        if (s->on_drained) s->on_drained(s->user);
    } else if (timer_armed(&s->drain_timer)) {
        return;
    } else if (!s->cut) {
        cut_all(s);
    } else {
        http_server_close_all(&s->http);
    }
}

int server_init(struct server *s, struct loop *loop, const struct server_options *options)
{
    const struct http_server_limits limits = {
        .head = {HEAD_MAX, HEADERS_MAX},
        .body_max = SERVER_BODY_MAX,
        .connections_max = CONNECTIONS_MAX,
        .head_timeout_us = 30 * (uint64_t)USEC_PER_SEC,
        .body_timeout_us = 60 * (uint64_t)USEC_PER_SEC,
        .idle_timeout_us = 300 * (uint64_t)USEC_PER_SEC,
        .write_timeout_us = 300 * (uint64_t)USEC_PER_SEC,
    };
    *s = (struct server){.loop = loop, .options = *options};
    list_init(&s->requests);
    task_init(&s->drain_task, on_drain_task);
    timer_init(&s->drain_timer, &s->drain_task);
    http_server_init(&s->http, loop, &limits);
    s->http.on_call = on_call;
    s->http.quiet = &s->drain_task;
    s->http.user = s;
    int err = preparer_start(loop, &s->preparer);
    return err ? err : hosted_start(&s->hosted, loop, &options->hosted);
}

void server_drain(struct server *s)
{
    s->draining = true;
    http_server_drain(&s->http);
    timer_start(s->loop, &s->drain_timer, loop_now(s->loop) + s->options.drain_us);
    tell_if_drained(s);
}

void server_fini(struct server *s)
{
    timer_stop(s->loop, &s->drain_timer);
    assert(s->request_count == 0);
    s->http.quiet = NULL;
    http_server_fini(&s->http);
    task_cancel(&s->drain_task);
    preparer_stop(s->preparer);
    hosted_stop(&s->hosted);
}
