/* SPDX-License-Identifier: Apache-2.0 */
/* The engine as clients see it: the HTTP server on scripted connections, the real compute thread,
 * the scripted model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "engine/routes.h"
#include "engine_world.h"

static uint64_t running(struct world *w)
{
    return metric_read(&compute_stats(w->server.hosted.compute)->running);
}

/* --- tests --- */

static void a_chat_is_answered_whole(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 2);
    struct sim_peer *p = request(w, "POST", CHAT, "{" HELLO "}");
    assert_int_equal(
        answered(w, p,
                 "\"message\":{\"role\":\"assistant\",\"content\":\"hello\",\"refusal\":null},"
                 "\"logprobs\":null,\"finish_reason\":\"stop\""),
        200);
    assert_true(sim_has(p, "\"completion_tokens\":6,"));
    assert_true(sim_has(p, "\"prompt_tokens_details\":{\"cached_tokens\":0}"));
    world_free(w);
}

static void a_chat_streams_a_frame_per_token(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 2);
    struct sim_peer *p = request(
        w, "POST", CHAT,
        "{\"model\":\"fake\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," HELLO
        "}");
    assert_int_equal(answered(w, p, "data: [DONE]\n\n"), 200);
    assert_int_equal(occurrences(p, "data: {"), 1 + 5 + 1 + 1);
    assert_int_equal(occurrences(p, "\"role\":\"assistant\""), 1);
    assert_int_equal(occurrences(p, "\"usage\":null"), 7);
    assert_true(sim_has(p, "\"choices\":[],\"usage\":{\"prompt_tokens\":"));
    assert_true(sim_has(p, "content-type: text/event-stream"));
    world_free(w);
}

static void choices_share_the_prompt(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 4);
    struct sim_peer *p = request(w, "POST", CHAT, "{\"n\":3,\"stream\":true," HELLO "}");
    assert_int_equal(answered(w, p, "[DONE]"), 200);
    assert_int_equal(occurrences(p, "\"finish_reason\":\"stop\""), 3);
    for (int i = 0; i < 3; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "{\"index\":%d,\"delta\":{\"content\":\"o\"}", i);
        assert_int_equal(occurrences(p, text), 1);
    }
    world_free(w);
}

static void completions_take_lists_of_tokens(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 4);
    struct sim_peer *p = request(
        w, "POST", "/v1/completions",
        "{\"prompt\":[[97,98],[97,98,99]],\"max_tokens\":4,\"logprobs\":2,\"temperature\":0}");
    assert_int_equal(answered(w, p, "\"object\":\"text_completion\""), 200);
    assert_int_equal(occurrences(p, "\"finish_reason\":\"length\""), 2);
    assert_int_equal(occurrences(p, "\"text_offset\":[0,1,2,3]"), 2);
    assert_true(sim_has(p, "\"prompt_tokens\":5,\"completion_tokens\":8,\"total_tokens\":13"));
    world_free(w);
}

/* All the numbers of the stream's text_offset lists, in order. */
static void streamed_offsets(const struct sim_peer *p, char *out, size_t size)
{
    struct str rest = sim_got(p), name = STR("\"text_offset\":[");
    size_t n = 0;
    for (ptrdiff_t at; (at = str_find(rest, name)) >= 0;) {
        rest = str_skip(rest, (size_t)at + name.len);
        ptrdiff_t end = str_find_char(rest, ']');
        if (end > 0) n += (size_t)snprintf(out + n, size - n, "%.*s ", (int)end, rest.ptr);
    }
}

/* What is held back for a stop string comes in one frame with what ends the wait. */
static void offsets_are_the_tokens_own(void **state)
{
    (void)state;
    char offsets[64] = "";
    struct world *w = world_new("fake:mode echo", 1);
    struct sim_peer *p =
        request(w, "POST", "/v1/completions",
                "{\"prompt\":\"abcd\",\"max_tokens\":4,\"logprobs\":0,\"temperature\":0,"
                "\"stream\":true,\"stop\":[\"bcX\"]}");
    assert_int_equal(answered(w, p, "[DONE]"), 200);
    streamed_offsets(p, offsets, sizeof offsets);
    for (char *c = offsets; *c; c++)
        if (*c == ',') *c = ' ';
    assert_string_equal(offsets, "0 1 2 3 ");
    world_free(w);
}

static void requests_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 1);
    static char body[(1 << 20) + 64];
    int n = snprintf(body, sizeof body, "{\"content\":\"");
    memset(body + n, 'x', (1 << 20) + 1);
    memcpy(body + n + (1 << 20) + 1, "\"}", 3);
    assert_int_equal(answered(w, request(w, "POST", "/tokenize", body), "1 MiB"), 413);
    assert_int_equal(
        answered(w, request(w, "POST", "/v1/embeddings", "{\"model\":\"other\",\"input\":\"a\"}"),
                 "model_not_found"),
        404);
    assert_int_equal(
        answered(w,
                 request(w, "POST", CHAT,
                         "{\"stream\":true,\"stream_options\":{\"include_usage\":1}," HELLO "}"),
                 "'stream_options.include_usage' must be true or false"),
        400);
    world_free(w);
}

