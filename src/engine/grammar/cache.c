/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/grammar/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "json/write.h"

struct kept {
    struct list link;
    struct terms *terms;
    size_t bytes;
    size_t key_len;
    char key[];
};

void grammar_cache_init(struct grammar_cache *c)
{
    *c = (struct grammar_cache){.count = 0};
    list_init(&c->kept);
}

static void forget(struct grammar_cache *c, struct kept *k)
{
    list_remove(&k->link);
    c->count--;
    c->bytes -= k->bytes;
    terms_free(k->terms);
    free(k);
}

void grammar_cache_fini(struct grammar_cache *c)
{
    while (c->count)
        forget(c, LIST_ITEM(c->kept.next, struct kept, link));
}

/* What it is compiled from, all of it, so that equal keys mean equal grammars. */
static int write_key(struct buf *out, const struct grammar_spec *spec)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_array(&w);
    for (; spec; spec = spec->otherwise) {
        json_write_i64(&w, (int64_t)spec->kind);
        json_write_str(&w, spec->text.ptr ? spec->text : STR(""));
        if (spec->json) json_write_json(&w, spec->json);
    }
    json_write_array_end(&w);
    return json_write_end(&w);
}

static struct kept *find(const struct grammar_cache *c, struct str key)
{
    LIST_EACH(&c->kept, it)
    {
        struct kept *k = LIST_ITEM(it, struct kept, link);
        if (str_eq(str_n(k->key, k->key_len), key)) return k;
    }
    return NULL;
}

static void push(struct grammar_cache *c, struct kept *k)
{
    list_push_front(&c->kept, &k->link);
    c->count++;
    c->bytes += k->bytes;
}

/* Keeps it, unless it alone is too large or there is no memory. */
static void keep(struct grammar_cache *c, struct str key, struct terms *terms)
{
    size_t bytes = sizeof(struct kept) + key.len + terms_bytes(terms);
    struct kept *k = bytes > GRAMMAR_CACHE_BYTES ? NULL : mem_try(sizeof *k + key.len);
    if (!k) return;
    *k = (struct kept){.terms = terms_share(terms), .bytes = bytes, .key_len = key.len};
    memcpy(k->key, key.ptr, key.len);
    while (c->count && (c->count == GRAMMAR_CACHE_COUNT || bytes > GRAMMAR_CACHE_BYTES - c->bytes))
        forget(c, LIST_ITEM(c->kept.prev, struct kept, link));
    push(c, k);
}

static int get(struct grammar_cache *c, const struct grammar_spec *spec, struct str key,
               struct grammar_why *why, struct terms **out)
{
    struct kept *k = find(c, key);
    if (k) {
        list_remove(&k->link);
        list_push_front(&c->kept, &k->link);
        *out = terms_share(k->terms);
        return 0;
    }
    int err = grammar_compile(spec, why, out);
    if (!err) keep(c, key, *out);
    return err;
}

int grammar_cache_get(struct grammar_cache *c, const struct grammar_spec *spec,
                      struct grammar_why *why, struct terms **out)
{
    struct buf key;
    buf_init(&key, GRAMMAR_CACHE_BYTES);
    int err = write_key(&key, spec);
    err = err ? grammar_compile(spec, why, out) : get(c, spec, buf_str(&key), why, out);
    buf_fini(&key);
    return err;
}
