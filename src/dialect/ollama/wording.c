/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/ollama/request.h"

#define WISHES                                                                            \
    {"response_format", "format", .alone = true}, {"reasoning_effort", "think", false},   \
        {"max_tokens", "options.num_predict", false},                                     \
        {"temperature", "options.temperature", false}, {"top_k", "options.top_k", false}, \
        {"top_p", "options.top_p", false}, {"min_p", "options.min_p", false},             \
        {"seed", "options.seed", false}, {"stop", "options.stop", false},                 \
        {"repetition_penalty", "options.repeat_penalty", false},                          \
        {"presence_penalty", "options.presence_penalty", false},                          \
    {                                                                                     \
        "frequency_penalty", "options.frequency_penalty", false                           \
    }

const struct wording ollama_chat_wording[] = {
    {"messages", "messages", .alone = true},
    WISHES,
    {NULL, NULL, false},
};

const struct wording ollama_generate_wording[] = {
    {"messages", "prompt", .alone = true},
    WISHES,
    {NULL, NULL, false},
};

const struct wording ollama_embeddings_wording[] = {
    {"input", "prompt", .alone = true},
    {NULL, NULL, false},
};
