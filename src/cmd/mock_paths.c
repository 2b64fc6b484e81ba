/* SPDX-License-Identifier: Apache-2.0 */
/* The mock runtime's set-up, and the paths that are no model requests: models, health, metrics, its
 * own control. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cmd/mock_priv.h"
#include "dialect/openai/write.h"
#include "json/write.h"

enum { OUT_MAX = 64 * 1024 * 1024, MODELS_MAX = 100000 };

/* --- answers --- */

/* What `write` appends, or a 500. */
static void reply_written(struct http_call *c, struct mock_stats *s, struct str type,
                          int (*write)(struct mock_stats *, struct buf *))
{
    struct buf b;
    buf_init(&b, OUT_MAX);
    if (write(s, &b)) {
        mock__reply_error(c, 500, NULL, "the list is too long");
    } else {
        struct http_field field = HTTP_FIELD(CONTENT_TYPE, type);
        call_reply(c, 200, &field, 1, buf_str(&b));
    }
    buf_fini(&b);
}

static void reply_model(struct mock *m, struct http_call *c, struct str name)
{
    struct str decoded;
    const struct str *known = NULL;
    if (!http_percent_decode(c->arena, name, &decoded)) known = map_get(&m->known, decoded);
    if (!known) {
        mock__reply_error(c, 404, "model_not_found", "no such model");
        return;
    }
    struct buf b;
    struct json_writer w;
    buf_init(&b, OUT_MAX);
    json_write_init(&w, &b);
    openai_begin_model(&w, *known, m->started_s, STR("mock"));
    json_write_object_end(&w);
    if (!json_write_end(&w)) mock__reply_json(c, 200, buf_str(&b));
    buf_fini(&b);
}

/* --- the other paths --- */

/* POST /mock/knobs: waits for its body, then sets the knobs of all requests to come. */
struct change {
    struct task task;
    struct mock_worker *worker;
    struct http_call *call;
};

static void on_change(struct task *task)
{
    struct change *ch = CONTAINER_OF(task, struct change, task);
    struct http_call *c = ch->call;
    struct mock *m = ch->worker->mock;
    if (!c->gone && !c->body_err && !c->body_done) return;
    task_cancel(&ch->task);
    if (c->gone || c->body_err) {
        call_abort(c);
        return;
    }
    struct mock_knobs k = m->start_knobs;
    int err = mock_knobs_set_object(&k, c->body);
    if (err) {
        mock__reply_error(c, 400, NULL, err_text(err));
        return;
    }
    const char *unknown = mock_knobs_unknown(c->arena, c->body);
    if (unknown) {
        mock__reply_error(c, 400, NULL, unknown);
        return;
    }
    pthread_rwlock_wrlock(&m->knobs_lock);
    m->knobs = k;
    pthread_rwlock_unlock(&m->knobs_lock);
    mock__reply_json(c, 200, STR("{}"));
}

static void start_change(struct mock_worker *w, struct http_call *c)
{
    struct change *ch = arena_zalloc(c->arena, sizeof *ch);
    ch->worker = w;
    ch->call = c;
    task_init(&ch->task, on_change);
    c->task = &ch->task;
    call_read_body(c, w->mock->body_max);
    if (c->body_done || c->body_err) on_change(&ch->task);
}

static void reset(struct mock_worker *w, struct http_call *c)
{
    struct mock *m = w->mock;
    pthread_rwlock_wrlock(&m->knobs_lock);
    m->knobs = m->start_knobs;
    pthread_rwlock_unlock(&m->knobs_lock);
    mock_stats_reset(&m->stats);
    mock__reply_json(c, 200, STR("{}"));
}

static void reply_health(struct mock_worker *w, struct http_call *c)
{
    struct mock *m = w->mock;
    pthread_rwlock_rdlock(&m->knobs_lock);
    int status = (int)m->knobs.health;
    pthread_rwlock_unlock(&m->knobs_lock);
    if (status == 200)
        mock__reply_json(c, 200, STR("{\"status\":\"ok\"}"));
    else
        mock__reply_error(c, status, NULL, "mock: not healthy, as asked");
}

static void on_get(struct mock_worker *w, struct http_call *c, struct str path)
{
    struct mock *m = w->mock;
    if (str_eq(path, STR("/health"))) {
        reply_health(w, c);
    } else if (str_eq(path, STR("/models"))) {
        mock__reply_json(c, 200, m->model_list);
    } else if (str_starts(path, STR("/models/"))) {
        reply_model(m, c, str_skip(path, strlen("/models/")));
    } else if (str_eq(path, STR("/metrics"))) {
        reply_written(c, &m->stats, STR("text/plain; version=0.0.4"), mock_stats_write_metrics);
    } else if (str_eq(path, STR("/mock/stats"))) {
        reply_written(c, &m->stats, STR("application/json"), mock_stats_write);
    } else if (str_eq(path, STR("/mock/requests"))) {
        reply_written(c, &m->stats, STR("application/json"), mock_stats_write_requests);
    } else {
        mock__reply_error(c, 404, NULL, "no such path");
    }
}

