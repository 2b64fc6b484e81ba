/* SPDX-License-Identifier: Apache-2.0 */
/* What browsers are told: preflights, answers and errors that a page may read, and who may not. And
 * what is believed of proxies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway.h"

#define LOCAL "http://localhost:3000"
#define APP "https://app.example.com"
#define EVIL "https://evil.example"
#define KEYS "keys: [{ name: k, key: sk-0123456789 }]\n"
#define KEY "authorization: Bearer sk-0123456789\r\n"
#define CORS "cors: { origins: ['" APP "', 'https://*.example.net'] }\n"

static struct sim_answer answer;

/* The answer to a request without a body, until the next call. */
static const struct sim_answer *ask(struct gateway *g, const char *line, const char *headers)
{
    char text[8192];
    struct sim_peer *c = gateway_client(g);
    int n = snprintf(text, sizeof text, "%s HTTP/1.1\r\nhost: localhost\r\n%s\r\n", line, headers);
    sim_send(c, str_n(text, (size_t)n));
    sim_answer_fini(&answer);
    sim_answer(sim_got(c), str_starts(str_of(line), STR("HEAD")), c->closed, &answer);
    assert_int_equal(answer.state, SIM_WHOLE);
    sim_fin(c);
    return &answer;
}

/* `want` NULL: there is no such header. */
static void has(const struct sim_answer *a, const char *name, const char *want)
{
    struct str got = sim_answer_header(a, name);
    if (!str_eq(got, str_of(want)) || !got.ptr != !want)
        fail_msg("%s: %" STR_FMT " instead of %s: %" STR_FMT, name, STR_ARG(got),
                 want ? want : "none", STR_ARG(a->head));
}

static void expect(struct gateway *g, const char *line, const char *headers, int status,
                   const char *allow, const char *vary)
{
    const struct sim_answer *a = ask(g, line, headers);
    if (a->status != status) fail_msg("%s %s: %d instead of %d", line, headers, a->status, status);
    has(a, "access-control-allow-origin", allow);
    has(a, "vary", vary);
    has(a, "access-control-allow-credentials", NULL);
    if (!allow) has(a, "access-control-expose-headers", NULL);
}

/* --- preflights --- */

#define PREFLIGHT(origin) "origin: " origin "\r\naccess-control-request-method: POST\r\n"

static void preflights_are_answered_before_keys(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/v1/chat/completions", "/v1/models", "/api/tags", "/metrics", "/livez", "/no/such/path"};
    for (size_t i = 0; i < 2 * ARRAY_LEN(paths); i++) {
        bool keys = i % 2;
        struct gateway *g = gateway_new(keys ? ONE KEYS CORS : ONE);
        char line[100];
        snprintf(line, sizeof line, "OPTIONS %s", paths[i / 2]);
        const struct sim_answer *a = ask(
            g, line,
            keys ? PREFLIGHT(APP) "access-control-request-headers: authorization,content-type\r\n"
                 : PREFLIGHT(LOCAL));
        assert_int_equal(a->status, 204);
        has(a, "access-control-allow-origin", keys ? APP : LOCAL);
        has(a, "access-control-allow-methods", "GET, HEAD, POST, DELETE");
        has(a, "access-control-allow-headers", keys ? "authorization,content-type" : NULL);
        has(a, "access-control-max-age", "7200");
        has(a, "access-control-allow-private-network", NULL);
        has(a, "access-control-allow-credentials", NULL);
        has(a, "vary", "Origin");
        assert_true(sim_answer_header(a, "x-request-id").len > 0);
        assert_string_equal(gateway_outcomes(g), "ok");
        gateway_free(g, 1);
    }
}

static void preflights_say_what_is_asked(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    const struct sim_answer *a =
        ask(g, "OPTIONS /v1/models",
            PREFLIGHT(LOCAL) "access-control-request-private-network: true\r\n"
                             "access-control-request-headers: x-a, x-b\r\n");
    has(a, "access-control-allow-private-network", "true");
    has(a, "access-control-allow-headers", "x-a, x-b");
    a = ask(g, "OPTIONS /v1/models",
            PREFLIGHT(LOCAL) "access-control-request-private-network: no\r\n"
                             "access-control-request-headers: x-a; \"x-b\"\r\n");
    has(a, "access-control-allow-private-network", NULL);
    has(a, "access-control-allow-headers", NULL);
    gateway_free(g, 2);
}

