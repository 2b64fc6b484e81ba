/* SPDX-License-Identifier: Apache-2.0 */
/* Grammars as llama.cpp's and vLLM's users write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "engine/grammar/gbnf.h"

enum { ROOM = 64 << 20 };

/* A grammar, finished, and what walks along it. */
struct compiled {
    struct arena arena;
    struct grammar_why why;
    struct terms *rules, *automaton;
    term root;
};

static int compile(struct compiled *c, struct str text, size_t room)
{
    uint32_t rule;
    term root = TERM_NONE;
    arena_init(&c->arena, ROOM, 1024);
    c->why = (struct grammar_why){.arena = &c->arena};
    c->rules = terms_new(room);
    c->automaton = terms_new(ROOM);
    assert_non_null(c->rules);
    assert_non_null(c->automaton);
    int err = gbnf_term(c->rules, text, &c->why, &root);
    if (!err) err = terms_finish(c->rules, root, &rule);
    if (!err) c->root = terms_import(c->automaton, c->rules);
    return err;
}

static void done(struct compiled *c)
{
    terms_free(c->automaton);
    terms_free(c->rules);
    arena_fini(&c->arena);
}

static bool takes(struct compiled *c, struct str text)
{
    bool is = term_takes(c->automaton, c->root, text);
    assert_false(terms_failed(c->automaton));
    return is;
}

/* Each list has a NULL at its end. */
struct row {
    const char *grammar;
    const char *good[12], *bad[16];
};

static void check_row(const struct row *row)
{
    struct compiled c;
    int err = compile(&c, str_of(row->grammar), ROOM);
    if (err) fail_msg("%s\n%.*s", row->grammar, (int)c.why.text.len, c.why.text.ptr);
    for (const char *const *p = row->good; *p; p++)
        if (!takes(&c, str_of(*p))) fail_msg("%s\ndoes not take '%s'", row->grammar, *p);
    for (const char *const *p = row->bad; *p; p++)
        if (takes(&c, str_of(*p))) fail_msg("%s\ntakes '%s'", row->grammar, *p);
    done(&c);
}

/* --- elements --- */

static const struct row elements[] = {
    {"root ::= \"yes\" | \"no\"", {"yes", "no"}, {"", "y", "yesno", "maybe"}},
    {"root ::= 'yes' | 'it\\'s \"no\"'", {"yes", "it's \"no\""}, {"'yes'", "it's no"}},
    {"root ::= \"\"", {""}, {"a"}},
    {"root ::= | \"a\"", {"", "a"}, {"aa"}},
    {"root ::=", {""}, {"a"}},
    {"root ::= [a-c] [^a-c] .",
     {"axx", "c\n\n", "b日😀"},
     {"dxx", "aax", "ax", "axxx", "ax\xff", "ax\xed\xa0\x80"}},
    {"root ::= [a-] [-a] [\\]\\[\\\\] [\\-x] [x^]",
     {"a-]-x", "--[x^", "aa\\x^"},
     {"b-]-x", "a-]yx"}},
    {"root ::= \"\\x41\\u00e9\\U0001F600\\t\\r\\n\\\\\\\"\"", {"Aé😀\t\r\n\\\""}, {"Aé😀"}},
    {"root ::= [\\x00-\\x1F] [\\u3040-\\u309f] [\\U0001F300-\\U0001F64F]",
     {"\x01あ😀"},
     {" あ😀", "\x01"
               "ア😀"}},
    {"root ::= \"ab\"* \"c\"+ \"d\"?", {"c", "ababccd", "abc"}, {"", "ab", "aabc", "abbc", "cdd"}},
    {"root ::= \"a\"{2} [bc]{1,} \"d\"{0,2} .{ 1 , 1 }",
     {"aabx", "aabcbddx", "aabddd"},
     {"abx", "aax", "aabdddd"}},
    {"root ::= (\"a\" | \"b\" (\"c\" | ))* \"d\"", {"d", "abcbd", "aad"}, {"cd", "abcc", ""}},
    {"root ::= \"a\"{2}{3}", {"aaaaaa"}, {"aaaaa", "aa", "aaaaaaa"}},
    {"root ::= \"a\"{0} \"b\"", {"b"}, {"ab"}},
    {"root ::= a-b a_b A1 1\na-b ::= \"1\"\na_b ::= \"2\"\nA1 ::= \"3\"\n1 ::= \"4\"",
     {"1234"},
     {"123"}},
    {"root ::= \"a\" # a comment with \"quotes\" and ::=\n# one more\n  b # at the end\n\nb ::= \"#\"#",
     {"a#"},
     {"a"}},
    {"root ::= (\n  \"a\" # first\n  | \"b\"\n)+ c\nc ::=\n  \"c\" |\n  \"d\"\n",
     {"ac", "abbd"},
     {"c", "a"}},
    {"root ::= a\r\n  | b\r\na ::= \"a\"\r\nb ::= \"b\"\r\n", {"a", "b"}, {"ab", "\r\n"}},
    {"root ::= \"x\" root | \"\" ", {"", "xxx"}, {"y"}},
    {"a ::= \"(\" a \")\" | \"\"\nroot ::= a a",
     {"", "()", "(())()", "()(())"},
     {"(", ")(", "()()()"}},
};

