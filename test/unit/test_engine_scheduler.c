/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler on the scripted model, step by step, on a clock that the model moves. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cache/cache.h"
#include "engine_bench.h"

static struct sequence_spec greedy(uint32_t max_tokens)
{
    return (struct sequence_spec){.max_tokens = max_tokens,
                                  .sampling = {.temperature = 0, .top_p = 1, .repeat_penalty = 1}};
}

static struct told *add(struct bench *b, const char *text, uint32_t max_tokens)
{
    return bench_add(b, text, greedy(max_tokens));
}

/* Text of n characters that begins with `head`. */
static char *filled(const char *head, size_t n)
{
    char *s = malloc(n + 1);
    assert_non_null(s);
    memset(s, 'x', n);
    memcpy(s, head, MIN(strlen(head), n));
    s[n] = 0;
    return s;
}

/* --- tests --- */

static void a_chat_is_answered(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 2, 256, 64);
    struct told *t =
        add(b, "<|im_start|>user\nh\xc3\xa9llo<|im_end|>\n<|im_start|>assistant\n", 100);
    bench_run(b);
    assert_string_equal(t->text, "h\xc3\xa9llo");
    assert_int_equal(t->finish, FINISH_STOP);
    assert_int_equal(t->generated, 7);
    assert_int_equal(t->outputs, 5 + 1); /* five characters, and the end */
    bench_free(b);
}

static void length_and_end_tokens(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode script;text abc", 2, 64, 64);
    struct told *t = add(b, "<|im_start|>\n", 2);
    struct sequence_spec on = greedy(9);
    on.ignore_end = true;
    struct told *u = bench_add(b, "<|im_start|>\n", on);
    bench_run(b);
    assert_string_equal(t->text, "ab");
    assert_int_equal(t->finish, FINISH_LENGTH);
    assert_int_equal(t->generated, 2);
    assert_string_equal(u->text, "abc");
    assert_int_equal(u->finish, FINISH_LENGTH);
    assert_int_equal(u->generated, 9);
    bench_free(b);
}

static void stop_strings_end_and_are_not_told(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode script;text one two three", 1, 64, 64);
    const struct str stops[] = {STR("o th"), STR("zzz")};
    struct sequence_spec spec = greedy(40);
    spec.stops = stops;
    spec.stop_count = 2;
    spec.sampling.logprobs = true;
    struct told *t = bench_add(b, "<|im_start|>\n", spec);
    bench_run(b);
    assert_string_equal(t->text, "one tw");
    assert_int_equal(t->finish, FINISH_STOP);
    assert_int_equal(t->choices, 6);
    assert_int_equal(t->generated, 10);
    bench_free(b);
}

/* The same answers whether alone or together, whatever the slices, copies and reuse. */
static void company_changes_no_answer(void **state)
{
    (void)state;
    enum { N = 24 };
    char expected[N][64];
    const char *script = "fake:mode echo";
    char *shared = filled("shared beginning", 380);
    for (unsigned i = 0; i < N; i++) {
        char text[400];
        struct bench *b = bench_new(script, 1, 512, 64);
        (void)snprintf(text, sizeof text, "%.*s #%u", (int)(i * 12), shared, i % 7);
        struct told *t = add(b, text, 1 + i);
        bench_run(b);
        (void)snprintf(expected[i], sizeof expected[i], "%.63s", t->text);
        assert_int_equal(strlen(t->text), 1 + i);
        bench_free(b);
    }
    for (uint32_t slots = 2; slots <= 16; slots *= 2) {
        struct bench *b = bench_new(script, slots, 512, 48);
        for (unsigned i = 0; i < N; i++) {
            char text[400];
            (void)snprintf(text, sizeof text, "%.*s #%u", (int)(i * 12), shared, i % 7);
            add(b, text, 1 + i);
            if (i % 5 == 0) scheduler_step(b->scheduler);
        }
        bench_run(b);
        assert_int_equal(b->ended, N);
        for (unsigned i = 0; i < N; i++)
            assert_string_equal(b->told[i].text, expected[i]);
        bench_free(b);
    }
    free(shared);
}

/* Running sequences get a token in every step, while a long prompt comes in slices of the time that
 * was set. */
