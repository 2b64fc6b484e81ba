/* SPDX-License-Identifier: Apache-2.0 */
/* gate: what proxies tell of a request's way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/forwarded.h"
#include "head_of.h"

#define PROXY "10.0.0.1:4711"

/* The proxies of the tests: 10.0.0.0/8 and fd00::/8. */
static void trust(struct settings *s, struct ip_network networks[2])
{
    assert_int_equal(ip_network_parse(STR("10.0.0.0/8"), &networks[0]), 0);
    assert_int_equal(ip_network_parse(STR("fd00::/8"), &networks[1]), 0);
    *s = (struct settings){.proxies = networks, .proxy_count = 2};
}

/* "CLIENT secure host=HOST unclear", each where it is so; "plain" where that is told. */
static const char *read_as(const char *const *lines, const char *peer, const struct settings *s)
{
    static char text[300];
    char room[IP_TEXT_ROOM];
    struct http_head head = head_of(lines);
    struct forwarded f;
    forwarded_read(&head, str_of(peer), s, &f);
    struct str client = f.known ? ip_text(&f.client, room) : STR("-");
    snprintf(text, sizeof text, "%" STR_FMT "%s%s%" STR_FMT "%s", STR_ARG(client),
             f.scheme == SCHEME_SECURE ? " secure"
             : f.scheme                ? " plain"
                                       : "",
             f.host.ptr ? " host=" : "", STR_ARG(f.host), f.host_unclear ? " unclear" : "");
    free(head.fields);
    return text;
}

struct row {
    const char *want;
    const char *lines[5];
};

static void check(const struct row *rows, size_t count)
{
    struct ip_network networks[2];
    struct settings s;
    trust(&s, networks);
    for (size_t i = 0; i < count; i++) {
        const char *got = read_as(rows[i].lines, PROXY, &s);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("row %zu, %s: %s, want %s", i, rows[i].lines[0], got, rows[i].want);
    }
}

static void the_last_address_that_is_no_proxy_is_the_client(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"-", {"x: y"}},
        {"203.0.113.7", {"x-forwarded-for: 203.0.113.7"}},
        {"203.0.113.7", {"X-Forwarded-For: 203.0.113.7:4711"}},
        {"2001:db8::7", {"x-forwarded-for: 2001:db8::7"}},
        {"2001:db8::7", {"x-forwarded-for: [2001:db8::7]:80"}},
        {"203.0.113.7", {"x-forwarded-for: ::ffff:203.0.113.7"}},
        {"203.0.113.7", {"x-forwarded-for: 1.1.1.1, 203.0.113.7"}},
        {"203.0.113.7", {"x-forwarded-for: 1.1.1.1, 203.0.113.7,10.1.1.1 , fd00::5"}},
        {"203.0.113.7", {"x-forwarded-for: 1.1.1.1", "x-forwarded-for: 203.0.113.7,, 10.1.1.1,"}},
        {"10.2.2.2", {"x-forwarded-for: 10.2.2.2, 10.1.1.1"}},
        {"10.1.1.1", {"x-forwarded-for: 203.0.113.7, unknown, 10.1.1.1"}},
        {"-", {"x-forwarded-for: 203.0.113.7, unknown"}},
        {"-", {"x-forwarded-for: localhost"}},
        {"-", {"x-forwarded-for: 203.0.113.7 10.1.1.1"}},
        {"-", {"x-forwarded-for: 1.2.3"}},
        {"-", {"x-forwarded-for: "}},
        {"-", {"x-real-ip: 203.0.113.7"}},
    };
    check(rows, ARRAY_LEN(rows));
}

static void forwarded_is_read(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"203.0.113.7", {"forwarded: for=203.0.113.7"}},
        {"203.0.113.7 secure host=a.example",
         {"Forwarded: For=\"203.0.113.7:4711\";proto=HTTPS;by=10.0.0.1;host=a.example"}},
        {"2001:db8::7", {"forwarded: for=\"[2001:db8::7]\""}},
        {"2001:db8::7", {"forwarded: for=\"[2001:db8::7]:_port\""}},
        {"203.0.113.7", {"forwarded: for=1.1.1.1;proto=https, for=203.0.113.7"}},
        {"203.0.113.7 secure",
         {"forwarded: for=203.0.113.7;proto=https", "forwarded: for=10.1.1.1;proto=http"}},
        {"203.0.113.7", {"forwarded: ,, ;for=203.0.113.7;; ; , ,"}},
        {"203.0.113.7", {"forwarded: for=203.0.113.7 ; secret=\"a,b;c\" ,for=10.1.1.1"}},
        {"- secure host=a.example", {"forwarded: for=203.0.113.7, proto=https;host=a.example"}},
        {"10.1.1.1", {"forwarded: for=203.0.113.7, for=_hidden, for=10.1.1.1"}},
        {"-", {"forwarded: for=unknown"}},
        {"-", {"forwarded: "}},
        {"- unclear", {"forwarded: for=203.0.113.7, for"}},
        {"- unclear", {"forwarded: 203.0.113.7"}},
        {"- unclear", {"forwarded: for=\"203.0.113.7"}},
        {"- unclear", {"forwarded: for=\"203.0.113.7\\\""}},
        {"- unclear", {"forwarded: for=a b"}},
        {"- unclear", {"forwarded: =a"}},
        {"- unclear", {"forwarded: for=;proto=https"}},
        {"- unclear", {"forwarded: for=203.0.113.7", "forwarded: \""}},
    };
    check(rows, ARRAY_LEN(rows));
}

