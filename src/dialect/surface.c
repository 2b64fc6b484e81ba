/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/surface.h"

#include "dialect/anthropic/messages.h"
#include "dialect/anthropic/source.h"
#include "dialect/anthropic/to_messages.h"
#include "dialect/ollama/frames.h"
#include "dialect/ollama/request.h"
#include "dialect/openai/answer.h"
#include "dialect/openai/chat.h"
#include "dialect/openai/count.h"
#include "dialect/openai/vectors.h"
#include "dialect/responses/responses.h"

/* A row reads best as one line. */
/* clang-format off */
static const struct surface_row rows[SURFACE_COUNT] = {
    [SURFACE_NONE] = {.name = "none", .dialect = &dialect_openai},
    [SURFACE_CHAT] = {.name = "chat", .path = STR_INIT("/chat/completions"), .streams = true, .dialect = &dialect_openai,
                      .writer = &openai_chat_writer, .source = &openai_chat_source},
    [SURFACE_COMPLETIONS] = {.name = "completions", .path = STR_INIT("/completions"), .streams = true, .dialect = &dialect_openai,
                             .source = &openai_chat_source},
    [SURFACE_EMBEDDINGS] = {.name = "embeddings", .path = STR_INIT("/embeddings"), .dialect = &dialect_openai,
                            .source = &openai_vectors_source},
    [SURFACE_RERANK] = {.name = "rerank", .path = STR_INIT("/rerank"), .dialect = &dialect_openai},
    [SURFACE_TEMPLATE] = {.name = "template", .path = STR_INIT("/apply-template"), .beside = true, .own = true, .dialect = &dialect_openai},
    [SURFACE_RESPONSES] = {.name = "responses", .path = STR_INIT("/responses"), .streams = true, .dialect = &dialect_responses,
                           .to_pivot = responses_to_pivot, .words = responses_wording, .writer = &responses_writer},
    [SURFACE_MESSAGES] = {.name = "messages", .path = STR_INIT("/messages"), .streams = true, .dialect = &dialect_anthropic,
                          .to_pivot = anthropic_to_pivot, .words = anthropic_wording, .writer = &anthropic_writer, .from_pivot = anthropic_from_pivot, .source = &anthropic_source},
    [SURFACE_OLLAMA_CHAT] = {.name = "ollama chat", .path = STR_INIT("/api/chat"), .beside = true, .streams = true, .dialect = &dialect_ollama,
                             .to_pivot = ollama_chat_to_pivot, .words = ollama_chat_wording, .writer = &ollama_chat_writer},
    [SURFACE_OLLAMA_GENERATE] = {.name = "ollama generate", .path = STR_INIT("/api/generate"), .beside = true, .streams = true, .dialect = &dialect_ollama,
                                 .to_pivot = ollama_generate_to_pivot, .words = ollama_generate_wording, .writer = &ollama_chat_writer},
    [SURFACE_OLLAMA_RAW] = {.name = "ollama generate", .path = STR_INIT("/api/generate"), .beside = true, .streams = true, .dialect = &dialect_ollama,
                            .to_pivot = ollama_raw_to_pivot, .words = ollama_chat_wording, .writer = &ollama_chat_writer},
    [SURFACE_OLLAMA_EMBED] = {.name = "ollama embed", .path = STR_INIT("/api/embed"), .beside = true, .dialect = &dialect_ollama,
                              .to_pivot = ollama_embed_to_pivot, .writer = &ollama_embed_writer},
    [SURFACE_OLLAMA_EMBEDDINGS] = {.name = "ollama embeddings", .path = STR_INIT("/api/embeddings"), .beside = true, .dialect = &dialect_ollama,
                                   .to_pivot = ollama_embeddings_to_pivot, .words = ollama_embeddings_wording, .writer = &ollama_embeddings_writer},
    [SURFACE_COUNT_CHAT] = {.name = "chat input tokens", .path = STR_INIT("/chat/completions/input_tokens"), .own = true, .dialect = &dialect_openai,
                            .writer = &count_writer, .source = &count_source},
    [SURFACE_COUNT_RESPONSES] = {.name = "responses input tokens", .path = STR_INIT("/responses/input_tokens"), .own = true, .dialect = &dialect_responses,
                                 .to_pivot = responses_to_pivot, .words = responses_wording, .writer = &responses_count_writer},
    [SURFACE_COUNT_MESSAGES] = {.name = "count tokens", .path = STR_INIT("/messages/count_tokens"), .own = true, .dialect = &dialect_anthropic,
                                .to_pivot = anthropic_to_pivot, .words = anthropic_wording, .writer = &count_writer, .from_pivot = anthropic_from_pivot, .source = &count_source},
    [SURFACE_COUNT_TOKENIZE] = {.name = "tokenize", .path = STR_INIT("/tokenize"), .beside = true, .own = true, .dialect = &dialect_openai,
                                .from_pivot = tokenize_from_pivot, .source = &tokenize_source},
};

