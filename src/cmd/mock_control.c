/* SPDX-License-Identifier: Apache-2.0 */
/* The mock runtime's own paths, and those of whoever watches it: what was seen, and what is to be
 * done from now on. */
#include "base/err.h"
#include "cmd/mock_priv.h"

enum { OUT_MAX = 64 * 1024 * 1024 };

static void reply_error(struct http_call *c, int status, const char *message)
{
    mock__reply_error(c, &dialect_openai, status, NULL, message);
}

/* --- what was seen --- */

static void reply_written(struct http_call *c, struct str type, struct buf *b, int err)
{
    const struct http_field field = HTTP_FIELD(CONTENT_TYPE, type);
    if (err)
        reply_error(c, 500, "the list is too long");
    else
        call_reply(c, 200, &field, 1, buf_str(b));
    buf_fini(b);
}

static void reply_stats(struct mock_worker *w, struct http_call *c, struct str type,
                        int (*write)(struct mock_stats *, struct buf *))
{
    struct buf b;
    buf_init(&b, OUT_MAX);
    int err = write(&w->mock->stats, &b);
    reply_written(c, type, &b, err);
}

void mock__stats(struct mock_worker *w, struct http_call *c)
{
    reply_stats(w, c, STR("application/json"), mock_stats_write);
}

void mock__requests(struct mock_worker *w, struct http_call *c)
{
    reply_stats(w, c, STR("application/json"), mock_stats_write_requests);
}

void mock__metrics(struct mock_worker *w, struct http_call *c)
{
    reply_stats(w, c, STR("text/plain; version=0.0.4"), mock_stats_write_metrics);
}

void mock__script(struct mock_worker *w, struct http_call *c)
{
    struct buf b;
    buf_init(&b, OUT_MAX);
    int err = mock_script_write(&w->mock->script, &b);
    reply_written(c, STR("application/json"), &b, err);
}

/* --- orders, which are bodies --- */

/* Waits for its body. */
struct order {
    struct task task;
    struct mock_worker *worker;
    struct http_call *call;
    const char *(*obey)(struct mock *m, struct arena *arena, struct str body); /* NULL: done */
};

static void on_order(struct task *task)
{
    struct order *o = CONTAINER_OF(task, struct order, task);
    struct http_call *c = o->call;
    if (!c->gone && !c->body_err && !c->body_done) return;
    task_cancel(&o->task);
    if (c->gone || c->body_err) {
        call_abort(c);
        return;
    }
    const char *wrong = o->obey(o->worker->mock, c->arena, c->body);
    if (wrong)
        reply_error(c, 400, wrong);
    else
        mock__reply_json(c, 200, STR("{}"));
}

static void start_order(struct mock_worker *w, struct http_call *c,
                        const char *(*obey)(struct mock *, struct arena *, struct str))
{
    struct order *o = arena_zalloc(c->arena, sizeof *o);
    o->worker = w;
    o->call = c;
    o->obey = obey;
    task_init(&o->task, on_order);
    c->task = &o->task;
    call_read_body(c, w->mock->body_max);
    if (c->body_done || c->body_err) on_order(&o->task);
}

/* Sets the knobs of all requests to come. */
static const char *obey_knobs(struct mock *m, struct arena *arena, struct str body)
{
    static const char *const nothing_else[] = {NULL};
    struct mock_knobs k = m->start_knobs;
    int err = mock_knobs_set_object(&k, body);
    if (err) return err_text(err);
    const char *unknown = mock_knobs_unknown(arena, body, nothing_else);
    if (unknown) return unknown;
    pthread_rwlock_wrlock(&m->knobs_lock);
    m->knobs = k;
    pthread_rwlock_unlock(&m->knobs_lock);
    return NULL;
}

void mock__set_knobs(struct mock_worker *w, struct http_call *c)
{
    start_order(w, c, obey_knobs);
}

static const char *obey_script(struct mock *m, struct arena *arena, struct str body)
{
    const char *wrong;
    return mock_script_set(&m->script, arena, body, &wrong) ? wrong : NULL;
}

void mock__set_script(struct mock_worker *w, struct http_call *c)
{
    start_order(w, c, obey_script);
}

void mock__reset(struct mock_worker *w, struct http_call *c)
{
    struct mock *m = w->mock;
    pthread_rwlock_wrlock(&m->knobs_lock);
    m->knobs = m->start_knobs;
    pthread_rwlock_unlock(&m->knobs_lock);
    mock_script_clear(&m->script);
    mock_stats_reset(&m->stats);
    mock__reply_json(c, 200, STR("{}"));
}
