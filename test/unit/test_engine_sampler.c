/* SPDX-License-Identifier: Apache-2.0 */
/* How tokens are chosen: greedy, cuts, penalties, seeds, log probabilities. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "engine/sampler.h"

enum { VOCAB = 200 };

static const struct sampler_params plain = {.temperature = 1, .top_p = 1, .repeat_penalty = 1};

/* A row whose probabilities fall by a factor e per token: token t has logit -t, shuffled by a
 * stride. */
static void fill(float row[VOCAB])
{
    for (int i = 0; i < VOCAB; i++)
        row[i * 7 % VOCAB] = (float)-i;
}

static int32_t ranked(int rank)
{
    return rank * 7 % VOCAB;
}

struct fixture {
    struct sampler sampler;
    struct sampler_scratch scratch;
    struct masker *masks;
};

static void begin(struct fixture *f, struct sampler_params params)
{
    f->masks = NULL;
    sampler_scratch_init(&f->scratch, VOCAB);
    sampler_init(&f->sampler, &params, VOCAB, NULL, 0);
}

static void end(struct fixture *f)
{
    mask_free(f->masks);
    sampler_fini(&f->sampler);
    sampler_scratch_fini(&f->scratch);
}

static int32_t next(struct fixture *f)
{
    float row[VOCAB];
    struct sampler_choice c;
    fill(row);
    assert_int_equal(sampler_next(&f->sampler, &f->scratch, row, f->masks, &c), 0);
    return c.token;
}

/* How often each of the ranks comes in many draws. */
static void count(struct sampler_params params, unsigned draws, unsigned counts[VOCAB])
{
    struct fixture f;
    memset(counts, 0, VOCAB * sizeof *counts);
    begin(&f, params);
    for (unsigned i = 0; i < draws; i++) {
        int32_t t = next(&f);
        for (int r = 0; r < VOCAB; r++)
            counts[r] += ranked(r) == t;
    }
    end(&f);
}

static void greedy_takes_the_likeliest(void **state)
{
    (void)state;
    struct fixture f;
    struct sampler_params p = plain;
    p.temperature = 0;
    begin(&f, p);
    assert_int_equal(next(&f), ranked(0));
    end(&f);
    p.temperature = 1;
    p.top_k = 1;
    begin(&f, p);
    for (int i = 0; i < 20; i++)
        assert_int_equal(next(&f), ranked(0));
    end(&f);
}

static void greedy_takes_the_lower_of_equals_and_ignores_nan(void **state)
{
    (void)state;
    struct fixture f;
    struct sampler_choice c;
    float row[VOCAB];
    struct sampler_params p = plain;
    p.temperature = 0;
    begin(&f, p);
    for (int i = 0; i < VOCAB; i++)
        row[i] = i % 3 ? NAN : 1;
    row[0] = NAN;
    assert_int_equal(sampler_next(&f.sampler, &f.scratch, row, f.masks, &c), 0);
    assert_int_equal(c.token, 3);
    for (int i = 0; i < VOCAB; i++)
        row[i] = NAN;
    assert_int_equal(sampler_next(&f.sampler, &f.scratch, row, f.masks, &c), ERR_INVALID);
    end(&f);
}

static void same_seed_same_tokens(void **state)
{
    (void)state;
    struct fixture a, b, c;
    struct sampler_params p = plain;
    unsigned differing = 0;
    p.seed = 7;
    begin(&a, p);
    begin(&b, p);
    p.seed = 8;
    begin(&c, p);
    for (int i = 0; i < 200; i++) {
        int32_t t = next(&a);
        assert_int_equal(t, next(&b));
        differing += t != next(&c);
    }
    assert_true(differing > 20);
    end(&a);
    end(&b);
    end(&c);
}

/* Shares within five standard deviations of what the logits say. */
static void assert_shares(const unsigned counts[VOCAB], unsigned draws, int ranks, double falloff)
{
    double total = 0, p = 1;
    for (int r = 0; r < ranks; r++, p *= falloff)
        total += p;
    p = 1;
    for (int r = 0; r < ranks && p / total * draws > 20; r++, p *= falloff) {
        double share = p / total, deviation = sqrt(share * (1 - share) * draws);
        assert_true(fabs(counts[r] - share * draws) < 5 * deviation + 1);
    }
    for (int r = ranks; r < VOCAB; r++)
        assert_int_equal(counts[r], 0);
}

static void draws_follow_the_probabilities(void **state)
{
    (void)state;
    unsigned counts[VOCAB];
    struct sampler_params p = plain;
    count(p, 20000, counts);
    assert_shares(counts, 20000, VOCAB, exp(-1));
    p.temperature = 2;
    count(p, 20000, counts);
    assert_shares(counts, 20000, VOCAB, exp(-0.5));
    p.top_k = 3;
    count(p, 20000, counts);
    assert_shares(counts, 20000, 3, exp(-0.5));
    p.top_k = 100;
    count(p, 20000, counts);
    assert_shares(counts, 20000, 100, exp(-0.5));
}

static void top_p_and_min_p_cut_the_tail(void **state)
{
    (void)state;
    unsigned counts[VOCAB];
    struct sampler_params p = plain;
    p.top_p = 0.9f; /* 0.632, 0.233, 0.086: three reach 0.9 */
    count(p, 20000, counts);
    assert_shares(counts, 20000, 3, exp(-1));
    p.top_k = 50;
    count(p, 20000, counts);
    assert_shares(counts, 20000, 3, exp(-1));
    p = plain;
    p.min_p = 0.1f; /* exp(-2) is 0.135, exp(-3) is 0.05 */
    count(p, 20000, counts);
    assert_shares(counts, 20000, 3, exp(-1));
    p.top_p = 0.5f;
    count(p, 1000, counts);
    assert_int_equal(counts[0], 1000);
    p.top_p = 0;
    count(p, 1000, counts);
    assert_int_equal(counts[0], 1000);
}

