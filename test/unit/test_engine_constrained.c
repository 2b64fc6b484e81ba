/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that keep to a grammar: the scheduler on the scripted model, whose tokens are bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "engine/grammar/cache.h"
#include "engine/scheduler_priv.h"
#include "engine_bench.h"

static struct sequence_spec keeping(struct terms *grammar)
{
    return (struct sequence_spec){.max_tokens = 400,
                                  .grammar = grammar,
                                  .thinking_budget = -1,
                                  .sampling = {.temperature = 0, .top_p = 1, .repeat_penalty = 1}};
}

/* Of one kind, from JSON or text. */
static struct terms *compiled(enum grammar_kind kind, const char *text)
{
    struct arena arena;
    struct terms *out = NULL;
    struct grammar_spec spec = {.kind = kind, .text = str_of(text)};
    arena_init(&arena, 1 << 20, 4096);
    struct grammar_why why = {.arena = &arena};
    if (kind == GRAMMAR_SCHEMA || kind == GRAMMAR_CHOICE)
        assert_int_equal(json_parse(&arena, str_of(text), &spec.json, NULL), 0);
    if (grammar_compile(&spec, &why, &out)) fail_msg("%.*s", STR_ARG(why.text));
    arena_fini(&arena);
    return out;
}

/* A text, whole. */
static struct terms *spelled(const char *text)
{
    struct terms *t = terms_new(1 << 20);
    assert_non_null(t);
    assert_int_equal(terms_finish(t, term_text(t, str_of(text)), NULL), 0);
    return t;
}

/* One or more of a class of bytes. */
static struct terms *letters(unsigned char first, unsigned char last)
{
    struct terms *t = terms_new(1 << 20);
    assert_non_null(t);
    term all = term_repeat(t, term_range(t, first, last), 1, TERM_ANY_NUMBER);
    assert_int_equal(terms_finish(t, all, NULL), 0);
    return t;
}

/* --- tests --- */

