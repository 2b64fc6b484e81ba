/* SPDX-License-Identifier: Apache-2.0 */
/* jinja: what test/e2e/test_jinja.py cannot compare: errors and where they are, limits, and where
 * each byte came from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "jinja/jinja.h"

static const struct jinja_limits usual = {.steps = 100000, .output = 1 << 20};

struct rendering {
    int err;
    struct jinja_error why;
    struct buf text; /* the template's own as it is, data in {braces} when marked */
};

static void tell(struct rendering *got, const struct jinja_output *out, bool marked)
{
    for (size_t i = 0; i < out->count; i++) {
        const struct jinja_piece *piece = &out->pieces[i];
        bool braces = marked && !piece->own;
        assert_true(piece->text.len > 0);
        assert_true(i == 0 || piece->own != out->pieces[i - 1].own);
        assert_int_equal(buf_printf(&got->text, "%s%" STR_FMT "%s", braces ? "{" : "",
                                    STR_ARG(piece->text), braces ? "}" : ""),
                         0);
    }
}

static struct rendering render(const char *source, const char *json,
                               const struct jinja_limits *limits, size_t memory, bool marked)
{
    struct rendering got = {0};
    struct jinja *t = NULL;
    struct jinja_output out;
    struct arena arena;
    const struct json *doc = NULL;
    buf_init(&got.text, 4 << 20);
    arena_init(&arena, memory, 256);
    assert_int_equal(json_parse(&arena, str_of(json), &doc, NULL), 0);
    got.err = jinja_compile(str_of(source), &t, &got.why);
    const struct jinja_variable variables[] = {
        {.name = STR("x"), .kind = JINJA_JSON, .json = doc},
        {.name = STR("bos"), .kind = JINJA_OWN, .text = STR("<s>")},
        {.name = STR("yes"), .kind = JINJA_BOOL, .value = true},
        {.name = STR("nothing"), .kind = JINJA_JSON},
    };
    if (!got.err)
        got.err =
            jinja_render(t, &arena, variables, ARRAY_LEN(variables), 0, limits, &out, &got.why);
    if (!got.err) tell(&got, &out, marked);
    jinja_free(t);
    arena_fini(&arena);
    return got;
}

static void check(const char *source, const char *json, const char *want, bool marked)
{
    struct rendering got = render(source, json, &usual, 16 << 20, marked);
    if (got.err || !str_eq(buf_str(&got.text), str_of(want)))
        fail_msg("%s: \"%" STR_FMT "\" (%s)", source, STR_ARG(buf_str(&got.text)), got.why.text);
    buf_fini(&got.text);
}

/* --- what is rendered --- */

static void texts_are_rendered(void **state)
{
    (void)state;
    check("", "0", "", false);
    check("plain\n", "0", "plain", false);
    check("a{{ x }}b", "\"c\"", "acb", false);
    check("{{ x.a[1].b }}", "{\"a\":[1,{\"b\":true}]}", "True", false);
    check("{{ bos }}{{ yes }}{{ nothing }}|", "0", "<s>True|", false);
    check("{% for i in x %}{{ loop.index }}{{ i }}{% else %}none{% endfor %}", "[7,8]", "1728",
          false);
    check("  {% if x %}\n  y\n  {% endif %}\nz", "1", "  y\nz", false);
    check("{%- macro m(a, b=2) -%}{{ a + b }}{%- endmacro -%}{{ m(1) }}{{ m(1, b=5) }}", "0", "36",
          false);
    check(
        "{% set ns = namespace(n=0) %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% endfor %}"
        "{{ ns.n }}",
        "0", "6", false);
}

static void kinds_of_numbers_are_kept(void **state)
{
    (void)state;
    check("{{ x }}", "[1,1.0,-0.5,1e22,100000000000000000000,18446744073709551615,1e400,true]",
          "[1, 1.0, -0.5, 1e+22, 100000000000000000000, 18446744073709551615, inf, True]", false);
    check("{{ x|tojson }}", "{\"a\":1,\"b\":1.0,\"c\":12345678901234567890}",
          "{\"a\": 1, \"b\": 1.0, \"c\": 12345678901234567890}", false);
}

