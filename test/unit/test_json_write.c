/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: commas, escapes, numbers that read back, failures that stick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/rand.h"
#include "base/utf8.h"
#include "json/json.h"
#include "json/write.h"

static void expect(struct buf *out, const char *text)
{
    struct str got = buf_str(out);
    if (!str_eq(got, str_of(text))) fail_msg("got %" STR_FMT ", expected %s", STR_ARG(got), text);
    buf_clear(out);
}

static void structure(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 16);
    json_write_init(&w, &out);
    json_write_object(&w);
    json_write_str_member(&w, "s", STR("v"));
    json_write_u64_member(&w, "u", UINT64_MAX);
    json_write_i64_member(&w, "i", INT64_MIN);
    json_write_double_member(&w, "d", 0.7);
    json_write_bool_member(&w, "b", false);
    json_write_null_member(&w, "n");
    json_write_key(&w, "a");
    json_write_array(&w);
    json_write_i64(&w, -1);
    json_write_array(&w);
    json_write_array_end(&w);
    json_write_object(&w);
    json_write_object_end(&w);
    json_write_raw(&w, STR("{\"raw\": 1}"));
    json_write_bool(&w, true);
    json_write_null(&w);
    json_write_array_end(&w);
    json_write_key_str(&w, STR("k\"\n"));
    json_write_str(&w, STR_NULL);
    json_write_object_end(&w);
    assert_int_equal(json_write_end(&w), 0);
    expect(
        &out,
        "{\"s\":\"v\",\"u\":18446744073709551615,\"i\":-9223372036854775808,\"d\":0.7,\"b\":false,\"n\":null,"
        "\"a\":[-1,[],{},{\"raw\": 1},true,null],\"k\\\"\\n\":\"\"}");
    buf_fini(&out);
}

static void a_level_that_is_opened_again_starts_without_comma(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 16);
    json_write_init(&w, &out);
    json_write_array(&w);
    for (int i = 0; i < 3; i++) {
        json_write_array(&w);
        json_write_u64(&w, 0);
        json_write_u64(&w, (uint64_t)i);
        json_write_array_end(&w);
    }
    json_write_array_end(&w);
    assert_int_equal(json_write_end(&w), 0);
    expect(&out, "[[0,0],[0,1],[0,2]]");
    buf_fini(&out);
}

static void deepest_level(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 16);
    json_write_init(&w, &out);
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        json_write_array(&w);
    json_write_null(&w);
    json_write_null(&w);
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        json_write_array_end(&w);
    assert_int_equal(json_write_end(&w), 0);
    assert_int_equal(buf_len(&out), 2 * JSON_MAX_DEPTH + strlen("null,null"));
    buf_fini(&out);
}

static void escapes(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        const char *escaped;
    } cases[] = {
        {STR_INIT(""), ""},
        {STR_INIT("plain text without anything special in it"),
         "plain text without anything special in it"},
        {STR_INIT("\"\\/"), "\\\"\\\\/"},
        {STR_INIT("\b\f\n\r\t"), "\\b\\f\\n\\r\\t"},
        {STR_INIT("a\0b\x01\x0b\x1f\x7f"), "a\\u0000b\\u0001\\u000b\\u001f\x7f"},
        {STR_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80!"),
         "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80!"},
        {STR_INIT("x\xff"
                  "y"),
         "x\xef\xbf\xbdy"},
        {STR_INIT("\xc3"), "\xef\xbf\xbd"},
        {STR_INIT("\xe2\x82"), "\xef\xbf\xbd"},
        {STR_INIT("\xf0\x9f\x98."), "\xef\xbf\xbd."},
        {STR_INIT("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {STR_INIT("\xc0\x80\""), "\xef\xbf\xbd\xef\xbf\xbd\\\""},
        {STR_INIT("\xc3\xa9\n\xff\n\xc3\xa9"), "\xc3\xa9\\n\xef\xbf\xbd\\n\xc3\xa9"},
    };
    struct buf out;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(json_escape(&out, cases[i].text), 0);
        expect(&out, cases[i].escaped);
    }
    buf_fini(&out);
}

