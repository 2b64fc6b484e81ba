/* SPDX-License-Identifier: Apache-2.0 */
/* Exchanges among each other and over time: retries, queueing, pools, deadlines, reloads, slow
 * readers, drain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/lists.h"
#include "gateway.h"

/* --- retries --- */

static void a_failure_before_the_answer_goes_elsewhere(void **state)
{
    (void)state;
    static const char *const ways[] = {"refused", "reset", "fin", "garbage",       "500",
                                       "503",     "429",   "408", "head and break"};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct gateway *g = gateway_new(TWO);
        struct sim_peer *c = gateway_client(g);
        if (i == 0) g->sim->on_dial = SIM_STALL;
        gateway_ask(c, "", ASK_PLAIN);
        struct sim_peer *up = up_of(g, 0);
        g->sim->on_dial = SIM_ACCEPT;
        if (i == 0) sim_open(up, -ECONNREFUSED);
        if (i == 1) sim_reset(up);
        if (i == 2) sim_fin(up);
        if (i == 3) sim_send_text(up, "\x01");
        if (i == 4) up_json(up, 500, "", "{}");
        if (i == 5) up_json(up, 503, "retry-after: 3\r\n", "{}");
        if (i == 6) up_json(up, 429, "", "{}");
        if (i == 7) up_json(up, 408, "", "{}");
        if (i == 8) sim_send_text(up, "HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\nzz");
        if (g->sim->dials != 2)
            fail_msg("%s: not tried elsewhere: %" STR_FMT, ways[i], STR_ARG(sim_got(c)));
        assert_true(strcmp(up_of(g, 0)->address, up_of(g, 1)->address) != 0);
        assert_int_equal(gateway_inflight(g), 1);
        if (i < 4 || i > 7) assert_true(up->closed);
        serve(g, 1);
        assert_true(same(answer_of(c, 200), JSON_TEXT));
        assert_string_equal(gateway_outcomes(g), "ok");
        assert_int_equal(metric_read(&g->worker.lane.stats.retries), 1);
        gateway_free(g, 1);
    }
}

/* An answer whose very first bytes already break: the client has got nothing of it yet. */
static void an_answer_that_breaks_as_it_begins_goes_elsewhere(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct gateway *g = gateway_new(TWO);
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, "", ASK_PLAIN);
        sim_send_text(up_of(g, 0),
                      stream
                          ? SSE_HEAD "zz"
                          : "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\nzz");
        assert_int_equal(g->sim->dials, 2);
        serve(g, 1);
        assert_true(same(answer_of(c, 200), JSON_TEXT));
        gateway_free(g, 1);
    }
}

/* 200 at once, and then nothing of an answer: the client has seen nothing yet. */
static void a_stream_that_comes_to_nothing_goes_elsewhere(void **state)
{
    (void)state;
    static const char *const nothings[] = {
        "", ": ping\n\n", "data: {\"error\":{\"message\":\"engine is dead\"}}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"};
    for (size_t i = 0; i < 3 * ARRAY_LEN(nothings); i++) {
        const char *nothing = nothings[i / 3];
        struct gateway *g = gateway_new(TWO);
        struct sim_peer *c = gateway_stream(g);
        if (nothing[0]) up_chunk(up_of(g, 0), nothing);
        sim_advance(g->sim, SEC);
        assert_int_equal(sim_got(c).len, 0);
        if (g->sim->dials == 1) { /* an error does not need its end */
            if (i % 3 == 0) sim_send_text(up_of(g, 0), LAST_CHUNK);
            if (i % 3 == 1) sim_fin(up_of(g, 0));
            if (i % 3 == 2) sim_reset(up_of(g, 0));
        }
        if (g->sim->dials != 2) fail_msg("%s: not tried elsewhere", nothing);
        sim_send_text(up_of(g, 1), SSE_HEAD);
        up_chunk(up_of(g, 1), EVENT("fine") DONE_EVENT);
        sim_send_text(up_of(g, 1), LAST_CHUNK);
        assert_true(same(answer_of(c, 200), EVENT("fine") DONE_EVENT));
        assert_string_equal(gateway_outcomes(g), "ok");
        gateway_free(g, 1);
    }
}

