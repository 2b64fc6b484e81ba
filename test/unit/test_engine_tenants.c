/* SPDX-License-Identifier: Apache-2.0 */
/* Whose sequences the scheduler takes, on the scripted model: tenants, priorities, deadlines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/rand.h"
#include "engine_bench.h"

enum { TENANTS = 3, SLOTS = 4, ANY = FAIR_CLASS_STANDARD };

static struct sequence_spec spec_of(uint64_t tenant, uint8_t priority, uint32_t max_tokens)
{
    return (struct sequence_spec){.max_tokens = max_tokens,
                                  .sampling = {.temperature = 0, .top_p = 1, .repeat_penalty = 1},
                                  .tenant = tenant,
                                  .priority = priority};
}

static struct told *add(struct bench *b, const char *text, uint64_t tenant, uint8_t priority)
{
    return bench_add(b, text, spec_of(tenant, priority, 3));
}

/* --- three tenants, of which one asks ten times and one three times as much as the third --- */

static const struct {
    unsigned of_14; /* requests */
    uint32_t prompt_max, answer_max;
} loads[TENANTS] = {{10, 100, 30}, {3, 200, 10}, {1, 50, 60}};

enum { LARGEST = 210 + 1 };

struct crowd {
    struct bench *bench;
    struct rng rng;
    bool named;
    uint64_t tenant_of[BENCH_MANY];
};

static unsigned of_load(unsigned request)
{
    unsigned place = request % 14, tenant = 0;
    for (; place >= loads[tenant].of_14; tenant++)
        place -= loads[tenant].of_14;
    return tenant;
}

static void come(struct crowd *c)
{
    char text[256];
    unsigned request = c->bench->count, tenant = of_load(request);
    size_t len = 1 + rng_below(&c->rng, loads[tenant].prompt_max);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + rng_below(&c->rng, 26));
    text[len] = '\0';
    uint32_t answer = 1 + (uint32_t)rng_below(&c->rng, loads[tenant].answer_max);
    c->tenant_of[request] = tenant;
    bench_add(c->bench, text, spec_of(c->named ? tenant + 1 : 0, ANY, answer));
}

static unsigned waiting(const struct crowd *c, unsigned tenant)
{
    unsigned n = 0;
    for (unsigned i = 0; i < c->bench->count; i++)
        n += c->tenant_of[i] == tenant && c->bench->told[i].sequence->state == SEQUENCE_WAITING;
    return n;
}

/* Tokens that each has got, of prompts and answers. Returns how many sequences have had a slot. */
static unsigned measure(const struct crowd *c, uint64_t got[TENANTS])
{
    unsigned served = 0;
    memset(got, 0, TENANTS * sizeof *got);
    for (unsigned i = 0; i < c->bench->count; i++) {
        const struct sequence *q = c->bench->told[i].sequence;
        if (q->state == SEQUENCE_WAITING) continue;
        got[c->tenant_of[i]] += q->prompt_count - q->cached + q->generated;
        served++;
    }
    return served;
}

/* While all of them wait; to the end, where `got` is measured. */
static void saturate(struct crowd *c, uint64_t seed, uint64_t got[TENANTS])
{
    c->bench = bench_new("fake:mode echo", SLOTS, 512, 128);
    rng_seed(&c->rng, seed);
    for (;;) {
        while (waiting(c, TENANTS - 1) < 2 && c->bench->count + 1 < BENCH_MANY)
            come(c);
        if (c->bench->count + 1 == BENCH_MANY) break;
        assert_true(scheduler_step(c->bench->scheduler));
    }
    measure(c, got);
}

static void tenants_get_the_same_while_there_is_too_little(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct crowd c = {.named = true};
        uint64_t got[TENANTS];
        saturate(&c, seed, got);
        uint64_t most = MAX(MAX(got[0], got[1]), got[2]), least = MIN(MIN(got[0], got[1]), got[2]);
        if (most - least > most / 20)
            fail_msg("seed %u: %u, %u, %u tokens", (unsigned)seed, (unsigned)got[0],
                     (unsigned)got[1], (unsigned)got[2]);
        bench_free(c.bench);
    }
}

static void without_names_they_get_what_they_ask(void **state)
{
    (void)state;
    struct crowd c = {.named = false};
    uint64_t got[TENANTS];
    saturate(&c, 1, got);
    assert_true(got[0] > 3 * got[1] / 2 && got[1] > 3 * got[2] / 2);
    bench_free(c.bench);
}

