/* SPDX-License-Identifier: Apache-2.0 */
/* An embeddings request: its inputs are prepared, become one job of the worker's, and the vectors go out in one answer. As with other
 * requests the client may leave before the job has ended; the job is then cancelled and freed when it is told of. */
#include <stdlib.h>

#include "base/err.h"
#include "engine/answer.h"
#include "engine/server_priv.h"
#include "obs/log.h"

enum { VALUES_MAX = 64 * 1024 * 1024 }; /* floats of one answer */

struct embedding {
    struct preparation preparation;
    struct task task;         /* once it is prepared */
    struct http_call *call;   /* NULL when it has ended */
    struct api_embedding api; /* on the preparation's arena */
    struct embed_job *job;    /* NULL when it is not the worker's */
    uint64_t tokens;
};

static void embedding_free(struct embedding *e)
{
    preparation_fini(&e->preparation);
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

static struct http_call *give_up_call(struct embedding *e)
{
    struct http_call *call = e->call;
    e->call = NULL;
    task_cancel(&e->task);
    call->task = NULL;
    if (e->job) worker_cancel_embed(e->preparation.server->worker, e->job);
    return call;
}

static void fail(struct embedding *e, const struct api_error *error)
{
    server__reply_error(give_up_call(e), error);
}

/* On the preparing thread. */
static int read_inputs(struct preparation *p)
{
    struct embedding *e = CONTAINER_OF(p, struct embedding, preparation);
    const struct model_info *info = p->server->info;
    int err = api_parse_embedding(&p->arena, p->call->body, info->vocab, &e->api, &p->error);
    if (err) return err;
    err = server__check_model(p->server, &p->arena, e->api.model, &p->error);
    if (err) return err;
    if (!info->embed_max)
        return api_refuse(&p->arena, &p->error, "model", "unsupported_model",
                          "This model gives no embeddings.");
    if (e->api.input_count * info->embedding > VALUES_MAX)
        return api_refuse(&p->arena, &p->error, "input", NULL,
                          "'input' has too many elements for one answer.");
    p->param = "input";
    p->room = info->embed_max;
    p->around = true;
    p->texts = e->api.inputs;
    p->count = e->api.input_count;
    return 0;
}

static void run(struct task *task)
{
    struct embedding *e = CONTAINER_OF(task, struct embedding, task);
    if (e->call->gone) call_end(give_up_call(e));
    free_if_done(e);
}

static void cut(struct work *work, const struct api_error *error)
{
    struct embedding *e = CONTAINER_OF(work, struct embedding, preparation.work);
    if (e->call) fail(e, error);
    free_if_done(e);
}

static void start(struct preparation *p)
{
    struct embedding *e = CONTAINER_OF(p, struct embedding, preparation);
    struct embed_job *job = calloc(1, sizeof *job);
    if (!job) abort();
    job->owner = e;
    job->inputs = p->tokens;
    job->count = (uint32_t)p->count;
    job->out = malloc(p->count * p->server->info->embedding * sizeof *job->out);
    if (!job->out) abort();
    for (size_t i = 0; i < p->count; i++)
        e->tokens += p->tokens[i].count;
    task_init(&e->task, run);
    e->call = p->call;
    e->call->task = &e->task;
    p->work.cut = cut;
    e->job = job;
    worker_embed(p->server->worker, job);
}

static void on_refused(struct preparation *p)
{
    embedding_free(CONTAINER_OF(p, struct embedding, preparation));
}

static void reply(struct embedding *e, const struct embed_job *job)
{
    const struct server *s = e->preparation.server;
    struct buf body;
    buf_init(&body, SERVER_ANSWER_MAX);
    if (answer_embeddings(&body, str_of(s->options.alias), job->out, job->count, s->info->embedding,
                          e->api.base64, e->tokens)) {
        const struct api_error error = {500, "server_error", NULL, NULL,
                                        STR("The answer is too large.")};
        fail(e, &error);
    } else {
        server__reply_json(give_up_call(e), 200, buf_str(&body));
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

void embedding_begin(struct server *s, struct http_call *call)
{
    static const struct preparation_handler handler = {
        .read = read_inputs, .on_prepared = start, .on_refused = on_refused};
    struct embedding *e = calloc(1, sizeof *e);
    if (!e) abort();
    preparation_begin(&e->preparation, s, call, &handler);
}