static void embeddings_in_both_encodings(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 2);
    struct sim_peer *p = request(w, "POST", "/v1/embeddings", "{\"input\":[\"a\",\"b\"]}");
    assert_int_equal(answered(w, p, "\"embedding\":[0."), 200);
    assert_true(sim_has(p, "\"index\":1"));
    p = request(w, "POST", "/v1/embeddings", "{\"input\":[8,16],\"encoding_format\":\"base64\"}");
    /* Only the first of eight numbers is set: 1.0, little-endian. */
    assert_int_equal(
        answered(w, p, "\"embedding\":\"AACAPwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""), 200);
    world_free(w);
}

static void small_routes(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 2);
    assert_int_equal(answered(w, request(w, "GET", "/health", ""), "\"ok\""), 200);
    assert_int_equal(answered(w, request(w, "GET", "/v1/models", ""), "\"object\":\"list\""), 200);
    assert_int_equal(answered(w, request(w, "GET", "/v1/models/f%61ke", ""), "\"id\":\"fake\""),
                     200);
    struct sim_peer *card = request(w, "GET", "/v1/models/fake", "");
    assert_int_equal(answered(w, card, "\"capabilities\":[\"completion\",\"tools\",\"embedding\"]"),
                     200);
    assert_true(sim_has(card, "\"tool_calls\":\"hermes\""));
    assert_true(sim_has(card, "\"modalities\":{\"input\":[\"text\"],\"output\":[\"text\"]}"));
    assert_true(sim_has(card, "\"pooling\":\"mean\""));
    assert_int_equal(answered(w, request(w, "GET", "/v1/models/other", ""), "model_not_found"),
                     404);
    assert_int_equal(answered(w, request(w, "GET", "/nothing", ""), "\"param\":null"), 404);
    struct sim_peer *p = request(w, "DELETE", "/v1/models/fake", "");
    assert_int_equal(answered(w, p, "DELETE /v1/models/fake is not known here, only GET, HEAD."),
                     405);
    assert_true(sim_has(p, "allow: GET, HEAD\r\n"));
    p = request(w, "GET", "/tokenize", "");
    assert_int_equal(answered(w, p, "only POST"), 405);
    assert_true(sim_has(p, "allow: POST\r\n"));
    assert_int_equal(answered(w, request(w, "GET", "/metrics", ""), "hostler_engine_slots 2"), 200);
    assert_int_equal(
        answered(w, request(w, "POST", "/tokenize", "{\"content\":\"ab\",\"add_special\":true}"),
                 "{\"tokens\":[256,97,98]}"),
        200);
    assert_int_equal(answered(w, request(w, "POST", "/detokenize", "{\"tokens\":[97,98]}"),
                              "{\"content\":\"ab\"}"),
                     200);
    world_free(w);
}

static void bad_requests_get_400_and_harm_nobody(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 2);
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"messages\":[]}",
        "{\"messages\":[1]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":1}]}",
        "{\"n\":0," HELLO "}",
        "{\"n\":9," HELLO "}",
        "{\"max_tokens\":0," HELLO "}",
        "{\"top_p\":1.5," HELLO "}",
        "{\"seed\":\"x\"," HELLO "}",
        "{\"stop\":[1]," HELLO "}",
        "{\"logit_bias\":{\"99999\":1}," HELLO "}",
        "{\"top_logprobs\":2," HELLO "}",
        "{\"tools\":[{}]," HELLO "}",
        "{\"response_format\":{\"type\":\"xml\"}," HELLO "}",
        "{\"stream\":1," HELLO "}",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}",
        "{\"n\":1,\"n\":2," HELLO "}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        assert_int_equal(
            answered(w, request(w, "POST", CHAT, bodies[i]), "\"type\":\"invalid_request_error\""),
            400);
    assert_int_equal(answered(w, request(w, "POST", CHAT, "{" HELLO "}"), "hello"), 200);
    world_free(w);
}

/* The model would say anything else. */
static void answers_have_the_shape_that_was_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *text; /* as JSON has it */
    } shapes[] = {
        {"\"guided_regex\":\"ab{3}\"", "abbb"},
        {"\"regex\":\"ab{3}\"", "abbb"},
        {"\"structured_outputs\":{\"regex\":\"ab{3}\",\"json\":null}", "abbb"},
        {"\"guided_choice\":[\"yes\"]", "yes"},
        {"\"structured_outputs\":{\"choice\":[\"yes\"],\"disable_fallback\":true}", "yes"},
        {"\"json_schema\":{\"const\":\"x\"}", "\\\"x\\\""},
        {"\"guided_json\":\"{\\\"const\\\":\\\"x\\\"}\"", "\\\"x\\\""},
        {"\"structured_outputs\":{\"json\":{\"const\":\"x\"}}", "\\\"x\\\""},
        {"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"strict\":true,"
         "\"schema\":{\"const\":\"x\"}}}",
         "\\\"x\\\""},
        {"\"response_format\":{\"type\":\"json_schema\",\"schema\":{\"const\":\"x\"}}",
         "\\\"x\\\""},
        {"\"response_format\":{\"type\":\"json_object\",\"schema\":{\"const\":\"x\"}}",
         "\\\"x\\\""},
        {"\"grammar\":\"root ::= \\\"ok\\\"\"", "ok"},
        {"\"guided_grammar\":\"root ::= \\\"ok\\\"\"", "ok"},
        {"\"structured_outputs\":{\"grammar\":\"root ::= \\\"ok\\\"\"}", "ok"},
        {"\"ebnf\":\"root ::= \\\"ok\\\"\"", "ok"},
    };
    struct world *w = world_new("fake:mode random", 2);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        char body[256], chat[64], text[64];
        (void)snprintf(body, sizeof body, "{%s," HELLO "}", shapes[i].fields);
        (void)snprintf(chat, sizeof chat, "\"content\":\"%s\"", shapes[i].text);
        assert_int_equal(answered(w, request(w, "POST", CHAT, body), chat), 200);
        (void)snprintf(body, sizeof body, "{%s,\"prompt\":\"hello\"}", shapes[i].fields);
        (void)snprintf(text, sizeof text, "\"text\":\"%s\"", shapes[i].text);
        assert_int_equal(answered(w, request(w, "POST", "/v1/completions", body), text), 200);
    }
    world_free(w);
}

