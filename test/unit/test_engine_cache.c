/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the prefix cache: the tree against a list of what everybody has, and the store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/rand.h"
#include "engine/cache/blocks.h"
#include "engine/cache/prefix_tree.h"
#include "engine/cache/states.h"
#include "engine/cache/store.h"
#include "engine/model/context.h"
#include "engine/model/model.h"

enum { OWNERS = 40, LONGEST = 24, ROUNDS = 20000 };

struct owner {
    struct prefix_entry entry;
    uint64_t salt;
    int32_t tokens[LONGEST];
    uint32_t count;
};

static uint32_t below(struct rng *r, uint32_t n)
{
    return (uint32_t)rng_below(r, n);
}

/* Few tokens, so that many begin alike. */
static void draw(struct rng *r, struct owner *o)
{
    o->salt = below(r, 3);
    o->count = below(r, LONGEST + 1);
    for (uint32_t i = 0; i < o->count; i++)
        o->tokens[i] = (int32_t)below(r, below(r, 8) ? 2 : 5);
}

static uint32_t shared(const struct owner *a, const struct owner *b)
{
    uint32_t n = 0;
    if (a->salt != b->salt) return 0;
    while (n < a->count && n < b->count && a->tokens[n] == b->tokens[n])
        n++;
    return n;
}

/* What a search for `wanted` finds is what looking at each owner does. */
static void check_find(const struct prefix_tree *t, const struct owner *all,
                       const struct owner *wanted)
{
    struct prefix_match m = prefix_find(t, wanted->salt, wanted->tokens, wanted->count);
    uint32_t longest = 0, having = 0, within = 0, found = 0;
    for (unsigned i = 0; i < OWNERS; i++) {
        longest = MAX(longest, shared(&all[i], wanted));
        assert_int_equal(prefix_shared(&m, &all[i].entry), shared(&all[i], wanted));
    }
    assert_int_equal(m.length, longest);
    for (unsigned i = 0; longest && i < OWNERS; i++) {
        having += shared(&all[i], wanted) == longest;
        within += all[i].count && shared(&all[i], wanted) == all[i].count;
    }
    for (struct prefix_entry *e = m.node ? prefix_next(&m, NULL) : NULL; e; found++) {
        assert_int_equal(shared(CONTAINER_OF(e, struct owner, entry), wanted), longest);
        e = prefix_next(&m, e);
    }
    assert_int_equal(found, having);
    found = 0;
    uint32_t before = UINT32_MAX;
    for (struct prefix_entry *e = m.node ? prefix_next_within(&m, NULL) : NULL; e; found++) {
        const struct owner *o = CONTAINER_OF(e, struct owner, entry);
        assert_int_equal(shared(o, wanted), o->count);
        assert_true(o->count <= before);
        before = o->count;
        e = prefix_next_within(&m, e);
    }
    assert_int_equal(found, within);
}

static void check_tokens(const struct owner *o)
{
    int32_t tokens[LONGEST];
    assert_int_equal(prefix_length(&o->entry), o->count);
    prefix_tokens(&o->entry, tokens);
    assert_memory_equal(tokens, o->tokens, o->count * sizeof *tokens);
}

static void a_tree_knows_what_each_has(void **state)
{
    (void)state;
    struct prefix_tree t;
    struct owner all[OWNERS] = {0}, wanted;
    struct rng r;
    rng_seed(&r, 1);
    prefix_tree_init(&t);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct owner *o = &all[below(&r, OWNERS)], *other = &all[below(&r, OWNERS)];
        unsigned what = below(&r, 8);
        if (what == 0) {
            prefix_take_out(&t, &o->entry);
            o->count = 0;
        } else if (what == 1 && other->count) {
            prefix_put_beside(&t, &o->entry, &other->entry);
            memcpy(o->tokens, other->tokens, sizeof o->tokens);
            o->count = other->count;
            o->salt = other->salt;
        } else {
            draw(&r, o);
            prefix_put(&t, &o->entry, o->salt, o->tokens, o->count);
        }
        check_tokens(o);
        draw(&r, &wanted);
        check_find(&t, all, &wanted);
        check_find(&t, all, other);
        assert_true(t.nodes <= 2 * OWNERS);
    }
    for (unsigned i = 0; i < OWNERS; i++)
        prefix_take_out(&t, &all[i].entry);
    assert_int_equal(t.nodes, 0);
    prefix_tree_fini(&t);
}