static void one_of_the_choices_comes(void **state)
{
    (void)state;
    bool seen[3] = {false};
    struct terms *grammar = compiled(GRAMMAR_CHOICE, "[\"yes\",\"no\",\"yet\"]");
    struct bench *b = bench_new("fake:mode random", 4, 2048, 64);
    for (unsigned i = 0; i < 40; i++) {
        char prompt[16];
        (void)snprintf(prompt, sizeof prompt, "which %u", i);
        struct told *t = bench_add(b, prompt, keeping(grammar));
        bench_run(b);
        assert_int_equal(t->finish, FINISH_STOP);
        seen[0] |= strcmp(t->text, "yes") == 0;
        seen[1] |= strcmp(t->text, "no") == 0;
        seen[2] |= strcmp(t->text, "yet") == 0;
        assert_int_equal(strlen(t->text), t->text[0] == 'n' ? 2 : 3);
        assert_int_equal(t->generated, strlen(t->text)); /* the end need not come */
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    terms_free(grammar);
    bench_free(b);
}

static void what_has_no_choice_costs_no_decodes(void **state)
{
    (void)state;
    const char *text = "{\"a rather long name of a member\": 1}";
    struct terms *grammar = spelled(text);
    struct bench *b = bench_new("fake:mode random", 2, 2048, 64);
    struct told *t = bench_add(b, "x", keeping(grammar));
    bench_run(b);
    assert_string_equal(t->text, text);
    assert_int_equal(t->finish, FINISH_STOP);
    assert_int_equal(t->generated, strlen(text));
    assert_in_range(model_fake_stats(b->model)->decodes, 1, 3);
    terms_free(grammar);
    bench_free(b);
}

/* Logprobs are of the model, so it is asked. */
static void forced_tokens_are_those_that_would_be_sampled(void **state)
{
    (void)state;
    struct terms *grammar = compiled(GRAMMAR_CHOICE, "[\"abcdefgh\",\"abcxyz\",\"abcxyw\"]");
    for (unsigned i = 0; i < 12; i++) {
        char text[2][64];
        for (unsigned asked = 0; asked < 2; asked++) {
            struct bench *b = bench_new("fake:mode random", 2, 2048, 64);
            struct sequence_spec spec = keeping(grammar);
            char prompt[16];
            (void)snprintf(prompt, sizeof prompt, "%u", i);
            spec.sampling.logprobs = asked;
            spec.sampling.frequency_penalty = 0.5f;
            struct told *t = bench_add(b, prompt, spec);
            bench_run(b);
            (void)snprintf(text[asked], sizeof *text, "%.63s", t->text);
            assert_int_equal(t->generated, t->len);
            bench_free(b);
        }
        assert_string_equal(text[0], text[1]);
    }
    terms_free(grammar);
}

static unsigned decodes_of(unsigned streams, uint32_t batch)
{
    const char *text = "0123456789012345678901234567890123456789";
    struct terms *grammar =
        compiled(GRAMMAR_CHOICE, "[\"x0123456789012345678901234567890123456789\","
                                 "\"y0123456789012345678901234567890123456789\"]");
    struct bench *b = bench_new("fake:mode random", 3, 2048, batch);
    for (unsigned i = 0; i < streams; i++)
        (void)bench_add(b, i == 1 ? "b" : "a", keeping(grammar));
    bench_run(b);
    for (unsigned i = 0; i < streams; i++) {
        assert_string_equal(b->told[i].text + 1, text);
        assert_int_equal(b->told[i].finish, FINISH_STOP);
    }
    unsigned decodes = model_fake_stats(b->model)->decodes;
    terms_free(grammar);
    bench_free(b);
    return decodes;
}

/* A batch without room for all that is known takes several decodes. */
static void a_small_batch_is_enough(void **state)
{
    (void)state;
    assert_in_range(decodes_of(1, 5), 8, 12);
}

/* Pieces of unequal lengths would go through the model one after the other. */
static void beside_others_each_step_has_one_token_of_each(void **state)
{
    (void)state;
    assert_in_range(decodes_of(3, 64), 30, 45);
}

static void length_and_stop_strings_hold(void **state)
{
    (void)state;
    const struct str stops[] = {STR("56")};
    struct terms *grammar = spelled("0123456789");
    struct bench *b = bench_new("fake:mode random", 2, 2048, 64);
    struct sequence_spec spec = keeping(grammar);
    spec.max_tokens = 4;
    struct told *cut = bench_add(b, "x", spec);
    spec.max_tokens = 400;
    spec.stops = stops;
    spec.stop_count = 1;
    struct told *stopped = bench_add(b, "x", spec);
    spec.stop_count = 0;
    spec.max_tokens = 10;
    struct told *whole = bench_add(b, "x", spec);
    bench_run(b);
    assert_string_equal(cut->text, "0123");
    assert_int_equal(cut->finish, FINISH_LENGTH);
    assert_int_equal(cut->generated, 4);
    assert_string_equal(stopped->text, "01234");
    assert_int_equal(stopped->finish, FINISH_STOP);
    assert_int_equal(stopped->generated, 7);
    assert_string_equal(whole->text, "0123456789");
    assert_int_equal(whole->finish, FINISH_STOP);
    terms_free(grammar);
    bench_free(b);
}

/* The model would end at once, and may not. */
static void the_end_comes_where_it_may(void **state)
{
    (void)state;
    struct terms *grammar = letters('p', 'q');
    struct bench *b = bench_new("fake:mode script;text pqqp", 2, 2048, 64);
    struct told *t = bench_add(b, "<|im_start|>\n", keeping(grammar));
    struct sequence_spec spec = keeping(grammar);
    spec.min_tokens = 6;
    struct told *more = bench_add(b, "<|im_start|>\n", spec);
    spec.min_tokens = 0;
    spec.ignore_end = true;
    spec.max_tokens = 9;
    struct told *longest = bench_add(b, "<|im_start|>\n", spec);
    bench_run(b);
    assert_string_equal(t->text, "pqqp");
    assert_int_equal(t->finish, FINISH_STOP);
    assert_int_equal(t->generated, 5);
    assert_int_equal(more->len, 6);
    assert_int_equal(more->finish, FINISH_STOP);
    assert_int_equal(longest->len, 9);
    assert_int_equal(longest->finish, FINISH_LENGTH);
    terms_free(grammar);
    bench_free(b);
}

/* A token that the request ends by is the end, even if it has a text. */
/* A control token that is in a family's marks has a text in its grammar, whether it must come or is
 * chosen; without calls it has none. */
static void marks_may_be_control_tokens(void **state)
{
    (void)state;
    static const struct call_format format = {.shape = CALL_NAMED,
                                              .open = STR_INIT("<|im_start|>")};
    static const struct call_marks marks = {
        .format = &format, .controls = {FAKE_OPEN}, .control_count = 1};
    static const struct call_tool tool = {.name = STR_INIT("f")};
    static const struct calls_spec calls = {.marks = &marks, .tools = &tool, .tool_count = 1};
    static const struct sampler_bias bias = {FAKE_OPEN, 100};
    struct terms *grammar = compiled(GRAMMAR_CHOICE, "[\"<|im_start|>f{}\",\"<|im_start|>f{ }\"]");
    for (unsigned i = 0; i < 4; i++) {
        struct bench *b = bench_new("fake:mode random", 1, 2048, 64);
        struct sequence_spec spec = keeping(grammar);
        bool reads = i % 2;
        if (reads) spec.calls = &calls;
        if (i < 2) spec.sampling.bias = &bias;
        spec.sampling.bias_count = i < 2;
        struct told *t = bench_add(b, "x", spec);
        bench_run(b);
        size_t mark = reads ? 1 : strlen("<|im_start|>");
        assert_in_range(t->generated, mark + strlen("f{}"), mark + strlen("f{ }"));
        assert_int_equal(t->finish, FINISH_STOP);
        assert_int_equal(t->len == 0, reads);
        bench_free(b);
    }
    terms_free(grammar);
}

static void own_ends_are_ends(void **state)
{
    (void)state;
    const int32_t ends[] = {'.'};
    struct terms *grammar = letters('.', 'z');
    struct bench *b = bench_new("fake:mode script;text ab.c", 2, 2048, 64);
    struct sequence_spec spec = keeping(grammar);
    spec.ends = ends;
    spec.end_count = 1;
    struct told *t = bench_add(b, "<|im_start|>\n", spec);
    bench_run(b);
    assert_string_equal(t->text, "ab");
    assert_int_equal(t->finish, FINISH_STOP);
    terms_free(grammar);
    bench_free(b);
}

/* min_tokens yields where the grammar leaves nothing else. */
static void a_whole_answer_is_not_made_longer(void **state)
{
    (void)state;
    struct terms *grammar = compiled(GRAMMAR_CHOICE, "[\"\",\"a\"]");
    struct bench *b = bench_new("fake:mode script;text x", 2, 2048, 64);
    struct sequence_spec spec = keeping(grammar);
    spec.min_tokens = 5;
    struct told *t = bench_add(b, "<|im_start|>\n", spec);
    bench_run(b);
    assert_string_equal(t->text, "a");
    assert_int_equal(t->finish, FINISH_STOP);
    terms_free(grammar);
    bench_free(b);
}

static void two_grammars_and_none_go_together(void **state)
{
    (void)state;
    struct terms *digits = letters('0', '9'), *small = letters('a', 'c');
    struct bench *b = bench_new("fake:mode random", 4, 2048, 64);
    struct sequence_spec spec = keeping(digits);
    spec.max_tokens = 50;
    struct told *x = bench_add(b, "one", spec);
    spec.grammar = small;
    struct told *y = bench_add(b, "two", spec);
    spec.leader = y->sequence;
    struct told *z = bench_add(b, "two", spec);
    spec.leader = NULL;
    spec.grammar = NULL;
    struct told *free_one = bench_add(b, "three", spec);
    for (int i = 0; i < 20; i++)
        scheduler_step(b->scheduler);
    scheduler_cancel(b->scheduler, x->sequence);
    bench_run(b);
    assert_int_equal(strspn(x->text, "0123456789"), x->len);
    assert_true(x->len > 5);
    assert_int_equal(x->finish, FINISH_CANCELLED);
    assert_int_equal(strspn(y->text, "abc"), 50);
    assert_int_equal(strspn(z->text, "abc"), 50);
    assert_true(free_one->len > 20);
    terms_free(digits);
    terms_free(small);
    bench_free(b);
}

/* --- thoughts --- */

static const struct reasoning_markers thinks = {
    .start = STR_INIT("<think>"),
    .end = STR_INIT("</think>"),
    .start_control = -1,
    .end_control = -1,
};

static struct told *think(struct bench *b, struct terms *grammar, bool begun)
{
    struct sequence_spec spec = keeping(grammar);
    spec.reasoning = &thinks;
    spec.reasoning_begun = begun;
    return bench_add(b, "<|im_start|>\n", spec);
}

static void thoughts_are_free(void **state)
{
    (void)state;
    struct terms *grammar = letters('a', 'e');
    struct bench *b = bench_new("fake:mode script;text <think>I see</think>\\n\\ndad", 2, 2048, 64);
    struct told *t = think(b, grammar, false);
    bench_run(b);
    assert_string_equal(t->thoughts, "I see");
    assert_string_equal(t->text, "dad");
    assert_int_equal(t->finish, FINISH_STOP);
    bench_free(b);

    b = bench_new("fake:mode script;text hmm</think>bad", 2, 2048, 64);
    t = think(b, grammar, true);
    bench_run(b);
    assert_string_equal(t->thoughts, "hmm");
    assert_string_equal(t->text, "bad");
    bench_free(b);

    /* No thoughts, although they may be. */
    b = bench_new("fake:mode script;text abba", 2, 2048, 64);
    t = think(b, grammar, false);
    bench_run(b);
    assert_string_equal(t->text, "abba");
    assert_int_equal(t->thought_len, 0);
    bench_free(b);
    terms_free(grammar);
}

static void no_answer_ends_within_its_thoughts(void **state)
{
    (void)state;
    struct terms *grammar = letters('a', 'e');
    struct bench *b = bench_new("fake:mode script;text hm", 2, 2048, 64);
    struct sequence_spec spec = keeping(grammar);
    spec.reasoning = &thinks;
    spec.reasoning_begun = true;
    spec.max_tokens = 20;
    struct told *t = bench_add(b, "<|im_start|>\n", spec);
    bench_run(b);
    assert_int_equal(t->generated, 20);
    assert_int_equal(t->finish, FINISH_LENGTH);
    assert_int_equal(t->len, 0);
    bench_free(b);
    terms_free(grammar);
}

static void an_answer_may_be_empty(void **state)
{
    (void)state;
    struct terms *grammar = compiled(GRAMMAR_REGEX, "a*");
    struct bench *b = bench_new("fake:mode script;text ", 2, 2048, 64);
    struct told *t = think(b, grammar, false);
    bench_run(b);
    assert_int_equal(t->len, 0);
    assert_int_equal(t->thought_len, 0);
    assert_int_equal(t->finish, FINISH_STOP);
    bench_free(b);
    terms_free(grammar);
}

/* --- other masks --- */

static void bad_words_do_not_come(void **state)
{
    (void)state;
    const struct str texts[] = {STR("bb"), STR("c")};
    struct terms *grammar = letters('a', 'c');
    struct bench *b = bench_new("fake:mode random", 2, 2048, 64);
    struct words *words = words_new(model_vocab(b->model), texts, ARRAY_LEN(texts));
    struct sequence_spec spec = keeping(grammar);
    spec.words = words;
    spec.max_tokens = 200;
    struct told *t = bench_add(b, "x", spec);
    spec.grammar = NULL;
    struct told *any = bench_add(b, "y", spec);
    words_free(words);
    bench_run(b);
    t->text[t->len] = any->text[any->len] = 0;
    assert_int_equal(strspn(t->text, "ab"), 200);
    assert_null(strstr(t->text, "bb"));
    assert_non_null(strstr(t->text, "b"));
    assert_int_equal(any->len, 200);
    assert_null(memchr(any->text, 'c', any->len));
    terms_free(grammar);
    bench_free(b);
}

/* The model wants to say it. */
static void a_bad_word_loses_its_last_token(void **state)
{
    (void)state;
    const struct str texts[] = {STR("secret")};
    struct bench *b = bench_new("fake:mode script;text a secret", 2, 2048, 64);
    struct words *words = words_new(model_vocab(b->model), texts, ARRAY_LEN(texts));
    struct sequence_spec spec = keeping(NULL);
    spec.words = words;
    struct told *t = bench_add(b, "<|im_start|>\n", spec);
    words_free(words);
    bench_run(b);
    assert_memory_equal(t->text, "a secre", 7);
    assert_int_not_equal(t->text[7], 't');
    bench_free(b);
}

static void suppressed_tokens_never_come(void **state)
{
    (void)state;
    struct bench *b = bench_new("fake:mode script;text abc;suppress 98", 2, 2048, 64);
    struct told *t = bench_add(b, "<|im_start|>\n", keeping(NULL));
    bench_run(b);
    assert_int_equal(t->text[0], 'a');
    assert_null(memchr(t->text, 'b', t->len));
    assert_int_equal(t->text[2], 'c');
    bench_free(b);
}

/* What no token may spell is no answer. */
static void what_cannot_be_said_fails(void **state)
{
    (void)state;
    const struct str texts[] = {STR("no")};
    struct terms *grammar = spelled("no");
    struct bench *b = bench_new("fake:mode random", 2, 2048, 64);
    struct words *words = words_new(model_vocab(b->model), texts, ARRAY_LEN(texts));
    struct sequence_spec spec = keeping(grammar);
    spec.words = words;
    struct told *t = bench_add(b, "x", spec);
    words_free(words);
    bench_run(b);
    assert_int_equal(t->finish, FINISH_FAILED);
    assert_int_equal(t->len, 1);
    terms_free(grammar);
    bench_free(b);
}

/* --- many --- */

static const struct {
    enum grammar_kind kind;
    const char *text;
} grammars[] = {
    {GRAMMAR_REGEX, "[a-z]{3,8}( [a-z]+){0,3}\\."},
    {GRAMMAR_REGEX, "\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2})?"},
    {GRAMMAR_REGEX, ".{0,40}"},
    {GRAMMAR_REGEX, "[äöü€😀]{1,9}"},
    {GRAMMAR_REGEX, "(abcabcabc)*x{0,5}"},
    {GRAMMAR_CHOICE, "[\"red\",\"green\",\"greenish\",\"grün\"]"},
    {GRAMMAR_JSON, ""},
    {GRAMMAR_SCHEMA, "{\"type\":\"array\",\"items\":{\"enum\":[\"a\",\"b\",\"ab\"]}}"},
    {GRAMMAR_SCHEMA, "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
                     "\"age\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":150}},"
                     "\"required\":[\"name\",\"age\"],\"additionalProperties\":false}"},
    {GRAMMAR_GBNF, "root ::= \"a\" [0-9]+ (\",\" [0-9]+)*"},
};