static void scheme_and_host_are_read(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"- secure", {"x-forwarded-proto: https"}},
        {"- secure", {"x-forwarded-proto: HTTPS, https"}},
        {"- plain", {"x-forwarded-proto: http"}},
        {"-", {"x-forwarded-proto: wss"}},
        {"- plain", {"x-forwarded-proto: https, http"}},
        {"- plain", {"x-forwarded-proto: https", "x-forwarded-proto: http"}},
        {"- plain", {"x-forwarded-proto: http, https"}},
        {"- host=a.example:80", {"x-forwarded-host: a.example:80"}},
        {"- host=b.example unclear", {"x-forwarded-host: a.example, b.example"}},
        {"- host=a.example unclear",
         {"x-forwarded-host: a.example", "x-forwarded-host: a.example"}},
        {"- host=a/b unclear", {"x-forwarded-host: a/b"}},
    };
    check(rows, ARRAY_LEN(rows));
}

/* Most proxies write one of the two and pass the other on as their client had it. */
static void what_differs_is_not_believed(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"203.0.113.7", {"x-forwarded-for: 203.0.113.7", "forwarded: for=203.0.113.7"}},
        {"203.0.113.7 secure",
         {"x-forwarded-for: 203.0.113.7", "forwarded: for=203.0.113.7;proto=https"}},
        {"- plain", {"x-forwarded-for: 203.0.113.7", "forwarded: for=1.1.1.1"}},
        {"- plain", {"x-forwarded-for: 203.0.113.7", "forwarded: for=1.1.1.1;proto=https"}},
        {"- plain",
         {"x-forwarded-for: 203.0.113.7", "x-forwarded-proto: http",
          "forwarded: for=203.0.113.7;proto=https"}},
        {"203.0.113.7", {"x-forwarded-for: 203.0.113.7", "forwarded: for=unknown"}},
        {"203.0.113.7 unclear", {"x-forwarded-for: 203.0.113.7", "forwarded: for"}},
        {"- host=a.example unclear", {"x-forwarded-host: a.example", "forwarded: host=b.example"}},
        {"- host=a.example", {"x-forwarded-host: a.example", "forwarded: host=A.example"}},
    };
    check(rows, ARRAY_LEN(rows));
}

static void only_proxies_are_believed(void **state)
{
    (void)state;
    static const char *const lines[] = {"x-forwarded-for: 203.0.113.7", "x-forwarded-proto: https",
                                        "x-forwarded-host: a.example",
                                        "forwarded: for=203.0.113.7;proto=https", NULL};
    static const struct {
        const char *peer;
        bool believed;
    } rows[] = {
        {"10.0.0.1:4711", true},
        {"[fd00::1]:4711", true},
        {"[::ffff:10.1.2.3]:1", true},
        {"11.0.0.1:4711", false},
        {"127.0.0.1:4711", false},
        {"[2001:db8::1]:1", false},
        {"unix", false},
        {"", false},
    };
    struct ip_network networks[2];
    struct settings s;
    trust(&s, networks);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *got = read_as(lines, rows[i].peer, &s);
        if (strcmp(got, rows[i].believed ? "203.0.113.7 secure host=a.example" : "-") != 0)
            fail_msg("%s: %s", rows[i].peer, got);
    }
    s = (struct settings){.unix_proxies = true};
    assert_string_equal(read_as(lines, "unix", &s), "203.0.113.7 secure host=a.example");
    assert_string_equal(read_as(lines, PROXY, &s), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_address_that_is_no_proxy_is_the_client),
        cmocka_unit_test(forwarded_is_read),
        cmocka_unit_test(scheme_and_host_are_read),
        cmocka_unit_test(what_differs_is_not_believed),
        cmocka_unit_test(only_proxies_are_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
