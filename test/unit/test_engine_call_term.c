/* SPDX-License-Identifier: Apache-2.0 */
/* What answers a family's grammar of calls takes: what the family's writer writes, and nothing that
 * its reader would not read as a call of one of the tools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "engine/grammar/call_term.h"
#include "engine/grammar/grammar.h"
#include "engine/text/call_writer.h"
#include "engine/text/calls.h"

#define WEATHER                                                            \
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}," \
    "\"days\":{\"type\":\"integer\"}},\"required\":[\"city\"],\"additionalProperties\":false}"

struct fixture {
    struct arena arena;
    struct grammar_why why;
    struct tool tools[2]; /* "weather", with a schema, and "now" without */
    struct terms *terms;
    term root;
    int err;
};

static const struct json *parsed(struct fixture *f, const char *text)
{
    const struct json *v;
    assert_int_equal(json_parse(&f->arena, str_of(text), &v, NULL), 0);
    return v;
}

static void begin(struct fixture *f, const char *schema)
{
    memset(f, 0, sizeof *f);
    arena_init(&f->arena, 64 << 20, 4096);
    f->why.arena = &f->arena;
    f->tools[0] = (struct tool){.name = STR("weather"), .parameters = parsed(f, schema)};
    f->tools[1] = (struct tool){.name = STR("now")};
}

static void compile(struct fixture *f, struct call_demand demand)
{
    term root = TERM_NONE;
    struct terms *t = terms_new(GRAMMAR_BYTES_MAX);
    assert_non_null(t);
    terms_free(f->terms);
    f->terms = NULL;
    demand.tools = f->tools;
    demand.count = 2;
    f->err = call_term(t, &demand, &f->why, &root);
    if (!f->err) {
        assert_int_equal(terms_finish(t, root, NULL), 0);
        f->terms = terms_new(GRAMMAR_BYTES_MAX);
        assert_non_null(f->terms);
        f->root = terms_import(f->terms, t);
    }
    terms_free(t);
}

static void end(struct fixture *f)
{
    terms_free(f->terms);
    arena_fini(&f->arena);
}

static bool takes(struct fixture *f, struct str text)
{
    bool taken = term_takes(f->terms, f->root, text);
    assert_false(terms_failed(f->terms));
    return taken;
}

static void must_take(struct fixture *f, const char *family, const char *text)
{
    if (!takes(f, str_of(text))) fail_msg("%s: '%s' is not taken", family, text);
}

static void must_not(struct fixture *f, const char *family, const char *text)
{
    if (takes(f, str_of(text))) fail_msg("%s: '%s' is taken", family, text);
}

/* `count` calls as the family writes them: of "weather" with arguments, then of "now". */
static const char *written(struct fixture *f, const struct call_format *format, const char *name,
                           const char *arguments, size_t count)
{
    struct call_said said[3] = {{str_of(name), parsed(f, arguments)}, {STR("now"), NULL}};
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(calls_write(format, &out, said, count), 0);
    const char *text = arena_dup(&f->arena, buf_str(&out)).ptr;
    buf_fini(&out);
    return text;
}

#define GOOD "{\"city\":\"Köln\",\"days\":3}"

static void what_a_family_writes_is_taken(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, WEATHER);
    for (size_t i = 0; i < call_format_count; i++) {
        const struct call_format *c = &call_formats[i];
        compile(&f, (struct call_demand){.format = c, .must = true});
        must_take(&f, c->name, written(&f, c, "weather", GOOD, 1));
        must_take(&f, c->name, written(&f, c, "weather", GOOD, 2));
        must_take(&f, c->name, written(&f, c, "now", "{}", 1));
        must_not(&f, c->name, written(&f, c, "other", GOOD, 1));
        must_not(&f, c->name, written(&f, c, "weather", "{\"days\":3}", 1));
        must_not(&f, c->name, written(&f, c, "weather", "{\"city\":\"x\",\"days\":\"x\"}", 1));
        must_not(&f, c->name, "");
        must_not(&f, c->name, "Hello");
    }
    end(&f);
}

