/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of Ollama: answered by a runtime of whatever dialect, and told what they ask besides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "gateway.h"

#define KIND(name)                                                                             \
    "  - name: m\n    aliases: [n]\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, " \
    "model: up, kind: " name " }]\n"
#define LINES_HEAD \
    "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"

static struct sim_peer *post(struct gateway *g, const char *path, const char *body)
{
    struct sim_peer *c = gateway_client(g);
    gateway_post(c, path, "", body);
    return c;
}

static const struct service_stats *stats_of(struct gateway *g)
{
    size_t count;
    return service_stats(snapshot_services(g->snapshot, &count), 0);
}

static void check_counts(struct gateway *g, uint64_t prompt, uint64_t completion)
{
    assert_int_equal(metric_read(&stats_of(g)->tokens_prompt), prompt);
    assert_int_equal(metric_read(&stats_of(g)->tokens_completion), completion);
}

/* --- answers --- */

static void chats_are_answered_by_any_runtime(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(KIND("vllm"));
    struct sim_peer *c = post(
        g, "/api/chat", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    assert_true(sim_has(up_of(g, 0), "POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_true(
        sim_has(up_of(g, 0), "\"stream\":true,\"stream_options\":{\"include_usage\":true}"));
    sim_send_text(up_of(g, 0), SSE_HEAD);
    up_chunk(up_of(g, 0), EVENT("Hi"));
    up_chunk(up_of(g, 0), EVENT(" you") END_EVENT USAGE_EVENT DONE_EVENT);
    sim_send_text(up_of(g, 0), LAST_CHUNK);
    struct str body = answer_of(c, 200);
    assert_true(holds(sim_got(c), "\r\ncontent-type: application/x-ndjson\r\n"));
    assert_true(str_starts(body, STR("{\"model\":\"m\",\"created_at\":\"")));
    assert_true(
        holds(body, "\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}\n"));
    assert_true(holds(body, "\"content\":\" you\"},\"done\":false}\n"));
    assert_true(holds(body, "\"done\":true,\"done_reason\":\"stop\",\"total_duration\":"));
    assert_true(holds(body, "\"prompt_eval_count\":3,") && holds(body, "\"eval_count\":2,"));
    assert_true(str_ends(body, STR("}\n")));
    check_counts(g, 3, 2);
    gateway_free(g, 1);
}

static void one_object_is_answered_where_no_stream_is_wanted(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(KIND("openai"));
    struct sim_peer *c =
        post(g, "/api/generate", "{\"model\":\"m\",\"prompt\":\"x\",\"stream\":false}");
    serve(g, 0);
    struct str body = answer_of(c, 200);
    assert_true(holds(sim_got(c), "\r\ncontent-type: application/json\r\n"));
    assert_true(holds(body, ",\"response\":\"hi\",\"done\":true,\"done_reason\":\"stop\","));
    gateway_free(g, 1);
}

static void texts_are_embedded_by_any_runtime(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(KIND("openai"));
    struct sim_peer *c = post(g, "/api/embed", "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}");
    assert_true(sim_has(up_of(g, 0), "POST /v1/embeddings HTTP/1.1\r\n"));
    up_json(up_of(g, 0), 200, "",
            "{\"data\":[{\"index\":0,\"embedding\":[1]},{\"index\":1,\"embedding\":[2]}],"
            "\"usage\":{\"prompt_tokens\":4}}");
    struct str body = answer_of(c, 200);
    assert_true(
        str_starts(body, STR("{\"model\":\"m\",\"embeddings\":[[1],[2]],\"total_duration\":")));
    assert_true(str_ends(body, STR(",\"prompt_eval_count\":4}")));
    gateway_free(g, 1);
}

static void what_its_runtime_says_passes(void **state)
{
    (void)state;
    static const char lines[] =
        "{\"model\":\"up\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}\n"
        "{\"model\":\"up\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,"
        "\"prompt_eval_count\":5,\"eval_count\":6}\n";
    struct gateway *g = gateway_new(KIND("ollama"));
    struct sim_peer *c = post(g, "/api/chat", "{\"model\":\"m\", \"messages\":[{}]}");
    assert_true(sim_has(up_of(g, 0), "POST /api/chat HTTP/1.1\r\n"));
    assert_true(str_ends(sim_got(up_of(g, 0)), STR("{\"model\":\"up\", \"messages\":[{}]}")));
    sim_send_text(up_of(g, 0), LINES_HEAD);
    up_chunk(up_of(g, 0), lines);
    sim_send_text(up_of(g, 0), LAST_CHUNK);
    assert_true(same(answer_of(c, 200), lines));
    check_counts(g, 5, 6);
    gateway_free(g, 1);
}

static void broken_streams_end_with_a_line(void **state)
{
    (void)state;
    static const char *const kinds[] = {KIND("ollama"), KIND("openai")};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct gateway *g = gateway_new(kinds[i]);
        struct sim_peer *c = post(g, "/api/generate", "{\"model\":\"m\",\"prompt\":\"x\"}");
        sim_send_text(up_of(g, 0), i == 0 ? LINES_HEAD : SSE_HEAD);
        up_chunk(up_of(g, 0), i == 0 ? "{\"response\":\"Hi\",\"done\":false}\n" : EVENT("Hi"));
        sim_fin(up_of(g, 0));
        sim_run(g->sim);
        struct str body = answer_of(c, 200);
        assert_true(holds(body, "\"response\":\"Hi\"") && holds(body, "\n{\"error\":\""));
        assert_true(str_ends(body, STR("\"}\n")) && !holds(body, "\"done\":true"));
        gateway_free(g, 1);
    }
}

static void errors_are_told_as_its_own(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(KIND("vllm"));
    struct sim_peer *c =
        post(g, "/api/chat", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}");
    up_json(up_of(g, 0), 400, "",
            "{\"error\":{\"message\":\"too long\",\"code\":400}}"); /* the usage? */
    assert_false(
        str_ends(sim_got(up_of(g, 0)), STR("\"stream_options\":{\"include_usage\":true}}")));
    up_json(up_of(g, 0), 400, "", "{\"error\":{\"message\":\"too long\",\"code\":400}}");
    assert_true(same(answer_of(c, 400), "{\"error\":\"too long\"}"));
    gateway_free(g, 1);
    g = gateway_new(KIND("vllm"));
    c = post(g, "/api/chat", "{\"model\":\"m\",\"messages\":[3]}");
    assert_true(holds(answer_of(c, 400), "{\"error\":\"'messages[0].role' must be"));
    gateway_free(g, 1);
}

/* Its clients print an error only where it is a text: whoever refuses, and why. */
static void all_refusals_are_texts(void **state)
{
    (void)state;
#define KEYS \
    "  - name: x\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a }]\nkeys:\n  - { name: one, key: sk-one-0123456789, models: [x] }\n"
#define CHAT "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
#define HAS_KEY "authorization: Bearer sk-one-0123456789\r\n"
    static const struct {
        const char *models, *start, *headers, *body;
        int status;
    } cases[] = {
        {ONE, "POST /api/chat", "", "m", 400},
        {ONE, "POST /api/chat", "origin: https://evil.example\r\n", CHAT, 403},
        {ONE KEYS, "POST /api/chat", "", CHAT, 401},
        {ONE KEYS, "GET /api/tags", "authorization: Bearer sk-two-0123456789\r\n", "", 401},
        {ONE KEYS, "GET /api/nothing", "", "", 401},
        {ONE KEYS, "POST /api/chat", HAS_KEY, CHAT, 403},
        {ONE KEYS, "POST /api/chat", HAS_KEY "x-api-key: sk-two-0123456789\r\n", CHAT, 400},
        {ONE, "POST /api/chat", "", "{\"model\":\"x\",\"messages\":[]}", 404},
        {ONE, "GET /api/nothing", "", "", 404},
        {ONE, "POST /api/chat/", "", CHAT, 404},
        {ONE, "GET /api/chat", "", "", 405},
        {ONE, "POST /api/tags", "", "{}", 405},
        {ONE, "POST /api/embed", "content-type: application/json; charset=utf-7\r\n", CHAT, 415},
        {ONE, "POST /api/chat", "content-encoding: gzip\r\n", CHAT, 415},
        {ONE, "POST /api/chat", "via: 1.1 hostler-0123\r\n", CHAT, 508},
        {ONE_OF(1, "    queue_max: 0\n"), "POST /api/chat", "", CHAT, 429},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[1000];
        struct gateway *g = gateway_new(cases[i].models);
        unsigned exchanges = 1;
        if (cases[i].status == 429) { /* somebody has the only place */
            gateway_ask(gateway_client(g), "", ASK_PLAIN);
            exchanges++;
        }
        struct sim_peer *c = gateway_client(g);
        (void)snprintf(text, sizeof text,
                       "%s HTTP/1.1\r\nhost: localhost\r\n%scontent-length: %zu\r\n\r\n%s",
                       cases[i].start, cases[i].headers, strlen(cases[i].body), cases[i].body);
        sim_send_text(c, text);
        struct str body = answer_of(c, cases[i].status);
        if (!str_starts(body, STR("{\"error\":\"")))
            fail_msg("%s: %" STR_FMT, cases[i].start, STR_ARG(body));
        gateway_stop(g);
        gateway_free(g, exchanges);
    }
}

static void a_body_that_is_too_large_is_refused_by_a_text(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(ONE);
    struct sim_peer *c = gateway_client(g);
    sim_send_text(c, "POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 70000\r\n\r\n");
    assert_true(str_starts(answer_of(c, 413), STR("{\"error\":\"The request body is larger")));
    gateway_free(g, 1);
}

/* Half an emoji, as clients send it that cut a text: what cannot pass as it came is mended. */
static void half_an_emoji_is_no_reason_to_refuse(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(KIND("vllm"));
    post(g, "/api/chat",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\\ud83d b\"}]}");
    assert_true(sim_has(up_of(g, 0), "\"content\":\"a\xef\xbf\xbd b\""));
    gateway_stop(g);
    gateway_free(g, 1);
    g = gateway_new(KIND("vllm"));
    post(g, "/v1/chat/completions",
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\\ud83d b\"}]}");
    assert_true(sim_has(up_of(g, 0), "\"content\":\"a\\ud83d b\""));
    gateway_stop(g);
    gateway_free(g, 1);
}

/* --- pages --- */

static void pages_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *want[4];
    } cases[] = {
        {"GET", "/", "", 200, {"Hostler is running"}},
        {"GET", "/api/version", "", 200, {"{\"version\":\"0.", "\"hostler\":\""}},
        {"GET",
         "/api/tags",
         "",
         200,
         {"{\"models\":[{\"name\":\"m\",\"model\":\"m\",\"size\":0,\"digest\":\"", "\"name\":\"n\"",
          "\"families\":[]", "\"capabilities\":[\"completion\",\"tools\"]"}},
        {"GET", "/api/ps", "", 200, {"\"name\":\"m\"", "\"expires_at\":\"2"}},
        {"POST",
         "/api/show",
         "{\"model\":\"m\"}",
         200,
         {"{\"license\":\"\"", "\"model_info\":{\"general.architecture\":",
          "\"capabilities\":[\"completion\"", "\"modified_at\":\""}},
        {"POST", "/api/show", "{\"name\":\"n:latest\"}", 200, {"\"general.basename\":\"n\""}},
        {"POST", "/api/show", "{\"model\":\"x\"}", 404, {"{\"error\":\"model 'x' not found\"}"}},
        {"POST", "/api/show", "{\"model\":1}", 400, {"{\"error\":\"'model' must be a string"}},
        {"POST", "/api/show", "{}", 400, {"{\"error\":\"The field 'model' is missing.\"}"}},
        {"POST", "/api/show", "m", 400, {"{\"error\":\"The request body is not valid JSON"}},
        {"POST", "/api/pull", "{\"model\":\"m:latest\"}", 200, {"{\"status\":\"success\"}\n"}},
        {"POST", "/api/pull", "{\"model\":\"x\"}", 501, {"{\"error\":\"Hostler does not fetch"}},
        {"DELETE", "/api/delete", "{\"model\":\"m\"}", 501, {"{\"error\":\"Hostler serves"}},
        {"POST", "/api/create", "{\"model\":\"m\"}", 501, {"{\"error\":\""}},
        {"POST", "/api/blobs/sha256:00", "x", 501, {"{\"error\":\""}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[500];
        struct gateway *g = gateway_new(KIND("vllm"));
        struct sim_peer *c = gateway_client(g);
        (void)snprintf(text, sizeof text,
                       "%s %s HTTP/1.1\r\nhost: localhost\r\ncontent-length: %zu\r\n\r\n%s",
                       cases[i].method, cases[i].path, strlen(cases[i].body), cases[i].body);
        sim_send_text(c, text);
        struct str body = answer_of(c, cases[i].status);
        for (size_t k = 0; k < 4 && cases[i].want[k]; k++)
            if (!holds(body, cases[i].want[k]))
                fail_msg("%s: %" STR_FMT, cases[i].path, STR_ARG(body));
        gateway_free(g, 1);
    }
}

static void what_only_embeds_says_so(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(
        "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a, dialects: [embeddings] }]\n");
    struct sim_peer *c = gateway_client(g);
    sim_send_text(c, "GET /api/tags HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_true(holds(answer_of(c, 200), "\"capabilities\":[\"embedding\"]"));
    gateway_free(g, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chats_are_answered_by_any_runtime),
        cmocka_unit_test(one_object_is_answered_where_no_stream_is_wanted),
        cmocka_unit_test(texts_are_embedded_by_any_runtime),
        cmocka_unit_test(what_its_runtime_says_passes),
        cmocka_unit_test(broken_streams_end_with_a_line),
        cmocka_unit_test(errors_are_told_as_its_own),
        cmocka_unit_test(all_refusals_are_texts),
        cmocka_unit_test(a_body_that_is_too_large_is_refused_by_a_text),
        cmocka_unit_test(half_an_emoji_is_no_reason_to_refuse),
        cmocka_unit_test(pages_are_told),
        cmocka_unit_test(what_only_embeds_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
