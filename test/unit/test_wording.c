/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: who is refused reads his own fields' names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "dialect/runtime.h"
#include "translate.h"

static void check(struct translate *x, const char *param, const char *message,
                  const char *own_param, const char *own_message)
{
    struct refusal why = {.status = 400, .param = param, .message = str_of(message)};
    translate_refusal(&x->t, &why);
    if (own_param)
        assert_string_equal(why.param, own_param);
    else
        assert_null(why.param);
    assert_string_equal(arena_dup(&x->arena, why.message).ptr, own_message);
}

static void engines_words_name_the_clients_field(void **state)
{
    (void)state;
    static const struct {
        enum surface asked;
        const char *field, *own;
    } rows[] = {
        {SURFACE_RESPONSES, "response_format", "text.format"},
        {SURFACE_RESPONSES, "response_format.type", "text.format.type"},
        {SURFACE_RESPONSES, "response_format.json_schema.schema", "text.format.schema"},
        {SURFACE_RESPONSES, "response_formats", "response_formats"},
        {SURFACE_RESPONSES, "messages", "input"},
        {SURFACE_RESPONSES, "messages[3].content", "input"},
        {SURFACE_RESPONSES, "max_tokens", "max_output_tokens"},
        {SURFACE_RESPONSES, "reasoning_effort", "reasoning.effort"},
        {SURFACE_RESPONSES, "tools[1].function.parameters", "tools[1].parameters"},
        {SURFACE_RESPONSES, "tool_choice.function.name", "tool_choice.name"},
        {SURFACE_RESPONSES, "tool_choice", "tool_choice"},
        {SURFACE_RESPONSES, "guided_json", "guided_json"},
        {SURFACE_MESSAGES, "response_format", "output_config.format"},
        {SURFACE_MESSAGES, "response_format.json_schema.schema", "output_config.format.schema"},
        {SURFACE_MESSAGES, "messages[3].content", "messages"},
        {SURFACE_MESSAGES, "max_tokens", "max_tokens"},
        {SURFACE_MESSAGES, "stop[1]", "stop_sequences[1]"},
        {SURFACE_MESSAGES, "tools[12].function.parameters", "tools[12].input_schema"},
        {SURFACE_MESSAGES, "tools[12].function.name", "tools[12].name"},
        {SURFACE_MESSAGES, "tools[12]", "tools[12]"},
        {SURFACE_MESSAGES, "tools[].function", "tools[].function"},
        {SURFACE_MESSAGES, "tools[1.function", "tools[1.function"},
        {SURFACE_MESSAGES, "tools[1].functions", "tools[1].functions"},
        {SURFACE_COUNT_MESSAGES, "tools[0].function.parameters", "tools[0].input_schema"},
        {SURFACE_OLLAMA_CHAT, "response_format.json_schema.schema", "format"},
        {SURFACE_OLLAMA_CHAT, "messages", "messages"},
        {SURFACE_OLLAMA_CHAT, "max_tokens", "options.num_predict"},
        {SURFACE_OLLAMA_CHAT, "tools[1].function.parameters", "tools[1].function.parameters"},
        {SURFACE_OLLAMA_GENERATE, "messages", "prompt"},
        {SURFACE_OLLAMA_RAW, "prompt", "prompt"},
        {SURFACE_OLLAMA_RAW, "temperature", "options.temperature"},
        {SURFACE_OLLAMA_EMBEDDINGS, "input", "prompt"},
        {SURFACE_CHAT, "messages[3].content", "messages[3].content"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        char said[200], wanted[200];
        translate_begin(&x, rows[i].asked, SURFACE_CHAT, false);
        x.t.kind = &runtime_engine;
        (void)snprintf(said, sizeof said, "'%s' is no 'messages'.", rows[i].field);
        (void)snprintf(wanted, sizeof wanted, "'%s' is no 'messages'.", rows[i].own);
        check(&x, rows[i].field, said, rows[i].own, wanted);
        translate_end(&x);
    }
}

static void messages_without_a_name_stay(void **state)
{
    (void)state;
    static const char *const texts[] = {"",  "'", "'messages", "messages", "The 'messages' are",
                                        "''"};
    struct translate x;
    translate_begin(&x, SURFACE_RESPONSES, SURFACE_CHAT, false);
    x.t.kind = &runtime_engine;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        check(&x, NULL, texts[i], NULL, texts[i]);
    translate_end(&x);
}

static void foreign_words_stay(void **state)
{
    (void)state;
    struct translate x;
    translate_begin(&x, SURFACE_RESPONSES, SURFACE_CHAT, false);
    x.t.kind = runtime_kind(STR("vllm"));
    check(&x, "max_tokens", "'max_tokens' is odd", "max_output_tokens", "'max_tokens' is odd");
    translate_end(&x);
}

/* An index would be another tool's. */
static void tools_that_were_moved_have_no_index(void **state)
{
    (void)state;
    static const struct {
        enum surface asked;
        const char *body, *own;
    } rows[] = {
#define TOOL(name) "{\"type\":\"function\",\"name\":\"" name "\",\"parameters\":{}}"
#define ITEM "{\"model\":\"m\",\"input\":\"x\",\"tools\":["
        {SURFACE_RESPONSES, ITEM TOOL("a") "]}", "tools[0].parameters"},
        {SURFACE_RESPONSES, ITEM "{\"type\":\"web_search\"}," TOOL("a") "]}", "tools"},
        {SURFACE_RESPONSES,
         ITEM "{\"type\":\"namespace\",\"name\":\"n\",\"tools\":[" TOOL("a") "]}]}", "tools"},
        {SURFACE_RESPONSES,
         ITEM TOOL("b") "," TOOL(
             "a") "],\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":"
                  "\"auto\",\"tools\":[{\"type\":\"function\",\"name\":\"a\"}]}}",
         "tools"},
#define TURN \
    "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":["
#define MADE "{\"name\":\"a\",\"input_schema\":{}}]}"
        {SURFACE_MESSAGES, TURN MADE, "tools[0].input_schema"},
        {SURFACE_MESSAGES, TURN "{\"type\":\"bash_1\",\"name\":\"bash\"}," MADE, "tools"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        translate_begin(&x, rows[i].asked, SURFACE_CHAT, false);
        x.t.kind = &runtime_engine;
        if (!translate_ask(&x, rows[i].body).ptr) fail_msg("%s", x.why.message.ptr);
        check(&x, "tools[0].function.parameters", "?", rows[i].own, "?");
        translate_end(&x);
    }
}

/* The second step of two finds fault with what the first one made. */
static void steps_name_the_clients_field(void **state)
{
    (void)state;
    struct translate x;
    translate_begin(&x, SURFACE_OLLAMA_CHAT, SURFACE_MESSAGES, false);
    assert_null(translate_ask(&x, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
                                  "\"options\":{\"stop\":[\" \"]}}")
                    .ptr);
    assert_string_equal(x.why.param, "options.stop");
    translate_end(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines_words_name_the_clients_field),
        cmocka_unit_test(messages_without_a_name_stay),
        cmocka_unit_test(foreign_words_stay),
        cmocka_unit_test(tools_that_were_moved_have_no_index),
        cmocka_unit_test(steps_name_the_clients_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
