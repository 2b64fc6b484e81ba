/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: Anthropic's requests, as a gateway reads them and as chats, but for their messages; its
 * errors, its models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "anthropic.h"
#include "dialect/anthropic/write.h"

/* --- peek --- */

static void bodies_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *model; /* NULL: refused */
        bool stream;
        const char *param;
    } rows[] = {
        {"{'model':'m','max_tokens':1,'messages':[]}", "m", false, NULL},
        {"{'stream':true,'model':'m'}", "m", true, NULL},
        {"{'model':'m','stream':null}", "m", false, NULL},
        {"{'model':'m','stream':'yes'}", NULL, false, "stream"},
        {"{'stream':true}", NULL, false, "model"},
        {"{'model':'m','model':'n'}", NULL, false, "model"},
        {"{'model':'m','Stream':true}", NULL, false, "stream"},
        {"{'model':7}", NULL, false, "model"},
        {"[]", NULL, false, NULL},
        {"", NULL, false, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct refusal why = {0};
        struct ask ask = {.surface = SURFACE_MESSAGES};
        arena_init(&arena, SIZE_MAX, 256);
        const char *body = quoted(&arena, rows[i].body);
        int err = dialect_anthropic.peek(&arena, str_of(body), &ask, &why);
        if (err != (rows[i].model ? 0 : ERR_INVALID)) fail_msg("%s: %d", body, err);
        if (rows[i].model) {
            assert_true(str_eq(ask.model, str_of(rows[i].model)));
            assert_true(ask.stream == rows[i].stream && ask.asks_usage);
            assert_int_equal(ask.surface, SURFACE_MESSAGES);
        } else {
            assert_int_equal(why.status, 400);
            assert_true(str_eq(str_of(why.param), str_of(rows[i].param)));
        }
        arena_fini(&arena);
    }
}

static void only_the_name_of_the_model_is_spliced(void **state)
{
    (void)state;
    struct arena arena;
    struct refusal why;
    struct ask ask = {.surface = SURFACE_MESSAGES};
    struct str slices[DIALECT_SLICES_MAX];
    struct str body = STR("{\"stream\":true,\"model\":\"m\",\"x\":[ 1.0 ]}");
    char got[128] = "";
    arena_init(&arena, SIZE_MAX, 256);
    assert_int_equal(dialect_anthropic.peek(&arena, body, &ask, &why), 0);
    unsigned n =
        dialect_anthropic.splice(&ask, body, &(struct edits){STR("other"), true}, &arena, slices);
    for (unsigned i = 0; i < n; i++)
        strncat(got, slices[i].ptr, slices[i].len);
    assert_string_equal(got, "{\"stream\":true,\"model\":\"other\",\"x\":[ 1.0 ]}");
    arena_fini(&arena);
}

/* --- requests --- */

static void fields_are_translated(void **state)
{
    (void)state;
    check_field("", "'max_tokens':9", "");
    check_field("'temperature':1.0,'top_p':0.5,'top_k':40",
                "'max_tokens':9,'temperature':1.0,'top_p':0.5,'top_k':40", "");
    check_field("'temperature':null,'tools':null,'system':null,'thinking':null,'tool_choice':null,"
                "'output_config':null,'metadata':null,'stop_sequences':null",
                "'max_tokens':9", "");
    check_field("'stop_sequences':['a','\\n']", "'max_tokens':9,'stop':['a','\\n']", "");
    check_field("'stop_sequences':[]", "'max_tokens':9", "");
    check_field("'metadata':{'user_id':'u1'}", "'max_tokens':9,'user':'u1'", "");
    check_field("'metadata':{'user_id':"
                "'0123456789012345678901234567890123456789012345678901234567890123x'}",
                "'max_tokens':9", "metadata.user_id");
    check_field("'metadata':{}", "'max_tokens':9", "");
    check_field("'service_tier':'auto'", "'max_tokens':9,'service_tier':'auto'", "");
    check_field("'service_tier':'standard_only'", "'max_tokens':9,'service_tier':'default'", "");
    check_field("'container':'c','context_management':{},'mcp_servers':[],'inference_geo':'us',"
                "'cache_control':{'type':'ephemeral'},'anything':{'else':1}",
                "'max_tokens':9",
                "cache_control,container,context_management,mcp_servers,inference_geo");
}

