/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as the configuration writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "conf/url.h"

static void assert_str(struct str s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    if (s.len) assert_memory_equal(s.ptr, expected, s.len);
}

static void splits_urls(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum url_scheme scheme;
        const char *host;
        uint16_t port;
        const char *path;
        const char *base;
    } cases[] = {
        {"http://10.0.0.5:8000/v1", URL_HTTP, "10.0.0.5", 8000, "", "/v1"},
        {"http://host", URL_HTTP, "host", 80, "", ""},
        {"HTTP://host/", URL_HTTP, "host", 80, "", ""},
        {"http://host/a/b//", URL_HTTP, "host", 80, "", "/a/b"},
        {"https://api.example.com/v1", URL_HTTPS, "api.example.com", 443, "", "/v1"},
        {"http://[::1]:9/x", URL_HTTP, "::1", 9, "", "/x"},
        {"http://[fe80::1]", URL_HTTP, "fe80::1", 80, "", ""},
        {"unix:/run/x.sock", URL_UNIX, "", 0, "/run/x.sock", ""},
        {"unix:///run/x.sock", URL_UNIX, "", 0, "/run/x.sock", ""},
        {"unix:/run/x.sock:/v1/", URL_UNIX, "", 0, "/run/x.sock", "/v1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct url u;
        assert_int_equal(url_parse(str_of(cases[i].text), &u), 0);
        assert_int_equal(u.scheme, cases[i].scheme);
        assert_int_equal(u.port, cases[i].port);
        assert_str(u.host, cases[i].host);
        assert_str(u.path, cases[i].path);
        assert_str(u.base, cases[i].base);
    }
}

static void refuses_what_is_no_url(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "host:80",
        "ftp://host",
        "http://",
        "http://:80",
        "http://user:pass@host",
        "http://host:0",
        "http://host:65536",
        "http://host:",
        "http://host:8x",
        "http://host/v1?a=b",
        "http://host/v1#a",
        "http://ho st",
        "http://host/\r\nX: y",
        "http://[::1",
        "http://[zz]",
        "http://[::1]x",
        "http://::1/",
        "unix:",
        "unix:relative",
        "unix://host/path",
        "unix:/a:/b?c",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct url u = {.port = 77};
        assert_int_equal(url_parse(str_of(cases[i]), &u), ERR_SYNTAX);
        assert_int_equal(u.port, 77);
    }
}

static void knows_how_long_a_socket_path_may_be(void **state)
{
    (void)state;
    char text[5 + 108 + 1] = "unix:";
    struct url u;
    memset(text + 5, 'a', 108);
    text[5] = '/';
    assert_int_equal(url_parse(str_n(text, 5 + 107), &u), 0);
    assert_int_equal(url_parse(str_n(text, 5 + 108), &u), ERR_RANGE);
    assert_int_equal(url_parse_listen(str_n(text, 5 + 108), &u), ERR_RANGE);
}

static void splits_listening_addresses(void **state)
{
    (void)state;
    struct url u;
    assert_int_equal(url_parse_listen(STR("127.0.0.1:8080"), &u), 0);
    assert_str(u.host, "127.0.0.1");
    assert_int_equal(u.port, 8080);
    assert_int_equal(url_parse_listen(STR(":0"), &u), 0);
    assert_str(u.host, "");
    assert_int_equal(u.port, 0);
    assert_int_equal(url_parse_listen(STR("[::]:80"), &u), 0);
    assert_str(u.host, "::");
    assert_int_equal(url_parse_listen(STR("unix:run/x"), &u), 0);
    assert_int_equal(u.scheme, URL_UNIX);
    assert_str(u.path, "run/x");
    assert_int_equal(url_parse_listen(STR("8080"), &u), ERR_SYNTAX);
    assert_int_equal(url_parse_listen(STR("127.0.0.1"), &u), ERR_SYNTAX);
    assert_int_equal(url_parse_listen(STR("::1:80"), &u), ERR_SYNTAX);
    assert_int_equal(url_parse_listen(STR("a:70000"), &u), ERR_SYNTAX);
    assert_int_equal(url_parse_listen(STR("unix:"), &u), ERR_SYNTAX);
}

static void tells_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool loopback;
    } cases[] = {
        {"127.0.0.1:1", true},
        {"127.9.9.9:1", true},
        {"[::1]:1", true},
        {"localhost:1", true},
        {"LocalHost:1", true},
        {"unix:x", true},
        {":1", false},
        {"0.0.0.0:1", false},
        {"[::]:1", false},
        {"10.0.0.1:1", false},
        {"127.0.0.1.example.com:1", false},
        {"127.evil.com:1", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct url u;
        assert_int_equal(url_parse_listen(str_of(cases[i].text), &u), 0);
        assert_int_equal(url_is_loopback(&u), cases[i].loopback);
    }
}

static void knows_hosts(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a.example.org", "10.0.0.1", "::1", "fe80::1", "a_b-c"};
    static const char *const bad[] = {"",    "a:1", "[::1]", "http://a",
                                      "*.a", "a b", "a/b",   "1::2::3"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!url_host_ok(str_of(good[i]))) fail_msg("%s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (url_host_ok(str_of(bad[i]))) fail_msg("%s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_urls),
        cmocka_unit_test(refuses_what_is_no_url),
        cmocka_unit_test(knows_how_long_a_socket_path_may_be),
        cmocka_unit_test(splits_listening_addresses),
        cmocka_unit_test(tells_loopback),
        cmocka_unit_test(knows_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
