/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about services. */
#include "mesh/service.h"

#include "mesh/mesh_priv.h"

struct service_stats *service_stats(const struct service *s, unsigned worker)
{
    return &s->state->workers[worker].stats;
}

void service_count_request(const struct service *s, unsigned worker, uint64_t now_us)
{
    retry_count_request(&s->state->workers[worker].budget, now_us);
}

bool service_may_retry(const struct service *s, unsigned worker, uint64_t now_us)
{
    const struct settings *settings = snapshot_settings(s->snapshot);
    struct retry_sums sums = {0};
    for (unsigned i = 0; i < s->state->mesh->workers; i++)
        retry_add(&s->state->workers[i].budget, now_us, &sums);
    if (!retry_allowed(&sums, settings->retry_percent, settings->retry_min)) return false;
    retry_count_retry(&s->state->workers[worker].budget, now_us);
    return true;
}

size_t service_waiting(const struct service *s)
{
    return atomic_load(&s->state->waiting);
}

/* True while a process that requests wait for is starting, or about to. */
static bool is_starting(const struct endpoint *e)
{
    enum endpoint_phase phase = endpoint_phase(e->state);
    return e->engine && (phase == ENDPOINT_STARTING || phase == ENDPOINT_STARTABLE);
}

uint64_t service_wait_until(const struct service *s, uint64_t queued_us)
{
    uint64_t from = queued_us, until = 0;
    for (size_t i = 0; i < s->endpoint_count; i++) {
        const struct endpoint *e = &s->endpoints[i];
        if (is_starting(e))
            until = MAX(until, queued_us + e->start_timeout_us);
        else if (e->engine)
            from = MAX(from, atomic_load(&e->state->phase_us));
    }
    return MAX(until, from + s->queue_timeout_us);
}

/* A process that stands still is ready when requests may start it, unless it is known why
 * that failed the last time. */
static bool endpoint_ready(const struct endpoint *e, uint64_t now_us)
{
    char reason[ENDPOINT_REASON_MAX];
    switch (endpoint_phase(e->state)) {
    case ENDPOINT_UP: return endpoint_usable(e->state, now_us);
    case ENDPOINT_STARTABLE:
        endpoint_reason(e->state, now_us, reason);
        return !reason[0] && e->starts_on_demand;
    case ENDPOINT_STARTING: return e->starts_on_demand;
    case ENDPOINT_DOWN: break;
    }
    return false;
}

static void append_reason(const struct endpoint *e, uint64_t now_us, bool first, struct buf *reason)
{
    char text[ENDPOINT_REASON_MAX];
    endpoint_reason(e->state, now_us, text);
    /* A full buffer only shortens the explanation. */
    (void)!buf_printf(reason, "%s%" STR_FMT ": %s", first ? "" : "; ", STR_ARG(e->name),
                      text[0] ? text : "not started");
}

bool service_has_endpoint(const struct service *s, struct str name)
{
    for (size_t i = 0; i < s->endpoint_count; i++)
        if (str_eq(s->endpoints[i].name, name)) return true;
    return false;
}

bool service_up(const struct service *s, uint64_t now_us)
{
    for (size_t i = 0; i < s->endpoint_count; i++)
        if (endpoint_usable(s->endpoints[i].state, now_us)) return true;
    return false;
}

bool service_ready(const struct service *s, uint64_t now_us, struct buf *reason)
{
    for (size_t i = 0; i < s->endpoint_count; i++) {
        if (endpoint_ready(&s->endpoints[i], now_us)) return true;
    }
    for (size_t i = 0; reason && i < s->endpoint_count; i++)
        append_reason(&s->endpoints[i], now_us, i == 0, reason);
    return false;
}

bool snapshot_ready(const struct snapshot *s, uint64_t now_us)
{
    for (size_t i = 0; i < s->service_count; i++)
        if (service_ready(&s->services[i], now_us, NULL)) return true;
    return s->service_count == 0;
}

void service_dismiss(const struct service *s)
{
    const struct mesh_hooks *hooks = &s->state->mesh->hooks;
    for (size_t i = 0; hooks->dismiss && i < s->endpoint_count; i++)
        if (s->endpoints[i].engine && endpoint_phase(s->endpoints[i].state) == ENDPOINT_UP)
            hooks->dismiss(hooks->ctx, s->endpoints[i].state);
}