/* What came before the answer is not lost, and the head does not wait for ever. */
static void a_held_stream_is_passed_on_whole(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_stream(g);
        up_chunk(up_of(g, 0), ": ping\n\n");
        sim_advance(g->sim, late ? 11 * SEC : 9 * SEC);
        assert_int_equal(sim_has(c, ": ping\n\n"), late);
        up_chunk(up_of(g, 0), ": pong\n\n");
        up_chunk(up_of(g, 0), EVENT("a"));
        up_chunk(up_of(g, 0), DONE_EVENT);
        sim_send_text(up_of(g, 0), LAST_CHUNK);
        assert_true(same(answer_of(c, 200), ": ping\n\n: pong\n\n" EVENT("a") DONE_EVENT));
        gateway_free(g, 1);
    }
}

#define ENDS(index) \
    "data: {\"choices\":[{\"index\":" #index ",\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"

/* Without [DONE] all choices that were asked for must have ended. */
static void a_choice_that_never_began_is_missed(void **state)
{
    (void)state;
    static const char *const asks[] = {ASK_STREAM,
                                       "{\"model\":\"m\",\"messages\":[],\"stream\":true,\"n\":2}",
                                       "{\"model\":\"m\",\"prompt\":[\"a\",\"b\"],\"stream\":true}",
                                       "{\"model\":\"m\",\"prompt\":[[1,2],[3]],\"stream\":true}",
                                       "{\"model\":\"m\",\"prompt\":[1,2],\"stream\":true}"};
    for (size_t i = 0; i < 2 * ARRAY_LEN(asks); i++) {
        bool one = i / 2 == 0 || i / 2 == 4;
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, "", asks[i / 2]);
        sim_send_text(up_of(g, 0), SSE_HEAD);
        up_chunk(up_of(g, 0), EVENT("a") ENDS(0));
        if (i % 2)
            sim_send_text(up_of(g, 0), LAST_CHUNK);
        else
            sim_reset(up_of(g, 0));
        struct str body = answer_of(c, 200);
        if (holds(body, "[DONE]") != one || holds(body, "\"error\"") == one)
            fail_msg("%s: %" STR_FMT, asks[i / 2], STR_ARG(body));
        gateway_free(g, 1);
    }
}

/* How the bytes end does not matter to a stream, however many reads they come in. */
static void a_whole_stream_in_one_read_may_end_badly(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(TWO);
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, "", ASK_STREAM);
    sim_send_text(up_of(g, 0), SSE_HEAD "47\r\n" EVENT("a") DONE_EVENT "\r\nzz");
    assert_int_equal(g->sim->dials, 1);
    assert_true(same(answer_of(c, 200), EVENT("a") DONE_EVENT));
    assert_string_equal(gateway_outcomes(g), "ok");
    gateway_free(g, 1);
}

/* HTTP/1.0 knows a body's end only by the connection's: a cut one must not look like it. */
static void a_cut_answer_to_an_old_client_is_a_reset(void **state)
{
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_client(g);
        sim_send_text(
            c,
            "POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\ncontent-length: 13\r\n\r\n{\"model\":\"m\"}");
        sim_send_text(up_of(g, 0), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        up_chunk(up_of(g, 0), "{\"choices\":");
        if (whole)
            sim_send_text(up_of(g, 0), LAST_CHUNK);
        else
            sim_reset(up_of(g, 0));
        assert_true(c->closed && c->closed_by_reset == !whole);
        assert_true(str_ends(sim_got(c), STR("\r\n\r\n{\"choices\":")));
        gateway_free(g, 1);
    }
}

