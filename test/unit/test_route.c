/* SPDX-License-Identifier: Apache-2.0 */
/* The pure decisions: choice, breaker, retry budget, queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "route/breaker.h"
#include "route/choose.h"
#include "route/pick.h"
#include "route/queue.h"
#include "route/retry.h"
#include "route/verdict.h"

#define SEC USEC_PER_SEC

static struct rng seeded(void)
{
    struct rng r;
    rng_seed(&r, 42);
    return r;
}

static void pick_skips_unusable_and_full(void **state)
{
    (void)state;
    struct rng rng = seeded();
    const struct route_candidate c[] = {
        {.inflight = 0, .weight = 1, .usable = false},
        {.inflight = 4, .capacity = 4, .weight = 1, .usable = true},
        {.inflight = 0, .weight = 0, .usable = true},
        {.inflight = 3, .capacity = 4, .weight = 1, .usable = true},
    };
    for (int p = ROUTE_LEAST_BUSY; p <= ROUTE_WEIGHTED; p++) {
        for (uint64_t turn = 0; turn < 50; turn++)
            assert_int_equal(route_pick((enum route_policy)p, c, 4, &rng, turn), 3);
        assert_true(route_pick((enum route_policy)p, c, 3, &rng, 0) == ROUTE_NONE);
        assert_true(route_pick((enum route_policy)p, c, 0, &rng, 0) == ROUTE_NONE);
    }
}

static void least_busy_of_two_is_the_less_loaded_one(void **state)
{
    (void)state;
    struct rng rng = seeded();
    const struct route_candidate by_capacity[] = {
        {.inflight = 6, .capacity = 64, .weight = 1, .usable = true},
        {.inflight = 1, .capacity = 4, .weight = 1, .usable = true},
    };
    const struct route_candidate by_weight[] = {
        {.inflight = 3, .weight = 2, .usable = true},
        {.inflight = 2, .weight = 1, .usable = true},
    };
    for (int i = 0; i < 100; i++) {
        assert_int_equal(route_pick(ROUTE_LEAST_BUSY, by_capacity, 2, &rng, 0), 0);
        assert_int_equal(route_pick(ROUTE_LEAST_BUSY, by_weight, 2, &rng, 0), 0);
    }
}

static void equal_load_is_shared_at_random(void **state)
{
    (void)state;
    struct rng rng = seeded();
    struct route_candidate c[5];
    unsigned hits[5] = {0};
    for (size_t i = 0; i < 5; i++)
        c[i] = (struct route_candidate){.weight = 1, .usable = true};
    for (int i = 0; i < 5000; i++)
        hits[route_pick(ROUTE_LEAST_BUSY, c, 5, &rng, 0)]++;
    for (size_t i = 0; i < 5; i++)
        assert_in_range(hits[i], 850, 1150);
}

/* Requests that stay: power of two choices keeps the endpoints close together. */
static void power_of_two_balances(void **state)
{
    (void)state;
    struct rng rng = seeded();
    struct route_candidate c[16];
    for (size_t i = 0; i < 16; i++)
        c[i] = (struct route_candidate){.weight = 1, .usable = true};
    for (int i = 0; i < 1600; i++)
        c[route_pick(ROUTE_LEAST_BUSY, c, 16, &rng, 0)].inflight++;
    for (size_t i = 0; i < 16; i++)
        assert_in_range(c[i].inflight, 96, 104);
}

static void round_robin_takes_turns(void **state)
{
    (void)state;
    struct rng rng = seeded();
    const struct route_candidate c[] = {
        {.weight = 1, .usable = true},
        {.weight = 1, .usable = false},
        {.weight = 1, .usable = true},
        {.weight = 1, .usable = true},
    };
    const size_t expected[] = {0, 2, 3, 0, 2, 3};
    for (uint64_t turn = 0; turn < 6; turn++)
        assert_int_equal(route_pick(ROUTE_ROUND_ROBIN, c, 4, &rng, turn), expected[turn]);
}

