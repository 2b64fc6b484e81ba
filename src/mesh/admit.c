/* SPDX-License-Identifier: Apache-2.0 */
#include "mesh/admit.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "mesh/mesh_priv.h"

/* Endpoints weighed against each other; a service with more of them is looked at in batches that
 * begin anywhere. */
enum { BATCH_MAX = 64 };

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

/* --- choosing --- */

/* Whom a look takes into account; each is a reserve for the one before it. */
enum reach {
    REACH_SOUND,  /* for retries: those without recent failures */
    REACH_LIKED,  /* those that are not shunned */
    REACH_ANYONE, /* shunned ones, too: better a bad answer than none */
    REACH_END
};

/* What a look at a service's endpoints found. */
struct survey {
    enum reach reach;
    struct route_candidate candidates[BATCH_MAX];
    size_t count; /* candidates of this batch */
    size_t first; /* place of candidates[0] in the service's endpoints */

    /* Over all batches: */
    bool soon;   /* one is full, starting, startable or on trial: waiting makes sense */
    bool rests;  /* one asked for a pause, which is over soon, too */
    bool beyond; /* a wider reach has more */
    /* The earliest time at which a cooldown or a failed start may be over; UINT64_MAX: none. */
    uint64_t better_us;
};

static const struct endpoint *endpoint_at(const struct service *s, const struct survey *v, size_t i)
{
    return &s->endpoints[(v->first + i) % s->endpoint_count];
}

/* Whether `e`, which is up and can be reached, is within the survey's reach, or rests. */
static bool within_reach(struct survey *v, const struct endpoint_state *e, uint64_t now_us)
{
    switch (v->reach) {
    case REACH_SOUND:
        if (!atomic_load(&e->troubled)) return true;
        v->beyond = true;
        return false;
    case REACH_LIKED:
        if (!endpoint_shunned(e, now_us)) return true;
        v->beyond = true;
        return false;
    default: break;
    }
    if (now_us >= atomic_load(&e->rest_until)) return true;
    v->rests = true;
    return false;
}

/* Whether `e` may take a request but for its capacity, and what to hope for if not. */
static bool look_at(struct survey *v, const struct endpoint_state *e, uint64_t now_us)
{
    uint64_t until;
    switch (endpoint_phase(e)) {
    case ENDPOINT_STARTABLE:
    case ENDPOINT_STARTING: v->soon = true; return false;
    case ENDPOINT_DOWN:
        until = atomic_load(&e->retry_at_us);
        if (until) v->better_us = MIN(v->better_us, until);
        return false;
    case ENDPOINT_UP: break;
    }
    until = atomic_load(&e->closed_until);
    if (now_us >= until) return within_reach(v, e, now_us);
    if (until == UINT64_MAX)
        v->soon = true;
    else /* it is probed all the time */
        v->better_us = MIN(v->better_us, MIN(until, now_us + ENDPOINT_RECOVERY_US));
    return false;
}

static void survey(struct survey *v, const struct service *s, const struct tried *tried,
                   uint64_t now_us)
{
    for (size_t i = 0; i < v->count; i++) {
        const struct endpoint *e = endpoint_at(s, v, i);
        struct route_candidate *c = &v->candidates[i];
        *c = (struct route_candidate){.capacity = e->capacity, .weight = e->weight};
        if (tried && tried_has(tried, e->state)) continue;
        c->inflight = atomic_load(&e->state->inflight);
        c->usable = look_at(v, e->state, now_us);
        if (c->usable && !route_eligible(c)) v->soon = true;
    }
}

/* Looks at all endpoints, batch by batch, from `first` on, until `visit` is content. */
static bool each_batch(struct survey *v, const struct service *s, const struct tried *tried,
                       size_t first, uint64_t now_us, bool (*visit)(struct survey *v, void *user),
                       void *user)
{
    v->first = first;
    for (size_t seen = 0; seen < s->endpoint_count; seen += v->count, v->first += v->count) {
        v->count = MIN(s->endpoint_count - seen, BATCH_MAX);
        survey(v, s, tried, now_us);
        if (visit(v, user)) return true;
    }
    return false;
}

/* Calls the hook for each process that could be started, once until its phase changes. */
static void want_startable(const struct service *s, const struct tried *tried)
{
    const struct mesh_hooks *hooks = &s->state->mesh->hooks;
    for (size_t i = 0; hooks->want && i < s->endpoint_count; i++) {
        struct endpoint_state *e = s->endpoints[i].state;
        if (endpoint_phase(e) != ENDPOINT_STARTABLE || (tried && tried_has(tried, e))) continue;
        if (!atomic_exchange(&e->wanted, true)) hooks->want(hooks->ctx, e);
    }
}

static bool is_retry(const struct service *s, const struct tried *tried)
{
    if (!tried || tried->count == 0) return false;
    for (size_t i = 0; i < s->endpoint_count; i++)
        if (tried_has(tried, s->endpoints[i].state)) return true;
    return false;
}

/* A retry takes no turn: with two endpoints of which one fails, that would
 * be every request's first. */
static uint64_t next_turn(const struct service *s, const struct tried *tried)
{
    if (s->policy != ROUTE_ROUND_ROBIN) return 0;
    if (is_retry(s, tried)) return atomic_load_explicit(&s->state->turn, memory_order_relaxed);
    return atomic_fetch_add_explicit(&s->state->turn, 1, memory_order_relaxed);
}

