/* SPDX-License-Identifier: Apache-2.0 */
/* Ollama's dialect: what is read of requests and answers, and both translated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "dialect/ollama/purpose.h"
#include "json/json.h"
#include "json/skim.h"
#include "translate.h"

/* --- peeking --- */

static int peek(struct arena *arena, enum surface s, const char *body, struct ask *ask,
                struct refusal *why)
{
    *ask = (struct ask){.surface = s};
    return dialect_ollama.peek(arena, str_of(body), ask, why);
}

static void requests_are_peeked(void **state)
{
    (void)state;
    static const struct {
        enum surface from;
        const char *body;
        enum surface to;
        enum ask_purpose purpose;
        bool stream;
    } rows[] = {
        {SURFACE_OLLAMA_CHAT, "{\"model\":\"m\",\"messages\":[{}]}", SURFACE_OLLAMA_CHAT,
         ASK_ANSWER, true},
        {SURFACE_OLLAMA_CHAT, "{\"model\":\"m\",\"messages\":[{}],\"stream\":false}",
         SURFACE_OLLAMA_CHAT, ASK_ANSWER, false},
        {SURFACE_OLLAMA_CHAT, "{\"model\":\"m\",\"stream\":null}", SURFACE_OLLAMA_CHAT, ASK_LOAD,
         true},
        {SURFACE_OLLAMA_CHAT, "{\"model\":\"m\",\"messages\":[ ],\"keep_alive\":0}",
         SURFACE_OLLAMA_CHAT, ASK_UNLOAD, true},
        {SURFACE_OLLAMA_CHAT, "{\"model\":\"m\",\"messages\":[{}],\"keep_alive\":0}",
         SURFACE_OLLAMA_CHAT, ASK_ANSWER, true},
        {SURFACE_OLLAMA_GENERATE, "{\"model\":\"m\",\"prompt\":\"x\"}", SURFACE_OLLAMA_GENERATE,
         ASK_ANSWER, true},
        {SURFACE_OLLAMA_GENERATE, "{\"model\":\"m\",\"prompt\":\"x\",\"raw\":true}",
         SURFACE_OLLAMA_RAW, ASK_ANSWER, true},
        {SURFACE_OLLAMA_GENERATE, "{\"model\":\"m\",\"prompt\":\"x\",\"suffix\":\"y\"}",
         SURFACE_OLLAMA_RAW, ASK_ANSWER, true},
        {SURFACE_OLLAMA_GENERATE, "{\"model\":\"m\",\"prompt\":\"x\",\"suffix\":\"\",\"raw\":null}",
         SURFACE_OLLAMA_GENERATE, ASK_ANSWER, true},
        {SURFACE_OLLAMA_GENERATE, "{\"model\":\"m\",\"prompt\":\"\",\"keep_alive\":\"0s\"}",
         SURFACE_OLLAMA_GENERATE, ASK_UNLOAD, true},
        {SURFACE_OLLAMA_GENERATE, "{\"model\":\"m\",\"keep_alive\":\"0\"}", SURFACE_OLLAMA_GENERATE,
         ASK_UNLOAD, true},
        {SURFACE_OLLAMA_GENERATE, "{\"model\":\"m\",\"keep_alive\":-1}", SURFACE_OLLAMA_GENERATE,
         ASK_LOAD, true},
        {SURFACE_OLLAMA_GENERATE, "{\"model\":\"m\",\"keep_alive\":\"10m\"}",
         SURFACE_OLLAMA_GENERATE, ASK_LOAD, true},
        {SURFACE_OLLAMA_EMBED, "{\"model\":\"m\",\"input\":[\"a\"],\"stream\":true}",
         SURFACE_OLLAMA_EMBED, ASK_ANSWER, false},
        {SURFACE_OLLAMA_EMBED, "{\"model\":\"m\",\"input\":\"\"}", SURFACE_OLLAMA_EMBED, ASK_LOAD,
         false},
        {SURFACE_OLLAMA_EMBEDDINGS, "{\"model\":\"m\",\"prompt\":\"x\"}", SURFACE_OLLAMA_EMBEDDINGS,
         ASK_ANSWER, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct ask ask;
        struct refusal why;
        arena_init(&arena, SIZE_MAX, 4096);
        if (peek(&arena, rows[i].from, rows[i].body, &ask, &why) || ask.surface != rows[i].to ||
            ask.purpose != rows[i].purpose || ask.stream != rows[i].stream || !ask.asks_usage ||
            !str_eq(ask.model, STR("m")))
            fail_msg("%s", rows[i].body);
        arena_fini(&arena);
    }
}

static void what_cannot_be_peeked_is_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"messages\":[]}", "model"},
        {"{\"model\":1}", "model"},
        {"{\"model\":\"m\",\"stream\":1}", "stream"},
        {"{\"model\":\"m\",\"prompt\":\"x\",\"raw\":\"yes\"}", "raw"},
        {"{\"model\":\"m\",\"Stream\":false}", "stream"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct ask ask;
        struct refusal why = {0};
        arena_init(&arena, SIZE_MAX, 4096);
        assert_int_equal(peek(&arena, SURFACE_OLLAMA_GENERATE, rows[i][0], &ask, &why),
                         ERR_INVALID);
        assert_int_equal(why.status, 400);
        assert_string_equal(why.param, rows[i][1]);
        arena_fini(&arena);
    }
}

