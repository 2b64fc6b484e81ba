/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/runtime.h"

#include "dialect/surface.h"

#define HAS(name) SURFACE_BIT(SURFACE_##name)
#define OPENAI (HAS(CHAT) | HAS(COMPLETIONS) | HAS(EMBEDDINGS))
#define OLLAMA                                                                       \
    (HAS(OLLAMA_CHAT) | HAS(OLLAMA_GENERATE) | HAS(OLLAMA_RAW) | HAS(OLLAMA_EMBED) | \
     HAS(OLLAMA_EMBEDDINGS))

/* The API of Mistral (2026-11) refuses what it does not know. */
static const struct runtime_field mistral_chat[] = {
    {"model", NULL},
    {"messages", NULL},
    {"stream", NULL},
    {"max_tokens", NULL},
    {"max_completion_tokens", "max_tokens"},
    {"temperature", NULL},
    {"top_p", NULL},
    {"stop", NULL},
    {"seed", "random_seed"},
    {"n", NULL},
    {"presence_penalty", NULL},
    {"frequency_penalty", NULL},
    {"response_format", NULL},
    {"tools", NULL},
    {"tool_choice", NULL},
    {"parallel_tool_calls", NULL},
    {"prediction", NULL},
    {NULL, NULL},
};

/* OpenAI's own models that reason refuse the older name. */
static const struct runtime_field azure_chat[] = {
    {"max_tokens", "max_completion_tokens"},
    {NULL, NULL},
};

/* A row reads best as a line or two. */
/* clang-format off */
const struct runtime_kind runtime_engine = {
    STR_INIT("engine"), OPENAI | HAS(RERANK) | HAS(TEMPLATE) | HAS(COUNT_CHAT), .key = KEY_BEARER};

static const struct runtime_kind kinds[] = {
    /* whoever speaks OpenAI's dialect; what most such servers have besides is passed on, and its
     * absence is theirs to tell */
    {STR_INIT("openai"), OPENAI | HAS(RERANK) | HAS(TEMPLATE)},
    {STR_INIT("hostler"), OPENAI | HAS(RERANK) | HAS(TEMPLATE) | HAS(RESPONSES) | HAS(MESSAGES) | OLLAMA |
                          HAS(COUNT_CHAT) | HAS(COUNT_RESPONSES) | HAS(COUNT_MESSAGES)},
    {STR_INIT("vllm"), OPENAI | HAS(RERANK) | HAS(RESPONSES) | HAS(MESSAGES) | HAS(COUNT_TOKENIZE), .functions_only = true},
    {STR_INIT("sglang"), OPENAI | HAS(RERANK) | HAS(RESPONSES) | HAS(MESSAGES), .functions_only = true},
    {STR_INIT("llama-server"), OPENAI | HAS(RERANK) | HAS(TEMPLATE) | HAS(RESPONSES) | HAS(MESSAGES) |
                               HAS(COUNT_CHAT) | HAS(COUNT_MESSAGES), .functions_only = true},
    {STR_INIT("ollama"), OPENAI | HAS(RESPONSES) | HAS(MESSAGES) | OLLAMA, .functions_only = true},
    {STR_INIT("tgi"), HAS(CHAT) | HAS(COMPLETIONS)},
    {STR_INIT("trt-llm"), HAS(CHAT) | HAS(COMPLETIONS)},
    {STR_INIT("openrouter"), OPENAI | HAS(RESPONSES) | HAS(MESSAGES)},
    {STR_INIT("azure"), OPENAI | HAS(RESPONSES), .key = KEY_API_KEY, .keeps_responses = true, .chat = azure_chat},
    {STR_INIT("mistral"), HAS(CHAT) | HAS(EMBEDDINGS), .no_usage = true, .chat = mistral_chat, .chat_only = true},
    {STR_INIT("groq"), HAS(CHAT) | HAS(RESPONSES), .functions_only = true},
    {STR_INIT("anthropic"), HAS(MESSAGES) | HAS(COUNT_MESSAGES), .key = KEY_X_API_KEY,
     .fields = {{.id = HDR_OTHER, .name = STR_INIT("anthropic-version"), .value = STR_INIT("2023-06-01")}}},
};
/* clang-format on */

const struct runtime_kind *runtime_kind(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_eq(kinds[i].name, name)) return &kinds[i];
    return NULL;
}

const struct runtime_kind *runtime_kinds(size_t *count)
{
    *count = ARRAY_LEN(kinds);
    return kinds;
}
