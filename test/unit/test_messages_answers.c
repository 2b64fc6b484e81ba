/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: what runtimes answer on Anthropic's Messages API, for clients of chats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quoted.h"
#include "translate.h"

/* --- answers --- */

struct event {
    const char *name, *data;
};

/* What a client of chats gets of a stream of Messages, in one piece; on x's arena. */
static const char *stream_of(struct translate *x, const struct event *events, size_t count,
                             const struct usage *usage)
{
    translate_begin(x, SURFACE_CHAT, SURFACE_MESSAGES, true);
    x->t.asks_usage = usage;
    translate_answer(x);
    for (size_t i = 0; i < count; i++)
        translate_event(x, events[i].name, quoted(&x->arena, events[i].data));
    assert_int_equal(translator_end(&x->translator, usage ? usage : &(struct usage){0}), 0);
    return translate_got(x);
}

/* Events and chunks read best as a line each. */
/* clang-format off */
#define CHUNK(delta, finish)  \
    "data: {'id':'chatcmpl-0123456789abcdef','object':'chat.completion.chunk',"  \
    "'created':1700000000,'model':'asked','choices':[{'index':0,'delta':{" delta  \
    "},'logprobs':null,'finish_reason':" finish "}]}\n\n"
#define DONE "data: [DONE]\n\n"
#define START(type, rest)  \
    {"content_block_start", "{'type':'content_block_start','index':0,'content_block':{'type':'" type "'" rest "}}"}
#define DELTA(index, type, rest)  \
    {"content_block_delta", "{'type':'content_block_delta','index':" index ",'delta':{'type':'" type "'," rest "}}"}
#define STOP {"content_block_stop", "{'type':'content_block_stop','index':0}"}
#define ENDS(reason) {"message_delta", "{'type':'message_delta','delta':{'stop_reason':'" reason "','stop_sequence':null},'usage':{'output_tokens':5}}"}
#define BEGIN {"message_start", "{'type':'message_start','message':{'id':'msg_1','type':'message','role':'assistant','content':[],'usage':{'input_tokens':3}}}"}
#define LAST {"message_stop", "{'type':'message_stop'}"}
#define PING {"ping", "{'type':'ping'}"}

static void check_stream(const struct event *events, size_t count, const struct usage *usage,
                         const char *expected)
{
    struct translate x;
    const char *got = stream_of(&x, events, count, usage);
    assert_string_equal(got, quoted(&x.arena, expected));
    translate_end(&x);
}

#define CHECK_STREAM(events, usage, expected) check_stream(events, ARRAY_LEN(events), usage, expected)

static void a_stream_becomes_chunks(void **state)
{
    (void)state;
    static const struct event text[] = {BEGIN, START("text", ",'text':''"), PING,
                                        DELTA("0", "text_delta", "'text':'Hel\\u00e9 \\''"),
                                        DELTA("0", "text_delta", "'text':'lo'"), STOP,
                                        ENDS("end_turn"), LAST};
    static const struct event calls[] = {
        BEGIN, START("text", ",'text':'ok'"), STOP,
        START("tool_use", ",'id':'toolu_1','name':'f','input':{}"),
        DELTA("0", "input_json_delta", "'partial_json':''"),
        DELTA("0", "input_json_delta", "'partial_json':'{\\'a\\':'"),
        DELTA("0", "input_json_delta", "'partial_json':'1}'"), STOP,
        /* arguments in the start, or none at all */
        START("tool_use", ",'id':'','name':'g','input':{'x':'\\u00fc'}"), STOP,
        START("tool_use", ",'id':'toolu_3','name':'h'"), ENDS("tool_use"), LAST};
    static const struct event nothing[] = {BEGIN, ENDS("refusal"), LAST};
    static const struct event broken[] = {BEGIN};
    CHECK_STREAM(text, NULL,
                 CHUNK("'role':'assistant','content':'Hel\\u00e9 \\''", "null")
                 CHUNK("'content':'lo'", "null") CHUNK("", "'stop'") DONE);
    CHECK_STREAM(calls, NULL,
                 CHUNK("'role':'assistant','content':'ok'", "null")
                 CHUNK("'tool_calls':[{'index':0,'id':'toolu_1','type':'function','function':{'name':'f','arguments':''}}]", "null")
                 CHUNK("'tool_calls':[{'index':0,'function':{'arguments':'{\\'a\\':'}}]", "null")
                 CHUNK("'tool_calls':[{'index':0,'function':{'arguments':'1}'}}]", "null")
                 CHUNK("'tool_calls':[{'index':1,'id':'call_0123456789abcdef_1','type':'function','function':{'name':'g','arguments':''}}]", "null")
                 CHUNK("'tool_calls':[{'index':1,'function':{'arguments':'{\\'x\\':\\'\\\\u00fc\\'}'}}]", "null")
                 CHUNK("'tool_calls':[{'index':2,'id':'toolu_3','type':'function','function':{'name':'h','arguments':''}}]", "null")
                 CHUNK("'tool_calls':[{'index':2,'function':{'arguments':'{}'}}]", "null")
                 CHUNK("", "'tool_calls'") DONE);
    CHECK_STREAM(nothing, NULL, CHUNK("'role':'assistant','content':''", "'content_filter'") DONE);
    CHECK_STREAM(broken, NULL, CHUNK("'role':'assistant','content':''", "'stop'") DONE);
}

