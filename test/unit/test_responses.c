/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: requests of Responses, and what relayed answers say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "dialect/responses/responses.h"
#include "translate.h"

/* --- helpers --- */

/* The chat that a request becomes, without its model; on x's arena. */
static const char *ask_with(struct translate *x, const char *body)
{
    static const char model[] = "{\"model\":\"served\",";
    struct str chat = translate_ask(x, body);
    if (!chat.ptr) return NULL;
    assert_true(str_starts(chat, STR("{\"model\":\"served\",")));
    return arena_printf(&x->arena, "{%.*s", STR_ARG(str_skip(chat, sizeof model - 1))).ptr;
}

static void becomes(const char *body, const char *chat)
{
    struct translate x;
    translate_begin(&x, SURFACE_RESPONSES, SURFACE_CHAT, false);
    const char *got = ask_with(&x, body);
    if (!got) fail_msg("%s\nrefused: %s", body, x.why.message.ptr);
    assert_string_equal(got, chat);
    translate_end(&x);
}

/* Only the messages are compared. */
static void talks(const char *input, const char *messages)
{
    char body[4096], chat[4096];
    (void)snprintf(body, sizeof body, "{\"model\":\"m\",\"input\":%s}", input);
    (void)snprintf(chat, sizeof chat, "{\"messages\":%s}", messages);
    becomes(body, chat);
}

static void refused(const char *body, const char *param)
{
    struct translate x;
    translate_begin(&x, SURFACE_RESPONSES, SURFACE_CHAT, false);
    if (translate_ask(&x, body).ptr) fail_msg("not refused: %s", body);
    assert_int_equal(x.why.status, 400);
    if (!x.why.param || !param)
        assert_ptr_equal(x.why.param, param);
    else
        assert_string_equal(x.why.param, param);
    assert_true(x.why.message.len > 0);
    translate_end(&x);
}

/* --- peeking --- */

static void bodies_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *body, *model;
        bool stream;
        const char *param;
    } rows[] = {
        {"{\"model\":\"m\",\"input\":\"a\"}", "m", false, NULL},
        {"{\"input\":[],\"stream\":true,\"model\":\"a\\/b\"}", "a/b", true, NULL},
        {"{\"model\":\"m\",\"stream\":null}", "m", false, NULL},
        {"{\"model\":\"m\",\"stream\":1}", NULL, false, "stream"},
        {"{\"model\":null}", NULL, false, "model"},
        {"{\"input\":\"a\"}", NULL, false, "model"},
        {"{\"Model\":\"a\"}", NULL, false, "model"},
        {"{\"model\":\"a\",\"model\":\"a\"}", NULL, false, "model"},
        {"[1]", NULL, false, NULL},
        {"", NULL, false, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct refusal why = {0};
        struct ask ask = {.surface = SURFACE_RESPONSES};
        arena_init(&arena, SIZE_MAX, 1024);
        int err = dialect_responses.peek(&arena, str_of(rows[i].body), &ask, &why);
        assert_int_equal(err, rows[i].model ? 0 : ERR_INVALID);
        if (err) {
            assert_int_equal(why.status, 400);
            if (rows[i].param) assert_string_equal(why.param, rows[i].param);
        } else {
            assert_true(str_eq(ask.model, str_of(rows[i].model)));
            assert_int_equal(ask.stream, rows[i].stream);
            assert_int_equal(ask.surface, SURFACE_RESPONSES);
        }
        arena_fini(&arena);
    }
}

/* --- settings --- */

static void settings_are_chats(void **state)
{
    (void)state;
#define HI "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
    static const char *const rows[][2] = {
        {"", ""},
        {"\"max_output_tokens\":5,\"temperature\":0.5,\"top_p\":1",
         "\"max_tokens\":5,\"temperature\":0.5,\"top_p\":1"},
        {"\"temperature\":null,\"tools\":null,\"text\":null,\"reasoning\":null,\"include\":null,"
         "\"previous_response_id\":null,\"conversation\":null,\"prompt\":null,\"background\":null,"
         "\"tool_choice\":null,\"instructions\":null,\"parallel_tool_calls\":null,\"user\":null,"
         "\"top_logprobs\":null,\"truncation\":null,\"store\":null,\"metadata\":null",
         ""},
        {"\"user\":\"u\",\"safety_identifier\":\"s\",\"metadata\":{\"a\":\"b\"},"
         "\"prompt_cache_key\":\"k\",\"service_tier\":\"flex\",\"store\":false,"
         "\"truncation\":\"disabled\",\"client_metadata\":{\"x\":1},\"background\":false,"
         "\"stream_options\":{\"include_obfuscation\":false},\"whatever\":[1]",
         "\"user\":\"u\",\"safety_identifier\":\"s\",\"metadata\":{\"a\":\"b\"},"
         "\"prompt_cache_key\":\"k\",\"service_tier\":\"flex\""},
        {"\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"}", "\"reasoning_effort\":\"low\""},
        {"\"reasoning\":{\"effort\":null}", ""},
        {"\"text\":{\"verbosity\":\"high\",\"format\":{\"type\":\"text\"}}",
         "\"verbosity\":\"high\""},
        {"\"text\":{\"format\":{\"type\":\"json_object\"}}",
         "\"response_format\":{\"type\":\"json_object\"}"},
        {"\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"strict\":true,"
         "\"schema\":{\"type\":\"object\"},\"description\":null}}",
         "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
         "\"schema\":{\"type\":\"object\"},\"strict\":true}}"},
        {"\"include\":[\"message.output_text.logprobs\",\"x\"],\"top_logprobs\":3",
         "\"logprobs\":true,\"top_logprobs\":3"},
        {"\"include\":[\"message.output_text.logprobs\"]", "\"logprobs\":true"},
        {"\"top_k\":4,\"min_p\":0.1,\"seed\":18446744073709551616,\"stop\":[\"x\"]",
         "\"top_k\":4,\"min_p\":0.1,\"seed\":18446744073709551616,\"stop\":[\"x\"]"},
        {"\"parallel_tool_calls\":false,\"tool_choice\":\"auto\"", ""},
        {"\"tools\":[]", ""},
        {"\"structured_outputs\":{\"regex\":\"a\"},\"guided_json\":{\"type\":\"text\"},\"guided_regex\":"
         "\"b\",\"guided_choice\":[\"c\"],\"guided_grammar\":\"d\",\"json_schema\":{},\"grammar\":\"e\"",
         "\"guided_json\":{\"type\":\"text\"},\"guided_regex\":\"b\",\"guided_choice\":[\"c\"],"
         "\"guided_grammar\":\"d\",\"structured_outputs\":{\"regex\":\"a\"},\"json_schema\":{},"
         "\"grammar\":\"e\""},
        {"\"guided_json\":null,\"guided_choice\":[],\"guided_regex\":\"\",\"response_format\":{\"type\":"
         "\"text\"},\"output_config\":{\"format\":null}",
         ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[1024], chat[1024];
        (void)snprintf(body, sizeof body, "{\"model\":\"m\",\"input\":\"hi\"%s%s}",
                       rows[i][0][0] ? "," : "", rows[i][0]);
        (void)snprintf(chat, sizeof chat, HI "%s%s}", rows[i][1][0] ? "," : "", rows[i][1]);
        becomes(body, chat);
    }
}