static void a_long_prompt_does_not_stop_the_others(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 4, 2048, 512);
    struct told *running = add(b, "short", 500);
    for (int i = 0; i < 10; i++)
        scheduler_step(b->scheduler);
    char *text = filled("long", 1500);
    struct told *longer = add(b, text, 3);
    unsigned steps = 0;
    while (!longer->outputs) {
        unsigned before = running->outputs;
        uint64_t began = bench_clock_us;
        assert_true(scheduler_step(b->scheduler));
        assert_int_equal(running->outputs, before + 1);
        /* A size's worth, or the last piece of half as much again. */
        if (steps++) assert_true(bench_clock_us - began <= 100 * 1000);
    }
    assert_true(steps >= 1500 / 64);
    free(text);
    bench_free(b);
}

/* A short prompt goes first through, and the running ones still get most of the steps. */
static void a_short_prompt_passes_a_long_one(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 4, 2048, 512);
    add(b, "running", 1500);
    for (int i = 0; i < 10; i++)
        scheduler_step(b->scheduler);
    char *text = filled("long", 1500);
    struct told *longer = add(b, text, 3);
    for (int i = 0; i < 5; i++)
        scheduler_step(b->scheduler);
    struct told *shorter = add(b, "short", 3);
    uint64_t began = bench_clock_us;
    while (!shorter->outputs)
        scheduler_step(b->scheduler);
    assert_int_equal(longer->outputs, 0);
    assert_true(bench_clock_us - began < 200 * 1000);
    while (!longer->outputs)
        scheduler_step(b->scheduler);
    assert_true(longer->first_us - began < 2 * 1500 * 1000);
    free(text);
    bench_free(b);
}

/* What is known goes out before the next long computation, not at the end of the step. */
static void tokens_do_not_wait_for_the_rest_of_a_step(void **state)
{
    (void)state;
    enum { N = 4 };
    struct bench *b = bench_new("fake:mode echo", N + 1, 2048, 512);
    char *text = filled("w", 20);
    struct told *running = add(b, text, 500);
    while (!running->outputs) /* and what a prompt token costs is known from here on */
        scheduler_step(b->scheduler);
    struct told *prompts[N];
    for (unsigned i = 0; i < N; i++) {
        text[0] = (char)('a' + i); /* nothing of it is in the cache */
        prompts[i] = add(b, text, 3);
    }
    running->out_us = 0;
    uint64_t began = bench_clock_us;
    while (!prompts[N - 1]->outputs)
        scheduler_step(b->scheduler);
    assert_int_equal(running->out_us, began + 2000); /* one decode of one token */
    for (unsigned i = 0; i + 1 < N; i++)
        assert_true(prompts[i]->out_us && prompts[i]->out_us < prompts[i + 1]->first_us);
    free(text);
    bench_free(b);
}

/* Decodes that a prompt of one new letter, `length` tokens long, takes. */
static unsigned decodes_for(struct bench *b, const char *first, size_t length)
{
    unsigned before = model_fake_stats(b->model)->decodes;
    char *text = filled(first, length);
    const struct told *t = add(b, text, 1);
    while (!t->outputs)
        scheduler_step(b->scheduler);
    free(text);
    return model_fake_stats(b->model)->decodes - before;
}

static void a_prompt_that_is_not_much_longer_than_a_slice_is_not_cut(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 2, 2048, 512);
    /* From here on its cost is known: 200 ms alone are 200 tokens at most. */
    decodes_for(b, "a", 190);
    assert_int_equal(decodes_for(b, "b", 215), 1);
    assert_int_equal(decodes_for(b, "c", 350), 1);
    assert_int_equal(decodes_for(b, "d", 450), 2);
    bench_free(b);
}

static void waiting_sequences_are_taken_in_order(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 2, 128, 64);
    for (int i = 0; i < 9; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "prompt %d", i);
        add(b, text, 5);
    }
    assert_int_equal(metric_read(&scheduler_stats(b->scheduler)->waiting), 9);
    scheduler_step(b->scheduler);
    assert_int_equal(metric_read(&scheduler_stats(b->scheduler)->waiting), 7);
    assert_int_equal(metric_read(&scheduler_stats(b->scheduler)->running), 2);
    bench_run(b);
    for (unsigned i = 1; i < 9; i++)
        assert_true(b->told[i].first_us >= b->told[i - 1].first_us);
    assert_int_equal(metric_read(&scheduler_stats(b->scheduler)->running), 0);
    assert_int_equal(metric_read(&scheduler_stats(b->scheduler)->waiting), 0);
    bench_free(b);
}