enum { MIB = 1 << 20, PIECES = 64 };

/* Pieces do not overlap, and all of the store is there again in the end. */
static void a_store_gives_each_its_own(void **state)
{
    (void)state;
    struct store s;
    struct store_piece *all[PIECES] = {0};
    struct rng r;
    rng_seed(&r, 2);
    store_init(&s, 16 * MIB);
    size_t used = 0;
    for (unsigned round = 0; round < 5000; round++) {
        unsigned i = below(&r, PIECES);
        if (all[i]) {
            assert_int_equal(*(unsigned char *)all[i]->at, i);
            assert_int_equal(((unsigned char *)all[i]->at)[all[i]->size - 1], i);
            used -= all[i]->size;
            store_give_back(&s, all[i]);
            all[i] = NULL;
        } else {
            size_t size = 1 + below(&r, MIB);
            bool fits = store_has_room(&s, size);
            all[i] = store_take(&s, size);
            assert_int_equal(all[i] != NULL, fits);
            if (!all[i]) continue;
            assert_true(all[i]->size >= size);
            memset(all[i]->at, (int)i, all[i]->size);
            used += all[i]->size;
        }
        assert_int_equal(s.used, used);
        if (below(&r, 4) == 0) store_make_ready(&s, MIB);
    }
    for (unsigned i = 0; i < PIECES; i++)
        if (all[i]) store_give_back(&s, all[i]);
    assert_int_equal(s.used, 0);
    struct store_piece *whole = store_take(&s, 16 * MIB);
    assert_non_null(whole);
    assert_null(store_take(&s, 1));
    store_give_back(&s, whole);
    store_fini(&s);
}

/* True when the kernel has given all pages of [0, size). */
static bool is_ready(const struct store *s, size_t size)
{
    static unsigned char there[16 * MIB / 4096];
    assert_int_equal(mincore(s->base, size, there), 0);
    for (size_t i = 0; i < size / 4096; i++)
        if (!(there[i] & 1)) return false;
    return true;
}

static void check_ready(const struct store *s, size_t size)
{
    for (int i = 0; i < 1000 && !is_ready(s, size); i++)
        usleep(10 * 1000);
    assert_true(is_ready(s, size));
}

static void memory_is_ready_before_it_is_wanted(void **state)
{
    (void)state;
    struct store s;
    store_init(&s, 8 * MIB);
    store_make_ready(&s, 2 * MIB);
    check_ready(&s, 2 * MIB);
    struct store_piece *p = store_take(&s, 4 * MIB);
    memset(p->at, 7, p->size);
    store_make_ready(&s, 2 * MIB);
    check_ready(&s, 6 * MIB);
    for (size_t i = 0; i < p->size; i++)
        assert_int_equal(((char *)p->at)[i], 7);
    store_make_ready(&s, 100 * MIB);
    check_ready(&s, 8 * MIB);
    store_give_back(&s, p);
    store_fini(&s);
    store_init(&s, 0);
    assert_false(store_has_room(&s, 1));
    assert_null(store_take(&s, 1));
    store_make_ready(&s, MIB);
    store_fini(&s);
}

/* --- states --- */

enum { UNIT = 64 << 10, UNIT_TOKENS = UNIT / 4, BATCH = 512 };

struct shelf {
    struct model *model;
    struct context *context;
    struct prefix_tree tree;
    struct cache_stats stats;
    struct states states;
};

static uint64_t no_time(void)
{
    return 0;
}

static void shelf_init(struct shelf *s, size_t units)
{
    const struct model_options options = {
        .path = "fake:mode echo", .context = 1 << 20, .slots = 1, .batch = BATCH};
    char why[MODEL_WHY_MAX];
    *s = (struct shelf){0};
    assert_int_equal(model_load(&options, &s->model, why), 0);
    s->context = model_context(s->model);
    prefix_tree_init(&s->tree);
    states_init(&s->states, s->context, &s->tree, &s->stats, units * UNIT, no_time);
}

static void shelf_fini(struct shelf *s)
{
    states_fini(&s->states);
    prefix_tree_fini(&s->tree);
    model_free(s->model);
}

