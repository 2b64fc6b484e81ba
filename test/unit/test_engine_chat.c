/* SPDX-License-Identifier: Apache-2.0 */
/* How chats become prompts: what a template can take, what is made of what it cannot, where an
 * answer goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "engine/chat/builtin.h"
#include "engine/chat/template.h"
#include "engine/model/fake.h"

struct fixture {
    struct arena arena;
    struct model *model;
    struct chat_template *template;
    struct refusal error;
};

static void begin_with(struct fixture *f, const char *script, struct chat_template_options options)
{
    const struct model_options model = {.path = script, .slots = 1, .batch = 32};
    char why[MODEL_WHY_MAX];
    memset(f, 0, sizeof *f);
    arena_init(&f->arena, 64 << 20, 4096);
    assert_int_equal(model_load(&model, &f->model, why), 0);
    int err =
        chat_template_new(&options, model_info(f->model), model_vocab(f->model), &f->template, why);
    if (err) fail_msg("%s", why);
}

static void begin(struct fixture *f, const char *template)
{
    begin_with(f, "fake:mode echo", (struct chat_template_options){.text = template});
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

/* The prompt as text, with what is not the template's own in braces. */
static const char *rendered(struct fixture *f, const struct chat *chat)
{
    struct chat_prompt p;
    struct buf b;
    if (chat_render(f->template, &f->arena, chat, &p, &f->error))
        return arena_printf(&f->arena, "error: %.*s", STR_ARG(f->error.message)).ptr;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < p.count; i++) {
        const char *form = p.parts[i].own ? "%.*s" : "{%.*s}";
        assert_int_equal(buf_printf(&b, form, STR_ARG(p.parts[i].text)), 0);
    }
    const char *text = arena_dup(&f->arena, buf_str(&b)).ptr;
    buf_fini(&b);
    return text;
}

static const char *render(struct fixture *f, const char *messages)
{
    struct chat chat = {.messages = parsed(f, messages), .new_turn = true};
    return rendered(f, &chat);
}

#define PLAIN "{% for m in messages %}<{{ m.role }}>{{ m.content }};{% endfor %}"
#define ASK "{% if add_generation_prompt %}<answer>{% endif %}"

static void contents_are_not_the_templates_own(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, PLAIN ASK);
    assert_string_equal(render(&f, "[{\"role\":\"user\",\"content\":\"<answer>\"}]"),
                        "<{user}>{<answer>};<answer>");
    assert_string_equal(render(&f, "[{\"role\":\"user\",\"content\":\"\"}]"), "<{user}>;<answer>");
    end(&f);
}

/* A template that wants text gets it, one that wants parts gets those. */
static void contents_have_the_shape_that_the_template_reads(void **state)
{
    (void)state;
    static const char parts[] =
        "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}]";
    static const char text[] =
        "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":null}]";
    struct fixture f;
    begin(&f, PLAIN);
    assert_string_equal(render(&f, parts), "<{user}>{a\nb};");
    assert_string_equal(render(&f, text), "<{user}>{a};<{assistant}>;");
    end(&f);
    begin(
        &f,
        "{% for m in messages %}{% for p in m['content'] %}<{{ p['text'] }}>{% endfor %};{% endfor %}");
    assert_string_equal(render(&f, parts), "<{a\nb}>;");
    assert_string_equal(render(&f, text), "<{a}>;<>;");
    end(&f);
}

static void roles_that_a_template_lacks_become_others(void **state)
{
    (void)state;
    static const char messages[] =
        "[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"developer\",\"content\":\"d\"},"
        "{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"content\":\"a\"},"
        "{\"role\":\"system\",\"content\":\"late\"}]";
    struct fixture f;
    begin(&f, PLAIN);
    assert_string_equal(
        render(&f, messages),
        "<{system}>{s};<{system}>{d};<{user}>{u};<{assistant}>{a};<{system}>{late};");
    end(&f);
    begin(&f,
          "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
          "<{{ m.role }}>{{ m.content }};{% endfor %}");
    assert_string_equal(render(&f, messages),
                        "<{user}>{s\n\nd\n\nu};<{assistant}>{a};<{user}>{late\n\n};");
    end(&f);
    begin(
        &f, PLAIN
        "{# developer #}{{ 'developer' if false }}{% if messages[0].role == 'developer' %}!{% endif %}");
    assert_string_equal(render(&f, "[{\"role\":\"developer\",\"content\":\"d\"}]"),
                        "<{developer}>{d};!");
    end(&f);
}

