/* SPDX-License-Identifier: Apache-2.0 */
/* Surfaces: a runtime that has the client's gets the client's bytes, one that has another gets a
 * translation, and whoever asks is told of failures in his own dialect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "gateway.h"

#define KIND(name)                                                                                                  \
    "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, model: up, key: secret-key, kind: " name \
    " }]\n"

static struct sim_peer *ask(struct gateway *g, const char *path, const char *body)
{
    struct sim_peer *c = gateway_client(g);
    gateway_post(c, path, "", body);
    return c;
}

static const struct service *service_of(struct gateway *g)
{
    size_t count;
    return snapshot_services(g->snapshot, &count);
}

static uint64_t prompt_tokens(struct gateway *g)
{
    return metric_read(&service_stats(service_of(g), 0)->tokens_prompt);
}

/* --- native --- */

#define MESSAGE_START \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":5,\"output_tokens\":1}}}\n\n"
#define MESSAGE_TEXT                                                                                                                           \
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n"
#define MESSAGE_DELTA                                                                    \
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" \
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":7}}\n\n"
#define MESSAGE_STOP "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

static void messages_pass_byte_for_byte(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(KIND("llama-server"));
    struct sim_peer *c = ask(
        g, "/v1/messages?beta=true",
        "{\"model\": \"m\", \"max_tokens\":9, \"thinking\":{\"type\":\"adaptive\"}, \"stream\": true}");
    assert_true(sim_has(up_of(g, 0), "POST /v1/messages HTTP/1.1\r\n"));
    assert_true(str_ends(
        sim_got(up_of(g, 0)),
        STR("{\"model\": \"up\", \"max_tokens\":9, \"thinking\":{\"type\":\"adaptive\"}, \"stream\": true}")));
    sim_send_text(up_of(g, 0), SSE_HEAD);
    up_chunk(up_of(g, 0), MESSAGE_START MESSAGE_TEXT MESSAGE_DELTA MESSAGE_STOP);
    sim_send_text(up_of(g, 0), LAST_CHUNK);
    assert_true(same(answer_of(c, 200), MESSAGE_START MESSAGE_TEXT MESSAGE_DELTA MESSAGE_STOP));
    assert_true(holds(sim_got(c), "\r\nrequest-id: req_"));
    assert_int_equal(prompt_tokens(g), 15);
    assert_int_equal(metric_read(&service_stats(service_of(g), 0)->tokens_completion), 7);
    assert_int_equal(metric_read(&service_stats(service_of(g), 0)->tokens_cached), 5);
    gateway_free(g, 1);
}

/* A stream whose stop reason was there is whole; one without gets an error event. */
static void messages_end_and_break_in_their_dialect(void **state)
{
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        struct gateway *g = gateway_new(KIND("vllm"));
        struct sim_peer *c = ask(g, "/v1/messages", "{\"model\":\"m\",\"stream\":true}");
        sim_send_text(up_of(g, 0), SSE_HEAD);
        up_chunk(up_of(g, 0), MESSAGE_START MESSAGE_TEXT);
        if (whole) up_chunk(up_of(g, 0), MESSAGE_DELTA);
        sim_fin(up_of(g, 0));
        sim_run(g->sim);
        struct str body = answer_of(c, 200);
        assert_true(str_starts(body, STR(MESSAGE_START MESSAGE_TEXT)));
        if (whole) {
            assert_true(str_ends(body, STR(MESSAGE_DELTA MESSAGE_STOP)));
        } else {
            assert_true(holds(
                body, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\""));
            assert_true(holds(body, "\"request_id\":\"req_"));
            assert_false(holds(body, "message_stop"));
        }
        gateway_free(g, 1);
    }
}

#define CREATED \
    "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_7\",\"status\":\"in_progress\"}}\n\n"
#define DELTA \
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"delta\":\"hi\"}\n\n"
#define COMPLETED \
    "event: response.completed\ndata: {\"sequence_number\":2,\"response\":{\"id\":\"resp_7\",\"status\":\"completed\",\"usage\":{\"input_tokens\":4,\"output_tokens\":2}},\"type\":\"response.completed\"}\n\n"

