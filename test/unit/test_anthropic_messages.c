/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: the messages of Anthropic's requests as those of chats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "anthropic.h"

static void texts_are_joined(void **state)
{
    (void)state;
    check_messages(HI, HI, "");
    check_messages("{'role':'user','content':[{'type':'text','text':'a'},{'type':'text','text':''}"
                   ",{'type':'text','text':'b','cache_control':{'type':'ephemeral'}}]}",
                   "{'role':'user','content':'a\\nb'}", "cache_control");
    check_messages("{'role':'user','content':[]}", "{'role':'user','content':''}", "");
    check_messages("{'role':'assistant','content':'x'}," HI,
                   "{'role':'assistant','content':'x'}," HI, "");
    check_messages(HI ",{'role':'assistant','content':[{'type':'text','text':'a','citations':null}"
                      ",{'type':'text','text':'b','citations':[{}]}]}",
                   HI ",{'role':'assistant','content':'a\\nb'}", "citations");
}

static void system_prompts_stay_where_they_are(void **state)
{
    (void)state;
    check_asked(WHOLE, "'max_tokens':9,'system':'s','messages':[" HI "]",
                "'messages':[{'role':'system','content':'s'}," HI "],'max_tokens':9", "");
    check_asked(WHOLE, "'max_tokens':9,'system':'','messages':[" HI "]",
                "'messages':[" HI "],'max_tokens':9", "");
    check_asked(WHOLE,
                "'max_tokens':9,'system':[{'type':'text','text':'x-anthropic-billing-header: v; "
                "cch=1;'},{'type':'text','text':'a'},{'type':'text','text':'b'}],"
                "'messages':[" HI ",{'role':'system','content':[{'type':'text','text':"
                "'x-anthropic-billing-header: kept here'}]}," HI "]",
                "'messages':[{'role':'system','content':'a\\nb'}," HI ",{'role':'system','content':"
                "'x-anthropic-billing-header: kept here'}," HI "],'max_tokens':9",
                "");
    check_asked(WHOLE,
                "'max_tokens':9,'system':[{'type':'text','text':'x-anthropic-billing-header: v'}],"
                "'messages':[" HI "]",
                "'messages':[" HI "],'max_tokens':9", "");
}

/* What was meant for one turn is shown in it only. */
static void system_messages_may_have_an_end(void **state)
{
    (void)state;
#define BRIEF "{'role':'system','content':'s','clear_at':'next_user_message','output_config':{}}"
    check_messages(HI "," BRIEF, HI ",{'role':'system','content':'s'}", "output_config");
    check_messages(HI "," BRIEF ",{'role':'assistant','content':'a'}," HI,
                   HI ",{'role':'assistant','content':'a'}," HI, "output_config");
    check_messages(HI ",{'role':'system','output_config':{'effort':'low'}}", HI, "output_config");
}

static void thoughts_are_reasoning(void **state)
{
    (void)state;
    check_messages(
        HI
        ",{'role':'assistant','content':[{'type':'thinking','thinking':'t','signature':'s'},"
        "{'type':'thinking','thinking':'','signature':'s'},{'type':'redacted_thinking','data':"
        "'d'},{'type':'thinking','thinking':'u','signature':'s'},{'type':'text','text':'a'}]}," HI,
        HI ",{'role':'assistant','content':'a','reasoning_content':'t\\nu'}," HI,
        "redacted_thinking");
    check_messages(HI ",{'role':'assistant','content':[{'type':'thinking','thinking':'t',"
                      "'signature':''}]}," HI,
                   HI ",{'role':'assistant','content':'','reasoning_content':'t'}," HI, "");
}

#define USE(id) "{'type':'tool_use','id':'" id "','name':'f','input':{}}"
#define CALLED(id) "{'id':'" id "','type':'function','function':{'name':'f','arguments':'{}'}}"
#define RESULT(id, text) "{'type':'tool_result','tool_use_id':'" id "','content':'" text "'}"
#define TOLD(id, text) "{'role':'tool','tool_call_id':'" id "','content':'" text "'}"
#define ASSISTANT(blocks) "{'role':'assistant','content':[" blocks "]}"
#define USER(blocks) "{'role':'user','content':[" blocks "]}"
#define CALLS(calls) "{'role':'assistant','content':null,'tool_calls':[" calls "]}"

