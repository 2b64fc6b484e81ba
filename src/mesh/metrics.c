/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics of services and endpoints: counters of all workers summed, gauges as they are. */
#include <string.h>

#include "mesh/mesh_priv.h"

static const char *const code_texts[SERVICE_CODE_COUNT] = {
#define X(code) [SERVICE_CODE_##code] = #code,
    SERVICE_CODES(X)
#undef X
        [SERVICE_CODE_OTHER] = "other",
};

enum service_code service_code(int status)
{
    switch (status) {
#define X(code) \
    case code: return SERVICE_CODE_##code;
        SERVICE_CODES(X)
#undef X
    default: return SERVICE_CODE_OTHER;
    }
}

const char *service_code_text(enum service_code code)
{
    return code_texts[code];
}

/* Rows of one metric for one service. */
struct rows {
    struct metrics_writer *w;
    const struct service *service;
    unsigned workers;
    uint64_t now_us;
};

/* The sum over all workers of the cell at `offset` in service_stats. */
static uint64_t sum_cell(const struct rows *r, size_t offset)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < r->workers; i++)
        total += metric_read(
            (const struct metric_cell *)((const char *)service_stats(r->service, i) + offset));
    return total;
}

static void write_number(const struct rows *r, enum metric_id id, uint64_t value)
{
    const struct metric_label labels[] = {{"model", r->service->name}};
    metrics_write_u64(r->w, id, labels, 1, value);
}

static void write_histogram(const struct rows *r, enum metric_id id, size_t offset)
{
    const struct metric_label labels[] = {{"model", r->service->name}};
    struct histogram total;
    memset(&total, 0, sizeof total);
    for (unsigned i = 0; i < r->workers; i++)
        histogram_merge(
            &total,
            (const struct histogram *)((const char *)service_stats(r->service, i) + offset));
    metrics_write_histogram(r->w, id, labels, 1, &total);
}

static void write_codes(const struct rows *r)
{
    for (enum service_code code = 0; code < SERVICE_CODE_COUNT; code++) {
        size_t offset =
            offsetof(struct service_stats, answers.codes) + code * sizeof(struct metric_cell);
        uint64_t total = sum_cell(r, offset);
        if (total == 0) continue;
        const struct metric_label labels[] = {{"model", r->service->name},
                                              {"code", str_of(service_code_text(code))}};
        metrics_write_u64(r->w, METRIC_REQUESTS, labels, 2, total);
    }
}

#define CELL(member) offsetof(struct service_stats, member)

static void write_active(const struct rows *r)
{
    write_number(r, METRIC_REQUESTS_ACTIVE, sum_cell(r, CELL(active)));
}

static void write_seconds(const struct rows *r)
{
    write_histogram(r, METRIC_REQUEST_SECONDS, CELL(seconds));
}

static void write_ttft(const struct rows *r)
{
    write_histogram(r, METRIC_TTFT_SECONDS, CELL(ttft));
}

static void write_queued(const struct rows *r)
{
    write_histogram(r, METRIC_QUEUE_SECONDS, CELL(queued));
}

static void write_queue_length(const struct rows *r)
{
    write_number(r, METRIC_QUEUE_LENGTH, service_waiting(r->service));
}

static void write_queue_refused(const struct rows *r)
{
    const struct metric_label full[] = {{"model", r->service->name}, {"reason", STR("full")}};
    const struct metric_label deadline[] = {{"model", r->service->name},
                                            {"reason", STR("deadline")}};
    metrics_write_u64(r->w, METRIC_QUEUE_REFUSED, full, 2,
                      sum_cell(r, CELL(queue_refused[QUEUE_REFUSAL_FULL])));
    metrics_write_u64(r->w, METRIC_QUEUE_REFUSED, deadline, 2,
                      sum_cell(r, CELL(queue_refused[QUEUE_REFUSAL_DEADLINE])));
}

static void write_tokens_prompt(const struct rows *r)
{
    write_number(r, METRIC_TOKENS_PROMPT, sum_cell(r, CELL(tokens_prompt)));
}

static void write_tokens_completion(const struct rows *r)
{
    write_number(r, METRIC_TOKENS_COMPLETION, sum_cell(r, CELL(tokens_completion)));
}

static void write_tokens_cached(const struct rows *r)
{
    write_number(r, METRIC_TOKENS_CACHED, sum_cell(r, CELL(tokens_cached)));
}

static void write_attempts_of(const struct rows *r, const struct endpoint *e)
{
    for (enum verdict v = 0; v < VERDICT_COUNT; v++) {
        uint64_t total = 0;
        for (unsigned i = 0; i < r->workers; i++)
            total += metric_read(&e->state->workers[i].stats.attempts[v]);
        if (total == 0) continue;
        const struct metric_label labels[] = {{"model", r->service->name},
                                              {"endpoint", e->name},
                                              {"result", str_of(verdict_row(v)->label)}};
        metrics_write_u64(r->w, METRIC_ATTEMPTS, labels, 3, total);
    }
}

static void write_attempts(const struct rows *r)
{
    for (size_t i = 0; i < r->service->endpoint_count; i++)
        write_attempts_of(r, &r->service->endpoints[i]);
}

static void write_endpoint(const struct rows *r, enum metric_id id, const struct endpoint *e,
                           uint64_t value)
{
    const struct metric_label labels[] = {{"model", r->service->name}, {"endpoint", e->name}};
    metrics_write_u64(r->w, id, labels, 2, value);
}

static void write_inflight(const struct rows *r)
{
    for (size_t i = 0; i < r->service->endpoint_count; i++) {
        const struct endpoint *e = &r->service->endpoints[i];
        write_endpoint(r, METRIC_ENDPOINT_INFLIGHT, e, endpoint_inflight(e->state));
    }
}

static void write_up(const struct rows *r)
{
    for (size_t i = 0; i < r->service->endpoint_count; i++) {
        const struct endpoint *e = &r->service->endpoints[i];
        bool takes =
            endpoint_phase(e->state) == ENDPOINT_STARTABLE ||
            (endpoint_usable(e->state, r->now_us) && !endpoint_shunned(e->state, r->now_us));
        write_endpoint(r, METRIC_ENDPOINT_UP, e, takes);
    }
}

/* One function per metric, since all series of one name stand together. */
static void (*const writers[])(const struct rows *) = {
    write_codes,
    write_active,
    write_seconds,
    write_ttft,
    write_queued,
    write_queue_length,
    write_queue_refused,
    write_tokens_prompt,
    write_tokens_completion,
    write_tokens_cached,
    write_attempts,
    write_inflight,
    write_up,
};

void snapshot_write_metrics(const struct snapshot *s, struct metrics_writer *w, uint64_t now_us)
{
    for (size_t i = 0; i < ARRAY_LEN(writers); i++) {
        for (size_t j = 0; j < s->service_count; j++) {
            const struct rows rows = {
                .w = w, .service = &s->services[j], .workers = s->mesh->workers, .now_us = now_us};
            writers[i](&rows);
        }
    }
}
