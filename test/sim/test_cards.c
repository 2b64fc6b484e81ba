/* SPDX-License-Identifier: Apache-2.0 */
/* Cards: what lists of models tell of them, in the dialect of who asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "gateway.h"

#define WITH_CARD                                                                                  \
    "  - name: m\n    endpoints: [{ url: 'http://10.0.0.1:80/v1', name: a }]\n"                    \
    "    card: { context_length: 32k, capabilities: [thinking, completion], input: [text, image]," \
    " output: [text] }\n"
#define PLAIN(name, more) \
    "  - name: " name "\n    endpoints: [{ url: 'http://10.0.0.1:80/v1'" more " }]\n"
#define CLAUDE "anthropic-version: 2023-06-01\r\n"

static struct str get(struct gateway *g, const char *path, const char *headers, int status)
{
    char text[500];
    struct sim_peer *c = gateway_client(g);
    (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nhost: localhost\r\n%s\r\n", path,
                   headers);
    sim_send_text(c, text);
    struct str body = answer_of(c, status);
    sim_fin(c);
    return body;
}

static void has(struct str body, const char *what)
{
    if (!holds(body, what)) fail_msg("no %s in %" STR_FMT, what, STR_ARG(body));
}

static void what_is_configured_is_told(void **state)
{
    (void)state;
    struct gateway *g = gateway_new(WITH_CARD);
    static const char card[] =
        ",\"context_length\":32768,\"capabilities\":[\"completion\",\"vision\",\"thinking\"],"
        "\"modalities\":{\"input\":[\"text\",\"image\"],\"output\":[\"text\"]}}";
    has(get(g, "/v1/models", "", 200), card);
    has(get(g, "/v1/models/m", "", 200), card);
    has(get(g, "/api/tags", "", 200), "\"context_length\":32768},\"modified_at\":\"");
    has(get(g, "/api/tags", "", 200), "\"capabilities\":[\"completion\",\"vision\",\"thinking\"]");
    has(get(g, "/api/ps", "", 200), "\"size_vram\":0,\"context_length\":32768}");
    struct sim_peer *c = gateway_client(g);
    gateway_post(c, "/api/show", "", "{\"model\":\"m\"}");
    struct str shown = answer_of(c, 200);
    has(shown, "\"quantization_level\":\"\",\"context_length\":32768}");
    has(shown, "\"general.architecture\":\"hostler\",\"general.basename\":\"m\","
               "\"hostler.context_length\":32768}");
    has(shown, "\"capabilities\":[\"completion\",\"vision\",\"thinking\"]");
    gateway_free(g, 6);
}

/* Without a configuration: what endpoints are asked for, of our own engine what it is like, and
 * nothing that nobody knows. */
static void what_is_known_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *models, *want;
    } cases[] = {
        {PLAIN("m", ""), "\"owned_by\":\"hostler\",\"capabilities\":[\"completion\"]}]}"},
        {PLAIN("m", ", dialects: [messages]"), "\"capabilities\":[\"completion\"]}]}"},
        {PLAIN("m", ", dialects: [embeddings]"), "\"capabilities\":[\"embedding\"]}]}"},
        {PLAIN("m", ", dialects: [rerank, embeddings]"),
         "\"capabilities\":[\"embedding\",\"rerank\"]}]}"},
        {PLAIN("m", "") "    card: { output: [audio] }\n",
         "\"capabilities\":[\"completion\"],\"modalities\":{\"output\":[\"audio\"]}}]}"},
        {PLAIN("m", "") "    card: { capabilities: vision }\n",
         "\"capabilities\":[\"vision\"],\"modalities\":{\"input\":[\"text\",\"image\"]}}]}"},
        {"  - name: m\n    engine: { file: /etc/hostname, context: 2k }\n",
         "\"context_length\":2048,\"capabilities\":[\"completion\",\"tools\",\"embedding\"],\"modalities\":{"
         "\"input\":[\"text\"],\"output\":[\"text\"]}}]}"},
        {"  - name: m\n    engine: { file: /etc/hostname }\n",
         "\"owned_by\":\"hostler\",\"capabilities\":[\"completion\",\"tools\",\"embedding\"],"},
        {"  - name: m\n    engine: { command: [x, '${socket}'] }\n",
         "\"owned_by\":\"hostler\",\"capabilities\":[\"completion\"]}]}"},
        {"  - name: m\n    engine: { file: /etc/hostname, context: 2k }\n"
         "    endpoints: [{ url: 'http://10.0.0.1:80/v1', dialects: [embeddings] }]\n",
         "\"context_length\":2048,\"capabilities\":[\"completion\",\"tools\",\"embedding\"],"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct gateway *g = gateway_new(cases[i].models);
        has(get(g, "/v1/models", "", 200), cases[i].want);
        gateway_free(g, 1);
    }
}

