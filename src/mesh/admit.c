/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/admit.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "mesh/mesh_priv.h"

void tried_add(struct tried *t, const struct endpoint *e)
{
    t->items[t->count++ % TRIED_MAX] = e->state;
}

bool tried_has(const struct tried *t, const struct endpoint_state *s)
{
    unsigned n = MIN(t->count, TRIED_MAX);
    for (unsigned i = 0; i < n; i++) {
        if (t->items[i] == s) return true;
    }
    return false;
}

static bool answers_any(const struct admission *a, uint32_t surfaces)
{
    return !a->surfaces || (surfaces & a->surfaces);
}

static bool suits(const struct admission *a, const struct endpoint *e)
{
    return answers_any(a, endpoint_surfaces(e)) && (a->only.len == 0 || str_eq(e->name, a->only));
}

bool admit_served(const struct service *s, uint32_t surfaces)
{
    for (size_t i = 0; i < s->endpoint_count; i++)
        if (endpoint_surfaces(&s->endpoints[i]) & surfaces) return true;
    return false;
}

/* --- choosing --- */

/* Who wants a credit: a service's endpoints as route/choose.h sees them. */
struct taker {
    const struct admission *admission;
    uint64_t now_us;
    struct grant *out;
};

static enum route_phase phase_of(const struct endpoint_state *e)
{
    switch (endpoint_phase(e)) {
    case ENDPOINT_STARTABLE:
    case ENDPOINT_STARTING: return ROUTE_COMING;
    case ENDPOINT_DOWN: return ROUTE_DOWN;
    case ENDPOINT_UP: break;
    }
    return ROUTE_UP;
}

static void view(void *owner, size_t place, struct route_view *out)
{
    const struct taker *t = owner;
    const struct endpoint *e = &t->admission->service->endpoints[place];
    const struct endpoint_state *s = e->state;
    *out = (struct route_view){
        .inflight = atomic_load(&s->inflight),
        .capacity = e->capacity,
        .weight = e->weight,
        .phase = phase_of(s),
        /* who does not suit is not there, as those are that were tried */
        .tried = !suits(t->admission, e) || tried_has(&t->admission->tried, s),
        .troubled = atomic_load(&s->troubled),
        .shunned = endpoint_shunned(s, t->now_us),
        .retry_at_us = atomic_load(&s->retry_at_us),
        .closed_until = atomic_load(&s->closed_until),
        .rest_until = atomic_load(&s->rest_until),
    };
}

static bool take(void *owner, size_t place, bool last)
{
    const struct taker *t = owner;
    const struct endpoint *e = &t->admission->service->endpoints[place];
    uint32_t surfaces = endpoint_surfaces(e); /* its kind may have been found just now */
    if (!answers_any(t->admission, surfaces)) return false;
    if (!endpoint__take(e, last, t->now_us, t->out)) return false;
    t->out->surfaces = surfaces;
    return true;
}

static struct route_source source_of(struct taker *t)
{
    return (struct route_source){
        .owner = t, .count = t->admission->service->endpoint_count, .view = view, .take = take};
}

/* Calls the hook for each process that could be started, once until its phase changes. */
static void want_startable(const struct admission *a)
{
    const struct mesh_hooks *hooks = &a->service->state->mesh->hooks;
    for (size_t i = 0; hooks->want && i < a->service->endpoint_count; i++) {
        const struct endpoint *at = &a->service->endpoints[i];
        struct endpoint_state *e = at->state;
        if (endpoint_phase(e) != ENDPOINT_STARTABLE || !suits(a, at) || tried_has(&a->tried, e))
            continue;
        if (!atomic_exchange(&e->wanted, true)) hooks->want(hooks->ctx, e);
    }
}

static bool is_retry(const struct admission *a)
{
    if (a->tried.count == 0) return false;
    for (size_t i = 0; i < a->service->endpoint_count; i++)
        if (tried_has(&a->tried, a->service->endpoints[i].state)) return true;
    return false;
}

/* A retry takes no turn: with two endpoints of which one fails, that would
 * be every request's first. */
