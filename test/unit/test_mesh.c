/* SPDX-License-Identifier: Apache-2.0 */
/* Services, endpoints and admission on one thread with a clock moved by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "conf/conf.h"
#include "mesh/catalog.h"
#include "mesh/lists.h"
#include "mesh/admit.h"
#include "mesh/service.h"

#define SEC ((uint64_t)USEC_PER_SEC)

/* A mesh on a manual loop, and the one task that all waiters wake. */
struct world {
    struct loop *loop;
    struct mesh *mesh;
    struct snapshot *snapshot;
    const struct service *demo;
    struct task task;
    unsigned wakes;
    unsigned wants;
    struct rng rng;
    uint64_t retry_after;
};

static void on_wake(struct task *task)
{
    CONTAINER_OF(task, struct world, task)->wakes++;
}

static int engine_addr(void *ctx, struct str model, struct arena *arena, struct addr *out)
{
    (void)ctx;
    *out = (struct addr){.is_unix = true,
                         .path = arena_printf(arena, "/run/%" STR_FMT ".sock", STR_ARG(model))};
    return 0;
}

static void on_want(void *ctx, struct endpoint_state *s)
{
    (void)s;
    ((struct world *)ctx)->wants++;
}

static void load(struct world *w, const char *yaml)
{
    struct conf_problems problems;
    struct conf *conf;
    conf_problems_init(&problems);
    int err = conf_parse(str_of(yaml), "test.yaml", &conf, &problems);
    for (size_t i = 0; i < problems.count; i++)
        print_message("%" STR_FMT ": %" STR_FMT "\n", STR_ARG(problems.items[i].setting),
                      STR_ARG(problems.items[i].text));
    conf_problems_fini(&problems);
    assert_int_equal(err, 0);
    assert_int_equal(mesh_load_conf(w->mesh, conf, NULL, loop_now(w->loop)), 0);
    conf_unref(conf);
    snapshot_unref(w->snapshot);
    w->snapshot = mesh_current(w->mesh);
    w->demo = snapshot_service(w->snapshot, STR("demo"));
}

static struct world *world_new(const char *yaml)
{
    struct world *w = calloc(1, sizeof *w);
    const struct mesh_hooks hooks = {.ctx = w, .engine_addr = engine_addr, .want = on_want};
    rng_seed(&w->rng, 7);
    task_init(&w->task, on_wake);
    assert_int_equal(loop_new_manual(1000 * SEC, &w->loop), 0);
    assert_int_equal(mesh_new(2, &hooks, &w->mesh), 0);
    load(w, yaml);
    return w;
}

/* Fails when a credit or a place in a queue was lost. */
static void world_free(struct world *w)
{
    size_t count;
    const struct service *all = snapshot_services(w->snapshot, &count);
    loop_run_ready(w->loop);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(service_waiting(&all[i]), 0);
        for (size_t j = 0; j < all[i].endpoint_count; j++)
            assert_int_equal(endpoint_inflight(all[i].endpoints[j].state), 0);
    }
    snapshot_unref(w->snapshot);
    mesh_free(w->mesh);
    loop_free(w->loop);
    free(w);
}

static struct admission ask(const struct world *w, const struct tried *tried)
{
    struct admission a = {.service = w->demo};
    if (tried) a.tried = *tried;
    return a;
}

static bool is_hopeful(const struct world *w, const struct tried *tried)
{
    struct admission a = ask(w, tried);
    return admit_hopeful(&a, loop_now(w->loop));
}

static int try_admit(struct world *w, const struct tried *tried, struct grant *g)
{
    struct admission a = ask(w, tried);
    return admit_try(&a, &w->rng, loop_now(w->loop), g, &w->retry_after);
}

static struct waiter *wait_admit(struct world *w, const struct tried *tried)
{
    struct waiter *waiter;
    uint64_t now = loop_now(w->loop);
    struct admission a = ask(w, tried);
    a.deadline_us = UINT64_MAX;
    assert_int_equal(admit_wait(&a, w->loop, &w->task, now, &waiter), 0);
    assert_int_equal(waiter_state(waiter), WAITER_WAITING);
    return waiter;
}

static void release(struct world *w, struct grant *g)
{
    endpoint_release(g, loop_now(w->loop));
}

static void report(struct world *w, struct grant *g, enum verdict result, uint64_t retry_after_us)
{
    endpoint_report(g, 0, result, retry_after_us, NULL, loop_now(w->loop), &w->rng);
}

/* Takes, fails and releases `n` times. */
static void fail_times(struct world *w, int n, enum verdict verdict, uint64_t retry_after_us)
{
    for (int i = 0; i < n; i++) {
        struct grant g;
        assert_int_equal(try_admit(w, NULL, &g), ADMIT_OK);
        report(w, &g, verdict, retry_after_us);
        release(w, &g);
    }
}

