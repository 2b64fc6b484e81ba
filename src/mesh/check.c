/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/check.h"

#include "base/err.h"

enum { CHECK_ARENA_MAX = 16 << 20, CHECK_ARENA_BLOCK = 1024 };

static void step_check(struct task *task);

void health_check_init(struct health_check *c, struct loop *loop, struct http_client *client,
                       void (*done)(struct health_check *c, int status, int err))
{
    *c = (struct health_check){.loop = loop, .client = client, .done = done};
    arena_init(&c->arena, CHECK_ARENA_MAX, CHECK_ARENA_BLOCK);
    task_init(&c->task, step_check);
    timer_init(&c->timer, &c->task);
}

void health_check_fini(struct health_check *c)
{
    if (!c->loop) return;
    health_check_stop(c);
    arena_fini(&c->arena);
}

static void on_bare_open(void *owner, int err)
{
    struct health_check *c = owner;
    c->bare_open = true;
    c->bare_err = err;
    c->why = stream_facts(c->bare)->error;
    loop_wake(c->loop, &c->task);
}

/* Nothing is sent or read: what the peer does then is of no interest. */
static void on_bare_end(void *owner, int err)
{
    (void)owner;
    (void)err;
}

static const struct stream_handler bare_handler = {.on_open = on_bare_open, .on_end = on_bare_end};

static void start_bare(struct health_check *c, const struct way *way)
{
    int err = way_dial(c->loop, way, &c->bare);
    if (err) {
        c->bare = NULL;
        on_bare_open(c, err);
        return;
    }
    stream_set_handler(c->bare, &bare_handler, c);
}

static void start_fetch(struct health_check *c, const struct endpoint *e, struct str path)
{
    unsigned key = e->has_key;
    c->fields[0] = (struct http_field)HTTP_FIELD(USER_AGENT, STR("hostler"));
    c->fields[1] = (struct http_field)HTTP_FIELD(ACCEPT, STR("*/*"));
    if (key) c->fields[2] = e->fields[0];
    c->fetch = (struct fetch){
        .client = c->client,
        .arena = &c->arena,
        .task = &c->task,
        .way = e->way,
        .key = e->pool_key,
        .request =
            {
                .method = METHOD_GET,
                .target = arena_dup(&c->arena, path),
                .authority = e->host,
                .fields = c->fields,
                .field_count = 2 + key,
            },
        .no_reuse = true,
        .no_keep = true,
    };
    fetch_start(&c->fetch);
}

void health_check_start(struct health_check *c, const struct endpoint *e, struct str path,
                        uint64_t timeout_us)
{
    assert(!c->running);
    c->running = true;
    c->connected = c->bare_open = false;
    c->why = NULL;
    c->fetch = (struct fetch){0};
    timer_start(c->loop, &c->timer, loop_now(c->loop) + timeout_us);
    if (path.len)
        start_fetch(c, e, path);
    else
        start_bare(c, &e->way);
}

void health_check_stop(struct health_check *c)
{
    if (!c->running) return;
    c->running = false;
    fetch_end(&c->fetch);
    if (c->bare) stream_close(c->bare);
    c->bare = NULL;
    timer_stop(c->loop, &c->timer);
    task_cancel(&c->task);
    arena_reset(&c->arena);
}

static unsigned loading_of(const struct http_head *head)
{
    uint64_t percent;
    struct str text = head ? http_head_get_name(head, STR("x-hostler-loading")) : STR_NULL;
    return str_to_u64(text, &percent) == 0 && percent <= 100 ? (unsigned)percent : 0;
}

/* Facts have come: a connection, a head, a failure, or the time is over. */
static void step_check(struct task *task)
{
    struct health_check *c = CONTAINER_OF(task, struct health_check, task);
    int status = c->fetch.head ? c->fetch.head->status : 0;
    bool failed = c->fetch.state == FETCH_FAILED;
    int err = 0;
    if (c->bare_open)
        err = c->bare_err;
    else if (!status && failed)
        err = c->fetch.err;
    else if (!status && !timer_armed(&c->timer))
        err = ERR_TIMEOUT;
    else if (!status)
        return;
    if (failed) c->why = c->fetch.why;
    c->loading = loading_of(c->fetch.head);
    c->connected = c->fetch.sent || (c->bare_open && !err);
    health_check_stop(c);
    c->done(c, status, err);
}