static void calls_have_the_arguments_that_the_template_reads(void **state)
{
    (void)state;
    static const char messages[] =
        "[{\"role\":\"assistant\",\"content\":null,\"reasoning\":\"r\",\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\","
        "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\": [1, \\\"y\\\"]}\"}}]}]";
    struct fixture f;
    begin(
        &f,
        "{% for m in messages %}{{ m.reasoning_content }}{{ m.content }}{% for c in m.tool_calls %}"
        "({{ c.function.name }} {{ c.function.arguments | tojson }}){% endfor %}{% endfor %}");
    assert_string_equal(render(&f, messages), "{r}({f} {{\"x\": [1, \"y\"]}})");
    end(&f);
    begin(&f, "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls %}"
              "({{ c.function.name + ' ' + c.function.arguments }}){% endfor %}{% endfor %}");
    assert_string_equal(render(&f, messages), "({f} {{\"x\": [1, \"y\"]}})");
    end(&f);
}

/* Some clients send thoughts under both of their names. */
static void thoughts_reach_the_template_once(void **state)
{
    (void)state;
    struct fixture f;
    begin(
        &f,
        "{% for m in messages %}{{ m.keys() | list | join(' ') }}:{{ m.reasoning_content }};{% endfor %}");
    assert_string_equal(
        render(
            &f,
            "[{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"b\",\"reasoning\":\"a\"},"
            "{\"role\":\"assistant\",\"content\":\"\",\"reasoning\":\"a\",\"reasoning_content\":null}]"),
        "{role} {content} {reasoning_content}:{b};{role} {content} {reasoning_content}:{a};");
    end(&f);
}

static void an_answer_goes_on_where_its_beginning_ends(void **state)
{
    (void)state;
    static const struct {
        const char *content, *prompt;
    } rows[] = {
        {"Sure, ", "<{user}>{Sure,};<{assistant}>{Sure, }"},
        {" Sure", "<{user}>{Sure,};<{assistant}>{Sure}"},
        {"", "<{user}>{Sure,};<{assistant}>"},
        {" ", "<{user}>{Sure,};<{assistant}>"},
        {"user", "<{user}>{Sure,};<{assistant}>{user}"},
    };
    struct fixture f;
    begin(&f, "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }};{% endfor %}" ASK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char messages[200];
        (void)snprintf(
            messages, sizeof messages,
            "[{\"role\":\"user\",\"content\":\"Sure,\"},{\"role\":\"assistant\",\"content\":\"%s\"}]",
            rows[i].content);
        struct chat chat = {.messages = parsed(&f, messages), .goes_on = true};
        assert_string_equal(rendered(&f, &chat), rows[i].prompt);
    }
    end(&f);
    begin(&f, "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}");
    struct chat chat = {
        .messages = parsed(
            &f,
            "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"x\"}]"),
        .goes_on = true};
    assert_non_null(strstr(rendered(&f, &chat), "leaves the last message out"));
    end(&f);
    /* What stands behind the message is none of it, and neither is what a user said before. */
    begin(
        &f,
        "{% for m in messages %}{% if m.role == 'user' or loop.last %}{{ m.content.split('</think>')[-1] }};{% endif %}"
        "{% endfor %}{{ note }}");
    chat.kwargs = parsed(&f, "{\"note\":\"and x\"}");
    chat.messages = parsed(
        &f,
        "[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"<think>a</think>\\u00a0x\\u00a0\"}]");
    assert_string_equal(rendered(&f, &chat), "{x};{\u00a0x\u00a0}");
    end(&f);
}

static void further_variables_reach_the_template(void **state)
{
    (void)state;
    struct fixture f;
    struct chat chat = {0};
    begin(
        &f,
        "{{ a }}|{{ enable_thinking }}|{{ thinking }}|{{ reasoning_effort }}|{{ documents and documents[0].title }}|{{ tools }}");
    chat.messages = parsed(&f, "[{\"role\":\"user\",\"content\":\"\"}]");
    assert_string_equal(rendered(&f, &chat), "|||||");
    chat.kwargs = parsed(&f, "{\"a\":[1,\"b\"],\"enable_thinking\":true}");
    chat.effort = parsed(&f, "\"none\"");
    chat.documents = parsed(&f, "[{\"title\":\"t\"}]");
    assert_string_equal(rendered(&f, &chat), "{[1, 'b']}|{True}|False|{none}|{t}|");
    chat.kwargs = NULL;
    chat.effort = parsed(&f, "\"<|im_end|>\"");
    assert_string_equal(rendered(&f, &chat), "|True|True|{<|im_end|>}|{t}|");
    chat.thinking = parsed(&f, "false");
    assert_string_equal(rendered(&f, &chat), "|False|False|{<|im_end|>}|{t}|");
    chat.kwargs = parsed(&f, "{\"messages\":[]}");
    assert_non_null(strstr(rendered(&f, &chat), "must not have 'messages'"));
    assert_string_equal(f.error.param, "chat_template_kwargs");
    end(&f);
}

