/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes of decodes against machines whose times are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "engine/model/block.h"

/* Milliseconds of a decode of 1 to 8 rows, as they were measured: weights of a type whose kernels
 * take four rows at once, and of one where each row costs its share. */
static const double by_fours[] = {0, 16.9, 30.6, 43.5, 28.6, 43.3, 55.8, 66, 52.1};
static const double by_ones[] = {0, 6.8, 11.8, 14.2, 16.8, 19.4, 21.9, 24.7, 27.5};

/* What a machine's decodes have taken, and how many of them had more rows than they needed. */
struct tally {
    double ms;
    unsigned padded;
};

static double noisy(double ms)
{
    return ms * (1 + (double)(rand() % 101 - 50) / 1000);
}

static double time_of(const double *machine, const uint32_t *runs, size_t count)
{
    double ms = 0;
    for (size_t i = 0; i < count; i++)
        ms += machine[runs[i]];
    return noisy(ms);
}

static struct tally decode(struct rows *r, const double *machine, const uint32_t *runs,
                           size_t count, uint32_t block, unsigned times)
{
    struct tally all = {0};
    for (unsigned i = 0; i < times; i++) {
        bool pads = rows_pads(r, runs, count, block);
        double ms = pads ? noisy(machine[block]) : time_of(machine, runs, count);
        if (pads || count == 1) rows_note(r, 2, pads ? block : runs[0], (uint64_t)(ms * 1000));
        all.padded += pads;
        all.ms += ms;
    }
    return all;
}

/* Decodes without choices, so that a size is known. */
static void learn(struct rows *r, const double *machine, uint32_t rows)
{
    for (unsigned i = 0; i < 5; i++)
        rows_note(r, 2, rows, (uint64_t)(machine[rows] * 1000));
}

static void three_rows_become_four_where_that_is_faster(void **state)
{
    (void)state;
    const uint32_t runs[] = {3};
    struct rows r;
    srand(1);
    rows_init(&r);
    struct tally t = decode(&r, by_fours, runs, 1, 4, 1000);
    assert_true(t.padded > 950);
    assert_true(t.ms < 1000 * by_fours[4] * 1.03);
}

static void nothing_is_padded_where_rows_cost_their_share(void **state)
{
    (void)state;
    srand(2);
    for (uint32_t n = 2; n < 8; n++) {
        struct rows r;
        uint32_t block = (n + 3) / 4 * 4;
        if (n == block) continue;
        rows_init(&r);
        struct tally t = decode(&r, by_ones, &n, 1, block, 1000);
        assert_true(t.padded > 0);
        assert_true(t.padded < 50);
        assert_true(t.ms < 1000 * by_ones[n] * 1.02);
    }
}

static void runs_that_lie_apart_are_joined_where_that_is_faster(void **state)
{
    (void)state;
    const uint32_t apart[] = {2, 1, 2}, pair[] = {1, 1};
    struct rows r;
    srand(3);
    rows_init(&r);
    assert_false(rows_pads(&r, apart, 3, 8)); /* nothing is known of their parts */
    learn(&r, by_fours, 1);
    learn(&r, by_fours, 2);
    assert_true(decode(&r, by_fours, apart, 3, 8, 500).padded > 490);
    assert_true(decode(&r, by_fours, pair, 2, 4, 500).padded > 490);
    rows_init(&r);
    learn(&r, by_ones, 1);
    learn(&r, by_ones, 2);
    assert_true(decode(&r, by_ones, pair, 2, 4, 500).padded < 40);
}

static void what_has_become_faster_is_found_again(void **state)
{
    (void)state;
    const uint32_t runs[] = {3};
    double other[ARRAY_LEN(by_fours)];
    struct rows r;
    srand(4);
    rows_init(&r);
    assert_true(decode(&r, by_fours, runs, 1, 4, 300).padded > 280);
    assert_true(decode(&r, by_ones, runs, 1, 4, 1500).padded < 700);
    assert_true(decode(&r, by_ones, runs, 1, 4, 1000).padded < 50);
    for (size_t i = 0; i < ARRAY_LEN(other); i++)
        other[i] = by_fours[i] / 4;
    assert_true(decode(&r, other, runs, 1, 4, 5000).padded > 500);
    assert_true(decode(&r, other, runs, 1, 4, 1000).padded > 950);
}

/* What slows all sizes alike must not make the one look better that was not measured since. */
static void a_slower_machine_changes_no_choice(void **state)
{
    (void)state;
    const uint32_t runs[] = {2};
    double slow[ARRAY_LEN(by_ones)];
    struct rows r;
    srand(7);
    for (size_t i = 0; i < ARRAY_LEN(slow); i++)
        slow[i] = by_ones[i] * 2;
    rows_init(&r);
    decode(&r, by_ones, runs, 1, 4, 100);
    assert_true(decode(&r, slow, runs, 1, 4, 60).padded <= 4);
    assert_true(decode(&r, by_ones, runs, 1, 4, 60).padded <= 4);
}