static const char one_endpoint[] = "models:\n"
                                   "  - name: demo\n"
                                   "    queue_max: 3\n"
                                   "    endpoints:\n"
                                   "      - { url: 'http://10.0.0.1:8000/v1', capacity: 2 }\n";

static const char two_endpoints[] = "models:\n"
                                    "  - name: demo\n"
                                    "    endpoints:\n"
                                    "      - { url: 'http://10.0.0.1:8000/v1', capacity: 1 }\n"
                                    "      - { url: 'http://10.0.0.2:8000/v1', capacity: 1 }\n"
                                    "health: { failures: 3, cooldown: 1s, cooldown_max: 10s }\n";

static const char with_engine[] = "models:\n"
                                  "  - name: demo\n"
                                  "    engine: { command: [serve, '${socket}'], capacity: 2 }\n";

/* --- names and addresses --- */

static void snapshot_knows_names_and_addresses(void **state)
{
    (void)state;
    struct world *w =
        world_new("models:\n"
                  "  - name: demo\n"
                  "    aliases: [gpt-4, 'org/x:1']\n"
                  "    fallback: [spare]\n"
                  "    policy: round_robin\n"
                  "    endpoints:\n"
                  "      - { url: 'http://10.0.0.1:8000/v1', model: other, key: secret-key }\n"
                  "      - { url: 'http://host.example' }\n"
                  "      - { url: 'http://[::1]:9000/openai/v1' }\n"
                  "      - { url: 'unix:/run/a.sock' }\n"
                  "  - name: spare\n"
                  "    engine: { command: [serve, '${socket}'] }\n");
    const struct service *demo = w->demo;
    const struct service *spare = snapshot_service(w->snapshot, STR("spare"));
    assert_ptr_equal(snapshot_service(w->snapshot, STR("gpt-4")), demo);
    assert_ptr_equal(snapshot_service(w->snapshot, STR("org/x:1")), demo);
    assert_null(snapshot_service(w->snapshot, STR("GPT-4")));
    assert_int_equal(demo->fallback_count, 1);
    assert_ptr_equal(demo->fallback[0], spare);
    assert_int_equal(demo->policy, ROUTE_ROUND_ROBIN);

    size_t count;
    const struct service_name *names = snapshot_names(w->snapshot, &count);
    assert_int_equal(count, 4);
    assert_true(str_eq(names[2].id, STR("org/x:1")) && names[2].service == demo);
    assert_true(str_eq(names[3].id, STR("spare")) && names[3].service == spare);
    assert_true(demo->created_s > 1000000000);

    static const struct {
        const char *target, *beside, *host, *key, *model, *authorization;
    } expected[] = {
        {"/v1/chat/completions", "/x", "10.0.0.1:8000", "10.0.0.1:8000", "other",
         "Bearer secret-key"},
        {"/v1/chat/completions", "/x", "host.example", "host.example:80", "demo", ""},
        {"/openai/v1/chat/completions", "/openai/x", "[::1]:9000", "::1:9000", "demo", ""},
        {"/v1/chat/completions", "/x", "localhost", "unix:/run/a.sock", "demo", ""},
    };
    struct arena arena;
    arena_init(&arena, 4096, 1024);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        const struct endpoint *e = &demo->endpoints[i];
        struct str target = endpoint_target(&arena, e, STR("/chat/completions"), false);
        assert_true(str_eq(target, str_of(expected[i].target)));
        target = endpoint_target(&arena, e, STR("/x"), true);
        assert_true(str_eq(target, str_of(expected[i].beside)));
        assert_true(str_eq(e->host, str_of(expected[i].host)));
        assert_true(str_eq(e->pool_key, str_of(expected[i].key)));
        assert_true(str_eq(e->model, str_of(expected[i].model)));
        assert_int_equal(e->field_count, expected[i].authorization[0] ? 1 : 0);
        if (e->field_count)
            assert_true(str_eq(e->fields[0].value, str_of(expected[i].authorization)));
        assert_null(e->engine);
    }
    const struct endpoint *engine = &spare->endpoints[0];
    assert_non_null(engine->engine);
    assert_true(engine->way.addr.is_unix && str_eq(engine->way.addr.path, STR("/run/spare.sock")));
    assert_int_equal(endpoint_phase(engine->state), ENDPOINT_STARTABLE);
    arena_fini(&arena);
    world_free(w);
}

/* --- credits and the queue --- */

