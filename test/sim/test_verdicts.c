/* SPDX-License-Identifier: Apache-2.0 */
/* Each row of route/verdict.def is provoked once with another endpoint at hand and once without:
 * what is retried, who is blamed and what the client gets must be what the row says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"
#include "mesh/endpoint.h"

/* How a row comes about: the upstream's part, after the request was sent to it. */
struct part {
    enum sim_dialled on_dial;
    bool stream;
    int dial_err;      /* of a stalled dial */
    const char *bytes; /* what it sends */
    bool reset;        /* then it breaks off */
    uint64_t wait_us;  /* then time passes */
    bool client_leaves;
    int status; /* the client's in the end, where the row leaves that to the runtime; 0: none */
};

#define HEAD(status) "HTTP/1.1 " #status " X\r\ncontent-length: 2\r\n\r\n{}"

static const struct part parts[VERDICT_COUNT] = {
    [VERDICT_OK] = {.bytes = HEAD(200), .status = 200},
    [VERDICT_REFUSED] = {.bytes = HEAD(403), .status = 403},
    [VERDICT_FAILED] = {.bytes = HEAD(500), .status = 500},
    [VERDICT_LIMITED] = {.bytes = HEAD(429), .status = 429},
    [VERDICT_UNAUTHORIZED] = {.bytes = HEAD(401)},
    [VERDICT_REDIRECTED] =
        {.bytes = "HTTP/1.1 307 X\r\nlocation: http://inside/v1\r\ncontent-length: 0\r\n\r\n"},
    [VERDICT_UNREADABLE] = {.bytes = "HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n"
                                     "content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n",
                            .stream = true},
    [VERDICT_EMPTY] = {.bytes = SSE_HEAD "0\r\n\r\n", .stream = true, .status = 200},
    [VERDICT_ERROR] = {.bytes = SSE_HEAD "39\r\n" EVENT(
                           "a") "\r\n1a\r\ndata: {\"error\":\"enough\"}\n\n\r\n0\r\n\r\n",
                       .stream = true,
                       .status = 200},
    [VERDICT_UNREACHABLE] = {.on_dial = SIM_STALL, .dial_err = -ECONNREFUSED},
    [VERDICT_CONNECT_TIMEOUT] = {.on_dial = SIM_STALL, .wait_us = 6 * SEC},
    [VERDICT_BROKEN] = {.reset = true},
    [VERDICT_CUT] = {.bytes = SSE_HEAD "39\r\n" EVENT("a") "\r\n",
                     .stream = true,
                     .reset = true,
                     .status = 200},
    [VERDICT_TIMEOUT] = {.wait_us = 61 * SEC},
    [VERDICT_STALLED] = {.bytes = SSE_HEAD "39\r\n" EVENT("a") "\r\n",
                         .stream = true,
                         .wait_us = 41 * SEC,
                         .status = 200},
    [VERDICT_LOCAL] = {.on_dial = SIM_STALL, .dial_err = -EMFILE},
    [VERDICT_CANCELLED] = {.client_leaves = true},
};

static bool provokable(enum verdict v)
{
    const struct part *p = &parts[v];
    return p->on_dial || p->bytes || p->reset || p->wait_us || p->client_leaves;
}

static struct endpoint_state *state_of(struct gateway *g, size_t place)
{
    size_t count;
    return snapshot_services(g->snapshot, &count)[0].endpoints[place].state;
}

static uint64_t counted(struct gateway *g, size_t place, enum verdict v)
{
    return metric_read(&state_of(g, place)->workers[0].stats.attempts[v]);
}

static void play(struct gateway *g, struct sim_peer *client, unsigned n, const struct part *p)
{
    struct sim_peer *up = up_of(g, n);
    g->sim->on_dial = SIM_ACCEPT;
    if (p->dial_err) sim_open(up, p->dial_err);
    if (p->bytes) sim_send_text(up, p->bytes);
    if (p->reset) sim_reset(up);
    if (p->wait_us) sim_advance(g->sim, p->wait_us);
    if (p->client_leaves) sim_fin(client);
}

static void check_blame(struct gateway *g, enum verdict v)
{
    const struct endpoint_state *s = state_of(g, 0);
    enum verdict_blame blame = verdict_row(v)->blame;
    if (s->transport.failures != (blame == BLAME_TRANSPORT) ||
        s->answers.failures != (blame == BLAME_ANSWERS || blame == BLAME_LIMIT))
        fail_msg("%s: blamed wrongly: transport %u, answers %u", verdict_row(v)->label,
                 s->transport.failures, s->answers.failures);
}