static void streams_tell_their_usage(void **state)
{
    (void)state;
    check_asked(STREAM, "'max_tokens':9,'stream':true,'messages':[" HI "]",
                "'messages':[" HI "],'max_tokens':9,'stream':true,"
                "'stream_options':{'include_usage':true}",
                "");
}

static void thinking_is_an_effort(void **state)
{
    (void)state;
    check_field("'thinking':{'type':'adaptive'}", "'max_tokens':9", "");
    check_field("'thinking':{'type':'between_tools'}", "'max_tokens':9", "");
    check_field("'thinking':{'type':'adaptive'},'output_config':{'effort':'high'}",
                "'reasoning_effort':'high','max_tokens':9", "");
    check_field("'output_config':{'effort':'max'}", "'reasoning_effort':'max','max_tokens':9", "");
    check_field("'thinking':{'type':'disabled'}", "'reasoning_effort':'none','max_tokens':9", "");
    check_field("'thinking':{'type':'disabled'},'output_config':{'effort':'high'}",
                "'reasoning_effort':'none','max_tokens':9", "");
    check_field("'thinking':{'type':'enabled','budget_tokens':1024}",
                "'reasoning_effort':'low','max_tokens':9", "");
    check_field("'thinking':{'type':'enabled','budget_tokens':8192}",
                "'reasoning_effort':'medium','max_tokens':9", "");
    check_field("'thinking':{'type':'enabled','budget_tokens':24576}",
                "'reasoning_effort':'high','max_tokens':9", "");
    check_field("'thinking':{'type':'enabled','budget_tokens':1024},"
                "'output_config':{'effort':'xhigh','task_budget':{}}",
                "'reasoning_effort':'xhigh','max_tokens':9", "output_config.task_budget");
}

static void a_schema_is_a_response_format(void **state)
{
    (void)state;
    static const char want[] = "'response_format':{'type':'json_schema','json_schema':{'name':"
                               "'answer','strict':true,'schema':{'type':'object','x':1.50}}},"
                               "'max_tokens':9";
    char same[512];
    snprintf(same, sizeof same, "%s", want);
    char *number = strstr(same, "1.50"); /* numbers are as short as they can be */
    memmove(number + 3, number + 4, strlen(number + 3));
    check_field("'output_config':{'format':{'type':'json_schema','schema':{'type':'object','x':"
                "1.50}}}",
                same, "");
    check_field("'output_format':{'type':'json_schema','schema':{'type':'object','x':1.50}}", same,
                "");
}

static void tools_are_functions(void **state)
{
    (void)state;
    check_field("'tools':[{'name':'f','description':'d','input_schema':{'type':'object','$schema':"
                "'s','additionalProperties':false}},{'type':'custom','name':'g'}]",
                "'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':"
                "{'type':'object','$schema':'s','additionalProperties':false}}},{'type':'function',"
                "'function':{'name':'g','parameters':{'type':'object','properties':{}}}}],"
                "'max_tokens':9",
                "");
    check_field("'tools':[{'name':'f','input_schema':{},'strict':true,'defer_loading':true,"
                "'eager_input_streaming':true,'cache_control':{'type':'ephemeral'},"
                "'allowed_callers':['direct'],'input_examples':[{}]}]",
                "'tools':[{'type':'function','function':{'name':'f','parameters':{},'strict':true}"
                "}],'max_tokens':9",
                "cache_control,defer_loading,eager_input_streaming,allowed_callers,input_examples");
    check_field("'tools':[]", "'max_tokens':9", "");
}

#define F "{'type':'function','function':{'name':'f','parameters':{}}}"
#define TOOL_F "'tools':[{'name':'f','input_schema':{}}]"

