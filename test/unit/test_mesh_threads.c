/* SPDX-License-Identifier: Apache-2.0 */
/* Admission from several threads at once: no credit beyond the capacity, none lost, nobody
 * forgotten in a queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "dialect/dialect.h"
#include "dialect/runtime.h"
#include "mesh/lists.h"
#include "mesh/admit.h"
#include "mesh/service.h"

#define SEC ((uint64_t)USEC_PER_SEC)

enum { THREADS = 4, EXCHANGES = 16, CAPACITY_MAX = 4, STUCK_AFTER_S = 100 };

enum step { IDLE, WAITING, HOLDING };

struct stage;

struct exchange {
    struct actor *actor;
    enum step step;
    struct task task;
    struct snapshot *snapshot;
    const struct service *service;
    struct waiter *waiter;
    struct grant grant;
    unsigned patience; /* steps until it goes on; UINT32_MAX: waits for ever */
};

/* One thread with its loop and its exchanges. */
struct actor {
    struct stage *stage;
    unsigned worker;
    pthread_t thread;
    struct loop *loop;
    struct rng rng;
    unsigned left; /* exchanges to begin */
    unsigned served, refused, cancelled;
    struct exchange exchanges[EXCHANGES];
};

struct stage {
    struct mesh *mesh;
    bool chaos;        /* random results and cancels */
    uint32_t surfaces; /* what exchanges ask for; 0: anything */
    pthread_mutex_t mutex;
    struct snapshot *snapshot; /* under mutex */
    _Atomic int holding[2];    /* per endpoint, by its place in the name */
    _Atomic unsigned over;     /* times that more were held than any capacity allows */
    _Atomic unsigned astray;   /* credits of endpoints that do not answer what is asked */
    _Atomic unsigned running;
    struct actor actors[THREADS];
};

static struct snapshot *borrow_snapshot(struct stage *s)
{
    pthread_mutex_lock(&s->mutex);
    struct snapshot *snapshot = snapshot_ref(s->snapshot);
    pthread_mutex_unlock(&s->mutex);
    return snapshot;
}

static void load(struct stage *s, const char *yaml)
{
    struct conf_problems problems;
    struct conf *conf;
    conf_problems_init(&problems);
    assert_int_equal(conf_parse(str_of(yaml), "test.yaml", &conf, &problems), 0);
    conf_problems_fini(&problems);
    assert_int_equal(mesh_load_conf(s->mesh, conf, NULL, clock_mono_us()), 0);
    conf_unref(conf);
    pthread_mutex_lock(&s->mutex);
    struct snapshot *old = s->snapshot;
    s->snapshot = mesh_current(s->mesh);
    pthread_mutex_unlock(&s->mutex);
    snapshot_unref(old);
}

static _Atomic int *holding_of(struct exchange *x)
{
    bool second = str_eq(x->grant.endpoint->name, STR("b"));
    return &x->actor->stage->holding[second];
}

static void hold(struct exchange *x)
{
    struct actor *a = x->actor;
    if (atomic_fetch_add(holding_of(x), 1) >= CAPACITY_MAX) atomic_fetch_add(&a->stage->over, 1);
    if (a->stage->surfaces && !(x->grant.surfaces & a->stage->surfaces))
        atomic_fetch_add(&a->stage->astray, 1);
    x->step = HOLDING;
    x->patience = (unsigned)rng_below(&a->rng, 4);
}

static void finish(struct exchange *x)
{
    snapshot_unref(x->snapshot);
    x->snapshot = NULL;
    x->step = IDLE;
}

static void refuse(struct exchange *x)
{
    x->actor->refused++;
    finish(x);
    x->patience = 100;
}

static void begin_waiting(struct exchange *x)
{
    struct actor *a = x->actor;
    uint64_t now = clock_mono_us();
    const struct admission admission = {
        .service = x->service, .surfaces = a->stage->surfaces, .deadline_us = now + 1000 * SEC};
    int err = admit_wait(&admission, a->loop, &x->task, now, &x->waiter);
    if (err) {
        assert_int_equal(err, ERR_FULL);
        refuse(x);
        return;
    }
    x->step = WAITING;
    x->patience = a->stage->chaos && rng_below(&a->rng, 3) == 0 ? (unsigned)rng_below(&a->rng, 20)
                                                                : UINT32_MAX;
}