/* Random bytes, written and read back: valid ones come back the same, all come back valid. */
static void strings_read_back(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    struct buf out;
    struct arena arena;
    buf_init(&out, 1 << 16);
    arena_init(&arena, 1 << 16, 4096);
    for (int round = 0; round < 5000; round++) {
        char raw[64];
        size_t len = (size_t)rng_below(&rng, sizeof raw);
        unsigned top = rng_below(&rng, 2) ? 256 : 128;
        for (size_t i = 0; i < len; i++)
            raw[i] = (char)rng_below(&rng, top);
        struct json_writer w;
        json_write_init(&w, &out);
        json_write_str(&w, str_n(raw, len));
        assert_int_equal(json_write_end(&w), 0);
        const struct json *v;
        struct str back;
        assert_int_equal(json_parse(&arena, buf_str(&out), &v, NULL), 0);
        assert_true(json_to_str(v, &back));
        if (utf8_valid(str_n(raw, len))) assert_true(str_eq(back, str_n(raw, len)));
        buf_clear(&out);
        arena_reset(&arena);
    }
    arena_fini(&arena);
    buf_fini(&out);
}

static void write_double(struct buf *out, double v)
{
    struct json_writer w;
    json_write_init(&w, out);
    json_write_double(&w, v);
    assert_int_equal(json_write_end(&w), 0);
}

static void doubles(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0.1, "0.1"},       {0.7, "0.7"},        {1, "1.0"},
                 {-2.5, "-2.5"},     {NAN, "null"},       {1e21, "1e21"},
                 {INFINITY, "null"}, {-INFINITY, "null"}, {5e-324, "5e-324"}};
    struct buf out;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        write_double(&out, cases[i].v);
        expect(&out, cases[i].text);
    }
    struct rng rng;
    rng_seed(&rng, 11);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_next(&rng);
        double v, back;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v)) continue;
        write_double(&out, v);
        assert_int_equal(
            str_to_double(buf_str(&out), &back) == ERR_RANGE ? fabs(v) < DBL_MIN : back == v, 1);
        buf_clear(&out);
    }
    buf_fini(&out);
}

static void what_was_read_is_written_again(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1,-2,0.5,1e300,true,false,null,\"x\\n\\u0001\"],\"b\":{\"a\":{}},"
        "\"c\":[],\"a\":123456789012345678901234567890}";
    struct arena arena;
    struct buf out;
    struct json_writer w;
    const struct json *v;
    arena_init(&arena, 1 << 20, 1024);
    buf_init(&out, 1 << 20);
    assert_int_equal(json_parse(&arena, str_of(text), &v, NULL), 0);
    json_write_init(&w, &out);
    json_write_json(&w, v);
    assert_int_equal(json_write_end(&w), 0);
    assert_true(str_eq(buf_str(&out), str_of(text)));

    char deep[2 * JSON_MAX_DEPTH + 1] = "";
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        deep[i] = '[', deep[2 * JSON_MAX_DEPTH - 1 - i] = ']';
    assert_int_equal(json_parse(&arena, str_of(deep), &v, NULL), 0);
    for (int levels = 0; levels < 2; levels++) {
        buf_clear(&out);
        json_write_init(&w, &out);
        if (levels) json_write_array(&w);
        json_write_json(&w, v);
        if (levels) json_write_array_end(&w);
        assert_int_equal(json_write_end(&w), levels ? ERR_DEPTH : 0);
    }
    buf_fini(&out);
    arena_fini(&arena);
}

static void the_first_failure_sticks(void **state)
{
    (void)state;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 10);
    json_write_init(&w, &out);
    json_write_array(&w);
    json_write_str(&w, STR("much too long for it"));
    json_write_object(&w);
    json_write_key(&w, "k");
    json_write_null(&w);
    json_write_array_end(&w);
    assert_int_equal(json_write_end(&w), ERR_TOO_LARGE);
    assert_true(buf_len(&out) <= 10);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structure),
        cmocka_unit_test(a_level_that_is_opened_again_starts_without_comma),
        cmocka_unit_test(deepest_level),
        cmocka_unit_test(escapes),
        cmocka_unit_test(strings_read_back),
        cmocka_unit_test(doubles),
        cmocka_unit_test(what_was_read_is_written_again),
        cmocka_unit_test(the_first_failure_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