static void one_call_is_one(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, WEATHER);
    for (size_t i = 0; i < call_format_count; i++) {
        const struct call_format *c = &call_formats[i];
        compile(&f, (struct call_demand){.format = c, .must = true, .single = true});
        must_take(&f, c->name, written(&f, c, "weather", GOOD, 1));
        must_not(&f, c->name, written(&f, c, "weather", GOOD, 2));
    }
    end(&f);
}

/* A model that must call, and never wants to end, comes to an end. */
static void calls_that_must_come_are_so_many(void **state)
{
    struct fixture f;
    struct call_said said[CALLS_MUST_MAX + 1];
    struct buf out;
    (void)state;
    begin(&f, WEATHER);
    for (unsigned i = 0; i <= CALLS_MUST_MAX; i++)
        said[i] = (struct call_said){STR("now"), NULL};
    for (size_t i = 0; i < call_format_count; i++) {
        const struct call_format *c = &call_formats[i];
        compile(&f, (struct call_demand){.format = c, .must = true});
        for (unsigned count = CALLS_MUST_MAX; count <= CALLS_MUST_MAX + 1; count++) {
            buf_init(&out, 1 << 16);
            assert_int_equal(calls_write(c, &out, said, count), 0);
            assert_int_equal(takes(&f, buf_str(&out)), count == CALLS_MUST_MAX);
            buf_fini(&out);
        }
    }
    end(&f);
}

static const char *joined(struct fixture *f, const char *a, const char *b)
{
    return arena_printf(&f->arena, "%s%s", a, b).ptr;
}

/* Text before, between and behind calls is free; what opens a call is one. */
static void text_is_free_until_a_call_begins(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, WEATHER);
    for (size_t i = 0; i < call_format_count; i++) {
        const struct call_format *c = &call_formats[i];
        const char *good = written(&f, c, "weather", GOOD, 1);
        const char *bad = written(&f, c, "weather", "{\"city\":1}", 1);
        compile(&f, (struct call_demand){.format = c});
        must_take(&f, c->name, "");
        must_take(&f, c->name, "Hello, {\"a\": 1} <to [x] äö\n");
        must_take(&f, c->name, good);
        must_take(&f, c->name, joined(&f, "I look.\n\n", good));
        must_take(&f, c->name, joined(&f, joined(&f, good, " and then "), good));
        if (c->shape == CALL_TAGGED) continue; /* a number is what is no text there */
        must_not(&f, c->name, bad);
        must_not(&f, c->name, joined(&f, "I look.\n\n", bad));
    }
    end(&f);
}

static void a_family_without_marks_begins_with_a_call_or_not(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, WEATHER);
    compile(&f, (struct call_demand){.format = call_format_named("llama3")});
    must_take(&f, "llama3",
              "{\"name\": \"now\", \"parameters\": {}}; {\"name\": \"now\", \"parameters\": {}}");
    must_take(&f, "llama3", "{\"nam\": \"now\"}");
    must_not(&f, "llama3", "{\"name\": \"then\"}");
    must_not(&f, "llama3", " [{\"name\": 1}]");
    end(&f);
}

static void a_prompt_may_have_opened_it(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, WEATHER);
    compile(&f, (struct call_demand){
                    .format = call_format_named("functionary"), .begun = true, .must = true});
    must_take(&f, "functionary", "now\n{}");
    must_take(&f, "functionary", "now\n{}\n>>>now\n{}");
    must_not(&f, "functionary", ">>>now\n{}");
    must_not(&f, "functionary", "all\nHello");
    compile(&f, (struct call_demand){.format = call_format_named("functionary"), .begun = true});
    must_take(&f, "functionary", "now\n{}");
    must_take(&f, "functionary", "all\nHello");
    must_take(&f, "functionary", "all\nHello>>>now\n{}");
    must_not(&f, "functionary", "al");
    end(&f);
}