static void begin(struct exchange *x)
{
    struct actor *a = x->actor;
    uint64_t retry_after;
    a->left--;
    x->snapshot = borrow_snapshot(a->stage);
    x->service = snapshot_service(x->snapshot, STR("demo"));
    const struct admission admission = {.service = x->service, .surfaces = a->stage->surfaces};
    switch (admit_try(&admission, &a->rng, clock_mono_us(), &x->grant, &retry_after)) {
    case ADMIT_OK: hold(x); break;
    case ADMIT_WAIT: begin_waiting(x); break;
    default: refuse(x);
    }
}

static enum verdict some_result(struct actor *a)
{
    if (!a->stage->chaos || rng_below(&a->rng, 4) > 0) return VERDICT_OK;
    return (enum verdict)rng_below(&a->rng, VERDICT_COUNT);
}

static void let_go(struct exchange *x)
{
    struct actor *a = x->actor;
    uint64_t now = clock_mono_us();
    atomic_fetch_sub(holding_of(x), 1);
    if (rng_below(&a->rng, 2)) endpoint_answered(&x->grant, now);
    endpoint_report(&x->grant, a->worker, some_result(a), 0, NULL, now, &a->rng);
    endpoint_release(&x->grant, now);
    a->served++;
    finish(x);
}

static void give_up(struct exchange *x)
{
    admit_cancel(x->waiter, clock_mono_us());
    task_cancel(&x->task);
    x->actor->cancelled++;
    finish(x);
}

/* The waiter's outcome is known. */
static void on_wake(struct task *task)
{
    struct exchange *x = CONTAINER_OF(task, struct exchange, task);
    assert_int_equal(x->step, WAITING);
    if (waiter_state(x->waiter) == WAITER_REFUSED) {
        admit_cancel(x->waiter, clock_mono_us());
        refuse(x);
        return;
    }
    admit_take(x->waiter, &x->grant);
    hold(x);
}

static void advance(struct exchange *x)
{
    if (x->patience > 0 && x->patience != UINT32_MAX) {
        x->patience--;
    } else if (x->step == IDLE) {
        if (x->actor->left > 0) begin(x);
    } else if (x->patience > 0) {
        return;
    } else if (x->step == HOLDING) {
        let_go(x);
    } else {
        give_up(x);
    }
}

static void *act(void *arg)
{
    struct actor *a = arg;
    bool busy = true;
    while (busy || a->left > 0) {
        busy = false;
        loop_run_ready(a->loop);
        for (size_t i = 0; i < EXCHANGES; i++) {
            advance(&a->exchanges[i]);
            busy |= a->exchanges[i].step != IDLE;
        }
        sched_yield();
    }
    loop_run_ready(a->loop); /* mail of cancelled waiters */
    atomic_fetch_sub(&a->stage->running, 1);
    return NULL;
}

static struct stage *stage_new(bool chaos, uint32_t surfaces, unsigned exchanges, const char *yaml)
{
    struct stage *s = calloc(1, sizeof *s);
    s->chaos = chaos;
    s->surfaces = surfaces;
    pthread_mutex_init(&s->mutex, NULL);
    assert_int_equal(mesh_new(THREADS, NULL, &s->mesh), 0);
    load(s, yaml);
    atomic_store(&s->running, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        struct actor *a = &s->actors[i];
        a->stage = s;
        a->worker = i;
        a->left = exchanges;
        rng_seed(&a->rng, i + 1);
        assert_int_equal(loop_new_manual(0, &a->loop), 0);
        for (size_t j = 0; j < EXCHANGES; j++) {
            a->exchanges[j].actor = a;
            task_init(&a->exchanges[j].task, on_wake);
        }
    }
    alarm(STUCK_AFTER_S); /* somebody was forgotten in a queue */
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&s->actors[i].thread, NULL, act, &s->actors[i]);
    return s;
}

/* Waits for the threads and checks what is left; `expected` exchanges have ended. */
static void stage_free(struct stage *s, unsigned expected)
{
    unsigned served = 0, refused = 0, cancelled = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(s->actors[i].thread, NULL);
        served += s->actors[i].served;
        refused += s->actors[i].refused;
        cancelled += s->actors[i].cancelled;
    }
    alarm(0);
    print_message("served %u, refused %u, cancelled %u\n", served, refused, cancelled);
    assert_int_equal(served + refused + cancelled, expected);
    assert_int_equal(atomic_load(&s->over), 0);
    assert_int_equal(atomic_load(&s->astray), 0);
    if (!s->chaos) assert_int_equal(served, expected);

    const struct service *demo = snapshot_service(s->snapshot, STR("demo"));
    assert_int_equal(service_waiting(demo), 0);
    for (size_t i = 0; i < demo->endpoint_count; i++)
        assert_int_equal(endpoint_inflight(demo->endpoints[i].state), 0);
    for (unsigned i = 0; i < THREADS; i++)
        loop_free(s->actors[i].loop);
    snapshot_unref(s->snapshot);
    mesh_free(s->mesh); /* asserts that no state is referenced any more */
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

