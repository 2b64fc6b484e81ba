/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/err.h"
#include "node/node_priv.h"
#include "obs/log.h"

struct worker_totals {
    uint64_t connections, accepted, refused, pauses, bodies_held, bodies_refused, bytes_in,
        bytes_out, connects, reuses, auth_failures, retries, retries_denied;
    uint64_t codes[SERVICE_CODE_COUNT];
    uint64_t outcomes[OUTCOME_COUNT];
};

static void sum_workers(const struct node *n, struct worker_totals *t)
{
    *t = (struct worker_totals){.bodies_held = workers_bodies(&n->workers)};
    for (unsigned i = 0; i < n->workers.count; i++) {
        const struct worker *w = &n->workers.items[i];
        t->connections += metric_read(&w->server.stats.connections);
        t->accepted += metric_read(&w->server.stats.accepted);
        t->refused += metric_read(&w->server.stats.refused);
        for (size_t k = 0; k < w->listener_count; k++)
            t->pauses += listener_pauses(w->listeners[k]);
        t->bodies_refused += metric_read(&w->server.stats.bodies_refused);
        t->bytes_in += metric_read(&w->server.stats.bytes_in);
        t->bytes_out += metric_read(&w->server.stats.bytes_out);
        t->connects += metric_read(&w->lane.client.stats.connects);
        t->reuses += metric_read(&w->lane.client.stats.reuses);
        t->auth_failures += metric_read(&w->lane.stats.auth_failures);
        t->retries += metric_read(&w->lane.stats.retries);
        t->retries_denied += metric_read(&w->lane.stats.retries_denied);
        for (unsigned k = 0; k < SERVICE_CODE_COUNT; k++)
            t->codes[k] += metric_read(&w->lane.stats.answers.codes[k]);
        for (unsigned k = 0; k < OUTCOME_COUNT; k++)
            t->outcomes[k] += metric_read(&w->lane.stats.outcomes[k]);
    }
}

static void write_process(const struct node *n, struct metrics_writer *w)
{
    struct metric_label version[] = {{"version", STR(HOSTLER_VERSION)}};
    struct metric_label ok[] = {{"result", STR("ok")}}, failed[] = {{"result", STR("failed")}};
    struct snapshot *snapshot = mesh_current(n->mesh);
    bool ready = snapshot_ready(snapshot, loop_now(n->loop)) && n->phase == NODE_RUNNING;
    snapshot_unref(snapshot);
    metrics_write_u64(w, METRIC_BUILD_INFO, version, 1, 1);
    metrics_write_u64(w, METRIC_UPTIME, NULL, 0,
                      (loop_now(n->loop) - n->started_us) / USEC_PER_SEC);
    metrics_write_u64(w, METRIC_READY, NULL, 0, ready);
    metrics_write_u64(w, METRIC_CONFIG_RELOADS, ok, 1, metric_read(&n->stats.reloads[RELOAD_OK]));
    metrics_write_u64(w, METRIC_CONFIG_RELOADS, failed, 1,
                      metric_read(&n->stats.reloads[RELOAD_FAILED]));
    metrics_write_u64(w, METRIC_LOG_DROPPED, NULL, 0, log_dropped());
}

static void write_workers(struct metrics_writer *w, const struct worker_totals *t)
{
    metrics_write_u64(w, METRIC_CONNECTIONS, NULL, 0, t->connections);
    metrics_write_u64(w, METRIC_CONNECTIONS_TOTAL, NULL, 0, t->accepted);
    metrics_write_u64(w, METRIC_CONNECTIONS_REFUSED, NULL, 0, t->refused);
    metrics_write_u64(w, METRIC_ACCEPT_PAUSES, NULL, 0, t->pauses);
    metrics_write_u64(w, METRIC_BYTES_IN, NULL, 0, t->bytes_in);
    metrics_write_u64(w, METRIC_BYTES_OUT, NULL, 0, t->bytes_out);
    metrics_write_u64(w, METRIC_UPSTREAM_CONNECTS, NULL, 0, t->connects);
    metrics_write_u64(w, METRIC_UPSTREAM_REUSES, NULL, 0, t->reuses);
    metrics_write_u64(w, METRIC_BODIES_HELD, NULL, 0, t->bodies_held);
    metrics_write_u64(w, METRIC_BODIES_REFUSED, NULL, 0, t->bodies_refused);
    metrics_write_u64(w, METRIC_AUTH_FAILURES, NULL, 0, t->auth_failures);
    metrics_write_u64(w, METRIC_RETRIES, NULL, 0, t->retries);
    metrics_write_u64(w, METRIC_RETRIES_DENIED, NULL, 0, t->retries_denied);
    for (unsigned k = 0; k < OUTCOME_COUNT; k++) {
        struct metric_label label[] = {{"outcome", str_of(outcome_name(k))}};
        metrics_write_u64(w, METRIC_OUTCOMES, label, 1, t->outcomes[k]);
    }
    for (unsigned k = 0; k < SERVICE_CODE_COUNT; k++) {
        if (!t->codes[k]) continue;
        struct metric_label label[] = {{"model", STR("")}, {"code", str_of(service_code_text(k))}};
        metrics_write_u64(w, METRIC_REQUESTS, label, 2, t->codes[k]);
    }
}

void node__write_metrics(void *node, struct buf *out)
{
    struct node *n = node;
    struct metrics_writer w;
    struct worker_totals totals;
    sum_workers(n, &totals);
    metrics_write_init(&w, out);
    write_process(n, &w);
    write_workers(&w, &totals);
    struct snapshot *snapshot = mesh_current(n->mesh);
    snapshot_write_metrics(snapshot, &w, loop_now(n->loop));
    snapshot_unref(snapshot);
    supervisor_write_metrics(n->supervisor, &w);
    int err = metrics_write_end(&w);
    if (err) log_note(LOG_ERROR, "metrics", "cannot be written: %s", err_text(err));
}
