/* SPDX-License-Identifier: Apache-2.0 */
/* A language model that is loaded: its vocabulary, its chat template, and decoding for several
 * sequences at once.
 *
 * The narrow door to the library that computes: model_llama.c stands behind it in hostler-engine,
 * model_fake.c (scripted) in tests and in hostler-engine-fake. Vocabulary and template functions
 * may be called by any thread once the model is loaded; everything that computes or touches the KV
 * cache belongs to one thread, the compute thread.
 *
 * The cache has one row of `context` positions per slot. A slot holds one sequence of tokens, from
 * position 0 on. */
#ifndef HOSTLER_ENGINE_MODEL_H
#define HOSTLER_ENGINE_MODEL_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

struct model;

enum model_kv { MODEL_KV_F16, MODEL_KV_F32, MODEL_KV_Q8_0 };

struct model_options {
    const char *path;
    uint32_t context; /* tokens per sequence; 0: as trained, at most MODEL_CONTEXT_DEFAULT */
    uint32_t slots;   /* sequences at once, 1..MODEL_SLOTS_MAX */
    uint32_t batch;   /* most tokens of one model_decode; at least `slots` */
    unsigned threads; /* until model_set_threads */
    enum model_kv kv; /* element type of the KV cache */
    bool blas;        /* use a BLAS library for long prompts where that is faster */
};

enum { MODEL_SLOTS_MAX = 128, MODEL_CONTEXT_DEFAULT = 4096, MODEL_EMBED_INPUTS = 32 };

/* What the model's file recommends for sampling; negative where it says nothing. */
struct model_sampling {
    float temperature;
    float top_p;
    float min_p;
    float repeat_penalty;
    int32_t top_k;
};

/* What the file says of chats. A file's own template is never rendered; a built-in one stands in
 * for it. */
enum model_template {
    MODEL_TEMPLATE_NONE,    /* nothing: ChatML is used */
    MODEL_TEMPLATE_UNKNOWN, /* a template of no known family: ChatML is used */
    MODEL_TEMPLATE_FAMILY   /* a template of a known family, whose built-in one is used */
};

struct model_info {
    char arch[64];         /* "llama" */
    char description[128]; /* "llama 135M Q8_0" */
    uint32_t vocab;        /* tokens are 0 .. vocab-1 */
    uint32_t piece_max;    /* bytes of the longest token's text, at least 1 */
    uint32_t embedding;    /* length of an embedding */
    uint32_t embed_max;    /* tokens of one embedding input; 0: the model gives none */
    uint32_t context;      /* tokens per slot, prompt and answer together */
    uint32_t context_train;
    uint32_t slots;
    uint32_t batch;
    uint32_t blas_from; /* tokens of a batch from which a BLAS library computes; 0: never */
    uint64_t params;
    uint64_t bytes;      /* the weights' size */
    uint64_t slot_bytes; /* the size of one slot's KV cache: what copying it moves */
    bool copies;         /* model_copy works */
    enum model_template template_found;
    char chat_template[48]; /* what chats are rendered with, "built-in chatml" */
    int32_t begin;          /* the token that the model wants before a text; -1: none */
    int32_t end;            /* the token that it wants behind a text; -1: none */
    const int32_t *ends;    /* the tokens that end an answer */
    uint32_t end_count;
    bool cuts_words; /* a text that is cut between two words has the tokens of the whole */
    struct model_sampling sampling;
};

/* Loads a file. On failure says why in one line in `why`. ERR_INVALID: not a usable model file;
 * ERR_UNSUPPORTED, -ENOMEM, or the errno of reading it. Takes seconds; any one thread. */
enum { MODEL_WHY_MAX = 512 };
MUST_CHECK int model_load(const struct model_options *options, struct model **out,
                          char why[MODEL_WHY_MAX]);
void model_free(struct model *m);
const struct model_info *model_info(const struct model *m);

/* --- vocabulary: any thread --- */

/* Tokens of a text. `add_special`: with those that the model wants around a text.
 * `parse_special`: control tokens' names are read as these. ERR_TOO_LARGE: more than `max`;
 * *count then says how many. */
MUST_CHECK int model_tokenize(const struct model *m, struct str text, bool add_special,
                              bool parse_special, int32_t *tokens, size_t max, size_t *count);

/* The bytes of a token, which need not be whole characters; special tokens give "" unless
 * `special`. Returns the length, at most MODEL_PIECE_MAX; longer pieces are cut. */
enum { MODEL_PIECE_MAX = 512 };
size_t model_piece(const struct model *m, int32_t token, bool special, char out[MODEL_PIECE_MAX]);

/* True for a token that ends an answer. */
bool model_is_end(const struct model *m, int32_t token);

/* A token with a name that no tokenizing of text gives. */
struct model_special {
    struct str name;
    int32_t token;
    bool control; /* its name in a text is read as it only by parse_special; else always */
    bool strips;  /* read as it, its name takes the white space behind it away */
};

/* The one whose name `text` begins with, the longest of several; NULL: none. Names of
 * white space do not count. */
const struct model_special *model_special_at(const struct model *m, struct str text);

struct model_message {
    const char *role; /* "system", "user", "assistant" ... */
    const char *content;
};

/* Appends the prompt for a conversation, ending where the assistant's answer begins. ERR_TOO_LARGE
 * beyond out's maximum. */
MUST_CHECK int model_chat(const struct model *m, const struct model_message *messages, size_t count,
                          struct buf *out);

/* --- computing: the compute thread --- */

/* One token to decode. Items of one slot are in order of their position, which begins where the
 * slot ends. */
struct model_item {
    int32_t token;
    uint32_t slot;
    uint32_t position;
    bool logits; /* the next token's logits are wanted */
};

/* Decodes up to `batch` items. After a failure nothing is known of the slots in `items`: trim them
 * to 0. */
MUST_CHECK int model_decode(struct model *m, const struct model_item *items, size_t count);

/* The logits after items[index] of the last model_decode: `vocab` numbers, the caller's to
 * overwrite until the next decode. */
float *model_logits(struct model *m, size_t index);

/* Keeps the first `length` tokens of a slot. False when the model cannot forget part of a sequence:
 * the slot is then empty. */
bool model_trim(struct model *m, uint32_t slot, uint32_t length);

/* Makes slot `to` (whatever it held) a copy of the whole of `from`. False when the model cannot. */
bool model_copy(struct model *m, uint32_t from, uint32_t to);

/* Takes effect with the next model_decode. */
void model_set_threads(struct model *m, unsigned threads);

/* Normalised mean embeddings of `count` (at most MODEL_EMBED_INPUTS) token sequences, together at
 * most embed_max tokens, to out[count][embedding]. Makes its own context at the first call
 * (-ENOMEM). Slots are not touched. */
struct model_tokens {
    const int32_t *tokens;
    uint32_t count; /* at least 1 */
};
MUST_CHECK int model_embed(struct model *m, const struct model_tokens *inputs, size_t count,
                           float *out);

#endif
