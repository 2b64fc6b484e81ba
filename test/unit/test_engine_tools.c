/* SPDX-License-Identifier: Apache-2.0 */
/* Requests with tools and their answers: what is refused, what the template gets, and the calls that
 * a scripted model writes, whole and streamed. */
#include "engine_world.h"

#include <stdio.h>
#include <string.h>

#include "json/json.h"

enum { CONTEXT = 4096 };

#define FUNCTION(name, rest) "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"" rest "}}"
#define SCHEMA ",\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}"
#define TOOLS "\"tools\":[" FUNCTION("f", SCHEMA) "," FUNCTION("g", "") "]"

/* --- answers, as a line --- */

struct told {
    char text[2048]; /* contents, "[NAME]" and arguments, and "|FINISH" */
    char ids[4][32];
    unsigned calls;
};

static void tell(struct told *t, const char *form, struct str text)
{
    size_t len = strlen(t->text);
    assert_true(len + text.len + 4 < sizeof t->text);
    (void)snprintf(t->text + len, sizeof t->text - len, form, STR_ARG(text));
}

static void tell_call(struct told *t, const struct json *call, bool streamed)
{
    const struct json *function = json_get(call, "function");
    struct str id = json_str_or(call, "id", STR(""));
    if (id.len) {
        assert_true(t->calls < ARRAY_LEN(t->ids) && id.len < sizeof t->ids[0]);
        assert_true(str_eq(json_str_or(call, "type", STR("")), STR("function")));
        (void)snprintf(t->ids[t->calls++], sizeof t->ids[0], "%.*s", STR_ARG(id));
        tell(t, "[%.*s]", json_str_or(function, "name", STR("")));
    } else {
        assert_null(json_get(function, "name"));
    }
    if (streamed) assert_int_equal(json_i64_or(call, "index", -1), (int64_t)t->calls - 1);
    tell(t, "%.*s", json_str_or(function, "arguments", STR("")));
}

/* A message, or a delta, and what comes beside it. */
static void tell_choice(struct told *t, const struct json *choice, const char *name)
{
    const struct json *message = json_get(choice, name), *call;
    struct json_iter it = {0};
    tell(t, "%.*s", json_str_or(message, "content", STR("")));
    while (json_next_item(json_get(message, "tool_calls"), &it, &call))
        tell_call(t, call, !strcmp(name, "delta"));
    struct str finish = json_str_or(choice, "finish_reason", STR(""));
    if (finish.len) tell(t, "|%.*s", finish);
}

static const struct json *parsed(struct arena *arena, struct str text)
{
    const struct json *v;
    assert_int_equal(json_parse(arena, text, &v, NULL), 0);
    return v;
}

static struct str body_of(const struct sim_peer *p)
{
    struct str got = sim_got(p);
    ptrdiff_t at = str_find(got, STR("\r\n\r\n"));
    assert_true(at > 0);
    return str_skip(got, (size_t)at + 4);
}

static void tell_stream(struct told *t, struct arena *arena, struct str frames)
{
    struct str data = STR("data: {");
    for (ptrdiff_t at; (at = str_find(frames, data)) >= 0;) {
        frames = str_skip(frames, (size_t)at + data.len - 1);
        ptrdiff_t end = str_find(frames, STR("\n\n"));
        assert_true(end > 0);
        const struct json *frame = parsed(arena, str_sub(frames, 0, (size_t)end));
        tell_choice(t, json_at(json_get(frame, "choices"), 0), "delta");
    }
}

/* Asks for a chat; `fields` besides its messages. */
static struct told ask(struct world *w, const char *fields, bool stream)
{
    char body[4096];
    struct told t = {.text = ""};
    struct arena arena;
    (void)snprintf(body, sizeof body, "{\"stream\":%s,%s," HELLO "}", stream ? "true" : "false",
                   fields);
    struct sim_peer *p = request(w, "POST", CHAT, body);
    arena_init(&arena, 4 << 20, 4096);
    assert_int_equal(answered(w, p, stream ? "[DONE]" : "\"choices\""), 200);
    if (stream)
        tell_stream(&t, &arena, sim_got(p));
    else
        tell_choice(&t, json_at(json_get(parsed(&arena, body_of(p)), "choices"), 0), "message");
    arena_fini(&arena);
    return t;
}