/* What a finished answer may be; the beginning of that where it was cut. */
static void check_text(struct terms *grammar, const struct told *t)
{
    struct terms *terms = terms_new(16 << 20);
    assert_non_null(terms);
    term state = term_after(terms, terms_import(terms, grammar), str_n(t->text, t->len));
    if (state == TERM_NONE || (t->finish == FINISH_STOP && !term_may_end(terms, state)))
        fail_msg("not of the grammar: %.*s", (int)t->len, t->text);
    assert_true(t->finish == FINISH_STOP || t->finish == FINISH_LENGTH);
    assert_false(terms_failed(terms));
    terms_free(terms);
}

/* Of the i-th of many answers. */
static struct sequence_spec varied(struct terms *grammar, unsigned i)
{
    static const struct sampler_bias likes_to_end = {FAKE_END, 25};
    struct sequence_spec spec = keeping(grammar);
    spec.max_tokens = 150;
    spec.sampling.temperature = 1.2f;
    spec.sampling.seed = i;
    spec.sampling.bias = &likes_to_end;
    spec.sampling.bias_count = i % 2;
    spec.min_tokens = i % 3 ? 0 : 12;
    if (i % 4 > 1) spec.reasoning = &thinks;
    spec.reasoning_begun = i % 4 == 3;
    if (i % 4 == 3) spec.thinking_budget = 10;
    return spec;
}

