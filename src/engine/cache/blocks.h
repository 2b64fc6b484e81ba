/* SPDX-License-Identifier: Apache-2.0 */
/* Names of beginnings, by which somebody who routes requests can tell where one has been computed.
 *
 * A text's tokens are cut into blocks of BLOCK_TOKENS; what is left at the end has no name. A block's
 * hash is FNV-1a (64 bits) of the hash before it, 8 bytes, and its tokens, 4 bytes each, all little
 * endian; the first one's stands behind that of the salt's 8 bytes. So equal hashes mean equal
 * texts up to there, under one salt and of one vocabulary. */
#ifndef HOSTLER_ENGINE_CACHE_BLOCKS_H
#define HOSTLER_ENGINE_CACHE_BLOCKS_H

#include "base/base.h"

enum { BLOCK_TOKENS = 64 };

/* Writes count / BLOCK_TOKENS hashes. */
void blocks_hash(uint64_t salt, const int32_t *tokens, uint32_t count, uint64_t *out);

#endif
