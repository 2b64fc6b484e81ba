/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/scout.h"

#include "base/clock.h"
#include "base/err.h"
#include "cmd/cli.h"
#include "cmd/remote.h"
#include "cmd/serve_plain.h"
#include "dialect/runtime.h"
#include "http/client.h"
#include "loop/loop.h"
#include "mesh/lists.h"

#define LONGEST_US ((uint64_t)3 * USEC_PER_SEC)
#define GLANCE_US (USEC_PER_SEC / 50)

const struct scout_place scout_usual[] = {
    {"http://127.0.0.1:11434/v1", "ollama"},   {"http://127.0.0.1:8080/v1", "llama-server"},
    {"http://127.0.0.1:8000/v1", "vllm"},      {"http://127.0.0.1:30000/v1", "sglang"},
    {"http://127.0.0.1:1234/v1", "lm-studio"}, {"http://127.0.0.1:3000/v1", "tgi"},
    {"http://127.0.0.1:1337/v1", "jan"},       {"http://127.0.0.1:5001/v1", "koboldcpp"},
};
const size_t scout_usual_count = ARRAY_LEN(scout_usual);

/* One look at all of them. */
struct look {
    struct loop *loop;
    struct http_client client;
    struct lists *lists;
    size_t count;
    uint64_t due_us;
    struct task task;
    struct timer timer;
};

static bool all_asked(const struct look *k)
{
    for (size_t i = 0; i < k->count; i++)
        if (!lists_facts(k->lists, i).asked) return false;
    return true;
}

static void on_glance(struct task *task)
{
    struct look *k = CONTAINER_OF(task, struct look, task);
    uint64_t now = loop_now(k->loop);
    if (all_asked(k) || now >= k->due_us)
        loop_stop(k->loop);
    else
        timer_start(k->loop, &k->timer, now + GLANCE_US);
}

/* What a list tells is looked at when all have been asked. */
static void on_changed(void *owner UNUSED)
{
}

static void note(const struct look *k, size_t i, struct arena *arena, struct scout_finding *out)
{
    struct list_facts facts = lists_facts(k->lists, i);
    *out = (struct scout_finding){.answered = facts.answered, .listed = facts.listed};
    if (facts.kind) out->kind = facts.kind->name;
    out->models = arena_alloc(arena, MAX(facts.name_count, 1) * sizeof *out->models);
    for (; out->model_count < facts.name_count; out->model_count++)
        out->models[out->model_count] = arena_dup(arena, facts.names[out->model_count]);
}

static int look_at(struct look *k, struct conf *conf, struct arena *arena,
                   struct scout_finding *out)
{
    int err = lists_new(k->loop, &k->client, on_changed, NULL, &k->lists);
    if (!err) err = lists_load(k->lists, conf);
    if (!err) {
        k->due_us = loop_now(k->loop) + LONGEST_US;
        timer_start(k->loop, &k->timer, loop_now(k->loop) + GLANCE_US);
        loop_run(k->loop);
        for (size_t i = 0; i < k->count; i++)
            note(k, i, arena, &out[i]);
    }
    timer_stop(k->loop, &k->timer);
    task_cancel(&k->task);
    lists_free(k->lists);
    return err;
}

int scout(const char *command, const char *key, const struct scout_place *places, size_t count,
          struct arena *arena, struct scout_finding *out)
{
    struct serve_plain plain = {.command = command, .key = key, .upstream_count = count};
    struct look k = {.count = count};
    struct conf *conf;
    for (size_t i = 0; i < count; i++)
        plain.upstreams[i] = places[i].url;
    int code = serve_plain_load(&plain, &conf);
    if (code) return code;
    int err = loop_new_real(&k.loop);
    if (!err) {
        remote_client_init(&k.client, k.loop, 0);
        task_init(&k.task, on_glance);
        timer_init(&k.timer, &k.task);
        err = look_at(&k, conf, arena, out);
        http_client_fini(&k.client);
        loop_free(k.loop);
    }
    conf_unref(conf);
    return err ? cli_fail(command, "%s", err_text(err)) : CLI_OK;
}