static void full_endpoints_make_requests_wait_in_order(void **state)
{
    (void)state;
    struct world *w = world_new(one_endpoint);
    struct grant a, b, c;
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_OK);
    assert_int_equal(try_admit(w, NULL, &b), ADMIT_OK);
    assert_int_equal(try_admit(w, NULL, &c), ADMIT_WAIT);
    struct waiter *first = wait_admit(w, NULL), *second = wait_admit(w, NULL),
                  *third = wait_admit(w, NULL);
    struct waiter *fourth = NULL;
    uint64_t now = loop_now(w->loop);
    assert_int_equal(admit_wait(&(struct admission){.service = w->demo, .deadline_us = now + SEC},
                                w->loop, &w->task, now, &fourth),
                     ERR_FULL);
    assert_int_equal(service_waiting(w->demo), 3);

    release(w, &a);
    assert_null(a.endpoint);
    /* handed over, not freed */
    assert_int_equal(endpoint_inflight(w->demo->endpoints[0].state), 2);
    /* the mail is on its way */
    assert_int_equal(waiter_state(first), WAITER_WAITING);
    loop_run_ready(w->loop);
    assert_int_equal(w->wakes, 1);
    assert_int_equal(waiter_state(first), WAITER_GRANTED);
    assert_int_equal(waiter_state(second), WAITER_WAITING);
    admit_take(first, &a);
    assert_ptr_equal(a.endpoint, &w->demo->endpoints[0]);

    admit_cancel(second, now);
    release(w, &b);
    loop_run_ready(w->loop);
    assert_int_equal(waiter_state(third), WAITER_GRANTED);
    admit_take(third, &b);
    release(w, &a);
    release(w, &b);
    release(w, &b);
    world_free(w);
}

static void a_newcomer_does_not_overtake(void **state)
{
    (void)state;
    struct world *w = world_new(one_endpoint);
    struct grant a, b, c;
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_OK);
    assert_int_equal(try_admit(w, NULL, &b), ADMIT_OK);
    struct waiter *first = wait_admit(w, NULL), *second = wait_admit(w, NULL);
    release(w, &a);
    assert_int_equal(try_admit(w, NULL, &c), ADMIT_WAIT);
    release(w, &b);
    loop_run_ready(w->loop);
    admit_take(first, &a);
    admit_take(second, &b);
    release(w, &a);
    assert_int_equal(try_admit(w, NULL, &c), ADMIT_OK);
    release(w, &b);
    release(w, &c);
    world_free(w);
}

static void cancelling_never_loses_a_credit(void **state)
{
    (void)state;
    struct world *w = world_new(one_endpoint);
    struct grant a, b, c;
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_OK);
    assert_int_equal(try_admit(w, NULL, &b), ADMIT_OK);
    uint64_t now = loop_now(w->loop);

    struct waiter *posted = wait_admit(w, NULL), *next = wait_admit(w, NULL);
    release(w, &a);
    admit_cancel(posted, now); /* granted, the mail not delivered: the credit goes on */
    loop_run_ready(w->loop);
    assert_int_equal(w->wakes, 1);
    assert_int_equal(waiter_state(next), WAITER_GRANTED);
    admit_cancel(next, now); /* delivered, not taken */
    assert_int_equal(endpoint_inflight(w->demo->endpoints[0].state), 1);
    assert_int_equal(try_admit(w, NULL, &c), ADMIT_OK);
    admit_cancel(NULL, now);
    release(w, &b);
    release(w, &c);
    world_free(w);
}

static void expired_waiters_are_passed_over(void **state)
{
    (void)state;
    struct world *w = world_new(one_endpoint);
    struct grant a, b;
    struct waiter *early;
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_OK);
    assert_int_equal(try_admit(w, NULL, &b), ADMIT_OK);
    uint64_t now = loop_now(w->loop);
    assert_int_equal(admit_wait(&(struct admission){.service = w->demo, .deadline_us = now + SEC},
                                w->loop, &w->task, now, &early),
                     0);
    struct waiter *late = wait_admit(w, NULL);
    loop_advance(w->loop, 2 * SEC);
    release(w, &a);
    loop_run_ready(w->loop);
    assert_int_equal(waiter_state(early), WAITER_WAITING);
    assert_int_equal(waiter_state(late), WAITER_GRANTED);
    admit_cancel(early, loop_now(w->loop));
    admit_take(late, &a);
    release(w, &a);
    release(w, &b);
    world_free(w);
}