static void elements_take_what_they_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(elements); i++)
        check_row(&elements[i]);
}

/* A byte 0 is a character as any other. */
static void zero_is_a_character(void **state)
{
    (void)state;
    struct compiled c;
    assert_int_equal(compile(&c, STR("root ::= \"\\x00\0\" ."), ROOM), 0);
    assert_true(takes(&c, STR("\0\0\0")));
    assert_false(takes(&c, STR("\0\0")));
    done(&c);
    assert_int_equal(compile(&c, STR("root ::= \"a\" \0"), ROOM), ERR_SYNTAX);
    done(&c);
}

/* --- whole grammars --- */

static const struct row grammars[] = {
    /* Arithmetic. */
    {"root ::= (sum \" = \" number \"\\n\")+\n"
     "sum ::= product ([-+] product)*\n"
     "product ::= atom ([*/] atom)*\n"
     "atom ::= number | name | \"(\" ws sum ws \")\"\n"
     "number ::= \"-\"? [0-9]+ (\".\" [0-9]{1,3})?\n"
     "name ::= [a-z] [a-z0-9_]*\n"
     "ws ::= [ \\t\\n]*\n",
     {"1 = 1\n", "1+2*3 = 7\n", "( a_1-2.5 )*(3+4)/x = 0.125\n", "1 = 1\n2 = 2\n"},
     {"1+ = 1\n", "1 = 1", "(1 = 1\n", "1++2 = 3\n", "1.2345 = 1\n", ""}},
    /* A part of C. */
    {"root ::= (declaration)*\n"
     "declaration ::= type ws name \"(\" ws parameter? (\",\" ws parameter)* \")\" ws \"{\" ws\n"
     "  statement* \"}\" ws\n"
     "type ::= \"int\" | \"float\" | \"char\"\n"
     "parameter ::= type ws name\n"
     "name ::= [a-zA-Z_] [a-zA-Z_0-9]*\n"
     "statement ::= type ws name ws \"=\" ws value \";\" ws\n"
     "  | name ws \"=\" ws value \";\" ws\n"
     "  | \"return\" ws value \";\" ws\n"
     "  | \"while\" \"(\" condition \")\" \"{\" ws statement* \"}\" ws\n"
     "  | \"//\" [^\\n]* \"\\n\" ws\n"
     "condition ::= value ws (\"<=\" | \"<\" | \"==\" | \"!=\") ws value\n"
     "value ::= term (ws [-+] ws term)*\n"
     "term ::= unit (ws [*/] ws unit)*\n"
     "unit ::= name | [0-9]+ | \"(\" ws value ws \")\"\n"
     "ws ::= [ \\t\\n]*\n",
     {"", "int f(){}", "int add(int a, float b) {\n  return a + b;\n}\n",
      "int f() { // \"}\"\n int x = 1; while(x < 10){ x = (x*2) + 1; } return x; }"},
     {"int f()", "f() {}", "int f() { return a +; }", "int f() { x < 1; }",
      "int f() { while(x){} }"}},
    /* Chess. */
    {"# moves of both\n"
     "root ::= (\n"
     "  # the first\n"
     "  \"1. \" move \" \" move \"\\n\"\n"
     "  ([1-9] [0-9]? \". \" move \" \" move \"\\n\")+\n"
     ")\n"
     "move ::= (pawn | piece | castle) [+#]?\n"
     "piece ::= [NBKQR] [a-h]? [1-8]? \"x\"? [a-h] [1-8]\n"
     "pawn ::= ([a-h] \"x\")? [a-h] [1-8] (\"=\" [NBQR])?\n"
     "castle ::= \"O-O\" \"-O\"?\n",
     {"1. e4 e5\n2. Nf3 Nc6\n", "1. e4 d5\n2. exd5 Qxd5+\n10. O-O O-O-O\n11. Rad1 e1=Q#\n"},
     {"1. e4 e5\n", "1. e9 e5\n2. Nf3 Nc6\n", "1. e4 e5\n2. O-O-O-O Nc6\n"}},
    /* Japanese. */
    {"root ::= char+ ([ \\t\\n] char+)*\n"
     "char ::= hiragana | katakana | punctuation | cjk\n"
     "hiragana ::= [ぁ-ゟ]\n"
     "katakana ::= [ァ-ヿ]\n"
     "punctuation ::= [、-〾]\n"
     "cjk ::= [一-鿿]\n",
     {"こんにちは", "東京 タワー。", "、"},
     {"", "hello", "東京  タワー", "한글", "東\xe4\xba"}},
    /* JSON. */
    {"root ::= object\n"
     "value ::= object | array | string | number | (\"true\" | \"false\" | \"null\") ws\n"
     "object ::= \"{\" ws ( string \":\" ws value (\",\" ws string \":\" ws value)* )? \"}\" ws\n"
     "array ::= \"[\" ws ( value (\",\" ws value)* )? \"]\" ws\n"
     "string ::= \"\\\"\" ( [^\"\\\\\\x7F\\x00-\\x1F] | \"\\\\\" ([\"\\\\bfnrt/] |\n"
     "  \"u\" [0-9a-fA-F]{4}) )* \"\\\"\" ws\n"
     "number ::= (\"-\"? ([0-9] | [1-9] [0-9]{0,15})) (\".\" [0-9]+)?\n"
     "  ([eE] [-+]? [0-9] [1-9]{0,15})? ws\n"
     "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\n",
     {"{}", "{\"a\": [1, -2.5e+3, {\"b\": null}], \"é\\u00e9\\n\": \"\"}", "{ \"a\":\n  true}\n"},
     {"", "[]", "{\"a\"}", "{\"a\":01}", "{\"a\":1,}", "{\"a\":\"\n\"}", "{\"a\":[}",
      "{\"a\":  1}"}},
    /* JSON, an array in lines. */
    {"root ::= arr\n"
     "value ::= object | array | string | (\"true\" | \"false\" | \"null\") ws\n"
     "arr ::= \"[\\n\" ws (value (\",\\n\" ws value)*)? \"]\"\n"
     "object ::= \"{\" ws (string \":\" ws value (\",\" ws string \":\" ws value)*)? \"}\" ws\n"
     "array ::= \"[\" ws (value (\",\" ws value)*)? \"]\" ws\n"
     "string ::= \"\\\"\" [^\"\\\\]* \"\\\"\" ws\n"
     "ws ::= ([ \\t\\n] ws)?\n",
     {"[\n]", "[\n\"a\",\n  {\"b\" : [ ] }]", "[\n  true,\n  []\n]"},
     {"[]", "[\n1]", "[\ntrue, false]"}},
    /* A list. */
    {"root ::= item+\n"
     "# no line ends within\n"
     "item ::= \"- \" [^\\r\\n\\x0b\\x0c\\x85\\u2028\\u2029]+ \"\\n\"\n",
     {"- a\n", "- one\n- zwei – ü\n"},
     {"", "- \n", "- a", "a\n", "- a\r\n", "- a\xe2\x80\xa8\n"}},
    /* English. */
    {"root ::= en-char+ ([ \\t\\n] en-char+)*\n"
     "en-char ::= letter | digit | punctuation\n"
     "letter ::= [a-zA-Z]\n"
     "digit ::= [0-9]\n"
     "punctuation ::= [!\"#$%&'()*+,-./:;<=>?@[\\\\\\]^_`{|}~]\n",
     {"Hello, world!", "a [b] {c} \\ 1-2\n\"x\"."},
     {"", " a", "café", "a  b"}},
    /* SQL, as vLLM's manual has it. */
    {"root ::= select_statement\n"
     "select_statement ::= \"SELECT \" column \" from \" table \" where \" condition\n"
     "column ::= \"col_1 \" | 'col_2 '\n"
     "table ::= 'table_1 ' | 'table_2 '\n"
     "condition ::= column \"= \" number\n"
     "number ::= '1 ' | '2 '\n",
     {"SELECT col_1  from table_1  where col_2 = 1 "},
     {"SELECT col_1  from table_1 ", "SELECT col_3  from table_1  where col_2 = 1 "}},
};