static void streams_are_asked_for(void **state)
{
    (void)state;
    struct translate x;
    translate_begin(&x, SURFACE_RESPONSES, SURFACE_CHAT, true);
    x.t.ask_usage = true;
    assert_string_equal(ask_with(&x, "{\"model\":\"m\",\"input\":\"hi\",\"stream\":true}"),
                        HI ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    translate_end(&x);
}

static void what_cannot_be_said_is_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"model\":\"m\"}", "input"},
        {"{\"model\":\"m\",\"input\":1}", "input"},
        {"{\"model\":\"m\",\"input\":[1]}", "input[0]"},
        {"{\"model\":\"m\",\"input\":\"a\",\"background\":true}", "background"},
        {"{\"model\":\"m\",\"input\":\"a\",\"conversation\":\"c\"}", "conversation"},
        {"{\"model\":\"m\",\"input\":\"a\",\"prompt\":{\"id\":\"p\"}}", "prompt"},
        {"{\"model\":\"m\",\"input\":\"a\",\"previous_response_id\":\"resp_1\"}",
         "previous_response_id"},
        {"{\"model\":\"m\",\"input\":[{\"type\":\"item_reference\",\"id\":\"msg_1\"}]}",
         "input[0].type"},
        {"{\"model\":\"m\",\"input\":\"a\",\"instructions\":1}", "instructions"},
        {"{\"model\":\"m\",\"input\":\"a\",\"temperature\":\"x\"}", "temperature"},
        {"{\"model\":\"m\",\"input\":\"a\",\"max_output_tokens\":\"x\"}", "max_output_tokens"},
        {"{\"model\":\"m\",\"input\":\"a\",\"metadata\":1}", "metadata"},
        {"{\"model\":\"m\",\"input\":\"a\",\"reasoning\":1}", "reasoning"},
        {"{\"model\":\"m\",\"input\":\"a\",\"reasoning\":{\"effort\":1}}", "reasoning.effort"},
        {"{\"model\":\"m\",\"input\":\"a\",\"text\":1}", "text"},
        {"{\"model\":\"m\",\"input\":\"a\",\"text\":{\"verbosity\":1}}", "text.verbosity"},
        {"{\"model\":\"m\",\"input\":\"a\",\"text\":{\"format\":{\"type\":\"x\"}}}",
         "text.format.type"},
        {"{\"model\":\"m\",\"input\":\"a\",\"text\":{\"format\":{\"type\":\"json_schema\"}}}",
         "text.format.schema"},
        {"{\"model\":\"m\",\"input\":\"a\",\"response_format\":{\"type\":\"json_object\"}}",
         "response_format"},
        {"{\"model\":\"m\",\"input\":\"a\",\"output_config\":{\"format\":{\"type\":\"json_schema\"}}}",
         "output_config.format"},
        {"{\"model\":\"m\",\"input\":\"a\",\"format\":\"json\"}", "format"},
        {"{\"model\":\"m\",\"input\":\"a\",\"top_logprobs\":\"x\"}", "top_logprobs"},
        {"{\"model\":\"m\",\"input\":\"a\",\"parallel_tool_calls\":1}", "parallel_tool_calls"},
        {"{\"model\":\"m\",\"input\":\"a\",\"tools\":{}}", "tools"},
        {"{\"model\":\"m\",\"input\":\"a\",\"tools\":[1]}", "tools"},
        {"{\"model\":\"m\",\"input\":\"a\",\"tools\":[{\"type\":\"function\"}]}", "tools"},
        {"{\"model\":\"m\",\"input\":\"a\",\"tools\":[{\"type\":\"namespace\"}]}", "tools"},
        {"{\"model\":\"m\",\"input\":\"a\",\"tools\":[{\"type\":\"file_search\"}]}", "tools"},
        {"{\"model\":\"m\",\"input\":\"a\",\"tools\":[{\"type\":\"mcp\"}]}", "tools"},
        {"{\"model\":\"m\",\"input\":\"a\",\"tool_choice\":1}", "tool_choice"},
        {"{\"model\":\"m\",\"input\":\"a\",\"tool_choice\":\"x\"}", "tool_choice"},
        {"{\"model\":\"m\",\"input\":\"a\",\"tool_choice\":\"required\"}", "tool_choice"},
        {"{\"model\":\"m\",\"input\":\"a\",\"tool_choice\":{\"type\":\"function\","
         "\"name\":\"f\"}}",
         "tool_choice.name"},
        {"{\"model\":\"m\",\"input\":\"a\",\"tools\":[{\"type\":\"web_search\"}],"
         "\"tool_choice\":{\"type\":\"web_search\"}}",
         "tool_choice"},
        {"{\"model\":\"m\",\"input\":\"a\",\"tool_choice\":{\"type\":\"allowed_tools\"}}",
         "tool_choice.tools"},
        {"{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":1}]}", "input[0].content"},
        {"{\"model\":\"m\",\"input\":[{\"content\":\"a\"}]}", "input[0].role"},
        {"{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}]}",
         "input[0].content[0].image_url"},
        {"{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\","
         "\"text\":\"a\"},{\"type\":\"input_image\",\"file_id\":\"f\"}]}]}",
         "input[0].content[1].file_id"},
        {"{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_file\","
         "\"file_url\":\"f\"}]}]}",
         "input[0].content[0].file_url"},
        {"{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"video\"}]}]}",
         "input[0].content[0].type"},
        {"{\"model\":\"m\",\"input\":[{\"role\":\"developer\",\"content\":[{\"type\":"
         "\"input_image\",\"image_url\":\"u\"}]}]}",
         "input[0].content"},
        {"{\"model\":\"m\",\"input\":[{\"type\":\"function_call\",\"name\":\"f\"}]}",
         "input[0].call_id"},
        {"{\"model\":\"m\",\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\"}]}",
         "input[0].name"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        refused(rows[i][0], rows[i][1]);
}

