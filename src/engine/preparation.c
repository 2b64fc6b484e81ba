/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/preparation.h"

#include "base/err.h"
#include "engine/refuse.h"

/* --- on the preparing thread --- */

static int refuse_length(struct preparation *p, const char *least, size_t count)
{
    return refuse_field(
        &p->arena, &p->error, p->param, "context_length_exceeded",
        "'%s' may have at most %u tokens here, by the model's context; yours has %s%zu.", p->param,
        p->room, least, count);
}

static int refuse_empty(struct preparation *p)
{
    return refuse_field(&p->arena, &p->error, p->param, NULL, "'%s' must not be empty.", p->param);
}

/* Why a prompt could not be made. */
static int refuse_prompt(struct preparation *p, int err)
{
    if (err == ERR_TOO_LARGE && p->prompt.count > p->room)
        return refuse_length(p, "at least ", p->prompt.count);
    if (err == ERR_TOO_LARGE)
        return refuse_field(&p->arena, &p->error, p->param, NULL, "'%s' is too long.", p->param);
    if (p->error.message.ptr) return err;
    return refuse_field(&p->arena, &p->error, p->param, NULL, "'%s' cannot be tokenized.",
                        p->param);
}

static int read_body(struct preparation *p)
{
    int err = p->handler->read(p);
    p->has_read = true;
    p->job.left = p->bytes;
    if (err) return err;
    p->tokens = arena_zalloc(&p->arena, (p->count + 1) * sizeof *p->tokens);
    for (size_t i = 0; i < p->count && p->texts; i++)
        p->job.left += p->texts[i].text.len;
    return 0;
}

static int take_tokens(struct preparation *p, const int32_t *tokens, size_t count)
{
    if (!count && !p->may_be_empty) return refuse_empty(p);
    if (count > p->room) return refuse_length(p, "", count);
    p->tokens[p->next++] = (struct token_list){tokens, (uint32_t)count};
    p->prompt.vocab = NULL;
    return 0;
}

static int begin_prompt(struct preparation *p)
{
    int err;
    if (p->handler->begin_prompt) {
        err = p->handler->begin_prompt(p, p->next);
    } else {
        const struct body_prompt *text = &p->texts[p->next];
        if (text->tokens) return take_tokens(p, text->tokens, text->token_count);
        err =
            prompt_of_text(&p->prompt, &p->arena, p->hosted->vocab, text->text, p->around, p->room);
    }
    return err ? refuse_prompt(p, err) : 0;
}

static int go_on(struct preparation *p)
{
    size_t before = p->prompt.left;
    int err = prompt_step(&p->prompt);
    p->job.left -= MIN(p->job.left, before - p->prompt.left);
    if (err == PROMPT_MORE) return 0;
    return err ? refuse_prompt(p, err) : take_tokens(p, p->prompt.tokens, p->prompt.count);
}

static bool step(struct prepare_job *job)
{
    struct preparation *p = CONTAINER_OF(job, struct preparation, job);
    if (!p->has_read)
        p->err = read_body(p);
    else if (p->next < p->count)
        p->err = p->prompt.vocab ? go_on(p) : begin_prompt(p);
    if (p->err || p->next < p->count) return !p->err;
    if (p->handler->finish) p->err = p->handler->finish(p);
    return false;
}

/* --- on the loop --- */

static void refuse(struct preparation *p, const struct refusal *error)
{
    task_cancel(&p->task);
    server_reply_error(p->call, error);
    p->handler->on_refused(p);
}

static void leave(struct preparation *p)
{
    task_cancel(&p->task);
    call_end(p->call);
    p->handler->on_refused(p);
}

static void refuse_body(struct preparation *p)
{
    struct refusal error = {.status = 400,
                            .type = "invalid_request_error",
                            .message = STR("The body did not arrive whole.")};
    if (p->call->body_err == ERR_TOO_LARGE) {
        error.status = 413;
        error.message = STR("The body is larger than this engine takes.");
    } else if (p->call->body_err == ERR_TIMEOUT) {
        error.status = 408;
    }
    refuse(p, &error);
}

static void on_prepared(struct prepare_job *job)
{
    struct preparation *p = CONTAINER_OF(job, struct preparation, job);
    if (p->call->gone) {
        leave(p);
    } else if (p->cut_by || p->err) {
        refuse(p, p->cut_by ? p->cut_by : &p->error);
    } else {
        task_cancel(&p->task);
        p->handler->on_prepared(p);
    }
}

static void prepare(struct preparation *p)
{
    p->preparing = true;
    p->job.left = p->call->body.len;
    p->job.step = step;
    p->job.on_prepared = on_prepared;
    preparer_add(p->server->preparer, &p->job);
}

static void run(struct task *task)
{
    struct preparation *p = CONTAINER_OF(task, struct preparation, task);
    if (p->preparing && p->call->gone)
        preparer_cancel(&p->job);
    else if (p->preparing)
        return;
    else if (p->call->gone)
        leave(p);
    else if (p->call->body_err)
        refuse_body(p);
    else if (p->call->body_done)
        prepare(p);
}

static void cut(struct work *work, const struct refusal *error)
{
    struct preparation *p = CONTAINER_OF(work, struct preparation, work);
    if (!p->preparing) {
        refuse(p, error);
        return;
    }
    p->cut_by = error;
    preparer_cancel(&p->job);
}

void preparation_begin(struct preparation *p, struct server *server, struct http_call *call,
                       const struct preparation_handler *handler)
{
    *p = (struct preparation){.server = server,
                              .hosted = &server->hosted,
                              .call = call,
                              .handler = handler,
                              .work = {.cut = cut}};
    task_init(&p->task, run);
    arena_init(&p->arena, SERVER_PARSE_MAX, 16 * 1024);
    server_enter(server, &p->work);
    call->task = &p->task;
    call_read_body(call, SERVER_BODY_MAX);
    loop_wake(server->loop, &p->task);
}

void preparation_release(struct preparation *p)
{
    arena_fini(&p->arena);
    p->arena = (struct arena){0};
}

void preparation_fini(struct preparation *p)
{
    task_cancel(&p->task);
    preparation_release(p);
    server_leave(p->server, &p->work);
}
