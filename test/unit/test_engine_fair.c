/* SPDX-License-Identifier: Apache-2.0 */
/* Turns of tenants on a simulated engine: slots that compute a token of each sequence in a step,
 * loads by chance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "engine/fair.h"

enum { SLOTS_MAX = 16, TENANTS_MAX = 8, SEEDS = 60, STEPS = 4000, SLICE = 64 };

struct job {
    struct list link;
    struct fair_account account;
    unsigned tenant;
    uint32_t prompt, answer; /* tokens to compute yet */
    uint32_t answered;
};

/* Of a tenant: the load it brings, and what it has got of it. */
struct load {
    uint32_t prompt_max, answer_max;
    unsigned waiting;
    uint64_t computed;            /* tokens */
    const struct job *first;      /* of its line */
    uint64_t others[TENANTS_MAX]; /* what the others had got when it became that */
    uint64_t begun[TENANTS_MAX];  /* what all had got when it began to wait */
};

struct engine {
    struct fair fair;
    struct rng rng;
    struct job *slots[SLOTS_MAX];
    unsigned slot_count;
    struct load loads[TENANTS_MAX];
    unsigned tenant_count;
    uint64_t bound; /* twice what all slots can hold */
};

static uint32_t between(struct engine *e, uint32_t least, uint32_t most)
{
    return least + (uint32_t)rng_below(&e->rng, most - least + 1);
}

static void note_all(const struct engine *e, uint64_t *out)
{
    for (unsigned i = 0; i < e->tenant_count; i++)
        out[i] = e->loads[i].computed;
}

static void look_at_line(struct engine *e, unsigned tenant, const struct fair_tenant *t)
{
    struct load *load = &e->loads[tenant];
    const struct job *first =
        list_empty(&t->waiting) ? NULL : LIST_ITEM(t->waiting.next, struct job, link);
    if (first == load->first) return;
    load->first = first;
    note_all(e, load->others);
}

static void come(struct engine *e, unsigned tenant)
{
    struct load *load = &e->loads[tenant];
    struct job *j = calloc(1, sizeof *j);
    assert_non_null(j);
    j->tenant = tenant;
    j->prompt = between(e, 1, load->prompt_max);
    j->answer = between(e, 1, load->answer_max);
    fair_open(&e->fair, &j->account, tenant + 1);
    fair_wait(&e->fair, &j->account, list_empty(&j->account.tenant->waiting));
    if (!load->waiting++) note_all(e, load->begun);
    list_push_back(&j->account.tenant->waiting, &j->link);
    look_at_line(e, tenant, j->account.tenant);
}

static struct engine *engine_new(uint64_t seed)
{
    struct engine *e = calloc(1, sizeof *e);
    assert_non_null(e);
    rng_seed(&e->rng, seed);
    fair_init(&e->fair);
    e->slot_count = between(e, 1, SLOTS_MAX);
    e->tenant_count = between(e, 2, TENANTS_MAX);
    uint64_t largest = 0;
    for (unsigned i = 0; i < e->tenant_count; i++) {
        struct load *load = &e->loads[i];
        load->prompt_max = between(e, 1, 500);
        load->answer_max = between(e, 1, 200);
        largest = MAX(largest, (uint64_t)load->prompt_max + load->answer_max);
    }
    e->bound = 2 * e->slot_count * largest;
    return e;
}

static void job_end(struct engine *e, struct job *j)
{
    struct fair_tenant *t = j->account.tenant;
    list_remove(&j->link);
    fair_close(&j->account, j->answered);
    look_at_line(e, j->tenant, t);
    free(j);
}

static void engine_free(struct engine *e)
{
    for (unsigned i = 0; i < e->slot_count; i++)
        if (e->slots[i]) job_end(e, e->slots[i]);
    for (struct fair_tenant *t; (t = fair_next(&e->fair, NULL));)
        job_end(e, LIST_ITEM(t->waiting.next, struct job, link));
    free(e);
}