static void thoughts_are_told_and_told_again_with_their_proofs(void **state)
{
    (void)state;
    static const struct event events[] = {
        BEGIN,
        START("thinking", ",'thinking':'','signature':''"),
        DELTA("0", "thinking_delta", "'thinking':'h'"),
        DELTA("0", "thinking_delta", "'thinking':'m'"),
        DELTA("0", "signature_delta", "'signature':'old'"),
        DELTA("0", "signature_delta", "'signature':'sig'"), STOP,
        START("redacted_thinking", ",'data':'xyz'"), STOP,
        START("thinking", ",'thinking':'','signature':'alone'"), STOP,
        START("text", ",'text':'a'"), STOP, ENDS("end_turn")};
    static const struct event unproved[] = {
        START("redacted_thinking", ",'data':'xyz'"), STOP,
        START("thinking", ",'thinking':'no proof'"), STOP,
        START("text", ",'text':'a'"), STOP, ENDS("end_turn")};
    CHECK_STREAM(unproved, NULL,
                 CHUNK("'role':'assistant','content':null,'reasoning_content':'no proof'", "null")
                 CHUNK("'content':'a'", "null") CHUNK("", "'stop'") DONE);
    CHECK_STREAM(events, NULL,
                 CHUNK("'role':'assistant','content':null,'reasoning_content':'h'", "null")
                 CHUNK("'reasoning_content':'m'", "null")
                 CHUNK("'content':'a'", "null")
                 CHUNK("'thinking_blocks':[{'type':'thinking','thinking':'hm','signature':'sig'},"
                       "{'type':'redacted_thinking','data':'xyz'},"
                       "{'type':'thinking','thinking':'','signature':'alone'}]", "'stop'") DONE);
}

static void what_servers_do_themselves_is_passed_over(void **state)
{
    (void)state;
    static const struct event events[] = {
        BEGIN, START("server_tool_use", ",'id':'srv','name':'web_search','input':{}"),
        DELTA("0", "input_json_delta", "'partial_json':'{\\'query\\':1}'"), STOP,
        START("web_search_tool_result", ",'tool_use_id':'srv','content':[]"), STOP,
        START("text", ",'text':''"), DELTA("0", "citations_delta", "'citation':{'type':'x'}"),
        DELTA("0", "text_delta", "'text':'a'"), STOP,
        START("tool_use", ",'id':'t','name':'f','input':{}"),
        DELTA("7", "input_json_delta", "'partial_json':'other'"),
        DELTA("0", "input_json_delta", "'partial_json':'{}'"), STOP,
        {"something_new", "{'type':'something_new','delta':{'text':'no'}}"}, ENDS("pause_turn"), ENDS("end_turn")};
    CHECK_STREAM(events, NULL,
                 CHUNK("'role':'assistant','content':'a'", "null")
                 CHUNK("'tool_calls':[{'index':0,'id':'t','type':'function','function':{'name':'f','arguments':''}}]", "null")
                 CHUNK("'tool_calls':[{'index':0,'function':{'arguments':'{}'}}]", "null")
                 CHUNK("", "'stop'") DONE);
}