static void tried_endpoints_are_left_out(void **state)
{
    (void)state;
    struct world *w = world_new(two_endpoints);
    struct tried tried = {0};
    struct grant a, b, c;
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_OK);
    tried_add(&tried, a.endpoint);
    assert_int_equal(try_admit(w, &tried, &b), ADMIT_OK);
    assert_true(a.endpoint != b.endpoint);
    assert_int_equal(try_admit(w, &tried, &c), ADMIT_WAIT);

    /* A picky waiter at the head does not hold up those behind. */
    struct waiter *picky = wait_admit(w, &tried), *easy = wait_admit(w, NULL);
    struct tried both = tried;
    tried_add(&both, b.endpoint);
    assert_true(is_hopeful(w, &tried));
    assert_false(is_hopeful(w, &both));
    release(w, &a);
    loop_run_ready(w->loop);
    assert_int_equal(waiter_state(picky), WAITER_WAITING);
    assert_int_equal(waiter_state(easy), WAITER_GRANTED);
    release(w, &b);
    loop_run_ready(w->loop);
    assert_int_equal(waiter_state(picky), WAITER_GRANTED);
    admit_take(picky, &b);
    admit_take(easy, &a);
    tried_add(&tried, b.endpoint);
    release(w, &a);
    release(w, &b);
    assert_int_equal(try_admit(w, &tried, &c), ADMIT_NONE);
    assert_int_equal(w->retry_after, 0);
    for (int i = 0; i < 20; i++)
        tried_add(&tried, &w->demo->endpoints[0]);
    assert_true(tried_has(&tried, w->demo->endpoints[0].state));
    world_free(w);
}

static void retries_take_no_turn(void **state)
{
    (void)state;
    struct world *w = world_new("models:\n"
                                "  - name: demo\n"
                                "    policy: round_robin\n"
                                "    endpoints:\n"
                                "      - { url: 'http://10.0.0.1:8000/v1' }\n"
                                "      - { url: 'http://10.0.0.2:8000/v1' }\n"
                                "health: { failures: 100 }\n");
    unsigned first_choices = 0;
    for (int i = 0; i < 10; i++) {
        struct tried tried = {0};
        struct grant g;
        assert_int_equal(try_admit(w, &tried, &g), ADMIT_OK);
        bool fails = g.endpoint == &w->demo->endpoints[0];
        first_choices += fails;
        tried_add(&tried, g.endpoint);
        report(w, &g, fails ? VERDICT_FAILED : VERDICT_OK, 0);
        release(w, &g);
        if (!fails) continue;
        assert_int_equal(try_admit(w, &tried, &g), ADMIT_OK);
        assert_ptr_equal(g.endpoint, &w->demo->endpoints[1]);
        release(w, &g);
    }
    assert_int_equal(first_choices, 5);
    world_free(w);
}

static void many_endpoints_are_all_looked_at(void **state)
{
    (void)state;
    enum { ALL = 150 };
    struct buf yaml;
    buf_init(&yaml, 1 << 16);
    assert_int_equal(buf_printf(&yaml, "models:\n  - name: demo\n    endpoints:\n"), 0);
    for (int i = 0; i < ALL; i++)
        assert_int_equal(buf_printf(&yaml, "      - { url: 'http://10.0.0.%d', capacity: 1 }\n", i),
                         0);
    assert_int_equal(buf_append(&yaml, str_n("", 1)), 0);
    struct world *w = world_new(buf_str(&yaml).ptr);
    static struct grant grants[ALL];
    struct grant g;
    for (int i = 0; i < ALL; i++)
        assert_int_equal(try_admit(w, NULL, &grants[i]), ADMIT_OK);
    assert_int_equal(try_admit(w, NULL, &g), ADMIT_WAIT);
    for (int i = 0; i < ALL; i++)
        release(w, &grants[i]);
    buf_fini(&yaml);
    world_free(w);
}

/* --- health --- */

static void failures_lead_to_a_cooldown_and_one_trial(void **state)
{
    (void)state;
    struct world *w = world_new(one_endpoint);
    struct grant a, b;
    fail_times(w, 3, VERDICT_UNREACHABLE, 0);
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_NONE);
    assert_in_range(w->retry_after, 1, SEC); /* it is probed each second */
    assert_false(service_ready(w->demo, loop_now(w->loop), NULL));

    const struct tried none = {0};
    assert_false(is_hopeful(w, &none));
    loop_advance(w->loop, 10 * SEC);
    /* And the trial is not taken by asking. */
    assert_true(is_hopeful(w, &none));
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_OK);
    assert_true(a.trial);
    assert_int_equal(try_admit(w, NULL, &b), ADMIT_WAIT); /* the trial decides soon */
    /* without a verdict: the next one is the trial */
    release(w, &a);
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_OK);
    assert_true(a.trial);
    struct waiter *waiter = wait_admit(w, NULL);
    endpoint_answered(&a, loop_now(w->loop));
    loop_run_ready(w->loop);
    assert_int_equal(waiter_state(waiter), WAITER_GRANTED);
    admit_take(waiter, &b);
    assert_false(b.trial);
    report(w, &a, VERDICT_OK, 0);
    release(w, &a);
    release(w, &b);
    assert_true(service_ready(w->demo, loop_now(w->loop), NULL));
    world_free(w);
}

