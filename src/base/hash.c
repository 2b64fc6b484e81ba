/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <pthread.h>
#include <string.h>

#include "base/rand.h"

static uint64_t rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word, unsigned rounds)
{
    v[3] ^= word;
    for (unsigned i = 0; i < rounds; i++)
        sip_round(v);
    v[0] ^= word;
}

static inline void sip_key(uint64_t v[4], uint64_t k0, uint64_t k1)
{
    v[0] = k0 ^ 0x736f6d6570736575;
    v[1] = k1 ^ 0x646f72616e646f6d;
    v[2] = k0 ^ 0x6c7967656e657261;
    v[3] = k1 ^ 0x7465646279746573;
}

/* Takes in the text, with so many rounds for each eight bytes. */
static inline void sip_text(uint64_t v[4], struct str s, unsigned rounds)
{
    size_t left = s.len;
    const char *p = s.ptr;
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        sip_word(v, word, rounds);
    }
    uint64_t last = (uint64_t)s.len << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)(unsigned char)p[i] << (8 * i);
    sip_word(v, last, rounds);
}

/* The next eight bytes of the result. */
static inline uint64_t sip_result(uint64_t v[4], unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_sip(struct str s, uint64_t k0, uint64_t k1)
{
    uint64_t v[4];
    sip_key(v, k0, k1);
    sip_text(v, s, 1);
    v[2] ^= 0xff;
    return sip_result(v, 3);
}

struct hash_tag hash_tag(struct str s, const uint64_t key[2])
{
    uint64_t v[4];
    struct hash_tag tag;
    sip_key(v, key[0], key[1]);
    v[1] ^= 0xee;
    sip_text(v, s, 2);
    v[2] ^= 0xee;
    tag.half[0] = sip_result(v, 4);
    v[1] ^= 0xdd;
    tag.half[1] = sip_result(v, 4);
    return tag;
}

static uint64_t process_key[2];
static pthread_once_t process_key_once = PTHREAD_ONCE_INIT;

static void draw_process_key(void)
{
    rand_bytes(process_key, sizeof process_key);
}

uint64_t hash_keyed(struct str s)
{
    pthread_once(&process_key_once, draw_process_key);
    return hash_sip(s, process_key[0], process_key[1]);
}

uint64_t hash_fnv(struct str s)
{
    uint64_t h = 0xcbf29ce484222325;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.ptr[i]) * 0x100000001b3;
    return h;
}
