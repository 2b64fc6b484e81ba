/* SPDX-License-Identifier: Apache-2.0 */
/* A model's vocabulary: texts to tokens and back. Constant once the model is loaded: any thread. */
#ifndef HOSTLER_ENGINE_MODEL_VOCAB_H
#define HOSTLER_ENGINE_MODEL_VOCAB_H

#include "base/base.h"
#include "base/str.h"

struct vocab;

struct vocab_info {
    uint32_t count;     /* tokens are 0 .. count-1 */
    uint32_t piece_max; /* bytes of the longest token's text, at least 1 */
    int32_t begin;      /* the token that the model wants before a text; -1: none */
    int32_t end;        /* the token that it wants behind a text; -1: none */
    int32_t between[2]; /* the tokens that it wants between two texts that belong together */
    uint32_t between_count;
    const int32_t *ends; /* the tokens that end an answer */
    uint32_t end_count;
    const int32_t *suppressed; /* tokens that an answer never has, as the model's file says */
    uint32_t suppressed_count;
    bool cuts_words; /* a text that is cut between two words has the tokens of the whole */
    /* Names by which chat templates know tokens; empty: it has none. */
    struct str bos_name;
    struct str eos_name;
};

struct token_list {
    const int32_t *tokens;
    uint32_t count;
};

const struct vocab_info *vocab_info(const struct vocab *v);

/* Tokens of a text. `add_special`: with those that the model wants around a text.
 * `parse_special`: control tokens' names are read as these. ERR_TOO_LARGE: more than `max`;
 * *count then says how many. */
MUST_CHECK int vocab_tokenize(const struct vocab *v, struct str text, bool add_special,
                              bool parse_special, int32_t *tokens, size_t max, size_t *count);

/* The bytes of a token, which need not be whole characters; special tokens give "" unless
 * `special`. Returns the length, at most VOCAB_PIECE_MAX; longer pieces are cut. */
enum { VOCAB_PIECE_MAX = 512 };
size_t vocab_piece(const struct vocab *v, int32_t token, bool special, char out[VOCAB_PIECE_MAX]);

/* True for a token that ends an answer. */
bool vocab_is_end(const struct vocab *v, int32_t token);

/* A token with a name that no tokenizing of text gives. */
struct vocab_special {
    struct str name;
    int32_t token;
    bool control; /* its name in a text is read as it only by parse_special; else always */
    bool strips;  /* read as it, its name takes the white space behind it away */
};

/* The one whose name `text` begins with, the longest of several; NULL: none. Names of
 * white space do not count. */
const struct vocab_special *vocab_special_at(const struct vocab *v, struct str text);

/* True when a list of tokens has this one. */
static inline bool tokens_have(const int32_t *tokens, uint32_t count, int32_t token)
{
    for (uint32_t i = 0; i < count; i++)
        if (tokens[i] == token) return true;
    return false;
}

#endif