static const char two_places[] = "models:\n"
                                 "  - name: demo\n"
                                 "    queue_max: 1000\n"
                                 "    endpoints:\n"
                                 "      - { name: a, url: 'http://10.0.0.1:8000', capacity: 1 }\n"
                                 "      - { name: b, url: 'http://10.0.0.2:8000', capacity: 2 }\n";

static const char more_places[] = "models:\n"
                                  "  - name: demo\n"
                                  "    queue_max: 40\n"
                                  "    policy: round_robin\n"
                                  "    endpoints:\n"
                                  "      - { name: a, url: 'http://10.0.0.1:8000', capacity: 4 }\n"
                                  "      - { name: b, url: 'http://10.0.0.2:8000', capacity: 3 }\n"
                                  "health: { failures: 2, cooldown: 10ms, cooldown_max: 20ms }\n";

static const char one_endpoint[] = "models:\n"
                                   "  - name: demo\n"
                                   "    queue_max: 50\n"
                                   "    endpoints:\n"
                                   "      - { name: b, url: 'http://10.0.0.2:8000', capacity: 2 }\n"
                                   "health: { failures: 2, cooldown: 10ms, cooldown_max: 20ms }\n";

/* Nothing but releases wakes the waiters: one lost wake-up and it never ends. */
static void nobody_is_forgotten(void **state)
{
    (void)state;
    unsigned each = 5000;
    struct stage *s = stage_new(false, 0, each, two_places);
    stage_free(s, THREADS * each);
}

static const char found_kind[] =
    "models:\n"
    "  - name: demo\n"
    "    queue_max: 1000\n"
    "    endpoints:\n"
    "      - { name: a, url: 'http://10.0.0.1:8000', capacity: 2, kind: auto }\n"
    "      - { name: b, url: 'http://10.0.0.2:8000', capacity: 1, dialects: [embeddings] }\n";

/* An endpoint turns out to be another kind again and again, one that answers what is asked and one
 * that does not. */
static void nobody_goes_astray_while_kinds_are_found(void **state)
{
    (void)state;
    unsigned each = 5000;
    static const struct str kinds[] = {STR_INIT("vllm"), STR_INIT("tgi")};
    struct stage *s = stage_new(false, SURFACE_BIT(SURFACE_EMBEDDINGS), each, found_kind);
    const struct endpoint *a = snapshot_service(s->snapshot, STR("demo"))->endpoints;
    for (unsigned round = 0; atomic_load(&s->running) > 0; round++) {
        endpoint_learn_kind(a, runtime_kind(kinds[round % 2]), STR(""), clock_mono_us());
        usleep(200);
    }
    stage_free(s, THREADS * each);
}

static void set_phase(struct stage *s, enum endpoint_phase phase)
{
    const struct service *demo = snapshot_service(s->snapshot, STR("demo"));
    endpoint_set_phase(demo->endpoints[0].state, phase, STR("chaos"), 0, clock_mono_us());
}

/* Failures, cooldowns, cancels, phases and reloads meanwhile. */
static void credits_survive_chaos(void **state)
{
    (void)state;
    unsigned each = 5000;
    const char *const texts[] = {two_places, more_places, one_endpoint};
    struct stage *s = stage_new(true, 0, each, more_places);
    for (unsigned round = 0; atomic_load(&s->running) > 0; round++) {
        if (round % 5 == 0) load(s, texts[round / 5 % 3]);
        if (round % 5 == 1) set_phase(s, ENDPOINT_STARTING);
        if (round % 5 == 3) set_phase(s, ENDPOINT_UP);
        const struct service *demo = snapshot_service(s->snapshot, STR("demo"));
        if (endpoint_retire(demo->endpoints[0].state, ENDPOINT_STARTING, STR("idle"),
                            clock_mono_us()))
            set_phase(s, ENDPOINT_UP);
        mesh_tick(s->mesh, clock_mono_us());
        usleep(500);
    }
    stage_free(s, THREADS * each);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_forgotten),
        cmocka_unit_test(nobody_goes_astray_while_kinds_are_found),
        cmocka_unit_test(credits_survive_chaos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
