/* SPDX-License-Identifier: Apache-2.0 */
/* The prefix cache at work: what a scheduler need not compute again, and that answers are the same
 * whatever was found. */
#include "engine_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "engine/cache/inventory.h"

enum { PIECE = 64 << 10 }; /* of the store: what a small state takes */

static struct bench *opened(const char *script, uint32_t slots, size_t cache_ram)
{
    const struct bench_options options = {
        .script = script, .slots = slots, .context = 512, .batch = 64, .cache_ram = cache_ram};
    return bench_open(&options);
}

static struct told *ask(struct bench *b, const char *text, uint32_t max_tokens, uint64_t salt)
{
    const struct sequence_spec spec = {
        .max_tokens = max_tokens,
        .ignore_end = true,
        .salt = salt,
        .sampling = {.temperature = 0, .top_p = 1, .repeat_penalty = 1},
    };
    return bench_add(b, text, spec);
}

static const struct cache_stats *stats(const struct bench *b)
{
    return &scheduler_stats(b->scheduler)->cache;
}

static uint64_t hits(const struct bench *b, enum cache_tier tier)
{
    return metric_read(&stats(b)->hits[tier]);
}

/* --- conversations --- */

struct chat {
    char text[512];
};

/* The next turn: all that was said before, and something new. */
static struct told *turn(struct bench *b, struct chat *chat, const char *says)
{
    strcat(chat->text, says);
    struct told *t = ask(b, chat->text, 8, 0);
    bench_run(b);
    strcat(chat->text, t->text);
    return t;
}

static void start(struct chat *chat, unsigned who)
{
    (void)snprintf(chat->text, sizeof chat->text, "%u is the number of whom you talk with. ", who);
}

enum { CHATS = 8, TURNS = 4 };

/* What the chats compute in all when they take turns on two slots. */
static uint64_t computed(const char *script, size_t cache_ram)
{
    struct chat chats[CHATS];
    struct bench *b = opened(script, 2, cache_ram);
    for (unsigned who = 0; who < CHATS; who++)
        start(&chats[who], who);
    for (unsigned n = 0; n < TURNS; n++)
        for (unsigned who = 0; who < CHATS; who++) {
            uint32_t before = n ? (uint32_t)strlen(chats[who].text) : 0;
            const struct told *t = turn(b, &chats[who], "And then, what was it?");
            /* All but the last token of the answer, and what begins a text. */
            if (cache_ram) assert_in_range(t->cached, before, before + 1);
        }
    uint64_t tokens = metric_read(&scheduler_stats(b->scheduler)->prompt_tokens);
    bench_free(b);
    return tokens;
}

static void more_chats_than_slots_are_remembered(void **state)
{
    (void)state;
    uint64_t all = computed("fake:mode echo", 0), few = computed("fake:mode echo", 64 * PIECE);
    assert_in_range(few, CHATS * (40 + 3 * 22), CHATS * (62 + 3 * 26));
    assert_true(few * 2 < all);
}

/* Whole states serve them, made where prompts end, so that the answer is computed again. */
static void so_are_those_of_models_that_cannot_forget(void **state)
{
    (void)state;
    struct chat chats[CHATS];
    struct bench *b = opened("fake:mode echo;recurrent 1", 2, 64 * PIECE);
    for (unsigned who = 0; who < CHATS; who++)
        start(&chats[who], who);
    for (unsigned n = 0; n < TURNS; n++)
        for (unsigned who = 0; who < CHATS; who++) {
            uint32_t before = (uint32_t)strlen(chats[who].text);
            const struct told *t = turn(b, &chats[who], "And then, what was it?");
            if (n) assert_in_range(t->cached, before - 8, before + 1);
        }
    bench_free(b);
}

static void the_memory_is_that_of_the_latest(void **state)
{
    (void)state;
    struct chat chats[CHATS];
    struct bench *b = opened("fake:mode echo", 1, 3 * PIECE);
    for (unsigned who = 0; who < CHATS; who++) {
        start(&chats[who], who);
        turn(b, &chats[who], "First.");
    }
    /* One is in the slot, three are saved. */
    assert_int_equal(metric_read(&stats(b)->kept_bytes), 3 * PIECE);
    assert_int_equal(metric_read(&stats(b)->limit_bytes), 3 * PIECE);
    assert_true(metric_read(&stats(b)->evictions) > 0);
    struct told *latest = turn(b, &chats[CHATS - 2], "Second.");
    assert_true(latest->cached > 40);
    struct told *oldest = turn(b, &chats[0], "Second.");
    assert_true(oldest->cached < 10);
    bench_free(b);
}

static void without_memory_nothing_is_saved(void **state)
{
    (void)state;
    struct chat chats[2];
    struct bench *b = opened("fake:mode echo", 1, 0);
    for (unsigned who = 0; who < 2; who++) {
        start(&chats[who], who);
        turn(b, &chats[who], "First.");
    }
    assert_true(turn(b, &chats[0], "Second.")->cached < 10);
    assert_int_equal(hits(b, CACHE_RAM), 0);
    assert_int_equal(metric_read(&stats(b)->kept_bytes), 0);
    bench_free(b);
}

