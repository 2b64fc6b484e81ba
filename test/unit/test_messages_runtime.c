/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: chats as requests of a runtime that speaks Anthropic's Messages API. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dialect/anthropic/claude.h"
#include "quoted.h"
#include "translate.h"

/* --- requests --- */

struct row {
    const char *chat;     /* all members but the model */
    const char *messages; /* the same of the request; NULL: refused */
    const char *dropped;  /* what is told to be left out, or NULL: nothing */
    const char *param;    /* of the refusal */
};

static const char *model_name = "served";

static void check_dropped(const struct translate *x, const struct row *row)
{
    char all[512] = "";
    for (unsigned i = 0; i < x->t.dropped_count; i++) {
        if (i) strcat(all, ",");
        strcat(all, x->t.dropped[i]);
    }
    if (strcmp(all, row->dropped ? row->dropped : "") != 0)
        fail_msg("%s drops %s, not %s", row->chat, all, row->dropped ? row->dropped : "nothing");
}

static void check_row(const struct row *row, enum surface asked, enum surface sent)
{
    struct translate x;
    struct str out = STR_NULL;
    char body[8192], expected[8192];
    translate_begin(&x, asked, sent, strstr(row->chat, "'stream':true") != NULL);
    snprintf(body, sizeof body, "{'model':'x',%s}", row->chat);
    int err =
        translate_request(&x.t, str_of(model_name), str_of(quoted(&x.arena, body)), &out, &x.why);
    if (err && row->messages)
        fail_msg("%s is refused: %" STR_FMT " (%s)", row->chat, STR_ARG(x.why.message),
                 x.why.param);
    if (!err && !row->messages)
        fail_msg("%s is not refused, but %" STR_FMT, row->chat, STR_ARG(out));
    if (err) {
        assert_int_equal(err, ERR_INVALID);
        assert_int_equal(x.why.status, 400);
        assert_string_equal(x.why.param, row->param);
    } else {
        snprintf(expected, sizeof expected, "{'model':'%s',%s}", model_name, row->messages);
        if (!str_eq(out, str_of(quoted(&x.arena, expected))))
            fail_msg("%s\n gives    %" STR_FMT "\n expected %s", row->chat, STR_ARG(out),
                     quoted(&x.arena, expected));
        check_dropped(&x, row);
    }
    translate_end(&x);
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_row(&rows[i], SURFACE_CHAT, SURFACE_MESSAGES);
}

#define CHECK_ROWS(rows) check_rows(rows, ARRAY_LEN(rows))

/* How most requests begin and end. */
#define BASE "'max_tokens':4096,"
#define USER_HI "{'role':'user','content':[{'type':'text','text':'hi'}]}"
#define HI BASE "'messages':[" USER_HI "]"
#define SAY_HI "'messages':[{'role':'user','content':'hi'}]"

static void messages_become_turns(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct row rows[] = {
        {SAY_HI, HI},
        {"'messages':[{'role':'system','content':'s'},{'role':'developer','content':'d'},"
         "{'role':'user','content':'hi'}]",
         BASE "'system':[{'type':'text','text':'s'},{'type':'text','text':'d'}],'messages':[" USER_HI
              "]"},
        /* a system message further on stays in its place */
        {"'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':'yes'},"
         "{'role':'system','content':'be short'},{'role':'user','content':'go on'}]",
         BASE "'messages':[" USER_HI ",{'role':'assistant','content':[{'type':'text','text':'yes'}]},"
              "{'role':'user','content':[{'type':'text','text':'<system>\\n'},"
              "{'type':'text','text':'be short'},{'type':'text','text':'\\n</system>'},"
              "{'type':'text','text':'go on'}]}]"},
        /* neighbours of one role are merged, empty ones are not there */
        {"'messages':[{'role':'user','content':'a'},{'role':'user','content':[{'type':'text','text':'b'},"
         "{'type':'text','text':' '}]},{'role':'assistant','content':'c'},{'role':'user','content':''},"
         "{'role':'user','content':[]},{'role':'assistant','content':[{'type':'text','text':'d'}]}]",
         BASE "'messages':[{'role':'user','content':[{'type':'text','text':'a'},"
              "{'type':'text','text':'b'}]},{'role':'assistant','content':["
              "{'type':'text','text':'c'},{'type':'text','text':'d'}]}]"},
        /* the first one is the user's */
        {"'messages':[{'role':'assistant','content':'a'}]",
         BASE "'messages':[{'role':'user','content':[{'type':'text','text':'.'}]},"
              "{'role':'assistant','content':[{'type':'text','text':'a'}]}]"},
        {"'messages':[{'role':'system','content':'s'}]",
         BASE "'system':[{'type':'text','text':'s'}],"
              "'messages':[{'role':'user','content':[{'type':'text','text':'.'}]}]"},
        {"'messages':[{'role':'system','content':' '},{'role':'assistant','content':null}]",
         BASE "'messages':[{'role':'user','content':[{'type':'text','text':'.'}]}]"},
        {"'messages':[{'role':'user','content':'hi','name':'Ann'}]", HI, "messages[].name"},
        {"'messages':[{'role':'user','content':'hi'},{'role':'assistant','refusal':'no','content':null}]",
         BASE "'messages':[" USER_HI ",{'role':'assistant','content':[{'type':'text','text':'no'}]}]"},
        {"'messages':[{'role':'user','content':'hi'},{'role':'assistant','content':["
         "{'type':'refusal','refusal':'no'}]}]",
         BASE "'messages':[" USER_HI ",{'role':'assistant','content':[{'type':'text','text':'no'}]}]"},
        {"'messages':[]", NULL, NULL, "messages"},
        {"'messages':{}", NULL, NULL, "messages"},
        {"'prompt':'x'", NULL, NULL, "messages"},
        {"'messages':[1]", NULL, NULL, "messages[0].role"},
        {"'messages':[{'role':'function','content':'x'}]", NULL, NULL, "messages[0].role"},
        {"'messages':[{'role':'user','content':1}]", NULL, NULL, "messages[0].content"},
        {"'messages':[{'role':'user','content':'a'},{'role':'user','content':[1]}]", NULL, NULL,
         "messages[1].content[0].type"},
        {"'messages':[{'role':'user','content':[{'type':'text'}]}]", NULL, NULL,
         "messages[0].content[0].text"},
        {"'messages':[{'role':'assistant','audio':{'id':'a'}}]", NULL, NULL, "messages[0].audio"},
        {"'messages':[{'role':'assistant','function_call':{'name':'a'}}]", NULL, NULL,
         "messages[0].function_call"},
    };
    /* clang-format on */
    CHECK_ROWS(rows);
}

