/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of all models: which there are, what they are to run, who wants them. The life
 * of one is engine.c's. */
#include "node/supervisor.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "node/engine_command.h"
#include "node/supervisor_priv.h"

enum { ENGINE_ARENA_BLOCK = 4096 };

/* Where threads leave their wishes; outlives the supervisor while mail is on its way. */
struct box {
    _Atomic unsigned refs;
    struct supervisor *sup; /* main thread; NULL: gone */
};

/* --- engines by name --- */

static struct engine *find_engine(const struct supervisor *s, struct str model)
{
    return map_get(&s->by_model, model);
}

static struct engine *engine_for(struct supervisor *s, struct str model)
{
    struct engine *e = find_engine(s, model);
    if (e) return e;
    e = mem_must_zero(1, sizeof *e);
    e->sup = s;
    e->model = str_n(str_dup(model), model.len);
    e->socket = engine_folder_socket(&s->folder);
    arena_init(&e->arena, SIZE_MAX, ENGINE_ARENA_BLOCK);
    health_check_init(&e->check, s->loop, s->client, engine__on_checked);
    engine_page_init(&e->page, s->loop, s->client, &e->endpoint);
    task_init(&e->task, engine__step);
    timer_init(&e->timer, &e->task);
    list_push_back(&s->engines, &e->link);
    map_put(&s->by_model, e->model, e);
    return e;
}

/* --- hooks --- */

static int engine_addr(void *ctx, struct str model, struct arena *arena, struct addr *out)
{
    struct engine *e = engine_for(ctx, model);
    *out = (struct addr){.is_unix = true, .path = arena_dup(arena, e->socket)};
    return 0;
}

/* A wish, on its way to the main thread. */
struct wish {
    struct mail mail;
    struct box *box;
    const struct endpoint_state *who; /* compared only */
    bool dismisses;
    size_t model_len;
    char model[];
};

static void box_unref(struct box *b)
{
    if (atomic_fetch_sub(&b->refs, 1) == 1) free(b);
}

static void fulfil(struct supervisor *s, struct str model, const struct endpoint_state *who)
{
    struct engine *e = find_engine(s, model);
    if (!e || !e->endpoint || e->endpoint->state != who) return;
    if (e->state == ENGINE_STOPPED)
        engine__start(e);
    else if (e->state == ENGINE_STOPPING && !s->drained)
        engine__start_after_stop(e);
    else if (e->state != ENGINE_READY)
        e->wanted = true;
}

static void dismiss_engine(struct supervisor *s, struct str model, const struct endpoint_state *who)
{
    struct engine *e = find_engine(s, model);
    if (e && e->endpoint && e->endpoint->state == who) engine__dismiss(e);
}

static void on_wish(struct mail *mail)
{
    struct wish *w = CONTAINER_OF(mail, struct wish, mail);
    struct str model = str_n(w->model, w->model_len);
    if (w->box->sup) (w->dismisses ? dismiss_engine : fulfil)(w->box->sup, model, w->who);
    box_unref(w->box);
    free(w);
}

/* A client may dismiss as often as it likes: without memory nothing comes of it. */
static void wish(struct supervisor *s, struct endpoint_state *who, bool dismisses)
{
    struct str model = endpoint_model(who);
    struct wish *w = dismisses ? mem_try(sizeof *w + model.len) : mem_must(sizeof *w + model.len);
    if (!w) return;
    *w = (struct wish){.mail = {.deliver = on_wish},
                       .box = s->box,
                       .who = who,
                       .dismisses = dismisses,
                       .model_len = model.len};
    memcpy(w->model, model.ptr, model.len);
    atomic_fetch_add(&s->box->refs, 1);
    loop_post(s->loop, &w->mail);
}

static void want(void *ctx, struct endpoint_state *who)
{
    wish(ctx, who, false);
}

static void dismiss(void *ctx, struct endpoint_state *who)
{
    wish(ctx, who, true);
}

struct mesh_hooks supervisor_hooks(struct supervisor *s)
{
    return (struct mesh_hooks){
        .ctx = s, .engine_addr = engine_addr, .want = want, .dismiss = dismiss};
}

/* --- configuration --- */

static bool same_strings(char *const *a, char *const *b)
{
    while (*a && *b && strcmp(*a, *b) == 0)
        a++, b++;
    return !*a && !*b;
}

/* True when the process was started as the configuration now says. */
static bool is_current(const struct engine *e)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX, ENGINE_ARENA_BLOCK);
    bool same = same_strings(e->argv, engine_arguments(&arena, e->endpoint)) &&
                same_strings(e->env, engine_environment(&arena, e->endpoint->engine));
    arena_fini(&arena);
    return same;
}

static void point_at_endpoints(struct supervisor *s)
{
    size_t count;
    const struct service *services = snapshot_services(s->snapshot, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < services[i].endpoint_count; j++) {
            const struct endpoint *e = &services[i].endpoints[j];
            if (e->engine) engine_for(s, services[i].name)->endpoint = e;
        }
    }
}

/* The model was configured no more, and is again before its process has ended. */
static void come_back(struct engine *e)
{
    if (engine__starts_by_itself(e))
        engine__start_after_stop(e);
    else
        endpoint_set_phase(e->endpoint->state, ENDPOINT_STARTABLE, STR(""), 0, engine__now(e));
}

