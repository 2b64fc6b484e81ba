/* SPDX-License-Identifier: Apache-2.0 */
#include "node/routes.h"

#include "desk/desk.h"
#include "gate/model_call.h"

enum {
    MODEL = ROUTE_API | ROUTE_POST | ROUTE_MODEL,
    BESIDE = ROUTE_POST | ROUTE_MODEL | ROUTE_BESIDE,
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
    {STR_INIT("/models"), "models", ROUTE_API, SURFACE_NONE, &dialect_openai, &desk_models},
    {STR_INIT("/models/"), "model", ROUTE_API | ROUTE_REST, SURFACE_NONE, &dialect_openai, &desk_model},
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