static void hosted_tools_are_left_out(void **state)
{
    (void)state;
    check_field("'tools':[{'type':'web_search_20250305','name':'web_search'},{'name':'f',"
                "'input_schema':{}},{'type':'bash_20250124','name':'bash'},{'type':'new_9',"
                "'name':'n'},{'type':'newer_9','name':'f','input_schema':{}}]",
                "'tools':[" F "," F "],'max_tokens':9", "web_search tool,bash tool,unknown tool");
    check_field("'tools':[{'type':'memory_20250818','name':'memory'}],'tool_choice':{'type':'auto',"
                "'disable_parallel_tool_use':true}",
                "'max_tokens':9", "memory tool");
    check_refused(WHOLE,
                  "'max_tokens':9,'messages':[" HI "],'tool_choice':{'type':'tool','name':"
                  "'web_search'},'tools':[{'type':'web_search_20250305','name':'web_search'},"
                  "{'name':'f','input_schema':{}}]",
                  "tool_choice.name");
    check_refused(WHOLE,
                  "'max_tokens':9,'messages':[" HI "],'tool_choice':{'type':'any'},"
                  "'tools':[{'type':'web_search_20250305','name':'web_search'}]",
                  "tool_choice.type");
}

static void choices_are_translated(void **state)
{
    (void)state;
    static const struct {
        const char *choice;
        const char *want;
    } rows[] = {
        {"{'type':'auto'}", "'tool_choice':'auto'"},
        {"{'type':'any'}", "'tool_choice':'required'"},
        {"{'type':'none'}", "'tool_choice':'none'"},
        {"{'type':'tool','name':'f'}", "'tool_choice':{'type':'function','function':{'name':'f'}}"},
        {"{'type':'auto','disable_parallel_tool_use':true}",
         "'parallel_tool_calls':false,'tool_choice':'auto'"},
        {"{'type':'any','disable_parallel_tool_use':false}",
         "'parallel_tool_calls':true,'tool_choice':'required'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char in[512], out[512];
        snprintf(in, sizeof in, TOOL_F ",'tool_choice':%s", rows[i].choice);
        snprintf(out, sizeof out, "'tools':[" F "],%s,'max_tokens':9", rows[i].want);
        check_field(in, out, "");
    }
}

static void counts_have_no_more_than_counts(void **state)
{
    (void)state;
    check_asked(COUNT,
                "'system':'s','messages':[" HI "]," TOOL_F ",'thinking':{'type':'enabled',"
                "'budget_tokens':1024},'temperature':7",
                "'messages':[{'role':'system','content':'s'}," HI "],'tools':[" F "],"
                "'reasoning_effort':'low'",
                "");
}

/* What runtimes have beyond the APIs. */
static void runtimes_own_shapes_are_carried(void **state)
{
    (void)state;
    check_field("'grammar':'g','guided_choice':['a'],'response_format':{'type':'text'}",
                "'max_tokens':9,'guided_choice':['a'],'grammar':'g'", "");
    check_field("'structured_outputs':{'json':{}},'guided_regex':''",
                "'max_tokens':9,'structured_outputs':{'json':{}}", "");
}

static void what_is_wrong_is_told_with_its_path(void **state)
{
    (void)state;
    static const struct {
        const char *member; /* beside max_tokens and messages */
        const char *path;
    } fields[] = {
        {"'temperature':1.5", "temperature"},
        {"'temperature':-0.1", "temperature"},
        {"'temperature':'1'", "temperature"},
        {"'top_p':2", "top_p"},
        {"'top_k':1.5", "top_k"},
        {"'stop_sequences':'x'", "stop_sequences"},
        {"'stop_sequences':['x',1]", "stop_sequences[1]"},
        {"'metadata':1", "metadata"},
        {"'metadata':{'user_id':1}", "metadata.user_id"},
        {"'service_tier':1", "service_tier"},
        {"'thread':{'type':'continue'}", "thread"},
        {"'thinking':{'type':'enabled'}", "thinking.budget_tokens"},
        {"'thinking':{'type':'much'}", "thinking.type"},
        {"'thinking':true", "thinking.type"},
        {"'output_config':[]", "output_config"},
        {"'output_config':{'effort':'huge'}", "output_config.effort"},
        {"'output_config':{'effort':1}", "output_config.effort"},
        {"'output_config':{'format':{'type':'xml'}}", "output_config.format.type"},
        {"'output_config':{'format':{'type':'json_schema'}}", "output_config.format.schema"},
        {"'output_format':{}", "output_format.type"},
        {"'response_format':{'type':'json_object'}", "response_format"},
        {"'text':{'format':{'type':'json_schema'}}", "text.format"},
        {"'format':'json'", "format"},
        {"'system':7", "system"},
        {"'system':[{'type':'image'}]", "system[0].type"},
        {"'tools':{}", "tools"},
        {"'tools':[1]", "tools[0].name"},
        {"'tools':[{'name':''}]", "tools[0].name"},
        {"'tools':[{'type':'function','function':{'name':'f','parameters':{}}}]", "tools[0].type"},
        {"'tools':[{'name':'f'},{'type':'function','name':'g','parameters':{}}]", "tools[1].type"},
        {"'tools':[{'name':'f','input_schema':[]}]", "tools[0].input_schema"},
        {"'tools':[{'name':'f','description':1}]", "tools[0].description"},
        {TOOL_F ",'tool_choice':'auto'", "tool_choice.type"},
        {TOOL_F ",'tool_choice':{'type':'some'}", "tool_choice.type"},
        {TOOL_F ",'tool_choice':{'type':'tool'}", "tool_choice.name"},
        {TOOL_F ",'tool_choice':{'type':'tool','name':'g'}", "tool_choice.name"},
        {TOOL_F ",'tool_choice':{'type':'auto','disable_parallel_tool_use':1}",
         "tool_choice.disable_parallel_tool_use"},
    };
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        char members[512];
        snprintf(members, sizeof members, "'max_tokens':9,'messages':[" HI "],%s",
                 fields[i].member);
        check_refused(WHOLE, members, fields[i].path);
    }
    check_refused(WHOLE, "'messages':[" HI "]", "max_tokens");
    check_refused(WHOLE, "'max_tokens':0,'messages':[" HI "]", "max_tokens");
    check_refused(STREAM, "'max_tokens':'9','messages':[" HI "]", "max_tokens");
    check_refused(WHOLE, "'max_tokens':9", "messages");
    check_refused(WHOLE, "'max_tokens':9,'messages':[]", "messages");
    check_refused(COUNT, "'messages':'hi'", "messages");
}

