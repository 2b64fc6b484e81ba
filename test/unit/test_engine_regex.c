/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of characters, and patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "engine/grammar/chars.h"
#include "engine/grammar/regex.h"

enum { ROOM = 64 << 20 };

static struct terms *t;
static struct arena arena;

static int setup(void **state)
{
    (void)state;
    t = terms_new(ROOM);
    arena_init(&arena, ROOM, 4096);
    return t ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    terms_free(t);
    arena_fini(&arena);
    return 0;
}

static void takes(term a, const char *text)
{
    if (!term_takes(t, a, str_of(text))) fail_msg("'%s' is not taken", text);
}

static void refuses(term a, const char *text)
{
    if (term_takes(t, a, str_of(text))) fail_msg("'%s' is taken", text);
}

/* --- characters --- */

static bool takes_point(term a, uint32_t code)
{
    char text[4];
    size_t len = utf8_encode(code, text);
    return term_takes(t, a, str_n(text, len));
}

static void sets_take_their_characters(void **state)
{
    (void)state;
    static const uint32_t borders[] = {0,      1,       0x7f,    0x80,    0x7ff,
                                       0x800,  0xfff,   0x1000,  0xd7ff,  0xe000,
                                       0xffff, 0x10000, 0x3ffff, 0x40000, 0x10ffff};
    for (size_t i = 0; i < ARRAY_LEN(borders); i++) {
        for (size_t k = i; k < ARRAY_LEN(borders); k++) {
            struct chars c;
            chars_init(&c, &arena);
            chars_add(&c, borders[i], borders[k]);
            term a = chars_term(t, &c, CHARS_PLAIN);
            chars_invert(&c);
            term b = chars_term(t, &c, CHARS_PLAIN);
            for (size_t m = 0; m < ARRAY_LEN(borders); m++) {
                assert_int_equal(takes_point(a, borders[m]), m >= i && m <= k);
                assert_int_equal(takes_point(b, borders[m]), m < i || m > k);
            }
            refuses(a, "\xed\xa0\x80"); /* a surrogate */
            refuses(a, "\xc0\x80");     /* one byte too long */
            refuses(b, "\xf4\x90\x80\x80");
            arena_reset(&arena);
        }
    }
}

static void equal_sets_are_one_term(void **state)
{
    (void)state;
    struct chars a, b;
    chars_init(&a, &arena);
    chars_init(&b, &arena);
    chars_add(&a, 'a', 0x3000);
    for (uint32_t i = 0x3000; i >= 'a'; i -= 7)
        chars_add(&b, i < 'a' + 6 ? 'a' : i - 6, i);
    chars_add(&b, 'a', 'z');
    assert_int_equal(chars_term(t, &a, CHARS_PLAIN), chars_term(t, &b, CHARS_PLAIN));
    assert_int_equal(chars_term(t, &a, CHARS_JSON), chars_term(t, &b, CHARS_JSON));
    chars_invert(&a);
    chars_invert(&a);
    assert_int_equal(chars_term(t, &a, CHARS_PLAIN), chars_term(t, &b, CHARS_PLAIN));
}

