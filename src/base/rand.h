/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers: from the kernel for secrets and ids, a fast seeded generator for choices. */
#ifndef HOSTLER_BASE_RAND_H
#define HOSTLER_BASE_RAND_H

#include "base/base.h"

/* Fills with bytes from getrandom(2); aborts when the kernel has none. Any thread. */
void rand_bytes(void *out, size_t len);

/* As many hexadecimal digits as fill `size` bytes with the NUL after them, each
 * of four bits of rand_bytes. Any thread. */
void rand_hex(char *out, size_t size);

/* xoshiro256** (Blackman and Vigna 2018). One owner; the same seed gives the same sequence. */
struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed); /* expands by splitmix64 */
void rng_seed_random(struct rng *r);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* uniform in [0, n), n > 0 */
double rng_unit(struct rng *r);                /* uniform in [0, 1) */

#endif
