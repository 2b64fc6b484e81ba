/* SPDX-License-Identifier: Apache-2.0 */
/* What runtimes tell of themselves: health, models, versions. */
#include <string.h>

#include "base/clock.h"
#include "cmd/mock_priv.h"
#include "dialect/openai/write.h"
#include "json/write.h"

enum { OUT_MAX = 64 * 1024 * 1024 };

/* Ends the page that was written to `b`. */
static void reply_page(struct http_call *c, struct json_writer *w, struct buf *b)
{
    if (json_write_end(w))
        mock__reply_error(c, &dialect_openai, 500, NULL, "the list is too long");
    else
        mock__reply_json(c, 200, buf_str(b));
    buf_fini(b);
}

static void begin_page(struct json_writer *w, struct buf *b)
{
    buf_init(b, OUT_MAX);
    json_write_init(w, b);
    json_write_object(w);
}

void mock__health(struct mock_worker *w, struct http_call *c)
{
    struct mock *m = w->mock;
    pthread_rwlock_rdlock(&m->knobs_lock);
    int status = (int)m->knobs.health;
    pthread_rwlock_unlock(&m->knobs_lock);
    if (status == 200)
        mock__reply_json(c, 200, STR("{\"status\":\"ok\"}"));
    else
        mock__reply_error(c, &dialect_openai, status, NULL, "mock: not healthy, as asked");
}

/* --- models --- */

/* Whether models are told in Anthropic's shape, as to its clients. */
static bool is_anthropic(const struct mock *m, const struct http_call *c)
{
    if (m->kind) return str_eq(m->kind->name, STR("anthropic"));
    return http_head_get_name(c->head, STR("anthropic-version")).ptr != NULL;
}

static void write_anthropic_model(struct json_writer *w, const struct mock *m, struct str name)
{
    char date[CLOCK_RFC3339_SIZE];
    clock_rfc3339(m->started_s * USEC_PER_SEC, date);
    json_write_object(w);
    json_write_str_member(w, "type", STR("model"));
    json_write_str_member(w, "id", name);
    json_write_str_member(w, "display_name", name);
    json_write_str_member(w, "created_at", str_of(date));
    json_write_object_end(w);
}

static void reply_anthropic_models(struct mock *m, struct http_call *c)
{
    struct json_writer w;
    struct buf b;
    begin_page(&w, &b);
    json_write_key(&w, "data");
    json_write_array(&w);
    for (size_t i = 0; i < m->model_count; i++)
        write_anthropic_model(&w, m, m->models[i]);
    json_write_array_end(&w);
    json_write_bool_member(&w, "has_more", false);
    json_write_str_member(&w, "first_id", m->models[0]);
    json_write_str_member(&w, "last_id", m->models[m->model_count - 1]);
    json_write_object_end(&w);
    reply_page(c, &w, &b);
}

void mock__models(struct mock_worker *w, struct http_call *c)
{
    if (is_anthropic(w->mock, c))
        reply_anthropic_models(w->mock, c);
    else
        mock__reply_json(c, 200, w->mock->model_list);
}

void mock__model(struct mock_worker *w, struct http_call *c)
{
    struct mock *m = w->mock;
    struct str path = c->head->path, decoded;
    const struct str *known = NULL;
    path = str_skip(path, (size_t)str_find(path, STR("/models/")) + strlen("/models/"));
    if (!http_percent_decode(c->arena, path, &decoded)) known = map_get(&m->known, decoded);
    if (!known) {
        const struct dialect *dialect = is_anthropic(m, c) ? &dialect_anthropic : &dialect_openai;
        mock__reply_error(c, dialect, 404, "model_not_found", "no such model");
        return;
    }
    struct json_writer writer;
    struct buf b;
    buf_init(&b, OUT_MAX);
    json_write_init(&writer, &b);
    if (is_anthropic(m, c)) {
        write_anthropic_model(&writer, m, *known);
    } else {
        openai_begin_model(&writer, *known, m->started_s, mock__owner(m->kind));
        json_write_object_end(&writer);
    }
    reply_page(c, &writer, &b);
}

/* --- Ollama --- */

void mock__ollama_root(struct mock_worker *w UNUSED, struct http_call *c)
{
    const struct http_field field = HTTP_FIELD(CONTENT_TYPE, STR("text/plain; charset=utf-8"));
    call_reply(c, 200, &field, 1, STR("Ollama is running"));
}

void mock__ollama_version(struct mock_worker *w UNUSED, struct http_call *c)
{
    mock__reply_json(c, 200, STR("{\"version\":\"0.12.0\"}"));
}

void mock__ollama_details(struct json_writer *w)
{
    json_write_key(w, "details");
    json_write_raw(w, STR("{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":\"mock\","
                          "\"families\":[\"mock\"],\"parameter_size\":\"1M\","
                          "\"quantization_level\":\"F16\"}"));
}

static void write_ollama_model(struct json_writer *w, const struct mock *m, struct str name,
                               bool running)
{
    char date[CLOCK_RFC3339_SIZE];
    clock_rfc3339(m->started_s * USEC_PER_SEC, date);
    json_write_object(w);
    json_write_str_member(w, "name", name);
    json_write_str_member(w, "model", name);
    if (!running) json_write_str_member(w, "modified_at", str_of(date));
    json_write_u64_member(w, "size", 2000000);
    json_write_str_member(w, "digest",
                          STR("00000000000000000000000000000000000000000000000000000000000000f0"));
    mock__ollama_details(w);
    if (running) {
        json_write_str_member(w, "expires_at", STR("2318-01-01T00:00:00Z"));
        json_write_u64_member(w, "size_vram", 2000000);
        json_write_u64_member(w, "context_length", MOCK_CONTEXT);
    }
    json_write_object_end(w);
}

static void reply_ollama_models(struct mock *m, struct http_call *c, bool running)
{
    struct json_writer w;
    struct buf b;
    begin_page(&w, &b);
    json_write_key(&w, "models");
    json_write_array(&w);
    for (size_t i = 0; i < m->model_count; i++)
        write_ollama_model(&w, m, m->models[i], running);
    json_write_array_end(&w);
    json_write_object_end(&w);
    reply_page(c, &w, &b);
}

void mock__ollama_tags(struct mock_worker *w, struct http_call *c)
{
    reply_ollama_models(w->mock, c, false);
}

void mock__ollama_ps(struct mock_worker *w, struct http_call *c)
{
    reply_ollama_models(w->mock, c, true);
}

/* --- others --- */

void mock__vllm_version(struct mock_worker *w UNUSED, struct http_call *c)
{
    mock__reply_json(c, 200, STR("{\"version\":\"0.32.0\"}"));
}

void mock__llama_props(struct mock_worker *w UNUSED, struct http_call *c)
{
    struct json_writer writer;
    struct buf b;
    begin_page(&writer, &b);
    json_write_key(&writer, "default_generation_settings");
    json_write_object(&writer);
    json_write_u64_member(&writer, "n_ctx", MOCK_CONTEXT);
    json_write_object_end(&writer);
    json_write_u64_member(&writer, "total_slots", 1);
    json_write_str_member(&writer, "model_path", STR("mock.gguf"));
    json_write_str_member(&writer, "chat_template", STR("{{ messages }}"));
    json_write_key(&writer, "modalities");
    json_write_raw(&writer, STR("{\"vision\":false,\"audio\":false}"));
    json_write_str_member(&writer, "build_info", STR("mock"));
    json_write_object_end(&writer);
    reply_page(c, &writer, &b);
}
