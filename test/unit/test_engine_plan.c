/* SPDX-License-Identifier: Apache-2.0 */
/* Plans of prompts on a simulated engine: a curve of costs with the cliffs of real ones,
 * and a clock that it moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"
#include "engine/plan.h"

enum { PROMPTS = 2000, BLAS_FROM = 100, STEP_US = 15 * USEC_PER_MS, SHORT = 20, LONG = 3000 };

struct prompt {
    uint32_t rest;
    uint32_t depth;
    uint64_t came_us;
    uint64_t took_us; /* until its first token; 0: not there yet */
};

struct sim {
    struct plan plan;
    struct prompt prompts[PROMPTS];
    struct plan_prompt view[PROMPTS];
    size_t count;
    size_t running;
    uint64_t step_us;
    uint64_t clock_us;
    uint64_t ran_us;     /* time that the running sequences had */
    uint64_t longest_us; /* gap between their steps */
    double slower;       /* than usual */
    uint32_t blas_from;
};

/* Like those measured of 135M parameters on two cores: dear below what BLAS takes, dear
 * attention in fewer than 64 rows. */
static uint64_t cost_us(const struct sim *s, uint32_t n, uint32_t depth)
{
    double weights = n < s->blas_from ? 2600.0 * n : 60000 + 1000.0 * n;
    double attention = (n < 64 ? 3.4 : 1.4) * depth * n;
    return (uint64_t)((3000 + weights + attention) * s->slower);
}

static struct sim *sim_paced(size_t running, uint32_t blas_from, struct pace pace)
{
    struct sim *s = calloc(1, sizeof *s);
    const struct plan_options options = {.pace = pace,
                                         .slice_us = 500 * USEC_PER_MS,
                                         .slice_alone_us = USEC_PER_SEC,
                                         .slice_long_us = USEC_PER_SEC,
                                         .batch = 512,
                                         .blas_from = blas_from};
    assert_non_null(s);
    plan_init(&s->plan, &options);
    s->blas_from = blas_from;
    s->running = running;
    s->step_us = STEP_US;
    s->slower = 1;
    return s;
}

static struct sim *sim_new(size_t running)
{
    return sim_paced(running, BLAS_FROM, (struct pace){0});
}

static struct prompt *come(struct sim *s, uint32_t tokens)
{
    assert_true(s->count < PROMPTS);
    s->prompts[s->count] = (struct prompt){.rest = tokens, .came_us = s->clock_us};
    return &s->prompts[s->count++];
}

static void compute(struct sim *s, struct prompt *q, uint32_t take, bool oldest)
{
    uint64_t us = cost_us(s, take, q->depth);
    /* A cut keeps to whole tiles, and to what BLAS computes well. */
    if (take < q->rest) assert_true(take % PLAN_ROWS == 0 && take >= s->blas_from);
    s->clock_us += us;
    plan_prefilled(&s->plan, take, q->depth + take / 2, us, oldest);
    plan_charge(&s->plan, us);
    q->rest -= take;
    q->depth += take;
    if (!q->rest) q->took_us = s->clock_us - q->came_us;
}

/* Returns the tokens of its slice. */
static uint32_t step(struct sim *s)
{
    struct prompt *active[PROMPTS];
    size_t n = 0;
    uint64_t began = s->clock_us;
    for (size_t i = 0; i < s->count; i++) {
        if (!s->prompts[i].rest) continue;
        s->view[n] = (struct plan_prompt){.rest = s->prompts[i].rest, .depth = s->prompts[i].depth};
        active[n++] = &s->prompts[i];
    }
    if (s->running) {
        s->clock_us += s->step_us;
        s->ran_us += s->step_us;
        plan_ran(&s->plan, s->running, n, s->step_us);
    }
    if (!plan_may(&s->plan, s->running)) return 0;
    uint32_t tokens = plan_slice(&s->plan, s->view, n, s->running);
    for (size_t i = 0; i < n; i++)
        if (s->view[i].take) compute(s, active[i], s->view[i].take, i == 0);
    s->longest_us = MAX(s->longest_us, s->clock_us - began);
    return tokens;
}

static bool waiting(const struct sim *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->prompts[i].rest) return true;
    return false;
}

static void until_done(struct sim *s, const struct prompt *q)
{
    for (int steps = 0; !q->took_us; steps++) {
        assert_true(steps < 100000);
        (void)step(s);
    }
}

static uint64_t alone_us(uint32_t tokens)
{
    struct sim *s = sim_new(0);
    until_done(s, come(s, 512)); /* it knows costs from here on */
    struct prompt *q = come(s, tokens);
    until_done(s, q);
    uint64_t us = q->took_us;
    free(s);
    return us;
}

/* --- tests --- */

static void a_short_prompt_passes_a_long_one(void **state)
{
    (void)state;
    struct sim *s = sim_new(4);
    struct prompt *longer = come(s, LONG);
    while (s->clock_us < 200 * USEC_PER_MS)
        (void)step(s);
    struct prompt *shorter = come(s, SHORT);
    until_done(s, longer);
    assert_true(shorter->took_us && shorter->took_us < USEC_PER_SEC);
    /* And the long one is hardly held up: streams get a third of the time,
     * small slices cost a little. */
    assert_true(longer->took_us < 2.0 * (double)alone_us(LONG));
    free(s);
}

