/* SPDX-License-Identifier: Apache-2.0 */
#include "node/engine_page.h"

#include "base/clock.h"
#include "base/err.h"

enum { ARENA_MAX = 64 << 10, ARENA_BLOCK = 1024 };

#define PERIOD_US ((uint64_t)5 * USEC_PER_SEC)
#define TIMEOUT_US ((uint64_t)2 * USEC_PER_SEC)

static const struct metric_row rows[] = {
#define PASSED(field, kind, from, name, labels, help) {METRIC_##kind, name, labels, help},
#define SCHEDULER_METRIC PASSED
#define CACHE_METRIC PASSED
#define ENGINE_SERVER_METRIC PASSED
#include "obs/metrics.def"
};
const struct metric_set engine_page_rows = METRIC_SET(rows);

static void step(struct task *task);

void engine_page_init(struct engine_page *p, struct loop *loop, struct http_client *client,
                      const struct endpoint *const *endpoint)
{
    *p = (struct engine_page){.loop = loop, .client = client, .endpoint = endpoint};
    arena_init(&p->arena, ARENA_MAX, ARENA_BLOCK);
    buf_init(&p->coming, ENGINE_PAGE_MAX);
    buf_init(&p->last, ENGINE_PAGE_MAX);
    task_init(&p->task, step);
    timer_init(&p->timer, &p->task);
}

void engine_page_fini(struct engine_page *p)
{
    engine_page_stop(p);
    arena_fini(&p->arena);
    buf_fini(&p->coming);
    buf_fini(&p->last);
}

static void end_fetch(struct engine_page *p)
{
    if (!p->snapshot) return;
    fetch_end(&p->fetch);
    snapshot_unref(p->snapshot);
    p->snapshot = NULL;
    arena_reset(&p->arena);
}

static void ask(struct engine_page *p)
{
    static const struct http_field fields[] = {HTTP_FIELD(USER_AGENT, STR_INIT("hostler")),
                                               HTTP_FIELD(ACCEPT, STR_INIT("text/plain"))};
    const struct endpoint *e = *p->endpoint;
    buf_clear(&p->coming);
    p->snapshot = snapshot_ref(e->service->snapshot);
    p->fetch = (struct fetch){
        .client = p->client,
        .arena = &p->arena,
        .task = &p->task,
        .way = e->way,
        .key = e->pool_key,
        .request = {.method = METHOD_GET,
                    .target = STR("/metrics"),
                    .authority = e->host,
                    .fields = fields,
                    .field_count = ARRAY_LEN(fields)},
        .no_reuse = true,
        .no_keep = true,
    };
    timer_start(p->loop, &p->timer, loop_now(p->loop) + TIMEOUT_US);
    fetch_start(&p->fetch);
}

/* Whether more is to come; *err: why not, or 0 for a whole page. */
static bool comes(struct engine_page *p, int *err)
{
    struct fetch *f = &p->fetch;
    *err = f->body.len ? buf_append(&p->coming, fetch_take(f)) : 0;
    if (!*err && f->state == FETCH_FAILED) *err = f->err;
    if (!*err && f->state == FETCH_DONE)
        *err = f->head->status == 200 ? 0 : ERR_PROTOCOL;
    else if (!*err && !timer_armed(&p->timer))
        *err = ERR_TIMEOUT;
    return !*err && f->state != FETCH_DONE;
}

static void step(struct task *task)
{
    struct engine_page *p = CONTAINER_OF(task, struct engine_page, task);
    int err;
    if (!p->snapshot) {
        if (*p->endpoint) ask(p);
        return;
    }
    if (comes(p, &err)) return;
    buf_clear(&p->last);
    if (!err) {
        struct buf whole = p->coming;
        p->coming = p->last;
        p->last = whole;
    }
    end_fetch(p);
    timer_start(p->loop, &p->timer, loop_now(p->loop) + PERIOD_US);
}

void engine_page_start(struct engine_page *p)
{
    loop_wake(p->loop, &p->task);
}

void engine_page_stop(struct engine_page *p)
{
    if (!p->loop) return;
    end_fetch(p);
    timer_stop(p->loop, &p->timer);
    task_cancel(&p->task);
    buf_clear(&p->coming);
    buf_clear(&p->last);
}
