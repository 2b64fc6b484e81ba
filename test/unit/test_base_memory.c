/* SPDX-License-Identifier: Apache-2.0 */
/* base: arena and buf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/rand.h"

static void allocations_are_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a;
    unsigned char *blocks[200];
    arena_init(&a, SIZE_MAX, 256);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
            blocks[i] = arena_alloc(&a, i * 7 % 600);
            assert_int_equal((uintptr_t)blocks[i] % 16, 0);
            memset(blocks[i], (int)i, i * 7 % 600);
        }
        for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
            for (size_t k = 0; k < i * 7 % 600; k++)
                assert_int_equal(blocks[i][k], i & 0xff);
        arena_reset(&a);
        assert_int_equal(arena_used(&a), 0);
    }
    const unsigned char *zeroed = arena_zalloc(&a, 100);
    for (size_t k = 0; k < 100; k++)
        assert_int_equal(zeroed[k], 0);
    arena_fini(&a);
}

static void the_cap_counts_for_try_only(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 992, 64);
    assert_non_null(arena_try(&a, 592));
    assert_null(arena_try(&a, 401));
    assert_null(arena_try(&a, SIZE_MAX));
    assert_non_null(arena_try(&a, 400));
    assert_null(arena_try(&a, 1));
    assert_non_null(arena_alloc(&a, 500));
    assert_null(arena_try(&a, 16));
    arena_reset(&a);
    assert_non_null(arena_try(&a, 992));
    arena_fini(&a);
    struct arena zeroed = {0};
    arena_fini(&zeroed);
}

static void what_was_handed_out_grows(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 100000, 64);
    char *one = arena_try_grow(&a, NULL, 0, 10);
    memcpy(one, "0123456789", 10);
    for (size_t size = 10; size < 50000; size *= 2) { /* alone: nothing is lost behind it */
        one = arena_try_grow(&a, one, size, 2 * size);
        assert_non_null(one);
        assert_true(arena_used(&a) < 2 * size + ARENA_ALIGN);
        one[2 * size - 1] = 'x';
    }
    assert_memory_equal(one, "0123456789", 10);
    assert_int_equal((uintptr_t)one % ARENA_ALIGN, 0);
    assert_null(arena_try_grow(&a, one, 81920, 100001));
    char *two = arena_try(&a, 1000);
    two[999] = 'y';
    char *moved = arena_try_grow(&a, one, 10, 20); /* behind another it moves */
    assert_true(moved != one && moved != two);
    assert_memory_equal(moved, "0123456789", 10);
    assert_int_equal(two[999], 'y');
    assert_null(arena_try_grow(&a, two, 1000, 90000));
    arena_reset(&a);
    assert_int_equal(arena_used(&a), 0);
    assert_non_null(arena_try(&a, 90000));
    arena_fini(&a);
}

static void copies_have_terminators(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, SIZE_MAX, 64);
    struct str copy = arena_dup(&a, STR("abc"));
    assert_int_equal(copy.len, 3);
    assert_string_equal(copy.ptr, "abc");
    assert_string_equal(arena_dup(&a, STR_NULL).ptr, "");
    struct str text = arena_printf(&a, "%s-%d %0300d", "x", 5, 0);
    assert_int_equal(text.len, 304);
    assert_int_equal(strlen(text.ptr), 304);
    assert_true(str_starts(text, STR("x-5 000")));
    arena_fini(&a);
}

static char order[8];

static void note(void *ptr)
{
    size_t n = strlen(order);
    order[n] = *(const char *)ptr;
    order[n + 1] = '\0';
}

static void cleanups_run_backwards_once(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 10, 64);
    for (const char *p = "abc"; *p; p++)
        arena_on_reset(&a, note, arena_dup(&a, str_n(p, 1)).ptr ? (void *)(uintptr_t)p : NULL);
    arena_reset(&a);
    assert_string_equal(order, "cba");
    arena_on_reset(&a, note, (void *)(uintptr_t)"d");
    arena_fini(&a);
    assert_string_equal(order, "cbad");
}

