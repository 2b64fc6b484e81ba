/* SPDX-License-Identifier: Apache-2.0 */
/* dialect: OpenAI's bodies and errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "dialect/dialect.h"
#include "json/json.h"
#include "json/write.h"

/* --- bodies --- */

static void bodies_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *model; /* NULL: refused */
        bool stream, asks_usage;
        const char *param; /* of the refusal */
    } rows[] = {
        {"{\"model\":\"m\"}", "m", false, false, NULL},
        {" \t\r\n{ \"model\" : \"m\" } \n", "m", false, false, NULL},
        {"{\"model\":\"a\\u002fb\\\"\"}", "a/b\"", false, false, NULL},
        {"{\"model\":\"m\",\"x\":\"\\ud83d\",\"\\ude00\":1}", "m", false, false, NULL},
        {"{\"model\":\"m\",\"stream_options\":{\"Model\":1},\"x\":{\"Model\":1}}", "m", false,
         false, NULL},
        {"{\"model\":\"m\",\"stream\":true}", "m", true, false, NULL},
        {"{\"stream\":false,\"model\":\"m\"}", "m", false, false, NULL},
        {"{\"stream\":null,\"model\":\"m\"}", "m", false, false, NULL},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}", "m", true,
         true, NULL},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":false}}", "m",
         true, false, NULL},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":null}}", "m", true,
         false, NULL},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":null}", "m", true, false, NULL},
        {"{\"model\":\"m\",\"messages\":[{\"model\":\"x\",\"stream\":1}]}", "m", false, false,
         NULL},
        {"", NULL, false, false, NULL},
        {"[]", NULL, false, false, NULL},
        {"{}", NULL, false, false, "model"},
        {"{\"model\":1}", NULL, false, false, "model"},
        {"{\"model\":null}", NULL, false, false, "model"},
        {"{\"model\":\"m\",\"model\":\"m\"}", NULL, false, false, "model"},
        {"{\"mod\\u0065l\":\"m\"}", NULL, false, false, "model"},
        {"{\"Model\":\"m\"}", NULL, false, false, "model"},
        {"{\"model\":\"m\",\"MODEL\":\"n\"}", NULL, false, false, "model"},
        {"{\"\\u004dodel\":\"n\",\"model\":\"m\"}", NULL, false, false, "model"},
        {"{\"model\":\"m\",\"\u017ftream\":true}", NULL, false, false, "stream"},
        {"{\"model\":\"m\",\"\\u017ftream\":true}", NULL, false, false, "stream"},
        {"{\"model\":\"m\",\"Stream_Options\":{}}", NULL, false, false, "stream_options"},
        {"{\"model\":\"m\",\"stream_options\":{\"Include_Usage\":true}}", NULL, false, false,
         "stream_options"},
        {"{\"model\":\"m\",\"stream\":1}", NULL, false, false, "stream"},
        {"{\"model\":\"m\",\"stream\":\"true\"}", NULL, false, false, "stream"},
        {"{\"model\":\"m\",\"stream_options\":[]}", NULL, false, false, "stream_options"},
        {"{\"model\":\"m\",\"stream_options\":{\"include_usage\":1}}", NULL, false, false,
         "stream_options"},
        {"{\"model\":\"m\",\"stream_options\":{\"include_usage\":true,\"include_usage\":true}}",
         NULL, false, false, "stream_options"},
        {"{\"model\":\"m\"", NULL, false, false, NULL},
        {"{\"model\":\"m\"}x", NULL, false, false, NULL},
        {"{\"model\":\"m\",}", NULL, false, false, NULL},
        {"{\"model\":\"\xff\"}", NULL, false, false, NULL},
        {"{\"model\":\"\\ud800\"}", NULL, false, false, "model"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct ask r;
        struct refusal problem = {0};
        arena_init(&arena, SIZE_MAX, 256);
        int err = dialect_openai.peek(&arena, str_of(rows[i].body), &r, &problem);
        if (err != (rows[i].model ? 0 : ERR_INVALID)) fail_msg("%s: %d", rows[i].body, err);
        if (rows[i].model) {
            assert_true(str_eq(r.model, str_of(rows[i].model)));
            assert_true(r.stream == rows[i].stream);
            assert_true(r.asks_usage == rows[i].asks_usage);
        } else {
            assert_true(problem.message.len > 0);
            if (rows[i].param ? !problem.param || strcmp(problem.param, rows[i].param)
                              : problem.param != NULL)
                fail_msg("%s: param %s", rows[i].body, problem.param ? problem.param : "none");
        }
        arena_fini(&arena);
    }
}

