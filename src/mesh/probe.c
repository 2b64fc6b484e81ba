/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "mesh/check.h"
#include "obs/log.h"

#define TICK_US ((uint64_t)250 * USEC_PER_MS)

/* First probes are spread over this time, so that a restart does not ask everybody at once. */
#define SPREAD_US ((uint64_t)200 * USEC_PER_MS)

/* One endpoint that is asked again and again. */
struct probe {
    struct list link;
    struct prober *prober;
    const struct endpoint *endpoint; /* of the prober's snapshot */
    struct health_check check;
    struct task task; /* the interval is over */
    struct timer timer;
    uint64_t failures; /* in a row */
};

struct prober {
    struct loop *loop;
    struct http_client *client;
    struct mesh *mesh;
    struct snapshot *snapshot; /* one reference */
    struct list probes;
    struct task tick_task;
    struct timer tick;
    struct rng rng;
};

static const struct conf *conf_of(const struct probe *p)
{
    return snapshot_conf(p->prober->snapshot);
}

/* About once per interval: up to a tenth sooner or later, so that gateways do not fall into
 * step. */
static void arm(struct probe *p)
{
    uint64_t interval = conf_of(p)->health.interval_us;
    uint64_t wait = interval - interval / 10 + rng_below(&p->prober->rng, interval / 5 + 1);
    timer_start(p->prober->loop, &p->timer, loop_now(p->prober->loop) + wait);
}

static void log_change(const struct probe *p, enum log_level level, const char *state,
                       const char *reason)
{
    struct log_line l;
    log_begin(&l, level, "endpoint_health");
    log_str(&l, "model", p->endpoint->service->name);
    log_str(&l, "endpoint", p->endpoint->name);
    log_cstr(&l, "state", state);
    if (reason[0]) log_cstr(&l, "reason", reason);
    log_end(&l);
}

static void take_down(struct probe *p, int status, int err)
{
    char text[ENDPOINT_REASON_MAX];
    uint64_t now = loop_now(p->prober->loop);
    int n =
        status ? snprintf(text, sizeof(text), "the health path answers %d", status)
               : snprintf(text, sizeof(text), "the health path does not answer: %s", err_text(err));
    if (endpoint_phase(p->endpoint->state) != ENDPOINT_DOWN) log_change(p, LOG_WARN, "down", text);
    endpoint_set_phase(p->endpoint->state, ENDPOINT_DOWN, str_n(text, (size_t)MAX(n, 0)),
                       now + conf_of(p)->health.interval_us, now);
}

static void on_checked(struct health_check *c, int status, int err)
{
    struct probe *p = CONTAINER_OF(c, struct probe, check);
    if (status > 0 && status < 500) {
        p->failures = 0;
        if (endpoint_phase(p->endpoint->state) == ENDPOINT_DOWN) log_change(p, LOG_INFO, "up", "");
        endpoint_alive(p->endpoint->state, loop_now(p->prober->loop));
    } else if (++p->failures >= conf_of(p)->health.failures) {
        take_down(p, status, err);
    }
    arm(p);
}

static void on_due(struct task *task)
{
    struct probe *p = CONTAINER_OF(task, struct probe, task);
    health_check_start(&p->check, p->endpoint, p->endpoint->health, conf_of(p)->health.timeout_us);
}

static void probe_new(struct prober *pr, const struct endpoint *e)
{
    struct probe *p = calloc(1, sizeof(*p));
    if (!p) return; /* passive results still tell */
    p->prober = pr;
    p->endpoint = e;
    health_check_init(&p->check, pr->loop, pr->client, on_checked);
    task_init(&p->task, on_due);
    timer_init(&p->timer, &p->task);
    timer_start(pr->loop, &p->timer, loop_now(pr->loop) + rng_below(&pr->rng, SPREAD_US));
    list_push_back(&pr->probes, &p->link);
}

static void probe_free(struct probe *p)
{
    health_check_fini(&p->check);
    timer_stop(p->prober->loop, &p->timer);
    task_cancel(&p->task);
    list_remove(&p->link);
    free(p);
}

static void forget_all(struct prober *pr)
{
    LIST_EACH_SAFE(&pr->probes, it, next)
    {
        probe_free(LIST_ITEM(it, struct probe, link));
    }
    snapshot_unref(pr->snapshot);
    pr->snapshot = NULL;
}

static void consider(struct prober *pr, const struct endpoint *e)
{
    if (e->engine) return; /* the supervisor's */
    if (e->health.len > 0) probe_new(pr, e);
    /* its health path was taken out of the configuration */
    else if (endpoint_phase(e->state) == ENDPOINT_DOWN)
        endpoint_set_phase(e->state, ENDPOINT_UP, STR(""), 0, loop_now(pr->loop));
}

void prober_reload(struct prober *pr)
{
    forget_all(pr);
    pr->snapshot = mesh_current(pr->mesh);
    if (!pr->snapshot) return;
    size_t count;
    const struct service *services = snapshot_services(pr->snapshot, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < services[i].endpoint_count; j++)
            consider(pr, &services[i].endpoints[j]);
    }
}

static void on_tick(struct task *task)
{
    struct prober *pr = CONTAINER_OF(task, struct prober, tick_task);
    mesh_tick(pr->mesh, loop_now(pr->loop));
    timer_start(pr->loop, &pr->tick, loop_now(pr->loop) + TICK_US);
}

int prober_new(struct loop *loop, struct http_client *client, struct mesh *mesh,
               struct prober **out)
{
    struct prober *pr = calloc(1, sizeof(*pr));
    if (!pr) return -ENOMEM;
    pr->loop = loop;
    pr->client = client;
    pr->mesh = mesh;
    list_init(&pr->probes);
    rng_seed_random(&pr->rng);
    task_init(&pr->tick_task, on_tick);
    timer_init(&pr->tick, &pr->tick_task);
    timer_start(loop, &pr->tick, loop_now(loop) + TICK_US);
    prober_reload(pr);
    *out = pr;
    return 0;
}

void prober_free(struct prober *pr)
{
    if (!pr) return;
    forget_all(pr);
    timer_stop(pr->loop, &pr->tick);
    task_cancel(&pr->tick_task);
    free(pr);
}