/* Nor must one that it took too slowly. */
static void an_old_client_that_is_not_waited_for_is_reset(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    c->window = 300;
    sim_send_text(
        c,
        "POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\ncontent-length: 13\r\n\r\n{\"model\":\"m\"}");
    sim_send_text(up_of(g, 0), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    for (int i = 0; i < 10; i++)
        up_chunk(up_of(g, 0),
                 "{\"some\":\"more than the client takes, and more, and more, and more\"}");
    sim_send_text(up_of(g, 0), LAST_CHUNK);
    assert_false(c->closed);
    sim_advance(g->sim, 40 * SEC);
    assert_true(c->closed_by_reset);
    gateway_free(g, 1);
}

static void a_client_fault_or_a_begun_answer_is_not_retried(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct gateway *g = gateway_new(TWO);
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, "", how ? ASK_STREAM : ASK_PLAIN);
        if (how == 0) up_json(up_of(g, 0), 400, "", "{}");
        if (how) sim_send_text(up_of(g, 0), SSE_HEAD);
        if (how) up_chunk(up_of(g, 0), EVENT("a"));
        if (how == 2) sim_send_text(up_of(g, 0), "1\r\nd\r\n");
        if (how) sim_reset(up_of(g, 0));
        assert_int_equal(g->sim->dials, 1);
        answer_of(c, how ? 200 : 400);
        gateway_free(g, 1);
    }
}

/* When everybody fails the client gets the last one's own answer, or a 502 of ours. */
static void everybody_fails(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct gateway *g = gateway_new(TWO);
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, "", ASK_PLAIN);
        for (unsigned i = 0; i < 2; i++) {
            if (how == 0) up_json(up_of(g, i), 503, "retry-after: 3\r\n", "{\"mine\":1}");
            if (how == 1) sim_fin(up_of(g, i));
        }
        assert_int_equal(g->sim->dials, 2);
        struct str body = answer_of(c, how ? 502 : 503);
        if (how == 0)
            assert_true(same(body, "{\"mine\":1}") && holds(sim_got(c), "retry-after: 3"));
        gateway_free(g, 1);
    }
}

static void attempts_are_limited(void **state)
{
    (void)state;
    struct gateway *g =
        gateway_new("  - name: m\n    endpoints:\n"
                    "      - { url: 'http://10.0.0.1:80' }\n      - { url: 'http://10.0.0.2:80' }\n"
                    "      - { url: 'http://10.0.0.3:80' }\n      - { url: 'http://10.0.0.4:80' }\n"
                    "retry: { attempts_max: 3 }\n");
    struct sim_peer *c = gateway_client(g);
    g->sim->on_dial = SIM_REFUSE;
    gateway_ask(c, "", ASK_PLAIN);
    assert_int_equal(g->sim->dials, 3);
    answer_of(c, 502);
    gateway_free(g, 1);
}

static void retries_are_budgeted(void **state)
{
    (void)state;
    struct gateway *g =
        gateway_new("  - name: m\n    policy: round_robin\n    endpoints:\n"
                    "      - { url: 'http://10.0.0.1:80' }\n      - { url: 'http://10.0.0.2:80' }\n"
                    "retry: { attempts_max: 2, budget_percent: 0, budget_min: 2 }\n"
                    "health: { failures: 100 }\n");
    for (unsigned i = 0; i < 4; i++) {
        struct sim_peer *c = gateway_client(g);
        unsigned before = g->sim->dials;
        gateway_ask(c, "", ASK_PLAIN);
        up_json(up_of(g, before), 500, "connection: close\r\n", "{\"first\":1}");
        if (i < 2) {
            assert_int_equal(g->sim->dials, before + 2);
            up_json(up_of(g, before + 1), 200, "connection: close\r\n", JSON_TEXT);
            answer_of(c, 200);
        } else { /* no budget: the runtime's own answer */
            assert_int_equal(g->sim->dials, before + 1);
            assert_true(same(answer_of(c, 500), "{\"first\":1}"));
        }
    }
    assert_int_equal(metric_read(&g->worker.lane.stats.retries_denied), 2);
    gateway_free(g, 4);
}

static void a_fallback_model_takes_over(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(
        "  - name: m\n    fallback: [n]\n    endpoints: [{ url: 'http://10.0.0.1:80', capacity: 1 }]\n"
        "    queue_max: 0\n"
        "  - { name: n, endpoints: [{ url: 'http://10.0.0.2:80' }] }\n");
    struct sim_peer *c[3];
    for (int i = 0; i < 3; i++)
        c[i] = gateway_client(g);
    gateway_ask(c[0], "", ASK_PLAIN);
    gateway_ask(c[1], "", ASK_PLAIN); /* full: straight to the fallback */
    assert_string_equal(up_of(g, 1)->address, "10.0.0.2:80");
    assert_true(holds(sim_got(up_of(g, 1)), "{\"model\":\"n\""));
    serve(g, 1);
    answer_of(c[1], 200);
    sim_fin(up_of(g, 0)); /* broken: the fallback, on its pooled connection */
    assert_int_equal(g->sim->dials, 2);
    serve(g, 1);
    answer_of(c[0], 200);
    assert_string_equal(gateway_outcomes(g), "ok*2");
    gateway_free(g, 2);
}

