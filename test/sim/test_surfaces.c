/* SPDX-License-Identifier: Apache-2.0 */
/* Surfaces: a runtime that has the client's gets the client's bytes, one that has another gets a
 * translation, and whoever asks is told of failures in his own dialect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/relay.h"
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

#define CLOSED_HEAD(status, type) \
    "HTTP/1.1 " status " X\r\nconnection: close\r\ncontent-type: " type "\r\n\r\n"

/* Some runtimes repeat all of a request that they refuse. As much is told as an error has room for,
 * however it is escaped, and no character in part. */
static void long_errors_are_told_in_part(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body;
    } cases[] = {
        {"/v1/messages",
         "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":true}"},
        {"/v1/responses", "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}"},
        {"/api/chat", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"},
    };
    static char error[60000];
    size_t len = (size_t)snprintf(error, sizeof error, "{\"error\":{\"message\":\"no!");
    for (unsigned i = 0; i < 4000; i++)
        len += (size_t)snprintf(error + len, sizeof error - len, "\\u0001\xc3\xa9");
    (void)snprintf(error + len, sizeof error - len, "\"}}");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int stream = 0; stream < 2; stream++) {
            struct gateway *g = gateway_new(ONE);
            struct sim_peer *c = ask(g, cases[i].path, cases[i].body);
            if (stream) {
                sim_send_text(up_of(g, 0), CLOSED_HEAD("200", "text/event-stream"));
                sim_send_text(up_of(g, 0), EVENT("before") "data: ");
                sim_send_text(up_of(g, 0), error);
                sim_send_text(up_of(g, 0), "\n\n");
            } else {
                sim_send_text(up_of(g, 0), CLOSED_HEAD("404", "application/json"));
                sim_send_text(up_of(g, 0), error);
            }
            sim_fin(up_of(g, 0));
            struct str body = answer_of(c, stream ? 200 : 404);
            assert_int_equal(holds(body, "before"), stream);
            assert_true(holds(body, "no!\\u0001\xc3\xa9") && !holds(body, "\xef\xbf\xbd"));
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

/* --- translated --- */

#define ASK_MESSAGE(more)                                                                         \
    "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]" more \
    "}"

static void chats_fit_the_product(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *has, *hasnt;
    } cases[] = {
        {"openai", "\"reasoning_effort\":\"high\"", "completion_tokens"},
        {"azure", "\"max_completion_tokens\":9", "\"max_tokens\""},
        {"mistral", "\"max_tokens\":9", "reasoning_effort"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char models[300];
        (void)snprintf(models, sizeof models, KIND("%s"), cases[i].kind);
        struct gateway *g = gateway_new(models);
        struct sim_peer *c =
            ask(g, "/v1/messages", ASK_MESSAGE(",\"output_config\":{\"effort\":\"high\"}"));
        assert_true(sim_has(up_of(g, 0), "POST /v1/chat/completions HTTP/1.1\r\n"));
        assert_true(sim_has(up_of(g, 0), cases[i].has));
        assert_false(sim_has(up_of(g, 0), cases[i].hasnt));
        serve(g, 0);
        assert_true(holds(answer_of(c, 200), "\"text\":\"hi\""));
        gateway_free(g, 1);
    }
}

/* What a runtime says of a chat's field is the client's field's fault. */
static void refusals_name_the_clients_field(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(KIND("openai"));
    struct sim_peer *c = ask(g, "/v1/responses", "{\"model\":\"m\",\"input\":\"x\"}");
    up_json(up_of(g, 0), 400, "", "{\"error\":{\"message\":\"no\",\"param\":\"messages\"}}");
    assert_true(holds(answer_of(c, 400), "\"param\":\"input\""));
    gateway_free(g, 1);
}

/* The shape of an answer is not among the fields that are left out. */
static void shapes_reach_the_product_or_are_refused(void **state)
{
    (void)state;
    static const char *const ask_shape = ASK_MESSAGE(",\"guided_regex\":\"a|b\"");
    struct gateway *g = gateway_new(KIND("openai"));
    struct sim_peer *c = ask(g, "/v1/messages", ask_shape);
    assert_true(sim_has(up_of(g, 0), "\"guided_regex\":\"a|b\""));
    serve(g, 0);
    (void)answer_of(c, 200);
    gateway_free(g, 1);

    g = gateway_new(KIND("mistral"));
    c = ask(g, "/v1/messages", ask_shape);
    assert_true(holds(answer_of(c, 400), "\"message\":\"'guided_regex' is not available"));
    gateway_free(g, 1);
}

/* Tools that a runtime's Responses do not know: it is asked for a chat. */
static void namespaces_are_translated_where_the_product_knows_none(void **state)
{
    (void)state;
    for (int other = 0; other < 2; other++) {
        struct gateway *g = gateway_new(KIND("llama-server"));
        struct sim_peer *c = ask(
            g, "/v1/responses",
            other
                ? "{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"namespace\",\"name\":\"mcp__a\",\"tools\":[{\"name\":\"add\"}]}]}"
                : "{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"function\",\"name\":\"add\"}]}");
        assert_true(
            sim_has(up_of(g, 0), other ? "POST /v1/chat/completions" : "POST /v1/responses"));
        up_json(
            up_of(g, 0), 200, "",
            "{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"call_1\",\"function\":{\"name\":\"mcp__a__add\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}");
        struct str body = answer_of(c, 200);
        if (other)
            assert_true(holds(body, "\"name\":\"add\"") && holds(body, "\"namespace\":\"mcp__a\""));
        gateway_free(g, 1);
    }
}

/* What is none of the runtime's dialect is a failure: elsewhere, or 502 with what was seen. */
static void what_is_no_answer_is_told(void **state)
{
    (void)state;
    static const char *const texts[] = {"<html>", "{}", "{\"choices\":[]}",
                                        "[1]",    "",   "{\"choices\":[{"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        for (int two = 0; two < 2; two++)
            for (int stream = 0; stream < 2; stream++) {
                struct gateway *g = gateway_new(two ? TWO : ONE);
                struct sim_peer *c = ask(
                    g, "/v1/messages", stream ? ASK_MESSAGE(",\"stream\":true") : ASK_MESSAGE(""));
                up_json(up_of(g, 0), 200, "", texts[i]);
                if (two) {
                    serve(g, 1);
                    assert_true(holds(answer_of(c, 200), "hi"));
                } else {
                    struct str body = answer_of(c, 502);
                    assert_true(str_starts(
                        body, STR("{\"type\":\"error\",\"error\":{\"type\":\"api_error\"")));
                    assert_true(holds(
                        body,
                        "answered outside its dialect: status 200, content type 'application/json'"));
                }
                gateway_free(g, 1);
            }
}

/* What looks like the end and cannot be read is none. */
static void an_end_that_is_none_is_an_error(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(KIND("anthropic"));
    struct sim_peer *c =
        ask(g, "/v1/chat/completions",
            "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
            "\"stream\":true}");
    sim_send_text(up_of(g, 0), SSE_HEAD);
    up_chunk(up_of(g, 0), MESSAGE_START MESSAGE_TEXT);
    up_chunk(up_of(g, 0),
             "data: {\"type\":\"message_delta\"}\ndata: {\"type\":\"message_stop\"}\n\n");
    struct str body = answer_of(c, 200);
    assert_true(holds(body, "\"content\":\"hi\"") && holds(body, "data: {\"error\":{"));
    assert_string_equal(gateway_outcomes(g), "upstream_broken");
    gateway_free(g, 1);
}

/* A runtime may tell all of a file that it writes in one event. */
static void large_answers_are_translated_or_said_to_be_too_large(void **state)
{
    (void)state;
    static const char before[] = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"";
    static const char behind[] = "\"}}]}\n\n" END_EVENT DONE_EVENT;
    for (size_t size = 2 << 20; size < (16 << 20); size += 8 << 20) {
        bool fits = size < RELAY_TRANSLATED_MAX;
        char *text = calloc(1, size + 1);
        memset(text, 'x', size);
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = ask(g, "/v1/messages", ASK_MESSAGE(""));
        sim_send_text(up_of(g, 0), CLOSED_HEAD("200", "text/event-stream"));
        sim_send_text(up_of(g, 0), before);
        sim_send_pieces(up_of(g, 0), str_n(text, size), 65536);
        sim_send_text(up_of(g, 0), behind);
        struct str body = answer_of(c, fits ? 200 : 502);
        assert_true(fits ? body.len > size : holds(body, "answered more than can be translated"));
        gateway_free(g, 1);
        free(text);
    }
}

/* An object where a stream was asked for, and a stream where an object was. */
static void framings_may_differ(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = ask(g, "/v1/messages", ASK_MESSAGE(",\"stream\":true"));
    serve(g, 0);
    struct str body = answer_of(c, 200);
    assert_true(holds(sim_got(c), "content-type: text/event-stream"));
    assert_true(holds(body, "\"text\":\"hi\"}}") && str_ends(body, STR(MESSAGE_STOP)));
    gateway_free(g, 1);

    g = gateway_new(ONE);
    c = ask(g, "/v1/messages", ASK_MESSAGE(""));
    sim_send_text(up_of(g, 0), SSE_HEAD);
    up_chunk(up_of(g, 0), EVENT("a") EVENT("b") END_EVENT DONE_EVENT);
    sim_send_text(up_of(g, 0), LAST_CHUNK);
    assert_true(holds(answer_of(c, 200), "\"text\":\"ab\""));
    assert_true(holds(sim_got(c), "content-type: application/json"));
    gateway_free(g, 1);
}

/* The first piece passes as soon as it came, and in the same moment when the client leaves so does
 * the runtime's connection. */
static void pieces_pass_at_once_and_leaving_is_felt(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body, *piece;
    } cases[] = {
        {"/v1/messages", ASK_MESSAGE(",\"stream\":true"), "\"text_delta\",\"text\":\"a\""},
        {"/v1/responses", "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}", "\"delta\":\"a\""},
        {"/api/chat", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
         "\"content\":\"a\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct gateway *g = gateway_new(ONE);
        struct sim_peer *c = ask(g, cases[i].path, cases[i].body);
        sim_send_text(up_of(g, 0), SSE_HEAD);
        up_chunk(up_of(g, 0), EVENT("a"));
        assert_true(sim_has(c, cases[i].piece));
        sim_reset(c);
        assert_true(up_of(g, 0)->closed);
        assert_string_equal(gateway_outcomes(g), "client_gone");
        gateway_free(g, 1);
    }
}

/* What is made of a body is held beside it. */
static void translated_bodies_count(void **state)
{
    (void)state;
    static char text[10 * 1024], body[12 * 1024];
    struct gateway *g = gateway_new(ONE);
    _Atomic uint64_t held = 0;
    g->worker.server.bodies = &held;
    g->worker.server.limits.bodies_max = 16 * 1024;
    memset(text, 'x', sizeof text - 1);
    (void)snprintf(body, sizeof body,
                   "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}", text);
    for (int i = 0; i < 2; i++) {
        struct sim_peer *c = ask(g, "/v1/chat/completions", body);
        assert_true(sim_has(up_of(g, 0), "POST /v1/chat/completions"));
        sim_forget(up_of(g, 0));
        serve(g, 0);
        (void)answer_of(c, 200);
        (void)snprintf(body, sizeof body,
                       "{\"model\":\"m\",\"max_tokens\":9,"
                       "\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
                       text);
        c = ask(g, "/v1/messages", body);
        assert_true(holds(answer_of(c, 503), "overloaded"));
        (void)snprintf(body, sizeof body,
                       "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
                       text);
    }
    assert_int_equal(held, 0);
    gateway_free(g, 4);
}

/* Attempts at an endpoint that have ended, however they did. */
static uint64_t attempts_at(struct gateway *g, size_t place)
{
    uint64_t sum = 0;
    for (size_t v = 0; v < VERDICT_COUNT; v++)
        sum += metric_read(&service_of(g)->endpoints[place].state->workers[0].stats.attempts[v]);
    return sum;
}

/* What one endpoint's dialect cannot say goes to another, whoever's turn it is. Who was not asked has
 * no attempt. */
static void who_can_say_it_is_asked(void **state)
{
    (void)state;
    static const char *const ask_two =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"n\":2}";
    struct gateway *g =
        gateway_new("  - name: m\n    policy: round_robin\n    endpoints:\n"
                    "      - { url: 'http://10.0.0.1:80/v1', name: a, kind: anthropic }\n"
                    "      - { url: 'http://10.0.0.2:80/v1', name: b }\n");
    for (int i = 0; i < 4; i++) {
        struct sim_peer *c = ask(g, "/v1/chat/completions", ask_two);
        assert_true(sim_has(up_of(g, 0), "POST /v1/chat/completions"));
        sim_forget(up_of(g, 0));
        serve(g, 0);
        assert_true(same(answer_of(c, 200), JSON_TEXT));
    }
    assert_int_equal(metric_read(&g->worker.lane.stats.retries), 0);
    assert_int_equal(attempts_at(g, 0), 0);
    assert_int_equal(attempts_at(g, 1), 4);
    gateway_free(g, 4);

    g = gateway_new(KIND("anthropic"));
    struct sim_peer *c = ask(g, "/v1/chat/completions", ask_two);
    assert_true(holds(answer_of(c, 400), "\"param\":\"n\""));
    assert_int_equal(attempts_at(g, 0), 0);
    gateway_free(g, 1);
}

/* Clients count with the request that they are going to send, stream and all. */
static void counts_are_no_streams(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body, *want;
    } cases[] = {
        {"/v1/messages/count_tokens", ASK_MESSAGE(",\"stream\":true"), "{\"input_tokens\":5}"},
        {"/v1/responses/input_tokens", "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}",
         "{\"object\":\"response.input_tokens\",\"input_tokens\":5}"},
        {"/v1/chat/completions/input_tokens", ASK_STREAM, "{\"input_tokens\":5}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct gateway *g = gateway_new(KIND("vllm"));
        struct sim_peer *c = ask(g, cases[i].path, cases[i].body);
        assert_true(sim_has(up_of(g, 0), "POST /tokenize HTTP/1.1\r\n"));
        up_json(up_of(g, 0), 200, "", "{\"count\":5}");
        assert_true(same(answer_of(c, 200), cases[i].want));
        assert_true(holds(sim_got(c), "content-type: application/json\r\n"));
        gateway_free(g, 1);
    }
}

static unsigned count_of(struct str s, struct str what)
{
    unsigned n = 0;
    for (ptrdiff_t at; (at = str_find(s, what)) >= 0; n++)
        s = str_skip(s, (size_t)at + what.len);
    return n;
}

static void quiet_streams_get_pings(void **state)
{
    (void)state;
    for (int native = 0; native < 2; native++) {
        struct gateway *g = gateway_new(native ? KIND("llama-server") : KIND("openai"));
        struct sim_peer *c = ask(g, "/v1/messages", ASK_MESSAGE(",\"stream\":true"));
        sim_send_text(up_of(g, 0), SSE_HEAD);
        up_chunk(up_of(g, 0), native ? MESSAGE_START MESSAGE_TEXT : EVENT("a"));
        sim_advance(g->sim, 14 * USEC_PER_SEC);
        assert_int_equal(count_of(sim_got(c), STR("event: ping\n")), 0);
        sim_advance(g->sim, 20 * USEC_PER_SEC);
        assert_int_equal(count_of(sim_got(c), STR("event: ping\ndata: {\"type\":\"ping\"}\n\n")),
                         2);
        up_chunk(up_of(g, 0), native ? MESSAGE_DELTA MESSAGE_STOP : END_EVENT DONE_EVENT);
        sim_send_text(up_of(g, 0), LAST_CHUNK);
        assert_true(str_ends(answer_of(c, 200), STR(MESSAGE_STOP)));
        gateway_free(g, 1);
    }
}

/* While a runtime computes a long prompt and has sent no head yet; what comes of it is told in the
 * stream that was begun. */
static void those_who_wait_for_a_head_get_pings(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct gateway *g = gateway_new(how == 3 ? KIND("llama-server") : TWO);
        struct sim_peer *c = ask(g, "/v1/messages", ASK_MESSAGE(",\"stream\":true"));
        sim_advance(g->sim, 14 * USEC_PER_SEC);
        assert_int_equal(sim_got(c).len, 0);
        sim_advance(g->sim, 20 * USEC_PER_SEC);
        assert_int_equal(count_of(sim_got(c), STR("event: ping\n")), 2);
        if (how == 0) {
            sim_send_text(up_of(g, 0), SSE_HEAD);
            up_chunk(up_of(g, 0), EVENT("a") END_EVENT DONE_EVENT);
            sim_send_text(up_of(g, 0), LAST_CHUNK);
        } else if (how == 1) {
            up_json(up_of(g, 0), 404, "", "{\"error\":{\"message\":\"no\"}}");
        } else if (how == 2) {
            sim_fin(up_of(g, 0)); /* the other one answers */
            sim_run(g->sim);
            serve(g, 1);
        } else {
            up_json(up_of(g, 0), 200, "", "{\"type\":\"message\"}");
        }
        struct str body = answer_of(c, 200);
        bool good = how == 0 || how == 2;
        assert_true(good ? str_ends(body, STR(MESSAGE_STOP)) : holds(body, "event: error\n"));
        assert_int_equal(count_of(sim_got(c), STR("HTTP/1.1")), 1);
        gateway_free(g, 1);
    }
}

static void what_is_left_out_is_told(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c =
        ask(g, "/v1/messages", ASK_MESSAGE(",\"context_management\":{},\"container\":\"c\""));
    serve(g, 0);
    (void)answer_of(c, 200);
    assert_true(holds(sim_got(c), "x-hostler-dropped: c"));
    gateway_free(g, 1);
}

static void rate_limits_are_told_in_the_clients_words(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = ask(g, "/v1/messages", ASK_MESSAGE(""));
    up_json(up_of(g, 0), 200,
            "x-ratelimit-remaining-requests: 59\r\nx-ratelimit-reset-tokens: 1h6m0.5s\r\n"
            "x-ratelimit-reset-requests: soon\r\n",
            JSON_TEXT);
    (void)answer_of(c, 200);
    assert_true(holds(sim_got(c), "\r\nanthropic-ratelimit-requests-remaining: 59\r\n"));
    assert_true(holds(sim_got(c), "\r\nanthropic-ratelimit-tokens-reset: 2"));
    assert_false(holds(sim_got(c), "anthropic-ratelimit-requests-reset"));
    gateway_free(g, 1);

    g = gateway_new(KIND("anthropic"));
    c = ask(g, "/v1/chat/completions",
            "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    up_json(
        up_of(g, 0), 200,
        "anthropic-ratelimit-tokens-limit: 7\r\n"
        "anthropic-ratelimit-tokens-reset: 2001-01-01T00:00:00Z\r\n",
        "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],\"stop_reason\":\"end_turn\"}");
    (void)answer_of(c, 200);
    assert_true(holds(sim_got(c), "\r\nx-ratelimit-limit-tokens: 7\r\n"));
    assert_true(holds(sim_got(c), "\r\nx-ratelimit-reset-tokens: 0s\r\n"));
    gateway_free(g, 1);
}

/* --- responses that are kept --- */

static struct sim_peer *get(struct gateway *g, const char *method, const char *path)
{
    char text[600];
    struct sim_peer *c = gateway_client(g);
    (void)snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nhost: localhost\r\n\r\n", method, path);
    sim_send_text(c, text);
    return c;
}

static void responses_are_kept_continued_and_deleted(void **state)
{
    (void)state;
    char id[80], text[400];
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = ask(g, "/v1/responses", "{\"model\":\"m\",\"input\":\"first\"}");
    serve(g, 0);
    struct str first = answer_of(c, 200);
    assert_int_equal(sscanf(first.ptr, "{\"id\":\"%79[^\"]", id), 1);
    (void)snprintf(text, sizeof text, "/v1/responses/%s", id);
    c = get(g, "GET", text);
    assert_true(holds(answer_of(c, 200), "\"text\":\"hi\""));
    (void)snprintf(text, sizeof text, "/v1/responses/%s/input_items", id);
    c = get(g, "GET", text);
    assert_true(holds(answer_of(c, 200), "first"));
    c = get(g, "DELETE", text); /* only the whole response can be */
    (void)answer_of(c, 404);

    (void)snprintf(text, sizeof text,
                   "{\"model\":\"m\",\"input\":\"second\",\"previous_response_id\":\"%s\"}", id);
    c = ask(g, "/v1/responses", text);
    assert_true(sim_has(
        up_of(g, 0),
        "{\"role\":\"user\",\"content\":\"first\"},{\"role\":\"assistant\",\"content\":\"hi\"},{\"role\":\"user\",\"content\":\"second\"}"));
    serve(g, 0);
    (void)answer_of(c, 200);

    (void)snprintf(text, sizeof text, "/v1/responses/%s", id);
    c = get(g, "DELETE", text);
    assert_true(holds(answer_of(c, 200), "\"deleted\":true"));
    c = get(g, "GET", text);
    assert_true(holds(answer_of(c, 404), "response_not_found"));
    gateway_free(g, 7);
}

static void what_shall_not_be_kept_is_not(void **state)
{
    (void)state;
    char id[80], text[400];
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c =
        ask(g, "/v1/responses", "{\"model\":\"m\",\"input\":\"first\",\"store\":false}");
    serve(g, 0);
    assert_int_equal(sscanf(answer_of(c, 200).ptr, "{\"id\":\"%79[^\"]", id), 1);
    (void)snprintf(text, sizeof text, "/v1/responses/%s", id);
    c = get(g, "GET", text);
    (void)answer_of(c, 404);
    (void)snprintf(text, sizeof text,
                   "{\"model\":\"m\",\"input\":\"second\",\"previous_response_id\":\"%s\"}", id);
    c = ask(g, "/v1/responses", text);
    assert_true(holds(answer_of(c, 400), "previous_response_not_found"));
    gateway_free(g, 3);
}

/* A runtime that keeps nothing itself: what it answered in its own dialect is kept here. */
static void native_responses_are_kept_too(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct gateway *g = gateway_new(KIND("llama-server"));
        struct sim_peer *c = ask(g, "/v1/responses",
                                 stream ? "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}"
                                        : "{\"model\":\"m\",\"input\":\"x\"}");
#define RESPONSE \
    "{\"id\":\"resp_7\",\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"native\"}]}]}"
        if (stream) {
            sim_send_text(up_of(g, 0), SSE_HEAD);
            up_chunk(
                up_of(g, 0), CREATED DELTA
                "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":" RESPONSE
                "}\n\n");
            sim_send_text(up_of(g, 0), LAST_CHUNK);
        } else {
            up_json(up_of(g, 0), 200, "", RESPONSE);
        }
        (void)answer_of(c, 200);
        c = get(g, "GET", "/v1/responses/resp_7");
        assert_true(same(answer_of(c, 200), RESPONSE));
        c = ask(g, "/v1/responses",
                "{\"model\":\"m\",\"input\":\"y\",\"previous_response_id\":\"resp_7\"}");
        assert_true(sim_has(up_of(g, 0), "POST /v1/chat/completions"));
        assert_true(sim_has(up_of(g, 0), "{\"role\":\"assistant\",\"content\":\"native\"}"));
        serve(g, 0);
        (void)answer_of(c, 200);
        gateway_free(g, 3);
    }
}

