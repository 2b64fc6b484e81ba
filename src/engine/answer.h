/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAI dialect, outwards: answer objects, stream frames, embedding lists, written into a buf.
 *
 * Every function returns the first failure (the buf's maximum); what was written is then cut off
 * somewhere. */
#ifndef HOSTLER_ENGINE_ANSWER_H
#define HOSTLER_ENGINE_ANSWER_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "engine/body.h"
#include "engine/call_list.h"
#include "engine/model/vocab.h"
#include "engine/output.h"
#include "json/write.h"

enum { ANSWER_ID_SIZE = 48 };

/* What all of an answer's objects have in common. Borrows the model's name and the model. */
struct answer {
    enum body_kind kind;
    const struct vocab *vocab; /* for the tokens of log probabilities */
    struct str model;
    char id[ANSWER_ID_SIZE];
    uint64_t created; /* seconds since 1970 */
    bool include_usage;
    bool logprobs;
};

struct answer_usage {
    uint64_t prompt;
    uint64_t cached;
    uint64_t completion;
    uint64_t reasoning; /* part of completion */
};

/* One choice of a whole answer. */
struct answer_choice {
    struct str reasoning; /* chat */
    struct str text;
    const struct call_list *calls; /* chat; NULL: none */
    enum finish finish;
    const struct sampler_choice *tokens; /* with logprobs */
    unsigned token_count;
};

/* "prefix-" and a number that nobody else has. */
void answer_make_id(char out[ANSWER_ID_SIZE], const char *prefix);

/* Gives it an id of its own and the time. */
void answer_init(struct answer *a, enum body_kind kind);

MUST_CHECK int answer_whole(const struct answer *a, struct buf *out,
                            const struct answer_choice *choices, size_t count,
                            const struct answer_usage *usage);

/* Stream frames, "data: {...}\n\n". Chat: the role comes first, once per choice; a part has text or
 * reasoning, not both; a call's id and name come first, its arguments behind them. `text_offset`, for
 * completions with logprobs: characters of the choice's tokens so far, advanced by those of the
 * frame. It is not the text's length: text that is held back for a stop string comes in a later
 * frame than its first token. */
MUST_CHECK int answer_frame_role(const struct answer *a, struct buf *out, unsigned index);
MUST_CHECK int answer_frame_text(const struct answer *a, struct buf *out, unsigned index,
                                 const struct answer_choice *part, size_t *text_offset);
/* The tokens of `part` go with it. `call_index`: from 0, of this choice's calls. */
MUST_CHECK int answer_frame_call(const struct answer *a, struct buf *out, unsigned index,
                                 unsigned call_index, const struct call_part *call,
                                 const struct answer_choice *part);
MUST_CHECK int answer_frame_finish(const struct answer *a, struct buf *out, unsigned index,
                                   enum finish finish);
MUST_CHECK int answer_frame_usage(const struct answer *a, struct buf *out,
                                  const struct answer_usage *usage);
MUST_CHECK int answer_frame_done(struct buf *out);

/* A list of embeddings, vector by vector. Without an end it may be given up at any time. */
void answer_embeddings_begin(struct json_writer *w, struct buf *out);
void answer_embedding(struct json_writer *w, size_t index, const float *values, size_t length,
                      bool base64);
MUST_CHECK int answer_embeddings_end(struct json_writer *w, struct str model, uint64_t tokens);

#endif