static void a_disturbed_decode_changes_little(void **state)
{
    (void)state;
    const uint32_t runs[] = {3};
    struct rows r;
    srand(5);
    rows_init(&r);
    decode(&r, by_fours, runs, 1, 4, 100);
    rows_note(&r, 2, 4, 10 * 1000 * 1000);
    assert_true(decode(&r, by_fours, runs, 1, 4, 200).padded > 180);
}

/* A trial of other threads is one of a few decodes; those that stay have times of their own. */
static void other_threads_have_other_times(void **state)
{
    (void)state;
    const uint32_t runs[] = {3};
    struct rows r;
    srand(6);
    rows_init(&r);
    decode(&r, by_fours, runs, 1, 4, 100);
    for (unsigned i = 0; i < 100; i++)
        rows_note(&r, 1, 4, 90 * 1000);
    assert_true(rows_pads(&r, runs, 1, 4));
    for (unsigned i = 0; i < 200; i++)
        rows_note(&r, 1, 4, 90 * 1000);
    assert_false(rows_pads(&r, runs, 1, 4));
}

/* --- blocks --- */

/* One bit for each sequence. */
static bool is_set(const void *mask, uint32_t sequence, uint32_t deepest)
{
    assert_int_equal(deepest, 7);
    return *(const unsigned *)mask >> sequence & 1;
}

/* The block of eight sequences' rows for those of `items`, with padding in those of `may` at most;
 * as text, "FIRST+COUNT", or "none". */
static const char *block_of(unsigned items, unsigned may)
{
    static char text[32];
    struct context_item all[8];
    struct block b;
    size_t n = 0;
    const struct block_room room = {8, is_set, &may};
    for (uint32_t s = 0; s < 8; s++) {
        if (items >> s & 1) all[n++] = (struct context_item){.sequence = s, .position = 7};
    }
    if (!block_find(&room, all, n, &b)) return "none";
    (void)snprintf(text, sizeof text, "%u+%u", b.first, b.count);
    return text;
}

static void a_block_is_filled_up_from_its_neighbours(void **state)
{
    (void)state;
    assert_string_equal(block_of(0x07, 0xff), "0+4");
    assert_string_equal(block_of(0xe0, 0xff), "4+4"); /* there is nothing behind them */
    assert_string_equal(block_of(0x38, 0xff), "3+4");
    assert_string_equal(block_of(0x38, 0x07), "2+4"); /* the one behind may not */
    assert_string_equal(block_of(0x38, 0x00), "none");
    assert_string_equal(block_of(0x0f, 0xff), "none"); /* as it should be already */
    assert_string_equal(block_of(0x1f, 0xff), "0+8");
    assert_string_equal(block_of(0x10, 0xff), "none"); /* one alone has kernels of its own */
}

static void a_block_has_no_gaps(void **state)
{
    (void)state;
    assert_string_equal(block_of(0x05, 0xff), "0+4");
    assert_string_equal(block_of(0x05, 0x02), "0+3"); /* no other number can be had */
    assert_string_equal(block_of(0x05, 0xfd), "none");
    assert_string_equal(block_of(0x81, 0xff), "0+8");
    assert_string_equal(block_of(0x17, 0xff), "0+8");
    assert_string_equal(block_of(0x17, 0x08), "0+5");
}

static void runs_are_items_side_by_side(void **state)
{
    (void)state;
    struct context_item items[ROWS_MAX + 1] = {
        {.sequence = 1}, {.sequence = 2}, {.sequence = 4}, {.sequence = 6}, {.sequence = 7}};
    uint32_t runs[ROWS_MAX];
    assert_int_equal(block_runs(items, 5, runs), 3);
    assert_int_equal(runs[0], 2);
    assert_int_equal(runs[1], 1);
    assert_int_equal(runs[2], 2);
    assert_int_equal(block_runs(items, 1, runs), 1);
    items[1].sequence = 1; /* two tokens of one: a prompt */
    assert_int_equal(block_runs(items, 5, runs), 0);
    for (uint32_t i = 0; i <= ROWS_MAX; i++)
        items[i].sequence = i;
    assert_int_equal(block_runs(items, ROWS_MAX, runs), 1);
    assert_int_equal(block_runs(items, ROWS_MAX + 1, runs), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_rows_become_four_where_that_is_faster),
        cmocka_unit_test(nothing_is_padded_where_rows_cost_their_share),
        cmocka_unit_test(runs_that_lie_apart_are_joined_where_that_is_faster),
        cmocka_unit_test(what_has_become_faster_is_found_again),
        cmocka_unit_test(a_slower_machine_changes_no_choice),
        cmocka_unit_test(a_disturbed_decode_changes_little),
        cmocka_unit_test(other_threads_have_other_times),
        cmocka_unit_test(a_block_is_filled_up_from_its_neighbours),
        cmocka_unit_test(a_block_has_no_gaps),
        cmocka_unit_test(runs_are_items_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