static void pause_some(struct bench *b, unsigned step)
{
    for (unsigned i = 0; i < b->count; i++) {
        struct sequence *q = b->told[i].sequence;
        if (q->state != SEQUENCE_ENDED) scheduler_pause(b->scheduler, q, (step + i) % 7 == 0);
    }
}

/* Where what is known of grammars has so many bytes. */
static struct bench *bench_small(uint32_t slots, uint32_t batch, size_t bytes)
{
    const struct bench_options options = {.script = "fake:mode random",
                                          .slots = slots,
                                          .context = 2048,
                                          .batch = batch,
                                          .grammar_bytes = bytes,
                                          .cache_ram = 4 << 20};
    return bench_open(&options);
}

/* Of few slots, with readers that are slow at times, in an automaton of so many bytes; it must be
 * filled so many times. */
static void check_many(size_t bytes, uint32_t filled)
{
    struct terms *all[ARRAY_LEN(grammars)];
    unsigned stopped = 0;
    for (unsigned i = 0; i < ARRAY_LEN(grammars); i++)
        all[i] = compiled(grammars[i].kind, grammars[i].text);
    struct bench *b = bench_small(5, 16, bytes);
    for (unsigned i = 0; i < 60; i++) {
        char prompt[16];
        (void)snprintf(prompt, sizeof prompt, "%u", i);
        (void)bench_add(b, prompt, varied(all[i % ARRAY_LEN(grammars)], i));
    }
    for (unsigned step = 0; step < 3000; step++) {
        pause_some(b, step);
        (void)scheduler_step(b->scheduler);
    }
    for (unsigned i = 0; i < 60; i++)
        scheduler_pause(b->scheduler, b->told[i].sequence, false);
    bench_run(b);
    for (unsigned i = 0; i < 60; i++) {
        check_text(all[i % ARRAY_LEN(grammars)], &b->told[i]);
        stopped += b->told[i].finish == FINISH_STOP;
    }
    assert_true(stopped > 20);
    assert_true(b->scheduler->automaton.generation > filled);
    bench_free(b);
    for (unsigned i = 0; i < ARRAY_LEN(grammars); i++)
        terms_free(all[i]);
}

