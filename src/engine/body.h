/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAI dialect, inwards: request bodies checked field by field.
 *
 * Every field has a type and a range; what does not fit is refused naming the field. So is a field
 * that promises what this engine does not do, unless its value asks for nothing (null, false, 0,
 * "", [], {} or what promise.c's tables say): nobody shall take text for the shape that he asked
 * for. Other fields are ignored: clients send many that are about them, and not about the answer.
 * Parsed requests borrow from the arena that they were parsed on. */
#ifndef HOSTLER_ENGINE_BODY_H
#define HOSTLER_ENGINE_BODY_H

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"
#include "dialect/openai/write.h"
#include "engine/fields.h"
#include "engine/model/model.h"
#include "engine/chat/template.h"
#include "engine/sampler.h"
#include "engine/shape.h"
#include "engine/text/stop.h"
#include "engine/tools.h"

enum {
    BODY_CHOICES_MAX = 8,     /* n */
    BODY_PROMPTS_MAX = 64,    /* a completion's */
    BODY_INPUTS_MAX = 2048,   /* an embedding's */
    BODY_MESSAGES_MAX = 4096, /* a chat's */
    BODY_ENDS_MAX = 64,       /* stop_token_ids */
};

enum body_kind { BODY_CHAT, BODY_COMPLETION };

struct body_generate {
    enum body_kind kind;
    struct str model; /* as the client has it; ptr NULL: none given */
    bool stream;
    bool include_usage;
    uint32_t n;          /* choices per prompt */
    uint32_t max_tokens; /* 0: what the context leaves */
    bool ignore_end;
    uint32_t min_tokens; /* before the answer may end */
    const int32_t *ends; /* tokens that end an answer besides the model's */
    uint32_t end_count;
    bool seeded;
    struct sampler_params sampling;
    struct str *stops;
    unsigned stop_count;
    struct str *words; /* that it must not have */
    size_t word_count;
    struct shape shape;
    struct chat chat;            /* chat */
    struct tools tools;          /* chat */
    int64_t thinking_budget;     /* chat: tokens of thoughts; negative: as many as it likes */
    struct body_prompt *prompts; /* completion */
    size_t prompt_count;
};

struct body_embed {
    struct str model;
    bool base64;
    uint32_t dimensions; /* 0: all */
    struct body_prompt *inputs;
    size_t input_count;
};

/* What the engine samples with where the request says nothing. */
struct sampler_params body_defaults(const struct model_sampling *recommended);

/* 0, or ERR_INVALID and *error. `vocab` bounds token ids. */
MUST_CHECK int body_read_chat(struct arena *arena, struct str body,
                              const struct sampler_params *defaults, uint32_t vocab,
                              struct body_generate *out, struct refusal *error);
MUST_CHECK int body_read_completion(struct arena *arena, struct str body,
                                    const struct sampler_params *defaults, uint32_t vocab,
                                    struct body_generate *out, struct refusal *error);
/* What /apply-template is asked. */
MUST_CHECK int body_read_template(struct arena *arena, struct str body, struct str *model,
                                  struct chat *out, struct refusal *error);
MUST_CHECK int body_read_embed(struct arena *arena, struct str body, uint32_t vocab,
                               struct body_embed *out, struct refusal *error);
MUST_CHECK int body_read_tokenize(struct arena *arena, struct str body, struct str *content,
                                  bool *add_special, struct refusal *error);
MUST_CHECK int body_read_detokenize(struct arena *arena, struct str body, uint32_t vocab,
                                    struct body_prompt *out, struct refusal *error);

#endif