static void responses_end_and_break_in_their_dialect(void **state)
{
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        struct gateway *g = gateway_new(KIND("llama-server"));
        struct sim_peer *c =
            ask(g, "/v1/responses", "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}");
        assert_true(sim_has(up_of(g, 0), "POST /v1/responses HTTP/1.1\r\n"));
        sim_send_text(up_of(g, 0), SSE_HEAD);
        up_chunk(up_of(g, 0), CREATED DELTA);
        if (whole) up_chunk(up_of(g, 0), COMPLETED);
        sim_fin(up_of(g, 0));
        sim_run(g->sim);
        struct str body = answer_of(c, 200);
        if (whole) {
            assert_true(same(body, CREATED DELTA COMPLETED));
            assert_int_equal(prompt_tokens(g), 4);
        } else {
            assert_true(holds(
                body,
                "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":2,"));
            assert_true(holds(body, "\"id\":\"resp_7\""));
            assert_true(holds(body, "\"code\":\"server_error\""));
        }
        gateway_free(g, 1);
    }
}

/* --- errors --- */

static void errors_are_told_in_the_clients_dialect(void **state)
{
    (void)state;
    static const struct {
        const char *path, *up, *want;
    } cases[] = {
        {"/v1/messages", "{\"error\":{\"message\":\"no such thing\",\"code\":400}}",
         "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"no such thing\"},\"request_id\":\"req_"},
        {"/v1/messages", "{\"type\":\"error\",\"error\":{\"type\":\"mine\",\"message\":\"a\"}}",
         "{\"type\":\"error\",\"error\":{\"type\":\"mine\",\"message\":\"a\"}}"},
        {"/v1/messages", "<html>bad</html>",
         "\"message\":\"The runtime answered 400 Bad Request.\""},
        {"/v1/messages", "{\"detail\":\"Not that\"}", "\"message\":\"Not that\""},
        {"/v1/messages", "[{\"error\":{\"message\":\"listed\"}}]", "\"message\":\"listed\""},
        {"/v1/responses", "{\"error\":\"text\"}",
         "{\"error\":{\"message\":\"text\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}"},
        {"/v1/messages",
         "{\"error\":{\"message\":\"9 tokens > 8\",\"code\":\"context_length_exceeded\"}}",
         "\"message\":\"prompt is too long: 9 tokens > 8\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct gateway *g = gateway_new(KIND("llama-server"));
        struct sim_peer *c = ask(g, cases[i].path, "{\"model\":\"m\"}");
        up_json(up_of(g, 0), 400, "", cases[i].up);
        assert_true(holds(answer_of(c, 400), cases[i].want));
        assert_string_equal(gateway_outcomes(g), "upstream_status");
        gateway_free(g, 1);
    }
}

static void unknown_paths_are_refused_in_the_nearest_dialect(void **state)
{
    (void)state;
    static const struct {
        const char *path, *want;
    } cases[] = {
        {"/v1/messages/batches", "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\""},
        {"/anthropic/v1/files", "{\"type\":\"error\""},
        {"/api/nothing", "{\"error\":\"Unknown"},
        {"/v1/nothing", "{\"error\":{\"message\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct gateway *g = gateway_new(KIND("openai"));
        struct sim_peer *c = ask(g, cases[i].path, "{}");
        assert_true(str_starts(answer_of(c, 404), str_of(cases[i].want)));
        gateway_free(g, 1);
    }
}

/* --- runtimes --- */

static void keys_go_as_the_kind_wants(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *path, *want;
    } cases[] = {
        {"openai", "/v1/chat/completions", "\r\nauthorization: Bearer secret-key\r\n"},
        {"azure", "/v1/chat/completions", "\r\napi-key: secret-key\r\n"},
        {"anthropic", "/v1/messages", "\r\nx-api-key: secret-key\r\n"},
        {"anthropic", "/v1/messages", "\r\nanthropic-version: 2023-06-01\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char models[300];
        (void)snprintf(models, sizeof models, KIND("%s"), cases[i].kind);
        struct gateway *g = gateway_new(models);
        struct sim_peer *c = ask(g, cases[i].path, "{\"model\":\"m\"}");
        assert_true(sim_has(up_of(g, 0), cases[i].want));
        assert_int_equal(holds(sim_got(up_of(g, 0)), "authorization"), i == 0);
        up_json(up_of(g, 0), 200, "", "{}");
        (void)answer_of(c, 200);
        gateway_free(g, 1);
    }
}

static void headers_and_query_are_added(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(
        "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/openai/v1', name: a, headers: { X-Team: red, User-Agent: us }, query: { api-version: '2026-01 x' } }]\n");
    struct sim_peer *c = gateway_client(g);
    gateway_ask(c, "x-team: blue\r\nuser-agent: them\r\n", ASK_PLAIN);
    struct str got = sim_got(up_of(g, 0));
    assert_true(
        holds(got, "POST /openai/v1/chat/completions?api-version=2026-01%20x HTTP/1.1\r\n"));
    assert_true(holds(got, "X-Team: red\r\n") && !holds(got, "blue"));
    assert_true(holds(got, "us\r\n") && !holds(got, "them"));
    serve(g, 0);
    (void)answer_of(c, 200);
    gateway_free(g, 1);
}

/* Requests go only to who can answer them, and nobody waits for another. */
static void only_who_can_is_asked(void **state)
{
    (void)state;
    struct gateway *g =
        gateway_new("  - name: m\n    policy: round_robin\n    endpoints:\n"
                    "      - { url: 'http://10.0.0.1:80/v1', name: a, dialects: [chat] }\n"
                    "      - { url: 'http://10.0.0.2:80/v1', name: b, dialects: [embeddings] }\n");
    for (unsigned i = 0; i < 4; i++) {
        struct sim_peer *c = ask(g, "/v1/embeddings", "{\"model\":\"m\",\"input\":\"x\"}");
        up_json(up_of(g, 0), 200, "", "{}");
        (void)answer_of(c, 200);
        sim_fin(c);
        assert_true(sim_has(up_of(g, 0), "host: 10.0.0.2"));
    }
    struct sim_peer *c = ask(g, "/v1/completions", "{\"model\":\"m\",\"prompt\":\"x\"}");
    assert_true(holds(answer_of(c, 404), "serves completions"));
    gateway_free(g, 5);
}

static void a_websocket_is_refused_so_that_clients_fall_back(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(KIND("openai"));
    struct sim_peer *c = gateway_client(g);
    sim_send_text(c, "GET /v1/responses HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\n"
                     "upgrade: websocket\r\n\r\n");
    assert_true(holds(answer_of(c, 426), "\"code\":\"upgrade_not_served\""));
    gateway_free(g, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_pass_byte_for_byte),
        cmocka_unit_test(messages_end_and_break_in_their_dialect),
        cmocka_unit_test(responses_end_and_break_in_their_dialect),
        cmocka_unit_test(errors_are_told_in_the_clients_dialect),
        cmocka_unit_test(unknown_paths_are_refused_in_the_nearest_dialect),
        cmocka_unit_test(keys_go_as_the_kind_wants),
        cmocka_unit_test(headers_and_query_are_added),
        cmocka_unit_test(only_who_can_is_asked),
        cmocka_unit_test(a_websocket_is_refused_so_that_clients_fall_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