static void all_answers_are_of_their_grammars(void **state)
{
    (void)state;
    check_many(0, 0);
}

/* Each of them has to begin anew at times. */
static void all_answers_are_whole_in_little_room(void **state)
{
    (void)state;
    check_many(200 << 10, 10);
}

/* --- limits --- */

/* What one automaton has no room for is another one's. */
static void many_grammars_need_little_room(void **state)
{
    (void)state;
    enum { N = 40 };
    struct bench *b = bench_small(2, 64, 1 << 20);
    for (unsigned i = 0; i < N; i++) {
        char text[1200];
        memset(text, 'a', sizeof text);
        (void)snprintf(text + 1100, 64, "%u", i);
        struct terms *grammar = spelled(text);
        struct sequence_spec spec = keeping(grammar);
        spec.max_tokens = 1500;
        struct told *t = bench_add(b, "x", spec);
        terms_free(grammar);
        bench_run(b);
        assert_string_equal(t->text, text);
        assert_int_equal(t->finish, FINISH_STOP);
    }
    bench_free(b);
}

static void an_answer_without_room_fails(void **state)
{
    (void)state;
    struct terms *grammar = letters('a', 'c');
    struct bench *b = bench_small(2, 64, 1000);
    struct told *t = bench_add(b, "x", keeping(grammar));
    bench_run(b);
    assert_int_equal(t->finish, FINISH_REFUSED);
    assert_int_equal(t->len, 0);
    terms_free(grammar);
    bench_free(b);
}

