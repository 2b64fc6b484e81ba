/* SPDX-License-Identifier: Apache-2.0 */
/* A model that is loaded: what its file says, and its parts.
 *
 * The narrow door to the library that computes: llama*.c stand behind these headers in
 * hostler-engine, fake*.c (scripted) in tests and in hostler-engine-fake. Its parts are the
 * vocabulary (vocab.h, any thread), the context that generates (context.h) and the embedder
 * (embed.h); what computes belongs to one thread, the compute thread. */
#ifndef HOSTLER_ENGINE_MODEL_MODEL_H
#define HOSTLER_ENGINE_MODEL_MODEL_H

#include "base/base.h"
#include "base/str.h"

struct model;
struct vocab;
struct context;
struct embedder;

enum model_kv { MODEL_KV_F16, MODEL_KV_F32, MODEL_KV_Q8_0 };

/* How the vectors of a text's tokens become one. */
enum model_pooling {
    MODEL_POOLING_FILE, /* as the file says; the mean where it says nothing */
    MODEL_POOLING_MEAN,
    MODEL_POOLING_CLS,  /* the first token's */
    MODEL_POOLING_LAST, /* the last token's */
    MODEL_POOLING_RANK  /* a head's score of a pair of texts */
};

struct model_options {
    const char *path;
    uint32_t context; /* tokens per sequence; 0: as trained, at most MODEL_CONTEXT_DEFAULT */
    uint32_t slots;   /* sequences at once, 1..MODEL_SLOTS_MAX */
    uint32_t batch;   /* most tokens of one decode; at least `slots` */
    unsigned threads; /* until model_set_threads */
    enum model_kv kv; /* element type of the KV cache */
    bool blas;        /* use a BLAS library for long prompts where that is faster */
    enum model_pooling pooling;
    /* How far loading is: 0..100, never less than before. The loading thread. NULL: nobody asks. */
    void (*on_progress)(void *user, unsigned percent);
    void *user;
};

enum { MODEL_SLOTS_MAX = 128, MODEL_CONTEXT_DEFAULT = 4096 };

/* What the model's file recommends for sampling; negative where it says nothing. */
struct model_sampling {
    float temperature;
    float top_p;
    float min_p;
    float repeat_penalty;
    int32_t top_k;
};

struct model_info {
    char arch[64];         /* "llama" */
    char description[128]; /* "llama 135M Q8_0" */
    uint32_t context_train;
    uint64_t params;
    uint64_t bytes; /* the weights' size */
    /* What it is for. A file that names a pooling is one for embeddings or for ranking alone. */
    bool generates; /* it has a context */
    bool embeds;    /* it has an embedder, whose vectors mean texts */
    bool ranks;     /* it has an embedder, whose first number scores a pair of texts */
    /* The file's own chat templates, Jinja; NULL: none. */
    const char *chat_template;
    const char *tool_template; /* for requests with tools, where it has another one */
    const char *rank_template; /* a text with {query} and {document}; NULL: none */
    struct model_sampling sampling;
};

/* True where model_load reads the file at `path` into memory of its own, since that is small enough
 * for nobody to wait for it; it maps any other. Any thread. */
bool model_reads_whole(const char *path);

/* Loads a file. On failure says why in one line in `why`. ERR_INVALID: not a usable model file;
 * ERR_UNSUPPORTED, -ENOMEM, or the errno of reading it. Takes seconds; any one thread. */
enum { MODEL_WHY_MAX = 512 };
MUST_CHECK int model_load(const struct model_options *options, struct model **out,
                          char why[MODEL_WHY_MAX]);
void model_free(struct model *m);

const struct model_info *model_info(const struct model *m);
const struct vocab *model_vocab(const struct model *m);
struct context *model_context(struct model *m);   /* NULL unless it generates */
struct embedder *model_embedder(struct model *m); /* NULL unless it embeds or ranks */

/* Does a piece of what loading has left for later, of some ms: for when there is nothing to compute.
 * False: nothing is left. The compute thread. */
bool model_settle(struct model *m);

/* Takes effect with the next computation. The compute thread. */
void model_set_threads(struct model *m, unsigned threads);

#endif