static void weighted_follows_weight(void **state)
{
    (void)state;
    struct rng rng = seeded();
    const struct route_candidate c[] = {
        {.weight = 1, .usable = true},
        {.weight = 3, .usable = true},
        {.weight = 100, .usable = false},
    };
    unsigned hits[3] = {0};
    for (int i = 0; i < 4000; i++)
        hits[route_pick(ROUTE_WEIGHTED, c, 3, &rng, 0)]++;
    assert_in_range(hits[0], 900, 1100);
    assert_in_range(hits[1], 2900, 3100);
    assert_int_equal(hits[2], 0);
}

static const struct breaker_rules rules = {
    .failures = 3, .cooldown_us = 1 * SEC, .cooldown_max_us = 8 * SEC};

static void breaker_trips_after_failures_in_a_row(void **state)
{
    (void)state;
    struct rng rng = seeded();
    struct breaker b = {0};
    breaker_failure(&b, &rules, 0, 10, &rng);
    breaker_failure(&b, &rules, 0, 10, &rng);
    breaker_success(&b, &rules, 10);
    breaker_failure(&b, &rules, 0, 10, &rng);
    breaker_failure(&b, &rules, 0, 10, &rng);
    assert_true(breaker_allows(&b, 10));
    breaker_failure(&b, &rules, 0, 10, &rng);
    assert_int_equal(breaker_state(&b, 10), BREAKER_OPEN);
    assert_false(breaker_allows(&b, 10));
    assert_in_range(b.until_us, 10 + 1 * SEC, 10 + SEC * 11 / 10);
}

static void breaker_tries_once_and_doubles(void **state)
{
    (void)state;
    struct rng rng = seeded();
    struct breaker b = {0};
    uint64_t now = 100;
    const uint64_t lengths[] = {1, 2, 4, 8, 8, 8};
    for (int i = 0; i < 2; i++)
        breaker_failure(&b, &rules, 0, now, &rng);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        breaker_failure(&b, &rules, 0, now, &rng);
        assert_in_range(b.until_us - now, lengths[i] * SEC, lengths[i] * SEC * 11 / 10);
        uint64_t until = b.until_us;
        breaker_failure(&b, &rules, 0, now + 1, &rng); /* a straggler */
        assert_true(b.until_us == until);
        now = until;
        assert_int_equal(breaker_state(&b, now), BREAKER_HALF_OPEN);
        assert_true(breaker_allows(&b, now));
        assert_true(breaker_begin(&b, now));
        assert_false(breaker_allows(&b, now));
    }
    breaker_abandon(&b);
    assert_true(breaker_allows(&b, now));
    assert_true(breaker_begin(&b, now));
    breaker_success(&b, &rules, now);
    assert_int_equal(breaker_state(&b, now), BREAKER_CLOSED);
    assert_false(breaker_begin(&b, now));
}

static void breaker_honours_retry_after(void **state)
{
    (void)state;
    struct rng rng = seeded();
    struct breaker b = {0};
    breaker_failure(&b, &rules, 5 * SEC, 0, &rng);
    assert_true(b.until_us == 5 * SEC);
    breaker_failure(&b, &rules, 7 * SEC, 1 * SEC, &rng);
    assert_true(b.until_us == 8 * SEC);
    breaker_failure(&b, &rules, 3600ull * SEC, 2 * SEC, &rng);
    assert_true(b.until_us == 10 * SEC); /* bounded */
}

/* Counts more than what succeeds beside them; old ones fade. */
static void breaker_by_rate_weighs_failures_against_successes(void **state)
{
    (void)state;
    struct rng rng = seeded();
    const struct breaker_rules by_rate = {
        .failures = 3, .by_rate = true, .cooldown_us = SEC, .cooldown_max_us = 8 * SEC};
    struct breaker b = {0};
    for (int i = 0; i < 100; i++)
        breaker_success(&b, &by_rate, 10); /* before anything failed: not counted */
    for (int i = 0; i < 50; i++) {
        breaker_failure(&b, &by_rate, 0, 10, &rng);
        breaker_success(&b, &by_rate, 10);
        assert_int_equal(breaker_state(&b, 10), BREAKER_CLOSED);
    }
    breaker_failure(&b, &by_rate, 0, 10, &rng);
    assert_int_equal(breaker_state(&b, 10), BREAKER_OPEN);
    assert_true(breaker_begin(&b, 10 + 2 * SEC));
    breaker_success(&b, &by_rate, 10 + 2 * SEC); /* the trial */
    assert_int_equal(breaker_state(&b, 10 + 2 * SEC), BREAKER_CLOSED);

    for (int i = 0; i < 2; i++)
        breaker_failure(&b, &by_rate, 0, 100 * SEC, &rng);
    breaker_failure(&b, &by_rate, 0, 130 * SEC, &rng); /* the first two have faded */
    assert_int_equal(breaker_state(&b, 130 * SEC), BREAKER_CLOSED);
    assert_int_equal(b.failures, 1);
}

