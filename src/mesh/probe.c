/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "mesh/check.h"
#include "mesh/inquiries.h"
#include "obs/log.h"

#define TICK_US ((uint64_t)250 * USEC_PER_MS)

/* First probes are spread over this time, so that a restart does not ask everybody at once. */
#define SPREAD_US ((uint64_t)200 * USEC_PER_MS)

/* Passing probes at the same time, of endpoints that appear and in all;
 * each may have a connection. */
enum { PASSING_MAX = 64, COOLING_MAX = 1024 };

/* One endpoint that is asked again and again: for good, or in passing,
 * until it is known to be there. */
struct probe {
    struct list link;
    struct prober *prober;
    const struct endpoint *endpoint; /* the prober's snapshot has it */
    struct health_check check;
    struct task task; /* the interval is over */
    struct timer timer;
    uint64_t failures; /* in a row */
    bool passing;
};

struct prober {
    struct loop *loop;
    struct http_client *client;
    struct mesh *mesh;
    struct snapshot *snapshot; /* one reference */
    struct list probes;
    struct inquiries inquiries;
    unsigned passing;      /* probes in passing */
    size_t service, place; /* where the next endpoint is that is looked at for the first time */
    struct task tick_task;
    struct timer tick;
    struct rng rng;
};

static void look_at_more(struct prober *pr);

static const struct settings *settings_of(const struct probe *p)
{
    return snapshot_settings(p->prober->snapshot);
}

static uint64_t now_of(const struct probe *p)
{
    return loop_now(p->prober->loop);
}

static bool is_well(const struct endpoint *e)
{
    return endpoint_phase(e->state) == ENDPOINT_UP && !endpoint_cooling(e->state);
}

/* About once per interval: up to a tenth sooner or later, so that gateways do not fall into
 * step. Each second while it is not well. */
static void arm(struct probe *p)
{
    uint64_t interval = settings_of(p)->probe_interval_us;
    if (!is_well(p->endpoint)) interval = MIN(interval, ENDPOINT_RECOVERY_US);
    uint64_t wait = interval - interval / 10 + rng_below(&p->prober->rng, interval / 5 + 1);
    timer_start(p->prober->loop, &p->timer, now_of(p) + wait);
}

/* What went wrong, in words. */
static const char *words_of(const struct probe *p, int err)
{
    return p->check.why ? p->check.why : err_text(err);
}

static void take_down(struct probe *p, int status, int err)
{
    char text[ENDPOINT_REASON_MAX];
    uint64_t now = now_of(p);
    int n = status ? snprintf(text, sizeof text, "the health path answers %d", status)
                   : snprintf(text, sizeof text, "the health path does not answer: %s",
                              words_of(p, err));
    if (endpoint_phase(p->endpoint->state) != ENDPOINT_DOWN)
        endpoint_log(p->endpoint, LOG_WARN, "down", text);
    endpoint_set_phase(p->endpoint->state, ENDPOINT_DOWN, str_n(text, (size_t)MAX(n, 0)),
                       now + ENDPOINT_RECOVERY_US, now);
}

static void probe_free(struct probe *p)
{
    struct prober *pr = p->prober;
    health_check_fini(&p->check);
    timer_stop(pr->loop, &p->timer);
    task_cancel(&p->task);
    list_remove(&p->link);
    p->endpoint->state->probing = false;
    if (p->passing) pr->passing--;
    free(p);
}

/* Nobody listens there: known before a request is sent, at first and as long as it stays so. */
static void note_absence(struct probe *p, int err)
{
    char text[ENDPOINT_REASON_MAX];
    const struct endpoint_state *s = p->endpoint->state;
    if (p->endpoint->engine || (s->checked && !endpoint_cooling(s))) return;
    if (p->check.connected || verdict_of_error(err, false) == VERDICT_LOCAL) return;
    snprintf(text, sizeof text, "cannot be reached: %s", words_of(p, err));
    if (endpoint_absent(p->endpoint->state, text, now_of(p), &p->prober->rng))
        endpoint_log(p->endpoint, LOG_WARN, "cooling", text);
}

static void on_checked(struct health_check *c, int status, int err)
{
    struct probe *p = CONTAINER_OF(c, struct probe, check);
    struct prober *pr = p->prober;
    bool answered = status > 0 && status < 500;
    if (answered) {
        p->failures = 0;
        if (endpoint_alive(p->endpoint->state, now_of(p)))
            endpoint_log(p->endpoint, LOG_INFO, "up", "");
    } else {
        note_absence(p, err);
        if (!p->passing && ++p->failures >= settings_of(p)->breaker.failures)
            take_down(p, status, err);
    }
    p->endpoint->state->checked = true;
    if (!p->passing || endpoint_cooling(p->endpoint->state)) {
        arm(p);
        return;
    }
    probe_free(p);
    look_at_more(pr);
}

