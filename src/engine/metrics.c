/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's metrics page: its own rows, those of its HTTP side and those of the scheduler. */
#include "obs/metrics.h"

#include "engine/server_priv.h"
#include "loop/loop.h"

static void ask_build_info(const struct metric_series *s)
{
    series_put_of(s, HOSTLER_VERSION, 1);
}

static void ask_uptime(const struct metric_series *s)
{
    const struct server *server = s->source->owner;
    series_put_double(s, (double)(loop_now(server->loop) - server->started_us) / 1e6);
}

static void ask_ready(const struct metric_series *s)
{
    const struct server *server = s->source->owner;
    series_put(s, server->model && !server->draining);
}

static void ask_slots(const struct metric_series *s)
{
    const struct server *server = s->source->owner;
    if (server->model) series_put(s, server->info->slots);
}

static void ask_cache_usage(const struct metric_series *s)
{
    const struct server *server = s->source->owner;
    if (!server->model) return;
    double room = (double)server->info->slots * server->info->context;
    series_put_double(s, (double)metric_read(&worker_stats(server->worker)->cache_used) / room);
}

static const struct metric_row server_rows[] = {
#define PROCESS_METRIC(...) METRIC_ROW(server_stats, __VA_ARGS__)
#define ENGINE_SERVER_METRIC(...) METRIC_ROW(server_stats, __VA_ARGS__)
#include "obs/metrics.def"
};
static const struct metric_set server_metrics = METRIC_SET(server_rows);

static const struct metric_row scheduler_rows[] = {
#define SCHEDULER_METRIC(...) METRIC_ROW(scheduler_stats, __VA_ARGS__)
#include "obs/metrics.def"
};
static const struct metric_set scheduler_metrics = METRIC_SET(scheduler_rows);

static void write_set(struct metrics_writer *w, const struct metric_set *set, const void *stats,
                      const struct server *s)
{
    metrics_write_set(w, set, &(struct metric_source){.first = stats, .count = 1, .owner = s});
}

int server__metrics(struct server *s, struct buf *out)
{
    struct metrics_writer w;
    metrics_write_init(&w, out);
    write_set(&w, &server_metrics, &s->stats, s);
    write_set(&w, &http_server_metrics, &s->http.stats, s);
    if (s->model) write_set(&w, &scheduler_metrics, worker_stats(s->worker), s);
    return metrics_write_end(&w);
}