/* --- families --- */

#define OPEN "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
#define CLOSE "{{ '<|im_end|>\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}"
#define TURNS(call)                                                                \
    OPEN "{{ m.content }}{% for c in m.tool_calls %}{% set f = c.function %}" call \
         "{% endfor %}" CLOSE
#define PLAIN OPEN "{{ m.content }}" CLOSE

static const struct {
    const char *template, *answer, *told;
} families[] = {
    {TURNS(
         "<tool_call>\n{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson }}}\n</tool_call>"),
     "Well.\\n<tool_call>\\n{\"name\": \"f\", \"arguments\": {\"a\": \"x\"}}\\n</tool_call>\\n"
     "<tool_call>\\n{\"name\": \"g\", \"arguments\": {}}\\n</tool_call>",
     "Well.[f]{\"a\": \"x\"}[g]{}|tool_calls"},
    {TURNS("[TOOL_CALLS][{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson }}}]"),
     "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": \"x\"}}, {\"name\": \"g\", \"arguments\": {}}]",
     "[f]{\"a\": \"x\"}[g]{}|tool_calls"},
    {TURNS("<tool_call>\n<function={{ f.name }}>\n{% for k in f.arguments %}<parameter={{ k }}>\n"
           "{{ f.arguments[k] }}\n</parameter>\n{% endfor %}</function>\n</tool_call>"),
     "<tool_call>\\n<function=f>\\n<parameter=a>\\n1 \"x\"\\n</parameter>\\n</function>\\n</tool_call>",
     "[f]{\"a\": \"1 \\\"x\\\"\"}|tool_calls"},
    {OPEN
     "{% if m.tool_calls %}{% set f = m.tool_calls[0].function %}"
     "{\"name\": \"{{ f.name }}\", \"parameters\": {{ f.arguments | tojson }}}{% else %}{{ m.content }}{% endif %}" CLOSE,
     "{\"name\": \"f\", \"parameters\": {\"a\": \"x\"}}", "[f]{\"a\": \"x\"}|tool_calls"},
    {TURNS("<|channel|>commentary to=functions.{{ f.name }} <|constrain|>json<|message|>"
           "{{ f.arguments | tojson }}<|call|>"),
     "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": 1}<|call|>",
     "[f]{\"a\": 1}|tool_calls"},
    {PLAIN "{# <start_of_turn> #}", "```json\\n{\"name\": \"g\", \"parameters\": {}}\\n```",
     "[g]{}|tool_calls"},
    /* The generic way. */
    {PLAIN, "Ok <tool_call>{\"name\": \"g\"}</tool_call>", "Ok[g]{}|tool_calls"},
    {PLAIN, "Use <tool_call>{\"name\": \"h\", \"arguments\": {}}</tool_call> for it.",
     "Use <tool_call>{\"name\": \"h\", \"arguments\": {}}</tool_call> for it.|stop"},
};

static void calls_are_told_from_an_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        char script[1024];
        (void)snprintf(script, sizeof script, "fake:mode script;text %s", families[i].answer);
        struct world *w = world_with(script, families[i].template, 2, CONTEXT);
        assert_string_equal(ask(w, TOOLS, false).text, families[i].told);
        assert_string_equal(ask(w, TOOLS, true).text, families[i].told);
        world_free(w);
    }
}

/* Nobody else's, and short where the family wants it. */
static void ids_have_the_familys_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char script[1024];
        size_t wanted = i == 1 ? 9 : strlen("call_") + 24;
        (void)snprintf(script, sizeof script, "fake:mode script;text %s", families[i].answer);
        struct world *w = world_with(script, families[i].template, 2, CONTEXT);
        for (unsigned stream = 0; stream < 2; stream++) {
            struct told t = ask(w, TOOLS, stream);
            assert_int_equal(t.calls, 2);
            assert_int_equal(strlen(t.ids[0]), wanted);
            assert_int_equal(strlen(t.ids[1]), wanted);
            assert_string_not_equal(t.ids[0], t.ids[1]);
        }
        world_free(w);
    }
}