static void parameters_without_quotes_keep_to_their_types(void **state)
{
    struct fixture f;
    const struct call_format *c = call_format_named("qwen-coder");
    (void)state;
    begin(&f, "{\"properties\":{\"unit\":{\"type\":\"string\",\"enum\":[\"C\",\"F\"]},"
              "\"n\":{\"type\":\"integer\",\"minimum\":2},\"l\":{\"$ref\":\"#/$defs/l\"}},"
              "\"$defs\":{\"l\":{\"type\":\"array\",\"items\":{\"type\":\"null\"}}}}");
    compile(&f, (struct call_demand){.format = c, .must = true});
    must_take(&f, c->name, written(&f, c, "weather", "{\"unit\":\"F\",\"n\":12,\"l\":[null]}", 1));
    must_take(&f, c->name, written(&f, c, "weather", "{\"n\":2}", 1));
    must_not(&f, c->name, written(&f, c, "weather", "{\"n\":1}", 1));
    must_not(&f, c->name, written(&f, c, "weather", "{\"unit\":\"K\"}", 1));
    must_not(&f, c->name, written(&f, c, "weather", "{\"l\":[1]}", 1));
    must_not(&f, c->name, written(&f, c, "weather", "{\"x\":1}", 1));
    end(&f);
}

/* What a family without quotes reads back is one of the texts that the schema lists. */
static void listed_texts_are_read_as_they_are(void **state)
{
    struct fixture f;
    const struct call_format *c = call_format_named("qwen-coder");
    (void)state;
    begin(&f, "{\"properties\":{\"n\":{\"type\":\"string\",\"enum\":[\"\\nx\",\"y\\n\",\"\"]},"
              "\"c\":{\"type\":\"string\",\"const\":\"z\"},"
              "\"w\":{\"type\":\"string\",\"enum\":[\"</parameter>\"]}}}");
    compile(&f, (struct call_demand){.format = c, .must = true});
#define WRITTEN(key, value)                                      \
    "<tool_call>\n<function=weather>\n<parameter=" key ">" value \
    "</parameter>\n</function>\n</tool_call>"
    must_take(&f, c->name, WRITTEN("n", "\n\nx"));
    must_take(&f, c->name, WRITTEN("n", "\n\nx\n"));
    must_take(&f, c->name, WRITTEN("n", "y\n\n"));
    must_take(&f, c->name, WRITTEN("n", "\n\n"));
    must_not(&f, c->name, WRITTEN("n", "\nx"));
    must_not(&f, c->name, WRITTEN("n", "y\n"));
    must_take(&f, c->name, WRITTEN("c", "z"));
    must_not(&f, c->name, WRITTEN("c", "y"));
    must_not(&f, c->name, WRITTEN("w", "x"));
#undef WRITTEN
    end(&f);
}

/* References are about the tool's whole schema, and a property may be one that must not be there. */
static void parameters_are_parts_of_their_schema(void **state)
{
    static const char *const families[] = {"qwen-coder", "python", "hermes"};
    struct fixture f;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        const struct call_format *c = call_format_named(families[i]);
        begin(
            &f,
            "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/definitions/d\"},\"b\":{\"$ref\":\"#/properties/a\"},"
            "\"c\":false,\"r\":{\"$ref\":\"#\"}},\"definitions\":{\"d\":{\"type\":\"null\"}}}");
        f.tools[0].strict = true;
        compile(&f, (struct call_demand){.format = c, .must = true});
        assert_int_equal(f.err, 0);
        must_take(&f, c->name, written(&f, c, "weather", "{\"a\":null,\"b\":null}", 1));
        must_take(&f, c->name, written(&f, c, "weather", "{\"r\":{\"a\":null}}", 1));
        must_not(&f, c->name, written(&f, c, "weather", "{\"a\":1}", 1));
        must_not(&f, c->name, written(&f, c, "weather", "{\"b\":1}", 1));
        must_not(&f, c->name, written(&f, c, "weather", "{\"c\":1}", 1));
        must_not(&f, c->name, written(&f, c, "weather", "{\"r\":1}", 1));
        end(&f);
    }
}

