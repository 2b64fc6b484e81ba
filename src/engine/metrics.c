/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "engine/server_priv.h"
#include "loop/loop.h"

static void put(struct metrics_writer *w, enum metric_id id, const struct metric_cell *c)
{
    metrics_write_u64(w, id, NULL, 0, metric_read(c));
}

static void write_scheduler(struct metrics_writer *w, const struct server *s)
{
    const struct scheduler_stats *t = worker_stats(s->worker);
    double room = (double)s->info->slots * s->info->context;
    put(w, METRIC_ENGINE_RUNNING, &t->running);
    put(w, METRIC_ENGINE_WAITING, &t->waiting);
    metrics_write_u64(w, METRIC_ENGINE_SLOTS, NULL, 0, s->info->slots);
    metrics_write_double(w, METRIC_ENGINE_CACHE_USAGE, NULL, 0,
                         (double)metric_read(&t->cache_used) / room);
    put(w, METRIC_ENGINE_PROMPT_TOKENS, &t->prompt_tokens);
    put(w, METRIC_ENGINE_CACHED_TOKENS, &t->cached_tokens);
    put(w, METRIC_ENGINE_OUTPUT_TOKENS, &t->output_tokens);
    put(w, METRIC_ENGINE_DECODES, &t->decodes);
    put(w, METRIC_ENGINE_FAILURES, &t->failures);
    put(w, METRIC_ENGINE_THREADS, &t->threads);
    metrics_write_histogram(w, METRIC_ENGINE_DECODE_SECONDS, NULL, 0, &t->decode_seconds);
    metrics_write_histogram(w, METRIC_ENGINE_PREFILL_SECONDS, NULL, 0, &t->prefill_seconds);
    metrics_write_histogram(w, METRIC_ENGINE_WAIT_SECONDS, NULL, 0, &t->wait_seconds);
    metrics_write_histogram(w, METRIC_ENGINE_TTFT_SECONDS, NULL, 0, &s->ttft);
}

int server__metrics(struct server *s, struct buf *out)
{
    struct metrics_writer w;
    const struct metric_label version = {"version", STR(HOSTLER_VERSION)};
    metrics_write_init(&w, out);
    metrics_write_u64(&w, METRIC_BUILD_INFO, &version, 1, 1);
    metrics_write_double(&w, METRIC_UPTIME, NULL, 0,
                         (double)(loop_now(s->loop) - s->started_us) / 1e6);
    metrics_write_u64(&w, METRIC_READY, NULL, 0, s->model && !s->draining);
    put(&w, METRIC_CONNECTIONS, &s->http.stats.connections);
    put(&w, METRIC_CONNECTIONS_TOTAL, &s->http.stats.accepted);
    put(&w, METRIC_BYTES_IN, &s->http.stats.bytes_in);
    put(&w, METRIC_BYTES_OUT, &s->http.stats.bytes_out);
    if (s->model) write_scheduler(&w, s);
    return w.err;
}