static bool retry(struct retry_budget budgets[2], unsigned own, uint64_t now, uint64_t minimum)
{
    struct retry_sums sums = {0};
    retry_add(&budgets[0], now, &sums);
    retry_add(&budgets[1], now, &sums);
    if (!retry_allowed(&sums, 20, minimum)) return false;
    retry_count_retry(&budgets[own], now);
    return true;
}

/* Two threads, one budget: whoever asks may take all of it. */
static void retries_stay_within_budget(void **state)
{
    (void)state;
    struct retry_budget b[2] = {0};
    uint64_t now = 1000 * (uint64_t)SEC;
    for (unsigned i = 0; i < 3; i++)
        assert_true(retry(b, 1, now, 3));
    assert_false(retry(b, 0, now, 3));
    assert_false(retry(b, 1, now, 3));
    for (unsigned i = 0; i < 100; i++)
        retry_count_request(&b[i % 2], now + (uint64_t)i * 50000);
    int granted = 0;
    for (unsigned i = 0; i < 100; i++)
        granted += retry(b, i % 2, now + 5 * SEC, 3);
    assert_int_equal(granted, 20);
    /* The window has 80 requests and 20 retries left; then none. */
    assert_false(retry(b, 0, now + 10 * SEC, 3));
    granted = 0;
    for (unsigned i = 0; i < 100; i++)
        granted += retry(b, 0, now + 100 * SEC, 3);
    assert_int_equal(granted, 3);
    /* A thread whose clock stands a little back sees the newest second, too. */
    assert_false(retry(b, 1, now + 99 * SEC, 3));
    assert_false(retry(b, 1, now + 200 * SEC, 0));
}

/* The table says what the design says: nobody takes the last endpoint away for an answer,
 * a timeout is not repeated. */
static void verdicts_are_what_the_table_says(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum verdict verdict;
    } statuses[] = {{200, VERDICT_OK},         {204, VERDICT_OK},      {304, VERDICT_OK},
                    {301, VERDICT_REDIRECTED}, {400, VERDICT_REFUSED}, {401, VERDICT_UNAUTHORIZED},
                    {403, VERDICT_REFUSED},    {404, VERDICT_REFUSED}, {408, VERDICT_FAILED},
                    {413, VERDICT_REFUSED},    {422, VERDICT_REFUSED}, {429, VERDICT_LIMITED},
                    {451, VERDICT_REFUSED},    {500, VERDICT_FAILED},  {501, VERDICT_REFUSED},
                    {502, VERDICT_FAILED},     {503, VERDICT_FAILED},  {505, VERDICT_REFUSED},
                    {529, VERDICT_FAILED}};
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        assert_int_equal(verdict_of_status(statuses[i].status), statuses[i].verdict);
    static const int lacks[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL};
    for (size_t i = 0; i < ARRAY_LEN(lacks); i++)
        assert_int_equal(verdict_of_error(-lacks[i], i % 2), VERDICT_LOCAL);
    assert_int_equal(verdict_of_error(-ECONNREFUSED, false), VERDICT_UNREACHABLE);
    assert_int_equal(verdict_of_error(-ECONNRESET, true), VERDICT_BROKEN);
    for (enum verdict v = 0; v < VERDICT_COUNT; v++) {
        const struct verdict_row *row = verdict_row(v);
        assert_int_equal(row->status == 0, row->code == NULL);
        if (row->blame == BLAME_TRANSPORT) assert_int_not_equal(row->status, 0);
    }
    assert_int_equal(verdict_row(VERDICT_TIMEOUT)->retry, RETRY_NEVER);
}

