/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/keys.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rand.h"
#include "policy/digest.h"

enum { SALT_SIZE = 16, RECENT_MAX = 128, TENANT_DIGITS = 16 };

struct key {
    unsigned char digest[DIGEST_SIZE];
    struct str name;
    char tenant[TENANT_DIGITS + 1];
    unsigned label; /* place in key_labels */
    struct str *patterns;
    size_t pattern_count;
};

/* Owns everything it points to through its arena. */
struct keyring {
    _Atomic unsigned refs;
    struct arena arena;
    /* so that nobody can choose digests, nor learn from where a look-up ends */
    unsigned char salt[SALT_SIZE];
    uint64_t tag_key[2];
    struct key *keys;
    size_t count;
    uint32_t *slots; /* place in keys plus one, 0 free; a key's home is its digest's first bytes */
    size_t slot_mask;
};

/* What this thread found lately, each in the place that its tag gives. Of a keyring that is gone
 * the tags fit no text any more, so such a key is never touched. */
static _Thread_local struct {
    struct hash_tag tag;
    const struct key *key;
} recent[RECENT_MAX];

static struct str salt_of(const struct keyring *k)
{
    return str_n((const char *)k->salt, SALT_SIZE);
}

static size_t home_of(const struct keyring *k, const unsigned char d[DIGEST_SIZE])
{
    uint64_t first;
    memcpy(&first, d, sizeof first);
    return (size_t)first & k->slot_mask;
}

static const struct key *find_digest(const struct keyring *k, const unsigned char d[DIGEST_SIZE])
{
    for (size_t at = home_of(k, d); k->slots[at]; at = (at + 1) & k->slot_mask) {
        const struct key *key = &k->keys[k->slots[at] - 1];
        if (digest_eq(key->digest, d)) return key;
    }
    return NULL;
}

static void insert(struct keyring *k, size_t place)
{
    size_t at = home_of(k, k->keys[place].digest);
    while (k->slots[at])
        at = (at + 1) & k->slot_mask;
    k->slots[at] = (uint32_t)place + 1;
}

static void write_tenant(struct key *key)
{
    (void)snprintf(key->tenant, sizeof key->tenant, "%016llx",
                   (unsigned long long)hash_fnv(key->name));
}

static int add_key(struct keyring *k, struct digester *h, const struct conf_key *c)
{
    struct key *key = &k->keys[k->count];
    if (!digest_pair(h, salt_of(k), c->key, key->digest)) return ERR_WRONG_STATE;
    if (find_digest(k, key->digest)) return 0; /* given twice: the first one counts */
    key->name = arena_dup(&k->arena, c->name);
    write_tenant(key);
    key->label = KEY_LABEL_OTHER;
    key->patterns = arena_zalloc(&k->arena, (c->model_count + 1) * sizeof *key->patterns);
    key->pattern_count = c->model_count;
    for (size_t i = 0; i < c->model_count; i++)
        key->patterns[i] = arena_dup(&k->arena, c->models[i]);
    insert(k, k->count++);
    return 0;
}

static int fill(struct keyring *k, const struct conf *conf)
{
    size_t slots = 4;
    while (slots < conf->key_count * 2)
        slots *= 2;
    k->keys = arena_zalloc(&k->arena, (conf->key_count + 1) * sizeof *k->keys);
    k->slots = arena_zalloc(&k->arena, slots * sizeof *k->slots);
    k->slot_mask = slots - 1;
    rand_bytes(k->salt, sizeof k->salt);
    rand_bytes(k->tag_key, sizeof k->tag_key);

    struct digester *h = digester_new();
    int err = h ? 0 : ERR_WRONG_STATE;
    for (size_t i = 0; err == 0 && i < conf->key_count; i++)
        err = add_key(k, h, &conf->keys[i]);
    digester_free(h);
    return err;
}

int keyring_new(const struct conf *conf, struct keyring **out)
{
    struct keyring *k = mem_try_zero(1, sizeof *k);
    if (!k) return -ENOMEM;
    atomic_init(&k->refs, 1);
    arena_init(&k->arena, SIZE_MAX, 4096);
    int err = fill(k, conf);
    if (err) {
        keyring_unref(k);
        return err;
    }
    *out = k;
    return 0;
}

void keyring_label(struct keyring *k, struct key_labels *labels)
{
    for (size_t i = 0; i < k->count; i++)
        k->keys[i].label = key_labels_place(labels, k->keys[i].name);
}

struct keyring *keyring_ref(struct keyring *k)
{
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void keyring_unref(struct keyring *k)
{
    if (!k || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1) return;
    arena_fini(&k->arena);
    free(k);
}

bool keyring_required(const struct keyring *k)
{
    return k->count > 0;
}

static int find_slowly(const struct keyring *k, struct digester *h, struct str presented,
                       const struct key **out)
{
    unsigned char d[DIGEST_SIZE];
    if (!digest_pair(h, salt_of(k), presented, d)) return ERR_WRONG_STATE;
    *out = find_digest(k, d);
    return 0;
}

int keyring_find(const struct keyring *k, struct digester *h, struct str presented,
                 const struct key **out)
{
    const struct key *key = NULL;
    *out = NULL;
    if (k->count == 0 || presented.len == 0) return 0;
    struct hash_tag tag = hash_tag(presented, k->tag_key);
    size_t at = tag.half[0] % RECENT_MAX;
    if (recent[at].key && hash_tag_eq(recent[at].tag, tag)) {
        *out = recent[at].key;
        return 0;
    }
    int err = find_slowly(k, h, presented, &key);
    if (err || !key) return err;
    recent[at].tag = tag;
    recent[at].key = key;
    *out = key;
    return 0;
}

struct str key_name(const struct key *key)
{
    return key->name;
}

unsigned key_label(const struct key *key)
{
    return key ? key->label : KEY_LABEL_NONE;
}

struct str key_tenant(const struct key *key)
{
    return str_n(key->tenant, TENANT_DIGITS);
}

bool key_allows(const struct key *key, struct str model)
{
    if (!key) return true;
    for (size_t i = 0; i < key->pattern_count; i++) {
        if (str_matches(model, key->patterns[i])) return true;
    }
    return false;
}
