/* SPDX-License-Identifier: Apache-2.0 */
/* context.h on libllama. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/model/block.h"
#include "engine/model/llama_priv.h"
#include "obs/log.h"

enum {
    UBATCH_MAX = 512,
    PAD_DEPTH = 256, /* tokens by which libllama's attention grows */
};

struct context {
    struct model *model;
    struct context_info info;
    struct llama_context *llama;
    llama_memory_t memory;
    /* The arrays of one batch, info.batch long. */
    llama_token *tokens;
    llama_pos *positions;
    int32_t *seq_counts;
    llama_seq_id *seqs;
    llama_seq_id **seq_ptrs;
    int8_t *wants;
    size_t *places; /* of the last decode's items in the batch */
    struct rows rows;
    /* When a batch was decoded in pieces: where the last one begins, and the logits before it. */
    size_t last_piece;
    float *kept;
    const struct context_stop *stop; /* of the decode in progress; NULL: it goes on to its end */
};

/* --- making one --- */

static size_t kv_row_bytes(enum model_kv kv, uint64_t elements)
{
    switch (kv) {
    case MODEL_KV_F32: return elements * 4;
    case MODEL_KV_Q8_0: return elements / 32 * 34;
    case MODEL_KV_F16: break;
    }
    return elements * 2;
}

uint64_t llama__sequence_bytes(const struct model *m, uint32_t length)
{
    uint64_t heads = (uint64_t)MAX(llama_model_n_head(m->llama), 1);
    uint64_t head = (uint64_t)llama_model_n_embd(m->llama) / heads;
    uint64_t kv_heads = (uint64_t)MAX(llama_model_n_head_kv(m->llama), 1);
    uint64_t k = llama__meta_number(m, "attention.key_length", head) * kv_heads;
    uint64_t v = llama__meta_number(m, "attention.value_length", head) * kv_heads;
    uint64_t layers = (uint64_t)llama_model_n_layer(m->llama);
    return (kv_row_bytes(m->options.kv, k) + kv_row_bytes(m->options.kv, v)) * layers * length;
}

static enum ggml_type kv_type(enum model_kv kv)
{
    static const enum ggml_type types[] = {GGML_TYPE_F16, GGML_TYPE_F32, GGML_TYPE_Q8_0};
    return types[kv];
}

/* ggml asks between two operations, on the thread that called llama_decode. */
static bool stop_asked(void *data)
{
    const struct context *c = data;
    return c->stop && c->stop->asked(c->stop->user);
}

static void make_arrays(struct context *c)
{
    size_t n = c->info.batch;
    c->tokens = llama__must(calloc(n, sizeof *c->tokens));
    c->positions = llama__must(calloc(n, sizeof *c->positions));
    c->seq_counts = llama__must(calloc(n, sizeof *c->seq_counts));
    c->seqs = llama__must(calloc(n, sizeof *c->seqs));
    c->seq_ptrs = llama__must(calloc(n, sizeof *c->seq_ptrs));
    c->wants = llama__must(calloc(n, sizeof *c->wants));
    c->places = llama__must(calloc(n, sizeof *c->places));
    for (size_t i = 0; i < n; i++) {
        c->seq_counts[i] = 1;
        c->seq_ptrs[i] = &c->seqs[i];
    }
    /* Its pages come with their use. */
    if (c->model->blas.used)
        c->kept = llama__must(malloc((size_t)c->info.sequences * c->info.vocab * sizeof *c->kept));
}

static struct llama_context_params params_for(const struct context *c)
{
    const struct model *m = c->model;
    struct llama_context_params p = llama_context_default_params();
    p.n_ctx = c->info.length * c->info.sequences;
    p.n_batch = c->info.batch;
    p.n_ubatch = MIN(c->info.batch, (uint32_t)UBATCH_MAX);
    p.n_seq_max = c->info.sequences;
    p.n_outputs_max = c->info.sequences;
    p.n_threads = p.n_threads_batch = (int32_t)m->threads;
    p.type_k = p.type_v = kv_type(m->options.kv);
    p.kv_unified = false;
    p.no_perf = true;
    return p;
}

int llama__context_new(struct model *m, uint32_t length, struct context **out)
{
    struct context *c = llama__must(calloc(1, sizeof *c));
    uint32_t blas = m->blas.used ? blas_from(&m->blas, m->threads) : BLAS_NEVER;
    c->model = m;
    c->info = (struct context_info){
        .length = length,
        .sequences = m->options.slots,
        .batch = MAX(m->options.batch, m->options.slots),
        .blas_from = blas == BLAS_NEVER ? 0 : blas,
        .forks = !m->recurrent,
        .trims = !m->recurrent,
        .vocab = vocab_info(m->vocab)->count,
    };
    c->llama = llama_init_from_model(m->llama, params_for(c));
    c->memory = c->llama ? llama_get_memory(c->llama) : NULL;
    if (!c->memory) {
        int err = c->llama ? ERR_UNSUPPORTED : -ENOMEM;
        llama__context_free(c);
        return err;
    }
    llama_set_abort_callback(c->llama, stop_asked, c);
    c->info.length = MIN(c->info.length, llama_n_ctx_seq(c->llama));
    c->info.sequence_bytes = llama__sequence_bytes(m, c->info.length);
    make_arrays(c);
    rows_init(&c->rows);
    *out = c;
    return 0;
}