static void what_is_dropped_is_told(void **state)
{
    (void)state;
    struct translate x;
    translate_begin(&x, SURFACE_RESPONSES, SURFACE_CHAT, false);
    assert_non_null(
        translate_ask(&x, "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"a\"},"
                          "{\"type\":\"compaction\",\"encrypted_content\":\"x\"},"
                          "{\"type\":\"new_thing\"},{\"type\":\"web_search_call\"}],"
                          "\"tools\":[{\"type\":\"web_search\"},{\"type\":\"new\"}],"
                          "\"truncation\":\"auto\",\"moderation\":{}}")
            .ptr);
    static const char *const dropped[] = {"input[].compaction", "input[]",
                                          "tools[].web_search", "tools[]",
                                          "moderation",         "truncation"};
    assert_int_equal(x.t.dropped_count, ARRAY_LEN(dropped));
    for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
        assert_string_equal(x.t.dropped[i], dropped[i]);
    translate_end(&x);
}

/* --- items --- */

#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define CALL(id, name) \
    "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"" name "\",\"arguments\":\"{}\"}"
#define OUTPUT(id, text) \
    "{\"type\":\"function_call_output\",\"call_id\":\"" id "\",\"output\":\"" text "\"}"
#define TOLD(id, name)                                                        \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
    "\",\"arguments\":\"{}\"}}"
#define RESULT(id, text) "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" text "\"}"
#define CALLS(calls) "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" calls "]}"

static void messages_are_kept(void **state)
{
    (void)state;
    talks("\"hi \\\"you\\\"\"", "[{\"role\":\"user\",\"content\":\"hi \\\"you\\\"\"}]");
    talks("[" USER("a") ",{\"role\":\"assistant\",\"content\":\"b\"}," USER("c") "]",
          "[" USER("a") ",{\"role\":\"assistant\",\"content\":\"b\"}," USER("c") "]");
    talks("[{\"type\":\"message\",\"role\":\"user\",\"id\":\"msg_1\",\"status\":null,\"content\":["
          "{\"type\":\"input_text\",\"text\":\"a\"},{\"type\":\"input_text\",\"text\":\"b\"}]},"
          "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","
          "\"text\":\"c\",\"annotations\":[]},{\"type\":\"refusal\",\"refusal\":\"no\"}]}]",
          "[" USER("a\\nb") ",{\"role\":\"assistant\",\"content\":\"c\\nno\"}]");
    talks("[{\"role\":\"user\",\"content\":[]},{\"role\":\"user\",\"content\":null},"
          "{\"type\":\"agent_message\",\"author\":\"x\",\"content\":[{\"type\":\"input_text\","
          "\"text\":\"t\"},{\"type\":\"encrypted_content\",\"encrypted_content\":\"e\"}]}]",
          "[" USER("") "," USER("") "," USER("t") "]");
    talks("[{\"type\":\"unheard_of\",\"role\":\"assistant\",\"content\":\"x\"},"
          "{\"type\":\"unheard_of\",\"content\":[{\"type\":\"new_text\",\"text\":\"y\"}]}]",
          "[{\"role\":\"assistant\",\"content\":\"x\"}," USER("y") "]");
}

static void system_messages_stay_in_place(void **state)
{
    (void)state;
    becomes(
        "{\"model\":\"m\",\"instructions\":\"i\",\"input\":[{\"role\":\"developer\",\"content\":"
        "\"d\"},{\"role\":\"system\",\"content\":[{\"type\":\"input_text\",\"text\":\"s\"}]}," USER(
            "a") ",{\"role\":\"developer\",\"content\":\"late\"}," USER("b") "]}",
        "{\"messages\":[{\"role\":\"system\",\"content\":\"i\\n\\nd\\n\\ns\"}," USER(
            "a") ",{\"role\":\"system\",\"content\":\"late\"}," USER("b") "]}");
    becomes("{\"model\":\"m\",\"instructions\":\"i\",\"input\":\"a\"}",
            "{\"messages\":[{\"role\":\"system\",\"content\":\"i\"}," USER("a") "]}");
    becomes("{\"model\":\"m\",\"instructions\":\"i\"}",
            "{\"messages\":[{\"role\":\"system\",\"content\":\"i\"}]}");
}

static void parts_are_chats(void **state)
{
    (void)state;
    talks("[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"},"
          "{\"type\":\"input_image\",\"image_url\":\"data:x\",\"detail\":\"original\"},"
          "{\"type\":\"input_image\",\"image_url\":{\"url\":\"u\"},\"detail\":\"low\"},"
          "{\"type\":\"input_file\",\"file_data\":\"d\",\"filename\":\"f\",\"file_id\":null},"
          "{\"type\":\"input_file\",\"file_id\":\"file-1\"},"
          "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"d\",\"format\":\"wav\"}}]}]",
          "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
          "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:x\",\"detail\":\"high\"}},"
          "{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\",\"detail\":\"low\"}},"
          "{\"type\":\"file\",\"file\":{\"file_data\":\"d\",\"filename\":\"f\"}},"
          "{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}},"
          "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"d\",\"format\":\"wav\"}}]}]");
}

