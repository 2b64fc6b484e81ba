/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/dict.h"

#include <math.h>

#include "base/hash.h"

enum { INDEX_FROM = 9 };

/* --- equality --- */

static bool equal_within(struct run *r, const struct value *a, const struct value *b,
                         unsigned depth);

static bool lists_equal(struct run *r, const struct list *a, const struct list *b, unsigned depth)
{
    if (a == b) return true;
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (!equal_within(r, &a->items[i], &b->items[i], depth)) return false;
    return true;
}

static bool dicts_equal(struct run *r, const struct dict *a, const struct dict *b, unsigned depth)
{
    if (a == b) return true;
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct value *other;
        if (!dict_find(r, b, &a->entries[i].key, &other) || !other) return false;
        if (!equal_within(r, &a->entries[i].value, other, depth)) return false;
    }
    return true;
}

/* An integer beyond the reach of doubles must not be taken for its neighbour. */
static bool numbers_equal(const struct value *a, const struct value *b)
{
    int64_t i, j;
    double x, y;
    if (a->kind == KIND_BIG || b->kind == KIND_BIG)
        return a->kind == b->kind && str_eq(value_str(a), value_str(b));
    if (value_to_int(a, &i) && value_to_int(b, &j)) return i == j;
    if (!value_to_double(a, &x) || !value_to_double(b, &y) || x != y) return false;
    if (value_to_int(a, &i)) return fabs(y) < 0x1p63 && (int64_t)y == i;
    if (value_to_int(b, &i)) return fabs(x) < 0x1p63 && (int64_t)x == i;
    return true;
}

static bool ranges_equal(const struct range *a, const struct range *b)
{
    if (a->count != b->count) return false;
    if (a->count == 0) return true;
    return a->start == b->start && (a->count == 1 || a->step == b->step);
}

static bool equal_within(struct run *r, const struct value *a, const struct value *b,
                         unsigned depth)
{
    if (depth > VALUE_DEPTH_MAX || run_charge(r, 1)) return false;
    if (value_is_number(a) && value_is_number(b)) return numbers_equal(a, b);
    if (a->kind != b->kind) return false;
    switch ((enum kind)a->kind) {
    case KIND_MISSING:
    case KIND_UNDEFINED:
    case KIND_NONE: return true;
    case KIND_TEXT: return str_eq(value_str(a), value_str(b));
    case KIND_LIST:
    case KIND_TUPLE: return lists_equal(r, a->list, b->list, depth + 1);
    case KIND_VIEW:
        return a->list->name == b->list->name && lists_equal(r, a->list, b->list, depth + 1);
    case KIND_DICT: return dicts_equal(r, a->dict, b->dict, depth + 1);
    case KIND_RANGE: return ranges_equal(a->range, b->range);
    case KIND_METHOD:
        return a->bound->function == b->bound->function &&
               equal_within(r, &a->bound->self, &b->bound->self, depth + 1);
    default: return a->pointer == b->pointer;
    }
}

bool value_equal(struct run *r, const struct value *a, const struct value *b)
{
    return equal_within(r, a, b, 0);
}

/* --- hashing --- */

static bool hash_within(struct run *r, const struct value *v, unsigned depth, uint64_t *out);

static uint64_t hash_bits(uint64_t bits)
{
    return hash_keyed(str_n((const char *)&bits, sizeof bits));
}

static uint64_t hash_double(double real)
{
    uint64_t bits;
    if (fabs(real) < 0x1p63 && real == (double)(int64_t)real)
        return hash_bits((uint64_t)(int64_t)real);
    memcpy(&bits, &real, sizeof bits);
    return hash_bits(bits);
}

static bool hash_tuple(struct run *r, const struct list *list, unsigned depth, uint64_t *out)
{
    uint64_t sum = list->count, one;
    for (size_t i = 0; i < list->count; i++) {
        if (!hash_within(r, &list->items[i], depth, &one)) return false;
        sum = hash_bits(sum ^ one);
    }
    *out = sum;
    return true;
}

static bool hash_within(struct run *r, const struct value *v, unsigned depth, uint64_t *out)
{
    int64_t integer;
    if (depth > VALUE_DEPTH_MAX || run_charge(r, 1)) return false;
    switch ((enum kind)v->kind) {
    case KIND_LIST:
    case KIND_DICT:
    case KIND_VIEW:
    case KIND_SPACE: return false;
    case KIND_BIG:
    case KIND_TEXT: *out = hash_keyed(value_str(v)); return true;
    case KIND_FLOAT: *out = hash_double(v->real); return true;
    case KIND_TUPLE: return hash_tuple(r, v->list, depth + 1, out);
    case KIND_RANGE: *out = hash_bits(v->range->count); return true;
    case KIND_MISSING:
    case KIND_UNDEFINED:
    case KIND_NONE: *out = hash_bits(v->kind == KIND_NONE); return true;
    default: break;
    }
    if (value_to_int(v, &integer))
        *out = hash_bits((uint64_t)integer);
    else
        *out = hash_bits((uint64_t)(uintptr_t)v->pointer);
    return true;
}