static void what_json_must_escape_has_all_forms(void **state)
{
    (void)state;
    struct chars c;
    chars_init(&c, &arena);
    chars_add(&c, 0, CHAR_MAX_POINT);
    term a = chars_term(t, &c, CHARS_JSON);
    static const char *const good[] = {"a",       "/",       "é",       "€",       "😀",
                                       "\\n",     "\\\"",    "\\\\",    "\\u000a", "\\u000A",
                                       "\\u0022", "\\u005c", "\\u0000", "\x7f"};
    static const char *const bad[] = {"\"",      "\\",      "\n",  "\\/", "\\u0041",
                                      "\\u00e9", "\\u0020", "\\a", "",    "\\u002"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        takes(a, good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuses(a, bad[i]);
    term b = chars_text(t, STR("a\"\n\xc3\xa9"), CHARS_JSON);
    takes(b, "a\\\"\\né");
    takes(b, "a\\u0022\\u000Aé");
    refuses(b, "a\"\né");
    takes(chars_text(t, STR("a\"\n"), CHARS_PLAIN), "a\"\n");
}

static void any_json_character_has_every_form(void **state)
{
    (void)state;
    term a = chars_json_any(t);
    static const char *const good[] = {"a",       "/",       "\\/",     "é",       "😀",
                                       "\\u0041", "\\uD7ff", "\\ue000", "\\uFFFF", "\\ud83d\\uDE00",
                                       "\\b",     "\\u000a"};
    static const char *const bad[] = {"\"",      "\\",    "\x1f",  "\\ud83d",        "\\ude00",
                                      "\\u004g", "\\u12", "\\x41", "\\ud83d\\ud83d", "ab",
                                      "\\ud83dx"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        takes(a, good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuses(a, bad[i]);
}

/* --- patterns --- */

static term compile(const char *pattern, bool whole, enum chars_form form)
{
    struct grammar_why why = {.arena = &arena};
    term out = TERM_NONE;
    int err = regex_term(t, str_of(pattern), whole, form, &why, &out);
    if (err) fail_msg("%s: %" STR_FMT, pattern, STR_ARG(why.text));
    return out;
}

/* Searched for in plain texts, one of which is NULL at the end. */
static void check(const char *pattern, const char *const *good, const char *const *bad)
{
    term a = compile(pattern, false, CHARS_PLAIN);
    for (; *good; good++)
        if (!term_takes(t, a, str_of(*good))) fail_msg("%s does not take '%s'", pattern, *good);
    for (; *bad; bad++)
        if (term_takes(t, a, str_of(*bad))) fail_msg("%s takes '%s'", pattern, *bad);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NOTHING ((const char *const[]){NULL})

static void patterns_take_what_they_say(void **state)
{
    (void)state;
    check("^abc$", LIST("abc"), LIST("", "ab", "abcd", "xabc", "abc\n"));
    check("abc", LIST("abc", "xxabcxx", "\nabc\n"), LIST("", "ab", "a\nbc"));
    check("^[a-c]{2,3}$", LIST("ab", "ccc"), LIST("a", "abca", "ad"));
    check("^[^a-c\\s]+$", LIST("xyz", "é"), LIST("a", "x y", "x\xc2\xa0y", ""));
    check("^(?:a|bc)*$", LIST("", "abca", "bcbc"), LIST("b", "abcb"));
    check("^\\d{3}-\\d{4}$", LIST("555-1234"), LIST("555-123", "٣٣٣-1234"));
    check("^.$", LIST("x", "é", "😀"), LIST("", "\n", "\r", "\xe2\x80\xa8", "ab"));
    check("(?s)^.$", LIST("x", "\n"), LIST(""));
    check("(?i)^straße[a-c]$", LIST("STRAßEb", "straßeC"), LIST("strassec"));
    check("(?i)^[^k]$", LIST("x", "X"), LIST("k", "K", "\xe2\x84\xaa"));
    check("^a(?i:b)c$", LIST("abc", "aBc"), LIST("abC", "Abc"));
    check("^\\x41\\u00e9\\u{1F600}\\U0001F600\\cA\\0?$", LIST("Aé😀😀\x01"), LIST("A"));
    check("^\\ud83d\\ude00$", LIST("😀"), LIST("\\"));
    check("^[\\w.+-]+@[\\w-.]+$", LIST("a.b@c-d.e"), LIST("a@", "@b"));
    check("^[\\b\\]\\-x^]+$", LIST("\b]-x^"), LIST("b", "\\"));
    check("^(?<year>\\d+)(?P<m>x)?$", LIST("12", "1x"), LIST("x"));
    check("^\\p{Lu}\\p{Ll}+\\P{L}$", LIST("Ägäi9"), LIST("ägäi9", "Ägäix"));
    check("^[\\p{L}\\p{Nd}\\p{Z}]+$", LIST("Ab 9٣", "日本"), LIST("a-b", "a\tb"));
    check("^a+?b??c*?$", LIST("aab", "ac"), LIST("b"));
    check("", LIST("", "x"), LIST("\xff"));
}

static void borders_may_stand_anywhere(void **state)
{
    (void)state;
    check("^a|b$", LIST("a", "ax", "xb", "b"), LIST("xa", "bx", ""));
    check("(^|,)a($|,)", LIST("a", "x,a", "a,x", "x,a,x"), LIST("xa", "ax", "xax"));
    check("^(^a|b)$", LIST("a", "b"), LIST("ab"));
    check("a^b", NOTHING, LIST("ab", "a", "b", ""));
    check("a$b", NOTHING, LIST("ab"));
    check("(^a)*b", LIST("ab", "b", "xb", "aab"), LIST("a"));
    check("(^a|$|b){3}", LIST("abb", "ab", "a", "x", ""), NOTHING);
    check("^(^a|b){2}$", LIST("ab", "bb"), LIST("aa", "ba", "a"));
    check("^(a$|b)+$", LIST("a", "ba", "bb"), LIST("aa", "ab", ""));
    check("x*^y", LIST("y", "yx"), LIST("xy"));
    check("^$", LIST(""), LIST("x", "\n"));
    check("\\Aab\\Z", LIST("ab"), LIST("xab", "abx"));
    check("(a|^)$", LIST("", "a", "xa"), LIST("x", "ax"));
    term whole = compile("a|b+", true, CHARS_PLAIN);
    takes(whole, "a");
    takes(whole, "bb");
    refuses(whole, "xa");
    takes(compile("^a$|c", true, CHARS_PLAIN), "a");
}

static void patterns_in_json_strings(void **state)
{
    (void)state;
    term a = compile("^\"[^x]$", false, CHARS_JSON);
    takes(a, "\\\"\\n");
    takes(a, "\\u0022\\\\");
    takes(a, "\\\"y");
    refuses(a, "\"y");
    refuses(a, "\\\"x");
    refuses(a, "\\\"\\u0079");
    /* Around what is searched for is anything. */
    term b = compile("foo", false, CHARS_JSON);
    takes(b, "\\u0041foo\\n\\/");
    takes(b, "foo");
    refuses(b, "fo\\u006f");
    refuses(b, "foo\"");
    assert_int_equal(compile("x*", false, CHARS_JSON),
                     term_repeat(t, chars_json_any(t), 0, TERM_ANY_NUMBER));
}

static void check_refused(const char *pattern, int expected, const char *expected_why)
{
    struct grammar_why why = {.arena = &arena};
    term out;
    int err = regex_term(t, str_of(pattern), false, CHARS_PLAIN, &why, &out);
    if (err != expected) fail_msg("%s: %d", pattern, err);
    if (!str_starts(why.text, str_of(expected_why)))
        fail_msg("%s: %" STR_FMT, pattern, STR_ARG(why.text));
}

static void what_cannot_be_enforced_is_refused(void **state)
{
    (void)state;
    check_refused("abc(?=d)", ERR_UNSUPPORTED,
                  "look ahead at byte 3 of the pattern cannot be enforced");
    check_refused("(?<!d)", ERR_UNSUPPORTED, "look behind at byte 0");
    check_refused("(a)\\1", ERR_UNSUPPORTED, "a back reference at byte 3");
    check_refused("\\bx", ERR_UNSUPPORTED, "a word's border at byte 0");
    check_refused("a++", ERR_UNSUPPORTED, "a possessive repetition at byte 1");
    check_refused("(?>a)", ERR_UNSUPPORTED, "an atomic group at byte 0");
    check_refused("\\p{Script=Greek}", ERR_UNSUPPORTED, "this kind of \\p{...} at byte 0");
    check_refused("[]a]", ERR_UNSUPPORTED, "a class that begins with ] at byte 0");
    check_refused("[[:alpha:]]", ERR_UNSUPPORTED, "a class in a class at byte 1");
    check_refused("(?i)[^é]", ERR_UNSUPPORTED, "a class [^...]");
    check_refused("a{,3}", ERR_UNSUPPORTED, "{, at byte 1");
    check_refused("\\ud800", ERR_UNSUPPORTED, "half a surrogate pair at byte 0");
    check_refused("\\q", ERR_UNSUPPORTED, "an unknown escape at byte 0");
    check_refused("x(?m)", ERR_UNSUPPORTED, "this kind of group at byte 1");
    check_refused("(ab", ERR_SYNTAX, "a group without an end at byte 0");
    check_refused("ab)", ERR_SYNTAX, "a ) that ends no group at byte 2");
    check_refused("[a-", ERR_SYNTAX, "a class without an end");
    check_refused("[z-a]", ERR_SYNTAX, "a range that ends before it begins at byte 1");
    check_refused("a{3,2}", ERR_SYNTAX, "a repetition with its numbers in the wrong order");
    check_refused("a{4294967295}", ERR_UNSUPPORTED, "a number of times that is so large");
    check_refused("a{1,99999999999}", ERR_UNSUPPORTED, "a number of times that is so large");
    check_refused("*a", ERR_SYNTAX, "a repetition of nothing at byte 0");
    check_refused("a|{2}", ERR_SYNTAX, "a repetition of nothing at byte 2");
    check_refused("\\", ERR_SYNTAX, "a backslash with nothing behind it at byte 0");
    check_refused("\\xg0", ERR_SYNTAX, "too few hexadecimal digits");
    check_refused("\xff", ERR_SYNTAX, "the pattern is not valid UTF-8");
}

static void hostile_patterns_end(void **state)
{
    (void)state;
    char deep[2001], many[32001];
    memset(deep, '(', 1000);
    memset(deep + 1000, ')', 1000);
    deep[2000] = 0;
    check_refused(deep, ERR_UNSUPPORTED, "a group so deep in others at byte 100");
    for (size_t i = 0; i < 32000; i += 5)
        memcpy(many + i, "\\p{L}", 5);
    many[32000] = 0;
    compile(many, true, CHARS_JSON);
    for (size_t i = 0; i < 32000; i += 4)
        memcpy(many + i, i % 8 ? "xy|." : "a?|b", 4);
    compile(many, false, CHARS_JSON);
    compile("((((a{1,1000}){1,1000}){1,1000}){1,1000}){1,1000}", false, CHARS_PLAIN);
    char longer[40000];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    check_refused(longer, ERR_UNSUPPORTED, "a pattern of more than 32768 bytes");
}

static void small_sets_fail(void **state)
{
    (void)state;
    struct terms *small = terms_new(20000);
    struct grammar_why why = {.arena = &arena};
    term out;
    assert_int_equal(regex_term(small, STR("\\p{L}+"), true, CHARS_PLAIN, &why, &out),
                     ERR_TOO_LARGE);
    assert_true(why.text.len > 0);
    terms_free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(sets_take_their_characters),
        TEST(equal_sets_are_one_term),
        TEST(what_json_must_escape_has_all_forms),
        TEST(any_json_character_has_every_form),
        TEST(patterns_take_what_they_say),
        TEST(borders_may_stand_anywhere),
        TEST(patterns_in_json_strings),
        TEST(what_cannot_be_enforced_is_refused),
        TEST(hostile_patterns_end),
        TEST(small_sets_fail),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