/* Writes a value in one way only, so that equal documents give equal bytes; leaves out one
 * member of the top level. */
static void write_plain(struct json_writer *w, const struct json *v, const char *without)
{
    struct str s, name;
    bool flag;
    double number;
    const struct json *item;
    struct json_iter it = {0};
    switch (json_type(v)) {
    case JSON_STRING:
        assert_true(json_to_str(v, &s));
        json_write_str(w, s);
        break;
    case JSON_BOOL:
        assert_true(json_to_bool(v, &flag));
        json_write_bool(w, flag);
        break;
    case JSON_NUMBER:
        assert_true(json_to_double(v, &number));
        json_write_double(w, number);
        break;
    case JSON_ARRAY:
        json_write_array(w);
        while (json_next_item(v, &it, &item))
            write_plain(w, item, NULL);
        json_write_array_end(w);
        break;
    case JSON_OBJECT:
        json_write_object(w);
        while (json_next_member(v, &it, &name, &item)) {
            if (without && (str_eq(name, str_of(without)) || str_eq(name, STR("stream_options"))))
                continue;
            json_write_key_str(w, name);
            write_plain(w, item, NULL);
        }
        json_write_object_end(w);
        break;
    default: json_write_null(w);
    }
}

static const struct json *parse(struct arena *arena, struct str text)
{
    const struct json *v = NULL;
    if (json_parse(arena, text, &v, NULL)) fail_msg("not JSON: %" STR_FMT, STR_ARG(text));
    return v;
}

static void check_rest_is_the_same(struct arena *arena, struct str before, struct str after)
{
    struct buf a, b;
    struct json_writer w;
    buf_init(&a, 1 << 16);
    buf_init(&b, 1 << 16);
    json_write_init(&w, &a);
    write_plain(&w, parse(arena, before), "model");
    assert_int_equal(json_write_end(&w), 0);
    json_write_init(&w, &b);
    write_plain(&w, parse(arena, after), "model");
    assert_int_equal(json_write_end(&w), 0);
    assert_true(str_eq(buf_str(&a), buf_str(&b)));
    buf_fini(&a);
    buf_fini(&b);
}

static struct str spliced(struct arena *arena, const struct ask *r, struct str body,
                          const char *model, bool ask)
{
    struct str slices[DIALECT_SLICES_MAX];
    struct buf out;
    buf_init(&out, 1 << 16);
    unsigned n = dialect_openai.splice(r, body, &(struct edits){str_of(model), ask}, arena, slices);
    assert_in_range(n, 1, DIALECT_SLICES_MAX);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(buf_append(&out, slices[i]), 0);
    struct str text = arena_dup(arena, buf_str(&out));
    buf_fini(&out);
    return text;
}

static void check_splice(const char *text, const char *model, bool ask)
{
    struct arena arena;
    struct ask r;
    struct refusal problem = {0};
    struct str body = str_of(text);
    arena_init(&arena, SIZE_MAX, 4096);
    if (dialect_openai.peek(&arena, body, &r, &problem))
        fail_msg("%s: %" STR_FMT, text, STR_ARG(problem.message));
    struct str after = spliced(&arena, &r, body, model, ask);
    const struct json *v = parse(&arena, after), *before = parse(&arena, body);
    assert_true(str_eq(json_str_or(v, "model", STR("")), str_of(model)));
    const struct json *options = json_get(v, "stream_options");
    if (ask && r.stream)
        assert_true(json_bool_or(options, "include_usage", false));
    else
        assert_int_equal(json_type(options), json_type(json_get(before, "stream_options")));
    /* what else the options hold stays */
    const struct json *old = json_get(before, "stream_options");
    assert_true(json_bool_or(old, "other", false) == json_bool_or(options, "other", false));
    check_rest_is_the_same(&arena, body, after);
    if (str_eq(r.model, str_of(model)) && !(ask && r.stream && !r.asks_usage))
        assert_true(str_eq(after, body));
    arena_fini(&arena);
}