static void names_have_a_tag_or_none(void **state)
{
    (void)state;
    assert_true(str_eq(ollama_name(STR("llama3:latest")), STR("llama3")));
    assert_true(str_eq(ollama_name(STR("llama3")), STR("llama3")));
    assert_true(str_eq(ollama_name(STR("qwen3:8b")), STR("qwen3:8b")));
    assert_true(str_eq(ollama_name(STR(":latest")), STR(":latest")));
}

static void purposes_are_answered(void **state)
{
    (void)state;
    static const struct {
        enum surface surface;
        enum ask_purpose purpose;
        const char *answer;
    } rows[] = {
        {SURFACE_OLLAMA_CHAT, ASK_LOAD,
         "{\"model\":\"m\",\"created_at\":\"2023-11-14T22:13:20.000000Z\",\"message\":{\"role\":"
         "\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"load\"}"},
        {SURFACE_OLLAMA_RAW, ASK_UNLOAD,
         "{\"model\":\"m\",\"created_at\":\"2023-11-14T22:13:20.000000Z\",\"response\":\"\","
         "\"done\":true,\"done_reason\":\"unload\"}"},
        {SURFACE_OLLAMA_EMBED, ASK_LOAD, "{\"model\":\"m\",\"embeddings\":[]}"},
        {SURFACE_OLLAMA_EMBEDDINGS, ASK_LOAD, "{\"embedding\":[]}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ask ask = {
            .surface = rows[i].surface, .purpose = rows[i].purpose, .model = STR("m")};
        struct buf out;
        struct json_writer w;
        buf_init(&out, 4096);
        json_write_init(&w, &out);
        ollama_write_purpose(&w, &ask, 1700000000000000);
        assert_int_equal(json_write_end(&w), 0);
        assert_true(str_eq(buf_str(&out), str_of(rows[i].answer)));
        buf_fini(&out);
    }
}

/* --- answers that pass --- */

static void lines_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *line, *piece, *error;
        bool content, last, usage;
    } rows[] = {
        {"{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}",
         "\"Hi\"", NULL, true, false, false},
        {"{\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"Hm\"}}", "\"Hm\"",
         NULL, true, false, false},
        {"{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":false}", NULL, NULL,
         false, false, false},
        {"{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"arguments\":{\"content\":"
         "\"x\"}}}]}}",
         NULL, NULL, true, false, false},
        {"{\"response\":\"Hi\",\"done\":false}", "\"Hi\"", NULL, true, false, false},
        {"{\"response\":\"\",\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":5,"
         "\"eval_count\":7}",
         NULL, NULL, true, true, true},
        {"{\"response\":\"\",\"done\":true,\"done_reason\":\"load\"}", NULL, NULL, true, true,
         false},
        {"{\"error\":\"out of memory\"}", NULL, "\"out of memory\"", false, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct event_facts f = {0};
        dialect_ollama.reader->read_event(str_of(rows[i].line), false, &f);
        struct str piece = f.piece.ptr ? json_skim_value(f.piece).raw : STR_NULL;
        if (f.content != rows[i].content || f.last != rows[i].last || f.ends != rows[i].last ||
            f.has_usage != rows[i].usage || f.error != (rows[i].error != NULL) ||
            !str_eq(piece, str_of(rows[i].piece)) ||
            !str_eq(f.error_message.raw, str_of(rows[i].error)))
            fail_msg("%s", rows[i].line);
        if (rows[i].usage) assert_true(f.usage.prompt == 5 && f.usage.completion == 7);
        assert_true(f.ended == (rows[i].last ? 1 : 0));
    }
}