static void calls_have_their_results_behind_them(void **state)
{
    (void)state;
    check_messages(
        HI "," ASSISTANT("{'type':'text','text':'a'},{'type':'tool_use','id':'1','name':"
                         "'f','input':{'b':1.0,'a':[true,'x\\ny']}}") "," USER(RESULT("1", "r")),
        HI ",{'role':'assistant','content':'a','tool_calls':[{'id':'1','type':"
           "'function','function':{'name':'f','arguments':"
           "'{\\'b\\':1.0,\\'a\\':[true,\\'x\\\\ny\\']}'}}]}," TOLD("1", "r"),
        "");
    /* several at once; what the user says besides comes behind them */
    check_messages(HI "," ASSISTANT(USE("1") "," USE("2")) "," USER(
                       "{'type':'text','text':'and'}," RESULT("2", "r2") "," RESULT("1", "r1")),
                   HI "," CALLS(CALLED("1") "," CALLED("2")) "," TOLD("2", "r2") "," TOLD(
                       "1", "r1") ",{'role':'user','content':'and'}",
                   "");
    /* in two messages, with the system's between them */
    check_messages(
        HI "," ASSISTANT(USE("1") "," USE("2")) "," USER(
            RESULT("1", "r1")) ",{'role':'system','content':'s'}," USER(RESULT("2", "r2")) "," HI,
        HI "," CALLS(CALLED("1") "," CALLED("2")) "," TOLD("1", "r1") "," TOLD(
            "2", "r2") ",{'role':'system','content':'s'}," HI,
        "");
}

static void results_are_text(void **state)
{
    (void)state;
#define BEGIN HI "," ASSISTANT(USE("1")) ","
#define BEGUN HI "," CALLS(CALLED("1")) ","
    check_messages(BEGIN USER("{'type':'tool_result','tool_use_id':'1'}"), BEGUN TOLD("1", ""), "");
    check_messages(
        BEGIN USER("{'type':'tool_result','tool_use_id':'1','is_error':false,'content':[{'type':"
                   "'text','text':'a'},{'type':'text','text':'b'}]}"),
        BEGUN TOLD("1", "a\\nb"), "");
    check_messages(
        BEGIN USER("{'type':'tool_result','tool_use_id':'1','is_error':true,'content':'no'}"),
        BEGUN TOLD("1", "Error: no"), "");
    check_messages(
        BEGIN USER("{'type':'tool_result','tool_use_id':'1','content':[{'type':'search_result',"
                   "'title':'t','source':'s','content':[{'type':'text','text':'a'}]},{'type':"
                   "'tool_reference','tool_name':'n'}]}"),
        BEGUN TOLD("1", "t\\ns\\na\\nThe tool n can be called now."), "");
}

static void what_has_no_partner_is_kept(void **state)
{
    (void)state;
    check_messages(HI "," ASSISTANT(USE("1") "," USE("2")) "," USER(RESULT("2", "r")),
                   HI "," CALLS(CALLED("1") "," CALLED("2")) "," TOLD("2", "r") "," TOLD(
                       "1", "Error: the tool call has no result."),
                   "");
    check_messages(USER(RESULT("7", "r")),
                   "{'role':'user','content':'The result of the tool call 7:\\nr'}", "");
    check_messages(BEGIN USER(RESULT("1", "a") "," RESULT("1", "b")),
                   BEGUN TOLD("1", "a") ",{'role':'user','content':'The result of the tool call 1:"
                                        "\\nb'}",
                   "");
    /* a runtime that gives ids twice */
    check_messages(
        HI "," ASSISTANT(USE("1") "," USE("1")) "," USER(RESULT("1", "a") "," RESULT("1", "b")),
        HI "," CALLS(CALLED("1") "," CALLED("1")) "," TOLD("1", "a") "," TOLD("1", "b"), "");
    /* an id of an earlier turn */
    check_messages(BEGIN USER(RESULT("1", "a")) "," ASSISTANT(USE("2")) "," USER(
                       RESULT("1", "b") "," RESULT("2", "c")),
                   BEGUN TOLD("1", "a") "," CALLS(CALLED("2")) "," TOLD(
                       "2", "c") ",{'role':'user','content':'The result of the tool call 1:\\nb'}",
                   "");
}

#define PNG "{'type':'image','source':{'type':'base64','media_type':'image/png','data':'AAAA'}}"
#define PNG_PART "{'type':'image_url','image_url':{'url':'data:image/png;base64,AAAA'}}"
#define PDF(more)                                                                                 \
    "{'type':'document'" more ",'source':{'type':'base64','media_type':'application/pdf','data':" \
    "'BBBB'}}"
#define PDF_PART(name) \
    "{'type':'file','file':{'filename':'" name "','file_data':'data:application/pdf;base64,BBBB'}}"

