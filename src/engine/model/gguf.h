/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that a file is a whole GGUF file before anybody computes with it: structure, counts,
 * tensor extents.
 *
 * A model file is untrusted and may be cut off by a broken download; this gives the clear message
 * that the library behind it does not. Specification:
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md */
#ifndef HOSTLER_ENGINE_MODEL_GGUF_H
#define HOSTLER_ENGINE_MODEL_GGUF_H

#include "base/base.h"
#include "base/str.h"

enum { GGUF_WHY_MAX = 256 };

/* What a file has that its metadata need not tell. */
struct gguf_facts {
    bool has_head; /* tensors that classify texts, or rank them */
};

/* `file`: what there is of it; `size`: how long it is, at least file.len. 0, or ERR_INVALID or
 * ERR_UNSUPPORTED and the reason. Header, metadata and tensor table must lie within `file`. */
MUST_CHECK int gguf_check(struct str file, uint64_t size, struct gguf_facts *facts,
                          char why[GGUF_WHY_MAX]);

/* The same for a file on disk; also the errno of opening it. */
MUST_CHECK int gguf_check_file(const char *path, struct gguf_facts *facts, char why[GGUF_WHY_MAX]);

#endif