void llama__context_free(struct context *c)
{
    if (!c) return;
    if (c->llama) llama_free(c->llama);
    free(c->tokens);
    free(c->positions);
    free(c->seq_counts);
    free(c->seqs);
    free(c->seq_ptrs);
    free(c->wants);
    free(c->places);
    free(c->kept);
    free(c);
}

const struct context_info *context_info(const struct context *c)
{
    return &c->info;
}

void llama__context_set_threads(struct context *c, unsigned threads)
{
    llama_set_n_threads(c->llama, (int32_t)threads, (int32_t)threads);
}

int llama__context_warm_up(struct context *c)
{
    llama_token bos = llama_vocab_bos(llama_model_get_vocab(c->model->llama));
    const struct context_item item = {.token = MAX(bos, 0), .logits = true};
    bool any = false;
    if (llama_model_has_encoder(c->model->llama)) return 0;
    if (context_decode(c, &item, 1, NULL)) return ERR_INVALID;
    const float *logits = context_logits(c, 0);
    for (uint32_t i = 0; logits && i < c->info.vocab; i++)
        any |= isfinite(logits[i]);
    llama_memory_clear(c->memory, false);
    return any ? 0 : ERR_INVALID;
}

/* --- decoding --- */

/* What llama_decode returns. */
enum { DECODE_FULL = 1, DECODE_ABORTED = 2 };

static int decode_piece(struct context *c, size_t first, size_t count)
{
    const struct llama_batch batch = {
        .n_tokens = (int32_t)count,
        .token = c->tokens + first,
        .pos = c->positions + first,
        .n_seq_id = c->seq_counts + first,
        .seq_id = c->seq_ptrs + first,
        .logits = c->wants + first,
    };
    int32_t rc = llama_decode(c->llama, batch);
    if (rc == 0) return 0;
    if (rc == DECODE_ABORTED) return ERR_CANCELLED;
    log_note(LOG_ERROR, "llama_decode", "returned %d for %zu tokens", rc, count);
    return rc == DECODE_FULL ? ERR_FULL : ERR_INVALID;
}

/* Keeps a piece's logits, since the next decode overwrites libllama's. Returns how many are kept
 * then. */
static size_t keep_logits(struct context *c, size_t first, size_t count, size_t kept)
{
    for (size_t i = 0; i < count; i++) {
        if (!c->wants[first + i]) continue;
        memcpy(c->kept + kept++ * c->info.vocab, llama_get_logits_ith(c->llama, (int32_t)i),
               c->info.vocab * sizeof *c->kept);
    }
    return kept;
}

/* In how many equal pieces a batch is decoded, so that each stays below what BLAS takes. More than
 * one where that is faster, and where BLAS would turn the output matrix into plain floats for many
 * logits: gigabytes in models with large vocabularies. */
static size_t pieces_of(const struct context *c, size_t count, size_t wanted)
{
    size_t most = BLAS_TOKENS_LEAST - 1;
    bool split = count < blas_from(&c->model->blas, c->model->threads) || wanted > most;
    return c->model->blas.used && count > most && split ? (count + most - 1) / most : 1;
}

static void set_row(struct context *c, size_t row, const struct context_item *item)
{
    c->tokens[row] = item->token;
    c->positions[row] = (llama_pos)item->position;
    c->seqs[row] = (llama_seq_id)item->sequence;
    c->wants[row] = item->logits;
}

static int decode_pieces(struct context *c, size_t count, size_t pieces)
{
    size_t kept = 0;
    for (size_t p = 0; p < pieces; p++) {
        size_t first = p * count / pieces, n = (p + 1) * count / pieces - first;
        int err = decode_piece(c, first, n);
        if (err) return err;
        if (p + 1 < pieces) kept = keep_logits(c, first, n, kept);
    }
    return 0;
}

static int decode_plainly(struct context *c, const struct context_item *items, size_t count)
{
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        set_row(c, i, &items[i]);
        c->places[i] = i;
        wanted += items[i].logits;
    }
    size_t pieces = pieces_of(c, count, wanted);
    c->last_piece = (pieces - 1) * count / pieces;
    return decode_pieces(c, count, pieces);
}