static void any_object_is_one(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode random", 2);
    static const char *const fields[] = {
        "\"response_format\":{\"type\":\"json_object\"}",
        "\"structured_outputs\":{\"json_object\":true}",
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        char body[256];
        (void)snprintf(body, sizeof body, "{%s,\"max_tokens\":50," HELLO "}", fields[i]);
        assert_int_equal(answered(w, request(w, "POST", CHAT, body), "\"content\":\"{"), 200);
    }
    world_free(w);
}

/* Which field, and what of it. */
static void a_shape_that_cannot_be_had_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *param, *says;
    } shapes[] = {
        {"\"guided_regex\":\"a(?=b)\"", "guided_regex", "at byte"},
        {"\"guided_regex\":\"a[^\\\\s\\\\S]\"", "guided_regex", "no text can ever satisfy it"},
        {"\"guided_regex\":\"a\",\"guided_choice\":[\"a\"]", "guided_choice",
         "'guided_regex' and 'guided_choice' both say"},
        {"\"response_format\":{\"type\":\"json_object\",\"schema\":{\"properties\":{\"a\":{\"$ref\":\"#/x\"}}}}",
         "response_format.schema", "#/properties/a: $ref: #/x is not there.\""},
        {"\"structured_outputs\":{\"choice\":[\"a\"],\"regex\":\"a\"}", "structured_outputs.regex",
         "'structured_outputs.choice' and 'structured_outputs.regex' both say"},
        {"\"structured_outputs\":{\"whitespace_pattern\":\"a\"}",
         "structured_outputs.whitespace_pattern", "is not supported by this engine.\""},
        {"\"structured_outputs\":{\"jsn\":{}}", "structured_outputs.jsn",
         "'structured_outputs.jsn' is not known; there are json, regex, choice, grammar and "
         "json_object.\""},
        {"\"structured_outputs\":{\"jsn\":null,\"regex\":\"a\"}", "structured_outputs.jsn",
         "is not known"},
        {"\"structured_outputs\":{\"choice\":[]}", "structured_outputs.choice",
         "'structured_outputs.choice' must not be empty.\""},
        {"\"structured_outputs\":{\"json_object\":\"yes\"}", "structured_outputs.json_object",
         "must be true or false.\""},
        {"\"structured_outputs\":{\"json\":{\"type\":\"int\"}}", "structured_outputs.json",
         "#: type: there is no type"},
        {"\"guided_choice\":[]", "guided_choice", "'guided_choice' must not be empty.\""},
        {"\"guided_json\":\"{\\\"type\\\": }\"", "guided_json", "is a text that is not JSON: "},
        {"\"guided_json\":\"{\\\"type\\\": }\"", "guided_json", " at byte 9.\""},
        {"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"enum\":[]}}}",
         "response_format.json_schema.schema", "#: enum: it must not be empty.\""},
        {"\"response_format\":{\"type\":\"json_schema\"}", "response_format.json_schema.schema",
         "is missing.\""},
        {"\"response_format\":{\"type\":\"xml\"}", "response_format.type",
         "'response_format.type' is 'xml'; there are text, json_object and json_schema.\""},
        {"\"response_format\":{}", "response_format.type", "is missing; there are text"},
        {"\"response_format\":{\"type\":\"object\",\"properties\":{}}", "response_format",
         "belongs into its json_schema.schema"},
        {"\"guided_decoding\":{\"regex\":\"a\"}", "guided_decoding",
         "yet: use 'structured_outputs'.\""},
        {"\"format\":\"json\"", "format", "yet: use 'response_format'.\""},
        {"\"functions\":[{\"name\":\"f\"}]", "functions", "yet: use 'tools'.\""},
        {"\"guided_regex\":\"a{,3}\"", "guided_regex", "write {0,3}"},
        {"\"grammar\":\"root ::= a\\na ::= b\\nb ::= a | \\\"x\\\"\"", "grammar",
         "left recursion: rule a in line 2 of the grammar begins with itself.\""},
    };
    struct world *w = world_new("fake:mode random", 2);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        char body[256], param[64];
        (void)snprintf(body, sizeof body, "{%s," HELLO "}", shapes[i].fields);
        (void)snprintf(param, sizeof param, "\"param\":\"%s\"", shapes[i].param);
        struct sim_peer *p = request(w, "POST", CHAT, body);
        assert_int_equal(answered(w, p, shapes[i].says), 400);
        assert_true(sim_has(p, param));
        assert_false(sim_has(p, "..\","));
    }
    world_free(w);
}

/* What asks for a shape that is not built is refused by its name; what asks for nothing passes, as
 * do fields that are about the client. */