/* To what else each can be translated, the best first. */
static const unsigned char others[SURFACE_COUNT][3] = {
    [SURFACE_CHAT] = {SURFACE_MESSAGES},
    [SURFACE_RESPONSES] = {SURFACE_CHAT, SURFACE_MESSAGES},
    [SURFACE_MESSAGES] = {SURFACE_CHAT},
    [SURFACE_OLLAMA_CHAT] = {SURFACE_CHAT, SURFACE_MESSAGES},
    [SURFACE_OLLAMA_GENERATE] = {SURFACE_CHAT, SURFACE_MESSAGES},
    [SURFACE_OLLAMA_RAW] = {SURFACE_COMPLETIONS},
    [SURFACE_OLLAMA_EMBED] = {SURFACE_EMBEDDINGS},
    [SURFACE_OLLAMA_EMBEDDINGS] = {SURFACE_EMBEDDINGS},
    [SURFACE_COUNT_CHAT] = {SURFACE_COUNT_TOKENIZE, SURFACE_COUNT_MESSAGES},
    [SURFACE_COUNT_RESPONSES] = {SURFACE_COUNT_CHAT, SURFACE_COUNT_TOKENIZE, SURFACE_COUNT_MESSAGES},
    [SURFACE_COUNT_MESSAGES] = {SURFACE_COUNT_CHAT, SURFACE_COUNT_TOKENIZE},
};
/* clang-format on */

/* What a word of the configuration stands for: what counts and raw prompts come with it. */
static const struct word {
    struct str name;
    uint32_t set;
} words[] = {
    {STR_INIT("chat"), SURFACE_BIT(SURFACE_CHAT)},
    {STR_INIT("completions"), SURFACE_BIT(SURFACE_COMPLETIONS)},
    {STR_INIT("embeddings"), SURFACE_BIT(SURFACE_EMBEDDINGS)},
    {STR_INIT("rerank"), SURFACE_BIT(SURFACE_RERANK)},
    {STR_INIT("responses"), SURFACE_BIT(SURFACE_RESPONSES)},
    {STR_INIT("messages"), SURFACE_BIT(SURFACE_MESSAGES)},
    {STR_INIT("ollama"), SURFACE_BIT(SURFACE_OLLAMA_CHAT) | SURFACE_BIT(SURFACE_OLLAMA_GENERATE) |
                             SURFACE_BIT(SURFACE_OLLAMA_RAW) | SURFACE_BIT(SURFACE_OLLAMA_EMBED) |
                             SURFACE_BIT(SURFACE_OLLAMA_EMBEDDINGS)},
};

const struct surface_row *surface_row(enum surface s)
{
    return &rows[s];
}

uint32_t surface_set(struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(words[i].name, word)) return words[i].set;
    return 0;
}

/* Whether both sides of the translation are there. */
static bool translates(enum surface asked, enum surface to)
{
    bool request = rows[asked].to_pivot || rows[to].from_pivot;
    return request && rows[asked].writer && rows[to].source;
}

enum surface surface_choose(enum surface asked, uint32_t offered)
{
    if (offered & SURFACE_BIT(asked)) return asked;
    for (size_t i = 0; i < ARRAY_LEN(others[asked]); i++) {
        enum surface to = (enum surface)others[asked][i];
        if (to && (offered & SURFACE_BIT(to)) && translates(asked, to)) return to;
    }
    return SURFACE_NONE;
}

uint32_t surface_ways(enum surface asked)
{
    uint32_t set = SURFACE_BIT(asked);
    for (size_t i = 0; i < ARRAY_LEN(others[asked]); i++) {
        enum surface to = (enum surface)others[asked][i];
        if (to && translates(asked, to)) set |= SURFACE_BIT(to);
    }
    return set;
}