#define USER_PART(part) "'messages':[{'role':'user','content':[" part "]}]"
#define MARK ",'cache_control':{'type':'ephemeral'}"

static void parts_become_blocks(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct row rows[] = {
        {USER_PART("{'type':'text','text':'a'" MARK "}"),
         BASE USER_PART("{'type':'text','text':'a'" MARK "}")},
        {"'messages':[{'role':'user','content':'a'" MARK "}]",
         BASE USER_PART("{'type':'text','text':'a'" MARK "}")},
        {USER_PART("{'type':'image_url','image_url':{'url':'data:image/png;base64,QUJD'}" MARK "}"),
         BASE USER_PART("{'type':'image','source':{'type':'base64','media_type':'image/png',"
                        "'data':'QUJD'}" MARK "}")},
        {USER_PART("{'type':'image_url','image_url':{'url':'DATA:image/JPG;base64,QUJD'}}"),
         BASE USER_PART("{'type':'image','source':{'type':'base64','media_type':'image/jpeg',"
                        "'data':'QUJD'}}")},
        {USER_PART("{'type':'image_url','image_url':'https://x/a.png'}"),
         BASE USER_PART("{'type':'image','source':{'type':'url','url':'https://x/a.png'}}")},
        {USER_PART("{'type':'image_url','image_url':{'url':'http://x/a','detail':'low'}}"),
         BASE USER_PART("{'type':'image','source':{'type':'url','url':'http://x/a'}}"),
         "messages[].content[].image_url.detail"},
        {USER_PART("{'type':'file','file':{'filename':'a.pdf',"
                   "'file_data':'data:application/pdf;base64,QUJD'}}"),
         BASE USER_PART("{'type':'document','source':{'type':'base64','media_type':"
                        "'application/pdf','data':'QUJD'},'title':'a.pdf'}")},
        {USER_PART("{'type':'file','file':{'file_data':'JVBERi0xLjQ='}}"),
         BASE USER_PART("{'type':'document','source':{'type':'base64','media_type':"
                        "'application/pdf','data':'JVBERi0xLjQ='}}")},
        {USER_PART("{'type':'file','file':{'file_url':'https://x/a.pdf'}}"),
         BASE USER_PART("{'type':'document','source':{'type':'url','url':'https://x/a.pdf'}}")},
        {USER_PART("{'type':'image_url','image_url':{'url':'data:image/tiff;base64,QUJD'}}"), NULL,
         NULL, "messages[0].content[0].image_url.url"},
        {USER_PART("{'type':'image_url','image_url':{'url':'data:image/png,abc'}}"), NULL, NULL,
         "messages[0].content[0].image_url.url"},
        {USER_PART("{'type':'image_url','image_url':{'url':'data:'}}"), NULL, NULL,
         "messages[0].content[0].image_url.url"},
        {USER_PART("{'type':'image_url','image_url':{'url':'file:///etc/passwd'}}"), NULL, NULL,
         "messages[0].content[0].image_url.url"},
        {USER_PART("{'type':'image_url'}"), NULL, NULL, "messages[0].content[0].image_url.url"},
        {USER_PART("{'type':'file','file':{'file_id':'file-1'}}"), NULL, NULL,
         "messages[0].content[0].file"},
        {USER_PART("{'type':'file','file':{'file_data':'data:text/html;base64,QUJD'}}"), NULL, NULL,
         "messages[0].content[0].file"},
        {USER_PART("{'type':'text','text':'a'},{'type':'input_audio','input_audio':{}}"), NULL, NULL,
         "messages[0].content[1].type"},
        {"'messages':[{'role':'system','content':[{'type':'image_url','image_url':'http://x'}]}]", NULL,
         NULL, "messages[0].content[0].type"},
    };
    /* clang-format on */
    CHECK_ROWS(rows);
}

