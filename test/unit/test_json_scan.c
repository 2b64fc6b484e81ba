/* SPDX-License-Identifier: Apache-2.0 */
/* The scan: the grammar of RFC 8259, what it refuses, and what it finds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "json/scan.h"

static const struct str wanted[] = {STR_INIT("model"), STR_INIT("stream"), STR_INIT("max_tokens"),
                                    STR_INIT("stream_options")};
enum { MODEL, STREAM, MAX_TOKENS, STREAM_OPTIONS, WANTED };

/* Scans a copy that ends exactly at the end of its allocation, so that reading
 * on is an error under ASan. */
static int scan(struct str text, struct json_span *spans, struct json_error *error, char **copy)
{
    *copy = malloc(text.len ? text.len : 1);
    if (text.len) memcpy(*copy, text.ptr, text.len);
    return json_scan(str_n(*copy, text.len), wanted, WANTED, spans, error);
}

static int verdict_at(struct str text, size_t *offset)
{
    char *copy;
    struct json_span spans[WANTED];
    struct json_error error = {SIZE_MAX, NULL};
    int err = scan(text, spans, &error, &copy);
    free(copy);
    if (err) assert_non_null(error.text);
    *offset = error.offset;
    return err;
}

static int verdict(const char *text)
{
    size_t offset;
    return verdict_at(str_of(text), &offset);
}

static void finds_members_byte_exact(void **state)
{
    (void)state;
    struct json_span spans[WANTED];
    const char *text = " {\"a\":[{\"model\":\"x\"}], \"model\" : \"demo\" ,\"max_tokens\":12,"
                       "\"stream\":true , \"stream_options\":{\"include_usage\" :false}\n} ";
    assert_int_equal(json_scan(str_of(text), wanted, WANTED, spans, NULL), 0);
    assert_int_equal(spans[MODEL].type, JSON_STRING);
    assert_true(str_eq(spans[MODEL].raw, STR("\"demo\"")));
    assert_ptr_equal(spans[MODEL].raw.ptr, strstr(text, "\"demo\""));
    assert_int_equal(spans[MAX_TOKENS].type, JSON_NUMBER);
    assert_true(str_eq(spans[MAX_TOKENS].raw, STR("12")));
    assert_int_equal(spans[STREAM].type, JSON_BOOL);
    assert_true(str_eq(spans[STREAM].raw, STR("true")));
    assert_int_equal(spans[STREAM_OPTIONS].type, JSON_OBJECT);
    assert_true(str_eq(spans[STREAM_OPTIONS].raw, STR("{\"include_usage\" :false}")));

    const struct str inner[] = {STR_INIT("include_usage")};
    struct json_span usage;
    bool on = true;
    assert_int_equal(json_scan_span(&spans[STREAM_OPTIONS], inner, 1, &usage, NULL), 0);
    assert_true(json_span_bool(&usage, &on));
    assert_false(on);
    assert_int_equal(json_scan_span(&spans[MODEL], inner, 1, &usage, NULL), ERR_TYPE);
}

static void absent_members_have_no_type(void **state)
{
    (void)state;
    struct json_span spans[WANTED];
    assert_int_equal(json_scan(STR("{\"model\":null}"), wanted, WANTED, spans, NULL), 0);
    assert_int_equal(spans[MODEL].type, JSON_NULL);
    assert_int_equal(spans[STREAM].type, JSON_NONE);
    assert_null(spans[STREAM].raw.ptr);
    assert_int_equal(json_scan(STR("{}"), wanted, WANTED, spans, NULL), 0);
    assert_int_equal(spans[MODEL].type, JSON_NONE);
    assert_int_equal(json_scan(STR("{\"a\":1}"), NULL, 0, NULL, NULL), 0);
}

static void empty_containers_are_found_whole(void **state)
{
    (void)state;
    struct json_span spans[WANTED];
    assert_int_equal(json_scan(STR("{\"model\":{ },\"stream\":[ ],\"max_tokens\":[[],{}]}"), wanted,
                               WANTED, spans, NULL),
                     0);
    assert_true(str_eq(spans[MODEL].raw, STR("{ }")));
    assert_true(str_eq(spans[STREAM].raw, STR("[ ]")));
    assert_true(str_eq(spans[MAX_TOKENS].raw, STR("[[],{}]")));
    assert_int_equal(spans[MAX_TOKENS].type, JSON_ARRAY);
}