static void errors_are_objects_or_lines(void **state)
{
    (void)state;
    struct refusal why = {.status = 500, .message = STR("no \"luck\"")};
    struct buf out;
    buf_init(&out, 4096);
    dialect_ollama.write_error(&out, &why);
    assert_true(str_eq(buf_str(&out), STR("{\"error\":\"no \\\"luck\\\"\"}")));
    buf_clear(&out);
    dialect_ollama.write_error_event(&out, &why, &(struct stream_mark){{0}, 0});
    assert_true(str_eq(buf_str(&out), STR("{\"error\":\"no \\\"luck\\\"\"}\n")));
    buf_fini(&out);
    assert_true(dialect_ollama.is_error(STR("{\"error\":\"x\"}")));
    assert_false(dialect_ollama.is_error(STR("{\"error\":{\"message\":\"x\"}}")));
    assert_false(dialect_ollama.is_error(STR("<html>")));
}

/* --- requests --- */

static const enum surface sent_for[] = {
    [SURFACE_OLLAMA_CHAT] = SURFACE_CHAT,
    [SURFACE_OLLAMA_GENERATE] = SURFACE_CHAT,
    [SURFACE_OLLAMA_RAW] = SURFACE_COMPLETIONS,
    [SURFACE_OLLAMA_EMBED] = SURFACE_EMBEDDINGS,
    [SURFACE_OLLAMA_EMBEDDINGS] = SURFACE_EMBEDDINGS,
};

static void check_asked(enum surface asked, bool stream, const char *body, const char *want)
{
    struct translate x;
    translate_begin(&x, asked, sent_for[asked], stream);
    x.t.ask_usage = true;
    struct str got = translate_ask(&x, body);
    if (!str_eq(got, str_of(want)))
        fail_msg("%s\nbecame\n%" STR_FMT "\nnot\n%s\n%" STR_FMT, body, STR_ARG(got), want,
                 STR_ARG(x.why.message));
    translate_end(&x);
}

static void chats_are_translated(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"System\",\"content\":\"Be\"},{\"role\":\"user\","
         "\"content\":\"Hi \\u00e4\"}],\"keep_alive\":\"5m\",\"truncate\":true,\"what\":1}",
         "{\"model\":\"served\",\"messages\":[{\"role\":\"system\",\"content\":\"Be\"},{\"role\":"
         "\"user\",\"content\":\"Hi \xc3\xa4\"}]}"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"see\",\"images\":[\"iVBORw0KGgoAAA==\","
         "\"/9j/4AA\",\"R0lGODlh\",\"UklGRiQAAABXRUJQVlA4\",\"data:image/png;base64,AA\"]}]}",
         "{\"model\":\"served\",\"messages\":[{\"role\":\"user\",\"content\":["
         "{\"type\":\"text\",\"text\":\"see\"},"
         "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0KGgoAAA==\"}},"
         "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/jpeg;base64,/9j/4AA\"}},"
         "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/gif;base64,R0lGODlh\"}},"
         "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/webp;base64,"
         "UklGRiQAAABXRUJQVlA4\"}},"
         "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA\"}}]}]}"},
        {"{\"messages\":[{\"role\":\"user\",\"images\":[\"/9j/\"]}],\"options\":null}",
         "{\"model\":\"served\",\"messages\":[{\"role\":\"user\",\"content\":["
         "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/jpeg;base64,/9j/\"}}]}]}"},
        {"{\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\"}],\"tools\":[]}",
         "{\"model\":\"served\",\"messages\":[{\"role\":\"assistant\",\"reasoning_content\":\"hm\","
         "\"content\":\"\"}]}"},
        {"{\"messages\":[],\"tools\":[{\"type\":\"function\",\"items\":1,\"function\":{\"name\":\"f\","
         "\"parameters\":{\"type\":\"object\"}}},{\"function\":{\"name\":\"g\"}}]}",
         "{\"model\":\"served\",\"messages\":[],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
         "\"f\",\"parameters\":{\"type\":\"object\"}}},{\"type\":\"function\",\"function\":{\"name\":\"g\"}}"
         "]}"},
        {"{\"messages\":[],\"format\":\"json\",\"think\":true}",
         "{\"model\":\"served\",\"messages\":[],\"response_format\":{\"type\":\"json_object\"},"
         "\"reasoning_effort\":\"medium\"}"},
        {"{\"messages\":[],\"format\":{\"type\":\"object\"},\"think\":false}",
         "{\"model\":\"served\",\"messages\":[],\"response_format\":{\"type\":\"json_schema\","
         "\"json_schema\":{\"name\":\"format\",\"schema\":{\"type\":\"object\"}}},"
         "\"reasoning_effort\":\"none\"}"},
        {"{\"messages\":[],\"format\":\"\",\"think\":\"high\",\"logprobs\":true,\"top_logprobs\":3}",
         "{\"model\":\"served\",\"messages\":[],\"reasoning_effort\":\"high\",\"logprobs\":true,"
         "\"top_logprobs\":3}"},
        {"{\"messages\":[],\"guided_regex\":\"a\",\"ebnf\":\"\",\"options\":{\"seed\":1}}",
         "{\"model\":\"served\",\"messages\":[],\"guided_regex\":\"a\",\"seed\":1}"},
        {"{\"messages\":[],\"top_logprobs\":3,\"think\":\"\"}",
         "{\"model\":\"served\",\"messages\":[]}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_asked(SURFACE_OLLAMA_CHAT, false, rows[i][0], rows[i][1]);
    check_asked(SURFACE_OLLAMA_CHAT, true, "{\"messages\":[]}",
                "{\"model\":\"served\",\"messages\":[],\"stream\":true,\"stream_options\":{"
                "\"include_usage\":true}}");
}