#define CALL(id, args) \
    "{'id':'" id "','type':'function','function':{'name':'f','arguments':'" args "'}}"
#define CALLS(list) "{'role':'assistant','content':null,'tool_calls':[" list "]}"
#define RESULT(id, text) "{'role':'tool','tool_call_id':'" id "','content':'" text "'}"
#define USE(id, input) "{'type':'tool_use','id':'" id "','name':'f','input':" input "}"
#define USES(list) "{'role':'assistant','content':[" list "]}"
#define RESULT_BLOCK(id, text) "{'type':'tool_result','tool_use_id':'" id "','content':'" text "'}"
#define ABORTED(id) \
    "{'type':'tool_result','tool_use_id':'" id "','content':'aborted','is_error':true}"
#define TEXT(text) "{'type':'text','text':'" text "'}"
#define TOOL_F "'tools':[{'name':'f','input_schema':{'type':'object','properties':{}}}],"
#define ASK_TOOL_F "'tools':[{'type':'function','function':{'name':'f'}}],"
#define SAID_HI "{'role':'user','content':'hi'}"

static void results_come_first_and_once(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct row rows[] = {
        {ASK_TOOL_F "'messages':[" SAID_HI "," CALLS(CALL("a", "") "," CALL("b", "{\\'x\\':1}")) ","
             RESULT("b", "B") "," RESULT("a", "A") ",{'role':'user','content':'next'}]",
         BASE TOOL_F "'messages':[" USER_HI "," USES(USE("a", "{}") "," USE("b", "{'x':1}")) ","
             "{'role':'user','content':[" RESULT_BLOCK("b", "B") "," RESULT_BLOCK("a", "A") "," TEXT("next") "]}]"},
        /* a text before and a system message between do not come between */
        {ASK_TOOL_F "'messages':[" SAID_HI "," CALLS(CALL("a", "{}") "," CALL("b", "{}"))
             ",{'role':'user','content':'x'}," RESULT("a", "A") ",{'role':'system','content':'s'}," RESULT("b", "B") "]",
         BASE TOOL_F "'messages':[" USER_HI "," USES(USE("a", "{}") "," USE("b", "{}")) ","
             "{'role':'user','content':[" RESULT_BLOCK("a", "A") "," RESULT_BLOCK("b", "B") "," TEXT("x") ","
             TEXT("<system>\\n") "," TEXT("s") "," TEXT("\\n</system>") "]}]"},
        /* what is missing was aborted, at the end too */
        {ASK_TOOL_F "'messages':[" SAID_HI "," CALLS(CALL("a", "{}") "," CALL("b", "{}")) "," RESULT("b", "B") "]",
         BASE TOOL_F "'messages':[" USER_HI "," USES(USE("a", "{}") "," USE("b", "{}")) ","
             "{'role':'user','content':[" RESULT_BLOCK("b", "B") "," ABORTED("a") "]}]"},
        {ASK_TOOL_F "'messages':[" SAID_HI "," CALLS(CALL("a", "{}")) "]",
         BASE TOOL_F "'messages':[" USER_HI "," USES(USE("a", "{}")) ",{'role':'user','content':[" ABORTED("a") "]}]"},
        /* a result without a call, or a second one, is a text */
        {ASK_TOOL_F "'messages':[" SAID_HI "," CALLS(CALL("a", "{}")) "," RESULT("a", "A") "," RESULT("a", "B") "," RESULT("c", "C") "]",
         BASE TOOL_F "'messages':[" USER_HI "," USES(USE("a", "{}")) ",{'role':'user','content':[" RESULT_BLOCK("a", "A") ","
             TEXT("<tool_result>\\n") "," TEXT("B") "," TEXT("\\n</tool_result>") ","
             TEXT("<tool_result>\\n") "," TEXT("C") "," TEXT("\\n</tool_result>") "]}]"},
        /* a message between call and result belongs to the calling one */
        {ASK_TOOL_F "'messages':[" SAID_HI "," CALLS(CALL("a", "{}")) ",{'role':'assistant','content':'wait'}," RESULT("a", "A") "]",
         BASE TOOL_F "'messages':[" USER_HI "," USES(TEXT("wait") "," USE("a", "{}")) ",{'role':'user','content':[" RESULT_BLOCK("a", "A") "]}]"},
        /* parts, nothing, marks */
        {ASK_TOOL_F "'messages':[" SAID_HI "," CALLS(CALL("a", "{}") "," CALL("b", "{}"))
             ",{'role':'tool','tool_call_id':'a','content':[{'type':'text','text':'A'},"
             "{'type':'image_url','image_url':'http://x'}]" MARK "},{'role':'tool','tool_call_id':'b','name':'f','content':''}]",
         BASE TOOL_F "'messages':[" USER_HI "," USES(USE("a", "{}") "," USE("b", "{}"))
             ",{'role':'user','content':[{'type':'tool_result','tool_use_id':'a','content':[" TEXT("A") ","
             "{'type':'image','source':{'type':'url','url':'http://x'}}]" MARK "},{'type':'tool_result','tool_use_id':'b'}]}]"},
        /* ids that Anthropic would not take */
        {ASK_TOOL_F "'messages':[" SAID_HI "," CALLS(CALL("functions.f:0", "{}")) "," RESULT("functions.f:0", "A") "]",
         BASE TOOL_F "'messages':[" USER_HI "," USES(USE("functions_f_0", "{}")) ",{'role':'user','content':["
             RESULT_BLOCK("functions_f_0", "A") "]}]"},
        /* calls without tools get one that may not be used */
        {"'messages':[" SAID_HI "," CALLS(CALL("a", "{}")) "," RESULT("a", "A") "]",
         BASE "'tools':[{'name':'f','description':'Not available any more.','input_schema':{'type':'object','properties':{}}}],"
             "'tool_choice':{'type':'none'},'messages':[" USER_HI "," USES(USE("a", "{}")) ",{'role':'user','content':["
             RESULT_BLOCK("a", "A") "]}]"},
        {"'messages':[" CALLS(CALL("a", "{}") "," CALL("a", "{}")) "]", NULL, NULL, "messages[0].tool_calls"},
        {"'messages':[" CALLS(CALL("", "{}")) "]", NULL, NULL, "messages[0].tool_calls[0].id"},
        {"'messages':[" CALLS("{'id':'a','function':{}}") "]", NULL, NULL, "messages[0].tool_calls[0].function.name"},
        {"'messages':[" CALLS("{'id':'a','type':'custom','custom':{}}") "]", NULL, NULL, "messages[0].tool_calls[0].type"},
        {"'messages':[" CALLS("{'id':'a','function':{'name':'f','arguments':1}}") "]", NULL, NULL,
         "messages[0].tool_calls[0].function.arguments"},
        {"'messages':[{'role':'assistant','tool_calls':{}}]", NULL, NULL, "messages[0].tool_calls"},
        {"'messages':[{'role':'tool','content':'x'}]", NULL, NULL, "messages[0].tool_call_id"},
    };
    /* clang-format on */
    CHECK_ROWS(rows);
}

