/* SPDX-License-Identifier: Apache-2.0 */
/* Parsed documents: refusals, typed readers, iteration, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "json/json.h"

static int setup(void **state)
{
    struct arena *arena = malloc(sizeof *arena);
    arena_init(arena, 1 << 20, 4096);
    *state = arena;
    return 0;
}

static int teardown(void **state)
{
    arena_fini(*state);
    free(*state);
    return 0;
}

static const struct json *parse(struct arena *arena, const char *text)
{
    const struct json *v = NULL;
    assert_int_equal(json_parse(arena, str_of(text), &v, NULL), 0);
    return v;
}

static void types(void **state)
{
    static const struct {
        const char *text;
        enum json_type type;
    } cases[] = {
        {"null", JSON_NULL},
        {"true", JSON_BOOL},
        {"false", JSON_BOOL},
        {"1", JSON_NUMBER},
        {"-1", JSON_NUMBER},
        {"1.5", JSON_NUMBER},
        {"1e400", JSON_NUMBER},
        {"\"s\"", JSON_STRING},
        {"[]", JSON_ARRAY},
        {" {} \n", JSON_OBJECT},
        {"123456789012345678901", JSON_NUMBER},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(json_type(parse(*state, cases[i].text)), cases[i].type);
    assert_int_equal(json_type(NULL), JSON_NONE);
}

static void refusals(void **state)
{
    static const struct {
        const char *text;
        int err;
        size_t offset;
    } cases[] = {
        {"", ERR_SYNTAX, 0},           {"[1,]", ERR_SYNTAX, 3},
        {"[1] x", ERR_SYNTAX, 4},      {"[\"\xff\"]", ERR_UTF8, 2},
        {"[NaN]", ERR_SYNTAX, 1},      {"\xef\xbb\xbf[]", ERR_SYNTAX, 0},
        {"\"\\ud80\"", ERR_SYNTAX, 1}, {"[1 /**/]", ERR_SYNTAX, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct json *v = NULL;
        struct json_error error = {0};
        assert_int_equal(json_parse(*state, str_of(cases[i].text), &v, &error), cases[i].err);
        assert_int_equal(error.offset, cases[i].offset);
        assert_non_null(error.text);
        assert_null(v);
    }
    const struct json *v;
    assert_int_equal(json_parse(*state, STR_NULL, &v, NULL), ERR_SYNTAX);
}

