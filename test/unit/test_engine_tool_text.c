/* SPDX-License-Identifier: Apache-2.0 */
/* Chats with tools become prompts: how a template's model calls is found out, and what a template
 * does not know is told as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "engine/chat/template.h"
#include "engine/model/fake.h"

struct fixture {
    struct arena arena;
    struct model *model;
    struct chat_template *template;
};

static void begin(struct fixture *f, const char *template)
{
    const struct model_options model = {.path = "fake:mode echo", .slots = 1, .batch = 32};
    const struct chat_template_options options = {.text = template};
    char why[CHAT_WHY_MAX];
    memset(f, 0, sizeof *f);
    arena_init(&f->arena, 64 << 20, 4096);
    assert_int_equal(model_load(&model, &f->model, why), 0);
    int err =
        chat_template_new(&options, model_info(f->model), model_vocab(f->model), &f->template, why);
    if (err) fail_msg("%s", why);
}

static void end(struct fixture *f)
{
    chat_template_free(f->template);
    model_free(f->model);
    arena_fini(&f->arena);
}

static const struct json *parsed(struct fixture *f, const char *text)
{
    const struct json *v = NULL;
    if (text) assert_int_equal(json_parse(&f->arena, str_of(text), &v, NULL), 0);
    return v;
}

static const char *render(struct fixture *f, const char *messages, const char *tools)
{
    struct chat chat = {
        .messages = parsed(f, messages), .tools = parsed(f, tools), .new_turn = true};
    struct refusal error;
    struct chat_prompt p;
    struct str all = STR("");
    if (chat_render(f->template, &f->arena, &chat, &p, &error))
        fail_msg("%.*s", STR_ARG(error.message));
    for (size_t i = 0; i < p.count; i++)
        all = arena_printf(&f->arena, "%.*s%.*s", STR_ARG(all), STR_ARG(p.parts[i].text));
    return all.ptr;
}

#define TURNS "{% for m in messages %}<{{ m.role }}>{{ m.content }}"
#define END ";{% endfor %}"
#define ASK "{% if add_generation_prompt %}<assistant>{% endif %}"
#define CALLS(text) \
    TURNS "{% for c in m.tool_calls %}{% set f = c.function %}" text "{% endfor %}" END
#define PLAIN TURNS END ASK
#define HERMES                                                                                   \
    "{% if tools %}Tools: {{ tools | tojson }};{% endif %}" CALLS(                               \
        "<tool_call>\n{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson }}}\n" \
        "</tool_call>") ASK "{# 'tool' #}"

#define TOOLS                                                                                   \
    "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"," \
    "\"properties\":{\"a\":{\"type\":\"integer\"}}}}}]"
#define ASKED "{\"role\":\"user\",\"content\":\"u\"}"
#define CALLED                                                                                      \
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\"," \
    "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1}\"}},{\"id\":\"2\",\"type\":"       \
    "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"
#define RESULTS                                                       \
    "{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"one\"}," \
    "{\"role\":\"tool\",\"tool_call_id\":\"2\",\"content\":[{\"type\":\"text\",\"text\":\"two\"}]}"

/* As a template writes calls, and where it writes none, by what it says. */
static void the_family_is_found_in_the_template(void **state)
{
    (void)state;
    static const struct {
        const char *template, *family;
    } rows[] = {
        {HERMES, "hermes"},
        {CALLS(
             "<tool_call>\n<function={{ f.name }}>\n{% for k in f.arguments %}<parameter={{ k }}>\n"
             "{{ f.arguments[k] }}\n</parameter>\n{% endfor %}</function>\n</tool_call>"),
         "qwen-coder"},
        {CALLS(
             "[TOOL_CALLS][{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson }}}]"),
         "mistral"},
        {CALLS("[TOOL_CALLS]{{ f.name }}[ARGS]{{ f.arguments | tojson }}"), "mistral-v11"},
        {CALLS("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>{{ f.name }}\n"
               "```json\n{{ f.arguments | tojson }}\n```<｜tool▁call▁end｜>"),
         "deepseek"},
        {CALLS("<|channel|>commentary to=functions.{{ f.name }} <|constrain|>json<|message|>"
               "{{ f.arguments | tojson }}<|call|>"),
         "gpt-oss"},
        {TURNS "{% for c in m.tool_calls %}<assistant>{\"name\": \"{{ c.function.name }}\", "
               "\"parameters\": {{ c.function.arguments | tojson }}}{% endfor %}" END ASK,
         "hermes"},
        {"{% for m in messages %}<{{ m.role }}>{% if m.tool_calls %}{% set f = m.tool_calls[0].function %}"
         "{\"name\": \"{{ f.name }}\", \"parameters\": {{ f.arguments | tojson }}}{% else %}{{ m.content }}"
         ";{% endif %}{% endfor %}" ASK,
         "llama3"},
        {CALLS("({{ f.name }} {{ f.arguments | tojson }})"), "hermes"},
        {PLAIN, "hermes"},
        {PLAIN "{# <start_of_turn> #}", "gemma"},
        {PLAIN "{# named SmolLM, trained by Hugging Face #}", "smollm2"},
        {PLAIN "{# <|tool_call|> #}", "granite"},
    };
    struct fixture f;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(&f, rows[i].template);
        const char *found = chat_template_calls(f.template)->format->name;
        if (strcmp(found, rows[i].family)) fail_msg("%s: %s", rows[i].template, found);
        end(&f);
    }
}