/* Which it is told once what computing costs is known. */
static void one_with_little_to_compute_passes_one_with_much(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 1, 2048, 64);
    char *text = filled("a long text to begin with", 1000);
    add(b, text, 2);
    bench_run(b);
    add(b, "running", 4);
    scheduler_step(b->scheduler);
    memset(text, 'b', 1000);
    const struct told *much = add(b, text, 2);
    const struct told *little = add(b, "little", 2);
    bench_run(b);
    assert_true(little->first_us < much->first_us);
    /* But none that came earlier than by what its own prompt takes. */
    add(b, "running", 4);
    scheduler_step(b->scheduler);
    memset(text, 'c', 1000);
    const struct told *early = add(b, text, 2);
    bench_clock_us += 10 * USEC_PER_SEC;
    const struct told *late = add(b, "late", 2);
    bench_run(b);
    assert_true(early->first_us < late->first_us);
    assert_int_equal(metric_read(&scheduler_stats(b->scheduler)->waits[WAIT_SLOT]), 4);
    assert_int_equal(metric_read(&scheduler_stats(b->scheduler)->waits[WAIT_NONE]), 3);
    free(text);
    bench_free(b);
}

static void a_cancelled_sequence_frees_its_slot_at_once(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 1, 128, 64);
    struct told *first = add(b, "first", 100), *second = add(b, "second", 3),
                *third = add(b, "third", 3);
    for (int i = 0; i < 5; i++)
        scheduler_step(b->scheduler);
    assert_int_equal(second->outputs, 0);
    scheduler_cancel(b->scheduler, first->sequence);
    assert_int_equal(first->finish, FINISH_CANCELLED);
    scheduler_cancel(b->scheduler, third->sequence);
    assert_int_equal(third->finish, FINISH_CANCELLED);
    scheduler_cancel(b->scheduler, third->sequence); /* again: nothing */
    scheduler_step(b->scheduler);
    assert_int_equal(second->outputs, 1);
    bench_run(b);
    assert_int_equal(second->finish, FINISH_LENGTH);
    bench_free(b);
}

static void cancelled_in_the_middle_of_its_prompt(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 2, 2048, 64);
    char *text = filled("p", 1000);
    struct told *t = add(b, text, 10);
    scheduler_step(b->scheduler);
    scheduler_step(b->scheduler);
    assert_int_equal(t->outputs, 0);
    scheduler_cancel(b->scheduler, t->sequence);
    assert_false(scheduler_step(b->scheduler));
    /* What was computed is of use for the next one. */
    struct told *again = add(b, text, 2);
    bench_run(b);
    assert_true(again->cached >= 64);
    free(text);
    bench_free(b);
}

static void a_slot_that_holds_the_beginning_is_reused(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 4, 512, 64);
    add(b, "an entirely different text, as long as the other one is", 4);
    struct told *first = add(b, "system prompt that is long enough. question one", 4);
    bench_run(b);
    unsigned items = model_fake_stats(b->model)->items;
    struct told *same = add(b, "system prompt that is long enough. question one", 4);
    bench_run(b);
    assert_int_equal(same->cached, same->prompt - 1);
    assert_string_equal(same->text, first->text);
    assert_int_equal(model_fake_stats(b->model)->items - items, 1 + 3);
    struct told *other = add(b, "system prompt that is long enough. another", 4);
    bench_run(b);
    assert_int_equal(other->cached, 1 + strlen("system prompt that is long enough. "));
    bench_free(b);
}