static void usage_is_the_last_chunk_where_it_is_asked_for(void **state)
{
    (void)state;
    static const struct event events[] = {BEGIN, START("text", ",'text':'a'"), ENDS("max_tokens")};
    struct usage usage = {.prompt = 10, .completion = 5, .cached = 4, .written = 3, .reasoning = 2, .known = true};
#define ASKED "data: {'id':'chatcmpl-0123456789abcdef','object':'chat.completion.chunk','created':1700000000,'model':'asked',"
    CHECK_STREAM(events, &usage,
                 ASKED "'usage':null,'choices':[{'index':0,'delta':{'role':'assistant','content':'a'},'logprobs':null,'finish_reason':null}]}\n\n"
                 ASKED "'usage':null,'choices':[{'index':0,'delta':{},'logprobs':null,'finish_reason':'length'}]}\n\n"
                 ASKED "'choices':[],'usage':{'prompt_tokens':10,'completion_tokens':5,'total_tokens':15,"
                 "'prompt_tokens_details':{'cached_tokens':4,'cache_write_tokens':3},"
                 "'completion_tokens_details':{'reasoning_tokens':2}}}\n\n" DONE);
}

static void a_stream_that_fails_ends_with_the_error(void **state)
{
    (void)state;
    struct translate x;
    struct refusal why = {.status = 502, .message = STR("gone")};
    translate_begin(&x, SURFACE_CHAT, SURFACE_MESSAGES, true);
    translate_answer(&x);
    assert_int_equal(translator_fail(&x.translator, &why), 0);
    assert_string_equal(translate_got(&x),
                        "data: {\"error\":{\"message\":\"gone\",\"type\":\"server_error\","
                        "\"param\":null,\"code\":null}}\n\n");
    assert_string_equal(surface_row(SURFACE_CHAT)->writer->ping.ptr, ": ping\n\n");
    translate_end(&x);
}

/* --- whole answers --- */

#define THOUGHT "{'type':'thinking','thinking':'hm','signature':'sig'}"
#define HIDDEN "{'type':'redacted_thinking','data':'xyz'}"

#define WHOLE(message, finish, usage)  \
    "{'id':'chatcmpl-0123456789abcdef','object':'chat.completion','created':1700000000,"  \
    "'model':'asked','choices':[{'index':0,'message':{'role':'assistant'," message  \
    "},'logprobs':null,'finish_reason':'" finish "'}]" usage "}"
#define MESSAGE(content, reason)  \
    "{'id':'msg_1','type':'message','role':'assistant','content':[" content "],'stop_reason':'" reason "','stop_sequence':null,'usage':{}}"

static void whole_messages_become_completions(void **state)
{
    (void)state;
    static const struct {
        const char *message, *answer;
    } rows[] = {
        {MESSAGE("{'type':'text','text':'a'},{'type':'text','text':'b'}", "end_turn"),
         WHOLE("'content':'ab','refusal':null", "stop", "")},
        {MESSAGE("", "stop_sequence"), WHOLE("'content':null,'refusal':null", "stop", "")},
        {MESSAGE(THOUGHT "," HIDDEN ",{'type':'tool_use','id':'t','name':'f','input':{'a':[1]}},"
                         "{'type':'tool_use','id':'u','name':'g','input':{}}", "tool_use"),
         WHOLE("'content':null,'refusal':null,'reasoning_content':'hm','tool_calls':["
               "{'id':'t','type':'function','function':{'name':'f','arguments':'{\\'a\\':[1]}'}},"
               "{'id':'u','type':'function','function':{'name':'g','arguments':'{}'}}],"
               "'thinking_blocks':[" THOUGHT "," HIDDEN "]", "tool_calls", "")},
        {"{'content':[{'type':'server_tool_use','id':'s','name':'x','input':{}},{'type':'text','text':'a'}],"
         "'stop_reason':'refusal','stop_details':{'type':'refusal','explanation':'no'}}",
         WHOLE("'content':'a','refusal':'no'", "content_filter", "")},
        {MESSAGE("{'type':'text','text':'a'}", "model_context_window_exceeded"),
         WHOLE("'content':'a','refusal':null", "length", "")},
        {MESSAGE("{'type':'tool_use','id':'t','name':'f','input':'{}'}", "end_turn"),
         WHOLE("'content':null,'refusal':null,'tool_calls':[{'id':'t','type':'function','function':{'name':'f','arguments':'{}'}}]",
               "tool_calls", "")},
        {"{'type':'error','error':{'type':'api_error','message':'x'}}", NULL},
        {"[]", NULL},
        {"{'content':'x'}", NULL},
        {"{'content':[1]}", NULL},
        {"{'content':[{'type':'tool_use'}]}", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        translate_begin(&x, SURFACE_CHAT, SURFACE_MESSAGES, false);
        translate_answer(&x);
        int err = translator_whole(&x.translator, str_of(quoted(&x.arena, rows[i].message)));
        assert_int_equal(err, rows[i].answer ? 0 : ERR_INVALID);
        if (!err) {
            assert_int_equal(translator_end(&x.translator, &(struct usage){0}), 0);
            assert_string_equal(translate_got(&x), quoted(&x.arena, rows[i].answer));
        }
        translate_end(&x);
    }
}

static void events_of_another_dialect_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "", "x", "[]", "{}", "{'type':1}", "{'type':'content_block_delta'}",
        "{'type':'content_block_start'}", "{'type':'message_delta'}",
        "{'type':'content_block_start','content_block':{'type':'tool_use','id':'a'}}"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        translate_begin(&x, SURFACE_CHAT, SURFACE_MESSAGES, true);
        translate_answer(&x);
        assert_int_equal(translator_event(&x.translator, STR("x"), str_of(quoted(&x.arena, rows[i]))), ERR_INVALID);
        translate_end(&x);
    }
}

