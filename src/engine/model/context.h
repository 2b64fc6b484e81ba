/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding for several sequences at once, and the cache of their keys and values.
 *
 * A sequence is a row of tokens, from position 0 on; there are as many as context_info says, each
 * with room for `length` tokens. Empty ones cost nothing. The compute thread. */
#ifndef HOSTLER_ENGINE_MODEL_CONTEXT_H
#define HOSTLER_ENGINE_MODEL_CONTEXT_H

#include "base/base.h"

struct context;

struct context_info {
    uint32_t length; /* tokens of one sequence, prompt and answer together */
    uint32_t sequences;
    uint32_t batch;          /* items of one decode */
    uint32_t blas_from;      /* tokens of a batch from which a BLAS library computes; 0: never */
    uint64_t sequence_bytes; /* one sequence's part of the cache: what forking it moves */
    bool forks;              /* context_fork works */
    bool trims;     /* context_trim keeps any part of a sequence, not all or nothing only */
    uint32_t vocab; /* numbers of a row of logits */
};

const struct context_info *context_info(const struct context *c);

/* A token that is appended to a sequence. Items of one sequence are in order of their position,
 * which begins where the sequence ends. */
struct context_item {
    int32_t token;
    uint32_t sequence;
    uint32_t position;
    bool logits; /* the next token's logits are wanted: at most of one item per sequence */
};

/* Asked again and again during a decode, on the thread that decodes: true ends it. */
struct context_stop {
    bool (*asked)(void *user);
    void *user;
};

/* Decodes up to `batch` items, unless `stop` (NULL: nobody) ends it: ERR_CANCELLED. Some of the
 * items may have been appended then, so trim their sequences. After any other failure nothing is
 * known of the sequences in `items`: drop them. */
MUST_CHECK int context_decode(struct context *c, const struct context_item *items, size_t count,
                              const struct context_stop *stop);

/* The logits after items[index] of the last decode: `vocab` numbers, the caller's to overwrite
 * until the next one. */
float *context_logits(struct context *c, size_t index);

/* Keeps the first `length` tokens of a sequence. False when the model cannot forget part of a
 * sequence: it is then empty. */
bool context_trim(struct context *c, uint32_t sequence, uint32_t length);

/* Empties a sequence. */
void context_drop(struct context *c, uint32_t sequence);

/* Bytes that a sequence's state has outside of the cache. */
size_t context_state_size(struct context *c, uint32_t sequence);

/* Copies a sequence's state out of the cache, as it stands. False: it does not fit, or the model
 * cannot. */
bool context_save(struct context *c, uint32_t sequence, void *out, size_t size);

/* Makes a sequence (whatever it held) what was saved. False: it is then empty. */
bool context_restore(struct context *c, uint32_t sequence, const void *state, size_t size);

/* Makes `to` (whatever it held) a copy of the whole of `from`. False when the model cannot. */
bool context_fork(struct context *c, uint32_t from, uint32_t to);

#endif
