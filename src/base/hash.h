/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing that is quick. Secrets are digested in policy/, not here. */
#ifndef HOSTLER_BASE_HASH_H
#define HOSTLER_BASE_HASH_H

#include "base/base.h"
#include "base/str.h"

/* SipHash-1-3 (Aumasson and Bernstein 2012, reduced rounds) under a key: safe
 * against chosen collisions. */
uint64_t hash_sip(struct str s, uint64_t k0, uint64_t k1);

/* hash_sip under a key drawn once per process. */
uint64_t hash_keyed(struct str s);

/* SipHash-2-4 of 128 bits: nobody without the key can make two texts of one tag, nor guess a text's
 * tag, so equal tags mean equal texts. Whoever has the key can do both. */
struct hash_tag {
    uint64_t half[2];
};
struct hash_tag hash_tag(struct str s, const uint64_t key[2]);

/* Takes a time that does not depend on the contents. */
static inline bool hash_tag_eq(struct hash_tag a, struct hash_tag b)
{
    return ((a.half[0] ^ b.half[0]) | (a.half[1] ^ b.half[1])) == 0;
}

/* FNV-1a, 64 bits: the same in every process; for names of our own choosing. */
uint64_t hash_fnv(struct str s);

#endif