/* --- errors and models --- */

static void check_error(const struct refusal *why, const char *want)
{
    struct buf out, event;
    char frame[512];
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 1024);
    const char *json = quoted(&arena, want);
    buf_init(&out, 4096);
    buf_init(&event, 4096);
    dialect_anthropic.write_error(&out, why);
    dialect_anthropic.write_error_event(&event, why, NULL);
    snprintf(frame, sizeof frame, "event: error\ndata: %s\n\n", json);
    if (!str_eq(buf_str(&out), str_of(json))) fail_msg("%" STR_FMT, STR_ARG(buf_str(&out)));
    if (!str_eq(buf_str(&event), str_of(frame))) fail_msg("%" STR_FMT, STR_ARG(buf_str(&event)));
    buf_fini(&out);
    buf_fini(&event);
    arena_fini(&arena);
}

static void errors_have_the_dialects_shape(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *type;
    } rows[] = {
        {400, "invalid_request_error"},
        {401, "authentication_error"},
        {402, "billing_error"},
        {403, "permission_error"},
        {404, "not_found_error"},
        {408, "timeout_error"},
        {413, "request_too_large"},
        {415, "invalid_request_error"},
        {429, "rate_limit_error"},
        {500, "api_error"},
        {502, "api_error"},
        {503, "overloaded_error"},
        {504, "timeout_error"},
        {529, "overloaded_error"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char want[256];
        snprintf(want, sizeof want,
                 "{'type':'error','error':{'type':'%s','message':'m\\n'},'request_id':'r1'}",
                 rows[i].type);
        check_error(&(struct refusal){.status = rows[i].status,
                                      .message = STR("m\n"),
                                      .param = "p",
                                      .code = "c",
                                      .id = "r1"},
                    want);
    }
    check_error(&(struct refusal){.status = 400, .message = STR("m")},
                "{'type':'error','error':{'type':'invalid_request_error','message':'m'}}");
}

