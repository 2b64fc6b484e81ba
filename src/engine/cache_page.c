/* SPDX-License-Identifier: Apache-2.0 */
/* /cache: what is kept of earlier prompts, shown, pinned and dropped. The compute thread does it
 * between two of its steps. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/cache/inventory.h"
#include "engine/handlers.h"

enum { INVENTORY_MAX = 64 << 20, ID_MAX = 32 };

enum cache_wish { CACHE_SHOW, CACHE_PIN, CACHE_UNPIN, CACHE_DROP };

struct cache_call {
    struct compute_errand errand;
    struct work work;
    struct task task;
    struct server *server;
    struct http_call *call; /* NULL: answered, or gone */
    enum cache_wish wish;
    char id[ID_MAX];
    struct buf reply;
    bool found;
    int err;
};

/* --- on the compute thread --- */

static void change(struct cache_call *cc, struct cache *cache, struct json_writer *w)
{
    uint64_t state;
    json_write_object(w);
    if (cc->wish == CACHE_DROP) {
        unsigned count = inventory_drop(cache, str_of(cc->id));
        cc->found = count || !cc->id[0];
        json_write_u64_member(w, "dropped", count);
    } else {
        bool pinned = cc->wish == CACHE_PIN;
        cc->found = inventory_pin(cache, str_of(cc->id), pinned, &state);
        if (cc->found) {
            json_write_u64_member(w, "state", state);
            json_write_bool_member(w, "pinned", pinned);
        }
    }
    json_write_object_end(w);
}

static void run_errand(struct compute_errand *e, struct scheduler *s)
{
    struct cache_call *cc = CONTAINER_OF(e, struct cache_call, errand);
    struct json_writer w;
    json_write_init(&w, &cc->reply);
    if (cc->wish == CACHE_SHOW) {
        cc->found = true;
        inventory_write(scheduler_cache(s), &w);
    } else {
        change(cc, scheduler_cache(s), &w);
    }
    cc->err = json_write_end(&w);
}

/* --- on the loop --- */

static struct http_call *give_up_call(struct cache_call *cc)
{
    struct http_call *call = cc->call;
    cc->call = NULL;
    task_cancel(&cc->task);
    call->task = NULL;
    return call;
}

static void run(struct task *task)
{
    struct cache_call *cc = CONTAINER_OF(task, struct cache_call, task);
    if (cc->call->gone) call_end(give_up_call(cc));
}

static void cut(struct work *work, const struct refusal *error)
{
    struct cache_call *cc = CONTAINER_OF(work, struct cache_call, work);
    if (cc->call) server_reply_error(give_up_call(cc), error);
}

static void reply(struct cache_call *cc)
{
    struct http_call *call = give_up_call(cc);
    if (cc->err)
        server_refuse(call, 500, "server_error", NULL, STR("The answer is too large."));
    else if (!cc->found)
        server_refuse(
            call, 404, "invalid_request_error", "not_found",
            STR("There is nothing of this id that is not in use, or no room to keep it."));
    else
        server_reply_json(call, 200, buf_str(&cc->reply));
}

static void on_done(struct compute_errand *e)
{
    struct cache_call *cc = CONTAINER_OF(e, struct cache_call, errand);
    if (cc->call) reply(cc);
    server_leave(cc->server, &cc->work);
    buf_fini(&cc->reply);
    free(cc);
}

static void begin(struct server *s, struct http_call *call, enum cache_wish wish, struct str id)
{
    if (id.len >= ID_MAX || !s->hosted.model || !s->hosted.context) {
        server_refuse(call, 404, "invalid_request_error", "not_found",
                      STR("There is no such thing, or the model has no cache."));
        return;
    }
    struct cache_call *cc = mem_must_zero(1, sizeof *cc);
    cc->server = s;
    cc->call = call;
    cc->wish = wish;
    memcpy(cc->id, id.ptr, id.len);
    cc->errand = (struct compute_errand){.run = run_errand, .on_done = on_done};
    cc->work.cut = cut;
    buf_init(&cc->reply, INVENTORY_MAX);
    task_init(&cc->task, run);
    call->task = &cc->task;
    server_enter(s, &cc->work);
    compute_ask(s->hosted.compute, &cc->errand);
}

/* What is to be changed must be named. */
static void begin_one(struct server *s, struct http_call *call, enum cache_wish wish, struct str id)
{
    if (id.len)
        begin(s, call, wish, id);
    else
        server_refuse(call, 404, "invalid_request_error", "not_found",
                      STR("The path has no id at its end."));
}

static struct str id_behind(const struct http_call *call, struct str path)
{
    return str_skip(call->head->path, path.len);
}

void get_cache(struct server *s, struct http_call *call)
{
    begin(s, call, CACHE_SHOW, STR(""));
}

void post_cache_pin(struct server *s, struct http_call *call)
{
    begin_one(s, call, CACHE_PIN, id_behind(call, STR("/cache/pin/")));
}

void post_cache_unpin(struct server *s, struct http_call *call)
{
    begin_one(s, call, CACHE_UNPIN, id_behind(call, STR("/cache/unpin/")));
}

void post_cache_drop(struct server *s, struct http_call *call)
{
    begin_one(s, call, CACHE_DROP, id_behind(call, STR("/cache/drop/")));
}

void post_cache_drop_all(struct server *s, struct http_call *call)
{
    begin(s, call, CACHE_DROP, STR(""));
}