static void serve(struct engine *e, unsigned slot)
{
    struct fair_tenant *t = fair_next(&e->fair, NULL);
    if (!t) return;
    struct job *j = LIST_ITEM(t->waiting.next, struct job, link);
    list_remove(&j->link);
    fair_serve(&e->fair, &j->account, j->prompt, j->answer);
    e->slots[slot] = j;
    e->loads[j->tenant].waiting--;
    look_at_line(e, j->tenant, t);
}

static void compute(struct engine *e, struct job *j)
{
    uint32_t n = j->prompt ? MIN(j->prompt, (uint32_t)SLICE) : 1;
    if (j->prompt)
        j->prompt -= n;
    else
        j->answered++, j->answer--;
    fair_compute(&j->account, n);
    e->loads[j->tenant].computed += n;
}

/* Nobody who waits has got less than another since both did, by more than the bound; and so has
 * nobody got more since the first of a line came to its place. */
static void check_fairness(const struct engine *e)
{
    for (unsigned a = 0; a < e->tenant_count; a++) {
        const struct load *x = &e->loads[a];
        if (!x->waiting) continue;
        for (unsigned b = 0; b < e->tenant_count; b++) {
            const struct load *y = &e->loads[b];
            uint64_t more = y->computed - x->begun[b], own = x->computed - x->begun[a];
            if (more > own + e->bound)
                fail_msg("%u waits with %llu tokens, %u has got %llu, the bound is %llu", a,
                         (unsigned long long)own, b, (unsigned long long)more,
                         (unsigned long long)e->bound);
            if (a != b) assert_true(y->computed - x->others[b] <= e->bound);
        }
    }
}

static void step(struct engine *e)
{
    for (unsigned i = 0; i < e->slot_count; i++)
        if (!e->slots[i]) serve(e, i);
    for (unsigned i = 0; i < e->slot_count; i++) {
        struct job *j = e->slots[i];
        if (!j) continue;
        compute(e, j);
        /* Answers also end early, and clients leave. */
        if (j->answer && rng_below(&e->rng, 300)) continue;
        e->slots[i] = NULL;
        job_end(e, j);
    }
    check_fairness(e);
}

/* --- tests --- */

/* All wait all the time, with whatever prompts and answers and however many. */
static void tokens_are_shared_alike(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct engine *e = engine_new(seed);
        for (unsigned i = 0; i < STEPS; i++) {
            for (unsigned t = 0; t < e->tenant_count; t++)
                while (e->loads[t].waiting < 1 + 5 * t)
                    come(e, t);
            step(e);
        }
        engine_free(e);
    }
}

/* Tenants come and go, some in floods; check_fairness looks at those who wait. */
static void nobody_waits_for_what_others_get(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct engine *e = engine_new(seed);
        for (unsigned i = 0; i < STEPS; i++) {
            unsigned t = (unsigned)rng_below(&e->rng, e->tenant_count);
            unsigned flood = rng_below(&e->rng, 50) ? 1 : 40;
            for (unsigned n = 0; n < flood && e->loads[t].waiting < 200 && i / 100 % 3; n++)
                come(e, t);
            step(e);
        }
        engine_free(e);
    }
}

/* One that was away has saved nothing up: what it gets from then on is a share like the others'. */
static void a_newcomer_cannot_claim_the_past(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct engine *e = engine_new(seed);
        uint64_t before[TENANTS_MAX];
        for (unsigned i = 0; i < 2 * STEPS; i++) {
            for (unsigned t = i < STEPS ? 1 : 0; t < e->tenant_count; t++)
                while (e->loads[t].waiting < 3)
                    come(e, t);
            if (i == STEPS) note_all(e, before);
            step(e);
            for (unsigned t = 1; i >= STEPS && t < e->tenant_count; t++)
                assert_true(e->loads[0].computed - before[0] <=
                            e->loads[t].computed - before[t] + e->bound);
        }
        engine_free(e);
    }
}

