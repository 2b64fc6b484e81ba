/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: answers of Responses, streamed and whole, and what is stored of them. */
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

/* Begins an answer to a request with these members. */
static void begin(struct translate *x, bool stream, const char *members)
{
    char body[2048];
    translate_begin(x, SURFACE_RESPONSES, SURFACE_CHAT, stream);
    (void)snprintf(body, sizeof body, "{\"model\":\"m\",\"input\":\"hi\"%s%s}",
                   members[0] ? "," : "", members);
    assert_non_null(translate_ask(x, body).ptr);
    translate_answer(x);
}

static int put_event(struct translate *x, struct answer_event e)
{
    struct answer_writer *w = x->translator.writer;
    return w->ops->put(w, &e, &x->translator.out);
}

static void put(struct translate *x, struct answer_event e)
{
    assert_int_equal(put_event(x, e), 0);
}

static void put_text(struct translate *x, enum answer_kind kind, const char *text)
{
    put(x, (struct answer_event){.kind = kind, .text = str_of(text)});
}

static void put_call(struct translate *x, unsigned call, const char *id, const char *name)
{
    put(x, (struct answer_event){
               .kind = ANSWER_CALL, .call = call, .id = str_of(id), .name = str_of(name)});
}

static void put_arguments(struct translate *x, unsigned call, const char *text)
{
    put(x, (struct answer_event){.kind = ANSWER_ARGUMENTS, .call = call, .text = str_of(text)});
}

static void finish(struct translate *x, enum finish how)
{
    put(x, (struct answer_event){.kind = ANSWER_FINISH, .finish = how});
    put(x, (struct answer_event){.kind = ANSWER_END,
                                 .usage = {.known = true,
                                           .prompt = 9,
                                           .completion = 4,
                                           .cached = 3,
                                           .written = 1,
                                           .reasoning = 2}});
}

/* --- what every stream keeps to --- */

struct checked {
    struct arena arena;
    const struct json *items[16]; /* as they are in their last event */
    unsigned begun, done;
    char kinds[2048]; /* the events' types without "response.", a line each */
    const struct json *last;
};

static void check_item(struct checked *c, const struct json *event, bool begins)
{
    const struct json *item = json_get(event, "item");
    int64_t index = json_i64_or(event, "output_index", -1);
    struct str id = json_str_or(item, "id", STR(""));
    assert_true(id.len > 0);
    if (begins) {
        assert_int_equal(index, c->begun++);
        assert_true(str_eq(json_str_or(item, "status", STR("")), STR("in_progress")));
    } else {
        const struct json *before = c->items[index];
        assert_true(str_eq(id, json_str_or(before, "id", STR(""))));
        assert_true(
            str_eq(json_str_or(item, "type", STR("")), json_str_or(before, "type", STR(""))));
        assert_true(
            str_eq(json_str_or(item, "call_id", STR("")), json_str_or(before, "call_id", STR(""))));
        c->done++;
    }
    c->items[index] = item;
}

/* A part's or arguments' event is about an item that has begun. */
static void check_part(struct checked *c, const struct json *event, struct str id)
{
    int64_t index = json_i64_or(event, "output_index", -1);
    assert_in_range(index, 0, c->begun - 1);
    assert_true(str_eq(id, json_str_or(c->items[index], "id", STR(""))));
}

static void check_event(struct checked *c, struct str name, const struct json *event,
                        unsigned number)
{
    struct str type = json_str_or(event, "type", STR("")), id;
    assert_true(str_eq(type, name));
    assert_int_equal(json_i64_or(event, "sequence_number", -1), number);
    assert_true(str_starts(type, STR("response.")));
    size_t at = strlen(c->kinds);
    (void)snprintf(c->kinds + at, sizeof c->kinds - at, "%.*s\n", STR_ARG(str_skip(type, 9)));
    if (str_eq(type, STR("response.output_item.added")))
        check_item(c, event, true);
    else if (str_eq(type, STR("response.output_item.done")))
        check_item(c, event, false);
    else if (json_to_str(json_get(event, "item_id"), &id))
        check_part(c, event, id);
    c->last = event;
}

/* The items of the response that ends the stream are those of the events. */
static void check_end(const struct checked *c)
{
    const struct json *response = json_get(c->last, "response");
    const struct json *output = json_get(response, "output");
    assert_int_equal(json_count(output), c->begun);
    for (unsigned i = 0; i < c->begun; i++) {
        struct str id = json_str_or(json_at(output, i), "id", STR(""));
        assert_true(str_eq(id, json_str_or(c->items[i], "id", STR(""))));
    }
    if (!str_eq(json_str_or(response, "status", STR("")), STR("failed")))
        assert_int_equal(c->done, c->begun);
}