/* clang-format on */

/* A runtime may answer with more than anybody holds. */
static void a_whole_answer_has_a_limit(void **state)
{
    (void)state;
    enum { PIECE = 1 << 20 };
    struct translate x;
    struct buf data;
    int err = 0;
    char *text = malloc(PIECE + 1);
    assert_non_null(text);
    memset(text, 'a', PIECE);
    text[PIECE] = '\0';
    buf_init(&data, 2 * PIECE);
    assert_int_equal(
        buf_printf(
            &data,
            "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"%s\"}}",
            text),
        0);
    translate_begin(&x, SURFACE_CHAT, SURFACE_MESSAGES, false);
    translate_answer(&x);
    for (int i = 0; !err && i < 17; i++)
        err = translator_event(&x.translator, STR(""), buf_str(&data));
    assert_int_equal(err, ERR_TOO_LARGE);
    translate_end(&x);
    /* a stream holds thoughts for their proof only, and lets go of too many */
    translate_begin(&x, SURFACE_CHAT, SURFACE_MESSAGES, true);
    translate_answer(&x);
    for (int i = 0; i < 18; i++) {
        assert_int_equal(translator_event(&x.translator, STR(""), buf_str(&data)), 0);
        buf_clear(&x.translator.out);
    }
    translate_event(
        &x, "",
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"s\"}}");
    assert_int_equal(translator_end(&x.translator, &(struct usage){0}), 0);
    assert_null(strstr(translate_got(&x), "thinking_blocks"));
    translate_end(&x);
    buf_fini(&data);
    free(text);
}

/* --- counts --- */

static void counts_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        enum surface sent;
        const char *body;
        const char *answer; /* NULL: none of the dialect */
    } rows[] = {
        {SURFACE_COUNT_CHAT, "{'object':'response.input_tokens','input_tokens':12}",
         "{'input_tokens':12}"},
        {SURFACE_COUNT_MESSAGES, "{'input_tokens':0}", "{'input_tokens':0}"},
        {SURFACE_COUNT_TOKENIZE, "{'count':3,'max_model_len':9,'tokens':[1,2,3]}",
         "{'input_tokens':3}"},
        {SURFACE_COUNT_TOKENIZE, "{'input_tokens':3}", NULL},
        {SURFACE_COUNT_CHAT, "{'input_tokens':-1}", NULL},
        {SURFACE_COUNT_CHAT, "{'input_tokens':'1'}", NULL},
        {SURFACE_COUNT_CHAT, "<html>", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        translate_begin(&x, SURFACE_COUNT_CHAT, rows[i].sent, false);
        translate_answer(&x);
        int err = translator_whole(&x.translator, str_of(quoted(&x.arena, rows[i].body)));
        assert_int_equal(err, rows[i].answer ? 0 : ERR_INVALID);
        if (!err) {
            assert_int_equal(translator_end(&x.translator, &(struct usage){0}), 0);
            assert_string_equal(translate_got(&x), quoted(&x.arena, rows[i].answer));
        }
        assert_int_equal(translator_event(&x.translator, STR(""), STR("{}")), ERR_INVALID);
        translate_end(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_becomes_chunks),
        cmocka_unit_test(thoughts_are_told_and_told_again_with_their_proofs),
        cmocka_unit_test(what_servers_do_themselves_is_passed_over),
        cmocka_unit_test(usage_is_the_last_chunk_where_it_is_asked_for),
        cmocka_unit_test(a_stream_that_fails_ends_with_the_error),
        cmocka_unit_test(whole_messages_become_completions),
        cmocka_unit_test(events_of_another_dialect_are_refused),
        cmocka_unit_test(a_whole_answer_has_a_limit),
        cmocka_unit_test(counts_are_read_and_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