static void a_failed_trial_refuses_those_who_wait(void **state)
{
    (void)state;
    struct world *w = world_new(one_endpoint);
    struct grant a;
    fail_times(w, 3, VERDICT_CONNECT_TIMEOUT, 0);
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_NONE);
    loop_advance(w->loop, 10 * SEC);
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_OK);
    struct waiter *waiter = wait_admit(w, NULL);
    report(w, &a, VERDICT_UNREACHABLE, 0);
    release(w, &a);
    loop_run_ready(w->loop);
    assert_int_equal(waiter_state(waiter), WAITER_REFUSED);
    assert_true(waiter_retry_after_us(waiter) > 0);
    admit_cancel(waiter, loop_now(w->loop));
    world_free(w);
}

static void stragglers_and_client_faults_do_not_count(void **state)
{
    (void)state;
    struct world *w = world_new(one_endpoint);
    struct grant old, g;
    assert_int_equal(try_admit(w, NULL, &old), ADMIT_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(try_admit(w, NULL, &g), ADMIT_OK);
        report(w, &g, VERDICT_CANCELLED, 0);
        release(w, &g);
    }
    fail_times(w, 3, VERDICT_UNREACHABLE, 0);
    assert_int_equal(try_admit(w, NULL, &g), ADMIT_NONE);
    report(w, &old, VERDICT_OK, 0);
    release(w, &old);
    assert_int_equal(try_admit(w, NULL, &g), ADMIT_NONE);
    world_free(w);
}

static void a_cooldown_that_ends_serves_waiters(void **state)
{
    (void)state;
    struct world *w = world_new(two_endpoints);
    struct grant a, b;
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_OK);
    assert_int_equal(try_admit(w, NULL, &b), ADMIT_OK);
    report(w, &a, VERDICT_LIMITED, SEC);
    release(w, &a);
    struct waiter *waiter = wait_admit(w, NULL);
    mesh_tick(w->mesh, loop_now(w->loop));
    loop_run_ready(w->loop);
    assert_int_equal(waiter_state(waiter), WAITER_WAITING);
    loop_advance(w->loop, 2 * SEC);
    mesh_tick(w->mesh, loop_now(w->loop));
    loop_run_ready(w->loop);
    assert_int_equal(waiter_state(waiter), WAITER_GRANTED);
    admit_take(waiter, &a);
    assert_true(a.probation);
    release(w, &a);
    release(w, &b);
    world_free(w);
}

static const struct endpoint *take_and_release(struct world *w, const struct tried *tried)
{
    struct grant g;
    assert_int_equal(try_admit(w, tried, &g), ADMIT_OK);
    const struct endpoint *e = g.endpoint;
    release(w, &g);
    return e;
}

/* One client's bad requests must not take a model from everybody. */
static void the_last_endpoint_stays_whatever_it_answers(void **state)
{
    (void)state;
    static const enum verdict kinds[] = {VERDICT_FAILED,     VERDICT_UNAUTHORIZED, VERDICT_REFUSED,
                                         VERDICT_REDIRECTED, VERDICT_TIMEOUT,      VERDICT_STALLED,
                                         VERDICT_LOCAL,      VERDICT_CANCELLED};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct world *w = world_new(one_endpoint);
        fail_times(w, 50, kinds[i], 0);
        take_and_release(w, NULL);
        assert_true(service_ready(w->demo, loop_now(w->loop), NULL));
        world_free(w);
    }
}

static const char two_large[] = "models:\n"
                                "  - name: demo\n"
                                "    endpoints:\n"
                                "      - { url: 'http://10.0.0.1:8000', capacity: 2 }\n"
                                "      - { url: 'http://10.0.0.2:8000', capacity: 2 }\n";

/* Lets the endpoint at `place` end `n` attempts so. */
static void end_at(struct world *w, size_t place, unsigned n, enum verdict verdict)
{
    const struct endpoint *e = &w->demo->endpoints[place];
    struct tried others = {0};
    for (size_t i = 0; i < w->demo->endpoint_count; i++)
        if (i != place) tried_add(&others, &w->demo->endpoints[i]);
    while (n--) {
        struct grant g;
        assert_int_equal(try_admit(w, &others, &g), ADMIT_OK);
        assert_ptr_equal(g.endpoint, e);
        report(w, &g, verdict, 0);
        release(w, &g);
    }
}