static void time_is_told(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    check("{{ strftime_now('%Y-%m-%d %H:%M') }}", "0", "1970-01-01 00:00", false);
}

static void names_are_mentioned(void **state)
{
    (void)state;
    struct jinja *t;
    struct jinja_error why;
    struct str source = STR("{% if tools %}{{ m['a'].b }}{% set c = 1 %}{% endif %}{# d #} e");
    assert_int_equal(jinja_compile(source, &t, &why), 0);
    assert_true(jinja_mentions(t, STR("tools")));
    assert_true(jinja_mentions(t, STR("a")));
    assert_true(jinja_mentions(t, STR("b")));
    assert_false(jinja_mentions(t, STR("c")));
    assert_false(jinja_mentions(t, STR("d")));
    assert_false(jinja_mentions(t, STR("e")));
    jinja_free(t);
    jinja_free(NULL);
}

/* --- errors --- */

static void errors_say_where_and_why(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        int err;
        unsigned line, column;
        const char *text;
    } rows[] = {
        {"{{ x", ERR_SYNTAX, 1, 1, "a tag does not end"},
        {"a\nb {{ 1 + }}", ERR_SYNTAX, 2, 10, "expected an expression, got }}"},
        {"{% if x %}", ERR_SYNTAX, 1, 11, "the template ends before 'endif'"},
        {"\n{# never", ERR_SYNTAX, 2, 1, "missing end of comment tag"},
        {"{% raw %}", ERR_SYNTAX, 1, 1, "missing end of raw directive"},
        {"{{ 'open }}", ERR_SYNTAX, 1, 4, "a string does not end"},
        {"{{ (1] }}", ERR_SYNTAX, 1, 6, "unexpected ']'"},
        {"\u00e4\u00e4 {{ ? }}", ERR_SYNTAX, 1, 7, "unexpected character"},
        {"{% bogus %}", ERR_SYNTAX, 1, 4, "unknown tag 'bogus'"},
        {"{% include 'a' %}", ERR_UNSUPPORTED, 1, 4, "the tag 'include' is not supported"},
        {"{{ x|bogus }}", ERR_UNSUPPORTED, 1, 6, "there is no filter 'bogus'"},
        {"{{ x is bogus }}", ERR_UNSUPPORTED, 1, 9, "there is no test 'bogus'"},
        {"{% break %}", ERR_SYNTAX, 1, 4, "there is no loop here"},
        {"{{ 99999999999999999999 }}", ERR_TOO_LARGE, 1, 4, "an integer beyond 64 bits"},
        {"\xff", ERR_SYNTAX, 1, 1, "the template is not valid UTF-8"},
        {"a\n{{ x.y.z }}", ERR_INVALID, 2, 7, "'y' is undefined and has no 'z'"},
        {"{{ 1 + x }}", ERR_INVALID, 1, 4, "unsupported operand type(s) for +: 'int' and 'dict'"},
        {"\n\n  {{ raise_exception('no, ' ~ yes) }}", ERR_INVALID, 3, 21, "no, True"},
        {"{{ raise_exception('') }}", ERR_INVALID, 1, 19, "an exception without a message"},
        {"{{ nope() }}", ERR_INVALID, 1, 8, "'nope' is undefined"},
        {"{{ 9223372036854775807 + 1 }}", ERR_TOO_LARGE, 1, 4, "an integer beyond 64 bits"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rendering got = render(rows[i].source, "{}", &usual, 16 << 20, false);
        if (got.err != rows[i].err || got.why.line != rows[i].line ||
            got.why.column != rows[i].column || strcmp(got.why.text, rows[i].text) != 0)
            fail_msg("%s: %s, %u:%u: %s", rows[i].source, err_name(got.err), got.why.line,
                     got.why.column, got.why.text);
        assert_int_equal(got.why.raised, strstr(rows[i].source, "raise_exception") != NULL);
        buf_fini(&got.text);
    }
}