static void queue_is_fair_and_bounded(void **state)
{
    (void)state;
    struct queue q;
    struct queue_node n[5] = {{.deadline_us = 10},
                              {.deadline_us = 20},
                              {.deadline_us = 30},
                              {.deadline_us = 40, .priority = 1},
                              {.deadline_us = 50}};
    queue_init(&q);
    assert_null(queue_first(&q, 0));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(queue_push(&q, &n[i], 4), 0);
    assert_int_equal(queue_push(&q, &n[4], 4), ERR_FULL);
    assert_int_equal(q.count, 4);
    assert_ptr_equal(queue_first(&q, 0), &n[3]);
    assert_ptr_equal(queue_next(&q, &n[3], 0), &n[0]);
    assert_ptr_equal(queue_next(&q, &n[1], 0), &n[2]);
    assert_null(queue_next(&q, &n[2], 0));
    assert_ptr_equal(queue_next(&q, &n[3], 10), &n[1]); /* n[0] is past its deadline */
    queue_remove(&q, &n[3]);
    queue_remove(&q, &n[3]);
    queue_remove(&q, &n[4]);
    assert_int_equal(q.count, 3);
    assert_ptr_equal(queue_first(&q, 0), &n[0]);
    assert_null(queue_next(&q, &n[2], 0));
    assert_null(queue_first(&q, 30));
}

/* --- choosing --- */

/* Endpoints that are nothing but what they look like. */
struct stage {
    struct route_view views[200];
    size_t count;
    size_t taken; /* the place that was taken last; SIZE_MAX: none */
    bool last;    /* then: although it was shunned */
    int faster;   /* so many are taken by others just before */
};

static void stage_view(void *owner, size_t place, struct route_view *out)
{
    struct stage *s = owner;
    assert_in_range(place, 0, s->count - 1);
    *out = s->views[place];
}

static bool stage_take(void *owner, size_t place, bool last)
{
    struct stage *s = owner;
    if (s->faster-- > 0) return false;
    s->taken = place;
    s->last = last;
    return true;
}

static struct route_source stage_source(struct stage *s)
{
    return (struct route_source){
        .owner = s, .count = s->count, .view = stage_view, .take = stage_take};
}

static int choose(struct stage *s, bool retry, uint64_t now, uint64_t *retry_after)
{
    struct rng rng = seeded();
    struct route_source source = stage_source(s);
    struct route_wish wish = {.retry = retry, .rng = &rng, .now_us = now};
    s->taken = SIZE_MAX;
    *retry_after = 77;
    return route_choose(&source, &wish, retry_after);
}

static struct stage stage_of(size_t count)
{
    struct stage s = {.count = count};
    for (size_t i = 0; i < count; i++)
        s.views[i] = (struct route_view){.capacity = 1, .weight = 1};
    return s;
}

static void the_liked_come_before_the_shunned(void **state)
{
    (void)state;
    uint64_t after;
    struct stage s = stage_of(2);
    s.views[0].shunned = true;
    assert_int_equal(choose(&s, false, 10, &after), CHOOSE_TAKEN);
    assert_int_equal(s.taken, 1);
    assert_false(s.last);
    s.views[1].phase = ROUTE_DOWN;
    assert_int_equal(choose(&s, false, 10, &after), CHOOSE_TAKEN);
    assert_int_equal(s.taken, 0);
    assert_true(s.last);
    s.views[1] = (struct route_view){.capacity = 1, .inflight = 1, .weight = 1};
    assert_int_equal(choose(&s, false, 10, &after), CHOOSE_WAIT); /* a full one is waited for */
    s.views[1].tried = true;
    s.views[0].rest_until = 11;
    assert_int_equal(choose(&s, false, 10, &after), CHOOSE_REST);
    assert_int_equal(choose(&s, false, 11, &after), CHOOSE_TAKEN);
}

