/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_bench.h"

#include <stdlib.h>
#include <string.h>

uint64_t bench_clock_us;

static uint64_t now(void)
{
    return bench_clock_us;
}

static void on_decode(void *user, size_t items)
{
    (void)user;
    bench_clock_us += 1000 + 1000 * items;
}

static void add_text(char *to, size_t *len, size_t room, struct str text)
{
    assert_true(*len + text.len < room);
    memcpy(to + *len, text.ptr, text.len);
    *len += text.len;
}

static void on_output(void *user, const struct output *out)
{
    struct bench *b = user;
    struct told *t = out->sequence->owner;
    assert_int_equal(t->finish, FINISH_NONE);
    for (unsigned i = 0; i < out->piece_count; i++) {
        const struct piece *p = &out->pieces[i];
        if (p->kind == PIECE_CONTENT)
            add_text(t->text, &t->len, sizeof t->text, p->text);
        else
            add_text(t->thoughts, &t->thought_len, sizeof t->thoughts, p->text);
    }
    t->outputs++;
    t->finish = out->finish;
    t->prompt = out->prompt_tokens;
    t->cached = out->cached_tokens;
    t->generated = out->generated;
    t->choices += out->choice_count;
    if (!t->first_us) t->first_us = bench_clock_us;
    b->ended += out->finish != FINISH_NONE;
}

static void on_embedded(void *user, struct embed_job *job, int err)
{
    struct bench *b = user;
    (void)job;
    b->embedded++;
    b->embed_err = err;
}

static void on_pause(void *user)
{
    struct bench *b = user;
    for (unsigned i = 0; i < b->count; i++)
        if (b->told[i].outputs && !b->told[i].out_us) b->told[i].out_us = bench_clock_us;
}

struct bench *bench_open(const struct bench_options *o)
{
    struct bench *b = calloc(1, sizeof *b);
    char why[MODEL_WHY_MAX] = "";
    const struct model_options options = {.path = o->script,
                                          .context = o->context,
                                          .slots = o->slots,
                                          .batch = o->batch,
                                          .threads = 1};
    assert_non_null(b);
    assert_int_equal(model_load(&options, &b->model, why), 0);
    model_fake_on_decode(b->model, on_decode, NULL);
    const struct scheduler_options s = {
        .model = b->model,
        .threads = 1,
        .slice_us = 50 * 1000,
        .slice_alone_us = 200 * 1000,
        .newcomers = o->newcomers,
        .now_us = now,
        .cache_ram = o->cache_ram,
        .grammar_bytes = o->grammar_bytes,
        .sink = {on_output, on_embedded, on_pause, b},
    };
    b->scheduler = scheduler_new(&s);
    while (scheduler_step(b->scheduler)) /* what it does before the first one comes */
        continue;
    return b;
}

struct bench *bench_new(const char *script, uint32_t slots, uint32_t context, uint32_t batch)
{
    const struct bench_options options = {
        .script = script, .slots = slots, .context = context, .batch = batch};
    return bench_open(&options);
}

void bench_free(struct bench *b)
{
    scheduler_cancel_all(b->scheduler);
    scheduler_free(b->scheduler);
    for (unsigned i = 0; i < b->count; i++)
        sequence_free(b->told[i].sequence);
    model_free(b->model);
    free(b);
}

struct told *bench_add(struct bench *b, const char *text, struct sequence_spec spec)
{
    struct told *t = &b->told[b->count++];
    int32_t tokens[4096];
    size_t n = 0;
    assert_true(b->count < BENCH_MANY);
    assert_int_equal(
        vocab_tokenize(model_vocab(b->model), str_of(text), true, true, tokens, 4096, &n), 0);
    spec.prompt = tokens;
    spec.prompt_count = (uint32_t)n;
    t->sequence = sequence_new(&spec, vocab_info(model_vocab(b->model)));
    t->sequence->owner = t;
    scheduler_add(b->scheduler, t->sequence);
    return t;
}

unsigned bench_run(struct bench *b)
{
    unsigned steps = 0;
    while (scheduler_step(b->scheduler))
        assert_true(++steps < 100000);
    return steps;
}