static void who_answers_badly_is_shunned_while_others_are_there(void **state)
{
    (void)state;
    struct world *w = world_new(two_large);
    const struct endpoint *bad = &w->demo->endpoints[0], *good = &w->demo->endpoints[1];
    struct grant full[2], g;
    end_at(w, 0, 3, VERDICT_FAILED);
    for (int i = 0; i < 20; i++)
        assert_ptr_equal(take_and_release(w, NULL), good);
    assert_true(service_ready(w->demo, loop_now(w->loop), NULL));
    /* Full is not gone: those who come wait for it. */
    assert_int_equal(try_admit(w, NULL, &full[0]), ADMIT_OK);
    assert_int_equal(try_admit(w, NULL, &full[1]), ADMIT_OK);
    assert_int_equal(try_admit(w, NULL, &g), ADMIT_WAIT);
    release(w, &full[0]);
    release(w, &full[1]);
    /* The good one cannot be reached: better the bad one than none, and one good
     * answer is enough for it. */
    end_at(w, 1, 3, VERDICT_UNREACHABLE);
    assert_ptr_equal(take_and_release(w, NULL), bad);
    end_at(w, 0, 1, VERDICT_OK);
    assert_false(endpoint_shunned(bad->state, loop_now(w->loop)));
    world_free(w);
}

static void who_succeeds_more_often_is_not_shunned(void **state)
{
    (void)state;
    struct world *w = world_new(two_large);
    for (int i = 0; i < 20; i++) {
        end_at(w, 0, 1, VERDICT_FAILED);
        end_at(w, 0, 2, VERDICT_OK);
        assert_false(endpoint_shunned(w->demo->endpoints[0].state, loop_now(w->loop)));
    }
    world_free(w);
}

static void a_pause_that_it_asks_for_is_bounded_where_there_are_no_others(void **state)
{
    (void)state;
    struct world *w = world_new(one_endpoint);
    struct grant g;
    fail_times(w, 1, VERDICT_LIMITED, 100 * SEC);
    assert_int_equal(try_admit(w, NULL, &g), ADMIT_REST);
    struct waiter *waiter = wait_admit(w, NULL);
    mesh_tick(w->mesh, loop_now(w->loop));
    loop_run_ready(w->loop);
    assert_int_equal(waiter_state(waiter), WAITER_WAITING);
    admit_cancel(waiter, loop_now(w->loop));
    loop_advance(w->loop, 6 * SEC); /* a first cooldown */
    take_and_release(w, NULL);
    assert_true(endpoint_shunned(w->demo->endpoints[0].state, loop_now(w->loop)));
    world_free(w);
}

static void a_retry_goes_to_those_without_failures_first(void **state)
{
    (void)state;
    struct world *w = world_new("models:\n"
                                "  - name: demo\n"
                                "    endpoints:\n"
                                "      - { url: 'http://10.0.0.1:8000' }\n"
                                "      - { url: 'http://10.0.0.2:8000' }\n"
                                "      - { url: 'http://10.0.0.3:8000' }\n");
    struct tried tried = {0};
    end_at(w, 0, 1, VERDICT_UNREACHABLE);
    end_at(w, 1, 1, VERDICT_FAILED);
    tried_add(&tried, &w->demo->endpoints[0]);
    for (int i = 0; i < 20; i++)
        assert_ptr_equal(take_and_release(w, &tried), &w->demo->endpoints[2]);
    tried_add(&tried, &w->demo->endpoints[2]);
    assert_ptr_equal(take_and_release(w, &tried), &w->demo->endpoints[1]);
    world_free(w);
}

/* --- processes --- */

static void waiting_for_a_process_starts_it_once(void **state)
{
    (void)state;
    struct world *w = world_new(with_engine);
    struct endpoint_state *e = w->demo->endpoints[0].state;
    struct grant a, b, c;
    assert_true(service_ready(w->demo, 0, NULL));
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_WAIT);
    assert_int_equal(w->wants, 1);
    struct waiter *first = wait_admit(w, NULL), *second = wait_admit(w, NULL),
                  *third = wait_admit(w, NULL);
    assert_int_equal(w->wants, 1);
    endpoint_set_phase(e, ENDPOINT_STARTING, STR("starting"), 0, loop_now(w->loop));
    loop_run_ready(w->loop);
    assert_int_equal(w->wakes, 0);
    /* Who waits for a start waits for the start, and then for its turn. */
    uint64_t begun = loop_now(w->loop);
    assert_true(service_wait_until(w->demo, begun) == begun + 120 * SEC);
    loop_advance(w->loop, 100 * SEC);
    endpoint_set_phase(e, ENDPOINT_UP, STR(""), 0, loop_now(w->loop));
    assert_true(service_wait_until(w->demo, begun) == begun + 160 * SEC);
    loop_run_ready(w->loop);
    admit_take(first, &a);
    admit_take(second, &b);
    assert_int_equal(waiter_state(third), WAITER_WAITING); /* two slots */
    assert_false(endpoint_retire(e, ENDPOINT_STARTABLE, STR("idle"), loop_now(w->loop)));
    release(w, &a);
    loop_run_ready(w->loop);
    admit_take(third, &c);
    release(w, &b);
    release(w, &c);
    assert_true(endpoint_retire(e, ENDPOINT_STARTABLE, STR("idle"), loop_now(w->loop)));
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_WAIT);
    assert_int_equal(w->wants, 2);

    /* It cannot be started: those who wait are told, with the reason at hand. */
    first = wait_admit(w, NULL);
    uint64_t now = loop_now(w->loop);
    endpoint_set_phase(e, ENDPOINT_DOWN, STR("exit code 1"), now + 5 * SEC, now);
    loop_run_ready(w->loop);
    assert_int_equal(waiter_state(first), WAITER_REFUSED);
    assert_int_equal(waiter_retry_after_us(first), 5 * SEC);
    admit_cancel(first, now);
    char reason[ENDPOINT_REASON_MAX];
    endpoint_reason(e, now, reason);
    assert_string_equal(reason, "exit code 1");
    struct buf why;
    buf_init(&why, 1024);
    assert_false(service_ready(w->demo, now, &why));
    assert_true(str_eq(buf_str(&why), STR("engine: exit code 1")));
    buf_fini(&why);
    world_free(w);
}

