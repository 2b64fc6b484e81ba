/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that stand on libllama share. */
#ifndef HOSTLER_ENGINE_MODEL_LLAMA_PRIV_H
#define HOSTLER_ENGINE_MODEL_LLAMA_PRIV_H

#include <llama.h>

#include "engine/model/blas.h"
#include "engine/model/context.h"
#include "engine/model/embed.h"
#include "engine/model/gguf.h"
#include "engine/model/large_pages.h"
#include "engine/model/model.h"
#include "engine/model/vocab.h"

struct model {
    struct model_info info;
    struct model_options options;
    struct llama_model *llama;
    unsigned threads;
    struct blas blas;
    bool recurrent; /* its state cannot be cut */
    struct gguf_facts facts;
    struct large_pages pages; /* what is not in them yet */
    struct vocab *vocab;
    struct context *context;
    struct embedder *embedder;
};

/* --- llama_file.c --- */

/* Memory that nothing works without. */
void *llama__must(void *ptr);

/* The value of a key of the file as text; false: it has none. */
bool llama__meta(const struct model *m, const char *key, char *out, size_t size);

/* The number under "ARCH.suffix". */
uint64_t llama__meta_number(const struct model *m, const char *suffix, uint64_t otherwise);

/* --- llama_vocab.c --- */

struct vocab *llama__vocab_new(const struct llama_model *llama);
void llama__vocab_free(struct vocab *v);

/* --- llama_context.c --- */

/* Bytes of the cache for one sequence of so many tokens. */
uint64_t llama__sequence_bytes(const struct model *m, uint32_t length);

/* -ENOMEM, or ERR_UNSUPPORTED: the model generates nothing. */
MUST_CHECK int llama__context_new(struct model *m, uint32_t length, struct context **out);
void llama__context_free(struct context *c);
void llama__context_set_threads(struct context *c, unsigned threads);

/* One step before anybody waits for one: it brings the weights in, and what in the file only fails
 * there, or computes no numbers, is an error of loading still. ERR_INVALID. */
MUST_CHECK int llama__context_warm_up(struct context *c);

/* --- llama_embed.c --- */

struct embedder *llama__embedder_new(struct model *m, enum model_pooling pooling);
void llama__embedder_free(struct embedder *e);

#endif
