/* SPDX-License-Identifier: Apache-2.0 */
/* An embeddings request: its inputs are prepared, become one job of the compute thread's (COMPUTING), the
 * answer is written on the preparing thread, vector by vector (WRITING), and goes out. As with
 * other requests the client may leave before the job has ended; the job is then cancelled, and
 * freed when that has been told. */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/handlers.h"
#include "engine/preparation.h"
#include "engine/refuse.h"
#include "obs/log.h"

enum {
    VALUES_MAX = 64 * 1024 * 1024, /* floats of one answer */
    VALUES_PIECE = 16 * 1024,      /* written at once, some milliseconds */
};

struct embedding {
    struct preparation preparation;
    struct task task;        /* once it is prepared */
    struct http_call *call;  /* NULL when it has ended */
    struct body_embed asked; /* on the preparation's arena */
    struct embed_job *job;   /* in COMPUTING and WRITING, else NULL */
    uint64_t tokens;
    bool writes; /* it is WRITING */
    struct prepare_job writing;
    struct json_writer writer;
    struct buf body;
    uint32_t written; /* vectors */
    int write_err;
};

static void embedding_free(struct embedding *e)
{
    buf_fini(&e->body);
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
    if (e->writes)
        preparer_cancel(&e->writing);
    else if (e->job)
        compute_cancel_embed(e->preparation.hosted->compute, e->job);
    return call;
}

static void fail(struct embedding *e, const struct refusal *error)
{
    server_reply_error(give_up_call(e), error);
}

/* On the preparing thread. */
static int read_inputs(struct preparation *p)
{
    struct embedding *e = CONTAINER_OF(p, struct embedding, preparation);
    const struct hosted *h = p->hosted;
    int err = body_read_embed(&p->arena, p->call->body, vocab_info(h->vocab)->count, &e->asked,
                              &p->error);
    if (err) return err;
    err = hosted_check_name(h, &p->arena, e->asked.model, &p->error);
    if (err) return err;
    if (!h->info->embeds)
        return refuse_field(&p->arena, &p->error, "model", "unsupported_model",
                            "This model gives no embeddings.");
    if (e->asked.input_count * h->embedder->length > VALUES_MAX)
        return refuse_field(&p->arena, &p->error, "input", NULL,
                            "'input' has too many elements for one answer.");
    p->param = "input";
    p->room = h->embedder->input_max;
    p->around = true;
    p->texts = e->asked.inputs;
    p->count = e->asked.input_count;
    return 0;
}

static void run(struct task *task)
{
    struct embedding *e = CONTAINER_OF(task, struct embedding, task);
    if (e->call->gone) call_end(give_up_call(e));
    free_if_done(e);
}

static void cut(struct work *work, const struct refusal *error)
{
    struct embedding *e = CONTAINER_OF(work, struct embedding, preparation.work);
    if (e->call) fail(e, error);
    free_if_done(e);
}

/* --- the answer --- */

static void dispose(struct embedding *e)
{
    struct embed_job *job = e->job;
    e->job = NULL;
    compute_dispose(e->preparation.hosted->compute, dispose_job, job);
}

/* On the preparing thread. */
static bool write_some(struct prepare_job *writing)
{
    struct embedding *e = CONTAINER_OF(writing, struct embedding, writing);
    const struct hosted *h = e->preparation.hosted;
    const struct embed_job *job = e->job;
    uint32_t length = h->embedder->length;
    uint32_t end = MIN(job->count, e->written + MAX(VALUES_PIECE / length, 1u));
    if (!e->written) answer_embeddings_begin(&e->writer, &e->body);
    for (; e->written < end; e->written++)
        answer_embedding(&e->writer, e->written, job->out + (size_t)e->written * length, length,
                         e->asked.base64);
    writing->left = (size_t)(job->count - end) * length * sizeof *job->out;
    if (end < job->count) return true;
    e->write_err = answer_embeddings_end(&e->writer, h->name, e->tokens);
    return false;
}

static void on_written(struct prepare_job *writing)
{
    struct embedding *e = CONTAINER_OF(writing, struct embedding, writing);
    const struct refusal too_large = {
        .status = 500, .type = "server_error", .message = STR("The answer is too large.")};
    e->writes = false;
    dispose(e);
    if (e->call && e->write_err)
        fail(e, &too_large);
    else if (e->call)
        server_reply_json(give_up_call(e), 200, buf_str(&e->body));
    free_if_done(e);
}

static void write_answer(struct embedding *e)
{
    log_note(LOG_INFO, "embeddings", "%u inputs, %llu tokens", e->job->count,
             (unsigned long long)e->tokens);
    buf_init(&e->body, SERVER_ANSWER_MAX);
    e->writes = true;
    e->writing.left =
        (size_t)e->job->count * e->preparation.hosted->embedder->length * sizeof(float);
    e->writing.step = write_some;
    e->writing.on_prepared = on_written;
    preparer_add(e->preparation.server->preparer, &e->writing);
}

static void on_done(struct embed_job *job, int err)
{
    struct embedding *e = job->owner;
    if (e->call && !err) {
        write_answer(e);
        return;
    }
    dispose(e);
    if (e->call) {
        const struct refusal error = {
            .status = 500,
            .type = "server_error",
            .message = err == ERR_CANCELLED ? STR("The engine is shutting down.")
                                            : STR("The model failed to compute embeddings.")};
        fail(e, &error);
    }
    free_if_done(e);
}

/* --- its beginning --- */

static void start(struct preparation *p)
{
    struct embedding *e = CONTAINER_OF(p, struct embedding, preparation);
    struct embed_job *job = mem_must_zero(1, sizeof *job);
    job->owner = e;
    job->on_done = on_done;
    job->inputs = p->tokens;
    job->count = (uint32_t)p->count;
    job->out = mem_must(p->count * p->hosted->embedder->length * sizeof *job->out);
    for (size_t i = 0; i < p->count; i++)
        e->tokens += p->tokens[i].count;
    task_init(&e->task, run);
    e->call = p->call;
    e->call->task = &e->task;
    p->work.cut = cut;
    e->job = job;
    compute_embed(p->hosted->compute, job);
}

static void on_refused(struct preparation *p)
{
    embedding_free(CONTAINER_OF(p, struct embedding, preparation));
}

void post_embeddings(struct server *s, struct http_call *call)
{
    static const struct preparation_handler handler = {
        .read = read_inputs, .on_prepared = start, .on_refused = on_refused};
    struct embedding *e = mem_must_zero(1, sizeof *e);
    preparation_begin(&e->preparation, s, call, &handler);
}