static void promises_are_kept_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *field, *refused, *passes;
    } fields[] = {
        {"grammar", "1", "\"\""},
        {"json_schema", "1", "null"},
        {"guided_json", "\"{\"", "null"},
        {"guided_regex", "\"(a\"", "\"\""},
        {"guided_regex", "\"(?=a)a\"", "null"},
        {"guided_choice", "[1]", "null"},
        {"guided_choice", "\"a\"", "null"},
        {"structured_outputs", "[]", "{}"},
        {"structured_outputs", "1", "{\"regex\":null,\"disable_any_whitespace\":false}"},
        {"structural_tag", "\"x\"", "null"},
        {"guided_decoding", "{\"regex\":\"a\"}", "null"},
        {"response_format", "1", "{\"type\":\"text\"}"},
        {"response_format", "[]", "null"},
        {"tools", "{}", "[]"},
        {"tool_choice", "\"required\"", "\"auto\""},
        {"tool_choice", "{}", "\"none\""},
        {"modalities", "[\"text\",\"audio\"]", "[\"text\"]"},
        {"bad_words", "[1]", "[]"},
        {"bad_words", "[\"\"]", "null"},
        {"bad_words", "\"x\"", "[\"x\"]"},
        {"lora", "[{\"id\":0}]", "[]"},
        {"chat_template", "\"{{x}}\"", "null"},
        {"chat_template_kwargs", "{\"messages\":[]}", "{\"enable_thinking\":true}"},
        {"documents", "[{\"title\":\"x\"}]", "[]"},
        {"enable_thinking", "1", "false"},
        {"thinking_budget", "10", "-1"},
        {"logit_bias", "[1]", "{}"},
        {"logit_bias", "{\"a\":1}", "[]"},
        {"typical_p", "0.5", "1"},
        {"mirostat", "2", "0"},
        {"dry_multiplier", "0.8", "0.0"},
        {"xtc_probability", "0.5", "0"},
        {"samplers", "[\"top_k\"]", "[]"},
        {"top_n_sigma", "1.5", "-1"},
        {"skip_special_tokens", "false", "true"},
        {"use_beam_search", "true", "false"},
        {"add_generation_prompt", "0", "true"},
        {"continue_final_message", "true", "false"},
        {"store", NULL, "true"},
        {"metadata", NULL, "{\"a\":\"b\"}"},
        {"parallel_tool_calls", NULL, "false"},
        {"reasoning_effort", NULL, "\"low\""},
    };
    struct world *w = world_new("fake:mode echo", 2);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        char body[256], named[64];
        (void)snprintf(body, sizeof body, "{\"%s\":%s," HELLO "}", fields[i].field,
                       fields[i].passes);
        assert_int_equal(answered(w, request(w, "POST", CHAT, body), "hello"), 200);
        if (!fields[i].refused) continue;
        (void)snprintf(body, sizeof body, "{\"%s\":%s," HELLO "}", fields[i].field,
                       fields[i].refused);
        (void)snprintf(named, sizeof named, "\"param\":\"%s\"", fields[i].field);
        assert_int_equal(answered(w, request(w, "POST", CHAT, body), named), 400);
    }
    static const struct {
        const char *member, *param;
    } histories[] = {
        {"tool_calls\":[{\"id\":\"1\"}]", "messages[0].tool_calls[0].function"},
        {"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"function\":{}}]",
         "messages[0].tool_calls[1].function.name"},
        {"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":1}}]",
         "messages[0].tool_calls[0].function.arguments"},
        {"tool_calls\":{}", "messages[0].tool_calls"},
        {"function_call\":{\"name\":\"f\"}", "messages[0].function_call"},
        {"content\":\"twice\"", "messages[0]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(histories); i++) {
        char body[256], named[64];
        (void)snprintf(body, sizeof body,
                       "{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"%s},"
                       "{\"role\":\"user\",\"content\":\"hello\"}]}",
                       histories[i].member);
        (void)snprintf(named, sizeof named, "\"param\":\"%s\"", histories[i].param);
        assert_int_equal(answered(w, request(w, "POST", CHAT, body), named), 400);
    }
    assert_int_equal(
        answered(
            w,
            request(
                w, "POST", CHAT,
                "{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":null,"
                "\"refusal\":null,\"annotations\":[],\"audio\":null,\"reasoning_content\":\"\"},"
                "{\"role\":\"user\",\"content\":\"hello\"}]}"),
            "hello"),
        200);
    world_free(w);
}

/* The scripted model says the last message again: here `hello`, from where the answer stands. */
static void answers_go_on_or_begin(void **state)
{
    (void)state;
#define BEGUN \
    "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"},{\"role\":\"assistant\",\"content\":\"he\"}]"
    struct world *w = world_new("fake:mode echo", 2);
    assert_int_equal(answered(w, request(w, "POST", CHAT, "{" BEGUN "}"), "\"content\":\"llo\""),
                     200);
    assert_int_equal(answered(w,
                              request(w, "POST", CHAT,
                                      "{\"continue_final_message\":true,"
                                      "\"add_generation_prompt\":false," BEGUN "}"),
                              "\"content\":\"llo\""),
                     200);
    assert_int_equal(
        answered(w, request(w, "POST", CHAT, "{\"continue_final_message\":false," BEGUN "}"),
                 "\"content\":\"he\""),
        200);
    world_free(w);
}