static void escaped_names_are_the_same_names(void **state)
{
    (void)state;
    struct json_span spans[WANTED];
    assert_int_equal(
        json_scan(STR("{\"mod\\u0065l\":1,\"\\u0073tream\":2}"), wanted, WANTED, spans, NULL), 0);
    assert_true(str_eq(spans[MODEL].raw, STR("1")));
    assert_true(str_eq(spans[STREAM].raw, STR("2")));
    assert_int_equal(json_scan(STR("{\"mod\\u0065\":1,\"model\\n\":2,\"\\/model\":3}"), wanted,
                               WANTED, spans, NULL),
                     0);
    assert_int_equal(spans[MODEL].type, JSON_NONE);

    const struct str odd[] = {STR_INIT("\"\\/\b\f\n\r\t"),
                              STR_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")};
    struct json_span found[2];
    assert_int_equal(
        json_scan(STR("{\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":1,\"\\u00E9\\u20ac\\ud83D\\uDE00\":2}"), odd,
                  2, found, NULL),
        0);
    assert_true(str_eq(found[0].raw, STR("1")));
    assert_true(str_eq(found[1].raw, STR("2")));
}

/* Names that a parser without regard to case takes for another: the scan does not, but tells. */
static void names_alike_are_told_of(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool found;
    } alike[] = {
        {"Stream", false},       {"STREAM", false},       {"\u017ftream", false},
        {"\\u017Ftream", false}, {"\\u0053tream", false}, {"strea\\u004d", false},
        {"strea\\u006d", true},
    };
    static const char *const others[] = {
        "streams",      "strea",         "\u017f", "\u017ftrea",   "treams",
        "str_eam",      "ftream",        "5tream", "\u017ftreams", "\u0161tream",
        "\\ud800tream", "stream\\u0000", ""};
    struct json_span spans[WANTED];
    char text[100];
    for (size_t i = 0; i < ARRAY_LEN(alike); i++)
        for (int plain = 0; plain < 3; plain++) {
            if (plain && alike[i].found) continue; /* a duplicate */
            snprintf(text, sizeof text, "{%s\"%s\":1%s,\"x\":{}}",
                     plain == 1 ? "\"stream\":0," : "", alike[i].name,
                     plain == 2 ? ",\"stream\":0" : "");
            assert_int_equal(json_scan(str_of(text), wanted, WANTED, spans, NULL), 0);
            if (!spans[STREAM].alike) fail_msg("not seen: %s", text);
            assert_false(spans[MODEL].alike || spans[STREAM_OPTIONS].alike);
            assert_int_equal(spans[STREAM].type, plain || alike[i].found ? JSON_NUMBER : JSON_NONE);
            if (plain) assert_true(str_eq(spans[STREAM].raw, STR("0")));
        }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        snprintf(text, sizeof text, "{\"%s\":1,\"a\":{\"Stream\":1}}", others[i]);
        assert_int_equal(json_scan(str_of(text), wanted, WANTED, spans, NULL), 0);
        if (spans[STREAM].alike || spans[STREAM].type) fail_msg("taken for stream: %s", text);
    }
    static const struct str to_k[] = {STR_INIT("tokens"), STR_INIT("include")};
    struct json_span odd[2];
    assert_int_equal(json_scan(STR("{\"to\u212aens\":1,\"\u0131nclude\":1}"), to_k, 2, odd, NULL),
                     0);
    assert_true(odd[0].alike && odd[1].alike);
}