/* Arguments are objects, and by the schema: one that has none takes nothing. */
static void arguments_are_objects(void **state)
{
    static const char *const schemas[] = {
        "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$ref\":\"#/definitions/d\","
        "\"definitions\":{\"d\":{\"type\":\"integer\"}}}",
        "{\"type\":\"array\"}",
    };
    struct fixture f;
    const struct call_format *c = call_format_named("hermes");
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
        begin(&f, schemas[i]);
        compile(&f, (struct call_demand){.format = c, .must = true});
        assert_int_equal(f.err, 0);
        must_not(&f, c->name, "<tool_call>{\"name\": \"weather\", \"arguments\": 1}</tool_call>");
        must_not(&f, c->name, written(&f, c, "weather", "{}", 1));
        must_take(&f, c->name, written(&f, c, "now", "{}", 1));
        end(&f);
    }
}

/* A tool that is not strict then takes any object. */
static void what_cannot_be_enforced_is_refused_of_strict_tools(void **state)
{
    static const struct {
        const char *family, *schema, *names;
    } rows[] = {
        {"hermes", "{\"properties\":{\"a\":{\"$dynamicRef\":\"#a\"}}}", "$dynamicRef"},
        {"qwen-coder", "{\"properties\":{\"a\":{},\"b>\":{}}}", "#/properties/b>: this name"},
        {"python", "{\"properties\":{\"a\":{},\"b'\":{}}}", "#/properties/b': this name"},
        {"qwen-coder", "{\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"^a$\"}}}",
         "#/properties/a: a keyword"},
        {"qwen-coder",
         "{\"properties\":{\"a\":{\"type\":\"string\",\"enum\":[\"x\"],\"minLength\":1}}}",
         "#/properties/a: a keyword"},
        {"qwen-coder", "{\"properties\":{\"a\":{}},\"minProperties\":1}", "minProperties"},
        {"python", "{\"properties\":{\"a\":{}},\"minProperties\":1}", "minProperties"},
        {"glm", "{\"properties\":{\"a\":{}},\"anyOf\":[{\"required\":[\"a\"]}]}", "anyOf"},
        {"python", "{\"properties\":{\"a\":{}},\"dependentRequired\":{\"a\":[\"b\"]}}",
         "dependentRequired"},
        {"python", "{\"properties\":{\"a\":{}},\"required\":[\"b\"]}", "required"},
        {"minimax", "{\"properties\":{\"a\":{}},\"type\":[\"array\"]}", "type"},
    };
    struct fixture f;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct call_format *c = call_format_named(rows[i].family);
        begin(&f, rows[i].schema);
        compile(&f, (struct call_demand){.format = c, .must = true});
        assert_int_equal(f.err, 0);
        must_take(&f, c->name, written(&f, c, "weather", "{\"a\":\"x\"}", 1));
        f.tools[0].strict = true;
        compile(&f, (struct call_demand){.format = c, .must = true});
        assert_int_equal(f.err, ERR_UNSUPPORTED);
        assert_ptr_equal(f.why.tool, &f.tools[0]);
        assert_true(str_find(f.why.text, str_of(rows[i].names)) >= 0);
        end(&f);
    }
}

/* --- what is taken is read --- */

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* A byte that may come next, any of them. */
static unsigned char pick(struct fixture *f, term state, uint64_t *seed)
{
    unsigned char all[256];
    unsigned count = 0;
    for (unsigned b = 0; b < 256; b++)
        if (term_next(f->terms, state, (unsigned char)b) != TERM_NONE) all[count++] = (uint8_t)b;
    assert_true(count > 0);
    return all[next_random(seed) % count];
}

/* A text that the root takes, of random bytes. */
static struct str random_text(struct fixture *f, char room[4096], uint64_t *seed)
{
    term state = f->root;
    size_t n = 0;
    while (!(term_may_end(f->terms, state) && next_random(seed) % 3 == 0)) {
        assert_true(n < 4096);
        room[n] = (char)pick(f, state, seed);
        state = term_next(f->terms, state, (unsigned char)room[n++]);
        if (term_may_end(f->terms, state) && !byte_set_count(term_starts(f->terms, state))) break;
    }
    return str_n(room, n);
}