static void foreign_preflights_are_answered_as_ever(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    expect(g, "OPTIONS /v1/models", PREFLIGHT(EVIL), 403, NULL, "Origin");
    expect(g, "OPTIONS /v1/models", PREFLIGHT("null"), 403, NULL, "Origin");
    expect(g, "OPTIONS /v1/models", "access-control-request-method: GET\r\n", 204, NULL, NULL);
    expect(g, "OPTIONS /v1/models", "origin: " LOCAL "\r\n", 204, LOCAL, "Origin");
    has(&answer, "allow", "GET, HEAD, OPTIONS");
    gateway_free(g, 4);
    g = gateway_new(ONE KEYS CORS);
    expect(g, "OPTIONS /v1/models", PREFLIGHT(EVIL), 204, NULL, "Origin");
    has(&answer, "access-control-allow-methods", NULL);
    expect(g, "OPTIONS /v1/models", PREFLIGHT(LOCAL), 204, NULL, "Origin");
    expect(g, "OPTIONS /no/such/path", PREFLIGHT(EVIL), 401, NULL, "Origin");
    gateway_free(g, 3);
}

/* --- pages of our own, and errors --- */

static void pages_and_errors_can_be_read(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int status;
    } rows[] = {
        {"GET /v1/models", 200},
        {"GET /v1/models/x", 404},
        {"GET /api/tags", 200},
        {"GET /api/version", 200},
        {"GET /metrics", 200},
        {"GET /livez", 200},
        {"GET /readyz", 200},
        {"HEAD /livez", 200},
        {"GET /", 200},
        {"GET /no/such", 404},
        {"GET /v1/chat/completions", 405},
        {"POST /api/copy", 501},
        {"DELETE /v1/models", 405},
        {"POST /v1/messages", 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct gateway *g = gateway_new(ONE);
        expect(g, rows[i].line, "origin: " LOCAL "\r\n", rows[i].status, LOCAL, "Origin");
        assert_true(holds(sim_answer_header(&answer, "access-control-expose-headers"),
                          "content-type, x-request-id"));
        expect(g, rows[i].line, "origin: " EVIL "\r\n", 403, NULL, "Origin");
        expect(g, rows[i].line, "", rows[i].status, NULL,
               str_starts(str_of(rows[i].line), STR("GET")) ||
                       str_starts(str_of(rows[i].line), STR("HEAD"))
                   ? "Origin"
                   : NULL);
        gateway_free(g, 3);
    }
}

static void with_keys_only_what_is_configured_can_read(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE KEYS CORS);
    expect(g, "GET /v1/models", "origin: " APP "\r\n" KEY, 200, APP, "Origin");
    expect(g, "GET /v1/models", "origin: https://x.example.net\r\n" KEY, 200,
           "https://x.example.net", "Origin");
    expect(g, "GET /v1/models", "origin: " APP "\r\n", 401, APP, "Origin");
    assert_true(
        holds(sim_answer_header(&answer, "access-control-expose-headers"), "www-authenticate"));
    expect(g, "GET /v1/models", "origin: " EVIL "\r\n" KEY, 200, NULL, "Origin");
    expect(g, "GET /v1/models", "origin: " LOCAL "\r\n" KEY, 200, NULL, "Origin");
    expect(g, "GET /v1/models", KEY, 200, NULL, "Origin");
    gateway_free(g, 6);
    g = gateway_new(ONE KEYS);
    expect(g, "GET /v1/models", "origin: " APP "\r\n" KEY, 200, NULL, NULL);
    expect(g, "GET /v1/models", KEY, 200, NULL, NULL);
    gateway_free(g, 2);
    g = gateway_new(ONE KEYS "cors: { origins: '*' }\n");
    expect(g, "GET /v1/models", "origin: " EVIL "\r\n" KEY, 200, "*", "Origin");
    expect(g, "GET /v1/models", "origin: null\r\n", 401, "*", "Origin");
    expect(g, "OPTIONS /v1/models", PREFLIGHT(EVIL), 204, "*", "Origin");
    gateway_free(g, 3);
}