static void check(struct checked *c, const struct translate *x)
{
    struct str text = buf_str(&x->translator.out);
    *c = (struct checked){0};
    arena_init(&c->arena, SIZE_MAX, 4096);
    for (unsigned number = 0; text.len; number++) {
        ptrdiff_t end = str_find(text, STR("\n\n"));
        assert_true(end > 0);
        struct str frame = str_sub(text, 0, (size_t)end), name;
        assert_true(str_cut(&frame, '\n', &name));
        assert_true(str_starts(name, STR("event: ")) && str_starts(frame, STR("data: {")));
        assert_int_equal(str_find_char(frame, '\n'), -1);
        const struct json *event;
        assert_int_equal(json_parse(&c->arena, str_skip(frame, 6), &event, NULL), 0);
        check_event(c, str_skip(name, 7), event, number);
        text = str_skip(text, (size_t)end + 2);
    }
    check_end(c);
}

static bool has(const struct translate *x, const char *text)
{
    return str_find(buf_str(&x->translator.out), str_of(text)) >= 0;
}

/* --- texts --- */

static void texts_are_streamed(void **state)
{
    (void)state;
    struct translate x;
    struct checked c;
    begin(&x, true, "");
    put_text(&x, ANSWER_TEXT, "He\\n");
    put_text(&x, ANSWER_TEXT, "llo \\\"you\\\"");
    finish(&x, FINISH_STOP);
    check(&c, &x);
    assert_string_equal(c.kinds, "created\nin_progress\noutput_item.added\ncontent_part.added\n"
                                 "output_text.delta\noutput_text.delta\noutput_text.done\n"
                                 "content_part.done\noutput_item.done\ncompleted\n");
    assert_true(has(&x, "event: response.output_text.delta\ndata: {\"type\":"
                        "\"response.output_text.delta\",\"sequence_number\":4,\"item_id\":"
                        "\"msg_0123456789abcdef_0\",\"output_index\":0,\"content_index\":0,"
                        "\"delta\":\"He\\n\",\"logprobs\":[]}\n\n"));
    assert_true(has(&x, "\"text\":\"He\\nllo \\\"you\\\"\",\"logprobs\":[]}\n\n"));
    assert_true(has(&x,
                    "\"item\":{\"id\":\"msg_0123456789abcdef_0\",\"type\":\"message\",\"status\":"
                    "\"completed\",\"role\":\"assistant\",\"content\":[{\"type\":"
                    "\"output_text\",\"text\":\"He\\nllo \\\"you\\\"\",\"annotations\":[],"
                    "\"logprobs\":[]}]}}\n\n"));
    assert_true(has(&x,
                    "\"usage\":{\"input_tokens\":9,\"input_tokens_details\":{\"cached_tokens\":3,"
                    "\"cache_write_tokens\":1},\"output_tokens\":4,\"output_tokens_details\":{"
                    "\"reasoning_tokens\":2},\"total_tokens\":13}}}\n\n"));
    arena_fini(&c.arena);
    translate_end(&x);
}

static void whole_answers_are_one_object(void **state)
{
    (void)state;
    struct translate x;
    begin(&x, false, "\"temperature\":0.5,\"instructions\":\"i\"");
    put_text(&x, ANSWER_TEXT, "hi");
    finish(&x, FINISH_STOP);
    assert_string_equal(
        translate_got(&x),
        "{\"id\":\"resp_0123456789abcdef\",\"object\":\"response\",\"created_at\":1700000000,"
        "\"status\":\"completed\",\"error\":null,\"incomplete_details\":null,\"model\":\"asked\","
        "\"background\":false,\"max_output_tokens\":null,\"max_tool_calls\":null,\"metadata\":{},"
        "\"parallel_tool_calls\":true,\"previous_response_id\":null,\"prompt_cache_key\":null,"
        "\"reasoning\":{\"effort\":null,\"summary\":null},\"safety_identifier\":null,"
        "\"service_tier\":\"default\",\"store\":true,\"temperature\":0.5,\"text\":{\"format\":{"
        "\"type\":\"text\"}},\"tool_choice\":\"auto\",\"top_logprobs\":0,\"top_p\":null,"
        "\"truncation\":\"disabled\",\"user\":null,\"instructions\":\"i\",\"tools\":[],\"output\":[{"
        "\"id\":\"msg_0123456789abcdef_0\",\"type\":\"message\",\"status\":\"completed\",\"role\":"
        "\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"hi\",\"annotations\":[],"
        "\"logprobs\":[]}]}],\"usage\":{\"input_tokens\":9,\"input_tokens_details\":{"
        "\"cached_tokens\":3,\"cache_write_tokens\":1},\"output_tokens\":4,"
        "\"output_tokens_details\":{\"reasoning_tokens\":2},\"total_tokens\":13}}");
    translate_end(&x);
}