#define CALL(id, name, arguments)                                             \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
    "\",\"arguments\":\"" arguments "\"}}"
#define RESULT(id, text) "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" text "\"}"

static void results_find_their_calls(void **state)
{
    (void)state;
    static const char body[] =
        "{\"messages\":["
        "{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1.50}}},"
        "{\"function\":{\"name\":\"g\",\"index\":1}},{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
        "{\"role\":\"tool\",\"tool_name\":\"g\",\"content\":\"1\"},"
        "{\"role\":\"tool\",\"content\":\"2\"},"
        "{\"role\":\"tool\",\"tool_name\":\"what\",\"content\":\"3\"},"
        "{\"role\":\"tool\",\"tool_name\":\"f\",\"content\":\"4\"},"
        "{\"role\":\"assistant\",\"content\":\"and\",\"tool_calls\":[{\"id\":\"x\",\"function\":{\"name\":\"h\","
        "\"arguments\":{}}},{\"function\":{\"name\":\"i\",\"arguments\":null}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"y\",\"content\":\"5\"},"
        "{\"role\":\"tool\",\"tool_name\":\"i\",\"content\":\"6\"},"
        "{\"role\":\"tool\",\"content\":\"7\"}]}";
    check_asked(
        SURFACE_OLLAMA_CHAT, false, body,
        "{\"model\":\"served\",\"messages\":["
        "{\"role\":\"assistant\",\"tool_calls\":[" CALL("call00000", "f", "{\\\"a\\\":1.5}") "," CALL("call00001", "g", "{}") "," CALL("call00002", "f", "{}") "],\"content\":null}," RESULT(
            "call00001",
            "1") "," RESULT("call00000",
                            "2") "," RESULT("call00002",
                                            "3") "," RESULT("call00003",
                                                            "4") ","
                                                                 "{\"role\":\"assistant\",\"tool_calls\":[" CALL("x", "h", "{}") "," CALL("call00005", "i", "{}") "],\"content\":\"and\"}," RESULT(
                                                                     "y",
                                                                     "5") "," RESULT("call00005",
                                                                                     "6") "," RESULT("x",
                                                                                                     "7") "]}");
}

static void options_are_translated(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"\"num_predict\":7,\"temperature\":0.5,\"top_k\":40.0,\"top_p\":1,\"min_p\":0.1,\"seed\":3,"
         "\"stop\":[\"a\"],\"repeat_penalty\":1.1,\"presence_penalty\":1,\"frequency_penalty\":2",
         ",\"max_tokens\":7,\"temperature\":0.5,\"top_k\":40,\"top_p\":1,\"min_p\":0.1,\"seed\":3,"
         "\"stop\":[\"a\"],\"repetition_penalty\":1.1,\"presence_penalty\":1,\"frequency_penalty\":2"},
        {"\"num_predict\":-1,\"top_k\":0,\"seed\":-1,\"stop\":[],\"temperature\":null",
         ",\"top_k\":-1"},
        {"\"num_predict\":-2,\"stop\":\"x\",\"num_ctx\":8192,\"num_gpu\":\"?\",\"unknown\":{}",
         ",\"stop\":\"x\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[1000], want[1000];
        snprintf(body, sizeof body, "{\"messages\":[],\"options\":{%s}}", rows[i][0]);
        snprintf(want, sizeof want, "{\"model\":\"served\",\"messages\":[]%s}", rows[i][1]);
        check_asked(SURFACE_OLLAMA_CHAT, false, body, want);
    }
    struct translate x;
    translate_begin(&x, SURFACE_OLLAMA_CHAT, SURFACE_CHAT, false);
    assert_true(
        translate_ask(&x, "{\"messages\":[],\"options\":{\"mirostat\":1,\"typical_p\":0.5}}").ptr);
    assert_int_equal(x.t.dropped_count, 2);
    assert_string_equal(x.t.dropped[0], "options.typical_p");
    translate_end(&x);
}

