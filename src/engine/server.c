/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/server.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "dialect/openai/write.h"
#include "engine/server_priv.h"
#include "json/write.h"
#include "obs/log.h"

enum {
    HEAD_MAX = 64 * 1024,
    HEADERS_MAX = 128,
    CONNECTIONS_MAX = 4096,
    SMALL_ANSWER_MAX = 64 * 1024 * 1024,
    CUT_US = USEC_PER_SEC, /* to take the answers of those that are cut off */
};

static const struct http_field json_field = HTTP_FIELD(CONTENT_TYPE, STR_INIT("application/json"));

/* --- small answers --- */

void server__reply_json(struct http_call *c, int status, struct str body)
{
    call_reply(c, status, &json_field, 1, body);
}

void server__reply_error(struct http_call *c, const struct refusal *error)
{
    const struct http_field fields[] = {json_field, HTTP_FIELD(RETRY_AFTER, STR("1"))};
    unsigned count = error->status == 503 ? 2 : 1;
    call_reply(c, error->status, fields, count, openai_error_body(c->arena, error));
}

static void refuse(struct http_call *c, int status, const char *type, const char *code,
                   struct str message)
{
    const struct refusal error = {.status = status, .type = type, .code = code, .message = message};
    server__reply_error(c, &error);
}

static void not_found(struct http_call *c)
{
    refuse(c, 404, "invalid_request_error", NULL,
           arena_printf(c->arena, "There is no %.*s %.*s here.", STR_ARG(c->head->method_name),
                        (int)MIN(c->head->path.len, (size_t)200), c->head->path.ptr));
}

/* --- work in progress --- */

void server__enter(struct server *s, struct work *work)
{
    list_push_back(&s->requests, &work->link);
    s->request_count++;
}

static void tell_if_drained(struct server *s)
{
    if (s->draining && !s->request_count) loop_wake(s->loop, &s->drain_task);
}

void server__leave(struct server *s, struct work *work)
{
    list_remove(&work->link);
    s->request_count--;
    tell_if_drained(s);
}

int server__check_model(const struct server *s, struct arena *arena, struct str name,
                        struct refusal *error)
{
    if (!name.len || str_eq(name, str_of(s->options.alias))) return 0;
    (void)api_refuse(arena, error, "model", "model_not_found",
                     "This engine serves '%s', not '%.*s'.", s->options.alias,
                     (int)MIN(name.len, (size_t)128), name.ptr);
    error->status = 404;
    return ERR_NOT_FOUND;
}

/* --- routes without a body --- */

/* What of the file's own template the built-in one is. */
static const char *template_found(const struct model_info *info)
{
    switch (info->template_found) {
    case MODEL_TEMPLATE_FAMILY: return "of that family";
    case MODEL_TEMPLATE_UNKNOWN: return "of no known family";
    case MODEL_TEMPLATE_NONE: break;
    }
    return "none";
}

static void write_model(struct json_writer *w, const struct server *s)
{
    openai_begin_model(w, str_of(s->options.alias), s->created, STR("hostler"));
    if (s->info) {
        json_write_u64_member(w, "context_length", s->info->context);
        json_write_key(w, "meta");
        json_write_object(w);
        json_write_str_member(w, "description", str_of(s->info->description));
        json_write_u64_member(w, "parameters", s->info->params);
        json_write_u64_member(w, "size_bytes", s->info->bytes);
        json_write_u64_member(w, "vocabulary", s->info->vocab);
        json_write_u64_member(w, "embedding_length", s->info->embedding);
        json_write_u64_member(w, "context_length_trained", s->info->context_train);
        json_write_u64_member(w, "slots", s->info->slots);
        json_write_str_member(w, "chat_template", str_of(s->info->chat_template));
        json_write_str_member(w, "template_in_file", str_of(template_found(s->info)));
        json_write_object_end(w);
    }
    json_write_object_end(w);
}

static void reply_writer(struct http_call *c, struct json_writer *w)
{
    if (json_write_end(w))
        refuse(c, 500, "server_error", NULL, STR("The answer is too large."));
    else
        server__reply_json(c, 200, buf_str(w->out));
}

static void get_models(struct server *s, struct http_call *c)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, SMALL_ANSWER_MAX);
    json_write_init(&w, &b);
    json_write_object(&w);
    json_write_str_member(&w, "object", STR("list"));
    json_write_key(&w, "data");
    json_write_array(&w);
    write_model(&w, s);
    json_write_array_end(&w);
    json_write_object_end(&w);
    reply_writer(c, &w);
    buf_fini(&b);
}

static const struct str one_model = STR_INIT("/v1/models/"); /* and its name behind it */

static void get_model(struct server *s, struct http_call *c)
{
    struct str escaped = str_skip(c->head->path, one_model.len);
    struct str name;
    struct buf b;
    struct json_writer w;
    if (http_percent_decode(c->arena, escaped, &name) || !str_eq(name, str_of(s->options.alias))) {
        refuse(c, 404, "invalid_request_error", "model_not_found",
               arena_printf(c->arena, "This engine serves '%s' only.", s->options.alias));
        return;
    }
    buf_init(&b, SMALL_ANSWER_MAX);
    json_write_init(&w, &b);
    write_model(&w, s);
    reply_writer(c, &w);
    buf_fini(&b);
}