static void splices_change_the_model_and_the_usage_only(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"model\":\"m\"}",
        " { \"model\" : \"m\" } ",
        "{\"model\":\"m\",\"stream\":true}",
        "{\"stream\":true,\"model\":\"m\"}\r\n\t ",
        "{ \"stream\" : true , \"model\" : \"m\" , \"x\" : [ 1 , { } , \"}\" ] }\n",
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{}}",
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{ \t\r\n }}",
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":null}",
        "{\"stream_options\":null,\"model\":\"m\",\"stream\":true}",
        "{\"stream_options\":{\"other\":true},\"model\":\"m\",\"stream\":true}",
        "{\"stream_options\":{ \"other\":true },\"model\":\"m\",\"stream\":true}",
        "{\"stream_options\":{\"other\":true,\"include_usage\":false},\"model\":\"m\",\"stream\":true}",
        "{\"model\":\"m\",\"stream_options\":{\"include_usage\":false,\"other\":true},\"stream\":true}",
        "{\"model\":\"m\",\"stream_options\":{\"include_usage\" : null , \"other\":true},\"stream\":true}",
        "{\"model\":\"m\",\"stream_options\":{\"include_usage\":true,\"other\":true},\"stream\":true}",
        "{\"model\":\"m\",\"stream_options\":{\"include_usage\":true},\"stream\":false}",
        "{\"model\":\"m\",\"stream_options\":{\"deep\":{\"include_usage\":false}},\"stream\":true}",
        "{\"model\":\"\\u006d\",\"messages\":[{\"role\":\"user\",\"content\":\"}\\\"}\\\\\"}],\"stream\":true}",
        "{\"model\":\"m\",\"temperature\":1e-3,\"n\":-0.5,\"stop\":null,\"stream\":true}",
        "{\"a\":{\"model\":\"inner\"},\"model\":\"m\",\"b\":\"\xe2\x82\xac}\",\"stream\":true}",
    };
    static const char *const models[] = {
        "m", "other", "org/name:tag", "with \"quotes\" and \\", "\xc3\xbc", ""};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        for (size_t m = 0; m < ARRAY_LEN(models); m++) {
            check_splice(bodies[i], models[m], true);
            check_splice(bodies[i], models[m], false);
        }
}

/* --- errors --- */

static void errors_have_the_dialects_shape(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *type;
    } rows[] = {{400, "invalid_request_error"}, {401, "authentication_error"},
                {403, "permission_error"},      {404, "invalid_request_error"},
                {429, "rate_limit_error"},      {500, "server_error"},
                {503, "server_error"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct buf out, event;
        arena_init(&arena, SIZE_MAX, 4096);
        buf_init(&out, 4096);
        buf_init(&event, 4096);
        struct refusal why = {.status = rows[i].status,
                              .message = STR("say \"what\"\n"),
                              .param = i % 2 ? "model" : NULL,
                              .code = i % 2 ? NULL : "code"};
        dialect_openai.write_error(&out, &why);
        const struct json *error = json_get(parse(&arena, buf_str(&out)), "error");
        assert_true(str_eq(json_str_or(error, "message", STR("")), STR("say \"what\"\n")));
        assert_true(str_eq(json_str_or(error, "type", STR("")), str_of(rows[i].type)));
        assert_int_equal(json_type(json_get(error, "param")), i % 2 ? JSON_STRING : JSON_NULL);
        assert_int_equal(json_type(json_get(error, "code")), i % 2 ? JSON_NULL : JSON_STRING);
        why.message = STR("line\nbreak");
        dialect_openai.write_error_event(&event, &why, NULL);
        struct str text = buf_str(&event);
        assert_true(str_starts(text, STR("data: {")) && str_ends(text, STR("}\n\n")));
        assert_int_equal(str_find_char(text, '\n'), (ptrdiff_t)text.len - 2);
        buf_clear(&out);
        why.message = STR("say \"what\"\n");
        dialect_ollama.write_error(&out, &why);
        assert_true(str_eq(buf_str(&out), STR("{\"error\":\"say \\\"what\\\"\\n\"}")));
        buf_fini(&out);
        buf_fini(&event);
        arena_fini(&arena);
    }
}

/* A message that does not fit gives no half of an error. */
static void errors_are_whole_or_empty(void **state)
{
    (void)state;
    const struct refusal why = {.status = 500,
                                .message = STR("a message of some length"),
                                .param = "param",
                                .code = "code"};
    for (size_t max = 0; max < 150; max++) {
        struct buf out, event;
        buf_init(&out, max);
        buf_init(&event, max);
        dialect_openai.write_error(&out, &why);
        dialect_openai.write_error_event(&event, &why, NULL);
        assert_true(buf_len(&out) == 0 || str_ends(buf_str(&out), STR("}}")));
        assert_true(buf_len(&event) == 0 || str_ends(buf_str(&event), STR("}}\n\n")));
        buf_fini(&out);
        buf_fini(&event);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_read),
        cmocka_unit_test(splices_change_the_model_and_the_usage_only),
        cmocka_unit_test(errors_have_the_dialects_shape),
        cmocka_unit_test(errors_are_whole_or_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
