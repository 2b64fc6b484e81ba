/* SPDX-License-Identifier: Apache-2.0 */
/* When a loop counts as behind, and what it puts off then; the clock is moved by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/lag.h"

#define MS ((uint64_t)USEC_PER_MS)

struct clock {
    struct lag lag;
    uint64_t now;
};

static struct clock clock_new(uint64_t target_us)
{
    struct clock c = {.now = 1000 * MS};
    lag_set_target(&c.lag, target_us);
    return c;
}

/* A turn of so long after a sleep of so long. */
static void turn(struct clock *c, uint64_t slept_us, uint64_t us)
{
    c->now += slept_us;
    lag_event(&c->lag, c->now);
    c->now += us;
    lag_event(&c->lag, c->now);
    lag_sleep(&c->lag, c->now);
}

static void turns(struct clock *c, unsigned count, uint64_t us)
{
    while (count--)
        turn(c, 0, us);
}

/* How many of so many requests may be begun now. */
static unsigned begun(struct clock *c, unsigned count, bool urgent)
{
    unsigned sum = 0;
    while (count--)
        sum += lag_begin(&c->lag, urgent);
    return sum;
}

static struct clock clock_behind(void)
{
    struct clock c = clock_new(20 * MS);
    turns(&c, 4, 30 * MS);
    assert_true(c.lag.behind);
    return c;
}

static void short_turns_are_fine(void **state)
{
    (void)state;
    struct clock c = clock_new(20 * MS);
    turns(&c, 100, 19 * MS);
    assert_false(c.lag.behind);
    assert_int_equal(begun(&c, 10000, false), 10000);
    assert_false(lag_wait(&c.lag));
}

static void long_turns_alone_are_behind(void **state)
{
    (void)state;
    struct clock c = clock_new(20 * MS);
    turns(&c, 3, 30 * MS);
    assert_false(c.lag.behind); /* not for a whole interval yet */
    turns(&c, 1, 30 * MS);
    assert_true(c.lag.behind);
    assert_int_equal(metric_read(&c.lag.standing_us), 30 * MS);
}

/* As of a thread that was off its core now and then. */
static void one_short_turn_among_long_ones_tells_that_nothing_stands(void **state)
{
    (void)state;
    struct clock c = clock_new(20 * MS);
    for (int i = 0; i < 50; i++) {
        turns(&c, 3, 30 * MS);
        turns(&c, 1, 15 * MS);
    }
    assert_false(c.lag.behind);
}

static void a_single_turn_is_no_interval(void **state)
{
    (void)state;
    struct clock c = clock_new(20 * MS);
    turn(&c, 0, 900 * MS);
    assert_false(c.lag.behind);
    turn(&c, 0, 900 * MS);
    assert_true(c.lag.behind);
}

/* A long turn, a long sleep, and so on: there was time for everything. */
static void after_a_rest_all_begins_anew(void **state)
{
    (void)state;
    struct clock c = clock_new(20 * MS);
    for (int i = 0; i < 50; i++)
        turn(&c, 60 * MS, 90 * MS);
    assert_false(c.lag.behind);
}

static void a_turn_has_credits(void **state)
{
    (void)state;
    struct clock c = clock_behind();
    assert_int_equal(begun(&c, LAG_CREDIT / 2 + 4, false),
                     LAG_CREDIT / 2); /* the other half is for the urgent */
    assert_int_equal(begun(&c, LAG_CREDIT / 2, true), LAG_CREDIT / 2);
    assert_false(lag_wait(&c.lag));
    assert_int_equal(begun(&c, 1000, true), 0);
    assert_true(lag_wait(&c.lag));
    turns(&c, 1, 20 * MS);
    assert_false(lag_wait(&c.lag)); /* the next one has new ones */
}

/* So that refusing has its share of the time, and no more, also where each request costs much. */
static void a_long_turn_allows_more_refusals_after_it(void **state)
{
    (void)state;
    struct clock c = clock_behind();
    turns(&c, 20, 400 * MS);
    assert_int_equal(c.lag.credit, 1);
    assert_int_equal(c.lag.refuse, 20 * LAG_REFUSALS_MIN);
}