static void calls_of_a_turn_are_one_message(void **state)
{
    (void)state;
    talks("[" USER("q") "," CALL("1", "f") "," CALL("2", "g") "," OUTPUT("1", "x") "," OUTPUT(
              "2", "y") "]",
          "[" USER("q") "," CALLS(TOLD("1", "f") "," TOLD("2", "g")) "," RESULT(
              "1", "x") "," RESULT("2", "y") "]");
    /* the assistant's text beside them belongs to them, on either side and in between */
    talks("[{\"role\":\"assistant\",\"content\":\"t\"}," CALL("1", "f") "," OUTPUT("1", "x") "]",
          "[{\"role\":\"assistant\",\"content\":\"t\",\"tool_calls\":[" TOLD("1", "f") "]}," RESULT(
              "1", "x") "]");
    talks("[" CALL("1", "f") ",{\"role\":\"assistant\",\"content\":\"t\"}," OUTPUT("1", "x") "]",
          "[{\"role\":\"assistant\",\"content\":\"t\",\"tool_calls\":[" TOLD("1", "f") "]}," RESULT(
              "1", "x") "]");
    /* who speaks before the output has come speaks behind it */
    talks("[" CALL("1", "f") "," USER("wait") "," OUTPUT("1", "x") "]",
          "[" CALLS(TOLD("1", "f")) "," RESULT("1", "x") "," USER("wait") "]");
    /* texts of two turns are two */
    talks(
        "[{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}," CALL(
            "1", "f") "," OUTPUT("1", "x") ",{\"role\":\"assistant\",\"content\":\"c\"}]",
        "[{\"role\":\"assistant\",\"content\":\"a\"},"
        "{\"role\":\"assistant\",\"content\":\"b\",\"tool_calls\":[" TOLD("1", "f") "]}," RESULT(
            "1", "x") ",{\"role\":\"assistant\",\"content\":\"c\"}]");
}

static void ids_that_come_again_find_their_outputs(void **state)
{
    (void)state;
    talks("[" CALL("1", "f") "," OUTPUT("1", "x") "," CALL("1", "g") "," OUTPUT("1", "y") "]",
          "[" CALLS(TOLD("1", "f")) "," RESULT("1", "x") "," CALLS(TOLD("1", "g")) "," RESULT(
              "1", "y") "]");
    talks("[" CALL("1", "f") "," USER("stop") "]",
          "[" CALLS(TOLD("1", "f")) "," RESULT("1", "aborted") "," USER("stop") "]");
    talks("[" OUTPUT("9", "lost") "," CALL("9", "f") "]",
          "[" USER("lost") "," CALLS(TOLD("9", "f")) "," RESULT("9", "aborted") "]");
}

static void outputs_are_text(void **state)
{
    (void)state;
#define ONE(output)                                                                               \
    "[" CALL("1", "f") ",{\"type\":\"function_call_output\",\"call_id\":\"1\",\"output\":" output \
                       "}]"
#define GIVES(text) "[" CALLS(TOLD("1", "f")) "," RESULT("1", text) "]"
    talks(ONE("\"\""), GIVES(""));
    talks(ONE("null"), GIVES(""));
    talks(ONE("[]"), GIVES(""));
    talks(ONE("{\"a\":1}"), GIVES("{\\\"a\\\":1}"));
    talks(ONE("[1,2]"), GIVES("[1,2]"));
    talks(
        ONE("[{\"type\":\"input_text\",\"text\":\"a\"},{\"type\":\"input_text\",\"text\":\"b\"}]"),
        GIVES("a\\nb"));
    talks(ONE("[{\"type\":\"input_file\",\"file_data\":\"d\"}]"),
          GIVES("[What is no text of this result is not shown here.]"));
}

static void images_of_outputs_come_behind_all(void **state)
{
    (void)state;
    talks(
        "[" CALL("1", "f") "," CALL(
            "2", "g") ",{\"type\":\"function_call_output\",\"call_id\":\"1\","
                      "\"output\":[{\"type\":\"input_text\",\"text\":\"a\"},"
                      "{\"type\":\"input_image\",\"image_url\":\"u\"}]}," OUTPUT("2", "y") "]",
        "[" CALLS(TOLD("1", "f") "," TOLD("2", "g")) "," RESULT(
            "1",
            "a\\n[The images of this result are in the next message of the user.]") "," RESULT("2",
                                                                                               "y") ",{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{"
                                                                                                    "\"url\":\"u\"}}]}]");
}

static void other_calls_are_calls(void **state)
{
    (void)state;
    talks(
        "[{\"type\":\"custom_tool_call\",\"call_id\":\"1\",\"name\":\"apply_patch\",\"input\":"
        "\"a\\nb\"},{\"type\":\"custom_tool_call_output\",\"call_id\":\"1\",\"output\":\"ok\"},"
        "{\"type\":\"local_shell_call\",\"id\":\"2\",\"call_id\":null,\"action\":{\"type\":\"exec\","
        "\"command\":[\"ls\"]}},{\"type\":\"local_shell_call_output\",\"id\":\"2\",\"output\":\"x\"},"
        "{\"type\":\"function_call\",\"call_id\":\"3\",\"name\":\"f\",\"arguments\":{\"a\":1}}]",
        "[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":"
        "\"function\",\"function\":{\"name\":\"apply_patch\",\"arguments\":"
        "\"{\\\"input\\\":\\\"a\\\\nb\\\"}\"}}]}," RESULT(
            "1",
            "ok") ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"2\",\"type\":"
                  "\"function\",\"function\":{\"name\":\"local_shell\",\"arguments\":"
                  "\"{\\\"type\\\":\\\"exec\\\",\\\"command\\\":[\\\"ls\\\"]}\"}}]}," RESULT(
                      "2",
                      "x") ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"3\",\"type\":"
                           "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]}," RESULT(
                               "3", "aborted") "]");
}

