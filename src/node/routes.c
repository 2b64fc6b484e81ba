/* SPDX-License-Identifier: Apache-2.0 */
#include "node/routes.h"

#include "desk/desk.h"
#include "gate/model_call.h"

enum {
    MODEL = ROUTE_API | ROUTE_POST | ROUTE_MODEL,
    BESIDE = ROUTE_POST | ROUTE_MODEL | ROUTE_BESIDE,
    OLLAMA = ROUTE_POST | ROUTE_MODEL | ROUTE_BESIDE,
    PROBE = ROUTE_OPEN | ROUTE_QUIET,
};

/* A row reads best as one line. */
/* clang-format off */
static const struct route routes[] = {
    {STR_INIT("/chat/completions"), "chat", MODEL, SURFACE_CHAT, &dialect_openai, &model_call_handler},
    {STR_INIT("/chat/completions/input_tokens"), "count_tokens", MODEL, SURFACE_COUNT_CHAT, &dialect_openai, &model_call_handler},
    {STR_INIT("/completions"), "completions", MODEL, SURFACE_COMPLETIONS, &dialect_openai, &model_call_handler},
    {STR_INIT("/embeddings"), "embeddings", MODEL, SURFACE_EMBEDDINGS, &dialect_openai, &model_call_handler},
    {STR_INIT("/rerank"), "rerank", MODEL, SURFACE_RERANK, &dialect_openai, &model_call_handler},
    {STR_INIT("/reranking"), "rerank", MODEL, SURFACE_RERANK, &dialect_openai, &model_call_handler},
    {STR_INIT("/score"), "score", MODEL, SURFACE_RERANK, &dialect_openai, &model_call_handler},
    {STR_INIT("/apply-template"), "apply_template", BESIDE, SURFACE_TEMPLATE, &dialect_openai, &model_call_handler},
    {STR_INIT("/responses"), "responses", MODEL, SURFACE_RESPONSES, &dialect_responses, &model_call_handler},
    {STR_INIT("/responses/input_tokens"), "count_tokens", MODEL, SURFACE_COUNT_RESPONSES, &dialect_responses, &model_call_handler},
    {STR_INIT("/responses/"), "response", ROUTE_API | ROUTE_REST | ROUTE_DELETE, SURFACE_NONE, &dialect_responses, &desk_response},
    {STR_INIT("/responses/"), "response", ROUTE_API | ROUTE_REST | ROUTE_POST, SURFACE_NONE, &dialect_responses, &desk_cancel},
    {STR_INIT("/messages"), "messages", MODEL, SURFACE_MESSAGES, &dialect_anthropic, &model_call_handler},
    {STR_INIT("/messages/count_tokens"), "count_tokens", MODEL, SURFACE_COUNT_MESSAGES, &dialect_anthropic, &model_call_handler},
    {STR_INIT("/models"), "models", ROUTE_API | ROUTE_CLAUDE, SURFACE_NONE, &dialect_openai, &desk_models},
    {STR_INIT("/models/"), "model", ROUTE_API | ROUTE_REST | ROUTE_CLAUDE, SURFACE_NONE, &dialect_openai, &desk_model},
    {STR_INIT("/api/chat"), "ollama_chat", OLLAMA, SURFACE_OLLAMA_CHAT, &dialect_ollama, &model_call_handler, &desk_model_itself},
    {STR_INIT("/api/generate"), "ollama_generate", OLLAMA, SURFACE_OLLAMA_GENERATE, &dialect_ollama, &model_call_handler, &desk_model_itself},
    {STR_INIT("/api/embed"), "ollama_embed", OLLAMA, SURFACE_OLLAMA_EMBED, &dialect_ollama, &model_call_handler, &desk_model_itself},
    {STR_INIT("/api/embeddings"), "ollama_embed", OLLAMA, SURFACE_OLLAMA_EMBEDDINGS, &dialect_ollama, &model_call_handler, &desk_model_itself},
    {STR_INIT("/api/tags"), "ollama_tags", 0, SURFACE_NONE, &dialect_ollama, &desk_ollama_tags},
    {STR_INIT("/api/ps"), "ollama_ps", 0, SURFACE_NONE, &dialect_ollama, &desk_ollama_ps},
    {STR_INIT("/api/version"), "ollama_version", PROBE, SURFACE_NONE, &dialect_ollama, &desk_ollama_version},
    {STR_INIT("/api/show"), "ollama_show", ROUTE_POST | ROUTE_BODY, SURFACE_NONE, &dialect_ollama, &desk_ollama_show},
    {STR_INIT("/api/pull"), "ollama_pull", ROUTE_POST | ROUTE_BODY, SURFACE_NONE, &dialect_ollama, &desk_ollama_pull},
    {STR_INIT("/api/create"), "ollama_refused", ROUTE_POST, SURFACE_NONE, &dialect_ollama, &desk_ollama_refused},
    {STR_INIT("/api/copy"), "ollama_refused", ROUTE_POST, SURFACE_NONE, &dialect_ollama, &desk_ollama_refused},
    {STR_INIT("/api/push"), "ollama_refused", ROUTE_POST, SURFACE_NONE, &dialect_ollama, &desk_ollama_refused},
    {STR_INIT("/api/delete"), "ollama_refused", ROUTE_DELETE, SURFACE_NONE, &dialect_ollama, &desk_ollama_refused},
    {STR_INIT("/api/blobs/"), "ollama_refused", ROUTE_REST | ROUTE_POST, SURFACE_NONE, &dialect_ollama, &desk_ollama_refused},
    {STR_INIT("/api/blobs/"), "ollama_refused", ROUTE_REST, SURFACE_NONE, &dialect_ollama, &desk_ollama_refused},
    {STR_INIT("/"), "front", PROBE, SURFACE_NONE, &dialect_openai, &desk_front},
    {STR_INIT("/anthropic"), "running", PROBE, SURFACE_NONE, &dialect_anthropic, &desk_ollama_running},
    {STR_INIT("/livez"), "livez", PROBE, SURFACE_NONE, &dialect_openai, &desk_alive},
    {STR_INIT("/readyz"), "readyz", PROBE, SURFACE_NONE, &dialect_openai, &desk_ready},
    {STR_INIT("/healthz"), "healthz", PROBE, SURFACE_NONE, &dialect_openai, &desk_alive},
    {STR_INIT("/health"), "healthz", PROBE, SURFACE_NONE, &dialect_openai, &desk_alive},
    {STR_INIT("/metrics"), "metrics", ROUTE_QUIET, SURFACE_NONE, &dialect_openai, &desk_metrics},
};
/* clang-format on */

const struct route *node_routes(size_t *count)
{
    *count = ARRAY_LEN(routes);
    return routes;
}