static void connections_are_accepted_where_credits_were_left(void **state)
{
    (void)state;
    struct clock c = clock_new(20 * MS);
    assert_int_equal(lag_accepts(&c.lag, 16), 16);
    c = clock_behind();
    assert_int_equal(lag_accepts(&c.lag, 16), LAG_ACCEPTS_MIN);
    begun(&c, 1000, true);
    turns(&c, 1, 20 * MS);
    assert_int_equal(lag_accepts(&c.lag, 16), LAG_ACCEPTS_MIN);
    begun(&c, LAG_CREDIT, true);
    turns(&c, 1, 20 * MS);
    assert_int_equal(lag_accepts(&c.lag, 16), 16);
}

static void long_turns_lessen_the_credits_and_short_ones_raise_them(void **state)
{
    (void)state;
    struct clock c = clock_behind();
    turns(&c, 1, 25 * MS);
    assert_int_equal(c.lag.credit, LAG_CREDIT * 20 / 25);
    turns(&c, 1, 400 * MS); /* not by more than a half at once */
    assert_int_equal(c.lag.credit, LAG_CREDIT * 20 / 25 / 2);
    turns(&c, 20, 400 * MS);
    assert_int_equal(c.lag.credit, 1);
    turns(&c, 1, 15 * MS); /* they were not needed */
    assert_int_equal(c.lag.credit, 1);
    assert_int_equal(begun(&c, 2, true), 1);
    turns(&c, 1, 15 * MS);
    assert_int_equal(c.lag.credit, 2);
    assert_in_range(c.lag.refuse, LAG_REFUSALS_MIN, LAG_REFUSALS_MIN);
}

static void the_first_easy_turn_in_which_nobody_was_turned_away_ends_it(void **state)
{
    (void)state;
    struct clock c = clock_behind();
    turns(&c, 1, 11 * MS);
    assert_true(c.lag.behind);
    begun(&c, 1000, true);
    turns(&c, 1, 10 * MS);
    assert_true(c.lag.behind); /* it was easy for that reason */
    turns(&c, 1, 10 * MS);
    assert_false(c.lag.behind);
    turns(&c, 8, 30 * MS);
    assert_true(c.lag.behind); /* and it may come back */
}

static void without_a_target_nothing_is_put_off(void **state)
{
    (void)state;
    struct clock c = clock_new(0);
    turns(&c, 10, 500 * MS);
    assert_false(c.lag.behind);
    assert_int_equal(metric_read(&c.lag.standing_us), 500 * MS); /* but told */
    c = clock_new(20 * MS);
    turns(&c, 10, 500 * MS);
    assert_true(c.lag.behind);
    lag_set_target(&c.lag, 0);
    assert_false(c.lag.behind);
}

static void sleeping_again_is_no_turn(void **state)
{
    (void)state;
    struct clock c = clock_new(20 * MS);
    turns(&c, 3, 30 * MS);
    lag_sleep(&c.lag, c.now + 5);
    lag_sleep(&c.lag, c.now + 10);
    turns(&c, 1, 30 * MS);
    assert_true(c.lag.behind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_turns_are_fine),
        cmocka_unit_test(long_turns_alone_are_behind),
        cmocka_unit_test(one_short_turn_among_long_ones_tells_that_nothing_stands),
        cmocka_unit_test(a_single_turn_is_no_interval),
        cmocka_unit_test(after_a_rest_all_begins_anew),
        cmocka_unit_test(a_turn_has_credits),
        cmocka_unit_test(a_long_turn_allows_more_refusals_after_it),
        cmocka_unit_test(connections_are_accepted_where_credits_were_left),
        cmocka_unit_test(long_turns_lessen_the_credits_and_short_ones_raise_them),
        cmocka_unit_test(the_first_easy_turn_in_which_nobody_was_turned_away_ends_it),
        cmocka_unit_test(without_a_target_nothing_is_put_off),
        cmocka_unit_test(sleeping_again_is_no_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