static void arguments_become_objects(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct {
        const char *arguments, *input;
    } rows[] = {
        {"''", "{}"},
        {"null", "{}"},
        {"'{}'", "{}"},
        {"'{\\'b\\':1.0,\\'a\\':12345678901234567890123}'", "{'b':1.0,'a':12345678901234567890123}"},
        {"'{\\'b\\':'", "{'_raw':'{\\'b\\':'}"},
        {"'[1]'", "{'_raw':'[1]'}"},
        {"'run it'", "{'_raw':'run it'}"},
        {"{'a':1}", "{'a':1}"},
    };
    /* clang-format on */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char chat[1024], messages[1024];
        snprintf(chat, sizeof chat,
                 ASK_TOOL_F "'messages':[" SAID_HI "," CALLS(
                     "{'id':'a','function':{'name':'f','arguments':%s}}") "," RESULT("a", "A") "]",
                 rows[i].arguments);
        snprintf(messages, sizeof messages,
                 BASE TOOL_F "'messages':[" USER_HI "," USES(
                     USE("a", "%s")) ",{'role':'user','content':[" RESULT_BLOCK("a", "A") "]}]",
                 rows[i].input);
        check_row(&(struct row){chat, messages}, SURFACE_CHAT, SURFACE_MESSAGES);
    }
}

#define THOUGHT "{'type':'thinking','thinking':'hm','signature':'sig'}"
#define HIDDEN "{'type':'redacted_thinking','data':'xyz'}"

