/* SPDX-License-Identifier: Apache-2.0 */
/* base: str, utf8 and base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/nearest.h"
#include "base/str.h"
#include "base/utf8.h"

static void comparing(void **state)
{
    (void)state;
    assert_true(str_eq(STR("abc"), str_of("abc")));
    assert_false(str_eq(STR("abc"), STR("abd")));
    assert_false(str_eq(STR("abc"), STR("ab")));
    assert_true(str_eq(STR_NULL, STR("")));
    assert_true(str_eq(str_of(NULL), STR_NULL));
    assert_true(str_eq_nocase(STR("Content-Type"), STR("content-TYPE")));
    assert_false(str_eq_nocase(STR("a"), STR("b")));
    assert_true(str_eq(STR("a\0b"), str_n("a\0b", 3)));
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("ab"), STR("a")) > 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR_NULL, STR("")), 0);
}

static void ends(void **state)
{
    (void)state;
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("")));
    assert_false(str_starts(STR("ab"), STR("abc")));
    assert_true(str_starts_nocase(STR("Bearer x"), STR("bearer ")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_true(str_ends(STR("abc"), STR("abc")));
    assert_false(str_ends(STR("bc"), STR("abc")));
    assert_true(str_ends(STR_NULL, STR("")));
}

static void finding(void **state)
{
    (void)state;
    assert_int_equal(str_find_char(STR("abcb"), 'b'), 1);
    assert_int_equal(str_find_char(STR("abc"), 'x'), -1);
    assert_int_equal(str_find_char(STR_NULL, 'x'), -1);
    assert_int_equal(str_find(STR("abcabd"), STR("abd")), 3);
    assert_int_equal(str_find(STR("abc"), STR("abcd")), -1);
    assert_int_equal(str_find(STR_NULL, STR("")), 0);
}

static void cutting(void **state)
{
    (void)state;
    assert_true(str_eq(str_sub(STR("abcdef"), 2, 3), STR("cde")));
    assert_true(str_eq(str_sub(STR("abc"), 2, 30), STR("c")));
    assert_int_equal(str_sub(STR("abc"), 9, 1).len, 0);
    assert_true(str_eq(str_skip(STR("abc"), 1), STR("bc")));
    assert_int_equal(str_skip(STR_NULL, 3).len, 0);
    assert_true(str_eq(str_trim(STR(" \t a b \t")), STR("a b")));
    assert_int_equal(str_trim(STR(" \t ")).len, 0);
    assert_true(str_eq(str_trim(STR("\na\n")), STR("\na\n")));
}

static void pieces(void **state)
{
    (void)state;
    static const char *const due[] = {"a", "", "b", ""};
    struct str rest = STR("a,,b,"), piece;
    size_t n = 0;
    while (str_cut(&rest, ',', &piece))
        assert_true(str_eq(piece, str_of(due[n++])));
    assert_int_equal(n, 4);
    rest = STR("");
    assert_true(str_cut(&rest, ',', &piece));
    assert_int_equal(piece.len, 0);
    assert_false(str_cut(&rest, ',', &piece));
    rest = STR_NULL;
    assert_false(str_cut(&rest, ',', &piece));
}

static void unsigned_numbers(void **state)
{
    (void)state;
    uint64_t v = 7;
    assert_int_equal(str_to_u64(STR("0"), &v), 0);
    assert_true(v == 0);
    assert_int_equal(str_to_u64(STR("18446744073709551615"), &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(str_to_u64(STR("18446744073709551616"), &v), ERR_RANGE);
    assert_int_equal(str_to_u64(STR("99999999999999999999999"), &v), ERR_RANGE);
    assert_true(v == UINT64_MAX);
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "a"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(str_to_u64(str_of(bad[i]), &v), ERR_SYNTAX);
}

static void signed_numbers(void **state)
{
    (void)state;
    int64_t v = 7;
    assert_int_equal(str_to_i64(STR("-9223372036854775808"), &v), 0);
    assert_true(v == INT64_MIN);
    assert_int_equal(str_to_i64(STR("9223372036854775807"), &v), 0);
    assert_true(v == INT64_MAX);
    assert_int_equal(str_to_i64(STR("-0"), &v), 0);
    assert_true(v == 0);
    assert_int_equal(str_to_i64(STR("9223372036854775808"), &v), ERR_RANGE);
    assert_int_equal(str_to_i64(STR("-9223372036854775809"), &v), ERR_RANGE);
    assert_int_equal(str_to_i64(STR("-"), &v), ERR_SYNTAX);
    assert_int_equal(str_to_i64(STR("--1"), &v), ERR_SYNTAX);
    assert_true(v == 0);
}

static void real_numbers(void **state)
{
    (void)state;
    double v = 7;
    assert_int_equal(str_to_double(STR("0.5"), &v), 0);
    assert_true(v == 0.5);
    assert_int_equal(str_to_double(STR("-1e3"), &v), 0);
    assert_true(v == -1000);
    assert_int_equal(str_to_double(STR("1e999"), &v), ERR_RANGE);
    assert_int_equal(str_to_double(STR("1x"), &v), ERR_SYNTAX);
    assert_int_equal(str_to_double(STR(" 1"), &v), ERR_SYNTAX);
    assert_int_equal(str_to_double(STR("inf"), &v), ERR_SYNTAX);
    assert_int_equal(str_to_double(STR("nan"), &v), ERR_SYNTAX);
    assert_int_equal(str_to_double(STR("0x10"), &v), ERR_SYNTAX);
    assert_int_equal(str_to_double(STR(""), &v), ERR_SYNTAX);
    assert_true(v == -1000);
}

static void duplicate(void **state)
{
    (void)state;
    char *copy = str_dup(str_n("ab\0cd", 4));
    assert_memory_equal(copy, "ab\0c", 5);
    free(copy);
    copy = str_dup(STR_NULL);
    assert_string_equal(copy, "");
    free(copy);
}

/* Every character there is: encodes to what is valid, and has its length. */
static void utf8_all_characters(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char text[4];
        size_t n = utf8_encode(code, text);
        const unsigned char *p = (const unsigned char *)text;
        bool surrogate = code >= 0xd800 && code < 0xe000;
        if (utf8_valid(str_n(text, n)) == surrogate) fail_msg("U+%04X", code);
        if ((utf8_step(p, p + n) == (int)n) == surrogate) fail_msg("U+%04X", code);
        for (size_t cut = 1; cut < n && !surrogate; cut++) {
            assert_false(utf8_valid(str_n(text, cut)));
            assert_int_equal(utf8_step(p, p + cut), -(int)cut);
            assert_int_equal(utf8_complete(str_n(text, cut)), 0);
        }
        assert_int_equal(utf8_complete(str_n(text, n)), n);
    }
}