static void whole_grammars_take_their_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(grammars); i++)
        check_row(&grammars[i]);
}

/* --- what is wrong --- */

static const struct {
    const char *grammar;
    int err;
    const char *why;
} faults[] = {
    {"", ERR_SYNTAX, "no rule with the name root"},
    {"# nothing\n", ERR_SYNTAX, "no rule with the name root"},
    {"a ::= \"b\"", ERR_SYNTAX, "no rule with the name root"},
    {"root ::= \"a\" b\n", ERR_SYNTAX, "rule b is not there, but named in line 1"},
    {"a ::= \"x\"\n\nroot ::= a\na ::= \"y\"", ERR_SYNTAX, "rule a is there again in line 4"},
    {"root ::= \"a\"\n::= \"b\"", ERR_SYNTAX, "no part of a rule in line 2"},
    {"?start: a", ERR_SYNTAX, "(name ::= ...) in line 1"},
    {"root = \"a\"", ERR_SYNTAX, "(name ::= ...) in line 1"},
    {"root ::= \"a\"\n  \"b", ERR_SYNTAX, "a text without an end in line 2"},
    {"root ::= \"a\\\"", ERR_SYNTAX, "a text without an end in line 1"},
    {"root ::= \"\\", ERR_SYNTAX, "a backslash with nothing behind it in line 1"},
    {"root ::= \"a\"\n\n(\"b\"", ERR_SYNTAX, "a group without an end in line 3"},
    {"root ::= \"a\"\n)", ERR_SYNTAX, "a ) that ends no group in line 2"},
    {"root ::= [a", ERR_SYNTAX, "a class without an end in line 1"},
    {"root ::= [a-", ERR_SYNTAX, "a class without an end in line 1"},
    {"root ::= []", ERR_SYNTAX, "a class with nothing in it in line 1"},
    {"root ::= [^]", ERR_SYNTAX, "a class with nothing in it in line 1"},
    {"root ::= [b-a]", ERR_SYNTAX, "a range that ends before it begins in line 1"},
    {"root ::= * \"a\"", ERR_SYNTAX, "a repetition of nothing in line 1"},
    {"root ::= \"a\" | {2}", ERR_SYNTAX, "a repetition of nothing in line 1"},
    {"root ::= \"a\"{}", ERR_SYNTAX, "a repetition that is not"},
    {"root ::= \"a\"{,2}", ERR_SYNTAX, "a repetition that is not"},
    {"root ::= \"a\"{1,2", ERR_SYNTAX, "a repetition that is not"},
    {"root ::= \"a\"{2,1}", ERR_SYNTAX, "in the wrong order"},
    {"root ::= \"a\"{99999999999999999999}", ERR_UNSUPPORTED, "so large in line 1"},
    {"root ::= \"a\"{1,4294967296}", ERR_UNSUPPORTED, "so large in line 1"},
    {"root ::= \"\\q\"", ERR_SYNTAX, "an unknown escape in line 1"},
    {"root ::= [\\d]", ERR_SYNTAX, "an unknown escape in line 1"},
    {"root ::= \"\\x4\"", ERR_SYNTAX, "too few hexadecimal digits in line 1"},
    {"root ::= \"\\U00110000\"", ERR_SYNTAX, "a code point that is too large in line 1"},
    {"root ::= \"\\ud83d\\ude00\"", ERR_UNSUPPORTED, "half a surrogate pair in line 1"},
    {"root ::= <think>", ERR_UNSUPPORTED, "a token (<...>) in line 1"},
    {"root ::= !<[12]>", ERR_UNSUPPORTED, "a token (<...>) in line 1"},
    {"root ::= \"\xff\"", ERR_SYNTAX, "not valid UTF-8"},
};