/* An older product than its kind's row: asked once, translated from then on. */
static void a_route_that_is_not_there_is_translated(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(KIND("ollama"));
    for (int again = 0; again < 2; again++) {
        struct sim_peer *c = ask(g, "/v1/messages", ASK_MESSAGE(""));
        if (!again) {
            assert_true(sim_has(up_of(g, 0), "POST /v1/messages"));
            up_json(up_of(g, 0), 404, "", "404 page not found");
        }
        assert_true(sim_has(up_of(g, 0), "POST /v1/chat/completions"));
        serve(g, 0);
        assert_true(holds(answer_of(c, 200), "\"text\":\"hi\""));
        sim_forget(up_of(g, 0));
    }
    struct sim_peer *c = ask(g, "/v1/responses", "{\"model\":\"m\",\"input\":\"x\"}");
    assert_true(sim_has(up_of(g, 0), "POST /v1/responses"));
    up_json(up_of(g, 0), 404, "", "{\"error\":{\"message\":\"no model up\"}}");
    up_json(up_of(g, 0), 404, "", "{\"error\":{\"message\":\"no model up\"}}");
    assert_true(holds(answer_of(c, 404), "no model up"));
    gateway_free(g, 3);
}

/* Who goes on from what nobody knows is told so, and does not get an answer to half of it. */
static void a_history_that_is_lost_is_told(void **state)
{
    (void)state;
    static const char *const kinds[] = {"openai", "ollama", "azure"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char models[300];
        (void)snprintf(models, sizeof models, KIND("%s"), kinds[i]);
        struct gateway *g = gateway_new(models);
        struct sim_peer *c =
            ask(g, "/v1/responses",
                "{\"model\":\"m\",\"input\":\"x\",\"previous_response_id\":\"resp_0\"}");
        if (i == 2) { /* it may be one of Azure's */
            up_json(up_of(g, 0), 200, "", "{\"id\":\"resp_1\",\"output\":[]}");
            (void)answer_of(c, 200);
        } else {
            assert_true(holds(answer_of(c, 400), "previous_response_not_found"));
        }
        gateway_free(g, 1);
    }
}