static void ends_have_reasons(void **state)
{
    (void)state;
    static const struct {
        enum finish finish;
        const char *last, *response, *item;
    } rows[] = {
        {FINISH_STOP, "\ncompleted\n", "\"status\":\"completed\",\"error\":null", "completed"},
        {FINISH_CALLS, "\ncompleted\n", "\"status\":\"completed\",\"error\":null", "completed"},
        {FINISH_PAUSE, "\ncompleted\n", "\"status\":\"completed\",\"error\":null", "completed"},
        {FINISH_LENGTH, "\nincomplete\n",
         "\"incomplete_details\":{\"reason\":\"max_output_tokens\"}", "incomplete"},
        {FINISH_FILTER, "\nincomplete\n", "\"incomplete_details\":{\"reason\":\"content_filter\"}",
         "incomplete"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        struct checked c;
        begin(&x, true, "");
        put_text(&x, ANSWER_TEXT, "hi");
        finish(&x, rows[i].finish);
        check(&c, &x);
        assert_true(str_ends(str_of(c.kinds), str_of(rows[i].last)));
        assert_true(has(&x, rows[i].response));
        assert_true(str_eq(json_str_or(c.items[0], "status", STR("")), str_of(rows[i].item)));
        arena_fini(&c.arena);
        translate_end(&x);
    }
}

static void an_answer_may_be_empty_or_lack_its_finish(void **state)
{
    (void)state;
    struct translate x;
    struct checked c;
    begin(&x, true, "");
    put(&x, (struct answer_event){.kind = ANSWER_END});
    check(&c, &x);
    assert_string_equal(c.kinds, "created\nin_progress\ncompleted\n");
    assert_true(has(&x, "\"output\":[],\"usage\":null}"));
    arena_fini(&c.arena);
    translate_end(&x);
    begin(&x, true, "");
    put_text(&x, ANSWER_TEXT, "hi");
    put(&x, (struct answer_event){.kind = ANSWER_END});
    check(&c, &x);
    assert_int_equal(c.done, 1);
    arena_fini(&c.arena);
    translate_end(&x);
}

static void refusals_are_parts(void **state)
{
    (void)state;
    struct translate x;
    struct checked c;
    begin(&x, true, "");
    put_text(&x, ANSWER_REFUSAL, "n");
    put_text(&x, ANSWER_REFUSAL, "o");
    finish(&x, FINISH_STOP);
    check(&c, &x);
    assert_string_equal(c.kinds, "created\nin_progress\noutput_item.added\ncontent_part.added\n"
                                 "refusal.delta\nrefusal.delta\nrefusal.done\n"
                                 "content_part.done\noutput_item.done\ncompleted\n");
    assert_true(has(&x, "\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}]"));
    arena_fini(&c.arena);
    translate_end(&x);
}

static void logprobs_are_passed(void **state)
{
    (void)state;
    struct translate x;
    struct checked c;
    begin(&x, true, "\"include\":[\"message.output_text.logprobs\"]");
    put(&x, (struct answer_event){
                .kind = ANSWER_TEXT, .text = STR("a"), .raw = STR("[{\"token\":\"a\"}]")});
    put(&x, (struct answer_event){
                .kind = ANSWER_TEXT, .text = STR("b"), .raw = STR("[ {\"token\":\n\"b\"} ]")});
    put(&x, (struct answer_event){.kind = ANSWER_TEXT, .text = STR("c"), .raw = STR("[]")});
    finish(&x, FINISH_STOP);
    check(&c, &x);
    assert_true(has(&x, "\"delta\":\"a\",\"logprobs\":[{\"token\":\"a\"}]}"));
    assert_true(has(&x, "\"delta\":\"b\",\"logprobs\":[{\"token\": \"b\"}]}"));
    assert_true(has(&x, "\"delta\":\"c\",\"logprobs\":[]}"));
    assert_true(has(&x, "\"text\":\"abc\",\"annotations\":[],\"logprobs\":[{\"token\":\"a\"},"
                        "{\"token\": \"b\"}]}"));
    arena_fini(&c.arena);
    translate_end(&x);
}

/* --- reasoning --- */

static void reasoning_is_shown(void **state)
{
    (void)state;
    static const struct {
        const char *asked, *events, *item;
    } rows[] = {
        {"\"reasoning\":{\"summary\":\"auto\"}",
         "reasoning_summary_part.added\nreasoning_summary_text.delta\n"
         "reasoning_summary_text.done\nreasoning_summary_part.done\n",
         "\"summary\":[{\"type\":\"summary_text\",\"text\":\"hm\"}]}"},
        {"\"reasoning\":{\"effort\":\"low\",\"summary\":null}",
         "content_part.added\nreasoning_text.delta\nreasoning_text.done\ncontent_part.done\n",
         "\"summary\":[],\"content\":[{\"type\":\"reasoning_text\",\"text\":\"hm\"}]}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        struct checked c;
        char want[512];
        begin(&x, true, rows[i].asked);
        put_text(&x, ANSWER_REASONING, "hm");
        put_text(&x, ANSWER_TEXT, "hi");
        finish(&x, FINISH_STOP);
        check(&c, &x);
        (void)snprintf(want, sizeof want,
                       "created\nin_progress\noutput_item.added\n%s"
                       "output_item.done\noutput_item.added\ncontent_part.added\n"
                       "output_text.delta\noutput_text.done\ncontent_part.done\n"
                       "output_item.done\ncompleted\n",
                       rows[i].events);
        assert_string_equal(c.kinds, want);
        assert_true(has(&x, rows[i].item));
        assert_true(has(&x, i ? "\"content_index\":0,\"delta\":\"hm\"}"
                              : "\"summary_index\":0,\"delta\":\"hm\"}"));
        assert_false(has(&x, "encrypted_content\":"));
        arena_fini(&c.arena);
        translate_end(&x);
    }
}

/* The items of an answer as the input of the next request, with Anthropic's runtime. */
static const char *ask_again(struct translate *y, const struct checked *c)
{
    struct buf body, chat;
    struct json_writer w;
    const struct json *doc;
    buf_init(&body, 1 << 20);
    buf_init(&chat, 1 << 20);
    json_write_init(&w, &body);
    json_write_object(&w);
    json_write_key(&w, "input");
    json_write_json(&w, json_get(json_get(c->last, "response"), "output"));
    json_write_object_end(&w);
    assert_int_equal(json_write_end(&w), 0);
    translate_begin(y, SURFACE_RESPONSES, SURFACE_MESSAGES, false);
    assert_int_equal(json_parse(&y->arena, buf_str(&body), &doc, NULL), 0);
    json_write_init(&w, &chat);
    assert_int_equal(responses_to_pivot(&y->t, STR("m"), doc, &w, &y->why), 0);
    const char *text = arena_dup(&y->arena, buf_str(&chat)).ptr;
    buf_fini(&body);
    buf_fini(&chat);
    return text;
}

static void proved_reasoning_survives_the_round_trip(void **state)
{
    (void)state;
    struct translate x, y;
    struct checked c;
    begin(&x, true, "\"reasoning\":{\"summary\":\"auto\"}");
    put_text(&x, ANSWER_REASONING, "h\\u00e9");
    put_text(&x, ANSWER_SIGNATURE, "old");
    put_text(&x, ANSWER_SIGNATURE, "s+/=");
    put_text(&x, ANSWER_REDACTED, "DATA");
    put_text(&x, ANSWER_REASONING, "more");
    put_text(&x, ANSWER_SIGNATURE, "t");
    put_text(&x, ANSWER_SIGNATURE, "");
    put_call(&x, 0, "c", "f");
    finish(&x, FINISH_CALLS);
    check(&c, &x);
    assert_int_equal(c.begun, 4);
    const char *chat = ask_again(&y, &c);
    assert_non_null(strstr(chat,
                           "\"reasoning_content\":\"h\xc3\xa9\\nmore\",\"thinking_blocks\":["
                           "{\"type\":\"thinking\",\"thinking\":\"h\xc3\xa9\",\"signature\":"
                           "\"s+/=\"},{\"type\":\"redacted_thinking\",\"data\":\"DATA\"},"
                           "{\"type\":\"thinking\",\"thinking\":\"more\",\"signature\":\"t\"}]"));
    translate_end(&y);
    arena_fini(&c.arena);
    translate_end(&x);
}

static void unproved_reasoning_is_sealed_where_it_is_asked_for(void **state)
{
    (void)state;
    struct translate x, y;
    struct checked c;
    begin(&x, true, "\"include\":[\"reasoning.encrypted_content\"]");
    put_text(&x, ANSWER_REASONING, "hm");
    put_text(&x, ANSWER_TEXT, "hi");
    finish(&x, FINISH_STOP);
    check(&c, &x);
    assert_true(has(&x, "\"encrypted_content\":\"eyJob3N0bGVyIjox"));
    const char *chat = ask_again(&y, &c);
    assert_non_null(strstr(chat, "\"reasoning_content\":\"hm\"}"));
    assert_null(strstr(chat, "thinking_blocks"));
    translate_end(&y);
    arena_fini(&c.arena);
    translate_end(&x);
}

static void a_signature_may_stand_alone(void **state)
{
    (void)state;
    struct translate x;
    struct checked c;
    begin(&x, true, "");
    put_text(&x, ANSWER_SIGNATURE, "s");
    put_text(&x, ANSWER_TEXT, "hi");
    finish(&x, FINISH_STOP);
    check(&c, &x);
    assert_true(str_starts(str_of(c.kinds), STR("created\nin_progress\noutput_item.added\n"
                                                "output_item.done\noutput_item.added\n")));
    arena_fini(&c.arena);
    translate_end(&x);
}

/* --- calls --- */

static void calls_are_streamed(void **state)
{
    (void)state;
    struct translate x;
    struct checked c;
    begin(&x, true, "\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]");
    put_text(&x, ANSWER_TEXT, "so");
    put_call(&x, 0, "call_a", "f");
    put_arguments(&x, 0, "{\\\"a\\\":");
    put_arguments(&x, 0, "1}");
    finish(&x, FINISH_CALLS);
    check(&c, &x);
    assert_string_equal(c.kinds,
                        "created\nin_progress\noutput_item.added\ncontent_part.added\n"
                        "output_text.delta\noutput_text.done\ncontent_part.done\n"
                        "output_item.done\noutput_item.added\nfunction_call_arguments.delta\n"
                        "function_call_arguments.delta\nfunction_call_arguments.done\n"
                        "output_item.done\ncompleted\n");
    assert_true(has(&x, "\"item\":{\"id\":\"fc_0123456789abcdef_1\",\"type\":\"function_call\","
                        "\"status\":\"in_progress\",\"call_id\":\"call_a\",\"name\":\"f\","
                        "\"arguments\":\"\"}}"));
    assert_true(has(&x, "\"arguments\":\"{\\\"a\\\":1}\",\"name\":\"f\"}\n\n"));
    assert_true(has(&x, "\"status\":\"completed\",\"call_id\":\"call_a\",\"name\":\"f\","
                        "\"arguments\":\"{\\\"a\\\":1}\"}}"));
    arena_fini(&c.arena);
    translate_end(&x);
}

static void calls_may_mix(void **state)
{
    (void)state;
    struct translate x;
    struct checked c;
    begin(&x, true, "");
    put_call(&x, 0, "a", "f");
    put_arguments(&x, 0, "{");
    put_call(&x, 1, "a", "g");
    put_call(&x, 2, "", "h");
    put_arguments(&x, 0, "}");
    put_arguments(&x, 1, "[]");
    put_arguments(&x, 7, "lost");
    put_text(&x, ANSWER_TEXT, "hi");
    finish(&x, FINISH_CALLS);
    check(&c, &x);
    assert_int_equal(c.begun, 4);
    static const char *const arguments[] = {"{}", "[]", "{}"};
    static const char *const ids[] = {"a", "call_0123456789abcdef_1", "call_0123456789abcdef_2"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(str_eq(json_str_or(c.items[i], "arguments", STR("")), str_of(arguments[i])));
        assert_true(str_eq(json_str_or(c.items[i], "call_id", STR("")), str_of(ids[i])));
    }
    arena_fini(&c.arena);
    translate_end(&x);
}

#define NAMESPACE                                                                              \
    "\"tools\":[{\"type\":\"namespace\",\"name\":\"mcp__calc\",\"tools\":[{\"name\":\"add\"}," \
    "{\"name\":\"a \\\"b\\\"\"}]}]"

static void namespaces_are_given_back(void **state)
{
    (void)state;
    struct translate x;
    struct checked c;
    begin(&x, true, NAMESPACE);
    put_call(&x, 0, "1", "mcp__calc__add");
    put_call(&x, 1, "2", "mcp__calc__a__b_");
    put_call(&x, 2, "3", "add");
    finish(&x, FINISH_CALLS);
    check(&c, &x);
    assert_true(has(&x, "\"call_id\":\"1\",\"name\":\"add\",\"namespace\":\"mcp__calc\","));
    assert_true(has(&x, "\"call_id\":\"2\",\"name\":\"a \\\"b\\\"\",\"namespace\":\"mcp__calc\","));
    assert_true(has(&x, "\"call_id\":\"3\",\"name\":\"add\",\"arguments\""));
    arena_fini(&c.arena);
    translate_end(&x);
}

static void custom_calls_are_texts(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\\\"input\\\":\\\"a\\\\n\\\\\\\"b\\\\\\\"\\\"}", "a\n\"b\""},
        {"{ \\\"x\\\": 1,\\n \\\"input\\\" : \\\"\\\\u00e9\\\"}", "\xc3\xa9"},
        {"*** Begin\\n\\\"", "*** Begin\n\""},
        {"{\\\"input\\\":1}", "{\"input\":1}"},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        struct checked c;
        begin(&x, true, "\"tools\":[{\"type\":\"custom\",\"name\":\"apply_patch\"}]");
        put_call(&x, 0, "1", "apply_patch");
        put_arguments(&x, 0, rows[i][0]);
        finish(&x, FINISH_CALLS);
        check(&c, &x);
        assert_string_equal(c.kinds, "created\nin_progress\noutput_item.added\n"
                                     "custom_tool_call_input.delta\ncustom_tool_call_input.done\n"
                                     "output_item.done\ncompleted\n");
        assert_true(str_eq(json_str_or(c.items[0], "type", STR("")), STR("custom_tool_call")));
        assert_true(str_eq(json_str_or(c.items[0], "input", STR("-")), str_of(rows[i][1])));
        arena_fini(&c.arena);
        translate_end(&x);
    }
}

