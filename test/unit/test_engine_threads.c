/* SPDX-License-Identifier: Apache-2.0 */
/* The thread controller against a machine whose speeds are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "engine/threads.h"

/* Microseconds of a step on a machine with so many free cores: one thread too many waits for the
 * scheduler's slice. */
static uint64_t step_us(unsigned threads, unsigned free_cores)
{
    unsigned noise = (unsigned)rand() % 200;
    if (threads <= free_cores) return 10000 / threads + noise;
    return 10000 / threads + 20000 + noise;
}

/* Steps; the share of them that ran on `expected` threads in the last half. */
static double settle(struct threads *t, unsigned steps, unsigned free_cores, unsigned expected)
{
    unsigned right = 0;
    for (unsigned i = 0; i < steps; i++) {
        unsigned n = threads_pick(t);
        if (i >= steps / 2) right += n == expected;
        threads_note(t, 1, 1, step_us(n, free_cores));
    }
    return (double)right / (steps - steps / 2);
}

static void fixed_stays_fixed(void **state)
{
    (void)state;
    struct threads t;
    threads_init(&t, 3, 8);
    assert_true(settle(&t, 1000, 1, 3) == 1.0);
}

static void an_idle_machine_keeps_all(void **state)
{
    (void)state;
    struct threads t;
    srand(1);
    threads_init(&t, 0, 2);
    assert_true(settle(&t, 2000, 2, 2) > 0.95);
    threads_init(&t, 0, 8);
    assert_true(settle(&t, 4000, 8, 8) > 0.9);
}

static void a_busy_core_costs_a_thread_and_comes_back(void **state)
{
    (void)state;
    struct threads t;
    srand(2);
    threads_init(&t, 0, 2);
    assert_true(settle(&t, 1000, 2, 2) > 0.9);
    assert_true(settle(&t, 1000, 1, 1) > 0.9);
    assert_true(settle(&t, 6000, 2, 2) > 0.9);
}

static void many_cores_are_walked_down(void **state)
{
    (void)state;
    struct threads t;
    srand(3);
    threads_init(&t, 0, 8);
    assert_true(settle(&t, 8000, 3, 3) > 0.85);
}

static void changing_work_is_not_compared(void **state)
{
    (void)state;
    struct threads t;
    srand(4);
    threads_init(&t, 0, 2);
    for (unsigned i = 0; i < 3000; i++) {
        /* Every step is of other work, so no trial can end. */
        threads_note(&t, i, 1, 1000 + (uint64_t)(rand() % 20000));
    }
    assert_int_equal(t.choices[t.now], 2);
}

/* Slices of long prompts take seconds beside a busy core: there must not be
 * a dozen of them on trial. */
static void a_far_better_rival_wins_early(void **state)
{
    (void)state;
    struct threads t;
    unsigned steps = 0;
    srand(5);
    threads_init(&t, 0, 2);
    while (t.choices[t.now] == 2 && steps++ < 100)
        threads_note(&t, 1, 1, threads_pick(&t) == 2 ? 4000000 : 1000000);
    assert_in_range(steps, 1, 8);
}

static void following_ends_a_trial(void **state)
{
    (void)state;
    struct threads decode, prefill;
    threads_init(&decode, 0, 2);
    threads_init(&prefill, 0, 2);
    threads_note(&prefill, 1, 1, 1000000);
    threads_note(&prefill, 1, 1, 1000000);
    assert_true(prefill.trying);
    for (unsigned i = 0; i < 100 && !decode.won; i++) {
        threads_note(&decode, 1, 1, threads_pick(&decode) == 2 ? 400000 : 100000);
        threads_follow(&prefill, &decode);
    }
    assert_true(decode.won && !prefill.trying);
    assert_int_equal(threads_pick(&decode), 1);
    assert_int_equal(threads_pick(&prefill), 1);
}

/* A long prompt comes in slices of which the last is short. */
static void other_work_between_does_not_end_a_trial(void **state)
{
    (void)state;
    struct threads t;
    threads_init(&t, 0, 2);
    for (unsigned i = 0; i < 30; i++)
        threads_note(&t, i % 3, 1, threads_pick(&t) == 2 ? 4000000 : 1000000);
    assert_int_equal(t.choices[t.now], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_stays_fixed),
        cmocka_unit_test(an_idle_machine_keeps_all),
        cmocka_unit_test(a_busy_core_costs_a_thread_and_comes_back),
        cmocka_unit_test(many_cores_are_walked_down),
        cmocka_unit_test(changing_work_is_not_compared),
        cmocka_unit_test(a_far_better_rival_wins_early),
        cmocka_unit_test(following_ends_a_trial),
        cmocka_unit_test(other_work_between_does_not_end_a_trial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
