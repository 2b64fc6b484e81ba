/* SPDX-License-Identifier: Apache-2.0 */
/* /tokenize and /detokenize: the body comes (BODY), the preparing thread makes the answer of it (PREPARING), it goes out. A
 * client that leaves while it is prepared is forgotten when that has ended. */
#include <stdlib.h>

#include "base/err.h"
#include "engine/server_priv.h"
#include "json/write.h"

enum { TOKENIZE_MAX = 1 << 20 }; /* bytes */

struct tokenizing {
    struct work work;
    struct task task;
    struct server *server;
    struct http_call *call;
    const struct preparation_handler *handler;
    struct preparation preparation;
    bool preparing;
    const struct api_error *cut; /* what to answer when it was cut off */
    struct buf reply;
    struct api_prompt text;
};

static struct tokenizing *of_preparation(struct preparation *p)
{
    return CONTAINER_OF(p, struct tokenizing, preparation);
}

/* --- on the preparing thread --- */

static int read_tokenize(struct preparation *p)
{
    struct tokenizing *t = of_preparation(p);
    int err = api_parse_tokenize(&p->arena, p->body, &t->text.text, &p->around, &p->error);
    if (err) return err;
    if (t->text.text.len > TOKENIZE_MAX) {
        err = api_refuse(&p->arena, &p->error, "content", NULL,
                         "'content' has more than 1 MiB: cut it.");
        p->error.status = 413;
        return err;
    }
    p->param = "content";
    p->room = UINT32_MAX;
    p->may_be_empty = true;
    p->texts = &t->text;
    p->count = 1;
    return 0;
}

static int refuse_size(struct preparation *p, int err)
{
    return err ? api_refuse(&p->arena, &p->error, NULL, NULL, "The answer is too large.") : 0;
}

static int write_tokens(struct preparation *p)
{
    struct tokenizing *t = of_preparation(p);
    struct json_writer w;
    json_write_init(&w, &t->reply);
    json_write_object(&w);
    json_write_key(&w, "tokens");
    json_write_array(&w);
    for (size_t i = 0; i < p->tokens->count; i++)
        json_write_i64(&w, p->tokens->tokens[i]);
    json_write_array_end(&w);
    json_write_object_end(&w);
    return refuse_size(p, json_write_end(&w));
}

static int read_detokenize(struct preparation *p)
{
    struct tokenizing *t = of_preparation(p);
    return api_parse_detokenize(&p->arena, p->body, model_info(p->model)->vocab, &t->text,
                                &p->error);
}

static int write_text(struct preparation *p)
{
    const struct tokenizing *t = of_preparation(p);
    struct buf text;
    struct json_writer w;
    char piece[MODEL_PIECE_MAX];
    int err = 0;
    buf_init(&text, SERVER_ANSWER_MAX);
    for (uint32_t i = 0; !err && i < t->text.token_count; i++)
        err =
            buf_append(&text, str_n(piece, model_piece(p->model, t->text.tokens[i], true, piece)));
    json_write_init(&w, &of_preparation(p)->reply);
    json_write_object(&w);
    json_write_str_member(&w, "content", buf_str(&text));
    json_write_object_end(&w);
    const int end = json_write_end(&w);
    buf_fini(&text);
    return refuse_size(p, err ? err : end);
}

/* --- on the loop --- */

static void end(struct tokenizing *t)
{
    task_cancel(&t->task);
    preparation_fini(&t->preparation);
    buf_fini(&t->reply);
    server__leave(t->server, &t->work);
    free(t);
}

static void fail(struct tokenizing *t, const struct api_error *error)
{
    server__reply_error(t->call, error);
    end(t);
}

static void on_prepared(struct preparation *p)
{
    struct tokenizing *t = of_preparation(p);
    if (t->call->gone) {
        call_end(t->call);
    } else if (t->cut || p->err) {
        server__reply_error(t->call, t->cut ? t->cut : &p->error);
    } else {
        server__reply_json(t->call, 200, buf_str(&t->reply));
    }
    end(t);
}

static const struct preparation_handler tokenizes = {read_tokenize, write_tokens, on_prepared};
static const struct preparation_handler detokenizes = {read_detokenize, write_text, on_prepared};

static void run(struct task *task)
{
    struct tokenizing *t = CONTAINER_OF(task, struct tokenizing, task);
    struct http_call *c = t->call;
    if (t->preparing) {
        if (c->gone) preparation_cancel(&t->preparation);
    } else if (c->gone) {
        call_end(c);
        end(t);
    } else if (c->body_err) {
        const struct api_error error = server__body_error(c);
        fail(t, &error);
    } else if (c->body_done) {
        t->preparing = true;
        preparation_start(&t->preparation, t->server->preparer, t->handler, t->server->model,
                          c->body);
    }
}

static void cut(struct work *work, const struct api_error *error)
{
    struct tokenizing *t = CONTAINER_OF(work, struct tokenizing, work);
    if (!t->preparing) {
        fail(t, error);
        return;
    }
    t->cut = error;
    preparation_cancel(&t->preparation);
}

static void begin(struct server *s, struct http_call *c, const struct preparation_handler *handler)
{
    struct tokenizing *t = calloc(1, sizeof *t);
    if (!t) abort();
    t->server = s;
    t->call = c;
    t->handler = handler;
    t->work.cut = cut;
    task_init(&t->task, run);
    buf_init(&t->reply, SERVER_ANSWER_MAX);
    server__enter(s, &t->work);
    c->task = &t->task;
    call_read_body(c, SERVER_BODY_MAX);
    loop_wake(s->loop, &t->task);
}

void tokenize_begin(struct server *s, struct http_call *call)
{
    begin(s, call, &tokenizes);
}

void detokenize_begin(struct server *s, struct http_call *call)
{
    begin(s, call, &detokenizes);
}