static void an_answer_ends_as_it_should(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *told;
    } rows[] = {
        {TOOLS, "[f]{\"a\":1}[g]{\"b\":2}|tool_calls"},
        {TOOLS ",\"parallel_tool_calls\":false", "[f]{\"a\":1}|tool_calls"},
        {TOOLS ",\"max_tokens\":38", "[f]{\"a|length"},
        {TOOLS ",\"stop\":\"1\"", "[f]{\"a\":|tool_calls"},
        {TOOLS ",\"tool_choice\":\"none\"",
         "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>"
         "<tool_call>{\"name\":\"g\",\"arguments\":{\"b\":2}}</tool_call>|stop"},
        {TOOLS ",\"tool_choice\":{\"type\":\"auto\"}", "[f]{\"a\":1}[g]{\"b\":2}|tool_calls"},
        {"\"tools\":[]", "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>"
                         "<tool_call>{\"name\":\"g\",\"arguments\":{\"b\":2}}</tool_call>|stop"},
        /* Others are not allowed, so they are not called. */
        {TOOLS
         ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":["
         "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]}}",
         "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>[g]{\"b\":2}|tool_calls"},
    };
    struct world *w = world_with(
        "fake:mode script;text <tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>"
        "<tool_call>{\"name\":\"g\",\"arguments\":{\"b\":2}}</tool_call>",
        NULL, 2, CONTEXT);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_string_equal(ask(w, rows[i].fields, false).text, rows[i].told);
        assert_string_equal(ask(w, rows[i].fields, true).text, rows[i].told);
    }
    world_free(w);
}

/* Each token's probabilities come once, and the call's id with its name. */
static void frames_of_calls(void **state)
{
    (void)state;
    struct world *w = world_with(
        "fake:mode script;text <tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>",
        NULL, 2, CONTEXT);
    struct sim_peer *p =
        request(w, "POST", CHAT, "{\"stream\":true,\"logprobs\":true," TOOLS "," HELLO "}");
    assert_int_equal(answered(w, p, "[DONE]"), 200);
    assert_int_equal(
        occurrences(p, "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}"),
        1);
    assert_int_equal(
        occurrences(p, "\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"),
        strlen("{\"a\":1}"));
    assert_int_equal(occurrences(p, "\"logprob\":"),
                     strlen("<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>"));
    p = request(w, "POST", CHAT, "{" TOOLS "," HELLO "}");
    assert_int_equal(answered(w, p,
                              "\"message\":{\"role\":\"assistant\",\"content\":null,"
                              "\"refusal\":null,\"tool_calls\":[{\"id\":\"call_"),
                     200);
    world_free(w);
}

static void thoughts_come_before_calls(void **state)
{
    (void)state;
    struct world *w =
        world_with("fake:template thinks;mode script;text <think>\\nIt <tool_call> is.\\n"
                   "</think>\\n\\n<tool_call>{\"name\":\"g\"}</tool_call>",
                   NULL, 2, CONTEXT);
    struct sim_peer *p = request(w, "POST", CHAT, "{" TOOLS "," HELLO "}");
    assert_int_equal(
        answered(w, p, "\"reasoning_content\":\"It <tool_call> is.\",\"content\":null"), 200);
    assert_true(sim_has(p, "\"name\":\"g\",\"arguments\":\"{}\""));
    assert_string_equal(ask(w, TOOLS, true).text, "[g]{}|tool_calls");
    world_free(w);
}

