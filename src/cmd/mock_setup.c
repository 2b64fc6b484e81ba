/* SPDX-License-Identifier: Apache-2.0 */
/* The mock runtime's set-up: its models, what workers share, a worker. */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cmd/mock_priv.h"
#include "dialect/openai/write.h"
#include "json/write.h"

enum { OUT_MAX = 64 * 1024 * 1024, MODELS_MAX = 100000 };

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
        openai_begin_model(&w, m->models[i], m->started_s, mock__owner(m->kind));
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

void mock_init(struct mock *m, const struct mock_knobs *knobs, const struct runtime_kind *kind,
               struct str models, size_t record_max)
{
    memset(m, 0, sizeof *m);
    m->kind = kind;
    m->start_knobs = m->knobs = *knobs;
    m->body_max = OUT_MAX;
    m->started_s = clock_wall_us() / USEC_PER_SEC;
    pthread_rwlock_init(&m->knobs_lock, NULL);
    mock_text_init(&m->text);
    mock_stats_init(&m->stats, record_max);
    mock_script_init(&m->script);
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
    mock_script_fini(&m->script);
    mock_text_fini(&m->text);
    pthread_rwlock_destroy(&m->knobs_lock);
}

static void accept_counted(struct acceptor *acceptor, struct stream *stream)
{
    struct mock_worker *w = CONTAINER_OF(acceptor, struct mock_worker, acceptor);
    mock_count(&w->mock->stats.connections);
    w->server.acceptor.accept(&w->server.acceptor, stream);
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
        .h2_streams_max = 1000,
    };
    *w = (struct mock_worker){.mock = m, .loop = loop};
    rng_seed(&w->rng, seed);
    http_server_init(&w->server, loop, &limits);
    w->server.on_call = mock__on_call;
    w->server.user = w;
    w->acceptor.accept = accept_counted;
}

void mock_worker_fini(struct mock_worker *w)
{
    http_server_close_all(&w->server);
}
