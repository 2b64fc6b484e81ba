/* SPDX-License-Identifier: Apache-2.0 */
#include "node/worker.h"

#include <stdlib.h>

#include "base/mem.h"

#include "gate/exchange.h"
#include "gate/shed.h"
#include "loop/lag.h"
#include "obs/log.h"

static void on_call(void *user, struct http_call *call)
{
    struct worker *w = user;
    if (!shed_call(&w->lane, call)) exchange_start(&w->lane, call);
}

int worker_init(struct worker *w, const struct lane_home *home, unsigned index, struct loop *loop,
                struct snapshot *snapshot, struct keyring *keyring, _Atomic uint64_t *bodies)
{
    *w = (struct worker){0};
    http_server_init(&w->server, loop, &snapshot_settings(snapshot)->server);
    w->server.on_call = on_call;
    w->server.user = w;
    w->server.bodies = bodies;
    lag_set_target(loop_lag(loop), snapshot_settings(snapshot)->lag_us);
    return lane_init(&w->lane, home, index, loop, snapshot, keyring);
}

/* Whose word on their clients' addresses counts. */
static void trust(struct worker *w, const struct settings *s)
{
    for (size_t i = 0; i < w->listener_count; i++) {
        struct proxied_acceptor *a = &w->listeners[i]->proxied;
        a->trusted = s->proxies;
        a->trusted_count = s->proxy_count;
        a->trusts_unix = s->unix_proxies;
    }
}

void worker_apply(struct worker *w, struct snapshot *snapshot, struct keyring *keyring)
{
    w->server.limits = snapshot_settings(snapshot)->server;
    lag_set_target(loop_lag(w->lane.loop), snapshot_settings(snapshot)->lag_us);
    lane_apply(&w->lane, snapshot, keyring);
    trust(w, snapshot_settings(w->lane.snapshot));
}

void worker_drain(struct worker *w)
{
    w->lane.draining = true;
    http_server_drain(&w->server);
}

int worker_listen(struct worker *w, int fd, struct tls_context *tls, struct http_quota *quota)
{
    struct worker_listener *l = mem_must_zero(1, sizeof *l);
    struct acceptor *first = &l->door.acceptor;
    http_door_init(&l->door, &w->server, quota);
    if (tls) {
        tls_acceptor_init(&l->tls, tls, first);
        first = &l->tls.acceptor;
    }
    proxied_acceptor_init(&l->proxied, first);
    int err = listener_open(w->lane.loop, fd, &l->proxied.acceptor, &l->listener);
    if (err) {
        free(l);
        return err;
    }
    w->listeners =
        mem_must_grow(w->listeners, w->listener_count + 1, sizeof(struct worker_listener *));
    w->listeners[w->listener_count++] = l;
    trust(w, snapshot_settings(w->lane.snapshot));
    return 0;
}

static void *thread_main(void *arg)
{
    struct worker *w = arg;
    struct loop *main_loop = w->lane.home->loop;
    loop_run(w->lane.loop);
    worker_fini(w);
    loop_post(main_loop, &w->ended);
    return NULL;
}

int worker_start(struct worker *w)
{
    int err = -pthread_create(&w->thread, NULL, thread_main, w);
    w->started = !err;
    return err;
}

void worker_fini(struct worker *w)
{
    if (!w->lane.loop) return;
    for (size_t i = 0; i < w->listener_count; i++) {
        listener_close(w->listeners[i]->listener);
        free(w->listeners[i]);
    }
    free(w->listeners);
    w->listeners = NULL;
    w->listener_count = 0; /* metrics may still be asked for */
    http_server_finish(&w->server);
    loop_run_ready(w->lane.loop); /* exchanges say so to their clients */
    http_server_close_all(&w->server);
    loop_run_ready(w->lane.loop); /* exchanges see that their clients are gone, and settle */
    http_server_fini(&w->server);
    lane_fini(&w->lane);
    log_flush();
}