/* Each keeps its own while there are slots that nobody has used. */
static void conversations_with_one_beginning_keep_their_slots(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 4, 1024, 64);
    enum { SYSTEM = 100, TURNS = 5 };
    char *text[2] = {filled("you are a helpful assistant", 200),
                     filled("you are a helpful assistant", 200)};
    memset(text[0] + SYSTEM, 'a', 200 - SYSTEM);
    memset(text[1] + SYSTEM, 'b', 200 - SYSTEM);
    for (int i = 0; i < TURNS; i++) {
        for (int who = 0; who < 2; who++) {
            const struct told *t = add(b, text[who], 4);
            bench_run(b);
            if (i) assert_int_equal(t->cached, t->prompt - 1);
            if (!i && who) assert_int_equal(t->cached, SYSTEM + 1); /* and what begins a text */
        }
    }
    assert_int_equal(model_fake_stats(b->model)->forks, 1);
    /* Another one, while one of them runs: an empty slot again, and not the one beside. */
    struct told *running = add(b, text[0], 50);
    scheduler_step(b->scheduler);
    text[0][SYSTEM] = 'c';
    add(b, text[0], 4);
    while (running->finish == FINISH_NONE)
        scheduler_step(b->scheduler);
    const struct told *again = add(b, text[1], 4);
    bench_run(b);
    assert_int_equal(again->cached, again->prompt - 1);
    free(text[0]);
    free(text[1]);
    bench_free(b);
}

/* Who has waited longest for its holder goes first when none is empty. */
static void the_slot_unused_for_longest_makes_room(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 3, 512, 64);
    char *text = filled("system prompt of all of them", 120);
    for (int turn = 0; turn < 4; turn++) { /* the last one takes the slot of the first */
        memset(text + 60, 'a' + turn, 60);
        add(b, text, 2);
        bench_run(b);
    }
    for (int turn = 3; turn >= 1; turn--) {
        memset(text + 60, 'a' + turn, 60);
        const struct told *t = add(b, text, 2);
        bench_run(b);
        assert_int_equal(t->cached, t->prompt - 1);
    }
    free(text);
    bench_free(b);
}

static void a_common_beginning_is_computed_once(void **state)
{
    (void)state;
    enum { N = 16, SHARED = 300, OWN = 10 };
    struct bench *b = bench_new("fake:mode echo", 8, 512, 128);
    char *text = filled("one beginning", SHARED + OWN);
    struct told *first = NULL;
    for (int i = 0; i < N; i++) {
        memset(text + SHARED, 'a' + i, OWN);
        struct told *t = add(b, text, 3);
        if (!i) first = t;
    }
    bench_run(b);
    assert_int_equal(b->ended, N);
    uint64_t computed = metric_read(&scheduler_stats(b->scheduler)->prompt_tokens);
    assert_true(computed <= SHARED + N * (OWN + 2));
    /* The first one's end is no reason to compute it again, nor to wait for ever. */
    memset(text, 'z', SHARED);
    struct told *gone = add(b, text, 3);
    text[SHARED] = '2';
    struct told *second = add(b, text, 3);
    scheduler_step(b->scheduler);
    assert_int_equal(second->sequence->state, SEQUENCE_WAITING);
    scheduler_cancel(b->scheduler, gone->sequence);
    bench_run(b);
    assert_int_equal(second->finish, FINISH_LENGTH);
    assert_true(second->cached > 0);
    assert_int_equal(first->finish, FINISH_LENGTH);
    free(text);
    bench_free(b);
}

static void followers_copy_their_leaders_prompt(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 4, 512, 64);
    char *text = filled("question", 200);
    struct sequence_spec spec = greedy(6);
    struct told *leader = bench_add(b, text, spec);
    spec.leader = leader->sequence;
    struct told *second = bench_add(b, text, spec), *third = bench_add(b, text, spec);
    bench_run(b);
    assert_int_equal(model_fake_stats(b->model)->forks, 2);
    assert_int_equal(second->cached, 200);
    assert_string_equal(second->text, leader->text);
    assert_string_equal(third->text, leader->text);
    /* The prompt once, one token of it for each follower, and the answers. */
    assert_int_equal(model_fake_stats(b->model)->items, 201 + 2 + 3 * 5);
    free(text);
    bench_free(b);
}

static void followers_outlive_a_cancelled_leader(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 4, 512, 64);
    struct sequence_spec spec = greedy(6);
    struct told *leader = bench_add(b, "question", spec);
    spec.leader = leader->sequence;
    struct told *second = bench_add(b, "question", spec);
    scheduler_cancel(b->scheduler, leader->sequence);
    spec.leader = leader->sequence;
    struct told *late = bench_add(b, "question", spec);
    bench_run(b);
    assert_int_equal(second->finish, FINISH_LENGTH);
    assert_int_equal(late->finish, FINISH_LENGTH);
    assert_string_equal(second->text, late->text);
    bench_free(b);
}