/* The budget spares a failing runtime more work; a fallback model is another one. */
static void a_fallback_needs_no_retry_budget(void **state)
{
    (void)state;
    struct gateway *g =
        gateway_new("  - name: m\n    fallback: [n]\n    policy: round_robin\n    endpoints:\n"
                    "      - { url: 'http://10.0.0.1:80' }\n      - { url: 'http://10.0.0.2:80' }\n"
                    "  - { name: n, endpoints: [{ url: 'http://10.0.0.3:80' }] }\n"
                    "retry: { budget_percent: 0, budget_min: 0 }\n");
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, "", ASK_PLAIN);
    sim_fin(up_of(g, 0));
    assert_int_equal(g->sim->dials, 2);
    assert_string_equal(up_of(g, 1)->address, "10.0.0.3:80");
    serve(g, 1);
    answer_of(c, 200);
    assert_true(holds(sim_got(c), "\r\ndate: ")); /* which the runtime did not send */
    assert_int_equal(metric_read(&g->worker.lane.stats.retries_denied), 0);
    gateway_free(g, 1);
}

/* --- queueing --- */

static void waiting_requests_are_served_in_order(void **state)
{
    (void)state;
    enum { N = 5 };
    struct gateway *g = gateway_new(ONE_OF(1, "    queue_max: 10\n"));
    struct sim_peer *c[N];
    for (int i = 0; i < N; i++) {
        char id[40];
        c[i] = gateway_client(g);
        snprintf(id, sizeof id, "x-request-id: r%d\r\n", i);
        gateway_ask(c[i], id, ASK_PLAIN);
    }
    assert_int_equal(g->sim->dials, 1);
    assert_int_equal(gateway_waiting(g), N - 1);
    sim_fin(c[2]); /* leaves the queue */
    assert_int_equal(gateway_waiting(g), N - 2);
    static const int order[] = {0, 1, 3, 4};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        char id[40];
        snprintf(id, sizeof id, "x-request-id: r%d\r\n", order[i]);
        if (!sim_has(up_of(g, 0), id)) fail_msg("not the turn of %s", id);
        assert_int_equal(gateway_inflight(g), 1);
        sim_forget(up_of(g, 0));
        serve(g, 0);
        answer_of(c[order[i]], 200);
    }
    assert_string_equal(gateway_outcomes(g), "ok*4 client_gone");
    gateway_free(g, N);
}

static void a_full_queue_refuses(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE_OF(1, "    queue_max: 1\n    queue_timeout: 10s\n"));
    struct sim_peer *c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = gateway_client(g);
        gateway_ask(c[i], "", ASK_PLAIN);
    }
    assert_true(holds(answer_of(c[2], 429), "rate_limit_exceeded"));
    assert_true(holds(sim_got(c[2]), "retry-after: 1\r\n"));
    sim_advance(g->sim, 11 * SEC);
    assert_true(holds(answer_of(c[1], 503), "queue_timeout"));
    serve(g, 0);
    answer_of(c[0], 200);
    assert_string_equal(gateway_outcomes(g), "ok queue_full queue_timeout");
    gateway_free(g, 3);
}

static void a_client_that_leaves_frees_the_credit(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE_OF(1, ""));
    struct sim_peer *first = gateway_client(g), *second = gateway_client(g);
    gateway_ask(first, "", ASK_STREAM);
    gateway_ask(second, "", ASK_PLAIN);
    sim_send_text(up_of(g, 0), SSE_HEAD);
    up_chunk(up_of(g, 0), EVENT("x"));
    assert_int_equal(g->sim->dials, 1);
    sim_fin(first);
    assert_true(up_of(g, 0)->closed); /* which cancels the generation */
    assert_int_equal(g->sim->dials, 2);
    serve(g, 1);
    answer_of(second, 200);
    gateway_free(g, 2);
}