static void on_post(struct mock_worker *w, struct http_call *c, struct str path)
{
    if (str_eq(path, STR("/chat/completions"))) {
        mock__start_request(w, c, MOCK_CHAT);
    } else if (str_eq(path, STR("/completions"))) {
        mock__start_request(w, c, MOCK_TEXT);
    } else if (str_eq(path, STR("/embeddings"))) {
        mock__start_request(w, c, MOCK_EMBEDDINGS);
    } else if (str_eq(path, STR("/mock/reset"))) {
        reset(w, c);
    } else if (str_eq(path, STR("/mock/knobs"))) {
        start_change(w, c);
    } else {
        mock__reply_error(c, 404, NULL, "no such path");
    }
}

static void on_call(void *user, struct http_call *c)
{
    struct mock_worker *w = user;
    struct str path = c->head->path;
    if (str_starts(path, STR("/v1/"))) path = str_skip(path, strlen("/v1"));
    if (c->refused)
        mock__reply_error(c, c->refused, NULL, c->refused_why);
    else if (c->head->method == METHOD_POST)
        on_post(w, c, path);
    else if (c->head->method == METHOD_GET || c->head->method == METHOD_HEAD)
        on_get(w, c, path);
    else
        mock__reply_error(c, 405, NULL, "GET and POST only");
}

/* --- set-up --- */

static void add_model(struct mock *m, struct str name)
{
    m->models[m->model_count] = name;
    map_put(&m->known, name, &m->models[m->model_count]);
    m->model_count++;
}

static void write_model_list(struct mock *m)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, OUT_MAX);
    json_write_init(&w, &b);
    json_write_object(&w);
    json_write_str_member(&w, "object", STR("list"));
    json_write_key(&w, "data");
    json_write_array(&w);
    for (size_t i = 0; i < m->model_count; i++) {
        openai_begin_model(&w, m->models[i], m->started_s, STR("mock"));
        json_write_object_end(&w);
    }
    json_write_array_end(&w);
    json_write_object_end(&w);
    if (json_write_end(&w) == 0) m->model_list = arena_dup(&m->arena, buf_str(&b));
    buf_fini(&b);
}

static void name_models(struct mock *m, struct str models)
{
    uint64_t count;
    if (str_to_u64(models, &count) == 0) {
        count = MIN(count, (uint64_t)MODELS_MAX);
        m->models = arena_alloc(&m->arena, (size_t)(count + 1) * sizeof *m->models);
        for (uint64_t i = 0; i < count; i++)
            add_model(m, arena_printf(&m->arena, "model-%llu", (unsigned long long)i));
        return;
    }
    m->any_model = models.len == 0;
    if (m->any_model) models = STR("mock");
    m->models = arena_alloc(&m->arena, (models.len + 1) * sizeof *m->models);
    struct str name;
    while (str_cut(&models, ',', &name)) {
        if (name.len && !map_get(&m->known, name)) add_model(m, arena_dup(&m->arena, name));
    }
}

void mock_init(struct mock *m, const struct mock_knobs *knobs, struct str models, size_t record_max)
{
    memset(m, 0, sizeof *m);
    m->start_knobs = m->knobs = *knobs;
    m->body_max = OUT_MAX;
    m->started_s = clock_wall_us() / USEC_PER_SEC;
    pthread_rwlock_init(&m->knobs_lock, NULL);
    mock_text_init(&m->text);
    mock_stats_init(&m->stats, record_max);
    map_init(&m->known);
    arena_init(&m->arena, SIZE_MAX, 4096);
    name_models(m, models);
    write_model_list(m);
}

void mock_fini(struct mock *m)
{
    map_fini(&m->known);
    arena_fini(&m->arena);
    mock_stats_fini(&m->stats);
    mock_text_fini(&m->text);
    pthread_rwlock_destroy(&m->knobs_lock);
}

void mock_worker_init(struct mock_worker *w, struct mock *m, struct loop *loop, uint64_t seed)
{
    const struct http_server_limits limits = {
        .head = {.head_max = 256 * 1024, .header_max = 256},
        .body_max = m->body_max,
        .connections_max = 100000,
        .head_timeout_us = 60ull * USEC_PER_SEC,
        .body_timeout_us = 60ull * USEC_PER_SEC,
        .idle_timeout_us = 3600ull * USEC_PER_SEC,
        .write_timeout_us = 3600ull * USEC_PER_SEC,
    };
    *w = (struct mock_worker){.mock = m, .loop = loop};
    rng_seed(&w->rng, seed);
    http_server_init(&w->server, loop, &limits);
    w->server.on_call = on_call;
    w->server.user = w;
}

void mock_worker_fini(struct mock_worker *w)
{
    http_server_close_all(&w->server);
}

void mock_worker_accept(void *worker, struct stream *stream)
{
    struct mock_worker *w = worker;
    mock_count(&w->mock->stats.connections);
    http_server_accept(&w->server, stream);
}