/* Where both are channels. */
static void thoughts_and_calls_of_gpt_oss(void **state)
{
    (void)state;
    static const char template[] =
        TURNS("<|channel|>commentary to=functions.{{ f.name }} <|constrain|>json<|message|>"
              "{{ f.arguments | tojson }}<|call|>") "{# <|channel|>analysis<|message|> #}";
    static const char *const answers[] = {
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.f "
        "<|constrain|>json<|message|>{\"a\":1}<|call|>",
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>I look."
        "<|end|><|start|>assistant<|channel|>commentary to=functions.f<|message|>{\"a\":1}",
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>No.",
    };
    static const char *const told[] = {"[f]{\"a\":1}|tool_calls", "I look.[f]{\"a\":1}|tool_calls",
                                       "No.|stop"};
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        char script[1024];
        (void)snprintf(script, sizeof script, "fake:mode script;text %s", answers[i]);
        struct world *w = world_with(script, template, 2, CONTEXT);
        struct sim_peer *p = request(w, "POST", CHAT, "{" TOOLS "," HELLO "}");
        assert_int_equal(answered(w, p, "\"reasoning_content\":\"Hm.\""), 200);
        assert_string_equal(ask(w, TOOLS, true).text, told[i]);
        world_free(w);
    }
}

/* --- what must be called --- */

#define CLOSED(strict)                                                                    \
    ",\"strict\":" strict                                                                 \
    ",\"parameters\":{\"type\":\"object\",\"properties\":{\"unit\":{\"type\":\"string\"," \
    "\"enum\":[\"C\",\"F\"]}},\"required\":[\"unit\"],\"additionalProperties\":false}"
#define CHOICES(strict) \
    "\"tools\":[" FUNCTION("f", CLOSED(strict)) "," FUNCTION("g", CLOSED(strict)) "]"
#define NAMED(name) ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"

/* The calls without the white space that a model may put between their parts. */
static const char *squeezed(struct told *t)
{
    char *out = t->text;
    for (const char *c = t->text; *c; c++)
        if (!strchr(" \n\t", *c)) *out++ = *c;
    *out = 0;
    return t->text;
}

static bool is_one_of(const char *text, const char *const *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(text, all[i])) return true;
    return false;
}

/* A model that writes anything calls what it must, as its family does. */
static void what_must_be_called_is(void **state)
{
    (void)state;
    static const char *const f[] = {"[f]{\"unit\":\"C\"}|tool_calls",
                                    "[f]{\"unit\":\"F\"}|tool_calls"};
    static const char *const any[] = {
        "[f]{\"unit\":\"C\"}|tool_calls", "[f]{\"unit\":\"F\"}|tool_calls",
        "[g]{\"unit\":\"C\"}|tool_calls", "[g]{\"unit\":\"F\"}|tool_calls"};
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        struct world *w = world_with("fake:mode random", families[i].template, 2, CONTEXT);
        for (unsigned seed = 0; seed < 6; seed++) {
            char fields[1024];
            (void)snprintf(fields, sizeof fields, CHOICES("false") NAMED("f") ",\"seed\":%u", seed);
            struct told t = ask(w, fields, seed % 2);
            if (!is_one_of(squeezed(&t), f, 2)) fail_msg("%zu, %u: %s", i, seed, t.text);
            (void)snprintf(
                fields, sizeof fields,
                CHOICES("false") ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false,"
                                 "\"seed\":%u",
                seed);
            t = ask(w, fields, seed % 2);
            if (!is_one_of(squeezed(&t), any, 4)) fail_msg("%zu, %u: %s", i, seed, t.text);
        }
        world_free(w);
    }
}

static void thoughts_may_come_before_what_must_be_called(void **state)
{
    (void)state;
    struct world *w = world_with("fake:mode random;template thinks", NULL, 2, CONTEXT);
    for (unsigned seed = 0; seed < 6; seed++) {
        char fields[1024];
        (void)snprintf(fields, sizeof fields,
                       CHOICES("false") NAMED("f") ",\"seed\":%u,\"thinking_budget\":9,"
                                                   "\"enable_thinking\":%s",
                       seed, seed % 2 ? "true" : "false");
        struct told t = ask(w, fields, false);
        if (!str_starts(str_of(squeezed(&t)), STR("[f]{\"unit\":")))
            fail_msg("%u: %s", seed, t.text);
    }
    world_free(w);
}