static void a_template_that_knows_tools_gets_them(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, HERMES);
    assert_string_equal(
        render(&f, "[" ASKED "," CALLED "," RESULTS "]", TOOLS),
        "Tools: [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"type\": \"object\", "
        "\"properties\": {\"a\": {\"type\": \"integer\"}}}}}];<user>u;<assistant><tool_call>\n"
        "{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call><tool_call>\n"
        "{\"name\": \"f\", \"arguments\": {}}\n</tool_call>;<tool>one;<tool>two;<assistant>");
    end(&f);
}

#define LISTED                                                                                    \
    "You can call tools. These are there:\n<tools>\n" TOOLS                                       \
    "\n</tools>\n\nTo call one, write this, with its name, and its parameters as its schema has " \
    "them:\n"
#define BEHIND \
    "\nWrite one after the other to call several. What they answer comes in the next message."
#define RESPONSES "<tool_response>\none\n</tool_response>\n<tool_response>\ntwo\n</tool_response>"
#define EXAMPLE \
    "<tool_call>\n{\"name\": \"NAME\", \"arguments\": {\"PARAMETER\":\"VALUE\"}}\n</tool_call>"

static void one_that_does_not_is_told_as_text(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, PLAIN);
    assert_string_equal(render(&f, "[" ASKED "]", TOOLS),
                        "<system>" LISTED EXAMPLE BEHIND ";<user>u;<assistant>");
    assert_string_equal(
        render(&f, "[{\"role\":\"system\",\"content\":\"s\"}," ASKED "," CALLED "," RESULTS "]",
               TOOLS),
        "<system>s\n\n" LISTED EXAMPLE BEHIND
        ";<user>u;<assistant><tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\":1}}\n</tool_call>\n"
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>;<user>" RESPONSES
        ";<assistant>");
    assert_non_null(strstr(render(&f, "[" ASKED "," CALLED "," RESULTS "," ASKED "]", TOOLS),
                           ";<user>" RESPONSES "\n\nu;<assistant>"));
    /* Without tools, too. */
    assert_string_equal(
        render(&f, "[" ASKED "," CALLED "," RESULTS "]", NULL),
        "<user>u;<assistant><tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\":1}}\n</tool_call>\n"
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>;<user>" RESPONSES
        ";<assistant>");
    end(&f);
    begin(&f, PLAIN "{# <start_of_turn> #}");
    assert_non_null(strstr(render(&f, "[" ASKED "]", TOOLS),
                           "them:\n```json\n{\"name\": \"NAME\", \"parameters\": "
                           "{\"PARAMETER\":\"VALUE\"}}\n```\nWrite"));
    end(&f);
}