/* A fifth of all sequences of three bytes, spread evenly: utf8_step and utf8_valid agree, and
 * steps never leave the text. */
static void utf8_short_sequences(void **state)
{
    (void)state;
    unsigned char p[4]; /* one more, so that gcc does not warn of a read that the length forbids */
    for (uint32_t bits = 0; bits < 1 << 24; bits += 5) {
        p[0] = (unsigned char)(bits & 0xff);
        p[1] = (unsigned char)(bits >> 8 & 0xff);
        p[2] = (unsigned char)(bits >> 16);
        bool valid = true;
        for (int at = 0, n; at < 3; at += n < 0 ? -n : n) {
            n = utf8_step(p + at, p + 3);
            if (n < 0) valid = false;
            assert_true(n != 0 && at + (n < 0 ? -n : n) <= 3);
        }
        if (utf8_valid(str_n((char *)p, 3)) != valid) fail_msg("%06x", bits);
    }
}

static void utf8_broken(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int step;
    } cases[] = {{"\x80", -1},
                 {"\xc0\x80", -1},
                 {"\xc1\xbf", -1},
                 {"\xe0\x9f\x80", -1},
                 {"\xed\xa0\x80", -1},
                 {"\xf0\x8f\x80\x80", -1},
                 {"\xf4\x90\x80\x80", -1},
                 {"\xf5\x80\x80\x80", -1},
                 {"\xff", -1},
                 {"\xe2\x82(", -2},
                 {"\xf0\x9f\x98(", -3},
                 {"\xf0\x9f(", -2},
                 {"\xc3(", -1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const unsigned char *p = (const unsigned char *)cases[i].text;
        assert_false(utf8_valid(str_of(cases[i].text)));
        assert_int_equal(utf8_step(p, p + strlen(cases[i].text)), cases[i].step);
    }
    /* A broken byte behind any number of good ones is seen. */
    char text[40];
    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'x', sizeof text);
        assert_true(utf8_valid(str_n(text, sizeof text)));
        text[at] = '\x80';
        assert_false(utf8_valid(str_n(text, sizeof text)));
    }
    assert_true(utf8_valid(STR_NULL));
}

