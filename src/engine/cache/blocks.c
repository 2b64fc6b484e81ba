/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cache/blocks.h"

#include "base/hash.h"

static char *put(char *out, uint64_t n, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (char)(n >> (8 * i));
    return out + bytes;
}

void blocks_hash(uint64_t salt, const int32_t *tokens, uint32_t count, uint64_t *out)
{
    char text[8 + 4 * BLOCK_TOKENS];
    (void)put(text, salt, 8);
    uint64_t hash = hash_fnv(str_n(text, 8));
    for (uint32_t b = 0; b < count / BLOCK_TOKENS; b++) {
        char *at = put(text, hash, 8);
        for (uint32_t i = 0; i < BLOCK_TOKENS; i++)
            at = put(at, (uint32_t)tokens[b * BLOCK_TOKENS + i], 4);
        out[b] = hash = hash_fnv(str_n(text, sizeof text));
    }
}
