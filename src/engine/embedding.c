/* SPDX-License-Identifier: Apache-2.0 */
/* An embeddings request: the body comes, its inputs become one job of the worker's, the vectors go
 * out in one answer. As with other requests the client may leave before the job has ended; the job
 * is then cancelled and freed when it is told of. */
#include <stdlib.h>

#include "base/err.h"
#include "engine/answer.h"
#include "engine/server_priv.h"
#include "obs/log.h"

enum { VALUES_MAX = 64 * 1024 * 1024 }; /* floats of one answer */

struct embedding {
    struct list link;
    struct task task;
    struct server *server;
    struct http_call *call; /* NULL when it has ended */
    struct arena arena;     /* parsed inputs */
    struct embed_job *job;  /* NULL when it is not the worker's */
    bool base64;
    uint64_t tokens;
};

static void embedding_free(struct embedding *e)
{
    task_cancel(&e->task);
    arena_fini(&e->arena);
    server__leave(e->server, &e->link);
    free(e);
}

static void dispose_job(void *what)
{
    struct embed_job *job = what;
    free(job->out);
    free(job);
}

static void free_if_done(struct embedding *e)
{
    if (!e->call && !e->job) embedding_free(e);
}

static void fail(struct embedding *e, const struct api_error *error)
{
    struct http_call *call = e->call;
    e->call = NULL;
    server__reply_error(call, error);
}

static int plan(struct embedding *e, struct embed_job *job, struct api_error *error)
{
    struct server *s = e->server;
    struct api_embedding api;
    int err = api_parse_embedding(&e->arena, e->call->body, s->info->vocab, &api, error);
    if (err) return err;
    err = server__check_model(s, &e->arena, api.model, error);
    if (err) return err;
    if (!s->info->embed_max)
        return api_refuse(&e->arena, error, "model", "unsupported_model",
                          "This model gives no embeddings.");
    if (api.input_count * s->info->embedding > VALUES_MAX)
        return api_refuse(&e->arena, error, "input", NULL,
                          "'input' has too many elements for one answer.");
    struct model_tokens *inputs = arena_alloc(&e->arena, api.input_count * sizeof *inputs);
    for (size_t i = 0; i < api.input_count; i++) {
        err = server__tokens(s, &e->arena, &api.inputs[i], s->info->embed_max, "input",
                             &inputs[i].tokens, &inputs[i].count, error);
        if (err) return err;
        e->tokens += inputs[i].count;
    }
    e->base64 = api.base64;
    job->owner = e;
    job->inputs = inputs;
    job->count = (uint32_t)api.input_count;
    job->out = malloc(api.input_count * s->info->embedding * sizeof *job->out);
    if (!job->out) abort();
    return 0;
}

static void start(struct embedding *e)
{
    struct api_error error;
    struct embed_job *job = calloc(1, sizeof *job);
    if (!job) abort();
    if (plan(e, job, &error)) {
        dispose_job(job);
        fail(e, &error);
        return;
    }
    e->job = job;
    worker_embed(e->server->worker, job);
}

static void reply(struct embedding *e, const struct embed_job *job)
{
    const struct server *s = e->server;
    struct buf body;
    struct http_call *call = e->call;
    buf_init(&body, SERVER_ANSWER_MAX);
    if (answer_embeddings(&body, str_of(s->options.alias), job->out, job->count, s->info->embedding,
                          e->base64, e->tokens)) {
        const struct api_error error = {500, "server_error", NULL, NULL,
                                        STR("The answer is too large.")};
        fail(e, &error);
    } else {
        e->call = NULL;
        server__reply_json(call, 200, buf_str(&body));
    }
    buf_fini(&body);
}

void embedding_on_done(struct server *s, struct embed_job *job, int err)
{
    struct embedding *e = job->owner;
    e->job = NULL;
    if (e->call && err) {
        const struct api_error error = {500, "server_error", NULL, NULL,
                                        err == ERR_CANCELLED
                                            ? STR("The engine is shutting down.")
                                            : STR("The model failed to compute embeddings.")};
        fail(e, &error);
    } else if (e->call) {
        log_note(LOG_INFO, "embeddings", "%u inputs, %llu tokens", job->count,
                 (unsigned long long)e->tokens);
        reply(e, job);
    }
    worker_dispose(s->worker, dispose_job, job);
    free_if_done(e);
}

static void run(struct task *task)
{
    struct embedding *e = CONTAINER_OF(task, struct embedding, task);
    struct http_call *c = e->call;
    if (c->gone) {
        e->call = NULL;
        call_end(c);
        if (e->job) worker_cancel_embed(e->server->worker, e->job);
    } else if (e->job) {
        return;
    } else if (c->body_err) {
        const struct api_error error = {c->body_err == ERR_TOO_LARGE ? 413 : 400,
                                        "invalid_request_error", NULL, NULL,
                                        STR("The body did not arrive whole, or is too large.")};
        fail(e, &error);
    } else if (c->body_done) {
        start(e);
    }
    free_if_done(e);
}

void embedding_begin(struct server *s, struct http_call *call)
{
    struct embedding *e = calloc(1, sizeof *e);
    if (!e) abort();
    e->server = s;
    e->call = call;
    arena_init(&e->arena, SERVER_PARSE_MAX, 16 * 1024);
    task_init(&e->task, run);
    server__enter(s, &e->link);
    call->task = &e->task;
    call_read_body(call, SERVER_BODY_MAX);
    loop_wake(s->loop, &e->task);
}