/* A head that cannot be read says its origin all the same, when that came before what is wrong. */
static void what_http_itself_refuses_can_be_read(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
        const char *allow;
    } rows[] = {
        {"GET /livez HTTP/1.1\r\nhost: localhost\r\norigin: " LOCAL "\r\nexpect: x\r\n\r\n", 417,
         LOCAL},
        {"GET /livez HTTP/1.1\r\norigin: " LOCAL "\r\n\r\n", 400, LOCAL},
        {"GET /livez HTTP/1.1\r\nhost: a b\r\norigin: " LOCAL "\r\n\r\n", 400, LOCAL},
        {"GET /livez HTTP/1.1\r\norigin: " LOCAL "\r\nx: 1\r\nbad header\r\n\r\n", 400, LOCAL},
        {"GET /livez HTTP/1.1\r\norigin: " LOCAL "\r\nbroken\r\n\r\n", 400, LOCAL},
        {"GET /livez HTTP/1.1\r\norigin: http://localh\x01ost\r\n\r\n", 400, NULL},
        {"GET /livez HTTP/1.1\r\norigin: " EVIL "\r\n\r\n", 400, NULL},
        {"GET /livez HTTP/1.1\r\nbad header\r\norigin: " LOCAL "\r\n\r\n", 400, NULL},
        {"\x01", 400, NULL},
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_client(g);
        struct str bytes = str_of(rows[i / 2].request);
        sim_send_pieces(c, bytes, i % 2 ? 1 : bytes.len);
        sim_answer_fini(&answer);
        sim_answer(sim_got(c), false, c->closed, &answer);
        assert_int_equal(answer.status, rows[i / 2].status);
        has(&answer, "access-control-allow-origin", rows[i / 2].allow);
        sim_fin(c);
        gateway_free(g, 1);
    }
}

static void a_head_over_the_limit_says_its_origin(void **state)
{
    (void)state;
    static char cookie[9000];
    char text[10000];
    memset(cookie, 'x', sizeof cookie - 1);
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    int n = snprintf(text, sizeof text,
                     "GET /livez HTTP/1.1\r\nhost: localhost\r\norigin: " LOCAL "\r\ncookie: %s",
                     cookie);
    sim_send(c, str_n(text, (size_t)n));
    sim_answer_fini(&answer);
    sim_answer(sim_got(c), false, c->closed, &answer);
    assert_int_equal(answer.status, 431);
    has(&answer, "access-control-allow-origin", LOCAL);
    sim_fin(c);
    gateway_free(g, 1);
}

/* --- what runtimes answer --- */

#define THEIRS                                                                                \
    "access-control-allow-origin: *\r\naccess-control-allow-credentials: true\r\nvary: a\r\n" \
    "x-ratelimit-limit-requests: 9\r\nretry-after: 3\r\n"

static void answers_of_runtimes_can_be_read(void **state)
{
    (void)state;
    for (int status = 200; status <= 400; status += 200) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, "origin: " LOCAL "\r\n", ASK_PLAIN);
        assert_false(holds(sim_got(up_of(g, 0)), "rigin"));
        up_json(up_of(g, 0), status, THEIRS, JSON_TEXT);
        sim_answer_fini(&answer);
        sim_answer(sim_got(c), false, c->closed, &answer);
        assert_int_equal(answer.status, status);
        has(&answer, "access-control-allow-origin", LOCAL);
        has(&answer, "access-control-allow-credentials", NULL);
        has(&answer, "vary", "Origin");
        has(&answer, "access-control-expose-headers",
            "content-type, x-ratelimit-limit-requests, retry-after, x-request-id");
        assert_int_equal(c->writes, 1);
        gateway_free(g, 1);
    }
}

static void without_an_origin_nothing_is_added(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, "", ASK_PLAIN);
    up_json(up_of(g, 0), 200, THEIRS, JSON_TEXT);
    answer_of(c, 200);
    assert_false(holds(sim_got(c), "access-control") || holds(sim_got(c), "vary"));
    gateway_free(g, 1);
}

static void streams_can_be_read(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE KEYS CORS);
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, KEY "origin: " APP "\r\n", ASK_STREAM);
    sim_send_text(up_of(g, 0), SSE_HEAD);
    up_chunk(up_of(g, 0), EVENT("a") END_EVENT DONE_EVENT);
    sim_send_text(up_of(g, 0), LAST_CHUNK);
    answer_of(c, 200);
    assert_true(holds(sim_got(c), "\r\naccess-control-allow-origin: " APP "\r\n"));
    assert_true(holds(sim_got(c), "\r\nvary: Origin\r\n"));
    gateway_free(g, 1);
}

/* A page that may not ask moves nothing, whatever it sends. */
static void foreign_pages_reach_no_runtime(void **state)
{
    (void)state;
    static const char *const headers[] = {"origin: " EVIL "\r\n", "origin: null\r\n",
                                          "origin: " LOCAL "\r\norigin: " LOCAL "\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        struct gateway *g = gateway_new(ONE CORS);
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, headers[i], ASK_PLAIN);
        assert_true(holds(answer_of(c, 403), "foreign_host"));
        assert_false(holds(sim_got(c), "access-control"));
        assert_int_equal(g->sim->dials, 0);
        assert_string_equal(gateway_outcomes(g), "forbidden");
        gateway_free(g, 1);
    }
}