static void duplicates_of_wanted_names_are_refused(void **state)
{
    (void)state;
    struct json_span spans[WANTED];
    struct json_error error;
    static const char *const twice[] = {
        "{\"model\":1,\"model\":1}",
        "{\"model\":null,\"a\":1,\"mod\\u0065l\":2}",
        "{\"\\u006dodel\":1,\"model\":{}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(twice); i++) {
        assert_int_equal(json_scan(str_of(twice[i]), wanted, WANTED, spans, &error), ERR_DUPLICATE);
        assert_string_equal(error.text, "model");
        assert_int_equal(twice[i][error.offset], '"');
        assert_true(error.offset > 5);
    }
    assert_int_equal(verdict("{\"x\":1,\"x\":2}"), 0);
    assert_int_equal(verdict("{\"x\":{\"model\":1,\"model\":2}}"), 0);
}

static void accepts_the_grammar(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",
        " \t\r\n{ } \n",
        "{\"\":0}",
        "{\"a\":-0}",
        "{\"a\":0.5e-7}",
        "{\"a\":1E+2}",
        "{\"a\":10}",
        "{\"a\":123456789012345678901234567890.1}",
        "{\"a\":1e400}",
        "{\"a\":[1,2 , 3]}",
        "{\"a\":[[[]]]}",
        "{\"a\":true,\"b\":false,\"c\":null}",
        "{\"a\":\"\\ud83d\\ude00\"}",
        "{\"a\":\"\\u0000\x7f\"}",
        "{\"a\":\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}",
        "{\"a\":{\"b\":{\"c\":[{}]}}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (verdict(good[i]) != 0) fail_msg("refused: %s", good[i]);
}

static void refuses_what_is_no_json(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "{\"",
        "{\"a",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1}x",
        "{\"a\":1}{}",
        "{\"a\" 1}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\":}",
        "{\"a\":,}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{\"a\":[1}",
        "{\"a\":{1]}",
        "{\"a\":[}",
        "{\"a\":(1)}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":-01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":1e}",
        "{\"a\":1e+}",
        "{\"a\":1.e1}",
        "{\"a\":0x10}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":--1}",
        "{\"a\":tru}",
        "{\"a\":truee}",
        "{\"a\":True}",
        "{\"a\":nul}",
        "{\"a\":falsy}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\x1f\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\",
        "{\"a\":\"\\u12",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u 123\"}",
        "{\"a\":/**/1}",
        "//\n{}",
        "\xef\xbb\xbf{}",
        "{\"a\":1}\v",
        "{\"a\":\f1}",
        "x",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (verdict(bad[i]) != ERR_SYNTAX) fail_msg("not ERR_SYNTAX: %s", bad[i]);
    size_t offset;
    assert_int_equal(verdict_at(str_n("{}\0", 3), &offset), ERR_SYNTAX);
    assert_int_equal(offset, 2);
    assert_int_equal(verdict_at(str_n("{\"a\0\":1}", 8), &offset), ERR_SYNTAX);
    assert_int_equal(offset, 3);
    assert_int_equal(verdict_at(STR_NULL, &offset), ERR_SYNTAX);
}

static void says_where(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
    } cases[] = {{"{\"a\":1,}", 7},        {"{\"a\":01}", 5}, {"{\"a\":\"x\\q\"}", 7},
                 {"{\"a\":\"x\x01\"}", 7}, {"{\"a\":1", 6},   {"  [1]", 2},
                 {"{\"a\":\"\xff\"}", 6},  {"{} x", 3}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t offset;
        assert_int_not_equal(verdict_at(str_of(cases[i].text), &offset), 0);
        assert_int_equal(offset, cases[i].offset);
    }
}

static void refuses_broken_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"a\":\"\x80\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xc3\"}",
        "{\"a\":\"\xe0\x9f\xbf\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xf0\x8f\xbf\xbf\"}",
        "{\"a\":\"\xf4\x90\x80\x80\"}",
        "{\"a\":\"\xf5\x80\x80\x80\"}",
        "{\"a\":\"\xff\"}",
        "{\"\xc3(\":1}",
        "{\"a\":\"\xe2\x82",
        "{\"a\":\"\xf0\x9f\x98",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (verdict(bad[i]) != ERR_UTF8) fail_msg("not ERR_UTF8: %s", bad[i]);
}

/* Half an emoji, as clients make it that cut a text at some length. Only who reads the string need
 * refuse it, or read something else. */