/* --- pools --- */

static void a_stale_connection_is_replaced(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, "", ASK_PLAIN);
        serve(g, 0);
        answer_of(c, 200);
        sim_forget(c);
        if (how == 0) sim_break(up_of(g, 0));
        gateway_ask(c, "", ASK_PLAIN);
        if (how == 1) sim_fin(up_of(g, 0));
        if (how == 2) sim_reset(up_of(g, 0));
        assert_int_equal(g->sim->dials, 2);
        assert_int_equal(gateway_inflight(g), 1);
        serve(g, 1);
        answer_of(c, 200);
        assert_string_equal(gateway_outcomes(g), "ok*2");
        assert_int_equal(metric_read(&g->worker.lane.stats.retries), 0);
        gateway_free(g, 2);
    }
}

/* --- time --- */

static void a_client_says_how_long_it_waits(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        uint64_t after_s; /* 0: not by this */
    } rows[] = {
        {"x-stainless-timeout: 7\r\n", 7},        {"x-stainless-timeout: 7.5\r\n", 8},
        {"x-stainless-read-timeout: 7.0\r\n", 7}, {"x-stainless-timeout: 0\r\n", 0},
        {"x-stainless-timeout: -1\r\n", 0},       {"x-stainless-timeout: nan\r\n", 0},
        {"x-stainless-timeout: 99999\r\n", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, rows[i].header, ASK_PLAIN);
        if (rows[i].after_s) {
            sim_advance(g->sim, (rows[i].after_s - 1) * SEC);
            assert_int_equal(sim_got(c).len, 0);
            sim_advance(g->sim, 1 * SEC);
            if (!sim_got(c).len) fail_msg("%s: not answered", rows[i].header);
            assert_true(holds(answer_of(c, 504), "deadline_exceeded"));
            assert_true(up_of(g, 0)->closed);
        } else {
            sim_advance(g->sim, 50 * SEC);
            if (sim_got(c).len) fail_msg("%s: answered", rows[i].header);
            serve(g, 0);
            answer_of(c, 200);
        }
        gateway_free(g, 1);
    }
}

/* A stream that keeps talking goes on past the deadline of its first byte. */
static void a_stream_is_not_cut_by_the_clients_timeout(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, "x-stainless-timeout: 20\r\n", ASK_STREAM);
    sim_send_text(up_of(g, 0), SSE_HEAD);
    for (int i = 0; i < 19; i++) {
        up_chunk(up_of(g, 0), EVENT("x"));
        sim_advance(g->sim, 15 * SEC);
    }
    up_chunk(up_of(g, 0), DONE_EVENT);
    sim_send_text(up_of(g, 0), LAST_CHUNK);
    assert_true(str_ends(answer_of(c, 200), STR(DONE_EVENT)));
    assert_string_equal(gateway_outcomes(g), "ok");
    gateway_free(g, 1);
}

/* Our own limit holds for all of it. */
static void a_stream_is_cut_by_our_own_limit(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_stream(g);
    for (int i = 0; i < 10; i++) {
        up_chunk(up_of(g, 0), EVENT("x"));
        sim_advance(g->sim, 30 * SEC - MSEC);
    }
    assert_false(up_of(g, 0)->closed);
    sim_advance(g->sim, 1 * SEC);
    assert_true(up_of(g, 0)->closed);
    assert_true(holds(answer_of(c, 200), "\"error\""));
    assert_false(holds(sim_got(c), "[DONE]"));
    assert_string_equal(gateway_outcomes(g), "timeout");
    gateway_free(g, 1);
}

/* A client that hurries takes no endpoint from the others. */
static void a_hurried_client_is_not_the_endpoints_fault(void **state)
{
    (void)state;
    enum { HURRIED = 6 };
    struct gateway *g = gateway_new(ONE);
    for (unsigned i = 0; i < HURRIED; i++) {
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, "x-stainless-timeout: 1\r\n", ASK_PLAIN);
        sim_advance(g->sim, 1 * SEC);
        answer_of(c, 504);
    }
    struct sim_peer *patient = gateway_client(g);
    gateway_ask(patient, "", ASK_PLAIN);
    serve(g, HURRIED);
    answer_of(patient, 200);
    gateway_free(g, HURRIED + 1);
}