static void a_branch_not_taken_may_name_what_is_not_there(void **state)
{
    (void)state;
    check("{% if not yes %}{{ x|bogus }}{% endif %}{{ 1 if yes else x is bogus }}", "0", "1",
          false);
}

/* --- limits --- */

static void check_limit(const char *source, int want)
{
    struct rendering got = render(source, "\"\"", &usual, 4 << 20, false);
    if (got.err != want) fail_msg("%s: %s (%s)", source, err_name(got.err), got.why.text);
    buf_fini(&got.text);
}

static void what_a_template_takes_is_limited(void **state)
{
    (void)state;
    check_limit("{{ 'a' * 1000000000000 }}", ERR_TOO_LARGE);
    check_limit("{{ [1] * 1000000000000 }}", ERR_TOO_LARGE);
    check_limit("{{ 'ab' * 9223372036854775807 }}", ERR_TOO_LARGE);
    check_limit("{{ range(1000000000000) }}", ERR_INVALID);
    check_limit("{{ 'a'.center(1000000000000) }}", ERR_TOO_LARGE);
    check_limit("{{ 'a'.ljust(9223372036854775807, 'b') }}", ERR_TOO_LARGE);
    check_limit("{{ 'a'.zfill(1000000000000) }}", ERR_TOO_LARGE);
    check_limit("{{ '%1000000000000d' % 1 }}", ERR_INVALID);
    check_limit("{{ 'a'|indent(1000000000000) }}", ERR_TOO_LARGE);
    check_limit("{{ [1]|batch(1000000000000, 0)|list }}", ERR_TOO_LARGE);
    check_limit("{{ {}|tojson(indent=1000000000000) }}", ERR_TOO_LARGE);
    check_limit("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
                ERR_TOO_LARGE);
    check_limit("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", ERR_DEPTH);
    check_limit("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}", ERR_DEPTH);
    check_limit("{% set ns = namespace(l=[]) %}{% for i in range(500) %}{% set ns.l = [ns.l] %}"
                "{% endfor %}{{ ns.l }}",
                ERR_DEPTH);
    check_limit("{% set ns = namespace(l=[]) %}{% for i in range(60) %}"
                "{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l == ns.l ~ '' }}{{ ns.l|tojson }}",
                ERR_TOO_LARGE);
    check_limit("{% set ns = namespace(s='abc') %}{% for i in range(100) %}"
                "{% set ns.s = ns.s + ns.s %}{% endfor %}",
                ERR_TOO_LARGE);
    check_limit("{% set ns = namespace(l=[1]) %}{% for i in range(100) %}"
                "{% set ns.l = ns.l + ns.l %}{% endfor %}",
                ERR_TOO_LARGE);
}

static void time_is_limited(void **state)
{
    (void)state;
    const struct jinja_limits limits = {.steps = UINT64_MAX, .output = 1 << 20, .time_us = 20000};
    struct rendering got =
        render("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
               "0", &limits, 16 << 20, false);
    assert_int_equal(got.err, ERR_TIMEOUT);
    buf_fini(&got.text);
}

static void output_is_limited(void **state)
{
    (void)state;
    const struct jinja_limits limits = {.steps = 100000, .output = 10};
    struct rendering got = render("0123456789", "0", &limits, 1 << 20, false);
    assert_int_equal(got.err, 0);
    buf_fini(&got.text);
    got = render("0123456789{{ x }}", "0", &limits, 1 << 20, false);
    assert_int_equal(got.err, ERR_TOO_LARGE);
    buf_fini(&got.text);
}