static void prompts_are_translated(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"prompt\":\"Hi\",\"system\":\"Be\",\"context\":[],\"template\":\"\"}",
         "{\"model\":\"served\",\"messages\":[{\"role\":\"system\",\"content\":\"Be\"},{\"role\":\"user\","
         "\"content\":\"Hi\"}]}"},
        {"{\"prompt\":\"Hi\",\"images\":[\"/9j/\"],\"options\":{\"num_predict\":2}}",
         "{\"model\":\"served\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
         "\"Hi\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/jpeg;base64,/9j/\"}}]}],"
         "\"max_tokens\":2}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_asked(SURFACE_OLLAMA_GENERATE, false, rows[i][0], rows[i][1]);
    check_asked(SURFACE_OLLAMA_RAW, true,
                "{\"prompt\":\"a\",\"raw\":true,\"system\":\"\",\"options\":{\"stop\":[\"b\"]}}",
                "{\"model\":\"served\",\"prompt\":\"a\",\"stop\":[\"b\"],\"stream\":true,"
                "\"stream_options\":{\"include_usage\":true}}");
    check_asked(SURFACE_OLLAMA_RAW, false,
                "{\"prompt\":\"a\",\"suffix\":\"c\",\"system\":\"S\",\"think\":false}",
                "{\"model\":\"served\",\"prompt\":\"a\",\"suffix\":\"c\"}");
}

static void texts_to_embed_are_translated(void **state)
{
    (void)state;
    check_asked(
        SURFACE_OLLAMA_EMBED, false,
        "{\"input\":[\"a\",\"b\"],\"truncate\":true,\"dimensions\":8,\"options\":{\"x\":1}}",
        "{\"model\":\"served\",\"dimensions\":8,\"input\":[\"a\",\"b\"],\"encoding_format\":"
        "\"float\"}");
    check_asked(SURFACE_OLLAMA_EMBED, false, "{\"input\":\"a\"}",
                "{\"model\":\"served\",\"input\":\"a\",\"encoding_format\":\"float\"}");
    check_asked(SURFACE_OLLAMA_EMBEDDINGS, false, "{\"prompt\":\"a\"}",
                "{\"model\":\"served\",\"input\":\"a\",\"encoding_format\":\"float\"}");
}

