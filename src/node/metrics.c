/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics page: what the node is asked, and the sums over its workers. */
#include "obs/metrics.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "gate/routes.h"
#include "loop/lag.h"
#include "node/node_priv.h"
#include "obs/log.h"
#include "obs/process.h"

static const char *reload_result_text(enum reload_result r)
{
    return r == RELOAD_OK ? "ok" : "failed";
}

static void ask_build_info(const struct metric_series *s)
{
    series_put_of(s, HOSTLER_VERSION, 1);
}

static void ask_uptime(const struct metric_series *s)
{
    const struct node *n = s->source->owner;
    series_put(s, (loop_now(n->loop) - n->started_us) / USEC_PER_SEC);
}

static void ask_ready(const struct metric_series *s)
{
    const struct node *n = s->source->owner;
    struct snapshot *snapshot = mesh_current(n->mesh);
    series_put(s, snapshot_ready(snapshot, loop_now(n->loop)) && n->phase == NODE_RUNNING);
    snapshot_unref(snapshot);
}

static void ask_log_dropped(const struct metric_series *s)
{
    series_put(s, log_dropped());
}

static void ask_accept_pauses(const struct metric_series *s)
{
    const struct node *n = s->source->owner;
    uint64_t pauses = 0;
    /* Workers that are told to stop close their listeners, on their own threads. */
    for (unsigned i = 0; i < n->workers.count && n->phase != NODE_STOPPING; i++)
        for (size_t k = 0; k < n->workers.items[i].listener_count; k++)
            pauses += listener_pauses(n->workers.items[i].listeners[k]->listener);
    series_put(s, pauses);
}

static void ask_loop_lag(const struct metric_series *s)
{
    const struct node *n = s->source->owner;
    uint64_t most = 0;
    for (unsigned i = 0; i < n->workers.count; i++)
        most = MAX(most, metric_read(&loop_lag(n->workers.items[i].lane.loop)->standing_us));
    series_put_double(s, (double)most / USEC_PER_SEC);
}

static void ask_put_off(const struct metric_series *s)
{
    const struct node *n = s->source->owner;
    uint64_t sum = 0;
    for (unsigned i = 0; i < n->workers.count; i++)
        sum += metric_read(&loop_lag(n->workers.items[i].lane.loop)->put_off);
    series_put(s, sum);
}

static void ask_left(const struct metric_series *s)
{
    const struct node *n = s->source->owner;
    uint64_t sum = 0;
    for (unsigned i = 0; i < n->workers.count; i++)
        sum += metric_read(&loop_lag(n->workers.items[i].lane.loop)->left);
    series_put(s, sum);
}

static void ask_memory_used(const struct metric_series *s)
{
    const struct node *n = s->source->owner;
    series_put_double(s, n->memory.used);
}

static void ask_certificate_expiry(const struct metric_series *s)
{
    const struct node *n = s->source->owner;
    series_put(s, (uint64_t)tls_watch_expires(n->tls));
}

static void ask_bodies_held(const struct metric_series *s)
{
    const struct node *n = s->source->owner;
    series_put(s, workers_bodies(&n->workers));
}

/* --- requests by what they have in common --- */

static void add_codes(uint64_t totals[SERVICE_CODE_COUNT], const struct answer_stats *stats)
{
    for (unsigned i = 0; i < SERVICE_CODE_COUNT; i++)
        totals[i] += metric_read(&stats->codes[i]);
}

static void put_codes(const struct metric_series *s, struct str label,
                      const uint64_t totals[SERVICE_CODE_COUNT])
{
    struct metric_source source = *s->source;
    const struct metric_series labelled = {s->w, s->row, &source};
    source.labels = &label;
    source.label_count = 1;
    for (unsigned i = 0; i < SERVICE_CODE_COUNT; i++)
        if (totals[i]) series_put_of(&labelled, service_code_text(i), totals[i]);
}

static const char *route_label(const struct node *n, size_t place)
{
    bool known = place < n->home.route_count;
    return route_name(&(struct route_match){.route = known ? &n->home.routes[place] : NULL});
}

/* The first place of that name: several routes may have it. */
static size_t first_place(const struct node *n, const char *name)
{
    size_t place = 0;
    while (strcmp(route_label(n, place), name) != 0)
        place++;
    return place;
}

static void ask_requests_by_route(const struct metric_series *s)
{
    const struct node *n = s->source->owner;
    for (size_t i = 0; i <= n->home.route_count; i++) {
        uint64_t totals[SERVICE_CODE_COUNT] = {0};
        const char *name = route_label(n, i);
        if (first_place(n, name) < i) continue;
        for (size_t k = i; k <= n->home.route_count; k++) {
            if (strcmp(route_label(n, k), name) != 0) continue;
            for (unsigned w = 0; w < n->workers.count; w++)
                add_codes(totals, &n->workers.items[w].lane.stats.routes[k]);
        }
        put_codes(s, str_of(name), totals);
    }
}

static void ask_requests_by_key(const struct metric_series *s)
{
    const struct node *n = s->source->owner;
    for (unsigned i = 0; i < n->key_labels.count; i++) {
        uint64_t totals[SERVICE_CODE_COUNT] = {0};
        for (unsigned w = 0; w < n->workers.count; w++)
            add_codes(totals, &n->workers.items[w].lane.stats.keys[i]);
        put_codes(s, n->key_labels.names[i], totals);
    }
}

static const struct metric_row node_rows[] = {
#define PROCESS_METRIC(...) METRIC_ROW(node_stats, __VA_ARGS__)
#define NODE_METRIC(...) METRIC_ROW(node_stats, __VA_ARGS__)
#include "obs/metrics.def"
};
static const struct metric_set node_metrics = METRIC_SET(node_rows);

/* What each worker has, of which the first one's is here. */
static struct metric_source of_workers(const struct node *n, const void *first)
{
    return (struct metric_source){
        .first = first, .stride = sizeof *n->workers.items, .count = n->workers.count};
}

static void write_workers(const struct node *n, struct metrics_writer *w)
{
    const struct worker *first = &n->workers.items[0];
    const struct metric_source server = of_workers(n, &first->server.stats),
                               client = of_workers(n, &first->lane.client.stats),
                               lane = of_workers(n, &first->lane.stats);
    metrics_write_set(w, &http_server_metrics, &server);
    metrics_write_set(w, &http_client_metrics, &client);
    metrics_write_set(w, &lane_metrics, &lane);
}

static void write_snapshot(const struct node *n, struct metrics_writer *w)
{
    const struct str no_model = STR("");
    struct metric_source unknown = of_workers(n, &n->workers.items[0].lane.stats.answers);
    struct snapshot *snapshot = mesh_current(n->mesh);
    unknown.labels = &no_model;
    unknown.label_count = 1;
    snapshot_write_metrics(snapshot, &unknown, w, loop_now(n->loop));
    snapshot_unref(snapshot);
}

int node__write_metrics(void *node, struct buf *out)
{
    const struct node *n = node;
    struct metrics_writer w;
    metrics_write_init(&w, out);
    metrics_write_set(&w, &node_metrics,
                      &(struct metric_source){.first = &n->stats, .count = 1, .owner = n});
    write_workers(n, &w);
    write_snapshot(n, &w);
    supervisor_write_metrics(n->supervisor, &w);
    int err = metrics_write_end(&w);
    if (err) log_note(LOG_ERROR, "metrics", "cannot be written: %s", err_text(err));
    return err;
}