static void searches_are_objects(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\\n\\\"query\\\": \\\"q\\\\n\\\"}", "\"arguments\":{ \"query\": \"q\\n\"}}}\n\n"},
        {"no object", "\"arguments\":{}}}\n\n"},
        {"", "\"arguments\":{}}}\n\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        struct checked c;
        begin(&x, true, "\"tools\":[{\"type\":\"tool_search\",\"execution\":\"client\"}]");
        put_call(&x, 0, "1", "tool_search");
        put_arguments(&x, 0, rows[i][0]);
        finish(&x, FINISH_CALLS);
        check(&c, &x);
        assert_string_equal(c.kinds, "created\nin_progress\noutput_item.added\noutput_item.done\n"
                                     "completed\n");
        assert_true(has(&x, "\"type\":\"tool_search_call\",\"status\":\"completed\",\"call_id\":"
                            "\"1\",\"execution\":\"client\",\"arguments\":{"));
        assert_true(has(&x, rows[i][1]));
        arena_fini(&c.arena);
        translate_end(&x);
    }
}

/* --- the source of chat before it --- */

static void chats_are_responses(void **state)
{
    (void)state;
    struct translate x;
    struct checked c;
    begin(&x, true, NAMESPACE);
    translate_event(&x, "",
                    "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}");
    translate_event(&x, "", "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}");
    translate_event(&x, "", "{\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}");
    translate_event(&x, "",
                    "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"1\","
                    "\"function\":{\"name\":\"mcp__calc__add\",\"arguments\":\"{}\"}}]}}]}");
    translate_event(&x, "", "{\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}");
    assert_int_equal(translator_end(&x.translator, &(struct usage){.known = true}), 0);
    check(&c, &x);
    assert_int_equal(c.begun, 3);
    arena_fini(&c.arena);
    translate_end(&x);
}