/* Who pins what a slot has, and does so again, has one state of it. */
static void a_slot_is_pinned_once(void **state)
{
    (void)state;
    uint64_t first, again;
    struct bench *b = opened("fake:mode echo", 1, 8 * PIECE);
    struct cache *cache = scheduler_cache(b->scheduler);
    ask(b, "what somebody wants to keep", 4, 0);
    bench_run(b);
    assert_int_equal(metric_read(&stats(b)->kept_bytes), PIECE); /* saved since nothing runs */
    assert_true(inventory_pin(cache, STR("slot-0"), true, &first));
    assert_true(inventory_pin(cache, STR("slot-0"), true, &again));
    assert_int_equal(first, again);
    assert_int_equal(metric_read(&stats(b)->kept_bytes), PIECE);
    assert_int_equal(inventory_drop(cache, STR("")), 1); /* the slot */
    assert_int_equal(metric_read(&stats(b)->kept_bytes), PIECE);
    bench_free(b);
}

/* --- who may have it --- */

static void one_salt_does_not_find_what_another_computed(void **state)
{
    (void)state;
    const char *text = "a long beginning that everybody has who is here, and its end";
    struct bench *b = opened("fake:mode echo", 4, 64 * PIECE);
    for (uint64_t salt = 0; salt < 3; salt++) {
        struct told *first = ask(b, text, 4, salt);
        bench_run(b);
        assert_int_equal(first->cached, 0);
        struct told *again = ask(b, text, 4, salt);
        bench_run(b);
        assert_int_equal(again->cached, again->prompt - 1);
        assert_string_equal(again->text, first->text);
    }
    /* Nor is one of them waited for. */
    struct told *both[] = {ask(b,
                               "quite another long beginning, of some sixty tokens or even more,"
                               " which both of them have",
                               4, 1),
                           ask(b,
                               "quite another long beginning, of some sixty tokens or even more,"
                               " which both of them have",
                               4, 2)};
    bench_run(b);
    assert_true(both[0]->cached <= 1); /* what begins a text */
    assert_true(both[1]->cached <= 1);
    bench_free(b);
}

/* --- one beginning --- */

enum { MANY = 16, COMMON = 200, TAIL = 6 };

/* Each computes the rest, and perhaps the end of the common part. */
static void check_common_beginning(const char *script, uint32_t slots)
{
    uint64_t least = COMMON + 2 + MANY * TAIL;
    struct bench *b = opened(script, slots, 64 * PIECE);
    char text[COMMON + 8];
    struct told *all[MANY];
    memset(text, 'x', COMMON);
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(text + COMMON, 8, " %c tail", 'a' + i);
        all[i] = ask(b, text, 4, 0);
    }
    bench_run(b);
    for (unsigned i = 1; i < MANY; i++)
        assert_true(all[i]->cached >= COMMON);
    assert_in_range(metric_read(&scheduler_stats(b->scheduler)->prompt_tokens), least,
                    least + MANY);
    bench_free(b);
}

static void what_all_begin_with_is_computed_once(void **state)
{
    (void)state;
    check_common_beginning("fake:mode echo", 8);
    check_common_beginning("fake:mode echo", 2);
    check_common_beginning("fake:mode echo;recurrent 1", 8);
    check_common_beginning("fake:mode echo;recurrent 1", 2);
}

/* What cannot be copied is not waited for. */
static void choices_that_share_nothing_begin_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        size_t cache_ram;
        bool waits;
    } rows[] = {{"fake:mode echo", 0, true},
                {"fake:mode echo;recurrent 1", 64 * PIECE, true},
                {"fake:mode echo;recurrent 1", 0, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = opened(rows[i].script, 2, rows[i].cache_ram);
        char text[COMMON + 1];
        memset(text, 'x', COMMON);
        text[COMMON] = 0;
        struct sequence_spec spec = {
            .max_tokens = 4, .ignore_end = true, .sampling = {.top_p = 1, .repeat_penalty = 1}};
        spec.leader = bench_add(b, text, spec)->sequence;
        const struct told *second = bench_add(b, text, spec);
        scheduler_step(b->scheduler);
        assert_int_equal(second->sequence->state == SEQUENCE_WAITING, rows[i].waits);
        bench_run(b);
        assert_int_equal(second->finish, FINISH_LENGTH);
        bench_free(b);
    }
}

