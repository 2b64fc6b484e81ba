/* SPDX-License-Identifier: Apache-2.0 */
/* Moving to large pages: what is in memory, and nothing else. Whether the kernel moves it is its
 * own affair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>

#include "engine/model/large_pages.h"

enum { PIECE = 2 << 20, PIECES = 4, ROOM = (PIECES + 1) * PIECE };

static unsigned char resident(char *at)
{
    unsigned char page;
    assert_int_equal(mincore(at, 4096, &page), 0);
    return page & 1;
}

static void only_what_is_in_memory_is_moved(void **state)
{
    (void)state;
    char *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(room != MAP_FAILED);
    char *first = room + (PIECE - (uintptr_t)room % PIECE) % PIECE;
    struct large_pages p = {.areas = {{(uintptr_t)first, (uintptr_t)first + PIECES * PIECE}},
                            .count = 1};
    assert_int_equal(madvise(room, ROOM, MADV_NOHUGEPAGE), 0);
    memset(first, 1, PIECE);
    memset(first + 2 * PIECE, 3, PIECE);
    first[3 * PIECE] = 4; /* a page of the last one */
    assert_true(large_pages_step(&p));
    assert_true(large_pages_step(&p));
    assert_false(large_pages_step(&p));
    assert_false(large_pages_step(&p));
    assert_false(resident(first + PIECE));
    assert_false(resident(first + 4 * PIECE - 4096));
    assert_int_equal(first[PIECE - 1], 1);
    assert_int_equal(first[3 * PIECE - 1], 3);
    assert_int_equal(first[3 * PIECE], 4);
    munmap(room, ROOM);
}

static void what_is_gone_is_passed_by(void **state)
{
    (void)state;
    char *room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(room != MAP_FAILED);
    uintptr_t first = ((uintptr_t)room + PIECE - 1) / PIECE * PIECE;
    struct large_pages p = {.areas = {{first, first + PIECES * PIECE}}, .count = 1};
    munmap(room, ROOM);
    assert_false(large_pages_step(&p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_in_memory_is_moved),
        cmocka_unit_test(what_is_gone_is_passed_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