/* --- reasoning --- */

static void reasoning_belongs_to_what_follows(void **state)
{
    (void)state;
#define THOUGHT(text)                                                                                  \
    "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"" text \
    "\"}],\"encrypted_content\":null}"
    talks("[" THOUGHT("t") ",{\"role\":\"assistant\",\"content\":\"a\"}]",
          "[{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_content\":\"t\"}]");
    talks(
        "[" THOUGHT("t") "," CALL("1", "f") "," THOUGHT("u") "," CALL("2", "g") "," OUTPUT(
            "1", "x") "," OUTPUT("2", "y") "," THOUGHT("v") ",{\"role\":\"assistant\",\"content\":"
                                                            "\"a\"}]",
        "[{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"t\\nu\",\"tool_calls\":[" TOLD(
            "1",
            "f") "," TOLD("2",
                          "g") "]}," RESULT("1",
                                            "x") "," RESULT("2",
                                                            "y") ","
                                                                 "{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_content\":\"v\"}]");
    talks("[{\"role\":\"assistant\",\"content\":\"a\"}," THOUGHT(
              "t") ",{\"role\":\"assistant\",\"content\":\"b\"}]",
          "[{\"role\":\"assistant\",\"content\":\"a\"},"
          "{\"role\":\"assistant\",\"content\":\"b\",\"reasoning_content\":\"t\"}]");
    /* or to nothing */
    talks("[" THOUGHT("t") "," USER("a") "," THOUGHT("u") "]", "[" USER("a") "]");
    /* as it was thought rather than its summary; somebody else's seal is none of ours */
    talks("[{\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"s\"}],"
          "\"content\":[{\"type\":\"reasoning_text\",\"text\":\"c\"}],\"encrypted_content\":"
          "\"gAAAA\"},{\"role\":\"assistant\",\"content\":\"a\"}]",
          "[{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_content\":\"c\"}]");
    talks("[{\"type\":\"reasoning\",\"summary\":[]},{\"role\":\"assistant\",\"content\":\"a\"}]",
          "[{\"role\":\"assistant\",\"content\":\"a\"}]");
}

/* {"hostler":1,"blocks":[{"type":"thinking","thinking":"deep","signature":"sig"}]} */
#define SEALED                                                                             \
    "eyJob3N0bGVyIjoxLCJibG9ja3MiOlt7InR5cGUiOiJ0aGlua2luZyIsInRoaW5raW5nIjoiZGVlcCIsInNp" \
    "Z25hdHVyZSI6InNpZyJ9XX0="

static void sealed_reasoning_comes_back(void **state)
{
    (void)state;
    static const char body[] =
        "{\"model\":\"m\",\"input\":[{\"type\":\"reasoning\",\"summary\":[{\"type\":"
        "\"summary_text\",\"text\":\"changed\"}],\"encrypted_content\":\"" SEALED "\"},"
        "{\"role\":\"assistant\",\"content\":\"a\"}]}";
    struct translate x;
    becomes(body, "{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_content\":"
                  "\"deep\"}]}");
    translate_begin(&x, SURFACE_RESPONSES, SURFACE_MESSAGES, false);
    const struct json *doc;
    struct buf chat;
    struct json_writer w;
    buf_init(&chat, 4096);
    json_write_init(&w, &chat);
    assert_int_equal(json_parse(&x.arena, str_of(body), &doc, NULL), 0);
    assert_int_equal(responses_to_pivot(&x.t, STR("m"), doc, &w, &x.why), 0);
    assert_true(str_find(buf_str(&chat),
                         STR("\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":\"deep\","
                             "\"signature\":\"sig\"}]")) > 0);
    buf_fini(&chat);
    translate_end(&x);
}

/* --- tools --- */

#define TOOLS(tools) "{\"model\":\"m\",\"input\":\"hi\",\"tools\":[" tools "]}"
#define TOLD_TOOLS(tools) HI ",\"tools\":[" tools "]}"
#define NO_PARAMETERS "\"parameters\":{\"type\":\"object\",\"properties\":{}}"

static void tools_are_functions(void **state)
{
    (void)state;
    becomes(
        TOOLS("{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\",\"strict\":true,"
              "\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{}}}},"
              "{\"type\":\"function\",\"name\":\"g\",\"parameters\":null,\"strict\":null},"
              "{\"type\":\"function\",\"function\":{\"name\":\"h\",\"description\":\"n\"}}"),
        TOLD_TOOLS(
            "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
            "\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{}}},"
            "\"strict\":true}},"
            "{\"type\":\"function\",\"function\":{\"name\":\"g\"," NO_PARAMETERS "}},"
            "{\"type\":\"function\",\"function\":{\"name\":\"h\",\"description\":\"n\"," NO_PARAMETERS
            "}}"));
    becomes(
        TOOLS("{\"type\":\"custom\",\"name\":\"apply_patch\",\"description\":\"d\",\"format\":{"
              "\"type\":\"grammar\",\"syntax\":\"lark\",\"definition\":\"start: x\"}}"),
        TOLD_TOOLS("{\"type\":\"function\",\"function\":{\"name\":\"apply_patch\",\"description\":"
                   "\"d\\n\\nThe input must follow this grammar (lark):\\nstart: x\","
                   "\"parameters\":{\"type\":\"object\",\"properties\":{\"input\":{\"type\":"
                   "\"string\"}},\"required\":[\"input\"],\"additionalProperties\":false}}}"));
    becomes(TOOLS("{\"type\":\"tool_search\",\"execution\":\"client\",\"description\":\"d\","
                  "\"parameters\":{\"type\":\"object\"}},{\"type\":\"tool_search\"}"),
            TOLD_TOOLS("{\"type\":\"function\",\"function\":{\"name\":\"tool_search\","
                       "\"description\":\"d\",\"parameters\":{\"type\":\"object\"}}}"));
    becomes(TOOLS("{\"type\":\"web_search\",\"external_web_access\":true}"), HI "}");
}