static void a_paused_sequence_gets_nothing(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 2, 128, 64);
    struct told *slow = add(b, "slow", 10), *fast = add(b, "fast", 10);
    scheduler_step(b->scheduler);
    scheduler_pause(b->scheduler, slow->sequence, true);
    bench_run(b);
    assert_int_equal(fast->finish, FINISH_LENGTH);
    assert_int_equal(slow->outputs, 1);
    assert_false(scheduler_step(b->scheduler));
    scheduler_pause(b->scheduler, slow->sequence, false);
    bench_run(b);
    assert_int_equal(slow->generated, 10);
    bench_free(b);
}

/* A reader that does not come back must not keep others from their slots; one that does gets the
 * same text. */
static void a_paused_sequence_makes_room(void **state)
{
    (void)state;
    struct bench *b = bench_open(&(struct bench_options){
        .script = "fake:mode echo", .slots = 1, .context = 128, .batch = 64, .cache_ram = 1 << 20});
    struct told *alone = add(b, "slow reader", 20);
    bench_run(b);
    struct told *slow = add(b, "slow reader", 20);
    for (int i = 0; i < 6; i++)
        scheduler_step(b->scheduler);
    scheduler_pause(b->scheduler, slow->sequence, true);
    unsigned before = slow->outputs;
    struct told *other = add(b, "quite another text", 7);
    bench_run(b);
    assert_int_equal(other->finish, FINISH_LENGTH);
    assert_int_equal(slow->outputs, before);
    assert_int_equal(slow->sequence->state, SEQUENCE_PARKED);
    unsigned items = model_fake_stats(b->model)->items;
    scheduler_pause(b->scheduler, slow->sequence, false);
    bench_run(b);
    assert_int_equal(slow->finish, FINISH_LENGTH);
    assert_string_equal(slow->text, alone->text);
    assert_int_equal(slow->generated, 20);
    /* Its state was saved: nothing is computed again. */
    assert_int_equal(model_fake_stats(b->model)->restores, 1);
    assert_true(model_fake_stats(b->model)->items - items <= 20);
    struct told *parked = add(b, "parked", 20);
    scheduler_step(b->scheduler);
    scheduler_pause(b->scheduler, parked->sequence, true);
    add(b, "one more", 1);
    bench_run(b);
    scheduler_cancel(b->scheduler, parked->sequence);
    assert_int_equal(parked->finish, FINISH_CANCELLED);
    bench_free(b);
}

static void a_failed_decode_ends_its_sequences_only(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo;fail 4", 1, 128, 64);
    struct told *t = add(b, "one", 10), *u = add(b, "two", 3);
    bench_run(b);
    assert_int_equal(t->finish, FINISH_FAILED);
    assert_int_equal(u->finish, FINISH_LENGTH);
    bench_free(b);
    b = bench_new("fake:mode echo;nan 3", 2, 128, 64);
    t = add(b, "one", 10);
    bench_run(b);
    assert_int_equal(t->finish, FINISH_FAILED);
    u = add(b, "one", 3);
    bench_run(b);
    assert_int_equal(u->finish, FINISH_LENGTH);
    bench_free(b);
}

static void the_context_can_be_filled_to_the_last_token(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 2, 64, 64);
    char *text = filled("full", 62);
    struct told *t = add(b, text, 1);
    text[32] = 0;
    struct told *u = add(b, text, 31);
    bench_run(b);
    assert_int_equal(t->prompt, 63);
    assert_int_equal(t->finish, FINISH_LENGTH);
    assert_int_equal(u->generated, 31);
    free(text);
    bench_free(b);
}

static void neighbours_are_placed_together(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 8, 128, 64);
    char text[32];
    for (int round = 0; round < 6; round++) {
        struct told *t[3];
        uint32_t low = 8, high = 0;
        for (int i = 0; i < 3; i++) {
            (void)snprintf(text, sizeof text, "%c%d", 'a' + round, i);
            t[i] = add(b, text, 5);
        }
        scheduler_step(b->scheduler);
        for (int i = 0; i < 3; i++) {
            low = MIN(low, t[i]->sequence->slot);
            high = MAX(high, t[i]->sequence->slot);
        }
        assert_int_equal(high - low, 2);
        bench_run(b);
    }
    bench_free(b);
}