static void thoughts_come_back_first_or_not_at_all(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct row rows[] = {
        {"'messages':[" SAID_HI ",{'role':'assistant','content':'a','reasoning_content':'hm','thinking_blocks':[" THOUGHT "," HIDDEN "]}]",
         BASE "'messages':[" USER_HI "," USES(THOUGHT "," HIDDEN "," TEXT("a")) "]"},
        /* a block may hold only what proves it */
        {"'messages':[" SAID_HI ",{'role':'assistant','content':'a','thinking_blocks':[{'type':'thinking','thinking':'','signature':'s'}]}]",
         BASE "'messages':[" USER_HI "," USES("{'type':'thinking','thinking':'','signature':'s'}," TEXT("a")) "]"},
        {"'messages':[" SAID_HI ",{'role':'assistant','content':'a','thinking_blocks':[" THOUGHT
         ",{'type':'thinking','thinking':'x','signature':''}]}]",
         BASE "'messages':[" USER_HI "," USES(TEXT("a")) "]", "messages[].thinking_blocks"},
        /* the whole turn */
        {"'messages':[" SAID_HI ",{'role':'assistant','content':'a','thinking_blocks':[" THOUGHT "]},"
         "{'role':'assistant','content':'b','thinking_blocks':[{'type':'thinking','thinking':'x'}]}]",
         BASE "'messages':[" USER_HI "," USES(TEXT("a") "," TEXT("b")) "]", "messages[].thinking_blocks"},
        {"'messages':[" SAID_HI ",{'role':'assistant','content':'a','reasoning_content':'hm'}]",
         BASE "'messages':[" USER_HI "," USES(TEXT("a")) "]", "messages[].reasoning_content"},
        {"'messages':[" SAID_HI ",{'role':'assistant','content':'a','thinking_blocks':'x'}]",
         BASE "'messages':[" USER_HI "," USES(TEXT("a")) "]", "messages[].thinking_blocks"},
    };
    /* clang-format on */
    CHECK_ROWS(rows);
}

#define TWO_TOOLS \
    "'tools':[{'type':'function','function':{'name':'f'}},{'type':'function','function':{'name':'g'}}],"
#define F "{'name':'f','input_schema':{'type':'object','properties':{}}}"
#define G "{'name':'g','input_schema':{'type':'object','properties':{}}}"
#define HI_MESSAGES "'messages':[" USER_HI "]"

static void tools_and_choices(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct row rows[] = {
        {"'tools':[{'type':'function','function':{'name':'f','description':'does','parameters':"
         "{'type':'object','properties':{'x':{'type':'integer','minimum':1.0}},'additionalProperties':false}}" MARK "}]," SAY_HI,
         BASE "'tools':[{'name':'f','description':'does','input_schema':{'type':'object','properties':"
              "{'x':{'type':'integer','minimum':1.0}},'additionalProperties':false}" MARK "}]," HI_MESSAGES},
        {"'tools':[{'type':'function','function':{'name':'f','strict':true,'parameters':{'$defs':{},'type':['object','null']}}}]," SAY_HI,
         BASE "'tools':[{'name':'f','input_schema':{'type':'object','properties':{},'$defs':{}}}]," HI_MESSAGES,
         "tools[].function.strict"},
        {"'tools':[{'type':'function','function':{'name':'f','parameters':{'properties':{'a':{}}}}}]," SAY_HI,
         BASE "'tools':[{'name':'f','input_schema':{'type':'object','properties':{'a':{}}}}]," HI_MESSAGES},
        {"'tools':[],'tool_choice':'auto'," SAY_HI, HI},
        {"'tools':null,'parallel_tool_calls':false," SAY_HI, HI},
        {TWO_TOOLS "'tool_choice':'auto','parallel_tool_calls':true," SAY_HI, BASE "'tools':[" F "," G "]," HI_MESSAGES},
        {TWO_TOOLS "'tool_choice':'none','parallel_tool_calls':false," SAY_HI,
         BASE "'tools':[" F "," G "],'tool_choice':{'type':'none'}," HI_MESSAGES},
        {TWO_TOOLS "'tool_choice':'required'," SAY_HI, BASE "'tools':[" F "," G "],'tool_choice':{'type':'any'}," HI_MESSAGES},
        {TWO_TOOLS "'parallel_tool_calls':false," SAY_HI,
         BASE "'tools':[" F "," G "],'tool_choice':{'type':'auto','disable_parallel_tool_use':true}," HI_MESSAGES},
        {TWO_TOOLS "'tool_choice':{'type':'function','function':{'name':'g'}},'parallel_tool_calls':false," SAY_HI,
         BASE "'tools':[" F "," G "],'tool_choice':{'type':'tool','name':'g','disable_parallel_tool_use':true}," HI_MESSAGES},
        {TWO_TOOLS "'tool_choice':{'type':'allowed_tools','allowed_tools':{'mode':'required','tools':[{'type':'function','function':{'name':'g'}}]}}," SAY_HI,
         BASE "'tools':[" G "],'tool_choice':{'type':'any'}," HI_MESSAGES},
        {TWO_TOOLS "'tool_choice':{'type':'allowed_tools','allowed_tools':{'mode':'auto','tools':[{'type':'function','name':'f'}]}}," SAY_HI,
         BASE "'tools':[" F "]," HI_MESSAGES},
        {TWO_TOOLS "'tool_choice':{'type':'allowed_tools','allowed_tools':{'mode':'auto','tools':[]}}," SAY_HI, NULL, NULL, "tool_choice"},
        {TWO_TOOLS "'tool_choice':{'type':'allowed_tools','allowed_tools':{'mode':'auto'}}," SAY_HI, NULL, NULL, "tool_choice"},
        {TWO_TOOLS "'tool_choice':{'type':'function','function':{'name':'h'}}," SAY_HI, NULL, NULL, "tool_choice"},
        {TWO_TOOLS "'tool_choice':{'type':'custom','custom':{'name':'f'}}," SAY_HI, NULL, NULL, "tool_choice"},
        {TWO_TOOLS "'tool_choice':'any'," SAY_HI, NULL, NULL, "tool_choice"},
        {"'tool_choice':'required'," SAY_HI, NULL, NULL, "tool_choice"},
        {"'tools':{}," SAY_HI, NULL, NULL, "tools"},
        {"'tools':[1]," SAY_HI, NULL, NULL, "tools[0].function.name"},
        {"'tools':[{'type':'web_search'}]," SAY_HI, NULL, NULL, "tools[0].type"},
        {"'tools':[{'type':'function','function':{'name':'f','parameters':'x'}}]," SAY_HI, NULL, NULL, "tools[0].function.parameters"},
    };
    /* clang-format on */
    CHECK_ROWS(rows);
}

