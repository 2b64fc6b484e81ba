/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/lists.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "dialect/runtime.h"
#include "mesh/catalog.h"
#include "mesh/inquiry.h"
#include "mesh/service.h"
#include "obs/log.h"

/* So many names of one list are taken, of so many bytes together. */
enum { NAMES_MAX = 10000, NAMES_BYTES_MAX = 4 << 20, ARENA_BLOCK = 1024 };

struct names {
    struct arena arena;
    struct str *items;
    size_t count, room;
};

struct listing {
    struct lists *all;
    const struct conf_runtime *runtime;
    const struct endpoint *endpoint; /* in the snapshot of runtimes */
    struct names names;              /* as listed last */
    const struct runtime_kind *kind; /* as told last; NULL: not yet */
    bool asked;                      /* at least once */
    bool answered;                   /* at least once */
    bool listed;                     /* at least once */
    bool news;                       /* since `changed` ran */
    bool shown;                      /* by this look */
    bool failing;                    /* the look before brought none, which is told once */
    struct inquiry inquiry;
    struct task task; /* it is due */
    struct timer timer;
};

struct lists {
    struct loop *loop;
    struct http_client *client;
    void (*changed)(void *owner);
    void *owner;
    struct conf *conf;         /* one reference; NULL: none yet */
    struct mesh *mesh;         /* of runtimes alone: what lists are asked through */
    struct snapshot *snapshot; /* of that mesh; one reference */
    struct listing *items;
    size_t count;
};

/* --- names --- */

static void names_init(struct names *n)
{
    *n = (struct names){0};
    arena_init(&n->arena, NAMES_BYTES_MAX, ARENA_BLOCK);
}

static bool same_names(const struct names *a, const struct names *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (!str_eq(a->items[i], b->items[i])) return false;
    return true;
}

static bool is_wanted(const struct conf_runtime *r, struct str name)
{
    for (size_t i = 0; i < r->model_count; i++)
        if (str_eq(r->models[i], STR("all")) || str_matches(name, r->models[i])) return true;
    return false;
}

static bool add_name(struct names *n, struct str name)
{
    if (n->count == n->room) {
        size_t room = n->room ? n->room * 2 : 16, unit = sizeof *n->items;
        void *more = arena_try_grow(&n->arena, n->items, n->room * unit, room * unit);
        if (!more) return false;
        n->items = more;
        n->room = room;
    }
    n->items[n->count++] = name;
    return true;
}

/* What a list tells that is wanted; what is too much of it is left out. */
static void read_names(struct names *n, const struct conf_runtime *r, struct str list)
{
    struct str rest = list, name;
    while (n->count < NAMES_MAX && sign_next_name(&rest, &n->arena, &name)) {
        if (conf_name_fault(name) || !is_wanted(r, name)) continue;
        struct str kept = arena_try_dup(&n->arena, name);
        if (!kept.ptr || !add_name(n, kept)) return;
    }
}

/* --- one list --- */

static uint64_t interval(const struct listing *l)
{
    /* A runtime that has not been reached yet may just be starting. */
    return l->listed ? l->runtime->poll_us : MIN(l->runtime->poll_us, ENDPOINT_RECOVERY_US);
}

static void arm(struct listing *l, uint64_t wait_us)
{
    timer_start(l->all->loop, &l->timer, loop_now(l->all->loop) + wait_us);
}

static void on_shown(struct inquiry *q, struct str list)
{
    struct listing *l = CONTAINER_OF(q, struct listing, inquiry);
    struct names fresh;
    names_init(&fresh);
    read_names(&fresh, l->runtime, list);
    l->news = l->news || !l->listed || !same_names(&l->names, &fresh);
    l->shown = l->listed = true;
    arena_fini(&l->names.arena);
    l->names = fresh;
}

static void tell(struct listing *l)
{
    struct str name = l->runtime->endpoint.name;
    if (l->shown && l->news)
        log_note(LOG_INFO, "runtime", "%" STR_FMT " offers %zu model%s", STR_ARG(name),
                 l->names.count, l->names.count == 1 ? "" : "s");
    else if (!l->shown && !l->failing)
        log_note(LOG_WARN, "runtime", "%" STR_FMT " shows no list of models%s", STR_ARG(name),
                 l->listed ? "; the last one stays" : " yet");
    l->failing = !l->shown;
    l->shown = false;
}

