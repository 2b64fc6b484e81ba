/* SPDX-License-Identifier: Apache-2.0 */
/* Embeddings, as runtimes give them, as events of the pivot. */
#ifndef HOSTLER_DIALECT_OPENAI_VECTORS_H
#define HOSTLER_DIALECT_OPENAI_VECTORS_H

#include "dialect/pivot.h"

/* One ANSWER_VECTOR for each text, in their order: lists of numbers as they stand, and those made
 * of base64, which some runtimes give whatever they were asked for. */
extern const struct answer_source_ops openai_vectors_source;

#endif
