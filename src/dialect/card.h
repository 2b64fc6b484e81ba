/* SPDX-License-Identifier: Apache-2.0 */
/* Cards of models: what lists of models tell of one besides its name. What a card does not know is
 * left out, so that nobody takes a guess for an answer.
 *
 * Pure functions, any thread. */
#ifndef HOSTLER_DIALECT_CARD_H
#define HOSTLER_DIALECT_CARD_H

#include "base/base.h"
#include "base/str.h"
#include "json/scan.h"
#include "json/write.h"

/* In the order in which they are told. */
enum card_capability {
    CARD_COMPLETION,
    CARD_TOOLS,
    CARD_VISION,
    CARD_THINKING,
    CARD_EMBEDDING,
    CARD_INSERT, /* fills in between a prefix and a suffix */
    CARD_RERANK,
};

enum card_modality { CARD_TEXT, CARD_IMAGE, CARD_AUDIO, CARD_FILE };

#define CARD_BIT(name) (UINT32_C(1) << CARD_##name)

enum { CARD_CALLS_MAX = 31 }; /* letters of the name of a family of tool calls */

/* Zeroed: nothing is known. */
struct model_card {
    uint64_t context;      /* tokens of prompt and answer together; 0: not known */
    uint32_t capabilities; /* a set of enum card_capability; empty: not known */
    uint32_t input;        /* sets of enum card_modality; empty: not known */
    uint32_t output;
    char calls[CARD_CALLS_MAX +
               1]; /* the family in whose way it writes tool calls; empty: not known */
};

/* The bit of a word such as "vision" or "image"; 0: no such word. */
uint32_t card_capability(struct str word);
uint32_t card_modality(struct str word);

/* What an object of a list of models tells of one, as any product writes it: the context under its
 * many names (what it is served with before what it was trained with), capabilities as words,
 * modalities, our own engine's family of tool calls. What cannot be read is not known. */
void card_read(const struct json_span *model, struct model_card *out);

/* Capabilities as an array of words. */
void card_write_capabilities(struct json_writer *w, uint32_t set);

/* Members of an open object that describes a model as OpenAI does: context_length, capabilities,
 * modalities, and `meta` where the family of tool calls is known. */
void card_write(struct json_writer *w, const struct model_card *card);

#endif
