/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/vectors.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/answer.h"
#include "engine/refuse.h"
#include "obs/log.h"

enum {
    VALUES_MAX = 64 * 1024 * 1024, /* numbers of all vectors of a request */
    PIECE_BYTES = 64 * 1024,       /* what a piece of an answer counts for among other work */
};

static void vectors_free(struct vectors *v)
{
    buf_fini(&v->body);
    preparation_fini(&v->preparation);
    free(v);
}

static void dispose_job(void *what)
{
    struct embed_job *job = what;
    free(job->out);
    free(job);
}

static void free_if_done(struct vectors *v)
{
    if (!v->call && !v->job) vectors_free(v);
}

static struct http_call *give_up_call(struct vectors *v)
{
    struct http_call *call = v->call;
    v->call = NULL;
    task_cancel(&v->task);
    call->task = NULL;
    if (v->writes)
        preparer_cancel(&v->writing);
    else if (v->job)
        compute_cancel_embed(v->preparation.hosted->compute, v->job);
    return call;
}

static void fail(struct vectors *v, const struct refusal *error)
{
    server_reply_error(give_up_call(v), error);
}

int vectors_check(struct vectors *v, struct str model, const char *param, size_t count)
{
    struct preparation *p = &v->preparation;
    const struct hosted *h = p->hosted;
    int err = hosted_check_name(h, &p->arena, model, &p->error);
    if (err) return err;
    if (!h->embedder)
        return refuse_field(&p->arena, &p->error, "model", "unsupported_model",
                            "This model gives no vectors of texts.");
    if (count * h->embedder->length > VALUES_MAX)
        return refuse_field(&p->arena, &p->error, param, NULL,
                            "'%s' has too many elements for one answer.", param);
    p->param = param;
    p->room = h->embedder->input_max;
    p->around = true;
    p->count = count;
    return 0;
}

const float *vectors_at(const struct vectors *v, size_t index)
{
    return v->job->out + index * v->preparation.hosted->embedder->length;
}

void vectors_write_head(struct vectors *v, const char *prefix, const char *object)
{
    struct json_writer *w = &v->writer;
    char id[ANSWER_ID_SIZE];
    answer_make_id(id, prefix);
    json_write_str_member(w, "id", str_of(id));
    if (object) json_write_str_member(w, "object", str_of(object));
    json_write_u64_member(w, "created", clock_wall_us() / USEC_PER_SEC);
    json_write_str_member(w, "model", v->preparation.hosted->name);
}

int vectors_write_tail(struct vectors *v)
{
    struct json_writer *w = &v->writer;
    json_write_array_end(w);
    json_write_key(w, "usage");
    json_write_object(w);
    json_write_u64_member(w, "prompt_tokens", v->tokens);
    json_write_u64_member(w, "total_tokens", v->tokens);
    json_write_object_end(w);
    json_write_object_end(w);
    return json_write_end(w);
}

static void run(struct task *task)
{
    struct vectors *v = CONTAINER_OF(task, struct vectors, task);
    if (v->call->gone) call_end(give_up_call(v));
    free_if_done(v);
}

static void cut(struct work *work, const struct refusal *error)
{
    struct vectors *v = CONTAINER_OF(work, struct vectors, preparation.work);
    if (v->call) fail(v, error);
    free_if_done(v);
}

/* --- the answer --- */

static void dispose(struct vectors *v)
{
    struct embed_job *job = v->job;
    v->job = NULL;
    compute_dispose(v->preparation.hosted->compute, dispose_job, job);
}

/* As long as the preparing thread shall be busy with it at once. */
static bool write_some(struct prepare_job *writing)
{
    struct vectors *v = CONTAINER_OF(writing, struct vectors, writing);
    if (!v->written) v->kind->begin(v);
    uint32_t end = MIN(v->items, v->written + v->piece);
    for (; v->written < end; v->written++)
        v->kind->item(v, v->written);
    writing->left = (size_t)(v->items - end) * PIECE_BYTES / v->piece;
    if (end < v->items) return true;
    v->write_err = v->kind->end(v);
    return false;
}

static void on_written(struct prepare_job *writing)
{
    struct vectors *v = CONTAINER_OF(writing, struct vectors, writing);
    const struct refusal too_large = {
        .status = 500, .type = "server_error", .message = STR("The answer is too large.")};
    v->writes = false;
    dispose(v);
    if (v->call && v->write_err)
        fail(v, &too_large);
    else if (v->call)
        server_reply_json(give_up_call(v), 200, buf_str(&v->body));
    free_if_done(v);
}

static void write_answer(struct vectors *v)
{
    struct log_line l;
    log_begin(&l, LOG_INFO, v->kind->name);
    log_u64(&l, "inputs", v->job->count);
    log_u64(&l, "prompt_tokens", v->tokens);
    if (v->call) server_log_id(v->call, &l);
    log_end(&l);
    buf_init(&v->body, SERVER_ANSWER_MAX);
    v->writes = true;
    v->writing.left =
        (size_t)v->job->count * v->preparation.hosted->embedder->length * sizeof(float);
    v->writing.step = write_some;
    v->writing.on_prepared = on_written;
    preparer_add(v->preparation.server->preparer, &v->writing);
}

static void on_done(struct embed_job *job, int err)
{
    struct vectors *v = job->owner;
    if (v->call && !err) {
        write_answer(v);
        return;
    }
    dispose(v);
    if (v->call) {
        const struct refusal error = {.status = 500,
                                      .type = "server_error",
                                      .message = err == ERR_CANCELLED
                                                     ? STR("The engine is shutting down.")
                                                     : STR("The model failed to compute vectors.")};
        fail(v, &error);
    }
    free_if_done(v);
}

/* --- its beginning --- */

void vectors_on_prepared(struct preparation *p)
{
    struct vectors *v = vectors_of(p);
    struct embed_job *job = mem_must_zero(1, sizeof *job);
    job->owner = v;
    job->on_done = on_done;
    job->inputs = p->tokens;
    job->count = (uint32_t)p->count;
    job->out = mem_must(p->count * p->hosted->embedder->length * sizeof *job->out);
    for (size_t i = 0; i < p->count; i++)
        v->tokens += p->tokens[i].count;
    task_init(&v->task, run);
    v->call = p->call;
    v->call->task = &v->task;
    p->work.cut = cut;
    v->job = job;
    compute_embed(p->hosted->compute, job);
}

void vectors_on_refused(struct preparation *p)
{
    vectors_free(vectors_of(p));
}

void vectors_begin(struct server *s, struct http_call *call, const struct vectors_kind *kind)
{
    struct vectors *v = mem_must_zero(1, sizeof *v);
    v->kind = kind;
    preparation_begin(&v->preparation, s, call, &kind->preparation);
}