/* Slots that come free together do not all go to the one that has got least. */
static void free_slots_are_shared(void **state)
{
    (void)state;
    struct fair f;
    struct job jobs[12] = {0};
    unsigned got[3] = {0};
    fair_init(&f);
    for (unsigned i = 0; i < 12; i++) {
        jobs[i].tenant = i / 4;
        fair_open(&f, &jobs[i].account, jobs[i].tenant + 1);
        fair_wait(&f, &jobs[i].account, list_empty(&jobs[i].account.tenant->waiting));
        list_push_back(&jobs[i].account.tenant->waiting, &jobs[i].link);
    }
    jobs[4].account.tenant->time += 50; /* as if those had had a little more before */
    jobs[8].account.tenant->time += 70;
    for (unsigned i = 0; i < 6; i++) {
        struct job *j = LIST_ITEM(fair_next(&f, NULL)->waiting.next, struct job, link);
        list_remove(&j->link);
        fair_serve(&f, &j->account, 100, 1000);
        got[j->tenant]++;
    }
    for (unsigned t = 0; t < 3; t++)
        assert_int_equal(got[t], 2);
    for (unsigned i = 0; i < 12; i++) {
        list_remove(&jobs[i].link);
        fair_close(&jobs[i].account, 0);
    }
}

static void what_was_paid_ahead_comes_back(void **state)
{
    (void)state;
    struct fair f;
    struct fair_account a;
    fair_init(&f);
    fair_open(&f, &a, 7);
    fair_serve(&f, &a, 100, 10);
    assert_int_equal(a.tenant->time, 110);
    fair_compute(&a, 100);
    assert_int_equal(a.tenant->time, 110);
    fair_compute(&a, 30); /* more than was expected */
    assert_int_equal(a.tenant->time, 130);
    fair_serve(&f, &a, 500, 10);
    fair_compute(&a, 1);
    struct fair_tenant *t = a.tenant;
    fair_close(&a, 1);
    assert_int_equal(t->time, 131);
}

/* More tenants than are known: the idle ones make room, and all are served. */
static void tenants_without_number(void **state)
{
    (void)state;
    enum { ALL = 3 * FAIR_TENANTS };
    struct fair f;
    static struct job jobs[ALL];
    fair_init(&f);
    for (unsigned i = 0; i < ALL; i++) { /* one after the other */
        fair_open(&f, &jobs[i].account, i + 1);
        assert_int_equal(jobs[i].account.tenant->id, i + 1);
        fair_close(&jobs[i].account, 1);
    }
    memset(jobs, 0, sizeof jobs);
    for (unsigned i = 0; i < ALL; i++) { /* all at once */
        fair_open(&f, &jobs[i].account, i + 1);
        fair_wait(&f, &jobs[i].account, list_empty(&jobs[i].account.tenant->waiting));
        list_push_back(&jobs[i].account.tenant->waiting, &jobs[i].link);
    }
    unsigned served = 0;
    for (struct fair_tenant *t; (t = fair_next(&f, NULL)); served++) {
        struct job *j = LIST_ITEM(t->waiting.next, struct job, link);
        list_remove(&j->link);
        fair_serve(&f, &j->account, 1, 1);
        fair_close(&j->account, 1);
    }
    assert_int_equal(served, ALL);
}

/* In the order of fair_rank_us a sequence is passed by later ones of a higher class for so long. */
static void a_class_is_worth_some_waiting(void **state)
{
    (void)state;
    const uint64_t c = FAIR_CLASS_US, came = 5 * c;
    for (unsigned class = 0; class <= FAIR_CLASS_TOP; class ++) {
        uint64_t rank = fair_rank_us(came, class);
        assert_true(fair_rank_us(came + 1, class) > rank);
        for (unsigned higher = class + 1; higher <= FAIR_CLASS_TOP; higher++) {
            assert_true(fair_rank_us(came + (higher - class) * c - 1, higher) < rank);
            assert_true(fair_rank_us(came + (higher - class) * c + 1, higher) > rank);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_shared_alike),
        cmocka_unit_test(nobody_waits_for_what_others_get),
        cmocka_unit_test(a_newcomer_cannot_claim_the_past),
        cmocka_unit_test(free_slots_are_shared),
        cmocka_unit_test(what_was_paid_ahead_comes_back),
        cmocka_unit_test(tenants_without_number),
        cmocka_unit_test(a_class_is_worth_some_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