static void pictures_are_parts(void **state)
{
    (void)state;
    check_messages(USER("{'type':'text','text':'see'}," PNG ",{'type':'image','source':{'type':"
                        "'url','url':'http://x/y'}},{'type':'text','text':''}"),
                   USER("{'type':'text','text':'see'}," PNG_PART
                        ",{'type':'image_url','image_url':{'url':'http://x/y'}}"),
                   "");
    check_messages(USER(PDF("") "," PDF(",'title':'t.pdf','context':'c'")),
                   USER(PDF_PART("document.pdf") ",{'type':'text','text':'t.pdf'},{'type':'text',"
                                                 "'text':'c'}," PDF_PART("t.pdf")),
                   "");
    check_messages(
        USER("{'type':'document','title':'t','citations':{'enabled':true},'source':{'type':'text',"
             "'media_type':'text/plain','data':'d'}},{'type':'document','source':{'type':'content',"
             "'content':[{'type':'text','text':'e'}]}},{'type':'document','source':{'type':"
             "'content','content':'f'}}"),
        "{'role':'user','content':'t\\nd\\ne\\nf'}", "citations");
}

/* Few runtimes take pictures of tools: the user brings them, behind all results. */
static void pictures_of_results_follow(void **state)
{
    (void)state;
    check_messages(
        HI "," ASSISTANT(USE("1") "," USE("2")) "," USER(
            "{'type':'tool_result','tool_use_id':'1','content':[{'type':'text','text':'a'}," PNG
            "," PDF("") "]}," RESULT("2", "b") ",{'type':'text','text':'go on'}"),
        HI "," CALLS(CALLED("1") "," CALLED("2")) "," TOLD(
            "1",
            "a\\n[an image, which is in the next user message]\\n[a document, which is in the "
            "next user message]") "," TOLD("2",
                                           "b") "," USER("{'type':'text','text':'With the result of the tool call 1:'}," PNG_PART
                                                         "," PDF_PART(
                                                             "document.pdf") ",{'type':'text','text':'go on'}"),
        "");
}

static void servers_own_doings_are_left_out(void **state)
{
    (void)state;
    check_messages(
        HI "," ASSISTANT("{'type':'server_tool_use','id':'1','name':'web_search','input':{}},"
                         "{'type':'web_search_tool_result','tool_use_id':'1','content':[]},"
                         "{'type':'mcp_tool_use'},{'type':'mcp_tool_result'},"
                         "{'type':'compaction','content':'short'},{'type':'compaction','content':"
                         "null},{'type':'fallback','from':{},'to':{}},{'type':'text','text':'a'}"),
        HI ",{'role':'assistant','content':'short\\na'}",
        "server_tool_use,server tool results,mcp_tool_use,unknown blocks");
}