/* What an attempt took is no time in the queue. */
static void a_retry_waits_its_own_time(void **state)
{
    (void)state;
    struct gateway *g =
        gateway_new("  - name: m\n    policy: round_robin\n    queue_timeout: 10s\n    endpoints:\n"
                    "      - { url: 'http://10.0.0.1:80/v1', name: a, capacity: 1 }\n"
                    "      - { url: 'http://10.0.0.2:80/v1', name: b, capacity: 1 }\n");
    struct sim_peer *first = gateway_client(g), *second = gateway_client(g);
    gateway_ask(first, "", ASK_PLAIN);
    gateway_ask(second, "", ASK_PLAIN);
    sim_advance(g->sim, 30 * SEC);
    up_json(up_of(g, 0), 500, "", "{}");
    sim_advance(g->sim, 5 * SEC);
    assert_int_equal(sim_got(first).len, 0);
    assert_int_equal(gateway_waiting(g), 1);
    serve(g, 1);
    answer_of(second, 200);
    serve(g, 1);
    answer_of(first, 200);
    assert_string_equal(gateway_outcomes(g), "ok*2");
    gateway_free(g, 2);
}

/* Where there is nobody else, no retry is counted or denied: the client's own may find the
 * runtime well again. */
static void the_only_endpoint_leaves_retries_to_the_client(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE "retry: { budget_percent: 0, budget_min: 0 }\n");
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, "", ASK_PLAIN);
    sim_fin(up_of(g, 0));
    answer_of(c, 502);
    assert_false(holds(sim_got(c), "x-should-retry"));
    assert_int_equal(metric_read(&g->worker.lane.stats.retries_denied), 0);
    gateway_free(g, 1);
}

static void look_at_credit(struct sim_peer *client, void *user)
{
    struct gateway *g = user;
    struct sim_answer a;
    sim_answer(sim_got(client), false, false, &a);
    if (a.state == SIM_WHOLE) assert_int_equal(gateway_inflight(g), 0);
    sim_answer_fini(&a);
}

/* The one who reads the last byte may ask again at once, on another thread's connection. */
static void who_has_the_answer_finds_the_credit_free(void **state)
{
    (void)state;
    static const char *const ways[] = {"plain", "stream", "without an end", "cut", "late"};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct gateway *g = gateway_new(ONE_OF(1, "    queue_max: 0\n"));
        struct sim_peer *c = gateway_client(g);
        c->on_write = look_at_credit;
        c->user = g;
        gateway_ask(c, i == 4 ? "x-stainless-timeout: 1\r\n" : "", i % 4 ? ASK_STREAM : ASK_PLAIN);
        assert_int_equal(gateway_inflight(g), 1);
        if (i == 0) serve(g, 0);
        if (i >= 1 && i <= 3) sim_send_text(up_of(g, 0), SSE_HEAD);
        if (i == 1 || i == 2) up_chunk(up_of(g, 0), EVENT("x") DONE_EVENT);
        if (i == 3) up_chunk(up_of(g, 0), EVENT("x"));
        if (i == 1) sim_send_text(up_of(g, 0), LAST_CHUNK);
        if (i == 2 || i == 3) sim_fin(up_of(g, 0));
        if (i == 4) sim_advance(g->sim, 2 * SEC);
        answer_of(c, i == 4 ? 504 : 200);
        gateway_free(g, 1);
    }
}

/* --- reload --- */

static void load(struct gateway *g, const char *yaml)
{
    struct conf_problems problems;
    struct conf *conf;
    struct keyring *keyring;
    conf_problems_init(&problems);
    assert_int_equal(conf_parse(str_of(yaml), "sim.yaml", &conf, &problems), 0);
    conf_problems_fini(&problems);
    assert_int_equal(mesh_load_conf(g->mesh, conf, NULL, loop_now(g->sim->loop)), 0);
    assert_int_equal(keyring_new(conf, &keyring), 0);
    conf_unref(conf);
    worker_apply(&g->worker, mesh_current(g->mesh), keyring);
    sim_run(g->sim);
}