static void namespaces_are_flattened(void **state)
{
    (void)state;
#define TOLD_TOOL(name) \
    "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"," NO_PARAMETERS "}}"
    becomes(
        TOOLS("{\"type\":\"namespace\",\"name\":\"mcp__a\",\"tools\":[{\"name\":\"x\"},"
              "{\"type\":\"function\",\"name\":\"y.z\"}]},"
              "{\"type\":\"namespace\",\"name\":\"b__\",\"description\":\"all of b\",\"tools\":["
              "{\"name\":\"x\"},{\"name\":\"x\"}]},"
              "{\"type\":\"function\",\"name\":\"mcp__a__x\"}"),
        TOLD_TOOLS(TOLD_TOOL("mcp__a__x_f39570dc") "," TOLD_TOOL(
            "mcp__a__y_z") ",{\"type\":\"function\",\"function\":{\"name\":\"b__x\","
                           "\"description\":\"all of b\"," NO_PARAMETERS
                           "}}," TOLD_TOOL("mcp__a__x")));
}

static void long_names_fit(void **state)
{
    (void)state;
    struct translate x;
    char long_name[101] = {0}, body[1024];
    memset(long_name, 'n', 100);
    (void)snprintf(body, sizeof body,
                   TOOLS("{\"type\":\"namespace\",\"name\":\"s\",\"tools\":[{\"name\":\"%s1\"},"
                         "{\"name\":\"%s2\"}]},{\"type\":\"function\",\"name\":\"%s\"}"),
                   long_name, long_name, long_name);
    translate_begin(&x, SURFACE_RESPONSES, SURFACE_CHAT, false);
    struct str chat = translate_ask(&x, body);
    const struct json *doc;
    struct str names[3];
    assert_int_equal(json_parse(&x.arena, chat, &doc, NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        const struct json *tool = json_at(json_get(doc, "tools"), i);
        names[i] = json_str_or(json_get(tool, "function"), "name", STR(""));
        assert_int_equal(names[i].len, 64);
    }
    assert_false(str_eq(names[0], names[1]));
    assert_false(str_eq(names[1], names[2]));
    translate_end(&x);
}

static void replayed_calls_are_flattened_alike(void **state)
{
    (void)state;
    becomes(
        "{\"model\":\"m\",\"input\":[{\"type\":\"function_call\",\"call_id\":\"1\",\"namespace\":"
        "\"mcp__calc\",\"name\":\"add\",\"arguments\":\"{}\"}," OUTPUT(
            "1",
            "3") ",{\"type\":"
                 "\"function_call\",\"call_id\":\"2\",\"namespace\":\"gone\",\"name\":\"x\",\"arguments\":"
                 "\"\"}],\"tools\":[{\"type\":\"namespace\",\"name\":\"mcp__calc\",\"tools\":[{\"type\":"
                 "\"function\",\"name\":\"add\"}]}]}",
        "{\"messages\":[" CALLS(TOLD("1", "mcp__calc__add")) "," RESULT("1", "3") "," CALLS(TOLD(
            "2",
            "gone__x")) "," RESULT("2",
                                   "aborted") "],\"tools\":[" TOLD_TOOL("mcp__calc__add") "]}");
}

static void found_tools_are_offered(void **state)
{
    (void)state;
    becomes(
        "{\"model\":\"m\",\"input\":[{\"type\":\"additional_tools\",\"role\":\"developer\","
        "\"tools\":[{\"type\":\"function\",\"name\":\"more\"}]},"
        "{\"type\":\"tool_search_call\",\"call_id\":\"1\",\"execution\":\"client\",\"arguments\":{"
        "\"query\":\"q\"}},{\"type\":\"tool_search_output\",\"call_id\":\"1\",\"status\":"
        "\"completed\",\"execution\":\"client\",\"tools\":[{\"type\":\"namespace\",\"name\":\"cal\","
        "\"tools\":[{\"type\":\"function\",\"name\":\"new\"}]},{\"type\":\"function\",\"name\":"
        "\"one\"}]},{\"type\":\"tool_search_call\",\"call_id\":null,\"execution\":\"server\"}],"
        "\"tools\":[{\"type\":\"tool_search\",\"execution\":\"client\"}]}",
        "{\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\","
        "\"type\":\"function\",\"function\":{\"name\":\"tool_search\",\"arguments\":"
        "\"{\\\"query\\\":\\\"q\\\"}\"}}]}," RESULT("1", "cal__new\\none") "],\"tools\":[" TOLD_TOOL(
            "tool_search") "," TOLD_TOOL("more") "," TOLD_TOOL("cal__new") "," TOLD_TOOL("one") "]}");
}

static void choices_are_chats(void **state)
{
    (void)state;
#define CHOICE(choice)                                                                           \
    "{\"model\":\"m\",\"input\":\"hi\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"},"       \
    "{\"type\":\"namespace\",\"name\":\"s\",\"tools\":[{\"name\":\"g\"}]},{\"type\":\"custom\"," \
    "\"name\":\"c\"}],\"parallel_tool_calls\":false,\"tool_choice\":" choice "}"
    static const struct {
        const char *body, *end;
    } rows[] = {
        {CHOICE("\"auto\""), "\"tool_choice\":\"auto\""},
        {CHOICE("\"none\""), "\"tool_choice\":\"none\""},
        {CHOICE("\"required\""), "\"tool_choice\":\"required\""},
        {CHOICE("{\"type\":\"function\",\"name\":\"f\"}"),
         "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"},
        {CHOICE("{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"),
         "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"},
        {CHOICE("{\"type\":\"function\",\"namespace\":\"s\",\"name\":\"g\"}"),
         "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"s__g\"}}"},
        {CHOICE("{\"type\":\"custom\",\"name\":\"c\"}"),
         "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"c\"}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        char end[256];
        translate_begin(&x, SURFACE_RESPONSES, SURFACE_CHAT, false);
        (void)snprintf(end, sizeof end, ",%s,\"parallel_tool_calls\":false}", rows[i].end);
        assert_true(str_ends(translate_ask(&x, rows[i].body), str_of(end)));
        translate_end(&x);
    }
    becomes(CHOICE("{\"type\":\"allowed_tools\",\"mode\":\"required\",\"tools\":[{\"type\":"
                   "\"function\",\"name\":\"f\"},{\"type\":\"web_search\"},{\"type\":\"namespace\","
                   "\"name\":\"s\"}]}"),
            HI ",\"tools\":[" TOLD_TOOL("f") "," TOLD_TOOL(
                "s__g") "],\"tool_choice\":\"required\",\"parallel_tool_calls\":false}");
    becomes(CHOICE("{\"type\":\"allowed_tools\",\"mode\":\"auto\",\"tools\":[]}"), HI "}");
}

/* --- Codex --- */

#define CODEX_TOOLS                                                                                 \
    "\"tools\":[{\"type\":\"function\",\"name\":\"exec_command\",\"description\":\"d\",\"strict\":" \
    "false,\"parameters\":{\"type\":\"object\",\"properties\":{}}},{\"type\":\"namespace\","        \
    "\"name\":\"multi_agent_v1\",\"description\":\"agents\",\"tools\":[{\"type\":\"function\","     \
    "\"name\":\"close_agent\",\"description\":\"c\",\"strict\":false,\"parameters\":{\"type\":"     \
    "\"object\",\"properties\":{}}}]},{\"type\":\"namespace\",\"name\":\"mcp__calc\","              \
    "\"description\":\"Tools of calc\",\"tools\":[{\"type\":\"function\",\"name\":\"add\","         \
    "\"description\":\"adds\",\"strict\":false,\"parameters\":{\"type\":\"object\","                \
    "\"properties\":{}}}]},{\"type\":\"web_search\",\"external_web_access\":true}],"                \
    "\"tool_choice\":\"auto\",\"parallel_tool_calls\":true,\"reasoning\":{\"summary\":\"auto\"},"   \
    "\"store\":false,\"include\":[\"reasoning.encrypted_content\"],\"prompt_cache_key\":\"k\","     \
    "\"client_metadata\":{\"thread_id\":\"t\"}}"
#define CODEX_INPUT                                                                                \
    "{\"model\":\"m\",\"stream\":true,\"input\":[{\"type\":\"message\",\"id\":\"1\",\"role\":"     \
    "\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"}]},{\"type\":\"message\"," \
    "\"id\":\"2\",\"role\":\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":\"b\"},"   \
    "{\"type\":\"input_text\",\"text\":\"c\"}]},{\"type\":\"message\",\"id\":\"3\",\"role\":"      \
    "\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"d\"}]},{\"type\":\"message\","      \
    "\"id\":\"4\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"e\"}]}"
#define CODEX_CHAT \
    "{\"messages\":[{\"role\":\"system\",\"content\":\"a\\n\\nb\\nc\"}," USER("d") "," USER("e")
#define CODEX_TOLD_TOOL(name, description)                                                      \
    "{\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"description\":\"" description \
    "\"," NO_PARAMETERS ",\"strict\":false}}"
#define CODEX_CHAT_TOOLS                                                                              \
    "],\"tools\":[" CODEX_TOLD_TOOL("exec_command", "d") "," CODEX_TOLD_TOOL(                         \
        "multi_agent_v1__close_agent",                                                                \
        "agents\\n\\nc") "," CODEX_TOLD_TOOL("mcp__calc__add",                                        \
                                             "Tools of calc\\n\\nadds") "],\"tool_choice\":\"auto\"," \
                                                                        "\"parallel_tool_calls\":true,\"prompt_cache_key\":\"k\",\"stream\":true}"

static void codex_is_understood(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {CODEX_INPUT "]," CODEX_TOOLS, CODEX_CHAT CODEX_CHAT_TOOLS},
        {CODEX_INPUT
         ",{\"type\":\"function_call\",\"status\":\"completed\",\"id\":\"5\",\"name\":"
         "\"exec_command\",\"arguments\":\"{}\",\"call_id\":\"c1\"},{\"type\":"
         "\"function_call_output\",\"id\":\"6\",\"call_id\":\"c1\",\"output\":\"o\"}]," CODEX_TOOLS,
         CODEX_CHAT "," CALLS(TOLD("c1", "exec_command")) "," RESULT("c1", "o") CODEX_CHAT_TOOLS},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        translate_begin(&x, SURFACE_RESPONSES, SURFACE_CHAT, true);
        assert_string_equal(ask_with(&x, rows[i][0]), rows[i][1]);
        assert_int_equal(x.t.dropped_count, 1);
        assert_string_equal(x.t.dropped[0], "tools[].web_search");
        translate_end(&x);
    }
}