static uint64_t next_turn(const struct service *s, bool retry)
{
    if (s->policy != ROUTE_ROUND_ROBIN) return 0;
    if (retry) return atomic_load_explicit(&s->state->turn, memory_order_relaxed);
    return atomic_fetch_add_explicit(&s->state->turn, 1, memory_order_relaxed);
}

/* admit_try without regard to those who wait. */
static int admit(const struct admission *a, struct rng *rng, uint64_t now_us, struct grant *out,
                 uint64_t *retry_after_us)
{
    struct taker taker = {a, now_us, out};
    struct route_source source = source_of(&taker);
    bool retry = is_retry(a);
    struct route_wish wish = {.policy = a->service->policy,
                              .turn = next_turn(a->service, retry),
                              .retry = retry,
                              .rng = rng,
                              .now_us = now_us};
    switch (route_choose(&source, &wish, retry_after_us)) {
    case CHOOSE_TAKEN: return ADMIT_OK;
    case CHOOSE_WAIT: want_startable(a); return ADMIT_WAIT;
    case CHOOSE_REST: return ADMIT_REST;
    default: return ADMIT_NONE;
    }
}

static size_t waiting_for(const struct service *s)
{
    return atomic_load_explicit(&s->state->waiting, memory_order_relaxed);
}

int admit_try(const struct admission *a, struct rng *rng, uint64_t now_us, struct grant *out,
              uint64_t *retry_after_us)
{
    /* Nobody overtakes: while others wait, admit_wait decides. */
    if (waiting_for(a->service) > 0) return ADMIT_WAIT;
    return admit(a, rng, now_us, out, retry_after_us);
}

bool admit_hopeful(const struct admission *a, uint64_t now_us)
{
    struct taker taker = {a, now_us, NULL};
    struct route_source source = source_of(&taker);
    bool now, hopeful = route_hopeful(&source, now_us, &now);
    return now || (hopeful && waiting_for(a->service) < a->service->queue_max);
}

/* --- waiting --- */

/* Reachable from the queue (under the service's mutex) until it is granted or refused, then from
 * the mail to its loop, then from its owner alone. The last one frees it: the owner, or the mail
 * when the owner has cancelled meanwhile. */
struct waiter {
    struct queue_node node;
    struct mail mail;
    struct service_state *state;
    struct snapshot *snapshot;  /* reference that keeps `state` */
    struct admission admission; /* its service is of `snapshot` */
    struct loop *loop;
    struct task *task;
    /* under the mutex: left the queue, the mail is on its way or was delivered */
    bool posted;
    struct grant grant; /* set before posting; no endpoint: refused */
    uint64_t retry_after_us;

    enum waiter_state outcome; /* the owner's view: changes when the mail is delivered */
    bool cancelled;            /* the owner is gone, the mail frees */
};

static void waiter_free(struct waiter *w)
{
    snapshot_unref(w->snapshot);
    free(w);
}

static void on_mail(struct mail *mail)
{
    struct waiter *w = CONTAINER_OF(mail, struct waiter, mail);
    if (w->cancelled) {
        waiter_free(w);
        return;
    }
    w->outcome = w->grant.endpoint ? WAITER_GRANTED : WAITER_REFUSED;
    loop_wake(w->loop, w->task);
}

/* Under the mutex, as are the next ones. */
static void leave_queue(struct waiter *w)
{
    queue_remove(&w->state->queue, &w->node);
    atomic_fetch_sub(&w->state->waiting, 1);
}

static void settle(struct waiter *w, const struct grant *grant, uint64_t retry_after_us)
{
    leave_queue(w);
    if (grant) {
        w->grant = *grant;
        w->grant.snapshot = snapshot_ref(w->state->current->snapshot);
    }
    w->retry_after_us = retry_after_us;
    w->posted = true;
    loop_post(w->loop, &w->mail);
}

