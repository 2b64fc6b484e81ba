/* SPDX-License-Identifier: Apache-2.0 */
/* The load generator's histogram. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rand.h"
#include "cmd/latency.h"

static struct latency l;

static int reset(void **state)
{
    (void)state;
    l = (struct latency){0};
    return 0;
}

static void empty_is_zero(void **state)
{
    (void)state;
    assert_int_equal(latency_at(&l, 0.5), 0);
    assert_true(latency_mean(&l) == 0);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t us = 0; us < 128; us++)
        latency_record(&l, us);
    assert_int_equal(latency_at(&l, 0), 0);
    assert_int_equal(latency_at(&l, 0.5), 63);
    assert_int_equal(latency_at(&l, 1), 127);
    assert_int_equal(l.count, 128);
    assert_int_equal(l.min_us, 0);
    assert_int_equal(l.max_us, 127);
}

static void one_value_is_every_quantile(void **state)
{
    (void)state;
    latency_record(&l, 123456789);
    assert_int_equal(latency_at(&l, 0.001), 123456789);
    assert_int_equal(latency_at(&l, 0.5), 123456789);
    assert_int_equal(latency_at(&l, 1), 123456789);
}

/* Each value's bucket ends at or above it, and at most 1/128 above. */
static void error_is_bounded(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    for (int i = 0; i < 100000; i++) {
        uint64_t us = rng_next(&rng) >> (24 + rng_below(&rng, 40));
        l = (struct latency){0};
        latency_record(&l, us);
        latency_record(&l, UINT64_MAX >> 24);
        uint64_t at = latency_at(&l, 0.5);
        assert_true(at >= us);
        assert_true((double)(at - us) <= (double)us / 128);
    }
}

static void powers_of_two_and_neighbours(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 40; bit++) {
        for (int d = -1; d <= 1; d++) {
            uint64_t us = (UINT64_C(1) << bit) + (uint64_t)(int64_t)d;
            l = (struct latency){0};
            latency_record(&l, us);
            latency_record(&l, UINT64_MAX >> 24);
            uint64_t at = latency_at(&l, 0.5);
            assert_true(at >= us && at - us <= us / 128);
        }
    }
}

static void beyond_the_range_is_kept_as_greatest(void **state)
{
    (void)state;
    latency_record(&l, UINT64_MAX / 2);
    latency_record(&l, 5);
    assert_int_equal(latency_at(&l, 0.5), 5);
    assert_int_equal(l.max_us, UINT64_MAX / 2);
}

static void quantiles_of_a_known_distribution(void **state)
{
    (void)state;
    for (uint64_t us = 1; us <= 100000; us++)
        latency_record(&l, us);
    const double qs[] = {0.5, 0.9, 0.99, 0.999};
    for (size_t i = 0; i < 4; i++) {
        double want = qs[i] * 100000;
        double got = (double)latency_at(&l, qs[i]);
        assert_true(got >= want && got <= want * 129 / 128 + 1);
    }
    assert_true(latency_mean(&l) > 50000 && latency_mean(&l) < 50001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(empty_is_zero, reset),
        cmocka_unit_test_setup(small_values_are_exact, reset),
        cmocka_unit_test_setup(one_value_is_every_quantile, reset),
        cmocka_unit_test_setup(error_is_bounded, reset),
        cmocka_unit_test_setup(powers_of_two_and_neighbours, reset),
        cmocka_unit_test_setup(beyond_the_range_is_kept_as_greatest, reset),
        cmocka_unit_test_setup(quantiles_of_a_known_distribution, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
