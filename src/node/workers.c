/* SPDX-License-Identifier: Apache-2.0 */
#include "node/workers.h"

#include <stdlib.h>

#include "base/mem.h"

void workers_init(struct workers *ws, unsigned count, struct loop *loop, struct task *ended)
{
    *ws = (struct workers){.count = count, .loop = loop, .ended = ended};
    ws->items = mem_must_zero(count, sizeof *ws->items);
}

void workers_fini(struct workers *ws)
{
    for (unsigned i = 0; i < ws->count; i++)
        if (!ws->items[i].started) worker_fini(&ws->items[i]);
    if (ws->loop) loop_poll(ws->loop); /* mail that workers sent while they ended */
    for (unsigned i = 0; i < ws->count; i++)
        loop_free(ws->items[i].lane.loop);
    free(ws->items);
    free(ws->quotas);
    *ws = (struct workers){0};
}

/* --- mail --- */

enum order { ORDER_APPLY, ORDER_DRAIN, ORDER_STOP };

struct order_mail {
    struct mail mail;
    enum order order;
    struct worker *worker;
    struct snapshot *snapshot;
    struct keyring *keyring;
};

static void on_order(struct mail *mail)
{
    struct order_mail *m = CONTAINER_OF(mail, struct order_mail, mail);
    switch (m->order) {
    case ORDER_APPLY: worker_apply(m->worker, m->snapshot, m->keyring); break;
    case ORDER_DRAIN: worker_drain(m->worker); break;
    case ORDER_STOP: loop_stop(m->worker->lane.loop); break;
    }
    free(m);
}

static void send(struct worker *w, enum order order, struct snapshot *snapshot,
                 struct keyring *keyring)
{
    struct order_mail *m = mem_must_zero(1, sizeof *m);
    *m = (struct order_mail){.mail.deliver = on_order,
                             .order = order,
                             .worker = w,
                             .snapshot = snapshot,
                             .keyring = keyring};
    loop_post(w->lane.loop, &m->mail);
}

void workers_apply(struct workers *ws, struct mesh *mesh, struct keyring *keyring)
{
    for (unsigned i = 0; i < ws->count; i++)
        send(&ws->items[i], ORDER_APPLY, mesh_current(mesh), keyring_ref(keyring));
}

void workers_drain(struct workers *ws)
{
    for (unsigned i = 0; i < ws->count; i++)
        send(&ws->items[i], ORDER_DRAIN, NULL, NULL);
}

void workers_stop(struct workers *ws)
{
    for (unsigned i = 0; i < ws->count; i++)
        send(&ws->items[i], ORDER_STOP, NULL, NULL);
}

/* --- life --- */

int workers_open(struct workers *ws, const struct lane_home *home, struct mesh *mesh,
                 struct keyring *keyring)
{
    for (unsigned i = 0; i < ws->count; i++) {
        struct loop *loop;
        int err = loop_new_real(&loop);
        if (!err)
            err = worker_init(&ws->items[i], home, i, loop, mesh_current(mesh),
                              keyring_ref(keyring), &ws->bodies);
        if (err) return err;
    }
    return 0;
}

static void on_ended(struct mail *mail)
{
    struct worker *w = CONTAINER_OF(mail, struct worker, ended);
    struct workers *ws = w->all;
    pthread_join(w->thread, NULL);
    if (--ws->running == 0) loop_wake(ws->loop, ws->ended);
}

int workers_start(struct workers *ws)
{
    int err = 0;
    for (unsigned i = 0; i < ws->count && !err; i++) {
        ws->items[i].all = ws;
        ws->items[i].ended.deliver = on_ended;
        err = worker_start(&ws->items[i]);
        ws->running += !err;
    }
    return err;
}

static uint64_t sum(const struct workers *ws, uint64_t (*value)(const struct worker *w))
{
    uint64_t total = 0;
    for (unsigned i = 0; i < ws->count; i++)
        total += value(&ws->items[i]);
    return total;
}

uint64_t workers_bodies(const struct workers *ws)
{
    return atomic_load_explicit(&((struct workers *)(uintptr_t)ws)->bodies, memory_order_relaxed);
}

static uint64_t active(const struct worker *w)
{
    return metric_read(&w->lane.stats.active);
}

uint64_t workers_active(const struct workers *ws)
{
    return sum(ws, active);
}

static uint64_t lingering(const struct worker *w)
{
    return metric_read(&w->server.lingering);
}

uint64_t workers_lingering(const struct workers *ws)
{
    return sum(ws, lingering);
}