static void thoughts_are_known_by_the_templates_markers(void **state)
{
    (void)state;
    struct fixture f;
    struct chat chat = {.new_turn = true};
    struct chat_prompt p;
    begin_with(&f, "fake:template thinks", (struct chat_template_options){0});
    assert_true(str_eq(chat_template_markers(f.template)->start, STR("<think>")));
    chat.messages = parsed(&f, "[{\"role\":\"user\",\"content\":\"<think>\"}]");
    assert_int_equal(chat_render(f.template, &f.arena, &chat, &p, &f.error), 0);
    assert_false(p.thinks);
    chat.thinking = parsed(&f, "true");
    assert_int_equal(chat_render(f.template, &f.arena, &chat, &p, &f.error), 0);
    assert_true(p.thinks);
    static const struct {
        const char *content;
        bool thinks;
    } begun[] = {{"<think>\\n", true}, {"<think>a</think>b", false}, {"b", false}, {"", false}};
    for (size_t i = 0; i < ARRAY_LEN(begun); i++) {
        char messages[200];
        (void)snprintf(
            messages, sizeof messages,
            "[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"%s\"}]",
            begun[i].content);
        struct chat on = {.messages = parsed(&f, messages), .goes_on = true};
        assert_int_equal(chat_render(f.template, &f.arena, &on, &p, &f.error), 0);
        assert_int_equal(p.thinks, begun[i].thinks);
    }
    end(&f);
    begin_with(&f, "fake:template thinks", (struct chat_template_options){.no_reasoning = true});
    assert_null(chat_template_markers(f.template)->start.ptr);
    end(&f);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    struct fixture f;
    const char *user = "[{\"role\":\"user\",\"content\":\"x\"}]";
    begin(&f, "a\n {{ raise_exception('not ' + messages[0].content) }}");
    assert_string_equal(render(&f, user),
                        "error: The model's chat template refuses these messages: not x.");
    end(&f);
    begin(&f, "a\n {{ messages[0].content + 1 }}");
    assert_non_null(strstr(render(&f, user), "fails in line 2, column "));
    end(&f);
    begin(&f, PLAIN);
    struct chat chat = {.messages = parsed(&f, user), .documents = parsed(&f, "[{}]")};
    assert_non_null(strstr(rendered(&f, &chat), "no place for documents"));
    end(&f);
    begin_with(&f, "fake:template broken", (struct chat_template_options){0});
    assert_non_null(strstr(chat_template_why(f.template), "line 2, column "));
    assert_non_null(strstr(render(&f, user), "cannot be used: line 2"));
    end(&f);

    static const struct {
        struct chat_template_options options;
        const char *why;
    } rows[] = {
        {{.source = "builtin:nothing"}, "no chat template builtin:nothing, only chatml, "},
        {{.source = "/nonexistent/file"}, "/nonexistent/file cannot be read: "},
        {{.source = "/"}, "cannot be read: "},
        {{.source = "/dev/zero"}, "cannot be read: "},
        {{.text = "{% if %}"}, "template_text: line 1, column "},
    };
    char why[CHAT_WHY_MAX];
    begin(&f, PLAIN);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct chat_template *t;
        assert_int_not_equal(
            chat_template_new(&rows[i].options, model_info(f.model), model_vocab(f.model), &t, why),
            0);
        if (!strstr(why, rows[i].why)) fail_msg("no '%s' in: %s", rows[i].why, why);
    }
    end(&f);
}

/* Each of ours takes a system message, an answer and a call for the next one. */
static void builtin_templates_render(void **state)
{
    (void)state;
    static const char messages[] =
        "[{\"role\":\"system\",\"content\":\"sss\"},{\"role\":\"user\",\"content\":\"uuu\"},"
        "{\"role\":\"assistant\",\"content\":\"aaa\"},{\"role\":\"user\",\"content\":\"vvv\"}]";
    char source[80];
    struct str rest = str_of(chat_builtin_names), name;
    struct fixture f;
    while (str_cut(&rest, ',', &name)) {
        (void)snprintf(source, sizeof source, "builtin:%.*s", STR_ARG(str_trim(name)));
        begin_with(&f, "fake:mode echo", (struct chat_template_options){.source = source});
        const char *text = render(&f, messages);
        static const char *const needles[] = {"sss", "uuu", "aaa", "vvv"};
        for (size_t i = 0; i < ARRAY_LEN(needles); i++)
            if (!strstr(text, needles[i])) fail_msg("no %s in: %s", needles[i], text);
        assert_string_equal(chat_template_name(f.template), source);
        end(&f);
    }
    begin_with(&f, "fake:template none", (struct chat_template_options){0});
    assert_string_equal(chat_template_name(f.template), "builtin:chatml, since the model has none");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents_are_not_the_templates_own),
        cmocka_unit_test(contents_have_the_shape_that_the_template_reads),
        cmocka_unit_test(roles_that_a_template_lacks_become_others),
        cmocka_unit_test(calls_have_the_arguments_that_the_template_reads),
        cmocka_unit_test(thoughts_reach_the_template_once),
        cmocka_unit_test(an_answer_goes_on_where_its_beginning_ends),
        cmocka_unit_test(further_variables_reach_the_template),
        cmocka_unit_test(thoughts_are_known_by_the_templates_markers),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(builtin_templates_render),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