static void exchanges_finish_as_they_began_across_a_reload(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE_OF(1, ""));
    struct sim_peer *first = gateway_client(g), *waiting = gateway_client(g),
                    *late = gateway_client(g);
    gateway_ask(first, "", ASK_STREAM);
    gateway_ask(waiting, "", ASK_PLAIN);
    sim_send_text(up_of(g, 0), SSE_HEAD);
    load(
        g,
        "log: { requests: false }\nmodels:\n  - { name: other, endpoints: [{ url: 'http://10.0.0.9:80' }] }\n");
    answer_of(waiting, 503); /* its model is gone */
    gateway_ask(late, "", ASK_PLAIN);
    answer_of(late, 404);
    up_chunk(up_of(g, 0), EVENT("x") DONE_EVENT);
    sim_send_text(up_of(g, 0), LAST_CHUNK);
    assert_true(str_ends(answer_of(first, 200), STR(DONE_EVENT)));
    assert_string_equal(gateway_outcomes(g), "ok not_found no_endpoint");
    gateway_free(g, 3);
}

/* --- flow --- */

/* It goes on at half, not when the client has run dry. */
static void a_runtime_held_back_goes_on_in_time(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    c->window = 1000;
    gateway_ask(c, "", ASK_STREAM);
    struct sim_peer *up = up_of(g, 0);
    sim_send_text(up, SSE_HEAD);
    char event[2001];
    memset(event, 'x', sizeof event);
    memcpy(event, "data: ", 6);
    memcpy(event + 1998, "\n\n", 3);
    for (int round = 0; round < 3; round++) {
        while (sim_reading(up))
            up_chunk(up, event);
        size_t over = buf_len(&c->pending) - STREAM_BUFFER / 2;
        sim_take(c, over - 1);
        assert_false(sim_reading(up));
        sim_take(c, 1);
        assert_true(sim_reading(up));
    }
    up_chunk(up, DONE_EVENT);
    sim_send_text(up, LAST_CHUNK);
    sim_take(c, 1000000);
    assert_true(str_ends(answer_of(c, 200), STR(DONE_EVENT)));
    gateway_free(g, 1);
}

static void a_slow_reader_holds_the_runtime_back(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    c->window = 1000;
    gateway_ask(c, "", ASK_STREAM);
    struct sim_peer *up = up_of(g, 0);
    sim_send_text(up, SSE_HEAD);
    char event[2001];
    memset(event, 'x', sizeof event);
    memcpy(event, "data: ", 6);
    memcpy(event + 1998, "\n\n", 3);
    unsigned sent = 0;
    for (; sent < 200; sent++)
        up_chunk(up, event);
    assert_false(sim_reading(up));
    assert_in_range(c->pending_max, STREAM_BUFFER, 2 * STREAM_BUFFER);
    for (int i = 0; i < 41; i++) { /* it reads on, slower than the write timeout's patience */
        sim_take(c, 10000);
        sim_advance(g->sim, 5 * SEC);
    }
    if (!sim_reading(up))
        fail_msg("%s, %zu pending, got %zu, window %zu", gateway_outcomes(g), buf_len(&c->pending),
                 sim_got(c).len, c->window);
    assert_in_range(c->pending_max, STREAM_BUFFER, 2 * STREAM_BUFFER);
    up_chunk(up, DONE_EVENT);
    sim_send_text(up, LAST_CHUNK);
    sim_take(c, 1000000);
    struct str body = answer_of(c, 200);
    assert_int_equal(body.len, sent * 2000 + strlen(DONE_EVENT));
    assert_string_equal(gateway_outcomes(g), "ok");
    gateway_free(g, 1);
}

static void a_reader_that_stops_is_given_up(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    c->window = 1000;
    gateway_ask(c, "", ASK_STREAM);
    sim_send_text(up_of(g, 0), SSE_HEAD);
    for (int i = 0; i < 2000; i++)
        up_chunk(up_of(g, 0), EVENT("0123456789012345678901234567890123456789"));
    sim_advance(g->sim, 29 * SEC);
    assert_false(c->closed);
    sim_advance(g->sim, 2 * SEC);
    assert_true(c->closed && up_of(g, 0)->closed);
    assert_string_equal(gateway_outcomes(g), "client_slow");
    gateway_free(g, 1);
}

