/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/inquiry.h"

#include <errno.h>

#include "base/err.h"

enum { ARENA_MAX = 1 << 20, ARENA_BLOCK = 1024 };

static void step(struct task *task);

void inquiry_init(struct inquiry *q, struct loop *loop, struct http_client *client,
                  void (*done)(struct inquiry *q))
{
    *q = (struct inquiry){.loop = loop, .client = client, .done = done};
    arena_init(&q->arena, ARENA_MAX, ARENA_BLOCK);
    buf_init(&q->body, INQUIRY_PAGE_MAX);
    task_init(&q->task, step);
    timer_init(&q->timer, &q->task);
}

void inquiry_fini(struct inquiry *q)
{
    inquiry_stop(q);
    arena_fini(&q->arena);
    buf_fini(&q->body);
}

/* --- one page --- */

static bool configured(const struct endpoint *e, enum http_header_id id)
{
    for (size_t i = 0; i < e->field_count; i++)
        if (e->fields[i].id == id) return true;
    return false;
}

/* Ours, and what each request to the endpoint gets. */
static int add_fields(struct inquiry *q, struct http_request *r)
{
    static const struct http_field own[] = {HTTP_FIELD(USER_AGENT, STR_INIT("hostler")),
                                            HTTP_FIELD(ACCEPT, STR_INIT("application/json")),
                                            HTTP_FIELD(ACCEPT_ENCODING, STR_INIT("identity"))};
    const struct endpoint *e = q->endpoint;
    struct http_field *fields =
        arena_try(&q->arena, (ARRAY_LEN(own) + e->field_count) * sizeof *fields);
    unsigned n = 0;
    if (!fields) return -ENOMEM;
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (!configured(e, own[i].id)) fields[n++] = own[i];
    for (size_t i = 0; i < e->field_count; i++)
        fields[n++] = e->fields[i];
    r->fields = fields;
    r->field_count = n;
    return 0;
}

static int make_request(struct inquiry *q, struct http_request *r)
{
    bool beside = q->page != SIGN_MODELS;
    *r = (struct http_request){
        .method = METHOD_GET,
        .target = endpoint_target(&q->arena, q->endpoint, sign_path(q->page), beside),
        .authority = q->endpoint->host,
    };
    return r->target.ptr ? add_fields(q, r) : -ENOMEM;
}

static void ask(struct inquiry *q)
{
    fetch_end(&q->fetch);
    arena_reset(&q->arena);
    buf_clear(&q->body);
    q->fetch = (struct fetch){
        .client = q->client,
        .arena = &q->arena,
        .task = &q->task,
        .way = q->endpoint->way,
        .key = q->endpoint->pool_key,
        .no_reuse = true,
        .no_keep = true,
    };
    timer_start(q->loop, &q->timer, loop_now(q->loop) + q->timeout_us);
    q->err = make_request(q, &q->fetch.request);
    if (q->err)
        loop_wake(q->loop, &q->task);
    else
        fetch_start(&q->fetch);
}

/* Whether more of the page is to come. */
static bool comes(struct inquiry *q)
{
    struct fetch *f = &q->fetch;
    if (!q->err && f->body.len) q->err = buf_append(&q->body, fetch_take(f));
    if (!q->err && f->state == FETCH_FAILED) q->err = f->err;
    if (!q->err && f->state != FETCH_DONE && !timer_armed(&q->timer)) q->err = ERR_TIMEOUT;
    return !q->err && f->state != FETCH_DONE;
}

/* --- what it tells --- */

/* It is starting, say, or has too much to do. */
static bool is_passing(int status)
{
    return status >= 500 || status == 429 || status == 408;
}

static void read_answer(struct inquiry *q)
{
    const struct http_head *head = q->fetch.head;
    const struct sign_answer answer = {
        .status = head->status,
        .server = http_head_get_name(head, STR("server")),
        .body = q->err ? STR("") : buf_str(&q->body),
    };
    if (q->page == SIGN_MODELS) {
        q->listed = answer.status == 200;
        q->failed = is_passing(answer.status);
        if (q->listed) sign_card(answer.body, q->endpoint->model, &q->card);
        struct str list = q->listed ? sign_list(answer.body) : STR_NULL;
        if (list.ptr && q->shown) q->shown(q, list);
    }
    q->kind = sign_read(q->page, &answer);
    if (q->kind) q->sign = sign_path(q->page);
}

static void conclude(struct inquiry *q)
{
    q->answered = !q->failed;
    inquiry_stop(q);
    q->done(q);
}

/* True when there is one more to ask. */
static bool turn_page(struct inquiry *q)
{
    if (!q->endpoint->finds_kind || q->list_only) return false;
    do
        q->page++;
    while (q->page < SIGN_PAGES && !sign_helps(q->page, q->listed));
    return q->page < SIGN_PAGES;
}

/* Without a connection or an answer there is none to the next page either. One that is too large
 * has a head all the same. */
static void step(struct task *task)
{
    struct inquiry *q = CONTAINER_OF(task, struct inquiry, task);
    if (comes(q)) return;
    bool readable = !q->err || (q->err == ERR_TOO_LARGE && q->fetch.head);
    if (readable)
        read_answer(q);
    else
        q->failed = true;
    if (readable && !q->kind && turn_page(q))
        ask(q);
    else
        conclude(q);
}

void inquiry_start(struct inquiry *q, const struct endpoint *e, uint64_t timeout_us)
{
    assert(!q->running);
    q->running = true;
    q->endpoint = e;
    q->timeout_us = timeout_us;
    q->page = SIGN_MODELS;
    q->answered = q->listed = q->failed = false;
    q->kind = NULL;
    q->sign = STR_NULL;
    q->card = (struct model_card){0};
    ask(q);
}

void inquiry_stop(struct inquiry *q)
{
    if (!q->running) return;
    q->running = false;
    fetch_end(&q->fetch);
    timer_stop(q->loop, &q->timer);
    task_cancel(&q->task);
    arena_reset(&q->arena);
    buf_clear(&q->body);
}
