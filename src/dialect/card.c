/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/card.h"

#include <string.h>

#include "json/skim.h"

#define CONTEXT_MAX (INT64_C(1) << 40) /* who tells more is not believed */

static const struct str capability_words[] = {
    [CARD_COMPLETION] = STR_INIT("completion"), [CARD_TOOLS] = STR_INIT("tools"),
    [CARD_VISION] = STR_INIT("vision"),         [CARD_THINKING] = STR_INIT("thinking"),
    [CARD_EMBEDDING] = STR_INIT("embedding"),   [CARD_INSERT] = STR_INIT("insert"),
    [CARD_RERANK] = STR_INIT("rerank"),
};

static const struct str modality_words[] = {
    [CARD_TEXT] = STR_INIT("text"),
    [CARD_IMAGE] = STR_INIT("image"),
    [CARD_AUDIO] = STR_INIT("audio"),
    [CARD_FILE] = STR_INIT("file"),
};

static uint32_t bit_of(const struct str *words, size_t count, struct str word)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(words[i], word)) return UINT32_C(1) << i;
    return 0;
}

uint32_t card_capability(struct str word)
{
    return bit_of(capability_words, ARRAY_LEN(capability_words), word);
}

uint32_t card_modality(struct str word)
{
    return bit_of(modality_words, ARRAY_LEN(modality_words), word);
}

static void write_words(struct json_writer *w, const struct str *words, size_t count, uint32_t set)
{
    json_write_array(w);
    for (size_t i = 0; i < count; i++)
        if (set & (UINT32_C(1) << i)) json_write_str(w, words[i]);
    json_write_array_end(w);
}

void card_write_capabilities(struct json_writer *w, uint32_t set)
{
    write_words(w, capability_words, ARRAY_LEN(capability_words), set);
}

static void write_modalities(struct json_writer *w, const char *name, uint32_t set)
{
    if (!set) return;
    json_write_key(w, name);
    write_words(w, modality_words, ARRAY_LEN(modality_words), set);
}

void card_write(struct json_writer *w, const struct model_card *card)
{
    if (card->context) json_write_u64_member(w, "context_length", card->context);
    if (card->capabilities) {
        json_write_key(w, "capabilities");
        card_write_capabilities(w, card->capabilities);
    }
    if (card->input || card->output) {
        json_write_key(w, "modalities");
        json_write_object(w);
        write_modalities(w, "input", card->input);
        write_modalities(w, "output", card->output);
        json_write_object_end(w);
    }
    if (!card->calls[0]) return;
    json_write_key(w, "meta");
    json_write_object(w);
    json_write_str_member(w, "tool_calls", str_of(card->calls));
    json_write_object_end(w);
}

/* --- reading --- */

/* The first of the members that is a possible number of tokens; 0: none is. */
static uint64_t read_context(const struct json_span *object, const struct str *names, size_t count)
{
    enum { NAMES_MAX = 8 };
    struct json_span spans[NAMES_MAX];
    int64_t n;
    assert(count <= NAMES_MAX);
    if (json_scan_span(object, names, count, spans, NULL)) return 0;
    for (size_t i = 0; i < count; i++)
        if (json_span_i64(&spans[i], &n) && n > 0 && n <= CONTEXT_MAX) return (uint64_t)n;
    return 0;
}

/* vLLM and SGLang, OpenRouter and Hostler, Mistral, Groq, Anthropic; llama-server beside the rest. */
static uint64_t context_of(const struct json_span *model, const struct json_span *meta)
{
    static const struct str names[] = {STR_INIT("max_model_len"), STR_INIT("context_length"),
                                       STR_INIT("max_context_length"), STR_INIT("context_window"),
                                       STR_INIT("max_input_tokens")};
    static const struct str inner[] = {STR_INIT("n_ctx"), STR_INIT("n_ctx_train")};
    uint64_t n = read_context(model, names, ARRAY_LEN(names));
    return n ? n : read_context(meta, inner, ARRAY_LEN(inner));
}

static uint32_t read_words(const struct json_span *list, uint32_t (*bit)(struct str word))
{
    uint32_t set = 0;
    struct str rest = list->raw;
    struct json_span word;
    if (list->type != JSON_ARRAY) return 0;
    while (json_skim_element(&rest, &word))
        if (word.type == JSON_STRING && word.raw.len >= 2)
            set |= bit(str_sub(word.raw, 1, word.raw.len - 2));
    return set;
}

/* Two lists of words in an object. */
static void read_modalities(const struct json_span *object, const struct str names[2],
                            struct model_card *out)
{
    struct json_span lists[2];
    if (json_scan_span(object, names, 2, lists, NULL)) return;
    out->input |= read_words(&lists[0], card_modality);
    out->output |= read_words(&lists[1], card_modality);
}

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!letter) return false;
    }
    return s.len > 0 && s.len <= CARD_CALLS_MAX;
}

/* Our own engine's word. */
static void read_calls(const struct json_span *meta, struct model_card *out)
{
    static const struct str names[] = {STR_INIT("tool_calls")};
    struct json_span f[ARRAY_LEN(names)];
    if (json_scan_span(meta, names, ARRAY_LEN(names), f, NULL) || f[0].type != JSON_STRING) return;
    struct str name = str_sub(f[0].raw, 1, f[0].raw.len - 2);
    if (is_name(name)) memcpy(out->calls, name.ptr, name.len);
}

void card_read(const struct json_span *model, struct model_card *out)
{
    static const struct str names[] = {STR_INIT("meta"), STR_INIT("capabilities"),
                                       STR_INIT("modalities"), STR_INIT("architecture")};
    static const struct str ours[] = {STR_INIT("input"), STR_INIT("output")};
    static const struct str openrouters[] = {STR_INIT("input_modalities"),
                                             STR_INIT("output_modalities")};
    struct json_span f[ARRAY_LEN(names)];
    *out = (struct model_card){0};
    if (json_scan_span(model, names, ARRAY_LEN(names), f, NULL)) return;
    out->context = context_of(model, &f[0]);
    out->capabilities = read_words(&f[1], card_capability);
    read_modalities(&f[2], ours, out);
    read_modalities(&f[3], openrouters, out);
    read_calls(&f[0], out);
}