/* --- drain --- */

static void drain_lets_exchanges_finish(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE_OF(1, ""));
    struct sim_peer *idle = gateway_client(g), *streaming = gateway_client(g),
                    *waiting = gateway_client(g), *late = gateway_client(g),
                    *probe = gateway_client(g);
    gateway_ask(streaming, "", ASK_STREAM);
    gateway_ask(waiting, "", ASK_PLAIN);
    sim_send_text(up_of(g, 0), SSE_HEAD);
    sim_send_text(late, "POST /v1/chat/completions HTTP/1.1\r\n");
    sim_send_text(probe, "GET /readyz HTTP/1.1\r\n");
    worker_drain(&g->worker);
    sim_run(g->sim);
    assert_true(idle->closed);
    sim_send_text(late, "host: localhost\r\ncontent-length: 13\r\n\r\n{\"model\":\"m\"}");
    assert_true(holds(answer_of(late, 503), "draining"));
    assert_true(holds(sim_got(late), "connection: close\r\n"));
    sim_send_text(probe, "host: localhost\r\n\r\n");
    assert_true(holds(answer_of(probe, 503), "shutting down"));
    up_chunk(up_of(g, 0), EVENT("x") DONE_EVENT);
    sim_send_text(up_of(g, 0), LAST_CHUNK);
    answer_of(streaming, 200);
    serve(g, 1); /* its credit was free with [DONE] */
    answer_of(waiting, 200);
    assert_true(holds(sim_got(waiting), "connection: close\r\n"));
    sim_advance(g->sim, 2 * SEC);
    assert_true(streaming->closed && waiting->closed && late->closed && probe->closed);
    assert_true(list_empty(&g->worker.server.conns));
    gateway_free(g, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_before_the_answer_goes_elsewhere),
        cmocka_unit_test(an_answer_that_breaks_as_it_begins_goes_elsewhere),
        cmocka_unit_test(a_stream_that_comes_to_nothing_goes_elsewhere),
        cmocka_unit_test(a_held_stream_is_passed_on_whole),
        cmocka_unit_test(a_choice_that_never_began_is_missed),
        cmocka_unit_test(a_whole_stream_in_one_read_may_end_badly),
        cmocka_unit_test(a_cut_answer_to_an_old_client_is_a_reset),
        cmocka_unit_test(an_old_client_that_is_not_waited_for_is_reset),
        cmocka_unit_test(a_client_fault_or_a_begun_answer_is_not_retried),
        cmocka_unit_test(everybody_fails),
        cmocka_unit_test(attempts_are_limited),
        cmocka_unit_test(retries_are_budgeted),
        cmocka_unit_test(a_fallback_model_takes_over),
        cmocka_unit_test(a_fallback_needs_no_retry_budget),
        cmocka_unit_test(waiting_requests_are_served_in_order),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(a_client_that_leaves_frees_the_credit),
        cmocka_unit_test(a_stale_connection_is_replaced),
        cmocka_unit_test(a_client_says_how_long_it_waits),
        cmocka_unit_test(a_stream_is_not_cut_by_the_clients_timeout),
        cmocka_unit_test(a_stream_is_cut_by_our_own_limit),
        cmocka_unit_test(a_hurried_client_is_not_the_endpoints_fault),
        cmocka_unit_test(a_retry_waits_its_own_time),
        cmocka_unit_test(the_only_endpoint_leaves_retries_to_the_client),
        cmocka_unit_test(who_has_the_answer_finds_the_credit_free),
        cmocka_unit_test(exchanges_finish_as_they_began_across_a_reload),
        cmocka_unit_test(a_runtime_held_back_goes_on_in_time),
        cmocka_unit_test(a_slow_reader_holds_the_runtime_back),
        cmocka_unit_test(a_reader_that_stops_is_given_up),
        cmocka_unit_test(drain_lets_exchanges_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