static void a_flat_row_keeps_its_nucleus(void **state)
{
    (void)state;
    struct fixture f;
    struct sampler_choice c;
    float row[VOCAB];
    bool seen[VOCAB] = {false};
    unsigned distinct = 0;
    struct sampler_params p = plain;
    p.top_p = 0.75f;
    begin(&f, p);
    for (int i = 0; i < 20000; i++) {
        for (int k = 0; k < VOCAB; k++)
            row[k] = 1;
        assert_int_equal(sampler_next(&f.sampler, &f.scratch, row, f.masks, &c), 0);
        distinct += !seen[c.token];
        seen[c.token] = true;
    }
    assert_int_equal(distinct, 150);
    end(&f);
}

static void bias_forbids_and_forces(void **state)
{
    (void)state;
    struct fixture f;
    const struct sampler_bias bias[] = {{ranked(0), -100}, {ranked(9), 50}};
    struct sampler_params p = plain;
    p.temperature = 0;
    p.bias = bias;
    p.bias_count = 1;
    begin(&f, p);
    assert_int_equal(next(&f), ranked(1));
    end(&f);
    p.bias_count = 2;
    begin(&f, p);
    assert_int_equal(next(&f), ranked(9));
    end(&f);
}

static void penalties_press_what_was_said(void **state)
{
    (void)state;
    struct fixture f;
    struct sampler_params p = plain;
    p.temperature = 0;
    p.frequency_penalty = 0.4f;
    begin(&f, p);
    /* The likeliest leads by 1: it comes 3 times until 3 * 0.4 exceeds that. */
    const int expected[] = {0, 0, 0, 1, 0};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(next(&f), ranked(expected[i]));
    end(&f);
    p.frequency_penalty = 0;
    p.presence_penalty = 1.5f;
    begin(&f, p);
    assert_int_equal(next(&f), ranked(0));
    assert_int_equal(next(&f), ranked(1));
    assert_int_equal(next(&f), ranked(0));
    end(&f);
}

static void the_repeat_penalty_counts_the_prompt(void **state)
{
    (void)state;
    struct fixture f;
    float row[VOCAB] = {0};
    struct sampler_choice c;
    const int32_t prompt[] = {5, 6, 5};
    struct sampler_params p = plain;
    p.temperature = 0;
    p.repeat_penalty = 2;
    f.masks = NULL;
    sampler_scratch_init(&f.scratch, VOCAB);
    sampler_init(&f.sampler, &p, VOCAB, prompt, 3);
    row[5] = 3;
    row[9] = 2;
    assert_int_equal(sampler_next(&f.sampler, &f.scratch, row, f.masks, &c), 0);
    assert_int_equal(c.token, 9);
    for (int i = 0; i < VOCAB; i++)
        row[i] = -9;
    row[5] = -1; /* becomes -2 */
    row[7] = -1.5f;
    assert_int_equal(sampler_next(&f.sampler, &f.scratch, row, f.masks, &c), 0);
    assert_int_equal(c.token, 7);
    end(&f);
}

static void logprobs_are_of_the_untouched_row(void **state)
{
    (void)state;
    struct fixture f;
    float row[VOCAB];
    struct sampler_choice c;
    const struct sampler_bias bias = {ranked(0), -100};
    struct sampler_params p = plain;
    p.temperature = 0;
    p.bias = &bias;
    p.bias_count = 1;
    p.logprobs = true;
    p.top_logprobs = 4;
    begin(&f, p);
    fill(row);
    assert_int_equal(sampler_next(&f.sampler, &f.scratch, row, f.masks, &c), 0);
    double total = log(1 / (1 - exp(-1)));
    assert_int_equal(c.token, ranked(1));
    assert_true(fabs((double)c.logprob - (-1 - total)) < 1e-5);
    assert_int_equal(c.top_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(c.top[i].token, ranked(i));
        assert_true(fabs((double)c.top[i].logprob - (-i - total)) < 1e-5);
    }
    end(&f);
}

/* Two maskers: each forbids what it forbids as long as it does. */
static void maskers_forbid_while_they_do(void **state)
{
    (void)state;
    struct fixture f;
    struct sampler_params p = plain;
    const int32_t one[] = {ranked(0)}, two[] = {ranked(1), ranked(2)};
    p.temperature = 0;
    begin(&f, p);
    mask_push(&f.masks, mask_ends_new(one, 1, 3));
    mask_push(&f.masks, mask_ends_new(two, 2, 1));
    mask_push(&f.masks, mask_ends_new(NULL, 0, 100));
    const int expected[] = {3, 1, 1, 0};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(next(&f), ranked(expected[i]));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_likeliest),
        cmocka_unit_test(greedy_takes_the_lower_of_equals_and_ignores_nan),
        cmocka_unit_test(same_seed_same_tokens),
        cmocka_unit_test(draws_follow_the_probabilities),
        cmocka_unit_test(top_p_and_min_p_cut_the_tail),
        cmocka_unit_test(a_flat_row_keeps_its_nucleus),
        cmocka_unit_test(bias_forbids_and_forces),
        cmocka_unit_test(penalties_press_what_was_said),
        cmocka_unit_test(the_repeat_penalty_counts_the_prompt),
        cmocka_unit_test(maskers_forbid_while_they_do),
        cmocka_unit_test(logprobs_are_of_the_untouched_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