static void errors_say_that_the_prompt_is_too_long(void **state)
{
    (void)state;
    struct refusal why = {
        .status = 400, .message = STR("9 tokens"), .code = "context_length_exceeded"};
    check_error(&why, "{'type':'error','error':{'type':'invalid_request_error','message':"
                      "'prompt is too long: 9 tokens'}}");
    why.message = STR("Prompt is too long: 9");
    check_error(&why, "{'type':'error','error':{'type':'invalid_request_error','message':"
                      "'Prompt is too long: 9'}}");
}

static void check_models(unsigned count, const struct model_card *card, const char *want)
{
    static const struct str ids[] = {STR_INIT("a"), STR_INIT("b/c")};
    struct buf out;
    struct json_writer w;
    struct arena arena;
    arena_init(&arena, SIZE_MAX, 1024);
    const char *json = quoted(&arena, want);
    buf_init(&out, 4096);
    json_write_init(&w, &out);
    anthropic_begin_models(&w);
    for (unsigned i = 0; i < count; i++)
        anthropic_write_model(&w, ids[i], 1700000000, card);
    anthropic_end_models(&w, count ? ids[0] : STR_NULL, count ? ids[count - 1] : STR_NULL);
    assert_int_equal(json_write_end(&w), 0);
    if (!str_eq(buf_str(&out), str_of(json))) fail_msg("%" STR_FMT, STR_ARG(buf_str(&out)));
    buf_fini(&out);
    arena_fini(&arena);
}

static void models_are_listed(void **state)
{
    (void)state;
    const struct model_card unknown = {0},
                            card = {.context = 8192,
                                    .capabilities = CARD_BIT(COMPLETION) | CARD_BIT(THINKING),
                                    .input = CARD_BIT(TEXT) | CARD_BIT(IMAGE) | CARD_BIT(FILE),
                                    .output = CARD_BIT(TEXT)},
                            text = {.capabilities = CARD_BIT(COMPLETION), .input = CARD_BIT(TEXT)};
    check_models(0, &unknown, "{'data':[],'has_more':false,'first_id':null,'last_id':null}");
    check_models(2, &unknown,
                 "{'data':[{'type':'model','id':'a','display_name':'a','created_at':"
                 "'2023-11-14T22:13:20Z','lifecycle':'active'},{'type':'model','id':'b/c',"
                 "'display_name':'b/c','created_at':'2023-11-14T22:13:20Z','lifecycle':"
                 "'active'}],'has_more':false,'first_id':'a','last_id':'b/c'}");
    check_models(
        1, &card,
        "{'data':[{'type':'model','id':'a','display_name':'a','created_at':"
        "'2023-11-14T22:13:20Z','lifecycle':'active','max_input_tokens':8192,"
        "'capabilities':{'image_input':{'supported':true},'pdf_input':{'supported':true},"
        "'thinking':{'supported':true,'types':{'adaptive':{'supported':true},"
        "'enabled':{'supported':true}}}}}],'has_more':false,'first_id':'a','last_id':'a'}");
    check_models(1, &text,
                 "{'data':[{'type':'model','id':'a','display_name':'a','created_at':"
                 "'2023-11-14T22:13:20Z','lifecycle':'active'}],'has_more':false,'first_id':'a',"
                 "'last_id':'a'}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_read),
        cmocka_unit_test(only_the_name_of_the_model_is_spliced),
        cmocka_unit_test(fields_are_translated),
        cmocka_unit_test(streams_tell_their_usage),
        cmocka_unit_test(thinking_is_an_effort),
        cmocka_unit_test(a_schema_is_a_response_format),
        cmocka_unit_test(tools_are_functions),
        cmocka_unit_test(hosted_tools_are_left_out),
        cmocka_unit_test(choices_are_translated),
        cmocka_unit_test(counts_have_no_more_than_counts),
        cmocka_unit_test(runtimes_own_shapes_are_carried),
        cmocka_unit_test(what_is_wrong_is_told_with_its_path),
        cmocka_unit_test(errors_have_the_dialects_shape),
        cmocka_unit_test(errors_say_that_the_prompt_is_too_long),
        cmocka_unit_test(models_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