/* Of what it wants to say, a model says what it may. */
static void calls_of_strict_tools_are_valid(void **state)
{
    (void)state;
    struct world *w =
        world_with("fake:mode script;text Well.<tool_call>{\"name\": \"f\", \"arguments\": "
                   "{\"unit\": \"K\"}}</tool_call>",
                   NULL, 2, CONTEXT);
    struct told t = ask(w, CHOICES("false"), false);
    assert_string_equal(t.text, "Well.[f]{\"unit\": \"K\"}|tool_calls");
    t = ask(w, CHOICES("true") ",\"parallel_tool_calls\":false", false);
    static const char *const either[] = {"Well.[f]{\"unit\":\"C\"}|tool_calls",
                                         "Well.[f]{\"unit\":\"F\"}|tool_calls"};
    if (!is_one_of(squeezed(&t), either, 2)) fail_msg("%s", t.text);
    world_free(w);
}

/* With a shape for what calls nothing an answer is that or a call. */
static void an_answer_with_a_shape_may_be_a_call(void **state)
{
    (void)state;
    static const char shape[] = CHOICES(
        "false") ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
                 "\"schema\":{\"const\":{\"x\":1}}}}";
    struct world *w = world_with("fake:mode script;text {\"x\":1}", NULL, 2, CONTEXT);
    assert_string_equal(ask(w, shape, false).text, "{\"x\":1}|stop");
    world_free(w);
    w = world_with(
        "fake:mode script;text <tool_call>{\"name\":\"g\",\"arguments\":{\"unit\":\"F\"}}</tool_call>",
        NULL, 2, CONTEXT);
    assert_string_equal(ask(w, shape, false).text, "[g]{\"unit\":\"F\"}|tool_calls");
    world_free(w);
}