/* Grants, refuses or leaves `w`: the ADMIT_ code. */
static int serve_one(struct waiter *w, uint64_t now_us)
{
    struct service_state *s = w->state;
    struct grant grant;
    uint64_t retry_after_us = 0;
    /* What there is now, and not when it began to wait. */
    struct admission now = w->admission;
    now.service = s->current;
    int err = s->current ? admit(&now, &s->rng, now_us, &grant, &retry_after_us) : ADMIT_NONE;
    if (err == ADMIT_REST) err = ADMIT_WAIT;
    if (err != ADMIT_WAIT) settle(w, err == ADMIT_OK ? &grant : NULL, retry_after_us);
    return err;
}

static struct waiter *waiter_of(struct queue_node *n)
{
    return n ? CONTAINER_OF(n, struct waiter, node) : NULL;
}

/* True for one who may have to pass over what others would take. */
static bool is_picky(const struct waiter *w)
{
    const struct service *s = w->state->current;
    bool all = s != NULL;
    for (size_t i = 0; all && i < s->endpoint_count; i++)
        all = suits(&w->admission, &s->endpoints[i]);
    return !all || w->admission.tried.count > 0;
}

static void serve_locked(struct service_state *s, uint64_t now_us, bool all)
{
    struct waiter *w = waiter_of(queue_first(&s->queue, now_us));
    while (w) {
        struct waiter *next = waiter_of(queue_next(&s->queue, &w->node, now_us));
        bool picky = is_picky(w);
        if (serve_one(w, now_us) == ADMIT_WAIT && !picky && !all) break;
        w = next;
    }
}

void service__offer(struct service_state *s, uint64_t now_us, bool all)
{
    /* Ordered after the change that made room, as the waiter's look is after its count: one of
     * the two sees the other. */
    if (atomic_load(&s->waiting) == 0) return;
    pthread_mutex_lock(&s->mutex);
    serve_locked(s, now_us, all);
    pthread_mutex_unlock(&s->mutex);
}

void service__set_current(struct service_state *s, const struct service *current, uint64_t now_us)
{
    pthread_mutex_lock(&s->mutex);
    s->current = current;
    serve_locked(s, now_us, true);
    pthread_mutex_unlock(&s->mutex);
}

int admit_wait(const struct admission *a, struct loop *loop, struct task *task, uint64_t now_us,
               struct waiter **out)
{
    const struct service *service = a->service;
    struct service_state *s = service->state;
    struct waiter *w = mem_try_zero(1, sizeof *w);
    if (!w) return -ENOMEM;
    w->node = (struct queue_node){.priority = a->priority, .deadline_us = a->deadline_us};
    w->mail.deliver = on_mail;
    w->state = s;
    w->admission = *a;
    w->loop = loop;
    w->task = task;

    pthread_mutex_lock(&s->mutex);
    int err = queue_push(&s->queue, &w->node, service->queue_max);
    if (err) {
        pthread_mutex_unlock(&s->mutex);
        free(w);
        return err;
    }
    w->snapshot = snapshot_ref(service->snapshot);
    atomic_fetch_add(&s->waiting, 1);
    /* What came free since admit_try; first to those before us, then to us, who may be less
     * picky. */
    serve_locked(s, now_us, false);
    if (!w->posted) (void)serve_one(w, now_us);
    pthread_mutex_unlock(&s->mutex);
    *out = w;
    return 0;
}

enum waiter_state waiter_state(const struct waiter *w)
{
    return w->outcome;
}

uint64_t waiter_retry_after_us(const struct waiter *w)
{
    assert(w->outcome == WAITER_REFUSED);
    return w->retry_after_us;
}

void admit_take(struct waiter *w, struct grant *out)
{
    assert(w->outcome == WAITER_GRANTED);
    *out = w->grant;
    waiter_free(w);
}

void admit_cancel(struct waiter *w, uint64_t now_us)
{
    if (!w) return;
    pthread_mutex_lock(&w->state->mutex);
    bool posted = w->posted;
    if (!posted) leave_queue(w);
    pthread_mutex_unlock(&w->state->mutex);

    /* set only when posted; our snapshot keeps the service's state alive */
    endpoint_release(&w->grant, now_us);
    w->cancelled = true;
    if (!posted || w->outcome != WAITER_WAITING) waiter_free(w);
}