static void fields_are_translated_dropped_or_refused(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct row rows[] = {
        {"'max_tokens':5," SAY_HI, "'max_tokens':5," HI_MESSAGES},
        {"'max_tokens':5,'max_completion_tokens':7," SAY_HI, "'max_tokens':7," HI_MESSAGES},
        {"'max_tokens':0," SAY_HI, NULL, NULL, "max_tokens"},
        {"'max_completion_tokens':'x'," SAY_HI, NULL, NULL, "max_completion_tokens"},
        {"'temperature':0.5," SAY_HI, BASE "'temperature':0.5," HI_MESSAGES},
        {"'temperature':1,'top_p':1," SAY_HI, HI},
        {"'temperature':1.5," SAY_HI, HI, "temperature"},
        {"'temperature':2.5," SAY_HI, NULL, NULL, "temperature"},
        {"'temperature':'hot'," SAY_HI, NULL, NULL, "temperature"},
        {"'temperature':0,'top_p':0.9," SAY_HI, BASE "'temperature':0," HI_MESSAGES, "top_p"},
        {"'top_p':0.9,'top_k':40," SAY_HI, BASE "'top_p':0.9,'top_k':40," HI_MESSAGES},
        {"'top_k':-1," SAY_HI, HI},
        {"'stop':'END'," SAY_HI, BASE "'stop_sequences':['END']," HI_MESSAGES},
        {"'stop':['a','','b']," SAY_HI, BASE "'stop_sequences':['a','b']," HI_MESSAGES},
        {"'stop':''," SAY_HI, HI},
        {"'stop':['\\n']," SAY_HI, NULL, NULL, "stop"},
        {"'stop':[1]," SAY_HI, NULL, NULL, "stop"},
        {"'user':'u'," SAY_HI, BASE "'metadata':{'user_id':'u'}," HI_MESSAGES},
        {"'user':'u','safety_identifier':'s'," SAY_HI, BASE "'metadata':{'user_id':'s'}," HI_MESSAGES},
        {"'stream':true,'stream_options':{'include_usage':true}," SAY_HI, BASE "'stream':true," HI_MESSAGES},
        {"'response_format':{'type':'json_schema','json_schema':{'name':'n','strict':true,'schema':{'type':'object'}}}," SAY_HI,
         "'output_config':{'format':{'type':'json_schema','schema':{'type':'object'}}}," HI},
        {"'response_format':{'type':'text'}," SAY_HI, HI},
        {"'response_format':{'type':'json_object'}," SAY_HI,
         BASE "'system':[{'type':'text','text':'Answer with one JSON object and nothing else.'}]," HI_MESSAGES, "response_format"},
        {"'response_format':{'type':'grammar'}," SAY_HI, NULL, NULL, "response_format.type"},
        {"'response_format':{'type':'json_schema'}," SAY_HI, NULL, NULL, "response_format.json_schema.schema"},
        {"'n':1,'logprobs':false,'top_logprobs':0,'logit_bias':{},'modalities':['text'],'functions':[],'audio':null," SAY_HI, HI},
        {"'frequency_penalty':0,'presence_penalty':0.0,'store':false,'service_tier':'auto','seed':null," SAY_HI, HI},
        {"'seed':0,'frequency_penalty':1,'min_p':0.1,'metadata':{'a':'b'},'prompt_cache_key':'k','id_slot':1," SAY_HI, HI,
         "seed,frequency_penalty,min_p,metadata"},
        {"'n':2," SAY_HI, NULL, NULL, "n"},
        {"'logprobs':true," SAY_HI, NULL, NULL, "logprobs"},
        {"'top_logprobs':3," SAY_HI, NULL, NULL, "top_logprobs"},
        {"'logit_bias':{'1':2}," SAY_HI, NULL, NULL, "logit_bias"},
        {"'modalities':['text','audio']," SAY_HI, NULL, NULL, "modalities"},
        {"'audio':{'voice':'x'}," SAY_HI, NULL, NULL, "audio"},
        {"'web_search_options':{}," SAY_HI, NULL, NULL, "web_search_options"},
        {"'functions':[{'name':'f'}]," SAY_HI, NULL, NULL, "functions"},
        {"'guided_json':{}," SAY_HI, NULL, NULL, "guided_json"},
        {"'structured_outputs':{'choice':['a']}," SAY_HI, NULL, NULL, "structured_outputs"},
        {"'grammar':'','guided_choice':[],'regex':null," SAY_HI, HI},
    };
    /* clang-format on */
    CHECK_ROWS(rows);
}