/* --- failures --- */

static void failures_end_the_stream(void **state)
{
    (void)state;
    struct translate x;
    struct checked c;
    struct refusal why = {.status = 502, .message = STR("The \"runtime\" is gone.")};
    begin(&x, true, "\"tools\":[{\"type\":\"custom\",\"name\":\"p\"}]");
    put_text(&x, ANSWER_TEXT, "hi");
    put_call(&x, 0, "1", "p");
    put_arguments(&x, 0, "{\\\"inp");
    assert_int_equal(translator_fail(&x.translator, &why), 0);
    check(&c, &x);
    assert_true(str_ends(str_of(c.kinds), STR("\nfailed\n")));
    assert_true(has(&x, "\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":"
                        "\"The \\\"runtime\\\" is gone.\"}"));
    assert_true(
        has(&x, "\"status\":\"incomplete\",\"call_id\":\"1\",\"name\":\"p\",\"input\":\"\"}"));
    arena_fini(&c.arena);
    translate_end(&x);
}

static void too_much_is_refused(void **state)
{
    (void)state;
    struct translate x;
    static char text[1 << 20];
    memset(text, 'a', sizeof text);
    begin(&x, false, "");
    struct answer_event e = {.kind = ANSWER_TEXT, .text = str_n(text, sizeof text)};
    int err = 0, count = 0;
    while (!err && count < 100) {
        err = put_event(&x, e);
        count++;
    }
    assert_int_equal(err, ERR_TOO_LARGE);
    assert_true(count <= (ANSWER_HELD_MAX >> 20) + 1);
    translate_end(&x);
}