static void half_surrogate_pairs_pass_unread(void **state)
{
    (void)state;
    static const char *const halves[] = {
        "\\ud800",        "\\udc00",           "\\ud800\\u0041", "\\ud800x",
        "\\ud800\\ud800", "\\ud83d\\n\\ude00", "x\\udead",
    };
    static const struct str names[] = {STR_INIT("v")};
    struct arena arena;
    arena_init(&arena, 4096, 256);
    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        char text[100];
        struct json_span span;
        struct str value = STR("untouched");
        struct json_error error;
        const struct json *parsed;
        snprintf(text, sizeof text, "{\"%s\":1,\"v%s\":2,\"v\":\"%s\"}", halves[i], halves[i],
                 halves[i]);
        assert_int_equal(json_scan(str_of(text), names, 1, &span, NULL), 0);
        assert_int_equal(span.type, JSON_STRING);
        assert_false(span.alike);
        assert_int_equal(json_span_str(&span, &arena, &value), ERR_SYNTAX);
        assert_true(str_eq(value, STR("untouched")));
        assert_int_equal(json_parse(&arena, str_of(text), &parsed, &error), 0);
    }
    assert_int_equal(verdict("{\"a\":\"\\ud800\\u12\"}"), ERR_SYNTAX);
    assert_int_equal(verdict("{\"a\":\"\\ud800\\x\"}"), ERR_SYNTAX);
    arena_fini(&arena);
}

static void refuses_other_types(void **state)
{
    (void)state;
    static const char *const others[] = {"[]", " 1", "\"x\"", "null", "true", "-1", "[{}"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_int_equal(verdict(others[i]), ERR_TYPE);
}

static int verdict_of_depth(size_t levels)
{
    char text[1024] = "{\"a\":";
    size_t n = 5;
    for (size_t i = 1; i < levels; i++)
        text[n++] = '[';
    for (size_t i = 1; i < levels; i++)
        text[n++] = ']';
    text[n++] = '}';
    text[n] = '\0';
    return verdict(text);
}

static void nesting_ends_at_64(void **state)
{
    (void)state;
    assert_int_equal(verdict_of_depth(64), 0);
    assert_int_equal(verdict_of_depth(65), ERR_DEPTH);
    assert_int_equal(verdict_of_depth(400), ERR_DEPTH);
    char open[2000];
    memset(open, '{', sizeof open);
    size_t offset;
    assert_int_equal(verdict_at(str_n(open, sizeof open), &offset), ERR_SYNTAX);
}

/* Objects and arrays in turn keep their own closing brackets at every depth. */
static void brackets_must_match(void **state)
{
    (void)state;
    char text[600];
    size_t n = 0;
    for (int i = 0; i < 32; i++)
        n += (size_t)(stpcpy(text + n, "{\"a\":[") - (text + n));
    for (int i = 0; i < 32; i++)
        n += (size_t)(stpcpy(text + n, "]}") - (text + n));
    assert_int_equal(verdict(text), 0);
    for (size_t i = n - 64; i < n; i++) {
        char kept = text[i];
        text[i] = kept == ']' ? '}' : ']';
        assert_int_equal(verdict(text), ERR_SYNTAX);
        text[i] = kept;
    }
}

/* Every byte at every distance from the end of a string: the wide steps
 * and the bytewise rest agree. */
static void every_byte_at_every_place(void **state)
{
    (void)state;
    char text[80] = "{\"model\":\"";
    for (size_t len = 1; len <= 50; len++) {
        memset(text + 10, 'x', len);
        memcpy(text + 10 + len, "\"}", 2);
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256; c++) {
                size_t offset;
                text[10 + at] = (char)c;
                int err = verdict_at(str_n(text, len + 12), &offset);
                int due = c < ' ' || c == '"' || c == '\\' ? ERR_SYNTAX : c >= 0x80 ? ERR_UTF8 : 0;
                if (err != due && !(c == '\\' && at == len - 1))
                    fail_msg("len %zu at %zu byte %d", len, at, c);
                text[10 + at] = 'x';
            }
    }
}

