/* SPDX-License-Identifier: Apache-2.0 */
/* What engines of our own are told of a request beside its bytes, and nobody else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "gateway.h"

#define OURS "  - name: m\n    engine: { file: /etc/hostname }\n"
#define KEYS \
    "keys: [{ name: one, key: secret-key-1, models: ['*'] }, { name: two, key: secret-key-2, models: ['*'] }]\n"
#define KEY "authorization: Bearer secret-key-1\r\n"
#define CLAIMS                                                        \
    "x-hostler-tenant: 0123456789abcdef\r\nX-Hostler-Priority: 9\r\n" \
    "x-hostler-deadline: 1\r\nx-hostler-other: 1\r\nx-own: passes\r\n"

/* The request that the endpoint got; it is answered. */
static char *request_of(struct gateway *g, const char *headers, const char *body)
{
    struct sim_peer *client = gateway_client(g);
    gateway_ask(client, headers, body);
    struct sim_peer *up = up_of(g, g->sim->dials - 1);
    char *text = strndup(sim_got(up).ptr, sim_got(up).len);
    sim_forget(up);
    up_json(up, 200, "", JSON_TEXT);
    (void)answer_of(client, 200);
    return text;
}

static bool says(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

/* The value of a header; -1: it is not there. */
static long long number_of(const char *text, const char *header)
{
    const char *at = strstr(text, header);
    return at ? strtoll(at + strlen(header), NULL, 10) : -1;
}

static void an_engine_is_told_whose_request_it_is(void **state)
{
    (void)state;
    char want[64];
    struct gateway *g = gateway_new(OURS KEYS);
    char *text = request_of(g, KEY CLAIMS, ASK_PLAIN);
    (void)snprintf(want, sizeof want, "\r\nx-hostler-tenant: %016llx\r\n",
                   (unsigned long long)hash_fnv(STR("one")));
    assert_true(says(text, want));
    assert_true(says(text, "\r\nx-own: passes\r\n"));
    assert_false(says(text, "0123456789abcdef"));
    assert_false(says(text, "riority"));
    assert_false(says(text, "x-hostler-other"));
    assert_false(says(text, "secret"));
    char *other = request_of(g, "authorization: Bearer secret-key-2\r\n", ASK_PLAIN);
    assert_true(says(other, "\r\nx-hostler-tenant: ") && !says(other, want));
    free(text);
    free(other);
    gateway_free(g, 2);
}

static void an_engine_is_told_how_long_there_is(void **state)
{
    (void)state;
    static const struct {
        const char *headers, *body;
        long long left;
    } rows[] = {
        {"", ASK_PLAIN, 300000},
        {"x-stainless-timeout: 20\r\n", ASK_PLAIN, 20000},
        {"x-stainless-timeout: 0.0015\r\n", ASK_PLAIN, 2},
        {"x-stainless-timeout: 20\r\n", ASK_STREAM, 300000}, /* which ends with the first byte */
        {CLAIMS, ASK_PLAIN, 300000},
    };
    struct gateway *g = gateway_new(OURS);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *text = request_of(g, rows[i].headers, rows[i].body);
        assert_int_equal(number_of(text, "\r\nx-hostler-deadline: "), rows[i].left);
        assert_false(says(text, "x-hostler-tenant")); /* without keys there is none */
        free(text);
    }
    gateway_free(g, ARRAY_LEN(rows));
    g = gateway_new(
        "  - name: m\n    engine: { file: /etc/hostname }\n    timeouts: { total: none }\n");
    char *text = request_of(g, "", ASK_PLAIN);
    assert_int_equal(number_of(text, "\r\nx-hostler-deadline: "), -1);
    free(text);
    gateway_free(g, 1);
}

/* Neither what we would say nor what a client does. */
static void others_are_told_nothing(void **state)
{
    (void)state;
    static const char *const models[] = {
        ONE KEYS,
        "  - name: m\n    endpoints: [{ url: 'unix:/run/x.sock', name: a, kind: openai }]\n" KEYS,
        "  - name: m\n    engine: { command: [x, '${socket}'] }\n" KEYS,
    };
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        struct gateway *g = gateway_new(models[i]);
        char *text = request_of(g, KEY CLAIMS, ASK_PLAIN);
        assert_true(says(text, "\r\nx-own: passes\r\n"));
        assert_false(says(text, "hostler-tenant"));
        assert_false(says(text, "riority"));
        assert_false(says(text, "hostler-deadline"));
        free(text);
        gateway_free(g, 1);
    }
}

/* While its engine loads, a stream that waits hears how far that has come. */
static void a_waiting_stream_is_told_of_loading(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(OURS);
    struct snapshot *s = mesh_current(g->mesh);
    struct endpoint_state *e = snapshot_service(s, STR("m"))->endpoints[0].state;
    uint64_t now = loop_now(g->sim->loop);
    endpoint_set_phase(e, ENDPOINT_STARTING, STR("starting"), now + 600 * SEC, now);
    struct sim_peer *client = gateway_client(g);
    gateway_ask(client, "", ASK_STREAM);
    sim_advance(g->sim, 10 * SEC);
    endpoint_note_loading(e, 42);
    sim_advance(g->sim, 4 * SEC);
    assert_int_equal(sim_got(client).len, 0);
    sim_advance(g->sim, 2 * SEC);
    assert_true(sim_has(client, ": the model is being loaded: 42 %\n\n"));
    endpoint_note_loading(e, 97);
    sim_advance(g->sim, 15 * SEC);
    assert_true(sim_has(client, ": the model is being loaded: 97 %\n\n"));
    endpoint_set_phase(e, ENDPOINT_UP, STR(""), 0, loop_now(g->sim->loop));
    sim_run(g->sim);
    assert_true(sim_has(up_of(g, 0), "POST /v1/chat/completions"));
    sim_fin(client);
    sim_run(g->sim);
    snapshot_unref(s);
    gateway_free(g, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_is_told_whose_request_it_is),
        cmocka_unit_test(an_engine_is_told_how_long_there_is),
        cmocka_unit_test(others_are_told_nothing),
        cmocka_unit_test(a_waiting_stream_is_told_of_loading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