/* What came of a stream that broke is counted, though its runtime had told of nothing yet. */
static void what_came_of_a_broken_stream_is_counted(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(KIND("vllm"));
    struct sim_peer *c = ask(g, "/v1/messages", ASK_MESSAGE(",\"stream\":true"));
    sim_send_text(up_of(g, 0), SSE_HEAD);
    up_chunk(up_of(g, 0), MESSAGE_START MESSAGE_TEXT);
    up_chunk(
        up_of(g, 0),
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"you\"}}\n\n");
    sim_fin(up_of(g, 0));
    sim_run(g->sim);
    (void)answer_of(c, 200);
    assert_int_equal(prompt_tokens(g), 15);
    assert_int_equal(metric_read(&service_stats(service_of(g), 0)->tokens_completion), 2);
    gateway_free(g, 1);
}

/* What a runtime computes in the background is asked for, cancelled and deleted there, at the very
 * endpoint; nobody else can. */
static void what_a_runtime_keeps_is_asked_there(void **state)
{
    (void)state;
    struct gateway *g =
        gateway_new("  - name: m\n    policy: round_robin\n    endpoints:\n"
                    "      - { url: 'http://10.0.0.1:80/v1', name: a, kind: vllm }\n"
                    "      - { url: 'http://10.0.0.2:80/v1', name: b, kind: vllm }\n");
    struct sim_peer *c =
        ask(g, "/v1/responses", "{\"model\":\"m\",\"input\":\"x\",\"background\":true}");
    up_json(up_of(g, 0), 200, "", "{\"id\":\"resp_7\",\"status\":\"queued\",\"output\":[]}");
    (void)answer_of(c, 200);
    static const char *const asks[][2] = {{"GET", "/v1/responses/resp_7?include=x"},
                                          {"POST", "/v1/responses/resp_7/cancel"},
                                          {"DELETE", "/v1/responses/resp_7"}};
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        char want[200];
        sim_forget(up_of(g, 0));
        c = get(g, asks[i][0], asks[i][1]);
        (void)snprintf(want, sizeof want, "%s %s HTTP/1.1\r\n", asks[i][0], asks[i][1]);
        assert_true(sim_has(up_of(g, 0), want));
        up_json(up_of(g, 0), 200, "", "{\"id\":\"resp_7\",\"status\":\"done\"}");
        assert_true(same(answer_of(c, 200), "{\"id\":\"resp_7\",\"status\":\"done\"}"));
    }
    c = get(g, "GET", "/v1/responses/resp_7");
    (void)answer_of(c, 404);
    c = get(g, "POST", "/v1/responses/resp_8/cancel");
    assert_true(holds(answer_of(c, 400), "not_cancellable"));
    gateway_free(g, 6);

    /* another model has no such endpoint: what it is asked to go on from, it does not know */
    g = gateway_new(
        "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, kind: vllm }]\n"
        "  - name: n\n    endpoints: [{ url: 'http://10.0.0.2:80/v1', name: b, kind: vllm }]\n");
    c = ask(g, "/v1/responses", "{\"model\":\"m\",\"input\":\"x\",\"background\":true}");
    up_json(up_of(g, 0), 200, "", "{\"id\":\"resp_7\",\"status\":\"queued\",\"output\":[]}");
    (void)answer_of(c, 200);
    c = ask(g, "/v1/responses",
            "{\"model\":\"n\",\"input\":\"x\",\"previous_response_id\":\"resp_7\"}");
    up_json(up_of(g, 1), 400, "", "{\"error\":{\"message\":\"no resp_7\"}}");
    assert_true(holds(answer_of(c, 400), "no resp_7"));
    gateway_free(g, 2);

    /* also where the product seems to have forgotten the route by then */
    g = gateway_new(KIND("vllm"));
    c = ask(g, "/v1/responses", "{\"model\":\"m\",\"input\":\"x\",\"background\":true}");
    up_json(up_of(g, 0), 200, "", "{\"id\":\"resp_7\",\"status\":\"queued\",\"output\":[]}");
    (void)answer_of(c, 200);
    c = ask(g, "/v1/responses", "{\"model\":\"m\",\"input\":\"x\"}");
    up_json(up_of(g, 0), 404, "", "404 page not found");
    serve(g, 0);
    (void)answer_of(c, 200);
    c = get(g, "GET", "/v1/responses/resp_7");
    up_json(up_of(g, 0), 200, "", "{\"id\":\"resp_7\",\"status\":\"done\"}");
    assert_true(same(answer_of(c, 200), "{\"id\":\"resp_7\",\"status\":\"done\"}"));
    gateway_free(g, 3);

    g = gateway_new(ONE);
    c = ask(g, "/v1/responses", "{\"model\":\"m\",\"input\":\"x\",\"background\":true}");
    assert_true(holds(answer_of(c, 400), "background"));
    gateway_free(g, 1);
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
        cmocka_unit_test(long_errors_are_told_in_part),
        cmocka_unit_test(unknown_paths_are_refused_in_the_nearest_dialect),
        cmocka_unit_test(keys_go_as_the_kind_wants),
        cmocka_unit_test(headers_and_query_are_added),
        cmocka_unit_test(only_who_can_is_asked),
        cmocka_unit_test(chats_fit_the_product),
        cmocka_unit_test(refusals_name_the_clients_field),
        cmocka_unit_test(shapes_reach_the_product_or_are_refused),
        cmocka_unit_test(namespaces_are_translated_where_the_product_knows_none),
        cmocka_unit_test(what_is_no_answer_is_told),
        cmocka_unit_test(framings_may_differ),
        cmocka_unit_test(an_end_that_is_none_is_an_error),
        cmocka_unit_test(large_answers_are_translated_or_said_to_be_too_large),
        cmocka_unit_test(pieces_pass_at_once_and_leaving_is_felt),
        cmocka_unit_test(translated_bodies_count),
        cmocka_unit_test(who_can_say_it_is_asked),
        cmocka_unit_test(counts_are_no_streams),
        cmocka_unit_test(quiet_streams_get_pings),
        cmocka_unit_test(those_who_wait_for_a_head_get_pings),
        cmocka_unit_test(what_is_left_out_is_told),
        cmocka_unit_test(rate_limits_are_told_in_the_clients_words),
        cmocka_unit_test(responses_are_kept_continued_and_deleted),
        cmocka_unit_test(what_shall_not_be_kept_is_not),
        cmocka_unit_test(native_responses_are_kept_too),
        cmocka_unit_test(a_history_that_is_lost_is_told),
        cmocka_unit_test(what_came_of_a_broken_stream_is_counted),
        cmocka_unit_test(a_route_that_is_not_there_is_translated),
        cmocka_unit_test(what_a_runtime_keeps_is_asked_there),
        cmocka_unit_test(a_websocket_is_refused_so_that_clients_fall_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