/* --- reload --- */

static void reload_keeps_credits_health_and_waiters(void **state)
{
    (void)state;
    struct world *w = world_new(one_endpoint);
    struct snapshot *old = snapshot_ref(w->snapshot);
    struct endpoint_state *same = w->demo->endpoints[0].state;
    struct grant a, b, c;
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_OK);
    assert_int_equal(try_admit(w, NULL, &b), ADMIT_OK);
    struct waiter *first = wait_admit(w, NULL), *second = wait_admit(w, NULL);

    load(w, "models:\n"
            "  - name: demo\n"
            "    endpoints:\n"
            "      - { url: 'http://10.0.0.1:8000/v1', capacity: 3 }\n"
            "  - name: new\n"
            "    endpoints: [{ url: 'http://10.0.0.9:8000' }]\n");
    assert_ptr_equal(w->demo->endpoints[0].state, same);
    loop_run_ready(w->loop);
    assert_int_equal(waiter_state(first), WAITER_GRANTED); /* the third place */
    assert_int_equal(waiter_state(second), WAITER_WAITING);
    admit_take(first, &c);
    assert_ptr_equal(c.endpoint, &w->demo->endpoints[0]);
    assert_int_equal(endpoint_inflight(same), 3);

    load(w, "models:\n"
            "  - name: new\n"
            "    endpoints: [{ url: 'http://10.0.0.9:8000' }]\n");
    assert_null(w->demo);
    loop_run_ready(w->loop);
    assert_int_equal(waiter_state(second), WAITER_REFUSED);
    admit_cancel(second, loop_now(w->loop));
    mesh_tick(w->mesh, loop_now(w->loop));
    report(w, &a, VERDICT_OK, 0);
    release(w, &a);
    release(w, &b);
    snapshot_unref(old);
    mesh_tick(w->mesh, loop_now(w->loop));
    release(w, &c); /* holds its own snapshot */
    mesh_tick(w->mesh, loop_now(w->loop));
    world_free(w);
}

static void retry_budget_is_per_service(void **state)
{
    (void)state;
    struct world *w = world_new("models:\n"
                                "  - name: demo\n"
                                "    endpoints: [{ url: 'http://10.0.0.1:8000' }]\n"
                                "retry: { budget_percent: 20, budget_min: 4 }\n");
    uint64_t now = loop_now(w->loop);
    for (int i = 0; i < 50; i++)
        service_count_request(w->demo, 1, now);
    int granted = 0;
    for (int i = 0; i < 50; i++)
        granted += service_may_retry(w->demo, 1, now);
    assert_int_equal(granted, 14); /* 20 % of 50, and 4: all of it, whichever worker asks */
    assert_false(service_may_retry(w->demo, 0, now));
    world_free(w);
}

