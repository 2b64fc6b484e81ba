/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/routes.h"

#include "engine/handlers.h"

/* What is posted is work for the model; everything else is there to be got. */
static const struct server_route routes[] = {
    {STR_INIT("/v1/chat/completions"), true, false, post_chat},
    {STR_INIT("/v1/chat/completions/input_tokens"), true, false, post_input_tokens},
    {STR_INIT("/v1/completions"), true, false, post_completion},
    {STR_INIT("/v1/embeddings"), true, false, post_embeddings},
    {STR_INIT("/v1/rerank"), true, false, post_rerank},
    {STR_INIT("/v1/reranking"), true, false, post_rerank},
    {STR_INIT("/rerank"), true, false, post_rerank},
    {STR_INIT("/reranking"), true, false, post_rerank},
    {STR_INIT("/v1/score"), true, false, post_score},
    {STR_INIT("/score"), true, false, post_score},
    {STR_INIT("/apply-template"), true, false, post_apply_template},
    {STR_INIT("/tokenize"), true, false, post_tokenize},
    {STR_INIT("/detokenize"), true, false, post_detokenize},
    {STR_INIT("/v1/models"), false, false, get_models},
    {STR_INIT("/v1/models/"), false, true, get_model},
    {STR_INIT("/health"), false, false, get_health},
    {STR_INIT("/metrics"), false, false, get_metrics},
};

const struct server_routes engine_routes = {routes, ARRAY_LEN(routes)};