static void a_short_stream_needs_little(void **state)
{
    (void)state;
    struct translate x;
    begin(&x, true, "");
    size_t before = arena_used(&x.arena);
    for (int i = 0; i < 100; i++) {
        put_text(&x, ANSWER_TEXT, "word ");
        buf_clear(&x.translator.out);
    }
    assert_true(arena_used(&x.arena) - before < 1024);
    translate_end(&x);
}

/* --- what is stored --- */

static void responses_are_kept_as_they_ended(void **state)
{
    (void)state;
    struct translate x;
    struct checked c;
    struct buf kept;
    buf_init(&kept, 1 << 16);
    begin(&x, true, "\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]");
    put_text(&x, ANSWER_TEXT, "hi");
    finish(&x, FINISH_STOP);
    check(&c, &x);
    assert_int_equal(responses_write_response(x.translator.writer, &kept), 0);
    assert_true(str_starts(buf_str(&kept), STR("{\"id\":\"resp_0123456789abcdef\"")));
    assert_true(
        has(&x, arena_printf(&x.arena, "\"response\":%.*s}\n\n", STR_ARG(buf_str(&kept))).ptr));
    assert_true(str_find(buf_str(&kept), STR("\"tools\":[{\"type\":\"function\"")) > 0);
    buf_fini(&kept);
    arena_fini(&c.arena);
    translate_end(&x);
}