static void check_client(struct sim_peer *client, enum verdict v)
{
    const struct verdict_row *row = verdict_row(v);
    const struct part *p = &parts[v];
    if (p->client_leaves) return;
    struct str body = answer_of(client, p->status ? p->status : row->status);
    if (p->status && p->status != 200) assert_true(same(body, "{}"));
    if (row->code && !holds(body, row->code))
        fail_msg("%s: the client is not told %s: %" STR_FMT, row->label, row->code, STR_ARG(body));
    assert_false(holds(body, "inside"));
    if (row->code) assert_false(holds(body, "[DONE]"));
}

static void alone(enum verdict v)
{
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    g->sim->on_dial = parts[v].on_dial;
    gateway_ask(c, "", parts[v].stream ? ASK_STREAM : ASK_PLAIN);
    play(g, c, 0, &parts[v]);
    assert_int_equal(g->sim->dials, 1);
    if (counted(g, 0, v) != 1) fail_msg("%s: not counted", verdict_row(v)->label);
    check_blame(g, v);
    check_client(c, v);
    gateway_free(g, 1);
}

static void beside_another(enum verdict v)
{
    struct gateway *g = gateway_new(TWO);
    struct sim_peer *c = gateway_client(g);
    bool elsewhere = verdict_row(v)->retry == RETRY_ELSEWHERE;
    g->sim->on_dial = parts[v].on_dial;
    gateway_ask(c, "", parts[v].stream ? ASK_STREAM : ASK_PLAIN);
    play(g, c, 0, &parts[v]);
    if (g->sim->dials != 1u + elsewhere)
        fail_msg("%s: %s retried", verdict_row(v)->label, elsewhere ? "not" : "wrongly");
    assert_int_equal(counted(g, 0, v), 1);
    if (elsewhere) {
        serve(g, 1);
        assert_true(same(answer_of(c, 200), JSON_TEXT));
    } else {
        check_client(c, v);
    }
    gateway_free(g, 1);
}

static void each_row_is_what_happens(void **state)
{
    (void)state;
    for (enum verdict v = 0; v < VERDICT_COUNT; v++) {
        if (!provokable(v)) fail_msg("nobody provokes %s", verdict_row(v)->label);
        alone(v);
        beside_another(v);
    }
}

/* Whatever it answers, the only endpoint of a model takes the next request. */
static void an_only_endpoint_is_never_taken_away_for_answers(void **state)
{
    (void)state;
    for (enum verdict v = 0; v < VERDICT_COUNT; v++) {
        enum verdict_blame blame = verdict_row(v)->blame;
        if (blame == BLAME_TRANSPORT || !provokable(v) || parts[v].client_leaves) continue;
        struct gateway *g = gateway_new(ONE);
        for (unsigned i = 0; i < 20; i++) {
            struct sim_peer *c = gateway_client(g);
            unsigned dials = g->sim->dials;
            g->sim->on_dial = parts[v].on_dial;
            http_client_close_idle(&g->worker.lane.client);
            gateway_ask(c, "", parts[v].stream ? ASK_STREAM : ASK_PLAIN);
            play(g, c, dials, &parts[v]);
        }
        http_client_close_idle(&g->worker.lane.client);
        struct sim_peer *c = gateway_client(g);
        unsigned dials = g->sim->dials;
        gateway_ask(c, "", ASK_PLAIN);
        serve(g, dials);
        assert_true(same(answer_of(c, 200), JSON_TEXT));
        gateway_free(g, 21);
    }
}

/* A strict runtime refuses `stream_options` that only the gateway added: it is asked without,
 * and not so again. */
static void a_runtime_that_refuses_to_be_asked_for_usage_is_not_asked(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, "", ASK_STREAM);
    struct sim_peer *up = up_of(g, 0);
    assert_true(sim_has(up, "include_usage"));
    sim_forget(up);
    up_json(up, 422, "", "{\"error\":\"stream_options\"}");
    assert_int_equal(g->sim->dials, 1);
    assert_true(sim_has(up, ASK_STREAM) && !sim_has(up, "include_usage"));
    sim_send_text(up, SSE_HEAD);
    up_chunk(up, EVENT("a") DONE_EVENT);
    sim_send_text(up, LAST_CHUNK);
    assert_true(same(answer_of(c, 200), EVENT("a") DONE_EVENT));
    sim_forget(up);
    struct sim_peer *d = gateway_client(g);
    gateway_ask(d, "", ASK_STREAM);
    assert_true(sim_has(up, ASK_STREAM) && !sim_has(up, "include_usage"));
    up_json(up, 422, "", "{\"mine\":1}"); /* about something else */
    assert_true(same(answer_of(d, 422), "{\"mine\":1}"));
    assert_int_equal(metric_read(&g->worker.lane.stats.retries), 0);
    gateway_free(g, 2);
}

