/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's metrics page: its own rows, those of its HTTP side and those of the scheduler. */
#include "obs/metrics.h"

#include "engine/handlers.h"
#include "loop/loop.h"
#include "obs/process.h"

enum { METRICS_MAX = 64 * 1024 * 1024 };

static void ask_build_info(const struct metric_series *s)
{
    series_put_of(s, HOSTLER_VERSION, 1);
}

static void ask_uptime(const struct metric_series *s)
{
    const struct server *server = s->source->owner;
    series_put_double(s, (double)(loop_now(server->loop) - server->hosted.started_us) / 1e6);
}

static void ask_ready(const struct metric_series *s)
{
    const struct server *server = s->source->owner;
    series_put(s, server->hosted.model && !server->draining);
}

static void ask_slots(const struct metric_series *s)
{
    const struct server *server = s->source->owner;
    if (server->hosted.context) series_put(s, server->hosted.context->sequences);
}

static void ask_cache_usage(const struct metric_series *s)
{
    const struct server *server = s->source->owner;
    const struct context_info *context = server->hosted.context;
    if (!context) return;
    double room = (double)context->sequences * context->length;
    series_put_double(s, (double)metric_read(&compute_stats(server->hosted.compute)->cache_used) /
                             room);
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

static const struct metric_row cache_rows[] = {
#define CACHE_METRIC(...) METRIC_ROW(cache_stats, __VA_ARGS__)
#include "obs/metrics.def"
};
static const struct metric_set cache_metrics = METRIC_SET(cache_rows);

static void write_set(struct metrics_writer *w, const struct metric_set *set, const void *stats,
                      const struct server *s)
{
    metrics_write_set(w, set, &(struct metric_source){.first = stats, .count = 1, .owner = s});
}

static int write_metrics(const struct server *s, struct buf *out)
{
    struct metrics_writer w;
    metrics_write_init(&w, out);
    write_set(&w, &server_metrics, &s->stats, s);
    write_set(&w, &http_server_metrics, &s->http.stats, s);
    if (s->hosted.model) {
        const struct scheduler_stats *stats = compute_stats(s->hosted.compute);
        write_set(&w, &scheduler_metrics, stats, s);
        write_set(&w, &cache_metrics, &stats->cache, s);
    }
    return metrics_write_end(&w);
}

void get_metrics(struct server *s, struct http_call *c)
{
    const struct http_field type =
        HTTP_FIELD(CONTENT_TYPE, STR("text/plain; version=0.0.4; charset=utf-8"));
    struct buf b;
    buf_init(&b, METRICS_MAX);
    if (write_metrics(s, &b))
        server_refuse(c, 500, "server_error", NULL, STR("The metrics are too large."));
    else
        call_reply(c, 200, &type, 1, buf_str(&b));
    buf_fini(&b);
}
