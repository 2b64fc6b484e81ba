/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "gate/exchange.h"
#include "gate/openai.h"
#include "obs/log.h"

static const char *const outcome_names[OUTCOME_COUNT] = {
#define OUTCOME(name, text) [OUTCOME_##name] = text,
#include "gate/outcome.def"
#undef OUTCOME
};

const char *outcome_name(enum outcome o)
{
    return outcome_names[o];
}

void worker_new_id(struct worker *w, char id[REQUEST_ID_MAX + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t words[2] = {w->id_seed, ++w->last_id ^ rng_next(&w->rng)};
    memcpy(id, "req_", 4);
    for (unsigned i = 0; i < 32; i++)
        id[4 + i] = digits[words[i / 16] >> (60 - 4 * (i % 16)) & 15];
    id[36] = '\0';
}

static struct http_server_limits server_limits(const struct conf *c)
{
    return (struct http_server_limits){
        .head = {.head_max = c->limits.head_max,
                 .header_max = (unsigned)c->limits.header_count_max},
        .body_max = c->limits.body_max,
        .bodies_max = c->limits.bodies_total,
        .connections_max = (unsigned)c->limits.connections_max,
        .head_timeout_us = c->timeouts.head_us,
        .body_timeout_us = c->timeouts.body_us,
        .idle_timeout_us = c->timeouts.idle_us,
        .write_timeout_us = c->timeouts.write_us,
    };
}

static struct h1_limits client_limits(const struct conf *c)
{
    return (struct h1_limits){.head_max = c->limits.upstream_head_max,
                              .header_max = (unsigned)c->limits.header_count_max};
}

static void on_call(void *user, struct http_call *call)
{
    exchange_start(user, call);
}

int worker_init(struct worker *w, struct gate *gate, unsigned index, struct loop *loop,
                struct snapshot *snapshot, struct keyring *keyring)
{
    const struct conf *c = snapshot_conf(snapshot);
    *w = (struct worker){
        .gate = gate, .index = index, .loop = loop, .snapshot = snapshot, .keyring = keyring};
    list_init(&w->exchanges);
    rng_seed_random(&w->rng);
    w->id_seed = rng_next(&w->rng);
    struct http_server_limits server = server_limits(c);
    struct h1_limits client = client_limits(c);
    http_server_init(&w->server, loop, &server);
    w->server.on_call = on_call;
    w->server.user = w;
    http_client_init(&w->client, loop, &client, (unsigned)c->pool.idle_max,
                     c->timeouts.upstream_idle_us);
    w->digester = digester_new();
    return w->digester ? 0 : ERR_STATE;
}

void worker_apply(struct worker *w, struct snapshot *snapshot, struct keyring *keyring)
{
    const struct conf *c = snapshot_conf(snapshot);
    snapshot_unref(w->snapshot);
    keyring_unref(w->keyring);
    w->snapshot = snapshot;
    w->keyring = keyring;
    w->server.limits = server_limits(c);
    w->client.limits = client_limits(c);
    w->client.idle_max = (unsigned)c->pool.idle_max;
    w->client.idle_us = c->timeouts.upstream_idle_us;
}

void worker_drain(struct worker *w)
{
    w->draining = true;
    http_server_drain(&w->server);
}

void worker_fini(struct worker *w)
{
    if (!w->loop) return;
    for (size_t i = 0; i < w->listener_count; i++)
        listener_close(w->listeners[i]);
    free(w->listeners);
    w->listeners = NULL;
    w->listener_count = 0; /* metrics may still be asked for */
    http_server_finish(&w->server);
    loop_run_ready(w->loop); /* exchanges say so to their clients */
    http_server_close_all(&w->server);
    loop_run_ready(w->loop); /* exchanges see that their clients are gone, and settle */
    http_server_fini(&w->server);
    http_client_fini(&w->client);
    digester_free(w->digester);
    snapshot_unref(w->snapshot);
    keyring_unref(w->keyring);
    log_flush();
}