/* --- decoding with rows that nobody wants --- */

static uint32_t length_of(const struct context *c, uint32_t sequence)
{
    return (uint32_t)(llama_memory_seq_pos_max(c->memory, (llama_seq_id)sequence) + 1);
}

/* There must be room behind it. Nor may it be much deeper than the others, or its row would cost more
 * than theirs. */
static bool may_pad(const void *user, uint32_t sequence, uint32_t deepest)
{
    const struct context *c = user;
    uint32_t length = length_of(c, sequence);
    return length < c->info.length && length <= deepest + PAD_DEPTH;
}

/* What sequences have that are nobody's in this decode, they have without the row of it. */
static void take_padding_out(struct context *c, struct block b, const bool padding[ROWS_MAX])
{
    for (uint32_t row = 0; row < b.count; row++) {
        if (padding[row]) (void)llama_memory_seq_rm(c->memory, c->seqs[row], c->positions[row], -1);
    }
}

static int decode_block(struct context *c, const struct context_item *items, size_t count,
                        struct block b)
{
    bool padding[ROWS_MAX] = {false};
    size_t at = 0;
    for (uint32_t row = 0; row < b.count; row++) {
        uint32_t sequence = b.first + row;
        if (at < count && items[at].sequence == sequence) {
            set_row(c, row, &items[at]);
            c->places[at++] = row;
        } else {
            const struct context_item item = {items[0].token, sequence, length_of(c, sequence),
                                              false};
            set_row(c, row, &item);
            padding[row] = true;
        }
    }
    c->last_piece = 0;
    int err = decode_piece(c, 0, b.count);
    take_padding_out(c, b, padding);
    return err;
}

/* True where the items had better be decoded as a block, which it fills in. */
static bool takes_block(struct context *c, const struct context_item *items, size_t count,
                        const uint32_t *runs, size_t run_count, struct block *out)
{
    const struct block_room room = {c->info.sequences, may_pad, c};
    return run_count && c->info.forks && block_find(&room, items, count, out) &&
           rows_pads(&c->rows, runs, run_count, out->count);
}

int context_decode(struct context *c, const struct context_item *items, size_t count,
                   const struct context_stop *stop)
{
    uint32_t runs[ROWS_MAX];
    size_t run_count = block_runs(items, count, runs);
    struct block block = {0, (uint32_t)count};
    bool pads = takes_block(c, items, count, runs, run_count, &block);
    uint64_t started = clock_mono_us();
    c->stop = stop;
    int err = pads ? decode_block(c, items, count, block) : decode_plainly(c, items, count);
    c->stop = NULL;
    if (!err && (pads || run_count == 1))
        rows_note(&c->rows, c->model->threads, pads ? block.count : runs[0],
                  clock_mono_us() - started);
    return err;
}

float *context_logits(struct context *c, size_t index)
{
    size_t row = 0;
    if (index >= c->last_piece)
        return llama_get_logits_ith(c->llama, (int32_t)(c->places[index] - c->last_piece));
    for (size_t i = 0; i < index; i++)
        row += c->wants[i] != 0;
    return c->kept + row * c->info.vocab;
}

bool context_trim(struct context *c, uint32_t sequence, uint32_t length)
{
    if (llama_memory_seq_rm(c->memory, (llama_seq_id)sequence, (llama_pos)length, -1)) return true;
    (void)llama_memory_seq_rm(c->memory, (llama_seq_id)sequence, -1, -1);
    return length == 0;
}

void context_drop(struct context *c, uint32_t sequence)
{
    (void)llama_memory_seq_rm(c->memory, (llama_seq_id)sequence, -1, -1);
}

size_t context_state_size(struct context *c, uint32_t sequence)
{
    return llama_state_seq_get_size(c->llama, (llama_seq_id)sequence);
}

bool context_save(struct context *c, uint32_t sequence, void *out, size_t size)
{
    return llama_state_seq_get_data(c->llama, out, size, (llama_seq_id)sequence) == size;
}

bool context_restore(struct context *c, uint32_t sequence, const void *state, size_t size)
{
    context_drop(c, sequence);
    if (llama_state_seq_set_data(c->llama, state, size, (llama_seq_id)sequence) == size)
        return true;
    context_drop(c, sequence);
    return false;
}

/* The whole sequence is copied: libllama ends the process at a partial copy between the streams of
 * a split cache. */
bool context_fork(struct context *c, uint32_t from, uint32_t to)
{
    if (!c->info.forks) return false;
    (void)llama_memory_seq_rm(c->memory, (llama_seq_id)to, -1, -1);
    llama_memory_seq_cp(c->memory, (llama_seq_id)from, (llama_seq_id)to, -1, -1);
    return true;
}
