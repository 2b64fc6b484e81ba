/* SPDX-License-Identifier: Apache-2.0 */
/* embed.h on libllama. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "engine/model/llama_priv.h"

enum { INPUT_MAX = 2048 };

struct embedder {
    struct model *model;
    struct embed_info info;
    struct llama_context *llama; /* made at first use */
};

static enum llama_pooling_type pooling_type(enum model_pooling pooling)
{
    static const enum llama_pooling_type types[] = {
        LLAMA_POOLING_TYPE_UNSPECIFIED, LLAMA_POOLING_TYPE_MEAN, LLAMA_POOLING_TYPE_CLS,
        LLAMA_POOLING_TYPE_LAST, LLAMA_POOLING_TYPE_RANK};
    return types[pooling];
}

struct embedder *llama__embedder_new(struct model *m, enum model_pooling pooling)
{
    struct embedder *e = llama__must(calloc(1, sizeof *e));
    bool ranks = pooling == MODEL_POOLING_RANK;
    uint32_t most = !m->context && m->options.context ? m->options.context : INPUT_MAX;
    e->model = m;
    e->info = (struct embed_info){
        .length =
            ranks ? llama_model_n_cls_out(m->llama) : (uint32_t)llama_model_n_embd_out(m->llama),
        .input_max = MIN(m->info.context_train, most),
        .pooling = pooling,
    };
    return e;
}

void llama__embedder_free(struct embedder *e)
{
    if (!e) return;
    if (e->llama) llama_free(e->llama);
    free(e);
}

const struct embed_info *embed_info(const struct embedder *e)
{
    return &e->info;
}

static int open_context(struct embedder *e)
{
    struct llama_context_params p = llama_context_default_params();
    /* libllama wants room for a token of each sequence, and its kernels a round number. */
    p.n_ctx = (MAX(e->info.input_max, (uint32_t)EMBED_INPUTS_MAX) + 255) / 256 * 256;
    p.n_batch = p.n_ubatch = p.n_ctx;
    p.n_seq_max = EMBED_INPUTS_MAX;
    p.n_threads = p.n_threads_batch = (int32_t)e->model->threads;
    p.embeddings = true;
    p.pooling_type = pooling_type(e->info.pooling);
    p.kv_unified = true;
    p.no_perf = true;
    e->llama = llama_init_from_model(e->model->llama, p);
    return e->llama ? 0 : -ENOMEM;
}

/* The vectors of a batch that was computed. */
static int take(const struct embedder *e, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++, out += e->info.length) {
        const float *v = llama_get_embeddings_seq(e->llama, (llama_seq_id)i);
        if (!v) return ERR_INVALID;
        bool ok = true;
        if (e->info.pooling != MODEL_POOLING_RANK) ok = embed_normalise(out, v, e->info.length);
        for (uint32_t k = 0; e->info.pooling == MODEL_POOLING_RANK && k < e->info.length; k++) {
            out[k] = v[k];
            ok &= isfinite(v[k]);
        }
        if (!ok) return ERR_INVALID;
    }
    return 0;
}

static int compute(struct embedder *e, struct llama_batch batch)
{
    llama_memory_t memory = llama_get_memory(e->llama);
    int32_t threads = (int32_t)e->model->threads;
    llama_set_n_threads(e->llama, threads, threads);
    if (memory) llama_memory_clear(memory, false);
    int32_t rc = memory ? llama_decode(e->llama, batch) : llama_encode(e->llama, batch);
    return rc ? ERR_INVALID : 0;
}

int embed_run(struct embedder *e, const struct token_list *inputs, size_t count, float *out)
{
    int err = e->llama ? 0 : open_context(e);
    if (err) return err;
    struct llama_batch batch = llama_batch_init((int32_t)e->info.input_max, 0, 1);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t t = 0; t < inputs[i].count; t++) {
            int32_t at = batch.n_tokens++;
            batch.token[at] = inputs[i].tokens[t];
            batch.pos[at] = (llama_pos)t;
            batch.n_seq_id[at] = 1;
            batch.seq_id[at][0] = (llama_seq_id)i;
            batch.logits[at] = true;
        }
    }
    err = compute(e, batch);
    if (!err) err = take(e, count, out);
    llama_batch_free(batch);
    return err;
}