/* `count` times `open`, then as often `close`. */
static void check_nested(const char *open, const char *middle, const char *close, size_t count,
                         int want)
{
    struct buf source;
    struct jinja *t = NULL;
    struct jinja_error why;
    buf_init(&source, 4 << 20);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(buf_append(&source, str_of(open)), 0);
    assert_int_equal(buf_append(&source, str_of(middle)), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(buf_append(&source, str_of(close)), 0);
    int err = jinja_compile(buf_str(&source), &t, &why);
    if (err != want) fail_msg("%s: %s (%s)", open, err_name(err), why.text);
    jinja_free(t);
    buf_fini(&source);
}

static void sources_may_not_be_nested_without_end(void **state)
{
    (void)state;
    check_nested("{% if x %}", "", "{% endif %}", 100, 0);
    check_nested("{% if x %}", "", "{% endif %}", 10000, ERR_DEPTH);
    check_nested("{% macro m() %}", "", "{% endmacro %}", 10000, ERR_DEPTH);
    check_nested("{{ x", "", "|trim", 1, ERR_SYNTAX);
    check_nested("{{ ", "", "", 1, ERR_SYNTAX);
    static const char *const opens[] = {"(", "[", "{1:", "-", "not ", "x(", "x[", "1 if x else "};
    static const char *const closes[] = {")", "]", "}", "", "", ")", "]", ""};
    for (size_t i = 0; i < ARRAY_LEN(opens); i++) {
        struct buf open;
        buf_init(&open, 1 << 20);
        assert_int_equal(buf_append(&open, STR("{{ ")), 0);
        for (size_t n = 0; n < 2000; n++)
            assert_int_equal(buf_append(&open, str_of(opens[i])), 0);
        assert_int_equal(buf_append(&open, STR("1")), 0);
        for (size_t n = 0; n < 2000; n++)
            assert_int_equal(buf_append(&open, str_of(closes[i])), 0);
        assert_int_equal(buf_append(&open, STR(" }}\0")), 0);
        check_nested(buf_str(&open).ptr, "", "", 1, ERR_DEPTH);
        buf_fini(&open);
    }
}

static void long_chains_are_refused(void **state)
{
    (void)state;
    struct jinja *t;
    struct jinja_error why;
    struct buf source;
    buf_init(&source, 1 << 20);
    assert_int_equal(buf_append(&source, STR("{{ x")), 0);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(buf_append(&source, STR("|trim")), 0);
    assert_int_equal(buf_append(&source, STR(" }}")), 0);
    assert_int_equal(jinja_compile(buf_str(&source), &t, &why), ERR_DEPTH);
    buf_fini(&source);
}

/* --- where bytes come from --- */

static void origins_are_kept(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a{{ x }}b", "a{dAtA <s>}b"},
        {"{{ bos }}{{ 'lit' }}{{ x }}{{ x }}", "<s>lit{dAtA <s>dAtA <s>}"},
        {"{{ bos + x + bos }}", "<s>{dAtA <s>}<s>"},
        {"{{ bos ~ x ~ 1 }}", "<s>{dAtA <s>}1"},
        {"{% set y = bos + x + bos %}{{ y[1:6] }}", "s>{dAt}"},
        {"{% set y = bos + x + bos %}{{ y[::-1] }}", ">s<{>s< AtAd}>s<"},
        {"{{ (bos + x)|upper }}", "<S>{DATA <S>}"},
        {"{{ (bos + x).title() }}", "<S>{Data <S>}"},
        {"{{ x|replace('<s>', bos) }}", "{dAtA }<s>"},
        {"{{ ('[' + x + ']').replace('A', bos) }}", "[{d}<s>{t}<s>{ <s>}]"},
        {"{{ (' ' + x + ' ')|trim }}", "{dAtA <s>}"},
        {"{{ ('a ' + x).split() }}", "{['}a{', 'dAtA', '<s>']}"},
        {"{{ ('a ' + x).split()|join('+') }}", "a+{dAtA}+{<s>}"},
        {"{{ [bos, x]|join }}", "<s>{dAtA <s>}"},
        {"{% set y %}<{{ x }}>{% endset %}{{ y }}", "<{dAtA <s>}>"},
        {"{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(x) }}{{ m('y') }}", "<{dAtA <s>}><y>"},
        {"{% filter upper %}a{{ x }}{% endfilter %}", "A{DATA <S>}"},
        {"{{ x|tojson }}", "{\"dAtA <s>\"}"},
        {"{{ {'a': 'b'}|tojson }}", "{\"a\": \"b\"}"},
        {"{{ {'a': x}|tojson }}", "{{\"a\": \"dAtA <s>\"}}"},
        {"{{ [x] }}", "{['dAtA <s>']}"},
        {"{{ ['a'] }}", "['a']"},
        {"{{ '%s-%s' % (bos, x) }}", "<s>-{dAtA <s>}"},
        {"{{ '<{}>'.format(x) }}", "<{dAtA <s>}>"},
        {"{{ x|length }}", "8"},
        {"{{ x * 2 }}", "{dAtA <s>dAtA <s>}"},
        {"{% for c in ('a' + x)[:3] %}{{ c }}{% endfor %}", "a{dA}"},
        {"{{ (x ~ '\\nb')|indent(2, true) }}", "  {dAtA <s>}\n  b"},
        {"{{ ('a' + x)|first }}{{ ('a' + x)|last }}", "a{>}"},
        {"{{ ('<' ~ x)|e }}", "&lt;{dAtA &lt;s&gt;}"},
        {"{{ ('a' + x)|truncate(5, true, '.', 0) }}", "a{dAt}."},
        {"{{ ('a' + x).center(11, '*') }}", "*a{dAtA <s>}*"},
        {"{{ x|default(bos) }}{{ nothing|default(bos) }}", "{dAtA <s>}<s>"},
        {"{{ x == bos }}{{ x[-3:] == bos }}", "FalseTrue"},
        {"{{ {x[-3:]: 1}|first }}", "{<s>}"},
        {"{% set d = {bos: 1, x[-3:]: 2} %}{{ d|first }}", "<s>"},
        {"{{ ('a' + x)|list|join }}", "a{dAtA <s>}"},
        {"{{ ('b' + x)|sort|join }}", "{ <>AAb}"},
    };
    for (size_t i = 0; i + 1 < ARRAY_LEN(rows); i++)
        check(rows[i][0], "\"dAtA <s>\"", rows[i][1], true);
}