static void utf8_holding_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t complete;
    } cases[] = {{"", 0},
                 {"abc", 3},
                 {"ab\xc3", 2},
                 {"ab\xe2\x82", 2},
                 {"ab\xf0\x9f\x98", 2},
                 {"ab\xf0\x9f\x98\x80", 6},
                 {"ab\xe2(", 4},
                 {"ab\x80", 3},
                 {"ab\x80\x80\x80", 5},
                 {"\xe0\x80", 2},
                 {"ab\xff", 3},
                 {"\xc3\xa9\xc3", 2}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (utf8_complete(str_of(cases[i].text)) != cases[i].complete) fail_msg("case %zu", i);
}

static void base64_both_ways(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"\xff\xfe", "//4="},
                                          {"\xfb\xef\xbe", "++++"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str bytes = str_of(rows[i][0]), text = str_of(rows[i][1]);
        char room[BASE64_ROOM(16)];
        struct buf out;
        buf_init(&out, 64);
        assert_int_equal(base64_append(&out, bytes), 0);
        assert_true(str_eq(buf_str(&out), text));
        assert_int_equal(base64_read(text, room), bytes.len);
        assert_memory_equal(room, bytes.ptr, bytes.len);
        buf_fini(&out);
    }
}

static void base64_that_is_none(void **state)
{
    (void)state;
    static const char *const rows[] = {"Z", "Zm9vY", "Zm-v", "Zg==Zg==", "Zm 9v", "===", "Z==="};
    char room[BASE64_ROOM(16)];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(base64_read(str_of(rows[i]), room), ERR_SYNTAX);
    assert_int_equal(base64_read(STR("Zg"), room), 1); /* without padding */
}

static struct str known_word(const void *ctx, size_t i)
{
    return str_of(((const char *const *)ctx)[i]);
}

static void check_near(const char *word, const char *expected)
{
    static const char *const words[] = {"", "connect", "between", "total", "up"};
    struct str near = nearest_word(str_of(word), known_word, words, ARRAY_LEN(words));
    assert_true(str_eq(near, str_of(expected)));
}

static void near_words(void **state)
{
    (void)state;
    check_near("conect", "connect");
    check_near("totl", "total");
    check_near("ttoal", "total");
    check_near("betwene", "between");
    check_near("u", "up");
    check_near("pu", "up");
    check_near("xy", "");
    check_near("zebra", "");
    check_near("", "");
    char text[100] = {0};
    memset(text, 'x', sizeof text - 1);
    check_near(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing),
        cmocka_unit_test(ends),
        cmocka_unit_test(finding),
        cmocka_unit_test(cutting),
        cmocka_unit_test(pieces),
        cmocka_unit_test(unsigned_numbers),
        cmocka_unit_test(signed_numbers),
        cmocka_unit_test(real_numbers),
        cmocka_unit_test(duplicate),
        cmocka_unit_test(near_words),
        cmocka_unit_test(utf8_all_characters),
        cmocka_unit_test(base64_both_ways),
        cmocka_unit_test(base64_that_is_none),
        cmocka_unit_test(utf8_short_sequences),
        cmocka_unit_test(utf8_broken),
        cmocka_unit_test(utf8_holding_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