/* --- dicts --- */

int dict_new(struct run *r, size_t room, struct value *out)
{
    struct dict *d;
    int err = run_alloc(r, 1, sizeof *d, &d);
    if (err) return err;
    *d = (struct dict){.cap = room};
    err = run_alloc(r, room, sizeof *d->entries, &d->entries);
    if (err) return err;
    *out = (struct value){.kind = KIND_DICT, .own = true, .dict = d};
    return 0;
}

/* The place in the index where the key is, or would be. */
static uint32_t *place_of(struct run *r, const struct dict *d, const struct value *key,
                          uint64_t hash)
{
    size_t mask = d->index_size - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        uint32_t number = d->index[i];
        if (!number || value_equal(r, &d->entries[number - 1].key, key)) return &d->index[i];
    }
}

static struct entry *find_indexed(struct run *r, const struct dict *d, const struct value *key,
                                  uint64_t hash)
{
    uint32_t number = *place_of(r, d, key, hash);
    return number ? &d->entries[number - 1] : NULL;
}

static struct entry *find_text(const struct dict *d, struct str key)
{
    for (size_t i = 0; i < d->count; i++) {
        struct entry *e = &d->entries[i];
        if (e->key.kind == KIND_TEXT && str_eq(value_str(&e->key), key)) return e;
    }
    return NULL;
}

static struct entry *find_any(struct run *r, const struct dict *d, const struct value *key)
{
    for (size_t i = 0; i < d->count; i++)
        if (value_equal(r, &d->entries[i].key, key)) return &d->entries[i];
    return NULL;
}

const struct value *dict_get(struct run *r, const struct dict *d, struct str key)
{
    struct entry *e;
    if (d->index) {
        struct value v = value_text(key, true);
        e = find_indexed(r, d, &v, hash_keyed(key));
    } else {
        e = find_text(d, key);
    }
    return e ? &e->value : NULL;
}

bool dict_find(struct run *r, const struct dict *d, const struct value *key,
               const struct value **out)
{
    uint64_t hash = 0;
    if (key->kind == KIND_TEXT) {
        *out = dict_get(r, d, value_str(key));
        return true;
    }
    if (!hash_within(r, key, 0, &hash)) return false;
    struct entry *e = d->index ? find_indexed(r, d, key, hash) : find_any(r, d, key);
    *out = e ? &e->value : NULL;
    return true;
}

/* The index with room for twice the entries. */
static int make_index(struct run *r, struct dict *d)
{
    size_t size = 32;
    while (size < d->cap * 2)
        size *= 2;
    int err = run_alloc(r, size, sizeof *d->index, &d->index);
    if (err) return err;
    memset(d->index, 0, size * sizeof *d->index);
    d->index_size = size;
    for (size_t i = 0; i < d->count; i++) {
        uint64_t hash = 0;
        hash_within(r, &d->entries[i].key, 0, &hash);
        *place_of(r, d, &d->entries[i].key, hash) = (uint32_t)i + 1;
    }
    return 0;
}

static int add(struct run *r, struct dict *d, const struct value *key, const struct value *v,
               uint64_t hash)
{
    int err = run_grow(r, &d->entries, d->count, &d->cap, sizeof *d->entries);
    if (err) return err;
    if (d->count >= UINT32_MAX - 1) return run_fail(r, ERR_TOO_LARGE, "too large a dict");
    d->entries[d->count++] = (struct entry){*key, *v};
    if (d->count < INDEX_FROM) return 0;
    if (d->index_size < d->count * 2) return make_index(r, d);
    *place_of(r, d, key, hash) = (uint32_t)d->count;
    return 0;
}

int dict_put(struct run *r, struct dict *d, const struct value *key, const struct value *v)
{
    uint64_t hash = 0;
    struct entry *e;
    if (key->kind == KIND_TEXT && !d->index) {
        e = find_text(d, value_str(key));
    } else {
        if (!hash_within(r, key, 0, &hash))
            return run_raise(r, "unhashable type: '%s'", value_type(key));
        e = d->index ? find_indexed(r, d, key, hash) : find_any(r, d, key);
    }
    if (!e) {
        if (key->kind == KIND_TEXT && d->index) hash = hash_keyed(value_str(key));
        return add(r, d, key, v, hash);
    }
    e->value = *v;
    return 0;
}