static void on_done(struct inquiry *q)
{
    struct listing *l = CONTAINER_OF(q, struct listing, inquiry);
    if (l->endpoint->finds_kind && q->kind && q->kind != l->kind) {
        l->kind = q->kind;
        l->news = l->listed;
    }
    l->asked = true;
    l->answered = l->answered || q->answered;
    q->list_only = q->answered; /* who was down may come back as another */
    tell(l);
    arm(l, interval(l));
    if (!l->news) return;
    l->news = false;
    l->all->changed(l->all->owner);
}

static void on_due(struct task *task)
{
    struct listing *l = CONTAINER_OF(task, struct listing, task);
    if (l->inquiry.running) return;
    inquiry_start(&l->inquiry, l->endpoint, snapshot_settings(l->all->snapshot)->probe_timeout_us);
}

static void list_init_asked(struct listing *l, struct lists *all, size_t i)
{
    *l = (struct listing){.all = all, .runtime = &all->conf->runtimes[i]};
    l->endpoint = &snapshot_services(all->snapshot, &(size_t){0})[i].endpoints[0];
    names_init(&l->names);
    inquiry_init(&l->inquiry, all->loop, all->client, on_done);
    l->inquiry.shown = on_shown;
    task_init(&l->task, on_due);
    timer_init(&l->timer, &l->task);
    arm(l, 0);
}

static void list_fini(struct listing *l)
{
    inquiry_fini(&l->inquiry);
    timer_stop(l->all->loop, &l->timer);
    task_cancel(&l->task);
    arena_fini(&l->names.arena);
}

/* --- all of them --- */

int lists_new(struct loop *loop, struct http_client *client, void (*changed)(void *owner),
              void *owner, struct lists **out)
{
    struct lists *l = mem_try_zero(1, sizeof *l);
    if (!l) return -ENOMEM;
    *l = (struct lists){.loop = loop, .client = client, .changed = changed, .owner = owner};
    int err = mesh_new(0, NULL, &l->mesh);
    if (err) {
        free(l);
        return err;
    }
    *out = l;
    return 0;
}

static void drop(struct listing *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        list_fini(&items[i]);
    free(items);
}

void lists_free(struct lists *l)
{
    if (!l) return;
    drop(l->items, l->count);
    snapshot_unref(l->snapshot);
    mesh_free(l->mesh);
    conf_unref(l->conf);
    free(l);
}

/* The first one of that runtime, or NULL. */
static const struct listing *listing_of(const struct listing *items, size_t count,
                                        const struct conf_runtime *r)
{
    for (size_t i = 0; i < count; i++) {
        const struct conf_endpoint *e = &items[i].runtime->endpoint;
        if (str_eq(e->url, r->endpoint.url) && str_eq(e->key, r->endpoint.key)) return &items[i];
    }
    return NULL;
}

/* What a runtime listed before it was configured anew. What is wanted of it may have changed, so that it
 * is looked through again. */
static void inherit(struct listing *to, const struct listing *from)
{
    for (size_t i = 0; i < from->names.count; i++) {
        struct str name = from->names.items[i];
        if (!is_wanted(to->runtime, name)) continue;
        struct str kept = arena_try_dup(&to->names.arena, name);
        if (!kept.ptr || !add_name(&to->names, kept)) return;
    }
    to->listed = from->listed;
    to->kind = from->kind;
}

int lists_load(struct lists *l, struct conf *conf)
{
    struct listing *fresh = mem_try_zero(conf->runtime_count + 1, sizeof *fresh), *old = l->items;
    struct catalog *catalog = catalog_of_runtimes(conf);
    int err = fresh ? mesh_load(l->mesh, catalog, loop_now(l->loop)) : -ENOMEM;
    catalog_unref(catalog);
    if (err) {
        free(fresh);
        return err;
    }
    struct snapshot *before = l->snapshot;
    struct conf *conf_before = l->conf;
    l->snapshot = mesh_current(l->mesh);
    l->conf = conf_ref(conf);
    for (size_t i = 0; i < conf->runtime_count; i++) {
        list_init_asked(&fresh[i], l, i);
        const struct listing *same = listing_of(old, l->count, fresh[i].runtime);
        if (same) inherit(&fresh[i], same);
    }
    drop(old, l->count);
    l->items = fresh;
    l->count = conf->runtime_count;
    snapshot_unref(before);
    conf_unref(conf_before);
    return 0;
}