/* Others' answers do not wait for one that takes long to find out what may come, and go on. */
static void an_answer_that_takes_too_long_fails(void **state)
{
    char pattern[1024] = "";
    (void)state;
    for (unsigned i = 0; i < 250; i++)
        strcat(pattern, ".*");
    strcat(pattern, "x");
    struct terms *slow = compiled(GRAMMAR_REGEX, pattern), *fast = letters('a', 'c');
    struct bench *b = bench_new("fake:mode random", 2, 2048, 64);
    struct told *other = bench_add(b, "y", keeping(fast)), *t = bench_add(b, "x", keeping(slow));
    bench_run(b);
    assert_int_equal(t->finish, FINISH_REFUSED);
    assert_int_not_equal(other->finish, FINISH_REFUSED);
    assert_true(other->len > 0);
    terms_free(slow);
    terms_free(fast);
    bench_free(b);
}

static void the_same_is_compiled_once(void **state)
{
    (void)state;
    struct grammar_cache cache;
    struct arena arena;
    struct terms *first = NULL, *again = NULL, *other = NULL;
    struct grammar_spec spec = {.kind = GRAMMAR_CHOICE};
    arena_init(&arena, 1 << 20, 4096);
    struct grammar_why why = {.arena = &arena};
    grammar_cache_init(&cache);
    for (unsigned i = 0; i < 100; i++) {
        struct str text = arena_printf(&arena, "[\"a\", \"b%u\"]", i);
        terms_free(other);
        terms_free(again);
        assert_int_equal(json_parse(&arena, text, &spec.json, NULL), 0);
        assert_int_equal(grammar_cache_get(&cache, &spec, &why, &other), 0);
        assert_int_equal(grammar_cache_get(&cache, &spec, &why, &again), 0);
        assert_ptr_equal(other, again);
        assert_ptr_not_equal(other, first);
        if (i == 0) first = terms_share(other);
    }
    assert_int_equal(cache.count, GRAMMAR_CACHE_COUNT);
    terms_free(first);
    terms_free(again);
    terms_free(other);
    grammar_cache_fini(&cache);
    arena_fini(&arena);
}