/* The scripted model would end after five letters. */
static void ends_are_the_requests_own(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 2);
    struct sim_peer *p = request(w, "POST", CHAT, "{\"stop_token_ids\":[108]," HELLO "}");
    assert_int_equal(answered(w, p,
                              "\"content\":\"he\",\"refusal\":null},\"logprobs\":null,"
                              "\"finish_reason\":\"stop\""),
                     200);
    assert_true(sim_has(p, "\"completion_tokens\":3,"));
    p = request(w, "POST", CHAT, "{\"min_tokens\":8,\"temperature\":0," HELLO "}");
    assert_int_equal(answered(w, p, "\"finish_reason\":\"stop\""), 200);
    assert_true(sim_has(p, "\"completion_tokens\":9,"));
    p = request(w, "POST", CHAT,
                "{\"min_tokens\":4,\"stop_token_ids\":[101,108],\"temperature\":0," HELLO "}");
    assert_int_equal(answered(w, p, "\"finish_reason\":\"stop\""), 200);
    assert_false(sim_has(p, "\"content\":\"h\""));
    assert_int_equal(
        answered(w,
                 request(w, "POST", CHAT,
                         "{\"logit_bias\":[[104,false],[105,100]],\"max_tokens\":1," HELLO "}"),
                 "\"content\":\"i\""),
        200);
    static const char *const bad[] = {
        "\"stop_token_ids\":[320]",    "\"stop_token_ids\":[\"a\"]",
        "\"stop_token_ids\":1",        "\"min_tokens\":9,\"max_tokens\":8",
        "\"logit_bias\":[[104,true]]", "\"logit_bias\":[[\"a\",1]]",
        "\"logit_bias\":[1]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char body[256];
        (void)snprintf(body, sizeof body, "{%s," HELLO "}", bad[i]);
        assert_int_equal(answered(w, request(w, "POST", CHAT, body), "invalid_request"), 400);
    }
    world_free(w);
}

static void a_prompt_beyond_the_context_is_refused(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 2);
    char body[1024] = "{\"prompt\":\"", *end = body + strlen(body);
    memset(end, 'x', 600);
    strcpy(end + 600, "\"}");
    assert_int_equal(
        answered(w, request(w, "POST", "/v1/completions", body), "context_length_exceeded"), 400);
    end[511 - 1] = 0; /* with the token that begins a text it is 511 */
    strcpy(end + 510, "\"}");
    assert_int_equal(
        answered(w, request(w, "POST", "/v1/completions", body), "\"completion_tokens\":1,"), 200);
    world_free(w);
}

static void a_client_that_leaves_frees_its_slot(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo;token_us 1000", 1);
    struct sim_peer *p = request(w, "POST", "/v1/completions",
                                 "{\"prompt\":\"a\",\"stream\":true,\"max_tokens\":400}");
    struct sim_peer *next =
        request(w, "POST", "/v1/completions", "{\"prompt\":\"b\",\"max_tokens\":2}");
    UNTIL(w, occurrences(p, "data: ") >= 3);
    assert_int_equal(running(w), 1);
    sim_reset(p);
    assert_int_equal(answered(w, next, "\"completion_tokens\":2"), 200);
    UNTIL(w, running(w) == 0);
    world_free(w);
}

/* Its prompt is being computed, in a slice of half a second: the next one does not wait for that. */
static void a_client_that_leaves_ends_the_slice_of_its_prompt(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo;token_us 1000", 1);
    char body[WORLD_CONTEXT];
    (void)snprintf(body, sizeof body, "{\"prompt\":\"%0470d\",\"max_tokens\":2}", 0);
    struct sim_peer *p = request(w, "POST", "/v1/completions", body);
    UNTIL(w, running(w) == 1);
    usleep(50 * 1000);
    uint64_t began = clock_mono_us();
    sim_reset(p);
    UNTIL(w, metric_read(&compute_stats(w->server.hosted.compute)->aborted) == 1);
    assert_true(clock_mono_us() - began < SEC / 4);
    struct sim_peer *next =
        request(w, "POST", "/v1/completions", "{\"prompt\":\"b\",\"max_tokens\":2}");
    assert_int_equal(answered(w, next, "\"completion_tokens\":2"), 200);
    world_free(w);
}

static void a_client_that_does_not_read_holds_its_stream_only(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 2);
    struct sim_peer *p = sim_connect(w->sim, &w->server.http.acceptor);
    p->window = 1000;
    sim_send_text(
        p, "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 69\r\n\r\n"
           "{\"prompt\":\"a\",\"stream\":true,\"n\":8,\"max_tokens\":500,\"ignore_eos\":true}");
    UNTIL(w, p->pending_max >= 64 * 1024);
    assert_int_equal(answered(w, request(w, "POST", CHAT, "{" HELLO "}"), "hello"), 200);
    /* What was on its way when the stream was paused may come in addition. */
    assert_true(p->pending_max < 256 * 1024);
    sim_take(p, SIZE_MAX / 2);
    assert_int_equal(answered(w, p, "[DONE]"), 200);
    assert_int_equal(occurrences(p, "\"finish_reason\":\"length\""), 8);
    world_free(w);
}

static void a_model_that_fails_is_told(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo;fail 1", 2);
    assert_int_equal(
        answered(w, request(w, "POST", CHAT, "{" HELLO "}"), "\"type\":\"server_error\""), 500);
    world_free(w);
    w = world_new("fake:mode echo;fail 4", 2);
    struct sim_peer *p = request(w, "POST", CHAT, "{\"stream\":true," HELLO "}");
    assert_int_equal(answered(w, p, "data: {\"error\":{"), 200);
    assert_false(sim_has(p, "[DONE]"));
    assert_int_equal(answered(w, request(w, "POST", CHAT, "{" HELLO "}"), "hello"), 200);
    world_free(w);
}

/* It is the request's own doing: the gateway must not ask for it again, nor think ill of the engine. */
static void a_pattern_that_takes_too_long_is_refused(void **state)
{
    (void)state;
    char body[1024] = "{" HELLO ",\"guided_regex\":\"";
    for (unsigned i = 0; i < 250; i++)
        strcat(body, ".*");
    strcat(body, "x\"}");
    struct world *w = world_new("fake:mode random", 1);
    assert_int_equal(answered(w, request(w, "POST", CHAT, body), "\"code\":\"unsupported_value\""),
                     400);
    world_free(w);
}