static void faults_name_the_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct compiled c;
        int err = compile(&c, str_of(faults[i].grammar), ROOM);
        if (err != faults[i].err) fail_msg("%s\n%d", faults[i].grammar, err);
        if (str_find(c.why.text, str_of(faults[i].why)) < 0)
            fail_msg("%s\n%.*s", faults[i].grammar, (int)c.why.text.len, c.why.text.ptr);
        done(&c);
    }
}

static void left_recursion_is_found(void **state)
{
    (void)state;
    static const char *const all[] = {
        "root ::= root \"a\" | \"a\"",
        "root ::= ws sum\nws ::= \" \"*\nsum ::= (sum \"+\")? \"1\"",
        "root ::= a\na ::= b?  c\nb ::= \"b\"\nc ::= a \"c\"",
        "root ::= (root)*",
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct compiled c;
        assert_int_equal(compile(&c, str_of(all[i]), ROOM), ERR_INVALID);
        done(&c);
    }
}

/* `head`, then `unit` that many times. */
static struct str many(char *room, size_t size, const char *head, const char *unit, size_t times)
{
    struct str u = str_of(unit);
    size_t len = strlen(head);
    assert_true(len + u.len * times <= size);
    memcpy(room, head, len);
    for (size_t i = 0; i < times; i++, len += u.len)
        memcpy(room + len, u.ptr, u.len);
    return str_n(room, len);
}