/* ... and what has the shape is no call, whatever it looks like. */
static void what_has_the_shape_is_no_call(void **state)
{
    static const struct {
        const char *template, *schema, *text;
    } rows[] = {
        {OPEN "{% if m.tool_calls %}{% set f = m.tool_calls[0].function %}"
              "{\"name\": \"{{ f.name }}\", \"parameters\": {{ f.arguments | tojson }}}{% else %}"
              "{{ m.content }}{% endif %}" CLOSE,
         "{\"type\":\"object\"}", "{\"name\":\"f\",\"parameters\":{\"unit\":\"K\"}}"},
        {TURNS(
             "<tool_call>\n<function={{ f.name }}>\n{% for k in f.arguments %}<parameter={{ k }}>\n"
             "{{ f.arguments[k] }}\n</parameter>\n{% endfor %}</function>\n</tool_call>"),
         "{\"type\":\"object\"}",
         "{\"x\":\"<tool_call><function=f></function></tool_call>\",\"y\":1}"},
        {PLAIN, "{\"type\":\"object\"}", "{\"x\":\"<tool_call>\"}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char script[512], fields[1024], told[512];
        (void)snprintf(script, sizeof script, "fake:mode script;text %s", rows[i].text);
        (void)snprintf(fields, sizeof fields, CHOICES("true") ",\"json_schema\":%s",
                       rows[i].schema);
        (void)snprintf(told, sizeof told, "%s|stop", rows[i].text);
        struct world *w = world_with(script, rows[i].template, 2, CONTEXT);
        assert_string_equal(ask(w, fields, false).text, told);
        assert_string_equal(ask(w, fields, true).text, told);
        world_free(w);
    }
}

/* --- requests --- */

/* A sentence with one full stop. */
static void why_a_tool_cannot_be_had_is_said(void **state)
{
    (void)state;
    struct world *w = world_with("fake:mode echo", NULL, 2, CONTEXT);
    struct sim_peer *p =
        request(w, "POST", CHAT,
                "{\"tools\":[" FUNCTION("f", ",\"strict\":true,\"parameters\":{"
                                             "\"$dynamicRef\":\"#a\"}") "]," HELLO "}");
    assert_int_equal(
        answered(w, p, "'tools[0].function.parameters' at #: $dynamicRef: it is not supported.\""),
        400);
    world_free(w);
}

static void what_is_wrong_with_tools_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *param, *says;
    } rows[] = {
        {"\"tools\":{}", "tools"},
        {"\"tools\":[1]", "tools[0]"},
        {"\"tools\":[{\"type\":\"web_search\"}]", "tools[0].type"},
        {"\"tools\":[{\"type\":\"function\"}]", "tools[0].function"},
        {"\"tools\":[{\"type\":\"function\",\"function\":{}}]", "tools[0].function.name",
         "'tools[0].function.name' is missing.\""},
        {"\"tools\":[" FUNCTION("a b", "") "]", "tools[0].function.name"},
        {"\"tools\":[" FUNCTION("f", "") "," FUNCTION("f", "") "]", "tools[1].function.name"},
        {"\"tools\":[" FUNCTION("f", ",\"parameters\":[]") "]", "tools[0].function.parameters"},
        {"\"tools\":[" FUNCTION("f", ",\"description\":1") "]", "tools[0].function.description"},
        {"\"tools\":[" FUNCTION("f", ",\"strict\":1") "]", "tools[0].function.strict"},
        {"\"tool_choice\":\"required\"", "tool_choice"},
        {TOOLS ",\"tool_choice\":\"perhaps\"", "tool_choice"},
        {TOOLS ",\"tool_choice\":1", "tool_choice"},
        {TOOLS ",\"tool_choice\":{\"type\":\"custom\"}", "tool_choice"},
        {TOOLS ",\"tool_choice\":{\"type\":\"function\"}", "tool_choice.function.name",
         "'tool_choice.function.name' is missing.\""},
        {TOOLS ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"h\"}}",
         "tool_choice.function.name"},
        {TOOLS ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"tools\":[]}}",
         "tool_choice.allowed_tools.tools"},
        {TOOLS ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"tools\":["
               "{\"type\":\"function\",\"function\":{\"name\":\"h\"}}]}}",
         "tool_choice.allowed_tools.tools"},
        {TOOLS ",\"parallel_tool_calls\":\"no\"", "parallel_tool_calls"},
        {TOOLS "," TOOLS, "tools"},
        {"\"tools\":[" FUNCTION("f", ",\"strict\":true,\"parameters\":{\"properties\":{\"a\":{"
                                     "\"$dynamicRef\":\"#a\"}}}") "]",
         "tools[0].function.parameters"},
        {"\"functions\":[{\"name\":\"f\"}]", "functions"},
        {"\"function_call\":{\"name\":\"f\"}", "function_call"},
    };
    struct world *w = world_with("fake:mode echo", NULL, 2, CONTEXT);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[1024], named[64];
        (void)snprintf(body, sizeof body, "{%s," HELLO "}", rows[i].fields);
        (void)snprintf(named, sizeof named, "\"param\":\"%s\"", rows[i].param);
        struct sim_peer *p = request(w, "POST", CHAT, body);
        assert_int_equal(answered(w, p, named), 400);
        if (rows[i].says) assert_true(sim_has(p, rows[i].says));
    }
    world_free(w);
}