static void get_health(struct server *s, struct http_call *c)
{
    if (s->draining)
        refuse(c, 503, "server_error", "draining", STR("The engine is shutting down."));
    else if (!s->model)
        refuse(c, 503, "server_error", "loading", STR("The model is being loaded."));
    else
        server__reply_json(c, 200, STR("{\"status\":\"ok\"}"));
}

static void get_metrics(struct server *s, struct http_call *c)
{
    const struct http_field type =
        HTTP_FIELD(CONTENT_TYPE, STR("text/plain; version=0.0.4; charset=utf-8"));
    struct buf b;
    buf_init(&b, SMALL_ANSWER_MAX);
    if (server__metrics(s, &b))
        refuse(c, 500, "server_error", NULL, STR("The metrics are too large."));
    else
        call_reply(c, 200, &type, 1, buf_str(&b));
    buf_fini(&b);
}

/* --- routing --- */

static void post_chat(struct server *s, struct http_call *c)
{
    request_begin(s, c, API_CHAT);
}

static void post_completions(struct server *s, struct http_call *c)
{
    request_begin(s, c, API_COMPLETION);
}

/* What is posted is work for the model; everything else is there to be got. */
static const struct route {
    struct str path;
    bool post;
    void (*run)(struct server *s, struct http_call *c);
} routes[] = {
    {STR_INIT("/v1/chat/completions"), true, post_chat},
    {STR_INIT("/v1/completions"), true, post_completions},
    {STR_INIT("/v1/embeddings"), true, embedding_begin},
    {STR_INIT("/tokenize"), true, tokenize_begin},
    {STR_INIT("/detokenize"), true, detokenize_begin},
    {STR_INIT("/v1/models"), false, get_models},
    {STR_INIT("/health"), false, get_health},
    {STR_INIT("/metrics"), false, get_metrics},
};

static const struct route model_route = {STR_INIT(""), false, get_model};

static const struct route *find_route(struct str path)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        if (str_eq(path, routes[i].path)) return &routes[i];
    return str_starts(path, one_model) ? &model_route : NULL;
}

static void refuse_method(const struct route *route, struct http_call *c)
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
    if (!s->model)
        refuse(c, 503, "server_error", "model_loading", STR("The model is being loaded."));
    else if (s->draining)
        refuse(c, 503, "server_error", "draining", STR("The engine is shutting down."));
    else if (s->request_count >= s->options.queue_max)
        refuse(c, 503, "server_error", "overloaded",
               STR("The engine has too many requests in progress."));
    else
        return true;
    return false;
}

static void on_call(void *user, struct http_call *c)
{
    struct server *s = user;
    if (c->refused) {
        refuse(c, c->refused, c->refused < 500 ? "invalid_request_error" : "server_error", NULL,
               str_of(c->refused_why));
        return;
    }
    const struct route *route = find_route(c->head->path);
    enum http_method method = c->head->method;
    bool got = method == METHOD_GET || method == METHOD_HEAD;
    if (!route)
        not_found(c);
    else if (route->post ? method != METHOD_POST : !got)
        refuse_method(route, c);
    else if (!route->post || can_work(s, c))
        route->run(s, c);
}

/* --- the worker's news --- */

static void log_loaded(const struct server *s)
{
    struct log_line l;
    log_begin(&l, LOG_INFO, "loaded");
    log_cstr(&l, "model", s->options.alias);
    log_cstr(&l, "description", s->info->description);
    log_u64(&l, "context", s->info->context);
    log_u64(&l, "slots", s->info->slots);
    log_u64(&l, "cache_bytes", s->info->slot_bytes * s->info->slots);
    if (s->info->blas_from) log_u64(&l, "blas_from_tokens", s->info->blas_from);
    log_cstr(&l, "chat_template", s->info->chat_template);
    log_cstr(&l, "template_in_file", template_found(s->info));
    log_u64(&l, "took_us", loop_now(s->loop) - s->started_us);
    log_end(&l);
}

static void on_loaded(void *user, int err, const char *why)
{
    struct server *s = user;
    if (err) {
        if (s->on_failed) s->on_failed(s->user, why);
        return;
    }
    s->model = worker_model(s->worker);
    s->info = model_info(s->model);
    s->defaults = api_defaults(&s->info->sampling);
    log_loaded(s);
}

static void on_output(void *user, const struct output *out)
{
    request_on_output(user, out);
}

static void on_embedded(void *user, struct embed_job *job, int err)
{
    embedding_on_done(user, job, err);
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
    const struct worker_handler handler = {on_loaded, on_output, on_embedded};
    *s = (struct server){.loop = loop, .options = *options};
    s->started_us = loop_now(loop);
    s->created = clock_wall_us() / USEC_PER_SEC;
    list_init(&s->requests);
    task_init(&s->drain_task, on_drain_task);
    timer_init(&s->drain_timer, &s->drain_task);
    http_server_init(&s->http, loop, &limits);
    s->http.on_call = on_call;
    s->http.quiet = &s->drain_task;
    s->http.user = s;
    int err = preparer_start(loop, &s->preparer);
    return err ? err : worker_start(loop, &options->worker, &handler, s, &s->worker);
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
    worker_stop(s->worker);
    worker_free(s->worker);
}
