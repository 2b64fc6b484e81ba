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
    /* What some take for a digit, a word or white space, and others do not. */
    check("^\\D\\W\\S$", LIST("x-x"), LIST("٣-x", "xéx", "x-\x1c", "x-\xef\xbb\xbf"));
    check("^[^\\d][^\\w][^\\s]$", LIST("x-x"), LIST("٣-x", "xéx", "x-\x1c", "x-\xef\xbb\xbf"));
    check("^[^\\D][^\\W][^\\S]$", LIST("3_ "), LIST("٣_ ", "3é ", "3_\xef\xbb\xbf"));
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

/* Random patterns and texts, and in which of these Python's re (re.ASCII, with \Z for $) finds them. */
static const struct {
    const char *pattern;
    const char *good[4], *bad[4];
} random_rows[] = {
    {".é|(?:-)?Zb[A-Z0-9]", {"-éb _", "1-é1", "abbé"}, {"ZZ-", "_ ", "b11b"}},
    {"é+?[^0-9]", {"ZZéa", "_éZb  ", "é_b"}, {"a", "é1", "é1-"}},
    {"(?:){0,3}[à-üé]", {"_- _1é", "_éZ", "é-Z_"}, {"11", "a", "abbab-"}},
    {"a(\\s[^.0-9]a|b|)", {"_abZéb", "aéb  ", "éa-1b"}, {"-é", "Z--", "b- -"}},
    {"(?: |a|.*1Z{2}).|.(b$-)", {" -", " - 1-", "1Z-aa"}, {"b", "b-1_", "b1éé"}},
    {"[^.0-9!-~-]", {" ", "1-éZb", "a-éa1é"}, {"1aZ_bb", "Z_a", "_b1"}},
    {"[\\D ][^a-b0-9\\s]", {" aZZb", " bb1_é", "ZZ"}, {"-1", "-a1é", "Z"}},
    {"Z.+?|\\D-{2}(-{0,3}^)_{2}", {"Z 1 b", "aé1Z-", "bZ b"}, {"a1b_éa", "b", "b-"}},
    {"a*?(?:[^_\\D ](?:$)*)", {"1__a", "1aé a", "1b "}, {"- ", "Z", "_aZ_Z_"}},
    {"(?i) |\\s\\sé{0,3}.{2}|$é ", {" -a__Z", "_Zé ", "é  -Z_"}, {"a", "b11-", "é1_b_1"}},
    {"b+?[^aéb]??", {"1Zb", "1éb1", "ZbZ1"}, {"Zé-", "_Z-", "é"}},
    {"[^\\Da-b].|[ .é]+?", {"1-1", "aba ", "b _Z"}, {"", "-1", "-b"}},
    {"[\\^à-ü\\D][^_0-9]+?[ à-ü\\d]", {"  aa ", " ZZé", "---1-"}, {"Z1_-_", "bZ", "éaZ"}},
    {"[ 0-9\\d]?[^\\n][ ]", {" -_a Z", "-ZZ 1", "Z_ é"}, {"-", "Z___", "é11é1"}},
    {"[b\\x41]|\\w{2}-+?", {"Z1b _é", "Zb", "é-Za-a"}, {" ", "1é", "Z-"}},
    {"[a-b\\W]{0,3}(?P<n>)Z", {"_Z_ a", "a1Zééé", "aabbaZ"}, {"  é-", "-1b ", "a 1"}},
    {"1[^à-üà-ü]*?\\w+?", {"1Zaa", "_1aé-_", "b11Z1-"}, {"-__b é", "-a1", "b"}},
    {"[\\s.Z]{0,3}a+?", {"Z1abé", "_1a_Zé", "_a-Z"}, {"1_-bb", "_1 é1 ", "é-bbZ"}},
    {"[^1](?:$){0,3}$", {"1_aba", "Z ", "a-ébé-"}, {"- Z1", "_bZaa1", "a-a1"}},
    {"é(?P<n>){1,}?.??_*?", {"-éé", "b aaé", "é"}, {" Z_1", "a ", "ab 11"}},
    {"(?i)\\d+é*?b{0,3}", {" 1Z", "-_b_b1", "a 1--"}, {"", " ", "__ "}},
    {"[ba-z\\s]+?|$ ", {"- 11", "11éZb_", "___-b"}, {"1Z_", "Z_", "_éZ"}},
    {"(?:(?:$)?[^\\-]*?)-", {"-", "1 -éa", "b--ZZa"}, {"Z", "_ baa1", "éba1é"}},
    {"[^\\Wa-b-]\\s*\\D", {"_1_aZ", "a1-aéa", "bb-11é"}, {" a ", "-a b", "-é "}},
    {"_ {2}|\\AZ^_|[1Z-a]", {" 1_a-", "Z1ba", "Zb b_"}, {"", "bb", "bé"}},
    {".é*\\sa{2}|é.+?$", {"1é_Za_", "b--aéb", "éZ - -"}, {"", "1 a1a", "é"}},
    {"é+[0-9A-Z\\S]*?", {"- é", "_Zéb", "_é-é_-"}, {"1", "11 b", "Zb"}},
    {"(?:^)*? Z\\W|[\\u00e9]|a", {"1b éa", "Z _é1", "éé  é"}, {" ZZ", "-Z-", "b"}},
    {"b_??1??[^éa-zé]", {"Z1-b1", "bZZ 1", "éb_é"}, {"-1", "Z1a-- ", "ZZZZ"}},
    {"[^a-za-z\\w]{0,3}^.{1,2}a", {"1a", "Za-é1", "_éa1"}, {"1", "aZéé-", "é -_1"}},
    {"(?i)_a{0,3}|\\s", {" __11", "Z_1", "_ éZ"}, {"--", "--a-Z-", "é"}},
    {"1[Z-a!-~\\s-]|\\s\\d", {"1 b b", "a1--Z", "b 1_Z"}, {"-éb", "Z_", "éZ "}},
    {"b\\S|é+a\\-\\w", {"-bZ", "1ba", "Z  -bZ"}, {" ", "- aZaZ", "_"}},
    {"[^\\dZ\\W]$", {"1Z _", "_", "b1b"}, {"   é", "- Zb ", "11"}},
    {"[^0-90-9\\S]", {" é 1", "b -", "éé é_"}, {"Za1a-", "Zb-Zb", "a11"}},
    {"a|^\\D\\A(?P<n>|a{1,2})", {"--éa_-", "1 _aé1", "aé "}, {"-", "-_", "1b"}},
    {"b[^\\w.1]{0,3}", {"1b_", "_bé ", "b "}, {"", "1_", "Z"}},
    {"[\\^0-9]|é{1,2}[^\\-]\\d{1,}?", {"-_aé1", "1béé1a", "a1é"}, {"-", "aa__", "aaaé"}},
    {"1[a-z\\u00e9Z]{0,3}[^ ]??", {"Zé11a", "___1é", "é1_"}, {"", "-", "aé"}},
    {"(?P<n>[a-z]|é[^.\\D\\d]_)b*.", {"aéa1Zé", "b-Za", "bb_b_"}, {" b", "Zé1Z a", "b"}},
    {"\\w(?P<n>|\\S \\d| ?\\w\\A[_])Z",
     {"- 1Za", "1bZ_ _", "Zé_-1Z"},
     {"1-é_éZ", "Z Z ", "Za-é-Z"}},
    {"(?i) é{2,}|é", {"b_1é-b", "é _-", "é1b-"}, {" Z-1a", "11", "bZa"}},
    {"(é??||[a-b]{2,})+?_", {"1 _", "_ é", "aa__Z"}, {" 1Zaé", "-1", "aé"}},
    {"[b\\W]{1,2}.*^|(?:) ", {"Z1éb ", "a1Za Z", "b-Z "}, {"-_ZaZ", "_Z_a", "_aZ"}},
    {"[\\Wà-üé][!-~A-Z-]", {"-b-", "1é b", "Z 1_é"}, {"_Zb__", "a", "ba"}},
    {"[a-b]*?()+?.+?Z", {"- bbZ", "11Z", "baZb"}, {"11 a11", "Z", "b_a - "}},
    {" {2}-b|[a-z](?:)$", {"-1b", "-Zab", "Zb"}, {" Z11", "-1 ", "Z 1Z 1"}},
    {"b+?(?:$)?.{1,2}\\D*", {" ZZbZb", "bbé", "bé_-1"}, {" a", "1", "éZ"}},
    {"Z\\.[^\\DZ-a]é|_{1,2}.", {"-_Z1", "b_Zb Z", "bé_a"}, {"- ZZ-", "-1ééZ", "_"}},
    {"(?:|1)(?P<n>)+?Z.", {"Z_ ", "_Z1", "béZé"}, {"-_1", "aa", "bba "}},
    {"(?i)-|[_a]{1,2}é?^", {"-a1ba", "-é a--", "Z  1-"}, {" b_Z ", "1 1_1_", "é1_a"}},
    {".{2}.+?[^_a-b]{1,}?", {"-  -", "-1_Z", "aZ1__ "}, {"Zab", "_", "aéaa"}},
    {"^[^à-ü.\\-]{2}", {" bb- -", "1bé1", "Zbééa"}, {"-bab", "ZéZZ1 ", "éZ-"}},
    {"(?P<n>|){2}\\D{2,}", {"a_é ", "b-ZZ1", "béZ"}, {"Z", "_1a", "a1 "}},
    {"(?:[^bb ]{0,3}b|)1()", {"Z_1", "a11_-", "aZ  1 "}, {"_ éé_", "_béb Z", "a"}},
    {"[^!-~\\]]$", {"- ", "Zé", "é éé"}, {"_", "_é1", "aZ"}},
    {"( 1+?|(?:\\A){1,2}\\W1*?.)", {"  ba _", " béa", "-1ba"}, {"1_ ", "aZ_ éé", "b-aé"}},
    {"é+?|^-(?:){1,2}-|[  ]+?", {" 1b1é", "é", "ééb-"}, {"-b", "1", "ZZ"}},
    {"(?:^)+?é|-$|Zé1?", {"Z -", "Zé", "Zé1"}, {"- é ", "a", "abZ--a"}},
    {"(?P<n>\\-+[\\W]?)*1{1,}?.", {"-a Z11", "1a", "1a1a Z"}, {"_ébZZ", "ab", "é_"}},
    {"(?P<n>|).{1,2}b", {" _b1", "Zb1_", "béZb"}, {" _", "_Z_1Za", "ba_"}},
    {"-[^aà-ü]", {"--11", "Zé_é- ", "é-bZ"}, {"1Zab_1", "__ _", "_b"}},
    {"[^.\\WZ]*b.[!-~]?", {"b- _ Z", "b-b _-", "bbZ"}, {"  Z-", " -", "a 1"}},
    {"[aa-b]\\.*?[^0-9 ]", {" _béb", "aZ1", "abbb"}, {"", "-Z", "é--"}},
    {"(?i)\\w{0,3}-\\W*", {" -a_éb", "-a _", "éZ-b-1"}, {"Z é a1", "a11aa ", "baab"}},
    {"(?:(?:|)|\\W){2}é", {" Z_-é_", "b Zbé", "é"}, {"-", "- _ _", "a a"}},
    {"aa|.[^A-Z]+?\\s", {"Z_ ", "Z_b 1", "_éZ 1 "}, {"Z", "_1-", "b"}},
    {"\\x61*?^-{0,3}Z|-{1,2}", {"- a__", "Zbb-", "a-"}, {"1b  ", "b_", "éaa"}},
    {" ??.{1,2}[a-b\\]1]()*?", {"-a", "_b b", "bé_Z1é"}, {"_Z- -", "b-", "é - Zé"}},
};

static void patterns_mean_what_they_mean_to_python(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(random_rows); i++)
        check(random_rows[i].pattern, random_rows[i].good, random_rows[i].bad);
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
    check_refused("a{,3}", ERR_UNSUPPORTED, "{,3} at byte 1");
    check_refused("a{,x}", ERR_UNSUPPORTED, "{, at byte 1");
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
    check_refused(many, ERR_UNSUPPORTED,
                  "a \\p{...} behind 256 others at byte 1280 of the pattern");
    many[1280] = 0;
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
        TEST(patterns_mean_what_they_mean_to_python),
        TEST(patterns_in_json_strings),
        TEST(what_cannot_be_enforced_is_refused),
        TEST(hostile_patterns_end),
        TEST(small_sets_fail),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