/* The error's own write is what finds out that the client has left, while another choice
 * still waits for the slot. */
static void a_failure_that_nobody_hears(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo;decode_us 50000;fail 4", 1);
    struct sim_peer *p = request(w, "POST", "/v1/completions",
                                 "{\"prompt\":\"a\",\"stream\":true,\"n\":2,\"max_tokens\":100}");
    UNTIL(w, occurrences(p, "data: ") >= 3);
    sim_break(p);
    UNTIL(w, w->server.request_count == 0);
    assert_int_equal(answered(w, request(w, "POST", CHAT, "{" HELLO "}"), "hello"), 200);
    world_free(w);
}

static void a_model_that_is_being_loaded_answers_503(void **state)
{
    (void)state;
    struct world *w = world_start("fake:mode echo;load_us 400000", NULL, 2, WORLD_CONTEXT);
    assert_int_equal(answered(w, request(w, "GET", "/health", ""), "loading"), 503);
    assert_int_equal(answered(w, request(w, "POST", CHAT, "{" HELLO "}"), "model_loading"), 503);
    UNTIL(w, compute_progress(w->server.hosted.compute) == 50);
    assert_int_equal(answered(w, request(w, "GET", "/health", ""), "being loaded: 50 %."), 503);
    assert_int_equal(answered(w, request(w, "POST", CHAT, "{" HELLO "}"), "being loaded: 50 %."),
                     503);
    UNTIL(w, w->server.hosted.model);
    assert_int_equal(answered(w, request(w, "GET", "/health", ""), "ok"), 200);
    world_free(w);
    w = world_start("fake:mode nonsense", NULL, 2, WORLD_CONTEXT);
    UNTIL(w, w->failed);
    assert_non_null(strstr(w->why, "fake:mode nonsense: "));
    world_free(w);
}

static void draining_ends_what_runs_and_takes_no_more(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo;token_us 1000", 2);
    struct sim_peer *p = request(w, "POST", "/v1/completions",
                                 "{\"prompt\":\"a\",\"stream\":true,\"max_tokens\":40}");
    UNTIL(w, occurrences(p, "data: ") >= 2);
    server_drain(&w->server);
    assert_int_equal(answered(w, request(w, "GET", "/health", ""), "draining"), 503);
    assert_int_equal(w->drained, 0);
    assert_int_equal(answered(w, p, "[DONE]"), 200);
    UNTIL(w, w->drained == 1);
    world_free(w);
}

/* A body of /tokenize that fills the array. */
static void fill_content(char *body, size_t size)
{
    static const char begin[] = "{\"content\":\"", end[] = "\"}";
    memset(body, 'x', size);
    memcpy(body, begin, sizeof begin - 1);
    memcpy(body + size - sizeof end, end, sizeof end);
}

/* Each gets to know why: by a status while there is no answer, else by an event. */
static void draining_cuts_off_what_takes_too_long(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo;token_us 5000;tokenize_us 100000", 1);
    static char body[64 * 1024];
    struct sim_peer *p = request(w, "POST", "/v1/completions",
                                 "{\"prompt\":\"a\",\"stream\":true,\"max_tokens\":500}");
    UNTIL(w, occurrences(p, "data: ") >= 2);
    struct sim_peer *waits = request(w, "POST", CHAT, "{" HELLO "}");
    struct sim_peer *sends = sim_connect(w->sim, &w->server.http.acceptor);
    sim_send_text(sends, "POST /tokenize HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n{");
    fill_content(body, sizeof body);
    struct sim_peer *tokenizes = request(w, "POST", "/tokenize", body);
    server_drain(&w->server);
    sim_advance(w->sim, 5 * SEC);
    assert_int_equal(answered(w, p, "\"message\":\"The engine is shutting down.\""), 200);
    assert_false(sim_has(p, "[DONE]"));
    assert_int_equal(answered(w, waits, "shutting down"), 503);
    assert_true(sim_has(waits, "retry-after: 1\r\n"));
    assert_int_equal(answered(w, sends, "g down"), 503);
    assert_int_equal(answered(w, tokenizes, "shutting down"), 503);
    sim_advance(w->sim, 2 * SEC);
    UNTIL(w, w->drained >= 1);
    assert_true(p->closed && waits->closed);
    world_free(w);
}

/* Tokenizing takes its time here: 40 ms per KiB. */
static void preparing_holds_nobody_up(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo;tokenize_us 40000", 2);
    static char body[100 * 1024];
    fill_content(body, sizeof body);
    struct sim_peer *longest = request(w, "POST", "/tokenize", body);
    assert_int_equal(answered(w, request(w, "GET", "/health", ""), "ok"), 200);
    assert_int_equal(answered(w, request(w, "POST", CHAT, "{" HELLO "}"), "hello"), 200);
    assert_int_equal(answered(w, request(w, "POST", "/v1/embeddings", "{\"input\":\"a\"}"), "0."),
                     200);
    assert_int_equal(sim_got(longest).len, 0);
    sim_reset(longest);
    UNTIL(w, w->server.request_count == 0);
    world_free(w);
}

