/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/routes.h"

#include "engine/handlers.h"

/* What is posted is work for the model; everything else is there to be got. */
static const struct server_route routes[] = {
    {STR_INIT("/v1/chat/completions"), true, false, false, post_chat},
    {STR_INIT("/v1/chat/completions/input_tokens"), true, false, false, post_input_tokens},
    {STR_INIT("/v1/completions"), true, false, false, post_completion},
    {STR_INIT("/v1/embeddings"), true, false, false, post_embeddings},
    {STR_INIT("/v1/rerank"), true, false, false, post_rerank},
    {STR_INIT("/v1/reranking"), true, false, false, post_rerank},
    {STR_INIT("/rerank"), true, false, false, post_rerank},
    {STR_INIT("/reranking"), true, false, false, post_rerank},
    {STR_INIT("/v1/score"), true, false, false, post_score},
    {STR_INIT("/score"), true, false, false, post_score},
    {STR_INIT("/apply-template"), true, false, false, post_apply_template},
    {STR_INIT("/tokenize"), true, false, false, post_tokenize},
    {STR_INIT("/detokenize"), true, false, false, post_detokenize},
    {STR_INIT("/v1/models"), false, false, false, get_models},
    {STR_INIT("/v1/models/"), false, true, false, get_model},
    {STR_INIT("/health"), false, false, false, get_health},
    {STR_INIT("/metrics"), false, false, false, get_metrics},
    {STR_INIT("/cache"), .run = get_cache, .socket = true, .asks = true},
    {STR_INIT("/cache/pin/"), .post = true, .rest = true, .run = post_cache_pin, .socket = true},
    {STR_INIT("/cache/unpin/"), .post = true, .rest = true, .run = post_cache_unpin,
     .socket = true},
    {STR_INIT("/cache/drop"), .post = true, .run = post_cache_drop_all, .socket = true},
    {STR_INIT("/cache/drop/"), .post = true, .rest = true, .run = post_cache_drop, .socket = true},
};

const struct server_routes engine_routes = {routes, ARRAY_LEN(routes)};