static void check_models(const char *model, const struct row *rows, size_t count)
{
    model_name = model;
    check_rows(rows, count);
    model_name = "served";
}

/* The same wish in the words of three generations. */
static void thinking_is_asked_as_the_model_takes_it(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct row first[] = {
        {"'reasoning_effort':'low'," SAY_HI, "'thinking':{'type':'enabled','budget_tokens':1024},'max_tokens':5120," HI_MESSAGES},
        {"'reasoning_effort':'high','max_tokens':30000," SAY_HI,
         "'thinking':{'type':'enabled','budget_tokens':24576},'max_tokens':30000," HI_MESSAGES},
        {"'reasoning_effort':'high','max_tokens':3000," SAY_HI,
         "'thinking':{'type':'enabled','budget_tokens':1500},'max_tokens':3000," HI_MESSAGES},
        {"'reasoning_effort':'high','max_tokens':300," SAY_HI, "'max_tokens':300," HI_MESSAGES, "reasoning_effort"},
        {"'reasoning_effort':'low','temperature':0.2,'top_p':0.97,'top_k':3," SAY_HI,
         "'thinking':{'type':'enabled','budget_tokens':1024},'max_tokens':5120,'top_p':0.97," HI_MESSAGES, "temperature,top_k"},
        {ASK_TOOL_F "'reasoning_effort':'low','tool_choice':'required'," SAY_HI,
         BASE TOOL_F "'tool_choice':{'type':'any'}," HI_MESSAGES, "reasoning_effort"},
        {"'reasoning_effort':null," SAY_HI, HI},
        {"'reasoning_effort':'huge'," SAY_HI, NULL, NULL, "reasoning_effort"},
        {"'thinking':{'type':'enabled','budget_tokens':2000}," SAY_HI,
         "'thinking':{'type':'enabled','budget_tokens':2000},'max_tokens':6096," HI_MESSAGES},
    };
    /* clang-format on */
    static const struct row other[] = {
        {"'reasoning_effort':'none'," SAY_HI, "'thinking':{'type':'disabled'}," HI},
    };
    static const struct row old[] = {
        {"'reasoning_effort':'none'," SAY_HI, HI},
    };
    /* clang-format off */
    static const struct row middle[] = {
        {"'reasoning_effort':'medium'," SAY_HI,
         "'thinking':{'type':'adaptive'},'output_config':{'effort':'medium'},'max_tokens':12288," HI_MESSAGES},
        {"'reasoning_effort':'xhigh','max_tokens':9," SAY_HI,
         "'thinking':{'type':'adaptive'},'output_config':{'effort':'high'},'max_tokens':9," HI_MESSAGES},
        {"'temperature':0.3," SAY_HI, BASE "'temperature':0.3," HI_MESSAGES},
    };
    /* clang-format on */
    /* clang-format off */
    static const struct row newest[] = {
        {"'reasoning_effort':'minimal','temperature':0.3,'top_p':0.5,'top_k':2," SAY_HI,
         "'thinking':{'type':'disabled'}," HI, "temperature,top_p,top_k"},
        {SAY_HI, "'max_tokens':12288," HI_MESSAGES},
        {"'reasoning_effort':'xhigh'," SAY_HI,
         "'thinking':{'type':'adaptive'},'output_config':{'effort':'xhigh'},'max_tokens':28672," HI_MESSAGES},
        {ASK_TOOL_F "'tool_choice':'required','max_tokens':9," SAY_HI,
         "'thinking':{'type':'disabled'},'max_tokens':9," TOOL_F "'tool_choice':{'type':'any'}," HI_MESSAGES},
    };
    /* clang-format on */
    /* clang-format off */
    static const struct row always[] = {
        {"'reasoning_effort':'none','max_tokens':9," SAY_HI, "'output_config':{'effort':'low'},'max_tokens':9," HI_MESSAGES, "reasoning_effort"},
    };
    /* clang-format on */
    check_models("claude-sonnet-4-5-20250929", first, ARRAY_LEN(first));
    check_models("qwen3", first, ARRAY_LEN(first));
    check_models("qwen3", other, ARRAY_LEN(other));
    check_models("claude-3-7-sonnet-20250219", old, ARRAY_LEN(old));
    check_models("claude-opus-4-6", middle, ARRAY_LEN(middle));
    check_models("claude-sonnet-5", newest, ARRAY_LEN(newest));
    check_models("claude-fable-5-1", always, ARRAY_LEN(always));
}