static void a_retry_goes_to_the_sound_first_and_takes_what_is_there(void **state)
{
    (void)state;
    uint64_t after;
    struct stage s = stage_of(3);
    s.views[0].tried = s.views[1].troubled = true;
    assert_int_equal(choose(&s, true, 10, &after), CHOOSE_TAKEN);
    assert_int_equal(s.taken, 2);
    s.views[2].inflight = 1;
    assert_int_equal(choose(&s, true, 10, &after), CHOOSE_TAKEN);
    assert_int_equal(s.taken, 1);
}

static void where_nobody_is_the_time_is_told(void **state)
{
    (void)state;
    uint64_t after;
    bool now;
    struct stage s = stage_of(2);
    s.views[0].tried = true;
    s.views[1].phase = ROUTE_DOWN;
    assert_int_equal(choose(&s, false, 10, &after), CHOOSE_NOBODY);
    assert_int_equal(after, 0);
    s.views[1].retry_at_us = 15;
    assert_int_equal(choose(&s, false, 10, &after), CHOOSE_NOBODY);
    assert_int_equal(after, 5);
    assert_int_equal(choose(&s, false, 99, &after), CHOOSE_NOBODY);
    assert_int_equal(after, 1); /* it may be any moment */
    s.views[1] = (struct route_view){.weight = 1, .closed_until = 10 + 5 * ROUTE_RECOVERY_US};
    assert_int_equal(choose(&s, false, 10, &after), CHOOSE_NOBODY);
    assert_int_equal(after, ROUTE_RECOVERY_US);
    struct route_source source = stage_source(&s);
    assert_false(route_hopeful(&source, 10, &now));
    s.views[1].closed_until = UINT64_MAX; /* a trial runs */
    assert_int_equal(choose(&s, false, 10, &after), CHOOSE_WAIT);
    s.views[1] = (struct route_view){.weight = 1, .phase = ROUTE_COMING};
    assert_int_equal(choose(&s, false, 10, &after), CHOOSE_WAIT);
    assert_true(route_hopeful(&source, 10, &now) && !now);
    s.views[1].phase = ROUTE_UP;
    assert_true(route_hopeful(&source, 10, &now) && now);
}

static void who_is_overtaken_tries_the_next(void **state)
{
    (void)state;
    uint64_t after;
    struct stage s = stage_of(3);
    s.faster = 2;
    assert_int_equal(choose(&s, false, 10, &after), CHOOSE_TAKEN);
    s.faster = 3;
    assert_int_equal(choose(&s, false, 10, &after), CHOOSE_WAIT);
    assert_int_equal(s.taken, SIZE_MAX);
}

/* More than are weighed against each other at once: the only free one is found wherever it
 * stands. */
static void many_are_all_looked_at(void **state)
{
    (void)state;
    uint64_t after;
    for (size_t free_one = 0; free_one < 200; free_one += 7) {
        struct stage s = stage_of(200);
        for (size_t i = 0; i < s.count; i++)
            s.views[i].inflight = i != free_one;
        assert_int_equal(choose(&s, false, 10, &after), CHOOSE_TAKEN);
        assert_int_equal(s.taken, free_one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pick_skips_unusable_and_full),
        cmocka_unit_test(least_busy_of_two_is_the_less_loaded_one),
        cmocka_unit_test(equal_load_is_shared_at_random),
        cmocka_unit_test(power_of_two_balances),
        cmocka_unit_test(round_robin_takes_turns),
        cmocka_unit_test(weighted_follows_weight),
        cmocka_unit_test(breaker_trips_after_failures_in_a_row),
        cmocka_unit_test(breaker_tries_once_and_doubles),
        cmocka_unit_test(breaker_honours_retry_after),
        cmocka_unit_test(breaker_by_rate_weighs_failures_against_successes),
        cmocka_unit_test(retries_stay_within_budget),
        cmocka_unit_test(verdicts_are_what_the_table_says),
        cmocka_unit_test(queue_is_fair_and_bounded),
        cmocka_unit_test(the_liked_come_before_the_shunned),
        cmocka_unit_test(a_retry_goes_to_the_sound_first_and_takes_what_is_there),
        cmocka_unit_test(where_nobody_is_the_time_is_told),
        cmocka_unit_test(who_is_overtaken_tries_the_next),
        cmocka_unit_test(many_are_all_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