/* Also where the smallest size that computes well takes many of their steps. */
static void running_sequences_keep_their_share(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct sim *s = sim_new(4);
        s->step_us = STEP_US / (i + 1);
        s->slower = i == 3 ? 10 : 1;
        until_done(s, come(s, LONG));
        assert_true((double)s->ran_us > 0.9 * (double)s->clock_us / PLAN_TIMES);
        assert_true((double)s->ran_us < 1.15 * (double)s->clock_us / PLAN_TIMES);
        /* A slice of the smallest size, and half of one. */
        assert_true(s->longest_us < s->step_us + cost_us(s, 128 + 64, LONG));
        free(s);
    }
}

static uint64_t between(struct rng *r, uint64_t least, uint64_t most)
{
    return least + rng_below(r, most - least + 1);
}

/* What the mean gap between tokens may be, behind a step of so long. */
static double target_us(struct pace pace, uint64_t step_us)
{
    return pace.us ? (double)pace.us : pace.times * (double)step_us;
}

static struct pace random_pace(struct rng *r)
{
    if (between(r, 0, 1)) return (struct pace){.us = between(r, 80, 200) * USEC_PER_MS};
    return (struct pace){.times = (double)between(r, 11, 60) / 10};
}

/* The longest time without a token of a prompt, or what the tokens of running sequences came later
 * than the pace has it, over the worst stretch of the run, is more than a slice explains: fails. */
static void run_at_random(struct rng *r)
{
    static const uint32_t blas_from[] = {0, 40, BLAS_FROM, 200};
    struct pace pace = random_pace(r);
    struct sim *s =
        sim_paced(between(r, 1, 16), blas_from[between(r, 0, ARRAY_LEN(blas_from) - 1)], pace);
    uint64_t usual_us = between(r, 2, 50) * USEC_PER_MS, slice_us = 0;
    double late_us = 0, most_us = 0;
    unsigned waited = 0;
    s->slower = (double)between(r, 2, 40) / 10;
    for (unsigned i = 0; i < 2000; i++) {
        if (!between(r, 0, 9) && s->count < PROMPTS)
            (void)come(s, (uint32_t)between(r, 1, between(r, 0, 9) ? 100 : LONG));
        s->step_us = between(r, usual_us * 3 / 4, usual_us * 5 / 4);
        uint64_t began = s->clock_us;
        (void)step(s);
        double gap_us = (double)(s->clock_us - began);
        slice_us = MAX(slice_us, s->clock_us - began - s->step_us);
        most_us = MAX(most_us, target_us(pace, s->step_us));
        late_us = MAX(late_us + gap_us - target_us(pace, s->step_us), 0);
        assert_true(late_us <= (double)slice_us + most_us);
        waited = s->clock_us - began > s->step_us || !waiting(s) ? 0 : waited + 1;
        assert_true(waited * PLAN_SHARE_LEAST * (double)usual_us / 2 <= (double)slice_us);
    }
    free(s);
}

static void mean_gaps_keep_to_the_pace(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rng r;
        rng_seed(&r, seed);
        run_at_random(&r);
    }
}

/* However many prompts wait. */
static void a_pace_does_not_grow_with_the_crowd(void **state)
{
    (void)state;
    struct sim *s = sim_paced(1, BLAS_FROM, (struct pace){.times = 2});
    for (int i = 0; i < 50; i++)
        (void)come(s, LONG);
    while (s->clock_us < 60 * USEC_PER_SEC)
        (void)step(s);
    assert_true((double)s->clock_us < 2.0 * (double)s->ran_us);
    assert_true((double)s->clock_us > 1.9 * (double)s->ran_us);
    free(s);
}

/* A prompt that waits alone and is not cut where that computes badly. */
static void only_what_was_interrupted_lasts_a_second(void **state)
{
    (void)state;
    enum { DEEP = 16384, KNOWN = 4096 };
    struct sim *s = sim_new(0);
    s->plan.options.slice_long_us = 8 * USEC_PER_SEC;
    struct prompt *q = come(s, DEEP);
    while (q->depth < KNOWN)
        (void)step(s);
    assert_true(cost_us(s, step(s), q->depth) > 2 * USEC_PER_SEC);
    plan_interrupted(&s->plan);
    assert_true(cost_us(s, step(s), q->depth) < 1.3 * USEC_PER_SEC);
    assert_true(cost_us(s, step(s), q->depth) < 1.3 * USEC_PER_SEC);
    plan_calm(&s->plan);
    assert_true(cost_us(s, step(s), q->depth) > 2 * USEC_PER_SEC);
    free(s);
}

/* A pace that the steps alone do not keep to leaves prompts a tenth of their time. */
static void prompts_get_through_at_any_pace(void **state)
{
    (void)state;
    struct sim *s = sim_paced(1, BLAS_FROM, (struct pace){.us = STEP_US / 2});
    until_done(s, come(s, LONG));
    assert_true((double)s->clock_us > 1.08 * (double)s->ran_us);
    assert_true((double)s->clock_us < 1.12 * (double)s->ran_us);
    free(s);
}

