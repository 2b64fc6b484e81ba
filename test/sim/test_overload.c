/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that come while there is too much to do, of each kind of too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "dialect/dialect.h"
#include "gate/shed.h"
#include "gateway.h"
#include "loop/lag.h"

#define KEY "authorization: Bearer sk-0123456789\r\n"

static struct lag *lag_of(struct gateway *g)
{
    return loop_lag(g->sim->loop);
}

/* As after turns that were too long, with so many requests that may be begun in this one. */
static void fall_behind(struct gateway *g, uint64_t credit)
{
    lag_set_target(lag_of(g), 20 * MSEC);
    lag_of(g)->behind = true;
    lag_of(g)->credit = lag_of(g)->begin = credit;
    lag_of(g)->refuse = 100;
}

static uint64_t shed(struct gateway *g, enum shed_cause cause)
{
    return metric_read(&g->worker.lane.stats.shed[cause]);
}

static void get(struct sim_peer *c, const char *path)
{
    char text[200];
    (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n", path);
    sim_send_text(c, text);
}

static struct str header_of(struct sim_peer *c, const char *name)
{
    static char room[100];
    struct sim_answer a;
    sim_answer(sim_got(c), false, c->closed, &a);
    struct str value = sim_answer_header(&a, name);
    (void)snprintf(room, sizeof room, "%" STR_FMT, STR_ARG(value));
    sim_answer_fini(&a);
    return str_of(room);
}

static void a_thread_that_is_behind_refuses_at_once(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    fall_behind(g, 0);
    gateway_ask(c, "", ASK_PLAIN);
    assert_true(same(header_of(c, "retry-after"), "1"));
    assert_true(same(header_of(c, "x-should-retry"), "false"));
    assert_true(holds(answer_of(c, 503), "\"code\":\"overloaded\""));
    assert_int_equal(shed(g, SHED_LAG), 1);
    assert_string_equal(gateway_outcomes(g), "overloaded");
    assert_false(c->closed); /* its body had come: the connection is as good as before */
    sim_forget(c);
    lag_of(g)->behind = false;
    gateway_ask(c, "", ASK_PLAIN);
    serve(g, 0);
    answer_of(c, 200);
    sim_fin(c);
    gateway_free(g, 2);
}

static void a_body_that_has_not_come_ends_the_connection(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    fall_behind(g, 0);
    sim_send_text(c, "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
                     "content-length: 1000\r\n\r\n{\"model\"");
    assert_true(same(header_of(c, "connection"), "close"));
    assert_true(holds(answer_of(c, 503), "overloaded"));
    sim_fin(c);
    assert_true(c->closed);
    gateway_free(g, 1);
}

static void pipelined_requests_are_refused_one_by_one(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    fall_behind(g, 0);
    sim_send_text(
        c, "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n"
           "\r\n2\r\n{}\r\n0\r\n\r\n"
           "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_true(sim_has(c, "HTTP/1.1 503"));
    assert_true(sim_has(c, "HTTP/1.1 200"));
    sim_fin(c);
    gateway_free(g, 2);
}

static void probes_and_metrics_are_always_answered(void **state)
{
    (void)state;
    static const char *const paths[] = {"/livez", "/readyz", "/healthz", "/metrics"};
    struct gateway *g = gateway_new(ONE);
    fall_behind(g, 0);
    metric_store(&g->home.memory_short, 1);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct sim_peer *c = gateway_client(g);
        get(c, paths[i]);
        answer_of(c, 200);
        sim_fin(c);
    }
    struct sim_peer *c = gateway_client(g);
    get(c, "/v1/models");
    answer_of(c, 503);
    sim_fin(c);
    gateway_free(g, ARRAY_LEN(paths) + 1);
}

static void requests_with_a_key_come_first(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    fall_behind(g, 2);
    struct sim_peer *c[4];
    const char *headers[] = {"", "", KEY, KEY};
    static const int wanted[] = {200, 503, 200, 503};
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        c[i] = gateway_client(g);
        gateway_ask(c[i], headers[i], ASK_PLAIN);
        if (wanted[i] == 200) serve(g, 0);
        answer_of(c[i], wanted[i]);
        sim_fin(c[i]);
    }
    gateway_free(g, 4);
}

static void what_is_in_progress_goes_on(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_stream(g);
    fall_behind(g, 0);
    metric_store(&g->home.memory_short, 1);
    up_chunk(up_of(g, 0), EVENT("more") END_EVENT DONE_EVENT);
    sim_send_text(up_of(g, 0), LAST_CHUNK);
    assert_true(sim_has(c, "[DONE]"));
    sim_fin(c);
    gateway_free(g, 1);
}