/* A model that gives no numbers may have kept some that are none. */
static void nobody_goes_on_from_what_failed(void **state)
{
    (void)state;
    static const char *const scripts[] = {"fake:mode echo;nan 3",
                                          "fake:mode echo;recurrent 1;nan 2"};
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        struct bench *b = opened(scripts[i], 2, 64 * PIECE);
        const char *kept = "all of them begin with this",
                   *text = "all of them begin with this, and this one fails",
                   *longer = "all of them begin with this, and this one fails; its next turn";
        const struct told *first = ask(b, kept, 1, 0);
        bench_run(b);
        const struct told *failed = ask(b, text, 8, 0);
        bench_run(b);
        assert_int_equal(failed->finish, FINISH_FAILED);
        const struct told *again = ask(b, longer, 8, 0);
        bench_run(b);
        assert_int_equal(again->finish, FINISH_LENGTH);
        assert_in_range(first->prompt - again->cached, 0, 1);
        bench_free(b);
    }
}

/* --- whatever was found --- */

enum { TEXTS = 24, INTERLEAVINGS = 1000 };

struct expected {
    char prompt[256];
    char text[64];
    uint32_t tokens;
};

static uint32_t below(struct rng *r, uint32_t n)
{
    return (uint32_t)rng_below(r, n);
}

/* Prompts of which many begin alike, as far as here or there. */
static void draw_prompt(struct rng *r, char *out)
{
    static const char *const parts[] = {"all of them begin so, ", "a second part of it ",
                                        "or another one, which is longer than the second part ",
                                        "x", "and one more"};
    size_t count = 1 + below(r, 4);
    out[0] = 0;
    for (size_t i = 0; i < count; i++)
        strcat(out, parts[i ? below(r, ARRAY_LEN(parts)) : 0]);
}

static void answer_alone(struct expected *e, uint32_t tokens)
{
    struct bench *b = opened("fake:mode random", 1, 0);
    e->tokens = tokens;
    const struct told *t = ask(b, e->prompt, tokens, 0);
    bench_run(b);
    assert_int_equal(t->finish, FINISH_LENGTH);
    assert_in_range(t->len, 1, sizeof e->text - 1);
    memcpy(e->text, t->text, t->len + 1);
    bench_free(b);
}

static void disturb(struct bench *b, struct rng *r)
{
    struct told *t = &b->told[below(r, b->count)];
    if (t->finish != FINISH_NONE) return;
    unsigned what = below(r, 12);
    if (what == 0)
        scheduler_cancel(b->scheduler, t->sequence);
    else
        scheduler_pause(b->scheduler, t->sequence, what < 4);
}

static void interleave(const struct expected *all, unsigned seed)
{
    struct rng r;
    const struct expected *asked[TEXTS];
    rng_seed(&r, seed);
    struct bench *b = opened(seed % 3 ? "fake:mode random" : "fake:mode random;recurrent 1",
                             1 + below(&r, 5), (size_t)below(&r, 8) * PIECE);
    for (unsigned n = 0; n < TEXTS || b->ended < TEXTS;) {
        if (n < TEXTS && below(&r, 3) == 0) {
            asked[n] = &all[below(&r, TEXTS)];
            ask(b, asked[n]->prompt, asked[n]->tokens, below(&r, 4) == 0);
            n++;
        }
        if (b->count && below(&r, 4) == 0) disturb(b, &r);
        bool did = scheduler_step(b->scheduler);
        for (unsigned i = 0; !did && i < b->count; i++)
            if (b->told[i].finish == FINISH_NONE)
                scheduler_pause(b->scheduler, b->told[i].sequence, false);
    }
    for (unsigned i = 0; i < TEXTS; i++) {
        const struct told *t = &b->told[i];
        if (t->finish == FINISH_CANCELLED) {
            assert_memory_equal(t->text, asked[i]->text, t->len);
            continue;
        }
        assert_int_equal(t->finish, FINISH_LENGTH);
        assert_string_equal(t->text, asked[i]->text);
    }
    bench_free(b);
}

static void answers_are_the_same_whatever_was_found(void **state)
{
    (void)state;
    struct expected all[TEXTS];
    struct rng r;
    rng_seed(&r, 4711);
    for (unsigned i = 0; i < TEXTS; i++) {
        draw_prompt(&r, all[i].prompt);
        answer_alone(&all[i], 1 + below(&r, 20));
    }
    for (unsigned seed = 0; seed < INTERLEAVINGS; seed++)
        interleave(all, seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_chats_than_slots_are_remembered),
        cmocka_unit_test(so_are_those_of_models_that_cannot_forget),
        cmocka_unit_test(the_memory_is_that_of_the_latest),
        cmocka_unit_test(without_memory_nothing_is_saved),
        cmocka_unit_test(a_slot_is_pinned_once),
        cmocka_unit_test(one_salt_does_not_find_what_another_computed),
        cmocka_unit_test(what_all_begin_with_is_computed_once),
        cmocka_unit_test(choices_that_share_nothing_begin_at_once),
        cmocka_unit_test(nobody_goes_on_from_what_failed),
        cmocka_unit_test(answers_are_the_same_whatever_was_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