/* What could not be written of an event is as if it had not come: numbers and items go on from what
 * the client has. */
static void a_broken_stream_has_no_gaps(void **state)
{
    (void)state;
    static const struct refusal why = {.status = 502, .message = STR_INIT("broken")};
    for (int how = 0; how < 2; how++) {
        struct translate x;
        struct checked c;
        struct buf event;
        begin(&x, true, "");
        buf_init(&event, 1 << 24);
        translate_event(&x, "", "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}");
        if (how == 0) { /* a text that is too large, of another kind than the one before */
            assert_int_equal(buf_append(&event, STR("{\"choices\":[{\"delta\":{\"refusal\":\"")),
                             0);
            for (unsigned i = 0; i < (9 << 20) / 16; i++)
                assert_int_equal(buf_append(&event, STR("0123456789abcdef")), 0);
            assert_int_equal(buf_append(&event, STR("\"}}]}")), 0);
        } else { /* a call that is not there */
            assert_int_equal(
                buf_append(&event, STR("{\"choices\":[{\"delta\":{\"refusal\":\"b\"}},1]}")), 0);
        }
        assert_true(translator_event(&x.translator, STR(""), buf_str(&event)) < 0);
        assert_int_equal(translator_fail(&x.translator, &why), 0);
        check(&c, &x);
        assert_true(strstr(c.kinds, "failed\n") != NULL);
        assert_int_equal(c.begun, how + 1);
        buf_fini(&event);
        arena_fini(&c.arena);
        translate_end(&x);
    }
}

static void inputs_are_kept_as_items(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"input\":\"h\\\"i\"}",
         "[{\"id\":\"msg_0123456789abcdef_i0\",\"type\":\"message\",\"role\":\"user\",\"content\":[{"
         "\"type\":\"input_text\",\"text\":\"h\\\"i\"}]}]"},
        {"{\"input\":[{\"role\":\"assistant\",\"content\":\"a\"},{\"type\":\"function_call_output\","
         "\"call_id\":\"1\",\"output\":\"x\"},{\"id\":\"mine\",\"role\":\"user\",\"content\":[]}]}",
         "[{\"id\":\"msg_0123456789abcdef_i0\",\"type\":\"message\",\"role\":\"assistant\","
         "\"content\":[{\"type\":\"output_text\",\"text\":\"a\",\"annotations\":[]}]},"
         "{\"id\":\"fco_0123456789abcdef_i1\",\"type\":\"function_call_output\",\"call_id\":\"1\","
         "\"output\":\"x\"},{\"id\":\"mine\",\"type\":\"message\",\"role\":\"user\",\"content\":[]}]"},
        {"{}", "[]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        struct buf out;
        buf_init(&out, 4096);
        translate_begin(&x, SURFACE_RESPONSES, SURFACE_CHAT, false);
        assert_int_equal(responses_write_input(&x.t, str_of(rows[i][0]), &out), 0);
        assert_string_equal(arena_dup(&x.arena, buf_str(&out)).ptr, rows[i][1]);
        assert_int_equal(responses_write_input(&x.t, STR("{\"input\":1}"), &out), ERR_INVALID);
        assert_int_equal(responses_write_input(&x.t, STR("no"), &out), ERR_INVALID);
        buf_fini(&out);
        translate_end(&x);
    }
}