static void short_memory_refuses(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    metric_store(&g->home.memory_short, 1);
    gateway_ask(c, KEY, ASK_PLAIN);
    answer_of(c, 503);
    assert_int_equal(shed(g, SHED_MEMORY), 1);
    sim_fin(c);
    gateway_free(g, 1);
}

static uint64_t count_active(void *owner)
{
    struct gateway *g = owner;
    return metric_read(&g->worker.lane.stats.active);
}

static void too_many_requests_in_progress_are_refused(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    ((struct settings *)(uintptr_t)snapshot_settings(g->worker.lane.snapshot))->requests_max = 1;
    g->home.count_active = count_active;
    struct sim_peer *first = gateway_client(g), *second = gateway_client(g);
    gateway_ask(first, "", ASK_PLAIN);
    gateway_ask(second, "", ASK_PLAIN);
    answer_of(second, 503);
    assert_int_equal(shed(g, SHED_REQUESTS), 1);
    sim_forget(second);
    serve(g, 0);
    answer_of(first, 200);
    gateway_ask(second, "", ASK_PLAIN);
    serve(g, 0);
    answer_of(second, 200);
    sim_fin(first);
    sim_fin(second);
    gateway_free(g, 3);
}

/* A connection above the limit hears why, and a probe is answered; then it is closed. */
static void connections_over_the_limit_are_told(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    g->worker.server.limits.connections_max = 1;
    struct sim_peer *first = gateway_client(g), *second = gateway_client(g),
                    *third = gateway_client(g);
    gateway_ask(second, "", ASK_PLAIN);
    assert_true(same(header_of(second, "connection"), "close"));
    assert_true(same(header_of(second, "retry-after"), "1"));
    answer_of(second, 503);
    get(third, "/livez");
    assert_true(same(header_of(third, "connection"), "close"));
    answer_of(third, 200);
    assert_int_equal(shed(g, SHED_CONNECTIONS), 1);
    gateway_ask(first, "", ASK_PLAIN);
    serve(g, 0);
    answer_of(first, 200);
    sim_fin(second);
    sim_fin(third);
    assert_true(second->closed && third->closed);
    sim_fin(first);
    gateway_free(g, 3);
}

/* Who says nothing does not keep the places of those who would be told. */
static void spare_connections_end_soon(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    g->worker.server.limits.connections_max = 1;
    struct sim_peer *first = gateway_client(g), *spare[HTTP_SERVER_SPARE];
    for (size_t i = 0; i < ARRAY_LEN(spare); i++)
        spare[i] = gateway_client(g);
    struct sim_peer *over = gateway_client(g);
    assert_true(over->closed);
    assert_int_equal(metric_read(&g->worker.server.stats.refused), 1);
    sim_advance(g->sim, 3 * SEC);
    for (size_t i = 0; i < ARRAY_LEN(spare); i++)
        assert_true(spare[i]->closed);
    assert_false(first->closed);
    sim_fin(first);
    gateway_free(g, 0);
}

/* The fixed words are those that the dialects would write. */
static void refusals_are_in_the_client_s_dialect(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const struct dialect *dialect;
    } cases[] = {
        {"/v1/chat/completions", &dialect_openai},
        {"/v1/responses", &dialect_responses},
        {"/v1/messages", &dialect_anthropic},
        {"/anthropic/v1/messages", &dialect_anthropic},
        {"/api/chat", &dialect_ollama},
        {"/v1/embeddings", &dialect_openai},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf text;
        buf_init(&text, 4096);
        cases[i].dialect->write_error(
            &text, &(struct refusal){.status = 503,
                                     .message = STR("The gateway is overloaded. Retry later."),
                                     .code = "overloaded"});
        struct str fixed = shed_text(str_of(cases[i].path));
        if (!str_eq(buf_str(&text), fixed))
            fail_msg("%s: %" STR_FMT " is not %" STR_FMT, cases[i].path, STR_ARG(fixed),
                     STR_ARG(buf_str(&text)));
        buf_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_is_behind_refuses_at_once),
        cmocka_unit_test(a_body_that_has_not_come_ends_the_connection),
        cmocka_unit_test(pipelined_requests_are_refused_one_by_one),
        cmocka_unit_test(probes_and_metrics_are_always_answered),
        cmocka_unit_test(requests_with_a_key_come_first),
        cmocka_unit_test(what_is_in_progress_goes_on),
        cmocka_unit_test(short_memory_refuses),
        cmocka_unit_test(too_many_requests_in_progress_are_refused),
        cmocka_unit_test(connections_over_the_limit_are_told),
        cmocka_unit_test(spare_connections_end_soon),
        cmocka_unit_test(refusals_are_in_the_client_s_dialect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