/* The model is still configured, with the same settings or others. */
static void adjust(struct engine *e)
{
    bool running = e->state == ENGINE_STARTING || e->state == ENGINE_READY;
    /* An old request may have kept the state of a model that was taken out: it shows how that
     * one ended, or a wish that came to nothing. */
    if (e->state == ENGINE_STOPPED)
        endpoint_set_phase(e->endpoint->state, ENDPOINT_STARTABLE, str_of(e->why), 0,
                           engine__now(e));
    if (running && !is_current(e)) {
        e->quick = 0; /* with them its failures are another one's */
        engine__restart(e, "starting again with new settings");
    } else if (e->state == ENGINE_STOPPING && e->away) {
        come_back(e);
    } else if (e->state == ENGINE_BACKOFF || e->state == ENGINE_FAILED) {
        e->quick = 0; /* new settings may have cured it */
        engine__look_in(e, 0);
    } else if (e->state == ENGINE_STOPPED && engine__starts_by_itself(e) &&
               metric_read(&e->stats.starts) == 0) {
        engine__start(e);
    } else if (running) {
        engine__look_in(e, 0);
    }
    e->away = false;
}

static void put_away(struct engine *e)
{
    e->away = true;
    e->again = e->wanted = false;
    if (e->process && e->state != ENGINE_STOPPING)
        engine__stop(e, ENDPOINT_DOWN, "not configured any more", true);
    else if (!e->process)
        engine__free(e);
}

/* The endpoint of the snapshot that goes, for as long as its process may have requests. */
static void keep_former(struct engine *e, struct snapshot *old)
{
    if (!e->endpoint) return;
    e->former = e->endpoint;
    e->former_snapshot = snapshot_ref(old);
    e->endpoint = NULL;
}

static void drop_former(struct engine *e)
{
    snapshot_unref(e->former_snapshot);
    e->former = NULL;
    e->former_snapshot = NULL;
}

void supervisor_apply(struct supervisor *s, struct snapshot *snapshot)
{
    struct snapshot *old = s->snapshot;
    s->snapshot = snapshot_ref(snapshot);
    LIST_EACH(&s->engines, it)
    {
        struct engine *e = LIST_ITEM(it, struct engine, link);
        health_check_stop(&e->check); /* it borrows from the old snapshot */
        keep_former(e, old);
    }
    point_at_endpoints(s);
    LIST_EACH_SAFE(&s->engines, it, next)
    {
        struct engine *e = LIST_ITEM(it, struct engine, link);
        if (e->endpoint) drop_former(e);
        if (s->drained) continue;
        if (e->endpoint)
            adjust(e);
        else
            put_away(e);
    }
    snapshot_unref(old);
}

/* --- life --- */

int supervisor_new(struct loop *loop, struct http_client *client, struct supervisor **out)
{
    struct supervisor *s = mem_must_zero(1, sizeof *s);
    struct box *box = mem_must_zero(1, sizeof *box);
    int err = engine_folder_open(&s->folder);
    if (err) {
        free(box);
        free(s);
        return err;
    }
    s->loop = loop;
    s->client = client;
    list_init(&s->engines);
    map_init(&s->by_model);
    rng_seed_random(&s->rng);
    atomic_init(&box->refs, 1);
    box->sup = s;
    s->box = box;
    *out = s;
    return 0;
}

void supervisor_free(struct supervisor *s)
{
    if (!s) return;
    LIST_EACH_SAFE(&s->engines, it, next)
    {
        struct engine *e = LIST_ITEM(it, struct engine, link);
        if (e->process) {
            process_signal(e->process, SIGKILL);
            process_forget(e->process);
        }
        engine__free(e);
    }
    s->box->sup = NULL;
    box_unref(s->box);
    snapshot_unref(s->snapshot);
    map_fini(&s->by_model);
    engine_folder_close(&s->folder);
    free(s);
}

void supervisor_drain(struct supervisor *s, struct task *done)
{
    bool again = s->drained;
    s->drained = done;
    LIST_EACH(&s->engines, it)
    {
        struct engine *e = LIST_ITEM(it, struct engine, link);
        if (e->process && again)
            process_signal(e->process, SIGKILL);
        else if (e->process && (e->state != ENGINE_STOPPING || !e->signalled))
            engine__stop(e, ENDPOINT_DOWN, "shutting down", false);
        else if (!e->process && e->endpoint)
            engine__enter(e, ENGINE_STOPPED, ENDPOINT_DOWN, "shutting down", 0);
    }
    engine__tell_when_drained(s);
}

enum engine_state supervisor_state(const struct supervisor *s, struct str model)
{
    const struct engine *e = find_engine(s, model);
    return e ? e->state : ENGINE_STOPPED;
}

/* --- metrics --- */

static void ask_state(const struct metric_series *s)
{
    const struct engine *e = s->source->owner;
    for (enum engine_state state = 0; state < ENGINE_STATES; state++)
        series_put_of(s, engine_state_name(state), e->state == state);
}

static const struct metric_row engine_rows[] = {
#define ENGINE_METRIC(...) METRIC_ROW(engine_stats, __VA_ARGS__)
#include "obs/metrics.def"
};

void supervisor_write_metrics(const struct supervisor *s, struct metrics_writer *w)
{
    for (size_t i = 0; i < ARRAY_LEN(engine_rows); i++) {
        LIST_EACH(&s->engines, it)
        {
            const struct engine *e = LIST_ITEM(it, struct engine, link);
            const struct metric_source source = {
                .first = &e->stats, .count = 1, .labels = &e->model, .label_count = 1, .owner = e};
            metrics_write_row(w, &engine_rows[i], &source);
        }
    }
    for (size_t i = 0; i < engine_page_rows.count; i++) {
        LIST_EACH(&s->engines, it)
        {
            const struct engine *e = LIST_ITEM(it, struct engine, link);
            metrics_pass_on(w, &engine_page_rows.rows[i], STR("model"), e->model,
                            buf_str(&e->page.last));
        }
    }
}