static void wrong_messages_are_told_with_their_path(void **state)
{
    (void)state;
    static const struct {
        const char *message; /* behind HI */
        const char *path;
    } rows[] = {
        {"7", "messages[1].role"},
        {"{'role':'tool','content':'x'}", "messages[1].role"},
        {"{'role':'user'}", "messages[1].content"},
        {"{'role':'assistant','content':null}", "messages[1].content"},
        {"{'role':'user','content':['x']}", "messages[1].content[0]"},
        {USER("{'text':'x'}"), "messages[1].content[0].type"},
        {USER("{'type':'text'}"), "messages[1].content[0].text"},
        {USER("{'type':'video'}"), "messages[1].content[0].type"},
        {USER("{'type':'thinking','thinking':'t'}"), "messages[1].content[0].type"},
        {USER("{'type':'image'}"), "messages[1].content[0].source.type"},
        {USER("{'type':'image','source':{'type':'file','file_id':'f'}}"),
         "messages[1].content[0].source.type"},
        {USER("{'type':'image','source':{'type':'base64','data':''}}"),
         "messages[1].content[0].source.media_type"},
        {USER("{'type':'document','source':{'type':'url','url':'u'}}"),
         "messages[1].content[0].source.type"},
        {USER("{'type':'document','source':{'type':'content','content':[{'type':'video'}]}}"),
         "messages[1].content[0].source.content[0].type"},
        {ASSISTANT("{'type':'thinking'}"), "messages[1].content[0].thinking"},
        {ASSISTANT("{'type':'tool_use','name':'f','input':{}}"), "messages[1].content[0].id"},
        {ASSISTANT("{'type':'tool_use','id':'1','input':{}}"), "messages[1].content[0].name"},
        {ASSISTANT("{'type':'tool_use','id':'1','name':'f','input':'x'}"),
         "messages[1].content[0].input"},
        {USER("{'type':'tool_result','content':'r'}"), "messages[1].content[0].tool_use_id"},
        {ASSISTANT(USE("1")) "," USER("{'type':'tool_result','tool_use_id':'1','content':[{'type':"
                                      "'tool_use'}]}"),
         "messages[2].content[0].content[0].type"},
        {ASSISTANT(USE("1")) "," USER("{'type':'tool_result','tool_use_id':'1','is_error':'no'}"),
         "messages[2].content[0].is_error"},
        {"{'role':'system','content':[{'type':'image'}]}", "messages[1].content[0].type"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char members[1024];
        snprintf(members, sizeof members, "'max_tokens':9,'messages':[" HI ",%s]", rows[i].message);
        check_refused(WHOLE, members, rows[i].path);
    }
}

/* In the shape of what it was seen to send, with its second request of a session. */
static void claude_code_is_understood(void **state)
{
    (void)state;
    check_asked(
        STREAM,
        "'messages':[{'role':'user','content':[{'type':'text','text':'<reminder>'},{'type':'text',"
        "'text':'echo hi'}]},{'role':'system','content':'environment'},{'role':'assistant',"
        "'content':[{'type':'tool_use','id':'toolu_1','name':'Bash','input':{'command':'echo hi',"
        "'description':'echo'}}]},{'role':'user','content':[{'tool_use_id':'toolu_1','type':"
        "'tool_result','content':'hi','is_error':false,'cache_control':{'type':'ephemeral'}}]}],"
        "'system':[{'type':'text','text':'x-anthropic-billing-header: cc_version=2; cch=0ab12;'},"
        "{'type':'text','text':'You are Claude Code.','cache_control':{'type':'ephemeral'}},"
        "{'type':'text','text':'Be brief.','cache_control':{'type':'ephemeral'}}],"
        "'tools':[{'name':'Bash','description':'runs','input_schema':{'$schema':'s','type':"
        "'object','properties':{'command':{'type':'string'}}}}],"
        "'metadata':{'user_id':'{\\'device_id\\':"
        "\\'0123456789012345678901234567890123456789012345678901234567890123\\'}'},"
        "'max_tokens':32000,'thinking':{'type':'adaptive'},'context_management':{'edits':[{'type':"
        "'clear_thinking_20251015','keep':'all'}]},'output_config':{'effort':'high'},"
        "'stream':true",
        "'messages':[{'role':'system','content':'You are Claude Code.\\nBe brief.'},{'role':'user',"
        "'content':'<reminder>\\necho hi'},{'role':'system','content':'environment'},{'role':"
        "'assistant','content':null,'tool_calls':[{'id':'toolu_1','type':'function','function':"
        "{'name':'Bash','arguments':'{\\'command\\':\\'echo hi\\',\\'description\\':\\'echo\\'}'}}]"
        "},{'role':'tool','tool_call_id':'toolu_1','content':'hi'}],"
        "'tools':[{'type':'function','function':{'name':'Bash','description':'runs','parameters':"
        "{'$schema':'s','type':'object','properties':{'command':{'type':'string'}}}}}],"
        "'reasoning_effort':'high','max_tokens':32000,'stream':true,"
        "'stream_options':{'include_usage':true}",
        "context_management,cache_control,metadata.user_id");
}

/* Many calls of one id, and as many results, are no more work than others. */
static void many_calls_are_quick(void **state)
{
    (void)state;
    enum { MANY = 30000 };
    struct buf body;
    struct translate x;
    buf_init(&body, (size_t)64 << 20);
    assert_int_equal(
        buf_append(&body, STR("{\"max_tokens\":9,\"messages\":[{\"role\":\"assistant\","
                              "\"content\":[")),
        0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(buf_printf(&body, "%s{\"type\":\"tool_use\",\"id\":\"%d\",\"name\":\"f\"}",
                                    i ? "," : "", i % 2 ? 1 : i),
                         0);
    assert_int_equal(buf_append(&body, STR("]},{\"role\":\"user\",\"content\":[")), 0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(buf_printf(&body, "%s{\"type\":\"tool_result\",\"tool_use_id\":\"%d\"}",
                                    i ? "," : "", i % 2 ? 1 : i),
                         0);
    assert_int_equal(buf_append(&body, STR("]}]}")), 0);
    translate_begin(&x, SURFACE_MESSAGES, SURFACE_CHAT, false);
    struct str chat = STR_NULL;
    assert_int_equal(translate_request(&x.t, STR("served"), buf_str(&body), &chat, &x.why), 0);
    assert_int_equal(str_find(chat, STR("no result")), -1);
    assert_int_equal(str_find(chat, STR("\"user\"")), -1);
    translate_end(&x);
    buf_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_joined),
        cmocka_unit_test(system_prompts_stay_where_they_are),
        cmocka_unit_test(system_messages_may_have_an_end),
        cmocka_unit_test(thoughts_are_reasoning),
        cmocka_unit_test(calls_have_their_results_behind_them),
        cmocka_unit_test(results_are_text),
        cmocka_unit_test(what_has_no_partner_is_kept),
        cmocka_unit_test(pictures_are_parts),
        cmocka_unit_test(pictures_of_results_follow),
        cmocka_unit_test(servers_own_doings_are_left_out),
        cmocka_unit_test(wrong_messages_are_told_with_their_path),
        cmocka_unit_test(claude_code_is_understood),
        cmocka_unit_test(many_calls_are_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
