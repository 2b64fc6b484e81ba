/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics of services and endpoints. */
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

static const char *queue_refusal_text(enum queue_refusal why)
{
    return why == QUEUE_REFUSAL_FULL ? "full" : "deadline";
}

static const char *verdict_label(enum verdict v)
{
    return verdict_row(v)->label;
}

/* --- what is asked when it is written --- */

/* The owner of an endpoint's rows. */
struct endpoint_view {
    const struct endpoint *endpoint;
    uint64_t now_us;
};

static void ask_queue_length(const struct metric_series *s)
{
    series_put(s, service_waiting(s->source->owner));
}

static void ask_inflight(const struct metric_series *s)
{
    const struct endpoint_view *view = s->source->owner;
    series_put(s, endpoint_inflight(view->endpoint->state));
}

static void ask_up(const struct metric_series *s)
{
    const struct endpoint_view *view = s->source->owner;
    const struct endpoint_state *e = view->endpoint->state;
    series_put(s, endpoint_phase(e) == ENDPOINT_STARTABLE ||
                      (endpoint_usable(e, view->now_us) && !endpoint_shunned(e, view->now_us)));
}

/* --- the tables --- */

static const struct metric_row answer_rows[] = {
#define ANSWER_METRIC(...) METRIC_ROW(answer_stats, __VA_ARGS__)
#include "obs/metrics.def"
};

static const struct metric_row service_rows[] = {
#define SERVICE_METRIC(...) METRIC_ROW(service_stats, __VA_ARGS__)
#include "obs/metrics.def"
};

static const struct metric_row endpoint_rows[] = {
#define ENDPOINT_METRIC(...) METRIC_ROW(endpoint_stats, __VA_ARGS__)
#include "obs/metrics.def"
};

/* --- writing: all series of a name stand together --- */

static void write_service(const struct service *s, const struct metric_row *row, size_t offset,
                          struct metrics_writer *w)
{
    const struct metric_source source = {
        .first = (const char *)service_stats(s, 0) + offset,
        .stride = sizeof *s->state->workers,
        .count = s->state->mesh->workers,
        .labels = &s->name,
        .label_count = 1,
        .owner = s,
    };
    metrics_write_row(w, row, &source);
}

static void write_endpoint(const struct endpoint *e, const struct metric_row *row, uint64_t now_us,
                           struct metrics_writer *w)
{
    const struct endpoint_view view = {e, now_us};
    const struct str labels[] = {e->service->name, e->name};
    const struct metric_source source = {
        .first = &e->state->workers[0].stats,
        .stride = sizeof *e->state->workers,
        .count = e->state->service->mesh->workers,
        .labels = labels,
        .label_count = ARRAY_LEN(labels),
        .owner = &view,
    };
    metrics_write_row(w, row, &source);
}

/* --- which models --- */

/* A list may name thousands, each of which would have some hundred series. */
enum { LISTED_MAX = 1000 };

static bool was_asked(const struct service *s)
{
    uint64_t asked = 0;
    for (unsigned i = 0; i < s->state->mesh->workers && !asked; i++) {
        const struct service_stats *stats = service_stats(s, i);
        asked = metric_read(&stats->active);
        for (size_t k = 0; k < SERVICE_CODE_COUNT && !asked; k++)
            asked = metric_read(&stats->answers.codes[k]);
    }
    return asked;
}

/* One that was told of once goes on being told of. */
static void choose_told(const struct snapshot *s)
{
    for (size_t i = 0; i < s->service_count; i++) {
        const struct service *service = &s->services[i];
        if (!service->listed || service->state->told || s->mesh->told == LISTED_MAX) continue;
        service->state->told = was_asked(service);
        s->mesh->told += service->state->told;
    }
}

static bool is_told(const struct service *s)
{
    return !s->listed || s->state->told;
}

static void write_endpoints(const struct snapshot *s, const struct metric_row *row, uint64_t now_us,
                            struct metrics_writer *w)
{
    for (size_t i = 0; i < s->service_count; i++)
        for (size_t k = 0; is_told(&s->services[i]) && k < s->services[i].endpoint_count; k++)
            write_endpoint(&s->services[i].endpoints[k], row, now_us, w);
}

static void write_services(const struct snapshot *s, const struct metric_row *row, size_t offset,
                           struct metrics_writer *w)
{
    for (size_t i = 0; i < s->service_count; i++)
        if (is_told(&s->services[i])) write_service(&s->services[i], row, offset, w);
}

void snapshot_write_metrics(const struct snapshot *s, const struct metric_source *unknown,
                            struct metrics_writer *w, uint64_t now_us)
{
    choose_told(s);
    for (size_t i = 0; i < ARRAY_LEN(answer_rows); i++) {
        if (unknown) metrics_write_row(w, &answer_rows[i], unknown);
        write_services(s, &answer_rows[i], offsetof(struct service_stats, answers), w);
    }
    for (size_t i = 0; i < ARRAY_LEN(service_rows); i++)
        write_services(s, &service_rows[i], 0, w);
    for (size_t i = 0; i < ARRAY_LEN(endpoint_rows); i++)
        write_endpoints(s, &endpoint_rows[i], now_us, w);
}