/* The client's own mistake: asked twice, answered once, and nothing is learnt. */
static void a_refusal_for_another_reason_reaches_the_client(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, "", ASK_STREAM);
    up_json(up_of(g, 0), 400, "", "{\"mine\":1}");
    up_json(up_of(g, 0), 400, "", "{\"mine\":2}");
    assert_true(same(answer_of(c, 400), "{\"mine\":2}"));
    assert_int_equal(endpoint_usage(state_of(g, 0)), ENDPOINT_USAGE_UNKNOWN);
    gateway_free(g, 1);
}

static void usage_may_be_asked_for_always_or_never(void **state)
{
    (void)state;
    static const char *const words[] = {"ask", "never"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        char yaml[256];
        snprintf(
            yaml, sizeof yaml,
            "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, usage: %s }]\n",
            words[i]);
        struct gateway *g = gateway_new(yaml);
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, "", ASK_STREAM);
        assert_int_equal(sim_has(up_of(g, 0), "include_usage"), i == 0);
        up_json(up_of(g, 0), 400, "", "{\"mine\":1}");
        assert_true(same(answer_of(c, 400), "{\"mine\":1}"));
        gateway_free(g, 1);
    }
}

/* A pause that the only endpoint asked for is waited for, but not where a fallback model is at
 * hand. */
static void a_pause_is_no_reason_to_wait_beside_a_fallback(void **state)
{
    (void)state;
    struct gateway *g =
        gateway_new("  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a }]\n"
                    "    fallback: [f]\n"
                    "  - name: f\n    endpoints: [{ url: 'http://10.0.0.2:80/v1', name: b }]\n");
    struct sim_peer *c = gateway_client(g), *d = gateway_client(g);
    gateway_ask(c, "", ASK_PLAIN);
    up_json(up_of(g, 0), 429, "retry-after: 30\r\n", "{}");
    serve(g, 1);
    assert_true(same(answer_of(c, 200), JSON_TEXT));
    sim_forget(up_of(g, 1));
    gateway_ask(d, "", ASK_PLAIN);
    assert_true(sim_has(up_of(g, 1), "POST"));
    serve(g, 1);
    assert_true(same(answer_of(d, 200), JSON_TEXT));
    gateway_free(g, 2);
}

/* The nearest setting counts: endpoint, model, common. */
static void times_may_be_an_endpoints_or_a_models_own(void **state)
{
    (void)state;
    static const struct {
        const char *endpoint, *model;
        unsigned stream_s, whole_s;
    } rows[] = {
        {"", "", 60, 60}, /* gateway.c's */
        {"", "    timeouts: { first_byte: 7s, whole: 9s }\n", 7, 9},
        {", timeouts: { whole: 200s }", "    timeouts: { first_byte: 7s, whole: 9s }\n", 7, 200},
        {", timeouts: { first_byte: 2s }", "", 2, 2},
        {", timeouts: { whole: 20s, total: 4s }", "", 4, 4},
        {", timeouts: { total: none, whole: 1000s }", "    timeouts: { total: 10s }\n", 60, 1000},
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        char yaml[400];
        bool stream = i % 2;
        unsigned limit = stream ? rows[i / 2].stream_s : rows[i / 2].whole_s;
        snprintf(yaml, sizeof yaml,
                 "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a%s }]\n%s",
                 rows[i / 2].endpoint, rows[i / 2].model);
        struct gateway *g = gateway_new(yaml);
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, "", stream ? ASK_STREAM : ASK_PLAIN);
        sim_advance(g->sim, limit * SEC - MSEC);
        if (sim_got(c).len) fail_msg("row %zu: early", i);
        sim_advance(g->sim, 2 * MSEC);
        answer_of(c, 504);
        gateway_free(g, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_what_happens),
        cmocka_unit_test(an_only_endpoint_is_never_taken_away_for_answers),
        cmocka_unit_test(a_runtime_that_refuses_to_be_asked_for_usage_is_not_asked),
        cmocka_unit_test(a_refusal_for_another_reason_reaches_the_client),
        cmocka_unit_test(a_pause_is_no_reason_to_wait_beside_a_fallback),
        cmocka_unit_test(usage_may_be_asked_for_always_or_never),
        cmocka_unit_test(times_may_be_an_endpoints_or_a_models_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