/* Short ones come faster than they can be computed. */
static void a_long_prompt_is_not_starved(void **state)
{
    (void)state;
    struct sim *s = sim_new(4);
    struct prompt *longer = come(s, LONG);
    uint64_t next_us = 0;
    for (int steps = 0; !longer->took_us; steps++) {
        assert_true(steps < 100000);
        for (; next_us <= s->clock_us; next_us += 50 * USEC_PER_MS)
            (void)come(s, SHORT);
        (void)step(s);
    }
    assert_true(longer->took_us < 3 * alone_us(LONG));
    size_t done = 0;
    for (size_t i = 1; i < s->count; i++)
        done += s->prompts[i].took_us > 0;
    assert_true(done > s->count / 4);
    free(s);
}

static void equals_go_in_order(void **state)
{
    (void)state;
    struct sim *s = sim_new(2);
    for (int i = 0; i < 8; i++)
        (void)come(s, 700);
    until_done(s, &s->prompts[7]);
    for (int i = 1; i < 8; i++)
        assert_true(s->prompts[i].took_us > s->prompts[i - 1].took_us);
    free(s);
}

/* While nothing runs, or little, waiting costs more: slices are large. */
static void a_crowd_comes_in_large_slices(void **state)
{
    (void)state;
    struct sim *s = sim_new(0);
    until_done(s, come(s, SHORT));
    for (int i = 0; i < 16; i++)
        (void)come(s, SHORT);
    assert_int_equal(step(s), 16 * SHORT);
    struct sim *t = sim_new(1);
    until_done(t, come(t, SHORT));
    while (!plan_may(&t->plan, 1))
        (void)step(t);
    for (int i = 0; i < 16; i++)
        (void)come(t, SHORT);
    uint64_t began = t->clock_us;
    (void)step(t);
    assert_true(t->clock_us - began > 300 * USEC_PER_MS);
    free(s);
    free(t);
}

/* From the first measurement on, whatever it was, sizes become such that a token costs
 * little more than it must. */
static void sizes_find_the_cheap_side_of_cliffs(void **state)
{
    (void)state;
    for (uint32_t first = 10; first <= 512; first *= 2) {
        struct sim *s = sim_new(4);
        until_done(s, come(s, first));
        struct prompt *q = come(s, 8000);
        while (q->rest > 6000)
            (void)step(s);
        for (uint32_t end = 1000; q->rest > end;) {
            uint32_t n = step(s);
            if (!n) continue;
            double token = (double)cost_us(s, n, q->depth) / n;
            double best = token;
            for (uint32_t size = 64; size <= 512; size += 64)
                if (cost_us(s, size, q->depth) <= 500 * USEC_PER_MS)
                    best = MIN(best, (double)cost_us(s, size, q->depth) / size);
            assert_true(token < 1.35 * best);
        }
        free(s);
    }
}

static void costs_are_learned_by_size_and_depth(void **state)
{
    (void)state;
    struct cost c = {0};
    assert_true(cost_of(&c, 100, 0) <= 0);
    cost_note(&c, 64, 0, 64 * 2000);
    /* Unknown sizes are guessed: larger ones a little cheaper, smaller ones no dearer. */
    assert_true(cost_of(&c, 128, 0) < 128 * 2000 && cost_of(&c, 128, 0) > 128 * 1000);
    assert_true(cost_of(&c, 20, 0) <= 20 * 2000);
    cost_note(&c, 256, 0, 256 * 1000);
    cost_note(&c, 256, 3000, 256 * 3000);
    assert_true(cost_of(&c, 256, 0) > 255 * 1000 && cost_of(&c, 256, 0) < 257 * 1000);
    /* Another size grows with depth as the known one does. */
    assert_true(cost_of(&c, 64, 3000) > 64 * 5900 && cost_of(&c, 64, 3000) < 64 * 6100);
    /* A thread less: others follow half of the way. */
    for (int i = 0; i < 20; i++)
        cost_note(&c, 256, 0, 256 * 4000);
    assert_true(cost_of(&c, 256, 0) > 256 * 3900);
    assert_true(cost_of(&c, 64, 0) > 64 * 3900 && cost_of(&c, 64, 0) < 64 * 4100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_was_interrupted_lasts_a_second),
        cmocka_unit_test(a_short_prompt_passes_a_long_one),
        cmocka_unit_test(running_sequences_keep_their_share),
        cmocka_unit_test(mean_gaps_keep_to_the_pace),
        cmocka_unit_test(a_pace_does_not_grow_with_the_crowd),
        cmocka_unit_test(prompts_get_through_at_any_pace),
        cmocka_unit_test(a_long_prompt_is_not_starved),
        cmocka_unit_test(equals_go_in_order),
        cmocka_unit_test(a_crowd_comes_in_large_slices),
        cmocka_unit_test(sizes_find_the_cheap_side_of_cliffs),
        cmocka_unit_test(costs_are_learned_by_size_and_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
