/* SPDX-License-Identifier: Apache-2.0 */
#include "dialect/card.h"

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
    if (!card->input && !card->output) return;
    json_write_key(w, "modalities");
    json_write_object(w);
    write_modalities(w, "input", card->input);
    write_modalities(w, "output", card->output);
    json_write_object_end(w);
}