/* A name of a key's list is told, and no other. */
static void claude_gets_its_own_shape(void **state)
{
    (void)state;
    static const struct {
        const char *path, *headers;
    } ways[] = {{"/v1/models", CLAUDE}, {"/models", CLAUDE}, {"/anthropic/v1/models", ""}};
    struct gateway *g = gateway_new(WITH_CARD PLAIN("n", ""));
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        char one[100];
        struct str list = get(g, ways[i].path, ways[i].headers, 200);
        has(list,
            "{\"data\":[{\"type\":\"model\",\"id\":\"m\",\"display_name\":\"m\",\"created_at\":\"2");
        has(list,
            "\"max_input_tokens\":32768,\"capabilities\":{\"image_input\":{\"supported\":true},"
            "\"thinking\":{\"supported\":true,");
        has(list, "\"has_more\":false,\"first_id\":\"m\",\"last_id\":\"n\"}");
        (void)snprintf(one, sizeof one, "%s/n", ways[i].path);
        struct str model = get(g, one, ways[i].headers, 200);
        assert_true(str_starts(model, STR("{\"type\":\"model\",\"id\":\"n\",")));
        assert_true(str_ends(model, STR("\"lifecycle\":\"active\"}")));
    }
    gateway_free(g, 2 * ARRAY_LEN(ways));
}

static void claude_is_refused_in_its_own_shape(void **state)
{
    (void)state;
    static const char error[] = "{\"type\":\"error\",\"error\":{\"type\":\"";
    static const struct {
        const char *path, *headers;
        int status;
    } cases[] = {
        {"/v1/models/x", CLAUDE, 404},
        {"/anthropic/v1/models/x", "", 404},
        {"/v1/nothing", CLAUDE, 404},
        {"/v1/models", CLAUDE "origin: https://evil.example\r\n", 403},
    };
    struct gateway *g = gateway_new(ONE);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(
            str_starts(get(g, cases[i].path, cases[i].headers, cases[i].status), str_of(error)));
    assert_true(str_starts(get(g, "/v1/models/x", "", 404), STR("{\"error\":{\"message\"")));
    struct sim_peer *c = gateway_client(g);
    gateway_post(c, "/v1/models", CLAUDE, "{}");
    assert_true(str_starts(answer_of(c, 405), str_of(error)));
    sim_fin(c);
    /* What has one dialect keeps it, whatever a client sends along. */
    c = gateway_client(g);
    gateway_post(c, "/v1/chat/completions", CLAUDE, "{");
    assert_true(str_starts(answer_of(c, 400), STR("{\"error\":{\"message\"")));
    gateway_free(g, ARRAY_LEN(cases) + 3);
}

static void claude_needs_a_key_as_all_do(void **state)
{
    (void)state;
    struct gateway *g =
        gateway_new(ONE PLAIN("n", "") "keys: [{ name: k, key: sk-0123456789, models: [n] }]\n");
    assert_true(
        str_starts(get(g, "/v1/models", CLAUDE, 401),
                   STR("{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\"")));
    has(get(g, "/v1/models", CLAUDE "x-api-key: sk-0123456789\r\n", 200),
        "\"first_id\":\"n\",\"last_id\":\"n\"}");
    has(get(g, "/v1/models/m", CLAUDE "x-api-key: sk-0123456789\r\n", 404), "not_found_error");
    gateway_free(g, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_configured_is_told),
        cmocka_unit_test(what_is_known_is_told),
        cmocka_unit_test(claude_gets_its_own_shape),
        cmocka_unit_test(claude_is_refused_in_its_own_shape),
        cmocka_unit_test(claude_needs_a_key_as_all_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