static void requests_go_on_from_responses(void **state)
{
    (void)state;
    struct translate x;
    struct str response = STR("{\"id\":\"resp_1\",\"output\":[{\"id\":\"msg_1_0\",\"type\":"
                              "\"message\",\"role\":\"assistant\",\"content\":[{\"type\":"
                              "\"output_text\",\"text\":\"b\"}]}]}");
    struct str before[] = {STR("[{\"role\":\"user\",\"content\":\"a\"}]"),
                           responses_output(response)};
    struct str known[] = {STR("[]"), STR("[{\"id\":\"msg_2_0\",\"role\":\"assistant\","
                                         "\"content\":\"c\"},1]")};
    struct responses_past past = {before, ARRAY_LEN(before), known, ARRAY_LEN(known)};
    static const char body[] =
        "{\"model\":\"m\",\"previous_response_id\":\"resp_1\",\"input\":[{\"role\":\"user\","
        "\"content\":\"x\"},{\"type\":\"item_reference\",\"id\":\"msg_2_0\"},{\"role\":\"user\","
        "\"content\":\"y\"}]}";
    struct buf kept;
    buf_init(&kept, 4096);
    translate_begin(&x, SURFACE_RESPONSES, SURFACE_CHAT, false);
    x.t.past = &past;
    struct str chat = translate_ask(&x, body);
    assert_true(str_eq(chat, STR("{\"model\":\"served\",\"messages\":["
                                 "{\"role\":\"user\",\"content\":\"a\"},"
                                 "{\"role\":\"assistant\",\"content\":\"b\"},"
                                 "{\"role\":\"user\",\"content\":\"x\"},"
                                 "{\"role\":\"assistant\",\"content\":\"c\"},"
                                 "{\"role\":\"user\",\"content\":\"y\"}]}")));
    assert_int_equal(responses_write_input(&x.t, str_of(body), &kept), 0);
    assert_true(str_starts(buf_str(&kept), STR("[{\"id\":\"msg_0123456789abcdef_i0\"")));
    assert_true(str_find(buf_str(&kept), STR("{\"id\":\"msg_2_0\",\"type\":\"message\"")) > 0);
    assert_int_equal(str_find(buf_str(&kept), STR("msg_1_0")), -1);
    assert_null(translate_ask(&x, "{\"model\":\"m\",\"input\":[{\"type\":\"item_reference\","
                                  "\"id\":\"msg_3_0\"}]}")
                    .ptr);
    assert_string_equal(x.why.param, "input[0].type");
    assert_null(translate_ask(&x, "{\"model\":\"m\",\"input\":[{\"type\":\"item_reference\","
                                  "\"id\":\"msg_2_0\"},{\"type\":\"item_reference\","
                                  "\"id\":\"msg_2_0\"}]}")
                    .ptr);
    assert_string_equal(x.why.param, "input[1].id");
    /* items are known, but not what it shall go on from */
    past.before_count = 0;
    assert_null(translate_ask(&x, body).ptr);
    assert_string_equal(x.why.code, "previous_response_not_found");
    past.before_count = ARRAY_LEN(before);
    before[1] = STR("broken");
    assert_null(translate_ask(&x, "{\"model\":\"m\",\"input\":\"a\"}").ptr);
    assert_string_equal(x.why.param, "previous_response_id");
    assert_int_equal(responses_output(STR("{}")).len, 0);
    buf_fini(&kept);
    translate_end(&x);
}

static void what_a_request_wants_is_read(void **state)
{
    (void)state;
    struct arena arena;
    struct responses_wants wants;
    arena_init(&arena, SIZE_MAX, 1024);
    assert_int_equal(responses_read_wants(&arena, STR("{\"input\":\"a\"}"), &wants), 0);
    assert_true(wants.store && wants.count == 0 && wants.previous.len == 0);
    assert_int_equal(responses_read_wants(
                         &arena,
                         STR("{\"store\":false,\"input\":[{\"type\":\"item_reference\",\"id\":"
                             "\"msg_abc_0\"},{\"role\":\"user\"},{\"id\":\"fc_abc_1\",\"type\":"
                             "\"item_reference\"},{\"type\":\"item_reference\",\"id\":\"rs_x_12\"},"
                             "{\"type\":\"item_reference\",\"id\":\"alien\"},1],"
                             "\"previous_response_id\":\"resp_\\u0031\"}"),
                         &wants),
                     0);
    assert_false(wants.store);
    assert_true(str_eq(wants.previous, STR("resp_1")));
    assert_int_equal(wants.count, 2);
    assert_true(str_eq(wants.ids[0], STR("resp_abc")));
    assert_true(str_eq(wants.ids[1], STR("resp_x")));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_streamed),
        cmocka_unit_test(whole_answers_are_one_object),
        cmocka_unit_test(ends_have_reasons),
        cmocka_unit_test(an_answer_may_be_empty_or_lack_its_finish),
        cmocka_unit_test(refusals_are_parts),
        cmocka_unit_test(logprobs_are_passed),
        cmocka_unit_test(reasoning_is_shown),
        cmocka_unit_test(proved_reasoning_survives_the_round_trip),
        cmocka_unit_test(unproved_reasoning_is_sealed_where_it_is_asked_for),
        cmocka_unit_test(a_signature_may_stand_alone),
        cmocka_unit_test(calls_are_streamed),
        cmocka_unit_test(calls_may_mix),
        cmocka_unit_test(namespaces_are_given_back),
        cmocka_unit_test(custom_calls_are_texts),
        cmocka_unit_test(searches_are_objects),
        cmocka_unit_test(chats_are_responses),
        cmocka_unit_test(failures_end_the_stream),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(a_short_stream_needs_little),
        cmocka_unit_test(responses_are_kept_as_they_ended),
        cmocka_unit_test(a_broken_stream_has_no_gaps),
        cmocka_unit_test(inputs_are_kept_as_items),
        cmocka_unit_test(requests_go_on_from_responses),
        cmocka_unit_test(what_a_request_wants_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