/* It would ask for calls that nobody here can read. Without tools its own way is best. */
static void one_with_a_strange_way_to_call_is_shown_no_tools(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, "{% if tools %}Call ({{ tools | tojson }});{% endif %}" CALLS(
                  "({{ f.name }} {{ f.arguments | tojson }})") ASK "{# 'tool' #}");
    assert_string_equal(
        render(&f, "[" ASKED "," CALLED "," RESULTS "]", TOOLS),
        "<system>" LISTED EXAMPLE BEHIND
        ";<user>u;<assistant><tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\":1}}\n</tool_call>\n"
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>;<user>" RESPONSES
        ";<assistant>");
    assert_string_equal(render(&f, "[" ASKED "," CALLED "," RESULTS "]", NULL),
                        "<user>u;<assistant>(f {\"a\": 1})(f {});<tool>one;<tool>two;<assistant>");
    end(&f);
}

/* Clients bring ids of other models, and gateways make them up. */
static void ids_are_as_short_as_the_family_wants_them(void **state)
{
    (void)state;
    static const char long_ids[] =
        "[" ASKED
        ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"call_0123456789\","
        "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":{}}},{\"id\":\"abcDEF123\",\"type\":"
        "\"function\",\"function\":{\"name\":\"f\",\"arguments\":{}}}]},{\"role\":\"tool\",\"tool_call_id\":"
        "\"call_0123456789\",\"content\":\"r\"},{\"role\":\"tool\",\"tool_call_id\":\"abcDEF123\",\"content\":\"s\"}]";
    struct fixture f;
    begin(
        &f, TURNS
        "{% if m.tool_call_id %}{% if m.tool_call_id|length != 9 %}{{ raise_exception('id') }}{% endif %}"
        "({{ m.tool_call_id }}){% endif %}{% for c in m.tool_calls %}{% if c.id|length != 9 %}"
        "{{ raise_exception('id') }}{% endif %}({{ c.id }})[TOOL_CALLS][{\"name\": \"{{ c.function.name }}\", "
        "\"arguments\": {{ c.function.arguments | tojson }}}]{% endfor %}" END "{# 'tool' #}");
    const char *text = render(&f, long_ids, NULL);
    struct str first = str_sub(str_of(strchr(text, '(')), 0, strlen("(.........)"));
    struct str again = str_skip(str_of(text), (size_t)(first.ptr - text) + 1);
    ptrdiff_t at = str_find(again, first);
    assert_true(at > 0 && str_starts(str_skip(again, (size_t)at), first));
    assert_non_null(strstr(text, "<tool>r"));
    const char *kept = strstr(text, "(abcDEF123)");
    assert_non_null(kept);
    assert_non_null(strstr(kept + 1, "(abcDEF123)"));
    end(&f);
    begin(&f, HERMES);
    assert_non_null(strstr(render(&f, long_ids, NULL), "<tool>r"));
    end(&f);
}

/* One for tools, which calls are told from, beside the one for all else. */
static void a_file_may_have_two_templates(void **state)
{
    (void)state;
    struct fixture f;
    const struct chat_template_options own = {.source = NULL};
    char why[CHAT_WHY_MAX];
    begin(&f, PLAIN);
    struct model_info info = *model_info(f.model);
    info.chat_template = PLAIN "{# </think> #}";
    info.tool_template =
        "{% for t in tools %}({{ t.function.name }}{{ t.function.parameters | tojson }}){% endfor %}" CALLS(
            "[TOOL_CALLS][{\"name\": \"{{ f.name }}\", \"arguments\": {{ f.arguments | tojson }}}]");
    chat_template_free(f.template);
    assert_int_equal(chat_template_new(&own, &info, model_vocab(f.model), &f.template, why), 0);
    assert_string_equal(chat_template_calls(f.template)->format->name, "mistral");
    assert_true(str_eq(chat_template_markers(f.template)->start, STR("<think>")));
    assert_string_equal(render(&f, "[" ASKED "]", NULL), "<user>u;<assistant>");
    assert_non_null(strstr(render(&f, "[" ASKED "]", TOOLS), "(f{\"type\": "));
    assert_non_null(
        strstr(render(&f, "[" ASKED "," CALLED "]", NULL), "[TOOL_CALLS][{\"name\": \"f\""));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_family_is_found_in_the_template),
        cmocka_unit_test(a_template_that_knows_tools_gets_them),
        cmocka_unit_test(one_that_does_not_is_told_as_text),
        cmocka_unit_test(one_with_a_strange_way_to_call_is_shown_no_tools),
        cmocka_unit_test(ids_are_as_short_as_the_family_wants_them),
        cmocka_unit_test(a_file_may_have_two_templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