/* Its health path; without one what every runtime with the API answers, be it by 404. While nothing
 * is wrong with such an endpoint it is only connected to (empty): it need not know of us. */
static struct str path_of(struct probe *p)
{
    const struct endpoint *e = p->endpoint;
    if (e->health.len) return e->health;
    return is_well(e) ? STR("") : endpoint_target(&p->check.arena, e, STR("/models"), false);
}

static void on_due(struct task *task)
{
    struct probe *p = CONTAINER_OF(task, struct probe, task);
    health_check_start(&p->check, p->endpoint, path_of(p), settings_of(p)->probe_timeout_us);
}

static void probe_new(struct prober *pr, const struct endpoint *e, bool passing)
{
    struct probe *p = mem_try_zero(1, sizeof *p);
    if (!p) return; /* passive results still tell */
    p->prober = pr;
    p->endpoint = e;
    p->passing = passing;
    if (passing) pr->passing++;
    e->state->probing = true;
    health_check_init(&p->check, pr->loop, pr->client, on_checked);
    task_init(&p->task, on_due);
    timer_init(&p->timer, &p->task);
    /* First looks are few at a time. */
    uint64_t wait = passing ? 0 : rng_below(&pr->rng, SPREAD_US);
    timer_start(pr->loop, &p->timer, loop_now(pr->loop) + wait);
    list_push_back(&pr->probes, &p->link);
}

static void forget_all(struct prober *pr)
{
    LIST_EACH_SAFE(&pr->probes, it, next)
    {
        probe_free(LIST_ITEM(it, struct probe, link));
    }
    inquiries_stop(&pr->inquiries);
    snapshot_unref(pr->snapshot);
    pr->snapshot = NULL;
    pr->service = pr->place = 0;
}

/* Looks at endpoints that nobody has looked at yet, some at a time. */
static void look_at_more(struct prober *pr)
{
    size_t count;
    const struct service *services = snapshot_services(pr->snapshot, &count);
    while (pr->service < count && pr->passing < PASSING_MAX) {
        const struct service *s = &services[pr->service];
        if (pr->place == s->endpoint_count) {
            pr->service++;
            pr->place = 0;
            continue;
        }
        const struct endpoint *e = &s->endpoints[pr->place++];
        if (!e->engine && !e->state->checked && !e->state->probing) probe_new(pr, e, true);
    }
}

/* Endpoints whose cooldown has begun are probed from now on. */
static void look_after_cooling(struct prober *pr)
{
    size_t count;
    const struct service *services = snapshot_services(pr->snapshot, &count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < services[i].endpoint_count; j++) {
            const struct endpoint *e = &services[i].endpoints[j];
            bool looks = e->state->probing || pr->passing >= COOLING_MAX;
            if (!looks && endpoint_cooling(e->state)) probe_new(pr, e, true);
        }
    }
    uint64_t soon = loop_now(pr->loop) + ENDPOINT_RECOVERY_US;
    LIST_EACH(&pr->probes, it)
    {
        struct probe *p = LIST_ITEM(it, struct probe, link);
        if (p->passing || p->check.running || p->timer.due_us <= soon) continue;
        if (endpoint_cooling(p->endpoint->state)) arm(p);
    }
}

static void consider(struct prober *pr, const struct endpoint *e)
{
    if (e->engine) return; /* the supervisor's */
    if (e->health.len > 0) probe_new(pr, e, false);
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
    look_at_more(pr);
    inquiries_renew(&pr->inquiries, pr->snapshot);
}

static void on_tick(struct task *task)
{
    struct prober *pr = CONTAINER_OF(task, struct prober, tick_task);
    mesh_tick(pr->mesh, loop_now(pr->loop));
    if (pr->snapshot) look_after_cooling(pr);
    if (pr->snapshot) inquiries_look(&pr->inquiries, pr->snapshot);
    timer_start(pr->loop, &pr->tick, loop_now(pr->loop) + TICK_US);
}

int prober_new(struct loop *loop, struct http_client *client, struct mesh *mesh,
               struct prober **out)
{
    struct prober *pr = mem_try_zero(1, sizeof *pr);
    if (!pr) return -ENOMEM;
    pr->loop = loop;
    pr->client = client;
    pr->mesh = mesh;
    list_init(&pr->probes);
    rng_seed_random(&pr->rng);
    inquiries_init(&pr->inquiries, loop, client);
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