static void numbers_of_data_are_data(void **state)
{
    (void)state;
    check("<|{{ x[0] }}|>", "[12]", "<|{12}|>", true);
    check("<|{{ x[0] + 1 }}|>", "[12]", "<|{13}|>", true);
    check("<|{{ x[0] }}|>", "[1.5]", "<|{1.5}|>", true);
    check("<|{{ x[0] }}|>", "[true]", "<|{True}|>", true);
    check("<|{{ x[0] }}|>", "[null]", "<|{None}|>", true);
    check("<|{{ '%d' % x[0] }}|>", "[7]", "<|{7}|>", true);
    check("{{ x }}", "{\"a\":1}", "{{'a': 1}}", true);
    check("<|{{ x|int }}{{ x|float }}|>", "\"12\"", "<|{1212.0}|>", true);
    check("<|{{ range(x, x + 1)|first }}{{ range(x) }}{{ +x }}|>", "3", "<|{3range(0, 3)3}|>",
          true);
    check("{{ '12'|int }}{{ range(2)|list }}", "3", "12[0, 1]", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_rendered),
        cmocka_unit_test(kinds_of_numbers_are_kept),
        cmocka_unit_test(time_is_told),
        cmocka_unit_test(names_are_mentioned),
        cmocka_unit_test(errors_say_where_and_why),
        cmocka_unit_test(a_branch_not_taken_may_name_what_is_not_there),
        cmocka_unit_test(what_a_template_takes_is_limited),
        cmocka_unit_test(time_is_limited),
        cmocka_unit_test(output_is_limited),
        cmocka_unit_test(sources_may_not_be_nested_without_end),
        cmocka_unit_test(long_chains_are_refused),
        cmocka_unit_test(origins_are_kept),
        cmocka_unit_test(numbers_of_data_are_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