static void clients_leave_in_every_state(void **state)
{
    (void)state;
    static const char *const paths[] = {CHAT, "/v1/completions", "/v1/embeddings", "/tokenize",
                                        "/detokenize"};
    static const char *const bodies[] = {"{" HELLO "}", "{\"prompt\":\"a\"}", "{\"input\":\"a\"}",
                                         "{\"content\":\"a\"}", "{\"tokens\":[97]}"};
    struct world *w = world_new("fake:mode echo;decode_us 2000;tokenize_us 1000", 1);
    for (unsigned i = 0; i < 200; i++) {
        struct sim_peer *p = sim_connect(w->sim, &w->server.http.acceptor);
        const char *body = bodies[i % ARRAY_LEN(paths)];
        char text[512];
        (void)snprintf(text, sizeof text,
                       "POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %zu\r\n\r\n",
                       paths[i % ARRAY_LEN(paths)], strlen(body));
        sim_send_text(p, text);
        sim_send(p, str_n(body, i % 2 ? strlen(body) : 1));
        usleep(i % 7 * 300);
        if (i % 3) sim_run(w->sim);
        sim_reset(p);
    }
    UNTIL(w, w->server.request_count == 0);
    assert_int_equal(answered(w, request(w, "POST", CHAT, "{" HELLO "}"), "hello"), 200);
    world_free(w);
}

static void many_requests_at_once(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 4);
    enum { N = 60 };
    struct sim_peer *peers[N];
    srand(3);
    for (int i = 0; i < N; i++) {
        char body[256];
        (void)snprintf(body, sizeof body,
                       "{\"prompt\":\"p%d\",\"stream\":%s,\"max_tokens\":%d,\"n\":%d}", i % 9,
                       i % 2 ? "true" : "false", 1 + i % 17, 1 + i % 3);
        peers[i] = request(w, "POST", "/v1/completions", body);
        if (rand() % 4 == 0) {
            sim_reset(peers[i]);
            peers[i] = NULL;
        }
    }
    for (int i = 0; i < N; i++) {
        if (peers[i]) assert_int_equal(answered(w, peers[i], "\"finish_reason\":\"length\""), 200);
    }
    UNTIL(w, running(w) == 0 && w->server.request_count == 0);
    world_free(w);
}

static void thoughts_come_as_such(void **state)
{
    (void)state;
    struct world *w =
        world_new("fake:template thinks;mode script;text <think>\\nhm hm\\n</think>\\n\\nhello", 2);
    struct sim_peer *p = request(w, "POST", CHAT, "{" HELLO "}");
    assert_int_equal(answered(w, p, "\"reasoning_content\":\"hm hm\",\"content\":\"hello\""), 200);
    assert_int_equal(occurrences(p, "\"reasoning_tokens\":15"), 1);
    p = request(w, "POST", CHAT, "{\"stream\":true," HELLO "}");
    assert_int_equal(answered(w, p, "\"delta\":{\"reasoning_content\":\"h\"}"), 200);
    assert_int_equal(occurrences(p, "\"reasoning_content\""), 4);
    assert_int_equal(occurrences(p, "\"content\":\"o\""), 1);
    assert_int_equal(occurrences(p, "think"), 0);
    /* Three tokens of thoughts, then their end; the script goes on where it stands. */
    p = request(w, "POST", CHAT, "{\"thinking_budget\":3,\"max_tokens\":30," HELLO "}");
    assert_int_equal(answered(w, p, "\"reasoning_content\":\"hm\",\"content\":\""), 200);
    /* The end of thoughts comes, be it forbidden as an end of the answer. */
    p = request(
        w, "POST", CHAT,
        "{\"thinking_budget\":0,\"stop_token_ids\":[60],\"min_tokens\":50,\"max_tokens\":60," HELLO
        "}");
    assert_int_equal(answered(w, p, "chat.completion"), 200);
    /* Tokens that a stop string took are none of the answer's, those behind held white space are. */
    p = request(w, "POST", CHAT, "{\"stop\":[\"m\\n\"],\"logprobs\":true," HELLO "}");
    assert_int_equal(answered(w, p, "\"reasoning_content\":\"hm h\""), 200);
    assert_int_equal(occurrences(p, "\"logprob\""), strlen("<think>\nhm h"));
    p = request(w, "POST", "/v1/completions", "{\"prompt\":\"<|im_start|>a\\n\"}");
    assert_int_equal(answered(w, p, "\"text\":\"<think>"), 200);
    world_free(w);
}

static void templates_are_applied(void **state)
{
    (void)state;
    struct world *w = world_new("fake:template thinks", 2);
    struct sim_peer *p =
        request(w, "POST", "/apply-template", "{\"enable_thinking\":true,\"tools\":[]," HELLO "}");
    assert_int_equal(
        answered(
            w, p,
            "{\"prompt\":\"<|im_start|>user\\nhello<|im_end|>\\n<|im_start|>assistant\\n<think>\\n\"}"),
        200);
    p = request(w, "POST", "/apply-template", "{\"model\":\"other\"," HELLO "}");
    assert_int_equal(answered(w, p, "model_not_found"), 404);
    p = request(w, "POST", "/apply-template", "{\"messages\":[]}");
    assert_int_equal(answered(w, p, "must not be empty"), 400);
    world_free(w);
    w = world_new("fake:template broken", 2);
    p = request(w, "POST", CHAT, "{" HELLO "}");
    assert_int_equal(answered(w, p, "cannot be used: line 2, column"), 400);
    p = request(w, "POST", "/v1/completions", "{\"prompt\":\"x\",\"max_tokens\":1}");
    assert_int_equal(answered(w, p, "text_completion"), 200);
    world_free(w);
}

