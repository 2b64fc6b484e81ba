/* SPDX-License-Identifier: Apache-2.0 */
/* json: members of text that passes by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "json/skim.h"

/* Each member as "DEPTH NAME=VALUE;". */
static void check_members(const char *text, const char *want)
{
    struct json_skim s;
    struct json_member m;
    struct buf told;
    buf_init(&told, 4096);
    char *copy = malloc(strlen(text)); /* no terminator: reading on is an error */
    memcpy(copy, text, strlen(text));
    json_skim_init(&s, str_n(copy, strlen(text)));
    while (json_skim_next(&s, &m))
        assert_int_equal(buf_printf(&told, "%u %" STR_FMT "=%" STR_FMT ";", m.depth,
                                    STR_ARG(m.name), STR_ARG(json_skim_value(m.value).raw)),
                         0);
    if (!str_eq(buf_str(&told), str_of(want)))
        fail_msg("%s: %" STR_FMT, text, STR_ARG(buf_str(&told)));
    free(copy);
    buf_fini(&told);
}

static void members_are_found_at_their_depth(void **state)
{
    (void)state;
    check_members("{}", "");
    check_members("{\"a\":1}", "1 a=1;");
    check_members(" { \"a\" : \"x\" , \"b\":null}", "1 a=\"x\";1 b=null;");
    check_members("{\"a\":{\"b\":[{\"c\":true}]},\"d\":-1.5e3}",
                  "1 a={\"b\":[{\"c\":true}]};2 b=[{\"c\":true}];4 c=true;1 d=-1.5e3;");
    check_members("{\"a\":\"{\\\"b\\\":1}\",\"c\":\"\\\\\"}",
                  "1 a=\"{\\\"b\\\":1}\";1 c=\"\\\\\";");
    check_members("[\"a\",{\"b\":[]}]", "2 b=[];");
    check_members("{\"a|\\\"\":\"|\",\"b\":1}", "1 a|\\\"=\"|\";1 b=1;");
    /* across blocks of 64 bytes, with an escape at their border */
    check_members(
        "{\"0123456789012345678901234567890123456789\":\"0123456789abcdefg\\\"x\",\"b\":2}",
        "1 0123456789012345678901234567890123456789=\"0123456789abcdefg\\\"x\";1 b=2;");
    check_members(
        "{\"0123456789012345678901234567890123456789\":\"0123456789abcdefgh\\\"x\",\"b\":2}",
        "1 0123456789012345678901234567890123456789=\"0123456789abcdefgh\\\"x\";1 b=2;");
    check_members(
        "{\"0123456789012345678901234567890123456789\":\"0123456789abcdefghi\\\"x\",\"b\":2}",
        "1 0123456789012345678901234567890123456789=\"0123456789abcdefghi\\\"x\";1 b=2;");
}

static void what_is_no_json_does_no_harm(void **state)
{
    (void)state;
    check_members("", "");
    check_members("not json", "");
    check_members("\"a", "");
    check_members("\"a\\", "");
    check_members("{\"a\":", "1 a=;");
    check_members("{\"a\":{\"b\":1", "1 a=;2 b=1;");
    check_members("}}]{\"a\":1}", "1 a=1;");
}

static void names_may_be_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is;
    } rows[] = {
        {"{\"usage\":1}", true},     {"{\"us\\u0061ge\":1}", true},
        {"{\"usag\":1}", false},     {"{\"us\\u0062ge\":1}", false},
        {"{\"us\\u006\":1}", false}, {"{\"usage\\u0000\":1}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_skim s;
        struct json_member m;
        json_skim_init(&s, str_of(rows[i].text));
        assert_true(json_skim_next(&s, &m));
        if (json_member_is(&m, STR("usage")) != rows[i].is) fail_msg("%s", rows[i].text);
    }
}

static void elements_are_found(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"[]", ""},
        {"[ ]", ""},
        {"[1]", "1;"},
        {" ", ""},
        {"[ {\"a\":[1,2]} , \"x,]\",null ]", "{\"a\":[1,2]};\"x,]\";null;"},
        {"[1,", "1;"},
        {"[{", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str rest = str_of(rows[i][0]);
        struct json_span element;
        struct buf told;
        buf_init(&told, 4096);
        while (json_skim_element(&rest, &element))
            assert_int_equal(buf_printf(&told, "%" STR_FMT ";", STR_ARG(element.raw)), 0);
        if (!str_eq(buf_str(&told), str_of(rows[i][1])))
            fail_msg("%s: %" STR_FMT, rows[i][0], STR_ARG(buf_str(&told)));
        buf_fini(&told);
    }
}