struct list_facts lists_facts(const struct lists *l, size_t at)
{
    assert(at < l->count);
    const struct listing *x = &l->items[at];
    return (struct list_facts){
        .asked = x->asked,
        .answered = x->answered,
        .listed = x->listed,
        .kind = x->kind,
        .names = x->names.items,
        .name_count = x->names.count,
    };
}

void lists_each_tls(struct lists *l, void (*fn)(void *owner, struct tls_context *context),
                    void *owner)
{
    mesh_each_tls(l->mesh, fn, owner);
}

/* --- models of them --- */

struct harvest {
    struct arena *arena;
    struct map configured; /* names of the configuration's models */
    struct map ours;       /* names to models below */
    struct conf_model *models;
    size_t count;
};

static void take_configured(struct harvest *h, const struct conf *conf)
{
    for (size_t i = 0; i < conf->model_count; i++) {
        struct conf_model *m = &conf->models[i];
        map_put(&h->configured, m->name, m);
        for (size_t k = 0; k < m->alias_count; k++)
            map_put(&h->configured, m->aliases[k], m);
    }
}

/* NULL: the configuration has one of that name. */
static struct conf_model *model_called(struct harvest *h, const struct conf_runtime *r,
                                       struct str name)
{
    struct conf_model *m = map_get(&h->ours, name);
    if (m || map_get(&h->configured, name)) return m;
    m = &h->models[h->count++];
    *m = (struct conf_model){
        .name = name, .queue_max = r->queue_max, .queue_timeout_us = r->queue_timeout_us};
    map_put(&h->ours, name, m);
    return m;
}

/* The array doubles when it is full, which is when its count is a power of two. */
static void add_endpoint(struct harvest *h, struct conf_model *m, const struct conf_endpoint *e)
{
    size_t n = m->endpoint_count;
    if ((n & (n - 1)) == 0) {
        struct conf_endpoint *more = arena_alloc(h->arena, MAX(2 * n, 1) * sizeof *more);
        for (size_t i = 0; i < n; i++)
            more[i] = m->endpoints[i];
        m->endpoints = more;
    }
    m->endpoints[m->endpoint_count++] = *e;
}

static void reap(struct harvest *h, const struct listing *l, struct str listed)
{
    struct conf_endpoint e = l->runtime->endpoint;
    struct str prefix = l->runtime->prefix;
    struct str name =
        arena_printf(h->arena, "%" STR_FMT "%" STR_FMT, STR_ARG(prefix), STR_ARG(listed));
    struct conf_model *m = model_called(h, l->runtime, name);
    if (!m) return;
    for (size_t i = 0; i < m->endpoint_count; i++)
        if (str_eq(m->endpoints[i].name, e.name)) return; /* listed twice */
    e.model = arena_dup(h->arena, listed);
    if (l->kind) e.kind = l->kind->name;
    add_endpoint(h, m, &e);
}

/* Models that the lists make, each with an endpoint for every runtime that has it, in the order of
 * runtimes and of their lists; without those that the configuration names itself. On the arena, and
 * what they point to is the configuration's. */
static struct conf_model *lists_models(const struct lists *l, struct arena *arena, size_t *count)
{
    struct harvest h = {.arena = arena};
    size_t room = 0;
    for (size_t i = 0; i < l->count; i++)
        room += l->items[i].names.count;
    h.models = arena_alloc(arena, (room + 1) * sizeof *h.models);
    map_init(&h.configured);
    map_init(&h.ours);
    if (l->conf) take_configured(&h, l->conf);
    for (size_t i = 0; i < l->count; i++)
        for (size_t k = 0; k < l->items[i].names.count; k++)
            reap(&h, &l->items[i], l->items[i].names.items[k]);
    map_fini(&h.configured);
    map_fini(&h.ours);
    *count = h.count;
    return h.models;
}

/* --- the mesh that clients are served by --- */

int mesh_load_conf(struct mesh *m, struct conf *conf, const struct lists *lists, uint64_t now_us)
{
    size_t count = 0;
    struct catalog *catalog = catalog_of_conf(conf);
    const struct conf_model *listed =
        lists ? lists_models(lists, catalog_arena(catalog), &count) : NULL;
    catalog_add_listed(catalog, conf, listed, count);
    int err = mesh_load(m, catalog, now_us);
    catalog_unref(catalog);
    return err;
}