/* With a model that ranks, pairs are scored; with another one, by the cosine of their vectors. */
static void documents_are_ranked(void **state)
{
    (void)state;
    static const char *const scripts[] = {"fake:ranks 1", "fake:mode echo"};
    static const char *const paths[] = {"/v1/rerank", "/rerank", "/v1/reranking", "/reranking"};
    for (unsigned i = 0; i < 2; i++) {
        struct world *w = world_new(scripts[i], 2);
        for (unsigned k = 0; k < 4; k++) {
            struct sim_peer *p =
                request(w, "POST", paths[k],
                        "{\"query\":\"aaa\",\"documents\":[\"xyz\",{\"text\":\"aaa\"},\"aax\"],"
                        "\"top_n\":2,\"return_documents\":true}");
            assert_int_equal(answered(w, p, "\"results\":[{\"index\":1,\"relevance_score\":"), 200);
            assert_int_equal(occurrences(p, "relevance_score"), 2);
            assert_int_equal(occurrences(p, "\"document\":{\"text\":\"aax\"}"), 1);
        }
        struct sim_peer *p =
            request(w, "POST", "/v1/score",
                    "{\"text_1\":[\"ab\",\"ab\"],\"text_2\":[\"ab\",\"xy\"],\"model\":\"fake\"}");
        assert_int_equal(answered(w, p, "\"data\":[{\"index\":0,\"object\":\"score\",\"score\":"),
                         200);
        assert_int_equal(occurrences(p, "\"object\":\"score\""), 2);
        world_free(w);
    }
}

static void bad_ranks_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body, *says;
        int status;
    } rows[] = {
        {"/rerank", "{\"documents\":[\"a\"]}", "'query' is missing", 400},
        {"/rerank", "{\"query\":\"a\"}", "'documents' must be an array", 400},
        {"/rerank", "{\"query\":\"a\",\"documents\":[]}", "'documents' must be an array", 400},
        {"/rerank", "{\"query\":\"a\",\"documents\":[1]}", "'documents' must be an array", 400},
        {"/rerank", "{\"query\":\"a\",\"documents\":[\"b\"],\"top_n\":0}", "'top_n'", 400},
        {"/rerank", "{\"query\":\"a\",\"documents\":[\"b\"],\"model\":\"other\"}", "other", 404},
        {"/score", "{\"text_1\":\"a\"}", "'text_2' is missing", 400},
        {"/score", "{\"text_1\":[\"a\",\"b\"],\"text_2\":\"a\"}", "'text_1' must be one text", 400},
        {"/score", "{\"text_1\":[1,2],\"text_2\":\"a\"}", "'text_1' must be a string", 400},
        {"/v1/embeddings", "{\"input\":\"a\"}", "gives no embeddings", 400},
        {CHAT, "{" HELLO "}", "generates no text", 400},
    };
    struct world *w = world_new("fake:ranks 1", 2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sim_peer *p = request(w, "POST", rows[i].path, rows[i].body);
        assert_int_equal(answered(w, p, rows[i].says), rows[i].status);
    }
    world_free(w);
}

static void embeddings_are_cut_to_dimensions(void **state)
{
    (void)state;
    struct world *w = world_new("fake:mode echo", 2);
    struct sim_peer *p = request(w, "POST", "/v1/embeddings", "{\"input\":\"a\",\"dimensions\":1}");
    assert_int_equal(answered(w, p, "\"embedding\":[1]"), 200);
    p = request(w, "POST", "/v1/embeddings", "{\"input\":\"a\",\"dimensions\":9}");
    assert_int_equal(answered(w, p, "'dimensions' may be at most 8"), 400);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chat_is_answered_whole),
        cmocka_unit_test(a_chat_streams_a_frame_per_token),
        cmocka_unit_test(choices_share_the_prompt),
        cmocka_unit_test(completions_take_lists_of_tokens),
        cmocka_unit_test(offsets_are_the_tokens_own),
        cmocka_unit_test(requests_that_do_not_fit_are_refused),
        cmocka_unit_test(embeddings_in_both_encodings),
        cmocka_unit_test(small_routes),
        cmocka_unit_test(bad_requests_get_400_and_harm_nobody),
        cmocka_unit_test(answers_have_the_shape_that_was_asked_for),
        cmocka_unit_test(any_object_is_one),
        cmocka_unit_test(a_shape_that_cannot_be_had_is_refused_by_name),
        cmocka_unit_test(promises_are_kept_or_refused),
        cmocka_unit_test(answers_go_on_or_begin),
        cmocka_unit_test(ends_are_the_requests_own),
        cmocka_unit_test(a_prompt_beyond_the_context_is_refused),
        cmocka_unit_test(a_client_that_leaves_frees_its_slot),
        cmocka_unit_test(a_client_that_leaves_ends_the_slice_of_its_prompt),
        cmocka_unit_test(a_client_that_does_not_read_holds_its_stream_only),
        cmocka_unit_test(a_model_that_fails_is_told),
        cmocka_unit_test(a_pattern_that_takes_too_long_is_refused),
        cmocka_unit_test(a_failure_that_nobody_hears),
        cmocka_unit_test(a_model_that_is_being_loaded_answers_503),
        cmocka_unit_test(draining_ends_what_runs_and_takes_no_more),
        cmocka_unit_test(draining_cuts_off_what_takes_too_long),
        cmocka_unit_test(preparing_holds_nobody_up),
        cmocka_unit_test(clients_leave_in_every_state),
        cmocka_unit_test(thoughts_come_as_such),
        cmocka_unit_test(templates_are_applied),
        cmocka_unit_test(documents_are_ranked),
        cmocka_unit_test(bad_ranks_are_refused),
        cmocka_unit_test(embeddings_are_cut_to_dimensions),
        cmocka_unit_test(many_requests_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
