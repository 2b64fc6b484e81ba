/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that leave while a slice of their prompts is computed, and others that come meanwhile. */
#include <stdlib.h>
#include <string.h>

#include "engine_bench.h"

enum { LENGTH = 300, BATCH = 64, MANY = 3 };

/* Somebody leaves in the middle of a decode, as on the loop's thread. */
struct leaving {
    struct told *who[MANY];
    unsigned count;
    unsigned decodes; /* until then; 0: they have left */
    size_t items;     /* of that decode */
};

static void on_decode(void *user, size_t items)
{
    struct leaving *l = user;
    bench_clock_us += 1000 + 1000 * items;
    if (!l->decodes || --l->decodes) return;
    l->items = items;
    for (unsigned i = 0; i < l->count; i++)
        sequence_abandon(l->who[i]->sequence);
}

/* Their cancels come behind that. */
static void cancel(struct bench *b, const struct leaving *l)
{
    for (unsigned i = 0; i < l->count; i++)
        scheduler_cancel(b->scheduler, l->who[i]->sequence);
}

static struct told *add(struct bench *b, char letter, size_t length, struct sequence *leader)
{
    char text[LENGTH + 1];
    memset(text, letter, length);
    text[length] = 0;
    const struct sequence_spec spec = {
        .max_tokens = 5, .leader = leader, .sampling = {.top_p = 1, .repeat_penalty = 1}};
    return bench_add(b, text, spec);
}

static struct bench *bench(void)
{
    return bench_new("fake:mode echo", 4, 2 * LENGTH, BATCH);
}

/* What the answer is where nobody leaves. */
static void assert_as_ever(const struct told *t, char letter, size_t length)
{
    struct bench *b = bench();
    const struct told *alone = add(b, letter, length, NULL);
    bench_run(b);
    assert_string_equal(t->text, alone->text);
    assert_int_equal(t->finish, FINISH_LENGTH);
    bench_free(b);
}

static uint64_t aborted(const struct bench *b)
{
    return metric_read(&scheduler_stats(b->scheduler)->aborted);
}

/* --- tests --- */

static void a_slice_for_nobody_ends(void **state)
{
    (void)state;
    struct bench *b = bench();
    struct leaving l = {.who = {add(b, 'a', LENGTH, NULL)}, .count = 1, .decodes = 3};
    model_fake_on_decode(b->model, on_decode, &l);
    while (!aborted(b))
        assert_true(scheduler_step(b->scheduler));
    assert_int_equal(l.items, BATCH);
    assert_int_equal(l.who[0]->sequence->done, 2 * BATCH);
    cancel(b, &l);
    assert_false(scheduler_step(b->scheduler));
    /* What was computed before is of use, and nothing is left of the slice. */
    const struct told *again = add(b, 'a', LENGTH, NULL);
    bench_run(b);
    assert_int_equal(again->cached, 2 * BATCH);
    assert_as_ever(again, 'a', LENGTH);
    bench_free(b);
}

/* Of `MANY` prompts in one decode the last `count` leave. Returns how many decodes were ended. */
static uint64_t last_leave(unsigned count)
{
    enum { SHORT = 9 }; /* they go well in one decode */
    struct bench *b = bench();
    struct told *all[MANY];
    struct leaving l = {.count = count};
    add(b, 'z', SHORT, NULL); /* what it costs is known from here on */
    bench_run(b);
    for (unsigned i = 0; i < MANY; i++)
        all[i] = add(b, (char)('a' + i), SHORT, NULL);
    memcpy(l.who, all + MANY - count, count * sizeof *all);
    l.decodes = 1;
    model_fake_on_decode(b->model, on_decode, &l);
    assert_true(scheduler_step(b->scheduler));
    assert_int_equal(l.items, MANY * SHORT); /* what begins each of them was known */
    uint64_t ended = aborted(b);
    cancel(b, &l);
    bench_run(b);
    for (unsigned i = 0; i < MANY - count; i++)
        assert_as_ever(all[i], (char)('a' + i), SHORT);
    bench_free(b);
    return ended;
}

static void others_in_the_same_decode_are_put_back(void **state)
{
    (void)state;
    assert_int_equal(last_leave(2), 1);
}

static void a_slice_that_most_wait_for_goes_on(void **state)
{
    (void)state;
    assert_int_equal(last_leave(1), 0);
}

/* A prompt that others are about to copy; `count`: the first so many of them leave. */
static uint64_t leaders_leave(unsigned count)
{
    struct bench *b = bench();
    struct leaving l = {.count = count, .decodes = 2};
    l.who[0] = add(b, 'a', LENGTH, NULL);
    for (unsigned i = 1; i < MANY; i++)
        l.who[i] = add(b, 'a', LENGTH, l.who[0]->sequence);
    model_fake_on_decode(b->model, on_decode, &l);
    while (l.decodes)
        assert_true(scheduler_step(b->scheduler));
    uint64_t ended = aborted(b);
    cancel(b, &l);
    bench_run(b);
    for (unsigned i = count; i < MANY; i++)
        assert_as_ever(l.who[i], 'a', LENGTH);
    bench_free(b);
    return ended;
}

static void what_followers_wait_for_is_computed(void **state)
{
    (void)state;
    assert_int_equal(leaders_leave(1), 0);
    assert_int_equal(leaders_leave(MANY), 1);
}

/* Somebody comes in the middle of a decode. */
struct coming {
    unsigned decodes; /* until then */
    uint64_t rest_us; /* of that decode, when they come */
    bool here;
};

enum { ITEM_US = 20000 };

static void on_decode_beside(void *user, size_t items)
{
    struct coming *c = user;
    c->here = c->decodes && !--c->decodes;
    bench_clock_us += ITEM_US * items - (c->here ? c->rest_us : 0);
}

static bool anybody(void *user)
{
    const struct coming *c = user;
    return c->here;
}

/* Returns how many slices ended early. */
static uint64_t one_comes(uint64_t rest_us)
{
    struct coming c = {.rest_us = rest_us};
    const struct bench_options options = {.script = "fake:mode echo",
                                          .slots = 4,
                                          .context = 2 * LENGTH,
                                          .batch = BATCH,
                                          .newcomers = {anybody, &c}};
    struct bench *b = bench_open(&options);
    model_fake_on_decode(b->model, on_decode_beside, &c);
    add(b, 'z', LENGTH, NULL); /* what it costs is known from here on */
    bench_run(b);
    c.decodes = 3;
    const struct told *first = add(b, 'a', LENGTH, NULL);
    while (!c.here)
        assert_true(scheduler_step(b->scheduler));
    uint64_t ended = aborted(b);
    assert_int_equal(first->sequence->done / BATCH, 3 - ended);
    c.here = false;
    const struct told *next = add(b, 'b', 9, NULL);
    bench_run(b);
    assert_int_equal(aborted(b), ended);
    assert_as_ever(first, 'a', LENGTH);
    assert_as_ever(next, 'b', 9);
    bench_free(b);
    return ended;
}

static void a_newcomer_waits_for_a_short_while_only(void **state)
{
    (void)state;
    assert_int_equal(one_comes(201 * USEC_PER_MS), 1);
    assert_int_equal(one_comes(199 * USEC_PER_MS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_for_nobody_ends),
        cmocka_unit_test(others_in_the_same_decode_are_put_back),
        cmocka_unit_test(a_slice_that_most_wait_for_goes_on),
        cmocka_unit_test(what_followers_wait_for_is_computed),
        cmocka_unit_test(a_newcomer_waits_for_a_short_while_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
