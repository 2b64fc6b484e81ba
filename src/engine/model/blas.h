/* SPDX-License-Identifier: Apache-2.0 */
/* A BLAS library for long prompts, where ggml's BLAS back end is installed.
 *
 * It turns a weight matrix into plain floats once per product and multiplies those, which is much
 * faster than ggml's own kernels for hundreds of tokens and slower for a few dozen: how much
 * depends on the library, the processor and the type of the weights. So it is timed on a matrix
 * like the model's own, before the model is loaded, and let go when it does not pay. */
#ifndef HOSTLER_ENGINE_MODEL_BLAS_H
#define HOSTLER_ENGINE_MODEL_BLAS_H

#include "base/base.h"

/* ggml takes it for every batch of so many tokens (min_batch in ggml-blas.cpp),
 * whether that pays or not. */
enum { BLAS_TOKENS_LEAST = 32 };
#define BLAS_NEVER UINT32_MAX

struct blas {
    bool used;           /* it is registered, so that libllama will use it */
    uint32_t from;       /* tokens of a batch from which it is faster, or BLAS_NEVER */
    uint32_t from_alone; /* the same with one thread */
    /* Sets the library's own threads, which ggml's setting does not bind. */
    void (*set_threads)(int count);
};

/* Times ggml's BLAS and CPU back ends, which must be registered, on matrices like the largest one
 * of a layer in the GGUF file at `path`, with `threads` threads and with one. Unregisters the BLAS
 * back end when it does not win, is not `wanted`, or cannot be judged: no such matrix, a library
 * whose threads cannot be set; and where most of the layers are kept in a form of the CPU back end's
 * own, which BLAS cannot read. Takes some 0.1 s. The thread that will compute. */
struct blas blas_choose(const char *path, unsigned threads, bool wanted);

/* Tokens of a batch from which it is faster with so many threads. */
uint32_t blas_from(const struct blas *b, unsigned threads);

/* How many threads the library uses from now on; only while `used`. */
void blas_set_threads(const struct blas *b, unsigned threads);

#endif
