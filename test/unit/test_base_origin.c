/* SPDX-License-Identifier: Apache-2.0 */
/* base: origins and patterns of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/err.h"
#include "base/origin.h"

static void origins_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *parts; /* "scheme host port" */
        bool web;
    } rows[] = {
        {"https://app.example.com", "https app.example.com ", true},
        {"http://localhost:3000", "http localhost 3000", true},
        {"HTTP://LOCALHOST:3000", "HTTP LOCALHOST 3000", true},
        {"https://app.example.com:443", "https app.example.com ", true},
        {"http://app.example.com:80", "http app.example.com ", true},
        {"http://app.example.com:443", "http app.example.com 443", true},
        {"http://[::1]:3000", "http [::1] 3000", true},
        {"http://[::1]", "http [::1] ", true},
        {"app://obsidian.md", "app obsidian.md ", false},
        {"chrome-extension://abcdefghijklmnop", "chrome-extension abcdefghijklmnop ", false},
        {"vscode-webview://0a1b-2c", "vscode-webview 0a1b-2c ", false},
        {"capacitor-electron://-", "capacitor-electron - ", false},
        {"tauri://localhost:80", "tauri localhost 80", false},
        {"file://", "file  ", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct origin o;
        char got[200];
        if (origin_parse(str_of(rows[i].text), &o)) fail_msg("%s: refused", rows[i].text);
        snprintf(got, sizeof got, "%" STR_FMT " %" STR_FMT " %" STR_FMT, STR_ARG(o.scheme),
                 STR_ARG(o.host), STR_ARG(o.port));
        assert_string_equal(got, rows[i].parts);
        assert_int_equal(origin_is_web(&o), rows[i].web);
        assert_false(o.below);
        assert_int_equal(origin_parse_pattern(str_of(rows[i].text), &o), 0);
    }
}

static void what_is_no_origin_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "null",
        "*",
        "app",
        "localhost:3000",
        "://x",
        "1http://x",
        "ht tp://x",
        "http://",
        "http://:80",
        "http:///",
        "https://a.example/",
        "https://a.example/path",
        "https://a.example?q",
        "https://a.example#f",
        "https://user@a.example",
        "https://a.example:0",
        "https://a.example:",
        "https://a.example:65536",
        "https://a.example:1:2",
        "https://a.example:x",
        "https://a example",
        "https://a.example https://b.example",
        "https://a.example,https://b.example",
        "https://a.example\\",
        "https://\xc3\xa4.example",
        "https://a.example\x7f",
        "https://*",
        "https://a.*.example",
        "https://[::1",
        "https://[]",
        "https://[::1]x",
        "https://[::1%25eth0]",
        "https://::1",
        "file://:80",
    };
    struct origin o;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (origin_parse(str_of(rows[i]), &o) != ERR_SYNTAX) fail_msg("%s", rows[i]);
        if (origin_parse_pattern(str_of(rows[i]), &o) != ERR_SYNTAX) fail_msg("%s", rows[i]);
    }
    assert_int_equal(origin_parse(STR("https://*.example.com"), &o), ERR_SYNTAX);
    assert_int_equal(origin_parse_pattern(STR("https://*."), &o), ERR_SYNTAX);
    assert_int_equal(origin_parse_pattern(STR("https://*.*.example.com"), &o), ERR_SYNTAX);
    assert_int_equal(origin_parse(STR("ab\0://x"), &o), ERR_SYNTAX);
}

static void patterns_match(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *origin;
        bool matches;
    } rows[] = {
        {"https://app.example.com", "https://app.example.com", true},
        {"https://App.example.com", "HTTPS://app.EXAMPLE.com:443", true},
        {"https://app.example.com", "http://app.example.com", false},
        {"https://app.example.com", "https://app.example.com:8443", false},
        {"https://app.example.com:8443", "https://app.example.com:8443", true},
        {"https://app.example.com", "https://app.example.com.evil", false},
        {"https://app.example.com", "https://xapp.example.com", false},
        {"https://app.example.com", "https://x.app.example.com", false},
        {"https://*.example.com", "https://app.example.com", true},
        {"https://*.example.com", "https://example.com", false},
        {"https://*.example.com", "https://a.b.example.com", false},
        {"https://*.example.com", "https://.example.com", false},
        {"https://*.example.com", "https://evilexample.com", false},
        {"https://*.example.com", "https://app.example.com.evil", false},
        {"https://*.example.com", "https://app.example.com:444", false},
        {"https://*.example.com:444", "https://app.example.com:444", true},
        {"http://*.localhost:3000", "http://app.localhost:3000", true},
        {"chrome-extension://abc", "chrome-extension://abc", true},
        {"chrome-extension://abc", "chrome-extension://abd", false},
        {"file://", "file://", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct origin pattern, o;
        assert_int_equal(origin_parse_pattern(str_of(rows[i].pattern), &pattern), 0);
        assert_int_equal(origin_parse(str_of(rows[i].origin), &o), 0);
        if (origin_matches(&pattern, &o) != rows[i].matches)
            fail_msg("%s %s", rows[i].pattern, rows[i].origin);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins_are_read),
        cmocka_unit_test(what_is_no_origin_is_refused),
        cmocka_unit_test(patterns_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