static void generations_are_known_by_their_names(void **state)
{
    (void)state;
    static const struct {
        const char *model;
        bool known, adaptive, keeps_sampling, thinks;
    } rows[] = {
        {"gpt-5", false, false, true, false},
        {"claude-2.1", true, false, true, false},
        {"claude-3-5-sonnet-latest", true, false, true, false},
        {"claude-sonnet-4-20250514", true, false, true, false},
        {"claude-sonnet-4-20250514-v1:9", true, false, true, false},
        {"us.anthropic.claude-opus-4-1-20250805-v1:0", true, false, true, false},
        {"claude-haiku-4-5@20251001", true, false, true, false},
        {"anthropic/claude-opus-4.6", true, true, true, false},
        {"claude-opus-4-7", true, true, false, false},
        {"claude-haiku-5-5", true, true, false, true},
        {"claude-opus-5", true, true, false, true},
        {"claude-mythos-preview", true, true, false, true},
        {"claude-", true, true, false, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct claude c = claude_of(str_of(rows[i].model));
        if (c.known != rows[i].known || c.adaptive != rows[i].adaptive ||
            c.keeps_sampling != rows[i].keeps_sampling || c.thinks != rows[i].thinks)
            fail_msg("%s: %d %d %d %d", rows[i].model, c.known, c.adaptive, c.keeps_sampling,
                     c.thinks);
    }
}

/* --- counts --- */

static void counts_ask_only_what_is_counted(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct row rows[] = {
        {ASK_TOOL_F "'max_tokens':5,'temperature':0.1,'stream':true,'user':'u','n':2,'reasoning_effort':'low','messages':["
                    "{'role':'system','content':'s'}," SAID_HI "]",
         TOOL_F "'system':[{'type':'text','text':'s'}]," HI_MESSAGES, "reasoning_effort"},
    };
    /* clang-format on */
    /* clang-format off */
    static const struct row tokenize[] = {
        {ASK_TOOL_F "'temperature':1,'stream':true,'tools':null,'chat_template_kwargs':{'a':1}," SAY_HI,
         SAY_HI ",'tools':[{'type':'function','function':{'name':'f'}}],'chat_template_kwargs':{'a':1},"
                "'add_generation_prompt':true"},
    };
    /* clang-format on */
    static const struct row none[] = {{"'messages':1", NULL, NULL, "messages"}};
    check_row(&rows[0], SURFACE_COUNT_CHAT, SURFACE_COUNT_MESSAGES);
    check_row(&tokenize[0], SURFACE_COUNT_CHAT, SURFACE_COUNT_TOKENIZE);
    check_row(&none[0], SURFACE_COUNT_CHAT, SURFACE_COUNT_TOKENIZE);
    check_row(&none[0], SURFACE_COUNT_CHAT, SURFACE_COUNT_MESSAGES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_become_turns),
        cmocka_unit_test(parts_become_blocks),
        cmocka_unit_test(results_come_first_and_once),
        cmocka_unit_test(arguments_become_objects),
        cmocka_unit_test(thoughts_come_back_first_or_not_at_all),
        cmocka_unit_test(tools_and_choices),
        cmocka_unit_test(fields_are_translated_dropped_or_refused),
        cmocka_unit_test(thinking_is_asked_as_the_model_takes_it),
        cmocka_unit_test(generations_are_known_by_their_names),
        cmocka_unit_test(counts_ask_only_what_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