static void what_cannot_be_said_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum surface asked;
        const char *body, *param;
    } rows[] = {
        {SURFACE_OLLAMA_CHAT, "{}", "messages"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[3]}", "messages[0].role"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[]}]}",
         "messages[0].content"},
        {SURFACE_OLLAMA_CHAT,
         "{\"messages\":[{\"role\":\"user\"},{\"role\":\"user\",\"images\":[\"/9j/\",\"?\"]}]}",
         "messages[1].images[1]"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[{\"role\":\"user\",\"images\":{}}]}",
         "messages[0].images"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[{\"role\":\"tool\",\"images\":[\"/9j/\"]}]}",
         "messages[0].images"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":{}}]}",
         "messages[0].tool_calls"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}",
         "messages[0].tool_calls[0].function.name"},
        {SURFACE_OLLAMA_CHAT,
         "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\","
         "\"arguments\":[]}}]}]}",
         "messages[0].tool_calls[0].function.arguments"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"tools\":{}}", "tools"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"tools\":[{}]}", "tools[0].function"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"format\":\"xml\"}", "format"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"format\":1}", "format"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"options\":{\"format\":\"json\"}}",
         "options.format"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"response_format\":{\"type\":\"json_object\"}}",
         "response_format"},
        {SURFACE_OLLAMA_GENERATE, "{\"prompt\":\"a\",\"options\":{\"format\":{}}}",
         "options.format"},
        {SURFACE_OLLAMA_RAW, "{\"prompt\":\"a\",\"raw\":true,\"text\":{\"format\":{}}}",
         "text.format"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"think\":\"much\"}", "think"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"think\":1}", "think"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"top_logprobs\":21}", "top_logprobs"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"options\":[]}", "options"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"options\":{\"seed\":\"1\"}}", "options.seed"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"options\":{\"top_k\":1.5}}", "options.top_k"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"options\":{\"stop\":[1]}}", "options.stop"},
        {SURFACE_OLLAMA_CHAT, "{\"messages\":[],\"options\":{\"temperature\":true}}",
         "options.temperature"},
        {SURFACE_OLLAMA_GENERATE, "{\"prompt\":1}", "prompt"},
        {SURFACE_OLLAMA_GENERATE, "{\"prompt\":\"a\",\"template\":\"{{ .Prompt }}\"}", "template"},
        {SURFACE_OLLAMA_GENERATE, "{\"prompt\":\"a\",\"context\":[1]}", "context"},
        {SURFACE_OLLAMA_RAW, "{\"prompt\":\"a\",\"raw\":true,\"system\":\"S\"}", "system"},
        {SURFACE_OLLAMA_RAW, "{\"prompt\":\"a\",\"raw\":true,\"images\":[\"/9j/\"]}", "images"},
        {SURFACE_OLLAMA_RAW, "{\"prompt\":\"a\",\"raw\":true,\"logprobs\":true}", "logprobs"},
        {SURFACE_OLLAMA_EMBED, "{\"input\":[1]}", "input"},
        {SURFACE_OLLAMA_EMBED, "{\"input\":\"a\",\"dimensions\":\"8\"}", "dimensions"},
        {SURFACE_OLLAMA_EMBEDDINGS, "{\"prompt\":[\"a\"]}", "prompt"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        translate_begin(&x, rows[i].asked, sent_for[rows[i].asked], false);
        if (translate_ask(&x, rows[i].body).ptr || x.why.status != 400 || !x.why.param ||
            strcmp(x.why.param, rows[i].param) != 0)
            fail_msg("%s: %s", rows[i].body, x.why.param);
        translate_end(&x);
    }
}

/* --- answers --- */

#define HEAD "{\"model\":\"asked\",\"created_at\":\"2023-11-14T22:13:20.000000Z\","
#define SAYS(rest) HEAD "\"message\":{\"role\":\"assistant\",\"content\":" rest "\"done\":false}\n"

static const struct usage usage = {.prompt = 5, .completion = 3, .known = true};

/* Checks an answer's last object: that it says so much more, and the counts, and times. */
static void check_last(struct translate *x, struct str last, const char *reason)
{
    const struct json *doc;
    assert_int_equal(json_parse(&x->arena, last, &doc, NULL), 0);
    assert_true(str_eq(json_str_or(doc, "model", STR("")), STR("asked")));
    assert_true(json_bool_or(doc, "done", false));
    assert_true(str_eq(json_str_or(doc, "done_reason", STR("")), str_of(reason)));
    assert_int_equal(json_i64_or(doc, "prompt_eval_count", 0), 5);
    assert_int_equal(json_i64_or(doc, "eval_count", 0), 3);
    assert_int_equal(json_i64_or(doc, "load_duration", -1), 0);
    int64_t total = json_i64_or(doc, "total_duration", 0);
    assert_true(total > 0 && json_i64_or(doc, "prompt_eval_duration", 0) >= 1000);
    assert_true(json_i64_or(doc, "eval_duration", 0) >= 1000);
}

/* Ends a stream and checks it: its lines but the last, and that. */
static void check_lines(struct translate *x, const char *lines, const char *reason)
{
    assert_int_equal(translator_end(&x->translator, &usage), 0);
    struct str got = str_of(translate_got(x));
    if (!str_starts(got, str_of(lines))) fail_msg("%" STR_FMT "\nnot\n%s", STR_ARG(got), lines);
    struct str last = str_skip(got, strlen(lines));
    assert_int_equal(str_find_char(last, '\n'), last.len - 1);
    check_last(x, last, reason);
    translate_end(x);
}

static void begin_answer(struct translate *x, enum surface asked, bool stream)
{
    translate_begin(x, asked, sent_for[asked], stream);
    translate_answer(x);
}

static void delta(struct translate *x, const char *delta)
{
    char text[2000];
    snprintf(text, sizeof text, "{\"choices\":[{\"index\":0,\"delta\":%s}]}", delta);
    translate_event(x, "", text);
}

static void finish(struct translate *x, const char *reason)
{
    char text[200];
    snprintf(text, sizeof text, "{\"choices\":[{\"delta\":{},\"finish_reason\":\"%s\"}]}", reason);
    translate_event(x, "", text);
}

static void texts_are_streamed(void **state)
{
    (void)state;
    struct translate x;
    begin_answer(&x, SURFACE_OLLAMA_CHAT, true);
    delta(&x, "{\"role\":\"assistant\",\"content\":\"\"}");
    delta(&x, "{\"reasoning_content\":\"Hm\"}");
    delta(&x, "{\"content\":\"Say \\\"\\u00e4\\\"\\n\"}");
    translate_event(&x, "",
                    "{\"choices\":[{\"delta\":{\"content\":\".\"},\"logprobs\":{\"content\":[ "
                    "{\"token\":\".\",\n\"logprob\":-1}]}}]}");
    finish(&x, "length");
    check_lines(&x,
                SAYS("\"\",\"thinking\":\"Hm\"},") SAYS("\"Say \\\"\\u00e4\\\"\\n\"},")
                    SAYS("\".\"},\"logprobs\":[ {\"token\":\".\", \"logprob\":-1}],"),
                "length");
}

static void prompts_are_streamed(void **state)
{
    (void)state;
    struct translate x;
    begin_answer(&x, SURFACE_OLLAMA_GENERATE, true);
    delta(&x, "{\"reasoning\":\"Hm\"}");
    delta(&x, "{\"content\":\"Hi\"}");
    check_lines(&x,
                HEAD "\"response\":\"\",\"thinking\":\"Hm\",\"done\":false}\n" HEAD
                     "\"response\":\"Hi\",\"done\":false}\n",
                "stop");
    begin_answer(&x, SURFACE_OLLAMA_RAW, true);
    translate_event(&x, "", "{\"choices\":[{\"text\":\"Hi\",\"finish_reason\":\"stop\"}]}");
    check_lines(&x, HEAD "\"response\":\"Hi\",\"done\":false}\n", "stop");
}

/* A call in a stream of OpenAI's. */
#define FRAME(index, rest) "{\"tool_calls\":[{\"index\":" index "," rest "}]}"
#define BEGINS(index, name) \
    FRAME(index, "\"id\":\"c" index "\",\"function\":{\"name\":\"" name "\",\"arguments\":\"\"}")
#define ADDS(index, text) FRAME(index, "\"function\":{\"arguments\":\"" text "\"}")
#define CALLED(id, index, name, arguments)                                  \
    "{\"id\":\"" id "\",\"function\":{\"index\":" index ",\"name\":\"" name \
    "\",\"arguments\":" arguments "}}"

static void calls_are_streamed_when_they_are_complete(void **state)
{
    (void)state;
    struct translate x;
    begin_answer(&x, SURFACE_OLLAMA_CHAT, true);
    delta(&x, BEGINS("0", "f"));
    delta(&x, ADDS("0", "{\\\"a\\\":\\n"));
    delta(&x, ADDS("0", "\\\"\\\\n\\\"}"));
    assert_string_equal(translate_got(&x), "");
    delta(&x, BEGINS("1", "g"));
    assert_string_equal(translate_got(&x), SAYS("\"\",\"tool_calls\":[" CALLED(
                                               "c0", "0", "f", "{\"a\": \"\\n\"}") "]},"));
    delta(&x, BEGINS("2", "h")); /* the one before is not complete */
    delta(&x, ADDS("2", "{\\\"b\\\":2"));
    delta(&x, ADDS("1", "{}"));
    delta(&x, FRAME("3", "\"function\":{\"name\":\"i\"}"));
    finish(&x, "tool_calls");
    check_lines(&x,
                SAYS("\"\",\"tool_calls\":[" CALLED("c0", "0", "f", "{\"a\": \"\\n\"}") "]},")
                    SAYS("\"\",\"tool_calls\":[" CALLED("c1", "1", "g", "{}") "]},")
                        SAYS("\"\",\"tool_calls\":[" CALLED(
                            "c2", "2", "h",
                            "{\"_raw\":\"{\\\"b\\\":2\"}") "," CALLED("call_0123456789abcdef_3",
                                                                      "3", "i", "{}") "]},"),
                "stop");
}

static void whole_chats_are_written(void **state)
{
    (void)state;
    struct translate x;
    begin_answer(&x, SURFACE_OLLAMA_CHAT, false);
    assert_int_equal(
        translator_whole(
            &x.translator,
            STR("{\"choices\":[{\"message\":{\"content\":\"Hi\",\"reasoning_content\":\"Hm\","
                "\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":"
                "\"{\\\"a\\\":1}\"}},{\"id\":\"d\",\"function\":{\"name\":\"g\","
                "\"arguments\":\"[]\"}}]},\"logprobs\":{\"content\":[1]},"
                "\"finish_reason\":\"tool_calls\"}]}")),
        0);
    assert_string_equal(translate_got(&x), "");
    assert_int_equal(translator_end(&x.translator, &usage), 0);
    const char *got = translate_got(&x);
    assert_non_null(
        strstr(got, "\"message\":{\"role\":\"assistant\",\"content\":\"Hi\",\"thinking\":\"Hm\","
                    "\"tool_calls\":[" CALLED("c", "0", "f", "{\"a\":1}") "," CALLED(
                        "d", "1", "g", "{\"_raw\":\"[]\"}") "]},\"logprobs\":[1],\"done\":true,"));
    check_last(&x, str_of(got), "stop");
    translate_end(&x);
}

static void streams_break_with_a_line(void **state)
{
    (void)state;
    struct translate x;
    begin_answer(&x, SURFACE_OLLAMA_CHAT, true);
    delta(&x, "{\"content\":\"Hi\"}");
    const struct refusal why = {.status = 502, .message = STR("broken")};
    assert_int_equal(translator_fail(&x.translator, &why), 0);
    assert_string_equal(translate_got(&x), SAYS("\"Hi\"},") "{\"error\":\"broken\"}\n");
    translate_end(&x);
}

static const char *vectors_of(struct translate *x, enum surface asked, const char *body)
{
    begin_answer(x, asked, false);
    assert_int_equal(translator_whole(&x->translator, str_of(body)), 0);
    assert_int_equal(translator_end(&x->translator, &usage), 0);
    return translate_got(x);
}

static void vectors_are_translated(void **state)
{
    (void)state;
    struct translate x;
    const char *got = vectors_of(
        &x, SURFACE_OLLAMA_EMBED,
        "{\"data\":[{\"index\":1,\"embedding\":[2, 3]},{\"index\":0,\"embedding\":[0.5,-1e-3]}]}");
    assert_true(
        str_starts(str_of(got), STR("{\"model\":\"asked\",\"embeddings\":[[0.5,-1e-3],[2, 3]],"
                                    "\"total_duration\":")));
    assert_non_null(strstr(got, ",\"load_duration\":0,\"prompt_eval_count\":5}"));
    translate_end(&x);
    got = vectors_of(&x, SURFACE_OLLAMA_EMBEDDINGS,
                     "{\"data\":[{\"embedding\":[1]},{\"embedding\":[2]}]}");
    assert_string_equal(got, "{\"embedding\":[1]}");
    translate_end(&x);
    /* 1, -0.5, infinity */
    got = vectors_of(&x, SURFACE_OLLAMA_EMBEDDINGS,
                     "{\"data\":[{\"embedding\":\"AACAPwAAAL8AAIB\\/\"}]}");
    assert_string_equal(got, "{\"embedding\":[1,-0.5,null]}");
    translate_end(&x);
    got = vectors_of(&x, SURFACE_OLLAMA_EMBEDDINGS, "{\"data\":[{\"embedding\":\"zczMPQ==\"}]}");
    assert_string_equal(got, "{\"embedding\":[0.100000001]}");
    translate_end(&x);
    got = vectors_of(&x, SURFACE_OLLAMA_EMBEDDINGS, "{\"data\":[]}");
    assert_string_equal(got, "{\"embedding\":[]}");
    translate_end(&x);
}

static void what_is_no_list_of_vectors_is_found_out(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "[]",
        "{}",
        "{\"data\":{}}",
        "{\"data\":[1]}",
        "{\"data\":[{\"index\":0}]}",
        "{\"data\":[{\"index\":1,\"embedding\":[]}]}",
        "{\"data\":[{\"index\":-1,\"embedding\":[]}]}",
        "{\"data\":[{\"index\":0,\"embedding\":[]},{\"index\":0,\"embedding\":[]}]}",
        "{\"data\":[{\"embedding\":1}]}",
        "{\"data\":[{\"embedding\":\"AAAA\"}]}",
        "{\"data\":[{\"embedding\":\"AA!APw==\"}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct translate x;
        begin_answer(&x, SURFACE_OLLAMA_EMBED, false);
        if (translator_whole(&x.translator, str_of(rows[i])) != ERR_INVALID)
            fail_msg("%s", rows[i]);
        translate_end(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_peeked),
        cmocka_unit_test(what_cannot_be_peeked_is_refused),
        cmocka_unit_test(names_have_a_tag_or_none),
        cmocka_unit_test(purposes_are_answered),
        cmocka_unit_test(lines_are_read),
        cmocka_unit_test(errors_are_objects_or_lines),
        cmocka_unit_test(chats_are_translated),
        cmocka_unit_test(results_find_their_calls),
        cmocka_unit_test(options_are_translated),
        cmocka_unit_test(prompts_are_translated),
        cmocka_unit_test(texts_to_embed_are_translated),
        cmocka_unit_test(what_cannot_be_said_is_refused),
        cmocka_unit_test(texts_are_streamed),
        cmocka_unit_test(prompts_are_streamed),
        cmocka_unit_test(calls_are_streamed_when_they_are_complete),
        cmocka_unit_test(whole_chats_are_written),
        cmocka_unit_test(streams_break_with_a_line),
        cmocka_unit_test(vectors_are_translated),
        cmocka_unit_test(what_is_no_list_of_vectors_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