/* --- counting --- */

static void counting_asks_the_same(void **state)
{
    (void)state;
    struct translate x;
    translate_begin(&x, SURFACE_COUNT_RESPONSES, SURFACE_CHAT, false);
    assert_string_equal(ask_with(&x, "{\"model\":\"m\",\"input\":\"hi\"}"), HI "}");
    translate_answer(&x);
    struct answer_event e = {.kind = ANSWER_COUNT, .usage = {.prompt = 12}};
    const struct answer_writer_ops *ops = x.translator.writer->ops;
    assert_int_equal(ops->put(x.translator.writer, &e, &x.translator.out), 0);
    assert_int_equal(translator_end(&x.translator, &(struct usage){0}), 0);
    assert_string_equal(translate_got(&x),
                        "{\"object\":\"response.input_tokens\",\"input_tokens\":12}");
    translate_end(&x);
}

/* --- what relayed answers say --- */

static struct event_facts facts_of(const char *data, struct stream_mark *mark)
{
    struct event_facts facts = {.mark = mark};
    dialect_responses.reader->read_event(str_of(data), false, &facts);
    return facts;
}

static void events_are_read_in_any_order(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{\"type\":\"response.completed\",\"sequence_number\":7,\"response\":{\"id\":\"resp_1\","
        "\"usage\":{\"input_tokens\":3,\"input_tokens_details\":{\"cached_tokens\":1,"
        "\"cache_write_tokens\":1},\"output_tokens\":2,\"output_tokens_details\":{"
        "\"reasoning_tokens\":1}}}}",
        "{\"response\":{\"usage\":{\"output_tokens_details\":{\"reasoning_tokens\":1},"
        "\"output_tokens\":2,\"input_tokens_details\":{\"cache_write_tokens\":1,"
        "\"cached_tokens\":1},\"input_tokens\":3},\"id\":\"resp_1\"},\"sequence_number\":7,"
        "\"type\":\"response.completed\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stream_mark mark = {0};
        struct event_facts f = facts_of(rows[i], &mark);
        assert_true(f.last && f.ends && f.content && f.has_usage && !f.error);
        assert_string_equal(mark.id, "resp_1");
        assert_int_equal(mark.next, 8);
        assert_int_equal(f.usage.prompt, 3);
        assert_int_equal(f.usage.cached, 1);
        assert_int_equal(f.usage.written, 1);
        assert_int_equal(f.usage.completion, 2);
        assert_int_equal(f.usage.reasoning, 1);
    }
}