/* --- what proxies tell; the clients of these tests come from 127.0.0.1 --- */

static void proxies_tell_which_host_was_asked(void **state)
{
    (void)state;
    struct gateway *g =
        gateway_new(ONE "hosts: [llm.example.org]\ntrusted_proxies: [127.0.0.0/8]\n");
    expect(g, "GET /livez", "x-forwarded-host: llm.example.org\r\n", 200, NULL, "Origin");
    expect(g, "GET /livez", "forwarded: host=llm.example.org\r\n", 200, NULL, "Origin");
    expect(g, "GET /livez", "x-forwarded-host: evil.example\r\n", 403, NULL, "Origin");
    expect(g, "GET /livez", "forwarded: host=evil.example\r\n", 403, NULL, "Origin");
    expect(g, "GET /livez", "x-forwarded-host: localhost, evil.example\r\n", 403, NULL, "Origin");
    gateway_free(g, 5);
    g = gateway_new(ONE "trusted_proxies: [192.0.2.0/24, unix]\n");
    expect(g, "GET /livez", "x-forwarded-host: evil.example\r\n", 200, NULL, "Origin");
    gateway_free(g, 1);
}

/* A page under a name of its own may say what it likes in other headers. */
static void what_proxies_tell_does_not_open_the_door(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE "trusted_proxies: [127.0.0.1]\n");
    struct sim_peer *c = gateway_client(g);
    sim_send_text(c, "GET /livez HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: localhost\r\n"
                     "forwarded: host=localhost\r\n\r\n");
    answer_of(c, 403);
    gateway_free(g, 1);
}

static void runtimes_are_told_no_address(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE "trusted_proxies: [127.0.0.1]\n");
    struct sim_peer *c = gateway_client(g);
    gateway_ask(
        c,
        "x-forwarded-for: 203.0.113.7\r\nx-forwarded-proto: https\r\n"
        "x-forwarded-host: localhost\r\nforwarded: for=203.0.113.7\r\nx-real-ip: 203.0.113.7\r\n",
        ASK_PLAIN);
    struct str sent = sim_got(up_of(g, 0));
    assert_false(holds(sent, "203.0.113.7") || holds(sent, "orwarded"));
    assert_true(holds(sent, "\r\nvia: 1.1 hostler-0123\r\n"));
    serve(g, 0);
    answer_of(c, 200);
    assert_false(holds(sim_got(c), "via"));
    gateway_free(g, 1);
}

/* --- loops --- */

static void a_request_that_comes_back_is_refused(void **state)
{
    (void)state;
    static const char *const vias[] = {
        "via: 1.1 hostler-0123\r\n",
        "via: 1.1 a, 1.1 hostler-0123 (x), 1.1 b\r\n",
        "via: 1 hostler-1, 1 hostler-2, 1 hostler-3, 1 hostler-4\r\n"
        "via: 1 hostler-5, 1 hostler-6, 1 hostler-7, 1 hostler-8, 1 hostler-9\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(vias); i++) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = gateway_client(g);
        gateway_ask(c, vias[i], ASK_PLAIN);
        assert_true(holds(answer_of(c, 508), "loop_detected"));
        expect(g, "GET /v1/models", vias[i], 508, NULL, "Origin");
        assert_int_equal(metric_read(&g->worker.lane.stats.loops), 2);
        assert_int_equal(g->sim->dials, 0);
        gateway_free(g, 2);
    }
}

static int forget(void **state)
{
    (void)state;
    sim_answer_fini(&answer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preflights_are_answered_before_keys),
        cmocka_unit_test(preflights_say_what_is_asked),
        cmocka_unit_test(foreign_preflights_are_answered_as_ever),
        cmocka_unit_test(pages_and_errors_can_be_read),
        cmocka_unit_test(with_keys_only_what_is_configured_can_read),
        cmocka_unit_test(what_http_itself_refuses_can_be_read),
        cmocka_unit_test(a_head_over_the_limit_says_its_origin),
        cmocka_unit_test(answers_of_runtimes_can_be_read),
        cmocka_unit_test(without_an_origin_nothing_is_added),
        cmocka_unit_test(streams_can_be_read),
        cmocka_unit_test(foreign_pages_reach_no_runtime),
        cmocka_unit_test(proxies_tell_which_host_was_asked),
        cmocka_unit_test(what_proxies_tell_does_not_open_the_door),
        cmocka_unit_test(runtimes_are_told_no_address),
        cmocka_unit_test(a_request_that_comes_back_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