static void embeddings_are_done_in_batches(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode echo", 2, 128, 64);
    enum { INPUTS = 100 };
    int32_t tokens[INPUTS];
    struct token_list inputs[INPUTS];
    float *out = calloc(INPUTS * 8, sizeof *out);
    for (int i = 0; i < INPUTS; i++) {
        tokens[i] = i;
        inputs[i] = (struct token_list){tokens, (uint32_t)i % 9 + 1};
    }
    struct embed_job job = {.inputs = inputs, .count = INPUTS, .out = out};
    struct embed_job cancelled = {.inputs = inputs, .count = INPUTS, .out = out};
    struct told *t = add(b, "running meanwhile", 10);
    scheduler_embed(b->scheduler, &job);
    scheduler_embed(b->scheduler, &cancelled);
    scheduler_step(b->scheduler);
    scheduler_cancel_embed(b->scheduler, &cancelled);
    assert_int_equal(b->embedded, 1);
    bench_run(b);
    assert_int_equal(b->embedded, 2);
    assert_int_equal(b->embed_err, 0);
    assert_int_equal(t->finish, FINISH_LENGTH);
    for (int i = 0; i < INPUTS; i++) {
        float sum = 0;
        for (int k = 0; k < 8; k++)
            sum += out[i * 8 + k] * out[i * 8 + k];
        assert_true(sum > 0.99f && sum < 1.01f);
    }
    free(out);
    bench_free(b);
}

static void many_come_and_go(void **state)
{
    (void)state;
    enum { MANY = 299 };
    struct bench *b = bench_new("fake:mode echo", 8, 256, 64);
    srand(11);
    unsigned open = 0;
    while (b->ended < MANY) {
        if (b->count < MANY && rand() % 3) {
            char *text = filled("beginning", 9 + (size_t)(rand() % 200));
            text[rand() % 9] = (char)('a' + rand() % 4);
            add(b, text, 1 + (uint32_t)(rand() % 50));
            free(text);
            open++;
        }
        if (b->count && rand() % 4 == 0) {
            const struct told *t = &b->told[(unsigned)rand() % b->count];
            scheduler_pause(b->scheduler, t->sequence, rand() % 3 == 0);
        }
        if (b->count && rand() % 6 == 0) {
            const struct told *t = &b->told[(unsigned)rand() % b->count];
            scheduler_cancel(b->scheduler, t->sequence);
        }
        scheduler_step(b->scheduler);
    }
    assert_int_equal(open, MANY);
    assert_int_equal(metric_read(&scheduler_stats(b->scheduler)->running), 0);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chat_is_answered),
        cmocka_unit_test(length_and_end_tokens),
        cmocka_unit_test(stop_strings_end_and_are_not_told),
        cmocka_unit_test(company_changes_no_answer),
        cmocka_unit_test(a_long_prompt_does_not_stop_the_others),
        cmocka_unit_test(a_short_prompt_passes_a_long_one),
        cmocka_unit_test(tokens_do_not_wait_for_the_rest_of_a_step),
        cmocka_unit_test(a_prompt_that_is_not_much_longer_than_a_slice_is_not_cut),
        cmocka_unit_test(waiting_sequences_are_taken_in_order),
        cmocka_unit_test(one_with_little_to_compute_passes_one_with_much),
        cmocka_unit_test(a_cancelled_sequence_frees_its_slot_at_once),
        cmocka_unit_test(cancelled_in_the_middle_of_its_prompt),
        cmocka_unit_test(a_slot_that_holds_the_beginning_is_reused),
        cmocka_unit_test(conversations_with_one_beginning_keep_their_slots),
        cmocka_unit_test(the_slot_unused_for_longest_makes_room),
        cmocka_unit_test(a_common_beginning_is_computed_once),
        cmocka_unit_test(followers_copy_their_leaders_prompt),
        cmocka_unit_test(followers_outlive_a_cancelled_leader),
        cmocka_unit_test(a_paused_sequence_gets_nothing),
        cmocka_unit_test(a_paused_sequence_makes_room),
        cmocka_unit_test(a_failed_decode_ends_its_sequences_only),
        cmocka_unit_test(the_context_can_be_filled_to_the_last_token),
        cmocka_unit_test(neighbours_are_placed_together),
        cmocka_unit_test(embeddings_are_done_in_batches),
        cmocka_unit_test(many_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