static void events_tell_what_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        bool content, ends, error, last;
        const char *piece, *message;
    } rows[] = {
        {"{\"type\":\"response.created\",\"response\":{\"usage\":null}}", false, false, false,
         false, NULL, NULL},
        {"{\"delta\":\"ab\",\"type\":\"response.output_text.delta\"}", true, false, false, false,
         "\"ab\",\"type\":\"response.output_text.delta\"}", NULL},
        {"{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"error\"}}", true, false,
         false, false, NULL, NULL},
        {"{\"type\":\"response.incomplete\",\"response\":{}}", true, true, false, true, NULL, NULL},
        {"{\"response\":{\"error\":{\"message\":\"m\"}},\"type\":\"response.failed\"}", false,
         false, true, true, NULL, "\"m\""},
        {"{\"message\":\"m\",\"type\":\"error\",\"code\":\"c\"}", false, false, true, false, NULL,
         "\"m\""},
        {"{\"error\":{\"message\":\"m\"},\"type\":\"error\"}", false, false, true, false, NULL,
         "\"m\""},
        {"{\"response\":{\"error\":null,\"id\":1},\"type\":1}", false, false, false, false, NULL,
         NULL},
        {"not json", false, false, false, false, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stream_mark mark = {0};
        struct event_facts f = facts_of(rows[i].data, &mark);
        assert_int_equal(f.content, rows[i].content);
        assert_int_equal(f.ends, rows[i].ends);
        assert_int_equal(f.error, rows[i].error);
        assert_int_equal(f.last, rows[i].last);
        if (rows[i].piece)
            assert_string_equal(f.piece.ptr, rows[i].piece);
        else
            assert_null(f.piece.ptr);
        struct str message = rows[i].message ? str_of(rows[i].message) : STR("");
        assert_true(str_eq(f.error_message.raw, message));
    }
}

static void broken_streams_end_as_failed(void **state)
{
    (void)state;
    static const struct {
        struct refusal why;
        const char *code;
    } rows[] = {
        {{.status = 502, .message = STR_INIT("gone")}, "server_error"},
        {{.status = 0, .message = STR_INIT("gone")}, "server_error"},
        {{.status = 429, .message = STR_INIT("gone")}, "rate_limit_exceeded"},
        {{.status = 400, .message = STR_INIT("gone")}, "invalid_prompt"},
        {{.status = 400, .message = STR_INIT("gone"), .code = "context_length_exceeded"},
         "context_length_exceeded"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stream_mark mark = {.id = "resp_9", .next = 4};
        struct buf out;
        char want[512];
        buf_init(&out, 4096);
        dialect_responses.write_error_event(&out, &rows[i].why, &mark);
        (void)snprintf(want, sizeof want,
                       "event: response.failed\ndata: {\"type\":\"response.failed\","
                       "\"sequence_number\":4,\"response\":{\"id\":\"resp_9\",\"object\":"
                       "\"response\",\"status\":\"failed\",\"error\":{\"code\":\"%s\",\"message\":"
                       "\"gone\"}",
                       rows[i].code);
        assert_true(str_starts(buf_str(&out), str_of(want)));
        assert_true(str_ends(buf_str(&out), STR("}}\n\n")));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_read),
        cmocka_unit_test(settings_are_chats),
        cmocka_unit_test(streams_are_asked_for),
        cmocka_unit_test(what_cannot_be_said_is_refused),
        cmocka_unit_test(what_is_dropped_is_told),
        cmocka_unit_test(messages_are_kept),
        cmocka_unit_test(system_messages_stay_in_place),
        cmocka_unit_test(parts_are_chats),
        cmocka_unit_test(calls_of_a_turn_are_one_message),
        cmocka_unit_test(ids_that_come_again_find_their_outputs),
        cmocka_unit_test(outputs_are_text),
        cmocka_unit_test(images_of_outputs_come_behind_all),
        cmocka_unit_test(other_calls_are_calls),
        cmocka_unit_test(reasoning_belongs_to_what_follows),
        cmocka_unit_test(sealed_reasoning_comes_back),
        cmocka_unit_test(tools_are_functions),
        cmocka_unit_test(namespaces_are_flattened),
        cmocka_unit_test(long_names_fit),
        cmocka_unit_test(replayed_calls_are_flattened_alike),
        cmocka_unit_test(found_tools_are_offered),
        cmocka_unit_test(choices_are_chats),
        cmocka_unit_test(codex_is_understood),
        cmocka_unit_test(counting_asks_the_same),
        cmocka_unit_test(events_are_read_in_any_order),
        cmocka_unit_test(events_tell_what_they_are),
        cmocka_unit_test(broken_streams_end_as_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