/* Between two of a tenant's servings no other one gets more than twice what all slots can hold. */
static void nobody_waits_longer_than_the_bound(void **state)
{
    (void)state;
    struct crowd c = {.named = true, .bench = bench_new("fake:mode echo", SLOTS, 512, 128)};
    uint64_t got[TENANTS], since[TENANTS][TENANTS] = {{0}};
    unsigned waited[TENANTS] = {0};
    rng_seed(&c.rng, 7);
    while (c.bench->count + 1 < BENCH_MANY) {
        unsigned more = (unsigned)rng_below(&c.rng, 2);
        for (unsigned i = 0; i < more && c.bench->count + 1 < BENCH_MANY; i++)
            come(&c);
        (void)scheduler_step(c.bench->scheduler);
        measure(&c, got);
        for (unsigned t = 0; t < TENANTS; t++) {
            unsigned now = waiting(&c, t);
            if (now < waited[t] || !waited[t]) memcpy(since[t], got, sizeof got);
            waited[t] = now;
            for (unsigned other = 0; now && other < TENANTS; other++)
                if (other != t) assert_true(got[other] - since[t][other] <= 2 * SLOTS * LARGEST);
        }
    }
    bench_free(c.bench);
}

/* One that holds all slots with long answers gives the next ones to who came behind its crowd. */
static void a_newcomer_does_not_stand_behind_a_crowd(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 2, 128, 64);
    for (int i = 0; i < 20; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "crowd %d", i);
        bench_add(b, text, spec_of(1, FAIR_CLASS_TOP, 20));
    }
    for (int i = 0; i < 5; i++)
        scheduler_step(b->scheduler);
    const struct told *newcomer = add(b, "one", 2, 0);
    while (!newcomer->outputs)
        scheduler_step(b->scheduler);
    assert_true(b->ended <= 2);
    bench_free(b);
}

/* Nor does one that cannot use a slot keep its tenant's place for those that come much later. */
static void nothing_is_saved_up_by_a_paused_one(void **state)
{
    (void)state;
    enum { EACH = 20 };
    struct bench *b = bench_new("fake:mode echo", 1, 128, 64);
    const struct told *paused, *first[EACH], *other[EACH];
    add(b, "running", 2, ANY);
    scheduler_step(b->scheduler);
    paused = add(b, "paused", 1, ANY);
    scheduler_pause(b->scheduler, paused->sequence, true);
    for (unsigned i = 0; i < 100; i++) {
        add(b, "what another tenant asks meanwhile", 2, ANY);
        bench_run(b);
    }
    assert_int_equal(paused->sequence->state, SEQUENCE_WAITING);
    for (unsigned i = 0; i < EACH; i++) {
        first[i] = add(b, "one of many", 1, ANY);
        other[i] = add(b, "one of many", 2, ANY);
    }
    scheduler_pause(b->scheduler, paused->sequence, false);
    bench_run(b);
    assert_true(other[1]->first_us < first[EACH / 4]->first_us);
    assert_true(first[1]->first_us < other[EACH / 4]->first_us);
    bench_free(b);
}

static uint64_t cpu_us(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

/* What it takes to find the next ones among so many, of whose prompts most is kept. */
static uint64_t choosing_us(unsigned waiting)
{
    enum { LENGTH = 4000, ROUNDS = 10 };
    static char text[LENGTH + 1];
    struct bench *b = bench_new("fake:mode echo", 2, LENGTH + 8, 512);
    memset(text, 'x', LENGTH);
    add(b, text, 1, ANY);
    bench_run(b);
    for (unsigned i = 0; i < waiting; i++) {
        (void)snprintf(text + LENGTH - 8, 9, "%8u", i);
        add(b, text, 1, ANY);
    }
    uint64_t began = cpu_us();
    for (unsigned i = 0; i < ROUNDS; i++)
        scheduler_step(b->scheduler);
    uint64_t us = cpu_us() - began;
    bench_free(b);
    return us;
}

static void a_long_line_costs_no_more_than_a_short_one(void **state)
{
    (void)state;
    (void)choosing_us(60);
    assert_true(choosing_us(960) < 5 * choosing_us(60));
}

/* --- priorities --- */

static void the_higher_class_goes_first(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 1, 128, 64);
    add(b, "running", 1, ANY);
    scheduler_step(b->scheduler);
    const struct told *low = add(b, "low", 1, 0), *usual = add(b, "usual", 1, ANY),
                      *high = add(b, "high", 1, FAIR_CLASS_TOP),
                      *second = add(b, "second", 1, FAIR_CLASS_TOP);
    bench_run(b);
    assert_true(high->first_us < second->first_us);
    assert_true(second->first_us < usual->first_us);
    assert_true(usual->first_us < low->first_us);
    bench_free(b);
}

