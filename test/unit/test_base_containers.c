/* SPDX-License-Identifier: Apache-2.0 */
/* base: list, map and heap, each against a plain model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rand.h"

struct item {
    struct list link;
    struct heap_node node;
    int value;
};

static int values_of(struct list *l)
{
    int all = 0;
    LIST_EACH(l, it)
    all = all * 10 + LIST_ITEM(it, struct item, link)->value;
    return all;
}

static void lists(void **state)
{
    (void)state;
    struct list a;
    struct item items[4] = {{.value = 1}, {.value = 2}, {.value = 3}, {.value = 4}};
    list_init(&a);
    assert_true(list_empty(&a));
    assert_null(list_pop_front(&a));
    assert_false(list_linked(&items[0].link));
    list_remove(&items[0].link); /* zeroed: no harm */
    list_push_back(&a, &items[1].link);
    list_push_front(&a, &items[0].link);
    list_push_back(&a, &items[2].link);
    assert_int_equal(values_of(&a), 123);
    assert_true(list_linked(&items[1].link));
    list_push_back(&a, &items[3].link);
    assert_int_equal(values_of(&a), 1234);
    list_remove(&items[1].link);
    list_remove(&items[1].link);
    assert_false(list_linked(&items[1].link));
    assert_int_equal(values_of(&a), 134);
    assert_ptr_equal(list_pop_front(&a), &items[0].link);
    LIST_EACH_SAFE(&a, it, next)
    list_remove(it);
    assert_true(list_empty(&a));
}

enum { KEYS = 500 };

static void maps(void **state)
{
    (void)state;
    static char names[KEYS][16];
    static int present[KEYS];
    struct map m;
    struct rng rng;
    size_t count = 0;
    rng_seed(&rng, 5);
    map_init(&m);
    assert_null(map_get(&m, STR("x")));
    assert_null(map_remove(&m, STR("x")));
    for (int i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof names[i], "k%d", i);
    for (int step = 0; step < 50000; step++) {
        size_t i = (size_t)rng_below(&rng, KEYS);
        struct str key = str_of(names[i]);
        void *former = present[i] ? &present[i] : NULL;
        switch (rng_below(&rng, 3)) {
        case 0:
            assert_ptr_equal(map_put(&m, key, &present[i]), former);
            count += !present[i];
            present[i] = 1;
            break;
        case 1:
            assert_ptr_equal(map_remove(&m, key), former);
            count -= (size_t)present[i];
            present[i] = 0;
            break;
        default: assert_ptr_equal(map_get(&m, key), former);
        }
        assert_int_equal(m.count, count);
    }
    size_t pos = 0, seen = 0;
    struct str key;
    for (void *value; map_next(&m, &pos, &key, &value); seen++)
        assert_true(str_eq(key, str_of(names[(int *)value - present])));
    assert_int_equal(seen, count);
    map_fini(&m);
    map_fini(&m);
}

static void map_replaces_values(void **state)
{
    (void)state;
    struct map m;
    int a, b;
    map_init(&m);
    assert_null(map_put(&m, STR(""), &a)); /* an empty key is a key */
    assert_ptr_equal(map_put(&m, STR(""), &b), &a);
    assert_ptr_equal(map_get(&m, str_n("x", 0)), &b);
    assert_int_equal(m.count, 1);
    map_fini(&m);
}

static bool less(const struct heap_node *a, const struct heap_node *b)
{
    return CONTAINER_OF(a, const struct item, node)->value <
           CONTAINER_OF(b, const struct item, node)->value;
}

static int least_of(const struct item *items, size_t count)
{
    int least = INT32_MAX;
    for (size_t i = 0; i < count; i++)
        if (items[i].node.place) least = MIN(least, items[i].value);
    return least;
}

static void heaps(void **state)
{
    (void)state;
    enum { ITEMS = 64 };
    static struct item items[ITEMS];
    struct heap h;
    struct rng rng;
    rng_seed(&rng, 9);
    heap_init(&h, less);
    assert_null(heap_peek(&h));
    assert_null(heap_pop(&h));
    for (int step = 0; step < 20000; step++) {
        struct item *it = &items[rng_below(&rng, ITEMS)];
        switch (rng_below(&rng, 4)) {
        case 0:
            heap_remove(&h, &it->node);
            assert_int_equal(it->node.place, 0);
            break;
        case 1:
            it->value = (int)rng_below(&rng, 1000);
            heap_update(&h, &it->node);
            break;
        default:
            if (it->node.place) break;
            it->value = (int)rng_below(&rng, 1000);
            heap_push(&h, &it->node);
        }
        struct heap_node *top = heap_peek(&h);
        assert_int_equal(top ? CONTAINER_OF(top, struct item, node)->value : INT32_MAX,
                         least_of(items, ITEMS));
    }
    int last = -1;
    for (struct heap_node *n; (n = heap_pop(&h));) {
        int value = CONTAINER_OF(n, struct item, node)->value;
        assert_true(value >= last);
        last = value;
    }
    assert_int_equal(h.count, 0);
    heap_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(maps),
        cmocka_unit_test(map_replaces_values),
        cmocka_unit_test(heaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
