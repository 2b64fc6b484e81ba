/* SPDX-License-Identifier: Apache-2.0 */
/* How a request's text becomes the tokens of a prompt, piece by piece.
 *
 * Control tokens (those that open and end turns) come only from who may give them. In a chat that
 * is the template: messages are no more than text, whatever they spell. A text of its own (a raw
 * prompt) is the caller's own template, and may hold them.
 *
 * What is put together of parts is searched for names of control tokens where it is the template's
 * own; what lies between two of those, own text and others' alike, is one run, tokenized as text.
 * So an ordinary chat has exactly the tokens of its rendering as a whole.
 *
 * Long runs are tokenized in pieces of PROMPT_PIECE bytes, where the model's tokenizer allows it:
 * between two words, where tokens end anyway, or anywhere in a text that has no words. All memory
 * is the arena's. One thread at a time. */
#ifndef HOSTLER_ENGINE_PROMPT_H
#define HOSTLER_ENGINE_PROMPT_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "engine/model/vocab.h"

enum { PROMPT_PIECE = 16 * 1024 };

struct prompt_span; /* a control token, or text */

struct prompt {
    const struct vocab *vocab;
    struct prompt_span *spans;
    size_t span_count;
    size_t next; /* span to do */
    size_t at;   /* its first byte that is not done */
    size_t left; /* bytes still to do, all spans together */
    int32_t *tokens;
    size_t count; /* tokens so far; more than `room` when it does not fit */
    size_t room;
};

/* A text that the caller answers for: the names of control tokens in it are read as these tokens.
 * `around`: with the tokens that the model wants around a text, unless it begins with their name.
 * Borrows the text until the prompt is done. ERR_TOO_LARGE: it cannot have room; count then says
 * how many tokens it has at least. */
MUST_CHECK int prompt_of_text(struct prompt *p, struct arena *arena, const struct vocab *vocab,
                              struct str text, bool around, size_t room);

/* A piece of a prompt that is put together of several. */
struct prompt_part {
    struct str text;
    bool own;      /* of who may name control tokens: the template, a model's own separator */
    int32_t token; /* instead of text; -1: text */
};

/* What is put together: names of control tokens are read as these in own parts alone; all that lies
 * between two of those is one run, tokenized as text. Begins with the token that the model wants
 * before a text, unless the first part does. Copies the parts' texts. Errors as above, and
 * ERR_UNSUPPORTED: the parts use too many tokens that are read in any text. */
MUST_CHECK int prompt_of_parts(struct prompt *p, struct arena *arena, const struct vocab *vocab,
                               const struct prompt_part *parts, size_t count, size_t room);

/* Tokenizes the next piece. 0: all is done. PROMPT_MORE: call again. ERR_TOO_LARGE: more than
 * `room` tokens, at least `count` so far. ERR_INVALID: the text cannot be tokenized. */
enum { PROMPT_MORE = 1 };
MUST_CHECK int prompt_step(struct prompt *p);

#endif