static void metrics_sum_the_workers(void **state)
{
    (void)state;
    struct world *w = world_new(one_endpoint);
    struct grant a, b;
    assert_int_equal(try_admit(w, NULL, &a), ADMIT_OK);
    assert_int_equal(try_admit(w, NULL, &b), ADMIT_OK);
    struct waiter *waiter = wait_admit(w, NULL);
    endpoint_report(&a, 0, VERDICT_OK, 0, NULL, loop_now(w->loop), &w->rng);
    endpoint_report(&b, 1, VERDICT_OK, 0, NULL, loop_now(w->loop), &w->rng);
    for (unsigned worker = 0; worker < 2; worker++) {
        struct service_stats *stats = service_stats(w->demo, worker);
        metric_add(&stats->answers.codes[service_code(200)], 3);
        metric_add(&stats->answers.codes[service_code(418)], 1);
        metric_add(&stats->tokens_prompt, 10);
        histogram_observe_span_us(&stats->seconds, 20000);
    }
    static const char *const rows[] = {
        "hostler_requests_total{model=\"demo\",code=\"200\"} 6\n",
        "hostler_requests_total{model=\"demo\",code=\"other\"} 2\n",
        "hostler_queue_length{model=\"demo\"} 1\n",
        "hostler_queue_refused_total{model=\"demo\",reason=\"full\"} 0\n",
        "hostler_prompt_tokens_total{model=\"demo\"} 20\n",
        "hostler_upstream_attempts_total{model=\"demo\",endpoint=\"10.0.0.1:8000\",result=\"ok\"} 2\n",
        "hostler_endpoint_inflight{model=\"demo\",endpoint=\"10.0.0.1:8000\"} 2\n",
        "hostler_endpoint_up{model=\"demo\",endpoint=\"10.0.0.1:8000\"} 1\n",
        "hostler_request_duration_seconds_count{model=\"demo\"} 2\n",
    };
    struct buf out;
    struct metrics_writer writer;
    buf_init(&out, 1 << 20);
    metrics_write_init(&writer, &out);
    snapshot_write_metrics(w->snapshot, NULL, &writer, loop_now(w->loop));
    assert_int_equal(writer.err, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_find(buf_str(&out), str_of(rows[i])) < 0) fail_msg("no row %s", rows[i]);
    }
    buf_fini(&out);
    admit_cancel(waiter, loop_now(w->loop));
    release(w, &a);
    release(w, &b);
    world_free(w);
}

/* --- catalogs --- */

static void count_release(void *owner)
{
    ++*(int *)owner;
}

/* Names may come from several who know of them; what each of them lent is given back with the
 * last snapshot. */
static void a_catalog_takes_services_from_several_sources(void **state)
{
    (void)state;
    static const struct catalog_endpoint there = {
        .name = STR_INIT("there"), .url = STR_INIT("http://10.0.0.9:80/v1"), .weight = 1};
    static const struct str fallback[] = {STR_INIT("listed"), STR_INIT("unknown")};
    struct catalog_service configured = {.name = STR("configured"),
                                         .endpoints = &there,
                                         .endpoint_count = 1,
                                         .fallback = fallback,
                                         .fallback_count = 2};
    struct catalog_service listed = {
        .name = STR("listed"), .endpoints = &there, .endpoint_count = 1};
    struct settings settings = {.breaker.failures = 1, .attempts_max = 3};
    struct mesh *mesh;
    int released = 0;
    struct catalog *c = catalog_new();
    catalog_set_settings(c, &settings);
    catalog_hold(c, &released, count_release);
    catalog_add(c, &configured, 1);
    catalog_hold(c, &released, count_release);
    catalog_add(c, &listed, 1);
    assert_int_equal(mesh_new(1, NULL, &mesh), 0);
    assert_int_equal(mesh_load(mesh, c, 1), 0);
    catalog_unref(c);
    struct snapshot *s = mesh_current(mesh);
    const struct service *found = snapshot_service(s, STR("configured"));
    assert_int_equal(found->fallback_count, 1);
    assert_ptr_equal(found->fallback[0], snapshot_service(s, STR("listed")));
    assert_int_equal(snapshot_settings(s)->attempts_max, 3);
    snapshot_unref(s);
    assert_int_equal(released, 0);
    mesh_free(mesh);
    assert_int_equal(released, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot_knows_names_and_addresses),
        cmocka_unit_test(full_endpoints_make_requests_wait_in_order),
        cmocka_unit_test(a_newcomer_does_not_overtake),
        cmocka_unit_test(cancelling_never_loses_a_credit),
        cmocka_unit_test(expired_waiters_are_passed_over),
        cmocka_unit_test(tried_endpoints_are_left_out),
        cmocka_unit_test(a_catalog_takes_services_from_several_sources),
        cmocka_unit_test(retries_take_no_turn),
        cmocka_unit_test(many_endpoints_are_all_looked_at),
        cmocka_unit_test(failures_lead_to_a_cooldown_and_one_trial),
        cmocka_unit_test(a_failed_trial_refuses_those_who_wait),
        cmocka_unit_test(stragglers_and_client_faults_do_not_count),
        cmocka_unit_test(a_cooldown_that_ends_serves_waiters),
        cmocka_unit_test(the_last_endpoint_stays_whatever_it_answers),
        cmocka_unit_test(who_answers_badly_is_shunned_while_others_are_there),
        cmocka_unit_test(who_succeeds_more_often_is_not_shunned),
        cmocka_unit_test(a_pause_that_it_asks_for_is_bounded_where_there_are_no_others),
        cmocka_unit_test(a_retry_goes_to_those_without_failures_first),
        cmocka_unit_test(waiting_for_a_process_starts_it_once),
        cmocka_unit_test(reload_keeps_credits_health_and_waiters),
        cmocka_unit_test(retry_budget_is_per_service),
        cmocka_unit_test(metrics_sum_the_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