static void check_hostile(struct str grammar, size_t room, int expected)
{
    struct compiled c;
    int err = compile(&c, grammar, room);
    if (err != expected) fail_msg("%.40s: %d", grammar.ptr, err);
    if (err && err != ERR_TOO_LARGE) assert_true(c.why.text.len > 0);
    done(&c);
}

static void hostile_grammars_end(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    char *room = malloc(SIZE);
    assert_non_null(room);
    check_hostile(many(room, SIZE, "root ::= ", "(", 10000), ROOM, ERR_UNSUPPORTED);
    check_hostile(many(room, SIZE, "root ::= ", "|", 100000), ROOM, 0);
    check_hostile(many(room, SIZE, "root ::= ", "\"ab\" ", 50000), ROOM, 0);
    check_hostile(many(room, SIZE, "root ::= \"a\"", "{1000}", 40000), ROOM, 0);
    check_hostile(many(room, SIZE, "root ::= ", "(\"a\" | [^b]", 99), ROOM, ERR_SYNTAX);
    check_hostile(many(room, SIZE, "root ::= ", " ", 300000), ROOM, ERR_UNSUPPORTED);
    check_hostile(many(room, SIZE, "root ::= ", "[^\\U00012345-\\U00054321x]", 9000), ROOM, 0);
    check_hostile(many(room, SIZE, "root ::= ", "\"ab\" ", 50000), 1 << 20, ERR_TOO_LARGE);
    free(room);
}

/* Each rule is the next one, and the last is there first: what is known goes the long way. */
static void rules_are_limited(void **state)
{
    (void)state;
    enum { SIZE = 256 << 10 };
    char *room = malloc(SIZE);
    assert_non_null(room);
    for (unsigned rules = 4000; rules <= 5000; rules += 1000) {
        size_t len = 0;
        for (unsigned i = 0; i + 1 < rules; i++)
            len += (size_t)snprintf(room + len, SIZE - len, "r%u ::= \"(\" r%u \")\"\n", i, i + 1);
        len += (size_t)snprintf(room + len, SIZE - len, "r%u ::= \"a\" root ::= r0", rules - 1);
        check_hostile(str_n(room, len), ROOM, rules > 4096 ? ERR_UNSUPPORTED : 0);
    }
    free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_take_what_they_say),
        cmocka_unit_test(zero_is_a_character),
        cmocka_unit_test(whole_grammars_take_their_texts),
        cmocka_unit_test(faults_name_the_line),
        cmocka_unit_test(left_recursion_is_found),
        cmocka_unit_test(hostile_grammars_end),
        cmocka_unit_test(rules_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
