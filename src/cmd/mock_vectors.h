/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that the mock runtime makes of texts: embeddings and scores. They depend on the texts
 * alone. Any thread. */
#ifndef HOSTLER_CMD_MOCK_VECTORS_H
#define HOSTLER_CMD_MOCK_VECTORS_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"
#include "json/write.h"

enum { MOCK_DIMENSIONS_MAX = 4096 };

/* The embeddings of `input` (a string, strings, or token ids), of length 1, as OpenAI has them.
 * ERR_TYPE: it is none of these. */
MUST_CHECK int mock_embeddings(struct arena *arena, struct str input, struct str model,
                               unsigned dimensions, bool base64, uint32_t prompt_tokens,
                               struct buf *out);

/* The same numbers as an array of arrays, or the first one's array alone. The same error, and then
 * nothing is written. */
MUST_CHECK int mock_vectors_write(struct arena *arena, struct str input, unsigned dimensions,
                                  bool first, struct json_writer *w);

/* 0 to 1. */
double mock_score(struct str query, struct str text);

#endif