/* Who wants a credit. */
struct taker {
    const struct service *service;
    struct rng *rng;
    uint64_t turn;
    uint64_t now_us;
    struct grant *out;
};

/* Takes a credit at one endpoint of the batch; false when all are full or unusable. */
static bool take_one(struct survey *v, void *user)
{
    const struct taker *t = user;
    const struct service *s = t->service;
    bool last = v->reach == REACH_ANYONE;
    size_t place;
    while ((place = route_pick(s->policy, v->candidates, v->count, t->rng, t->turn)) !=
           ROUTE_NONE) {
        if (endpoint__take(endpoint_at(s, v, place), last, t->now_us, t->out)) return true;
        /* Another thread was faster; whoever took it will give it back. */
        v->candidates[place].usable = false;
        v->soon = true;
    }
    return false;
}

/* admit_try without regard to those who wait. */
static int admit(const struct service *s, const struct tried *tried, struct rng *rng,
                 uint64_t now_us, struct grant *out, uint64_t *retry_after_us)
{
    struct taker taker = {s, rng, next_turn(s, tried), now_us, out};
    size_t first = s->endpoint_count > BATCH_MAX ? rng_below(rng, s->endpoint_count) : 0;
    struct survey v; /* large, and filled as far as needed */
    enum reach reach = is_retry(s, tried) ? REACH_SOUND : REACH_LIKED;
    v.better_us = UINT64_MAX;
    v.soon = v.rests = false;
    v.beyond = true;
    /* Those that are liked but full are waited for; a retry takes what is there. */
    for (; reach < REACH_END && v.beyond && (!v.soon || reach == REACH_LIKED); reach++) {
        v.reach = reach;
        v.soon = v.rests = v.beyond = false;
        if (each_batch(&v, s, tried, first, now_us, take_one, &taker)) return ADMIT_OK;
    }
    if (v.soon) {
        want_startable(s, tried);
        return ADMIT_WAIT;
    }
    if (v.rests) return ADMIT_REST;
    *retry_after_us = v.better_us == UINT64_MAX ? 0 : MAX(v.better_us, now_us + 1) - now_us;
    return ADMIT_NONE;
}

int admit_try(const struct service *s, const struct tried *tried, struct rng *rng, uint64_t now_us,
              struct grant *out, uint64_t *retry_after_us)
{
    /* Nobody overtakes: while others wait, admit_wait decides. */
    if (atomic_load_explicit(&s->state->waiting, memory_order_relaxed) > 0) return ADMIT_WAIT;
    return admit(s, tried, rng, now_us, out, retry_after_us);
}

static bool is_any_eligible(struct survey *v, void *user)
{
    (void)user;
    for (size_t i = 0; i < v->count; i++)
        if (route_eligible(&v->candidates[i])) return true;
    return false;
}

bool admit_hopeful(const struct service *s, const struct tried *tried, uint64_t now_us)
{
    struct survey v;
    v.reach = REACH_ANYONE;
    v.better_us = UINT64_MAX;
    v.soon = v.rests = v.beyond = false;
    if (each_batch(&v, s, tried, 0, now_us, is_any_eligible, NULL)) return true;
    return (v.soon || v.rests) &&
           atomic_load_explicit(&s->state->waiting, memory_order_relaxed) < s->queue_max;
}

/* --- waiting --- */

/* Reachable from the queue (under the service's mutex) until it is granted or refused, then from
 * the mail to its loop, then from its owner alone. The last one frees it: the owner, or the mail
 * when the owner has cancelled meanwhile. */
struct waiter {
    struct queue_node node;
    struct mail mail;
    struct service_state *state;
    struct snapshot *snapshot; /* reference that keeps `state` */
    struct tried tried;
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
    int err = s->current ? admit(s->current, &w->tried, &s->rng, now_us, &grant, &retry_after_us)
                         : ADMIT_NONE;
    if (err == ADMIT_REST) err = ADMIT_WAIT;
    if (err != ADMIT_WAIT) settle(w, err == ADMIT_OK ? &grant : NULL, retry_after_us);
    return err;
}

static struct waiter *waiter_of(struct queue_node *n)
{
    return n ? CONTAINER_OF(n, struct waiter, node) : NULL;
}

static void serve_locked(struct service_state *s, uint64_t now_us, bool all)
{
    struct waiter *w = waiter_of(queue_first(&s->queue, now_us));
    while (w) {
        struct waiter *next = waiter_of(queue_next(&s->queue, &w->node, now_us));
        bool picky = w->tried.count > 0;
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

int admit_wait(const struct service *service, const struct tried *tried, struct loop *loop,
               struct task *task, int priority, uint64_t deadline_us, uint64_t now_us,
               struct waiter **out)
{
    struct service_state *s = service->state;
    struct waiter *w = calloc(1, sizeof *w);
    if (!w) return -ENOMEM;
    w->node = (struct queue_node){.priority = priority, .deadline_us = deadline_us};
    w->mail.deliver = on_mail;
    w->state = s;
    w->loop = loop;
    w->task = task;
    if (tried) w->tried = *tried;

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