/* Half an emoji is read as what stands for a character that is not known; the text stays as it is. */
static void half_surrogate_pairs_are_replaced(void **state)
{
#define UNKNOWN "\xef\xbf\xbd"
    static const char *const cases[][2] = {
        {"\\ud83d", UNKNOWN},
        {"\\uDE00", UNKNOWN},
        {"a\\ud83d b", "a" UNKNOWN " b"},
        {"\\ud83d\\ud83d\\ude00\\ude00", UNKNOWN "\xf0\x9f\x98\x80" UNKNOWN},
        {"\\ud83d\\n\\ude00", UNKNOWN "\n" UNKNOWN},
        {"\\\\ud83d", "\\ud83d"},
        {"\\\\\\ud83d\\\\", "\\" UNKNOWN "\\"},
        {"\\ud83d\\u0041", UNKNOWN "A"},
        {"\\ud83d\\\"", UNKNOWN "\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[100], before[100];
        struct str got;
        (void)snprintf(text, sizeof text, "{\"k\":\"%s\",\"%s\":1}", cases[i][0], cases[i][0]);
        memcpy(before, text, sizeof text);
        const struct json *v = parse(*state, text);
        assert_true(json_to_str(json_get(v, "k"), &got));
        if (!str_eq(got, str_of(cases[i][1]))) fail_msg("%s: %" STR_FMT, text, STR_ARG(got));
        assert_non_null(json_get(v, cases[i][1]));
        assert_string_equal(text, before);
    }
}

static int parse_nested(struct arena *arena, size_t levels)
{
    size_t len = 2 * levels;
    char *text = malloc(len);
    memset(text, '[', levels);
    memset(text + levels, ']', levels);
    const struct json *v;
    int err = json_parse(arena, str_n(text, len), &v, NULL);
    free(text);
    return err;
}

static void depth_is_limited(void **state)
{
    assert_int_equal(parse_nested(*state, JSON_MAX_DEPTH), 0);
    assert_int_equal(parse_nested(*state, JSON_MAX_DEPTH + 1), ERR_DEPTH);
    assert_int_equal(parse_nested(*state, 1000000), ERR_DEPTH);
}

static void members(void **state)
{
    const struct json *v =
        parse(*state, "{\"a\":1,\"b\":{\"c\":[10,20,30]},\"a\":2,\"t\\u0065n\":10}");
    int64_t n = 0;
    assert_true(json_to_i64(json_get(v, "a"), &n));
    assert_int_equal(n, 1);
    assert_true(json_to_i64(json_get(v, "ten"), &n));
    assert_int_equal(n, 10);
    assert_ptr_equal(json_get_str(v, STR("ten")), json_get(v, "ten"));
    assert_null(json_get_str(v, STR("te")));
    assert_null(json_get_str(v, STR_NULL));
    assert_null(json_get(v, "zzz"));
    assert_null(json_get(NULL, "a"));
    assert_null(json_get(json_get(v, "a"), "a"));
    assert_int_equal(json_count(v), 4);
    const struct json *array = json_get(json_get(v, "b"), "c");
    assert_int_equal(json_count(array), 3);
    assert_true(json_to_i64(json_at(array, 2), &n));
    assert_int_equal(n, 30);
    assert_null(json_at(array, 3));
    assert_null(json_at(v, 0));
    assert_int_equal(json_count(NULL), 0);
    assert_int_equal(json_count(json_get(v, "a")), 0);
}

static void unique(void **state)
{
    static const char *const names[] = {"model", "stream", NULL};
    const char *which = NULL;
    assert_int_equal(json_unique(parse(*state, "{\"model\":1,\"x\":1,\"x\":2}"), names, &which), 0);
    assert_null(which);
    const struct json *twice = parse(*state, "{\"model\":1,\"stream\":1,\"str\\u0065am\":2}");
    assert_int_equal(json_unique(twice, names, &which), ERR_DUPLICATE);
    assert_string_equal(which, "stream");
    assert_int_equal(json_unique(NULL, names, &which), 0);
}

static void iteration(void **state)
{
    const struct json *v = parse(*state, "{\"a\":[1,[2,9],3],\"\":{\"x\":0},\"c\":null}");
    static const char *const names[] = {"a", "", "c"};
    static const enum json_type kinds[] = {JSON_ARRAY, JSON_OBJECT, JSON_NULL};
    struct json_iter it = {0};
    struct str name;
    const struct json *value;
    size_t n = 0;
    while (json_next_member(v, &it, &name, &value)) {
        assert_true(str_eq(name, str_of(names[n])));
        assert_int_equal(json_type(value), kinds[n++]);
    }
    assert_int_equal(n, 3);
    assert_false(json_next_member(v, &it, &name, &value));

    n = 0;
    for (struct json_iter i = {0}; json_next_item(json_get(v, "a"), &i, &value); n++)
        assert_int_equal(json_type(value), n == 1 ? JSON_ARRAY : JSON_NUMBER);
    assert_int_equal(n, 3);
    struct json_iter none = {0};
    assert_false(json_next_item(v, &none, &value));
    assert_false(json_next_item(NULL, &none, &value));
    assert_false(json_next_member(json_get(v, "a"), &none, &name, &value));
    assert_false(json_next_member(parse(*state, "{}"), &none, &name, &value));
}

static void integers(void **state)
{
    static const struct {
        const char *text;
        bool fits;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"9223372036854775807", true, INT64_MAX},
        {"2.0", true, 2},
        {"1e3", true, 1000},
        {"-9223372036854775808", true, INT64_MIN},
        {"2.5", false, 0},
        {"1e19", false, 0},
        {"9223372036854775808", false, 0},
        {"1e400", false, 0},
        {"\"1\"", false, 0},
        {"99999999999999999999", false, 0},
        {"null", false, 0},
        {"true", false, 0},
        {"-9223372036854775809", false, 0},
        {"1e-400", true, 0},
        {"100000000000000000000e-2", true, 1000000000000000000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t value = 0;
        if (json_to_i64(parse(*state, cases[i].text), &value) != cases[i].fits)
            fail_msg("%s", cases[i].text);
        assert_true(value == cases[i].value);
    }
}

static void doubles(void **state)
{
    double d = 0;
    assert_true(json_to_double(parse(*state, "0.1"), &d));
    assert_true(d == 0.1);
    assert_true(json_to_double(parse(*state, "-7"), &d));
    assert_true(d == -7);
    assert_true(json_to_double(parse(*state, "18446744073709551615"), &d));
    assert_true(d == 18446744073709551615.0);
    assert_true(json_to_double(parse(*state, "[100000000000000000000000]"), &d) == false);
    assert_true(json_to_double(json_at(parse(*state, "[100000000000000000000000]"), 0), &d));
    assert_true(d == 1e23);
    assert_false(json_to_double(parse(*state, "1e400"), &d));
    assert_false(json_to_double(parse(*state, "-1e400"), &d));
    assert_false(json_to_double(parse(*state, "\"1\""), &d));
    assert_false(json_to_double(NULL, &d));
}

static void kinds_of_numbers(void **state)
{
    static const struct {
        const char *text;
        enum json_number kind;
        const char *digits; /* of big integers */
    } cases[] = {
        {"0", JSON_INTEGER, NULL},
        {"-9223372036854775808", JSON_INTEGER, NULL},
        {"9223372036854775807", JSON_INTEGER, NULL},
        {"9223372036854775808", JSON_BIG_INTEGER, "9223372036854775808"},
        {"18446744073709551616", JSON_BIG_INTEGER, "18446744073709551616"},
        {"-9223372036854775809", JSON_BIG_INTEGER, "-9223372036854775809"},
        {"1.0", JSON_REAL, NULL},
        {"1e2", JSON_REAL, NULL},
        {"-1e999", JSON_REAL, NULL},
        {"\"1\"", JSON_NO_NUMBER, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char room[STR_U64_ROOM];
        const struct json *v = parse(*state, cases[i].text);
        if (json_number(v) != cases[i].kind) fail_msg("%s", cases[i].text);
        if (cases[i].digits) assert_true(str_eq(json_digits(v, room), str_of(cases[i].digits)));
    }
    assert_true(json_number(NULL) == JSON_NO_NUMBER);
    assert_true(json_real(parse(*state, "2.5")) == 2.5);
    assert_true(json_real(parse(*state, "-1e999")) < -1e308);
}

static void defaults(void **state)
{
    const struct json *v =
        parse(*state, "{\"s\":\"x\\u0000y\",\"b\":true,\"i\":7,\"d\":0.5,\"n\":null}");
    assert_true(str_eq(json_str_or(v, "s", STR("no")), STR("x\0y")));
    assert_true(str_eq(json_str_or(v, "i", STR("no")), STR("no")));
    assert_true(str_eq(json_str_or(v, "missing", STR("no")), STR("no")));
    assert_true(json_bool_or(v, "b", false));
    assert_true(json_bool_or(v, "n", true));
    assert_int_equal(json_i64_or(v, "i", 1), 7);
    assert_int_equal(json_i64_or(v, "d", 1), 1);
    assert_int_equal(json_i64_or(NULL, "i", 1), 1);
}

/* Dense texts make yyjson grow its values a few times; the cap ends that, never the process. */
static void memory_is_capped(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    char *text = malloc(2 * COUNT + 1);
    for (size_t i = 0; i < COUNT; i++)
        memcpy(text + 2 * i, i ? ",1" : "[1", 2);
    text[2 * COUNT] = ']';
    struct str dense = str_n(text, 2 * COUNT + 1);
    size_t enough = 0;
    for (size_t cap = 64; !enough; cap *= 2) {
        struct arena arena;
        arena_init(&arena, cap, 1024);
        const struct json *v = NULL;
        int err = json_parse(&arena, dense, &v, NULL);
        assert_true(err == 0 || err == ERR_TOO_LARGE);
        assert_true(arena_used(&arena) <= cap);
        if (err == 0) {
            enough = arena_used(&arena);
            assert_int_equal(json_count(v), COUNT);
        }
        arena_fini(&arena);
    }
    assert_true(enough <= 13 * dense.len);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(types, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(half_surrogate_pairs_are_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(members, setup, teardown),
        cmocka_unit_test_setup_teardown(unique, setup, teardown),
        cmocka_unit_test_setup_teardown(iteration, setup, teardown),
        cmocka_unit_test_setup_teardown(integers, setup, teardown),
        cmocka_unit_test_setup_teardown(doubles, setup, teardown),
        cmocka_unit_test_setup_teardown(kinds_of_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(defaults, setup, teardown),
        cmocka_unit_test(memory_is_capped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