static void appending_and_consuming(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(buf_len(&b), 0);
    assert_int_equal(buf_append(&b, STR_NULL), 0);
    assert_int_equal(buf_append(&b, STR("hello ")), 0);
    assert_int_equal(buf_printf(&b, "%s %d", "world", 7), 0);
    assert_true(str_eq(buf_str(&b), STR("hello world 7")));
    buf_consume(&b, 6);
    assert_true(str_eq(buf_str(&b), STR("world 7")));
    buf_consume(&b, 7);
    assert_int_equal(buf_len(&b), 0);
    buf_clear(&b);
    buf_release(&b);
    assert_int_equal(buf_append(&b, STR("again")), 0);
    buf_fini(&b);
    struct buf zeroed = {0};
    buf_fini(&zeroed);
}

static void the_maximum_holds(void **state)
{
    (void)state;
    struct buf b;
    char *room;
    buf_init(&b, 10);
    assert_int_equal(buf_append(&b, STR("1234567890")), 0);
    assert_int_equal(buf_append(&b, STR("x")), ERR_TOO_LARGE);
    assert_int_equal(buf_printf(&b, "%d", 1), ERR_TOO_LARGE);
    assert_int_equal(buf_reserve(&b, SIZE_MAX, &room), ERR_TOO_LARGE);
    assert_true(str_eq(buf_str(&b), STR("1234567890")));
    buf_consume(&b, 4);
    assert_int_equal(buf_append(&b, STR("abcd")), 0);
    assert_true(str_eq(buf_str(&b), STR("567890abcd")));
    assert_int_equal(buf_append(&b, STR("x")), ERR_TOO_LARGE);
    buf_fini(&b);
}

static void pieces_are_appended_all_or_none(void **state)
{
    (void)state;
    const struct str pieces[] = {STR("12"), STR_NULL, STR(""), STR("345")};
    struct buf b;
    buf_init(&b, 8);
    assert_int_equal(buf_append_all(&b, pieces, 0), 0);
    assert_int_equal(buf_append_all(&b, pieces, 4), 0);
    assert_int_equal(buf_append_all(&b, pieces, 4), ERR_TOO_LARGE);
    assert_true(str_eq(buf_str(&b), STR("12345")));
    assert_int_equal(buf_append_all(&b, pieces + 1, 3), 0);
    assert_true(str_eq(buf_str(&b), STR("12345345")));
    buf_fini(&b);
}

static void long_prints(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10000);
    for (int width = 250; width < 270; width++) {
        buf_clear(&b);
        assert_int_equal(buf_printf(&b, "%0*d", width, 1), 0);
        assert_int_equal(buf_len(&b), width);
        assert_int_equal(buf_str(&b).ptr[width - 1], '1');
    }
    assert_int_equal(buf_printf(&b, "%20000d", 1), ERR_TOO_LARGE);
    struct buf exact; /* filled to its very end */
    buf_init(&exact, 300);
    assert_int_equal(buf_printf(&exact, "%0300d", 1), 0);
    assert_int_equal(buf_len(&exact), 300);
    buf_fini(&exact);
    buf_fini(&b);
}

/* Against a plain model: a queue of counted bytes. */
static void queue_of_bytes(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 3);
    struct buf b;
    buf_init(&b, 3000);
    unsigned char in = 0, out = 0;
    size_t len = 0;
    for (int i = 0; i < 20000; i++) {
        size_t n = (size_t)rng_below(&rng, 400);
        if (rng_below(&rng, 2)) {
            char *room;
            int err = buf_reserve(&b, n, &room);
            assert_int_equal(err, len + n > 3000 ? ERR_TOO_LARGE : 0);
            if (err) continue;
            for (size_t k = 0; k < n; k++)
                room[k] = (char)in++;
            buf_commit(&b, n);
            len += n;
        } else {
            n = MIN(n, len);
            for (size_t k = 0; k < n; k++)
                assert_int_equal((unsigned char)buf_str(&b).ptr[k], out++);
            buf_consume(&b, n);
            len -= n;
        }
        assert_int_equal(buf_len(&b), len);
    }
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(the_cap_counts_for_try_only),
        cmocka_unit_test(what_was_handed_out_grows),
        cmocka_unit_test(copies_have_terminators),
        cmocka_unit_test(cleanups_run_backwards_once),
        cmocka_unit_test(appending_and_consuming),
        cmocka_unit_test(the_maximum_holds),
        cmocka_unit_test(pieces_are_appended_all_or_none),
        cmocka_unit_test(long_prints),
        cmocka_unit_test(queue_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
