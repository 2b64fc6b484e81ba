/* SPDX-License-Identifier: Apache-2.0 */
/* mesh: by what products are told from each other, and what they tell of models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mesh/signs.h"
#include "quoted.h"

/* JSON with ' for ". */
static struct str json(struct arena *arena, const char *text)
{
    return str_of(quoted(arena, text));
}

static void products_are_told_from_each_other(void **state)
{
    (void)state;
    static const struct {
        enum sign_page page;
        int status;
        const char *server, *body;
        const char *kind; /* NULL: no sign */
    } cases[] = {
        {SIGN_MODELS, 200, "uvicorn",
         "{'object':'list','data':[{'id':'a','object':'model','created':1,'owned_by':'vllm',"
         "'root':'a','parent':null,'max_model_len':8192,'permission':[{'id':'p'}]}]}",
         "vllm"},
        {SIGN_MODELS, 200, "", "{'object':'list','data':[{'id':'a','owned_by':'sglang'}]}",
         "sglang"},
        {SIGN_MODELS, 200, "", "{'data':[{'id':'a','owned_by':'tensorrt_llm'}]}", "trt-llm"},
        {SIGN_MODELS, 200, "",
         "{'models':[{'name':'a'}],'object':'list','data':[{'id':'a','owned_by':'llamacpp'}]}",
         "llama-server"},
        {SIGN_MODELS, 200, "llama.cpp", "{'data':[]}", "llama-server"},
        {SIGN_MODELS, 503, "llama.cpp", "{'error':{'code':503,'message':'Loading model'}}",
         "llama-server"},
        {SIGN_MODELS, 200, "", "{'object':'list','data':[{'id':'a:8b','owned_by':'library'}]}",
         "ollama"},
        {SIGN_MODELS, 200, "",
         "{'object':'list','data':[{'id':'hf.co/x/a','owned_by':'x'},{'id':'b','owned_by':'library'}]}",
         "ollama"},
        {SIGN_MODELS, 200, "",
         "{'object':'list','data':[{'id':'mistral-small','owned_by':'mistralai'}]}", "mistral"},
        {SIGN_MODELS, 200, "",
         "{'data':[{'id':'x/a','context_length':9,'top_provider':{'context_length':9}}]}",
         "openrouter"},
        {SIGN_MODELS, 200, "",
         "{'data':[{'id':'a','owned_by':'Meta','active':true,'public_apps':null}]}", "groq"},
        {SIGN_MODELS, 200, "",
         "{'data':[{'type':'model','id':'claude','display_name':'C'}],'has_more':false}",
         "anthropic"},
        {SIGN_MODELS, 200, "", "{'object':'list','data':[{'id':'a','owned_by':'hostler'}]}",
         "hostler"},
        {SIGN_OLLAMA_VERSION, 200, "", "{'version':'0.32.0','hostler':'1.0'}", "hostler"},
        {SIGN_MODELS, 200, "",
         "{'data':[{'type':'chat','id':'a','display_name':'A','owned_by':'x'}]}", NULL},
        {SIGN_MODELS, 200, "", "[{'id':'a','owned_by':'vllm'}]", "vllm"},
        {SIGN_MODELS, 200, "", "{'data':[{'id':'gpt','owned_by':'system'}]}", NULL},
        {SIGN_MODELS, 200, "", "{'data':[{'id':'a','owned_by':7},{'id':'a'},3,null,'x',[]]}", NULL},
        {SIGN_MODELS, 200, "", "{'data':{'id':'a','owned_by':'vllm'}}", NULL},
        {SIGN_MODELS, 200, "", "{'data':[{'id':'a','owned_by':'vllm'", NULL},
        {SIGN_MODELS, 200, "", "<html>", NULL},
        {SIGN_MODELS, 200, "", "", NULL},
        {SIGN_MODELS, 401, "", "{'data':[{'id':'a','owned_by':'vllm'}]}", NULL},
        {SIGN_VERSION, 200, "", "{'version':'0.32.0'}", "vllm"},
        {SIGN_VERSION, 404, "", "{'version':'0.32.0'}", NULL},
        {SIGN_VERSION, 200, "", "'0.32.0'", NULL},
        {SIGN_OLLAMA_VERSION, 200, "", "{'version':'0.12.0'}", "ollama"},
        {SIGN_PROPS, 200, "", "{'default_generation_settings':{'n_ctx':4096},'total_slots':1}",
         "llama-server"},
        {SIGN_PROPS, 200, "", "{'version':'1'}", NULL},
        {SIGN_MODEL_INFO, 200, "", "{'model_path':'/m','is_generation':true}", "sglang"},
        {SIGN_INFO, 200, "", "{'model_id':'m','max_total_tokens':4096,'version':'3.3.0'}", "tgi"},
        {SIGN_INFO, 200, "", "{'model_id':'m','max_batch_tokens':4096,'version':'1.8'}", NULL},
        {SIGN_INFO, 404, "LLAMA.CPP/b1", "", "llama-server"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        arena_init(&arena, SIZE_MAX, 1024);
        const struct sign_answer answer = {.status = cases[i].status,
                                           .server = str_of(cases[i].server),
                                           .body = json(&arena, cases[i].body)};
        const struct runtime_kind *kind = sign_read(cases[i].page, &answer);
        struct str name = kind ? kind->name : STR_NULL;
        if (!kind != !cases[i].kind || !str_eq(name, str_of(cases[i].kind)))
            fail_msg("%s: %" STR_FMT, cases[i].body, STR_ARG(name));
        arena_fini(&arena);
    }
}

static void pages_are_asked_that_may_help(void **state)
{
    (void)state;
    for (enum sign_page page = 0; page < SIGN_PAGES; page++) {
        assert_true(str_starts(sign_path(page), STR("/")));
        assert_true(sign_helps(page, false));
        assert_int_equal(sign_helps(page, true), page != SIGN_VERSION);
    }
}

#define BIT(name) ((int)CARD_BIT(name))

static void models_are_found_on_lists(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        int context, capabilities, input, output;
    } cases[] = {
        {"{'data':[{'id':'m','max_model_len':8192}]}", 8192, 0, 0, 0},
        {"{'data':[{'id':'x','max_model_len':1},{'id':'m','context_length':2}]}", 2, 0, 0, 0},
        {"{'data':[{'id':'x','max_model_len':1},{'id':'y','max_model_len':2}]}", 0, 0, 0, 0},
        {"{'data':[{'id':'other','max_model_len':8192}]}", 8192, 0, 0, 0},
        {"[{'id':'m','context_window':5}]", 5, 0, 0, 0},
        {"{'data':[{'id':'m','max_context_length':6}]}", 6, 0, 0, 0},
        {"{'data':[{'id':'m','type':'model','max_input_tokens':200000}]}", 200000, 0, 0, 0},
        {"{'data':[{'id':'m','meta':{'n_ctx_train':131072,'n_ctx':4096}}]}", 4096, 0, 0, 0},
        {"{'data':[{'id':'m','meta':{'n_ctx_train':131072,'n_vocab':1}}]}", 131072, 0, 0, 0},
        {"{'data':[{'id':'m','max_model_len':null,'meta':null}]}", 0, 0, 0, 0},
        {"{'data':[{'id':'m','max_model_len':-1,'context_length':'9','context_window':1e99}]}", 0,
         0, 0, 0},
        {"{'data':[{'id':'m','max_model_len':1.5,'context_length':2.0}]}", 2, 0, 0, 0},
        {"{'data':[{'id':'m','context_length':1,'capabilities':['completion','multimodal','rerank',3],"
         "'modalities':{'input':['text','image'],'output':['text']}}]}",
         1, BIT(COMPLETION) | BIT(RERANK), BIT(TEXT) | BIT(IMAGE), BIT(TEXT)},
        {"{'data':[{'id':'m','capabilities':{'vision':true},'architecture':"
         "{'input_modalities':['file','text'],'output_modalities':['audio','video']}}]}",
         0, 0, BIT(FILE) | BIT(TEXT), BIT(AUDIO)},
        {"{'data':[]}", 0, 0, 0, 0},
        {"{'data':[3]}", 0, 0, 0, 0},
        {"nonsense", 0, 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct model_card card;
        arena_init(&arena, SIZE_MAX, 1024);
        sign_card(json(&arena, cases[i].list), STR("m"), &card);
        if (card.context != (uint64_t)cases[i].context ||
            card.capabilities != (uint32_t)cases[i].capabilities ||
            card.input != (uint32_t)cases[i].input || card.output != (uint32_t)cases[i].output)
            fail_msg("%s: %llu %x %x %x", cases[i].list, (unsigned long long)card.context,
                     card.capabilities, card.input, card.output);
        arena_fini(&arena);
    }
}

static void families_of_calls_are_read(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{'data':[{'id':'m','meta':{'tool_calls':'hermes'}}]}", "hermes"},
        {"{'data':[{'id':'m','meta':{'tool_calls':'abcdefghijklmnopqrstuvwxyz01234'}}]}",
         "abcdefghijklmnopqrstuvwxyz01234"},
        {"{'data':[{'id':'m','meta':{'tool_calls':'abcdefghijklmnopqrstuvwxyz012345'}}]}", ""},
        {"{'data':[{'id':'m','meta':{'tool_calls':'a b'}}]}", ""},
        {"{'data':[{'id':'m','meta':{'tool_calls':''}}]}", ""},
        {"{'data':[{'id':'m','meta':{'tool_calls':true}}]}", ""},
        {"{'data':[{'id':'m','meta':'tool_calls'}]}", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        struct model_card card;
        arena_init(&arena, SIZE_MAX, 1024);
        sign_card(json(&arena, cases[i][0]), STR("m"), &card);
        assert_string_equal(card.calls, cases[i][1]);
        arena_fini(&arena);
    }
}

/* What is written can be read again. */
static void cards_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const struct model_card cards[] = {
        {0},
        {.context = 1, .input = CARD_BIT(AUDIO)},
        {.capabilities = CARD_BIT(TOOLS) | CARD_BIT(INSERT) | CARD_BIT(THINKING)},
        {.context = 1 << 20, .capabilities = 0x7f, .input = 0xf, .output = 0xf},
        {.output = CARD_BIT(TEXT), .calls = "deepseek-v3.1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cards); i++) {
        struct buf out;
        struct json_writer w;
        struct model_card read;
        buf_init(&out, 4096);
        json_write_init(&w, &out);
        json_write_object(&w);
        card_write(&w, &cards[i]);
        json_write_object_end(&w);
        assert_int_equal(json_write_end(&w), 0);
        card_read(&(struct json_span){.type = JSON_OBJECT, .raw = buf_str(&out)}, &read);
        assert_int_equal(read.context, cards[i].context);
        assert_int_equal(read.capabilities, cards[i].capabilities);
        assert_int_equal(read.input, cards[i].input);
        assert_int_equal(read.output, cards[i].output);
        assert_string_equal(read.calls, cards[i].calls);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_told_from_each_other),
        cmocka_unit_test(pages_are_asked_that_may_help),
        cmocka_unit_test(models_are_found_on_lists),
        cmocka_unit_test(families_of_calls_are_read),
        cmocka_unit_test(cards_are_read_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