/* One that begins as no other does; NULL: there was no room. */
static struct state *put(struct shelf *s, int32_t number, uint32_t tokens)
{
    struct prefix_entry entry = {0};
    struct context_item items[BATCH];
    int32_t *all = malloc(tokens * sizeof *all);
    assert_non_null(all);
    context_drop(s->context, 0);
    for (uint32_t at = 0; at < tokens;) {
        size_t n = 0;
        for (; n < BATCH && at < tokens; at++) {
            all[at] = at ? 'x' : number;
            items[n++] = (struct context_item){.token = all[at], .position = at};
        }
        assert_int_equal(context_decode(s->context, items, n, NULL), 0);
    }
    prefix_put(&s->tree, &entry, 0, all, tokens);
    struct state *state = states_save(&s->states, 0, &entry);
    prefix_take_out(&s->tree, &entry);
    free(all);
    return state;
}

static void nothing_goes_in_vain(void **state)
{
    (void)state;
    struct shelf s;
    struct state *all[8];
    shelf_init(&s, 8);
    for (int i = 0; i < 8; i++) {
        all[i] = put(&s, i, 20);
        assert_non_null(all[i]);
    }
    all[4]->pinned = true;
    assert_null(put(&s, 100, 6 * UNIT_TOKENS));
    assert_null(put(&s, 100, 9 * UNIT_TOKENS));
    assert_int_equal(metric_read(&s.stats.evictions), 0);
    assert_non_null(put(&s, 100, 4 * UNIT_TOKENS));
    assert_int_equal(metric_read(&s.stats.evictions), 4);
    all[4]->pinned = false;
    assert_non_null(put(&s, 101, 8 * UNIT_TOKENS));
    assert_int_equal(s.states.store.used, 8 * UNIT);
    shelf_fini(&s);
}

/* The order in which they were used last has nothing to do with where they lie. */
static void a_large_one_drives_out_its_neighbours_only(void **state)
{
    (void)state;
    enum { SMALL = 64, LARGE = 8 };
    struct shelf s;
    struct state *all[SMALL];
    shelf_init(&s, SMALL);
    for (int i = 0; i < SMALL; i++)
        all[i] = put(&s, i, 20);
    for (int i = 0; i < SMALL; i++)
        assert_true(states_restore(&s.states, all[i * 29 % SMALL], 0));
    assert_non_null(put(&s, 100, LARGE * UNIT_TOKENS));
    assert_int_equal(metric_read(&s.stats.evictions), LARGE);
    assert_int_equal(s.states.store.used, SMALL * UNIT);
    assert_non_null(put(&s, 101, 20));
    assert_int_equal(metric_read(&s.stats.evictions), LARGE + 1);
    shelf_fini(&s);
}

/* --- blocks --- */

/* FNV-1a of bytes, as its authors write it. */
static uint64_t fnv(uint64_t hash, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

static void blocks_are_chained(void **state)
{
    (void)state;
    const uint64_t basis = UINT64_C(14695981039346656037);
    int32_t tokens[2 * BLOCK_TOKENS + 5];
    uint64_t hashes[3] = {0}, other[3],
             expected = fnv(basis, (const unsigned char[]){7, 0, 0, 0, 0, 0, 0, 0}, 8);
    for (uint32_t i = 0; i < ARRAY_LEN(tokens); i++)
        tokens[i] = (int32_t)(i * 1000);
    blocks_hash(7, tokens, ARRAY_LEN(tokens), hashes);
    for (unsigned b = 0; b < 2; b++) {
        expected = fnv(basis, (const unsigned char *)&expected, 8);
        expected = fnv(expected, (const unsigned char *)(tokens + (size_t)b * BLOCK_TOKENS),
                       4 * BLOCK_TOKENS);
        assert_true(hashes[b] == expected);
    }
    assert_true(hashes[2] == 0); /* what is left has none */
    tokens[0]++;
    blocks_hash(7, tokens, 2 * BLOCK_TOKENS, other);
    assert_true(other[0] != hashes[0] && other[1] != hashes[1]);
    tokens[0]--;
    blocks_hash(8, tokens, 2 * BLOCK_TOKENS, other);
    assert_true(other[0] != hashes[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_knows_what_each_has),
        cmocka_unit_test(a_store_gives_each_its_own),
        cmocka_unit_test(nothing_goes_in_vain),
        cmocka_unit_test(a_large_one_drives_out_its_neighbours_only),
        cmocka_unit_test(blocks_are_chained),
        cmocka_unit_test(memory_is_ready_before_it_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