/* Contents, and calls as "[NAME]ARGUMENTS". */
static void read_all(struct fixture *f, const struct call_format *format, struct str text,
                     char said[4096])
{
    const struct call_marks marks = {.format = format};
    const struct call_tool names[] = {{STR("weather"), NULL, 0}, {STR("now"), NULL, 0}};
    const struct calls_spec spec = {.marks = &marks, .tools = names, .tool_count = 2};
    struct calls c;
    size_t len = 0;
    (void)f;
    calls_init(&c, &spec);
    for (bool more = true; more; text = STR("")) {
        struct pieces pieces = {.count = 0};
        more = calls_feed(&c, text, true, &pieces);
        for (unsigned i = 0; i < pieces.count; i++) {
            const char *form = pieces.all[i].kind == PIECE_CALL ? "[%.*s]" : "%.*s";
            len += (size_t)snprintf(said + len, 4096 - len, form, STR_ARG(pieces.all[i].text));
            assert_true(len < 4096);
        }
    }
    calls_fini(&c);
}

/* One or more calls, whose arguments are objects, and nothing else. */
static void must_be_calls(struct fixture *f, const char *family, struct str text, struct str said)
{
    if (!said.len) fail_msg("%s: '%.*s' is read as nothing", family, STR_ARG(text));
    while (said.len) {
        const struct json *v;
        struct str head = str_starts(said, STR("[now]")) ? STR("[now]") : STR("[weather]");
        if (!str_starts(said, head))
            fail_msg("%s: '%.*s' has '%.*s'", family, STR_ARG(text), STR_ARG(said));
        said = str_skip(said, head.len);
        ptrdiff_t next = str_find_char(said, '[');
        struct str arguments = str_sub(said, 0, next < 0 ? said.len : (size_t)next);
        if (json_parse(&f->arena, arguments, &v, NULL) || json_type(v) != JSON_OBJECT)
            fail_msg("%s: '%.*s' has '%.*s'", family, STR_ARG(text), STR_ARG(arguments));
        said = str_skip(said, arguments.len);
    }
}

static void what_is_taken_is_read(void **state)
{
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\",\"enum\":[\"a\",\"b c\"]},"
        "\"days\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":20}},\"required\":[\"city\"],"
        "\"additionalProperties\":false}";
    static char room[4096], said[4096];
    struct fixture f;
    uint64_t seed = 1;
    (void)state;
    begin(&f, schema);
    f.tools[1].parameters = parsed(&f, "{\"additionalProperties\":false}");
    for (size_t i = 0; i < call_format_count; i++) {
        const struct call_format *c = &call_formats[i];
        compile(&f, (struct call_demand){.format = c, .must = true});
        for (unsigned round = 0; round < 60; round++) {
            struct str text = random_text(&f, room, &seed);
            said[0] = 0;
            read_all(&f, c, text, said);
            must_be_calls(&f, c->name, text, str_of(said));
        }
    }
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_family_writes_is_taken),
        cmocka_unit_test(one_call_is_one),
        cmocka_unit_test(calls_that_must_come_are_so_many),
        cmocka_unit_test(text_is_free_until_a_call_begins),
        cmocka_unit_test(a_family_without_marks_begins_with_a_call_or_not),
        cmocka_unit_test(a_prompt_may_have_opened_it),
        cmocka_unit_test(parameters_without_quotes_keep_to_their_types),
        cmocka_unit_test(listed_texts_are_read_as_they_are),
        cmocka_unit_test(parameters_are_parts_of_their_schema),
        cmocka_unit_test(arguments_are_objects),
        cmocka_unit_test(what_cannot_be_enforced_is_refused_of_strict_tools),
        cmocka_unit_test(what_is_taken_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