/* Of two tools that of the second. */
static void parameters_are_looked_at_before_anything_else(void **state)
{
    (void)state;
#define SECOND(parameters) \
    "\"tools\":[" FUNCTION("f", SCHEMA) "," FUNCTION("g", ",\"parameters\":" parameters) "]"
#define PROPERTY(schema) "{\"type\":\"object\",\"properties\":{\"a\":" schema "}}"
#define UNIQUE PROPERTY("{\"items\":{\"type\":\"number\"},\"uniqueItems\":true}")
    static const char required[] = ",\"tool_choice\":\"required\"";
    static const struct {
        const char *fields, *choice, *says; /* NULL: nothing, it is answered */
    } rows[] = {
        {SECOND(PROPERTY("{\"type\":\"int\"}")), "",
         "'tools[1].function.parameters' at #/properties/a: type: there is no type \\\"int\\\""},
        {SECOND(PROPERTY("{\"$ref\":\"#/$defs/A\"}")), "",
         "'tools[1].function.parameters' at #/properties/a: $ref: #/$defs/A is not there.\""},
        {SECOND("{\"type\":\"object\",\"required\":[1]}"), "",
         "'tools[1].function.parameters' at #: required: it must be an array of strings.\""},
        {SECOND("{\"type\":\"array\"}"), "", "must be a schema of type object.\""},
        {SECOND("{\"city\":{\"type\":\"string\"}}"), "", "\"properties\\\": ...}?\""},
        {SECOND("{\"type\":[\"null\",\"object\"]}"), "", NULL},
        {SECOND("{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"type\":\"object\"}}}"), "", NULL},
        {SECOND(UNIQUE), "", NULL},
        {SECOND(UNIQUE), required,
         "'tools[1].function.parameters' at #/properties/a: uniqueItems: "},
        {SECOND(UNIQUE), NAMED("g"),
         "'tools[1].function.parameters' at #/properties/a: uniqueItems: "},
    };
    struct world *w = world_with("fake:mode echo", NULL, 2, CONTEXT);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[1024];
        (void)snprintf(body, sizeof body, "{%s%s," HELLO "}", rows[i].fields, rows[i].choice);
        struct sim_peer *p = request(w, "POST", CHAT, body);
        assert_int_equal(answered(w, p, rows[i].says ? rows[i].says : "hello"),
                         rows[i].says ? 400 : 200);
        if (rows[i].says) assert_true(sim_has(p, "\"param\":\"tools[1].function.parameters\""));
    }
    world_free(w);
}

static void templates_get_the_tools_that_are_allowed(void **state)
{
    (void)state;
    static const char listing[] =
        "{% for t in tools %}({{ t.function.name }}: {{ (t.function.parameters or {}) | tojson }}){% endfor %}" TURNS(
            "<tool_call>{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson }}}</tool_call>");
    static const char only_g[] =
        "{" TOOLS ",\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"auto\",\"tools\":["
        "{\"type\":\"function\",\"name\":\"g\"}]}," HELLO "}";
    struct world *w = world_with("fake:mode echo", listing, 2, CONTEXT);
    struct sim_peer *p = request(w, "POST", "/apply-template", "{" TOOLS "," HELLO "}");
    assert_int_equal(
        answered(w, p, "(f: {\\\"type\\\": \\\"object\\\", \\\"properties\\\": {\\\"a\\\":"), 200);
    assert_true(sim_has(p, "(g: "));
    p = request(w, "POST", "/apply-template", only_g);
    assert_int_equal(answered(w, p, "\"prompt\":\"(g: "), 200);
    p = request(w, "POST", "/apply-template", "{" TOOLS ",\"tool_choice\":\"none\"," HELLO "}");
    assert_int_equal(answered(w, p, "\"prompt\":\"<|im_start|>user"), 200);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_told_from_an_answer),
        cmocka_unit_test(ids_have_the_familys_form),
        cmocka_unit_test(an_answer_ends_as_it_should),
        cmocka_unit_test(frames_of_calls),
        cmocka_unit_test(thoughts_come_before_calls),
        cmocka_unit_test(thoughts_and_calls_of_gpt_oss),
        cmocka_unit_test(what_must_be_called_is),
        cmocka_unit_test(thoughts_may_come_before_what_must_be_called),
        cmocka_unit_test(calls_of_strict_tools_are_valid),
        cmocka_unit_test(an_answer_with_a_shape_may_be_a_call),
        cmocka_unit_test(what_has_the_shape_is_no_call),
        cmocka_unit_test(what_is_wrong_with_tools_is_said),
        cmocka_unit_test(why_a_tool_cannot_be_had_is_said),
        cmocka_unit_test(parameters_are_looked_at_before_anything_else),
        cmocka_unit_test(templates_get_the_tools_that_are_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