static void empty_values_and_text_in_strings(void **state)
{
    (void)state;
    static const char *const empty[] = {"", "null", "false,", "\"\"", "[ ]", "{}", "{\n}"};
    static const char *const full[] = {"\" \"", "0", "true", "[1]", "{\"a\":1}", "\"\\\"\""};
    for (size_t i = 0; i < ARRAY_LEN(empty); i++)
        assert_true(json_skim_empty(str_of(empty[i])));
    for (size_t i = 0; i < ARRAY_LEN(full); i++)
        if (json_skim_empty(str_of(full[i]))) fail_msg("%s", full[i]);
    assert_true(json_skim_inside(STR("")) && json_skim_inside(STR("a\\\"b\\\\")));
    assert_false(json_skim_inside(STR("a\"b")) || json_skim_inside(STR("a\\")) ||
                 json_skim_inside(STR("a\\\\\"")) || json_skim_inside(STR("a\nb")) ||
                 json_skim_inside(STR("a\\xb")) || json_skim_inside(STR("a\\\0b")));
}

/* What is found, however the text is cut. */
static void objects_are_found_in_pieces(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"usage\":{\"a\":1}}", "{\"a\":1}"},
        {"{\"x\":[1,{\"usage\":{}}], \"usage\" : { \"a\":\"}\\\"\" } }", "{ \"a\":\"}\\\"\" }"},
        {"{\"us\\u0061ge\":{\"a\":[{}]},\"y\":\"\\\\\"}", "{\"a\":[{}]}"},
        {"{\"usage\":null}", ""},
        {"{\"usage\":[{\"usage\":{}}]}", ""},
        {"{\"a\":\"usage\",\"b\":{\"usage\":{}}}", ""},
        {"{\"usage\":{\"a\":1", ""},
        {"{\"usage\":{\"a\":\"0123456789012345678901234567890123456789\"},\"b\":{}}",
         ""}, /* too large */
        {"{\"0123456789012345678901234567890123456789012345678901234567890123456789\":1,\"usage\":{}}",
         "{}"},
        {"{\"usage\":{\"a\":1},\"usage\":2}", ""},
        {"{\"usage\":{\"a\":{}},\"b\":{\"c\":[1,{}]},\"d\":\"}\\\"\"} \n", "{\"a\":{}}"},
        {"{\"usage\":{\"a\":1},\"us\\u0061ge\":{\"b\":2}}", "{\"b\":2}"},
        {"{\"usage\":{\"a\":1},\"us\\u0061ge\":null}", ""},
        {"{\"b\":{\"usage\":{\"a\":1}}}", ""},
        {"{\"b\":{\"usage\":{\"a\":1}},\"c\":{}}", ""},
        {"{\"usage\":{\"a\":1},\"b\":{\"usage\":{}}}", "{\"a\":1}"},
        {"{\"b\":\"\\\"usage\":{}", ""},
        {"{\"b\":\"\\\"usage\\\":{}}\"}", ""},
        {"{\"a\":\"usage\"}", ""},
        {"{\"usage\":{}}", "{}"},
        {"\"usage\":{}}", ""},
        {" ", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t step = 1; step < 90; step++) {
            struct json_find f;
            struct str text = str_of(rows[i][0]);
            json_find_init(&f, STR("usage"), 30);
            for (size_t at = 0; at < text.len; at += step) {
                struct str piece = str_sub(text, at, step);
                char *copy = malloc(piece.len);
                memcpy(copy, piece.ptr, piece.len);
                json_find_feed(&f, str_n(copy, piece.len));
                free(copy);
            }
            if (!str_eq(json_find_value(&f), str_of(rows[i][1])))
                fail_msg("%s by %zu: %" STR_FMT, rows[i][0], step, STR_ARG(json_find_value(&f)));
            json_find_fini(&f);
        }
}

static void numbers_are_found_in_pieces(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"a\":1}", "{\"a\":1}"},
        {"{\"a\":\"b\",\"c\" : -1.5e3 , \"d\":[{\"e\":2},3],\"f\":4}", "{\"c\":-1.5e3,\"f\":4}"},
        {"{\"x\\\"y\":1,\"b\":\"\\\"c\\\":2\"}", "{\"x\\\"y\":1}"},
        {"{\"a\":null,\"b\":true,\"c\":{}}", ""},
        {"{\"a\":1,\"b\":2", ""},
        {"{\"a\":1,\"0123456789012345678901234567890123456789012345678901234567890123456789\":2}",
         "{\"a\":1}"},
        {"{\"a\":1,\"b\":0123456789012345678901234567890123456789}", ""}, /* too large */
        {"{\"a\":12345678901234567890,\"b\":1234567890,\"c\":1}", ""},
        {"[1,2]", ""},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t step = 1; step < 90; step++) {
            struct json_find f;
            struct str text = str_of(rows[i][0]);
            json_find_init(&f, STR(""), 30);
            for (size_t at = 0; at < text.len; at += step)
                json_find_feed(&f, str_sub(text, at, step));
            if (!str_eq(json_find_value(&f), str_of(rows[i][1])))
                fail_msg("%s by %zu: %" STR_FMT, rows[i][0], step, STR_ARG(json_find_value(&f)));
            json_find_fini(&f);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_at_their_depth),
        cmocka_unit_test(what_is_no_json_does_no_harm),
        cmocka_unit_test(names_may_be_escaped),
        cmocka_unit_test(elements_are_found),
        cmocka_unit_test(empty_values_and_text_in_strings),
        cmocka_unit_test(objects_are_found_in_pieces),
        cmocka_unit_test(numbers_are_found_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