/* Which limit it was. */
static void what_is_too_large_is_told_the_limit(void **state)
{
    (void)state;
    enum { RULES = 600, ROOM = 1 << 16 };
    struct arena arena;
    struct buf text;
    struct terms *terms = NULL;
    arena_init(&arena, 1 << 20, 4096);
    buf_init(&text, ROOM);
    assert_int_equal(buf_append(&text, STR("root ::= r0\n")), 0);
    for (unsigned i = 0; i < RULES; i++)
        assert_int_equal(buf_printf(&text, "r%u ::= r%u \"a\"\n", i, i + 1), 0);
    assert_int_equal(buf_printf(&text, "r%u ::= \"a\"", RULES), 0);
    struct grammar_spec spec = {.kind = GRAMMAR_GBNF, .text = buf_str(&text)};
    struct grammar_why why = {.arena = &arena};
    assert_int_equal(grammar_compile(&spec, &why, &terms), ERR_TOO_LARGE);
    assert_true(str_eq(why.text, STR("rules begin with each other more than 500 deep")));
    buf_fini(&text);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_the_choices_comes),
        cmocka_unit_test(what_has_no_choice_costs_no_decodes),
        cmocka_unit_test(forced_tokens_are_those_that_would_be_sampled),
        cmocka_unit_test(a_small_batch_is_enough),
        cmocka_unit_test(beside_others_each_step_has_one_token_of_each),
        cmocka_unit_test(length_and_stop_strings_hold),
        cmocka_unit_test(the_end_comes_where_it_may),
        cmocka_unit_test(marks_may_be_control_tokens),
        cmocka_unit_test(own_ends_are_ends),
        cmocka_unit_test(a_whole_answer_is_not_made_longer),
        cmocka_unit_test(two_grammars_and_none_go_together),
        cmocka_unit_test(thoughts_are_free),
        cmocka_unit_test(no_answer_ends_within_its_thoughts),
        cmocka_unit_test(an_answer_may_be_empty),
        cmocka_unit_test(bad_words_do_not_come),
        cmocka_unit_test(a_bad_word_loses_its_last_token),
        cmocka_unit_test(suppressed_tokens_never_come),
        cmocka_unit_test(what_cannot_be_said_fails),
        cmocka_unit_test(all_answers_are_of_their_grammars),
        cmocka_unit_test(all_answers_are_whole_in_little_room),
        cmocka_unit_test(many_grammars_need_little_room),
        cmocka_unit_test(an_answer_without_room_fails),
        cmocka_unit_test(an_answer_that_takes_too_long_fails),
        cmocka_unit_test(the_same_is_compiled_once),
        cmocka_unit_test(what_is_too_large_is_told_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