static void who_waits_rises(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 1, 128, 64);
    add(b, "running", 1, ANY);
    scheduler_step(b->scheduler);
    const struct told *low = add(b, "low", 1, 0);
    /* But for what their prompts take. */
    bench_clock_us += FAIR_CLASS_TOP * (uint64_t)FAIR_CLASS_US - USEC_PER_SEC;
    const struct told *before = add(b, "before", 1, FAIR_CLASS_TOP);
    bench_clock_us += 2 * USEC_PER_SEC;
    const struct told *after = add(b, "after", 1, FAIR_CLASS_TOP);
    bench_run(b);
    assert_true(before->first_us < low->first_us);
    assert_true(low->first_us < after->first_us);
    bench_free(b);
}

/* --- deadlines --- */

static struct told *add_until(struct bench *b, const char *text, uint32_t tokens, uint64_t until)
{
    struct sequence_spec spec = spec_of(0, ANY, tokens);
    spec.deadline_us = until;
    return bench_add(b, text, spec);
}

static void what_is_late_ends(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 1, 128, 64);
    uint64_t began = bench_clock_us;
    const struct told *runs = add_until(b, "runs", 100, began + 50 * USEC_PER_MS),
                      *waits = add_until(b, "waits", 3, began + 20 * USEC_PER_MS),
                      *in_time = add_until(b, "in time", 3, began + 500 * USEC_PER_MS);
    while (waits->finish == FINISH_NONE)
        scheduler_step(b->scheduler);
    assert_int_equal(waits->finish, FINISH_LATE);
    assert_in_range(bench_clock_us - began, 20 * USEC_PER_MS, 23 * USEC_PER_MS);
    assert_int_equal(runs->finish, FINISH_NONE);
    bench_run(b);
    assert_int_equal(runs->finish, FINISH_LATE);
    assert_in_range(runs->generated, 10, 30);
    assert_int_equal(in_time->finish, FINISH_LENGTH);
    assert_int_equal(metric_read(&scheduler_stats(b->scheduler)->late), 2);
    assert_int_equal(metric_read(&scheduler_stats(b->scheduler)->waiting), 0);
    bench_free(b);
}

/* In the middle of its prompt, without a slot since nobody reads, and before it has begun. */
static void late_in_every_state(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 1, 512, 64);
    char text[401];
    memset(text, 'x', 400);
    text[400] = '\0';
    const struct told *slow = add_until(b, "slow", 100, bench_clock_us + 300 * USEC_PER_MS);
    scheduler_step(b->scheduler);
    scheduler_pause(b->scheduler, slow->sequence, true);
    const struct told *prompt = add_until(b, text, 100, bench_clock_us + 100 * USEC_PER_MS);
    scheduler_step(b->scheduler);
    assert_int_equal(slow->sequence->state, SEQUENCE_PARKED);
    assert_int_equal(slow->sequence->account.ahead, 0);
    assert_int_equal(prompt->sequence->state, SEQUENCE_PREFILL);
    bench_run(b);
    assert_int_equal(prompt->finish, FINISH_LATE);
    assert_int_equal(prompt->outputs, 1);
    bench_clock_us += 300 * USEC_PER_MS;
    const struct told *late = add_until(b, "late", 3, bench_clock_us);
    assert_false(scheduler_step(b->scheduler));
    assert_int_equal(slow->finish, FINISH_LATE);
    assert_int_equal(late->finish, FINISH_LATE);
    assert_int_equal(late->prompt, 5);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tenants_get_the_same_while_there_is_too_little),
        cmocka_unit_test(without_names_they_get_what_they_ask),
        cmocka_unit_test(nobody_waits_longer_than_the_bound),
        cmocka_unit_test(a_newcomer_does_not_stand_behind_a_crowd),
        cmocka_unit_test(nothing_is_saved_up_by_a_paused_one),
        cmocka_unit_test(a_long_line_costs_no_more_than_a_short_one),
        cmocka_unit_test(the_higher_class_goes_first),
        cmocka_unit_test(who_waits_rises),
        cmocka_unit_test(what_is_late_ends),
        cmocka_unit_test(late_in_every_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