/* No prefix of a document is one. */
static void every_prefix_is_refused(void **state)
{
    (void)state;
    const char *text =
        "{\"model\":\"d\\u00e9\\ud83d\\ude00m\xc3\xb6\",\"n\":[-1.5e+3,true,null,{\"k\":{}}]}";
    for (size_t len = 0; len < strlen(text); len++) {
        size_t offset;
        int err = verdict_at(str_n(text, len), &offset);
        if (err != ERR_SYNTAX && err != ERR_UTF8) fail_msg("prefix of %zu: %d", len, err);
        assert_true(offset <= len);
    }
    assert_int_equal(verdict(text), 0);
}

static void span_values(void **state)
{
    (void)state;
    static const struct str names[] = {STR_INIT("v")};
    static const struct {
        const char *text;
        bool fits;
        int64_t value;
    } cases[] = {
        {"{\"v\":0}", true, 0},
        {"{\"v\":-0}", true, 0},
        {"{\"v\":9223372036854775807}", true, INT64_MAX},
        {"{\"v\":-9223372036854775808}", true, INT64_MIN},
        {"{\"v\":9223372036854775808}", false, 0},
        {"{\"v\":1e3}", true, 1000},
        {"{\"v\":2.0}", true, 2},
        {"{\"v\":2.5}", false, 0},
        {"{\"v\":1e400}", false, 0},
        {"{\"v\":1e-400}", true, 0},
        {"{\"v\":1e19}", false, 0},
        {"{\"v\":100000000000000000000e-2}", true, 1000000000000000000},
        {"{\"v\":100000000000000000000}", false, 0},
        {"{\"v\":\"1\"}", false, 0},
        {"{}", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_span span;
        int64_t value = 0;
        assert_int_equal(json_scan(str_of(cases[i].text), names, 1, &span, NULL), 0);
        if (json_span_i64(&span, &value) != cases[i].fits) fail_msg("%s", cases[i].text);
        assert_true(value == cases[i].value);
    }
}

static void span_strings(void **state)
{
    (void)state;
    static const struct str names[] = {STR_INIT("v")};
    struct arena arena;
    arena_init(&arena, 64, 64);
    struct json_span span;
    struct str value = STR_NULL;
    struct str text = STR("{\"v\":\"plain \xc3\xa9\"}");
    assert_int_equal(json_scan(text, names, 1, &span, NULL), 0);
    assert_int_equal(json_span_str(&span, &arena, &value), 0);
    assert_true(str_eq(value, STR("plain \xc3\xa9")));
    assert_ptr_equal(value.ptr, text.ptr + 6);

    text = STR("{\"v\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\u20AC\\ud83d\\ude00.\"}");
    assert_int_equal(json_scan(text, names, 1, &span, NULL), 0);
    assert_int_equal(json_span_str(&span, &arena, &value), 0);
    assert_true(str_eq(value, STR("\"\\/\b\f\n\r\t\0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80.")));

    assert_int_equal(json_span_str(&span, &arena, &value), -ENOMEM); /* beyond the cap */
    assert_int_equal(json_scan(STR("{\"v\":1}"), names, 1, &span, NULL), 0);
    assert_int_equal(json_span_str(&span, &arena, &value), ERR_TYPE);
    bool flag;
    assert_false(json_span_bool(&span, &flag));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_members_byte_exact),
        cmocka_unit_test(absent_members_have_no_type),
        cmocka_unit_test(empty_containers_are_found_whole),
        cmocka_unit_test(escaped_names_are_the_same_names),
        cmocka_unit_test(names_alike_are_told_of),
        cmocka_unit_test(duplicates_of_wanted_names_are_refused),
        cmocka_unit_test(accepts_the_grammar),
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(says_where),
        cmocka_unit_test(refuses_broken_utf8),
        cmocka_unit_test(half_surrogate_pairs_pass_unread),
        cmocka_unit_test(refuses_other_types),
        cmocka_unit_test(nesting_ends_at_64),
        cmocka_unit_test(brackets_must_match),
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(span_values),
        cmocka_unit_test(span_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
