/* SPDX-License-Identifier: Apache-2.0 */
/* Non-cryptographic hashing. Secrets are digested in policy/, not here. */
#ifndef HOSTLER_BASE_HASH_H
#define HOSTLER_BASE_HASH_H

#include "base/base.h"
#include "base/str.h"

/* SipHash-1-3 (Aumasson and Bernstein 2012, reduced rounds) under a key: safe
 * against chosen collisions. */
uint64_t hash_sip(struct str s, uint64_t k0, uint64_t k1);

/* hash_sip under a key drawn once per process. */
uint64_t hash_keyed(struct str s);

/* FNV-1a, 64 bits: the same in every process; for names of our own choosing. */
uint64_t hash_fnv(struct str s);

#endif
