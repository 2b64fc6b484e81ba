/* SPDX-License-Identifier: Apache-2.0 */
/* gate: which pages may call. What is answered to them, the simulation looks at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "gate/cors.h"
#include "head_of.h"

static const struct str hosts[] = {STR_INIT("llm.example.org")};

/* The pages that the tests configure. */
static void configure(struct settings *s, struct origin origins[2])
{
    assert_int_equal(origin_parse_pattern(STR("https://app.example.com"), &origins[0]), 0);
    assert_int_equal(origin_parse_pattern(STR("https://*.example.net:8443"), &origins[1]), 0);
    *s = (struct settings){
        .hosts = hosts, .host_count = ARRAY_LEN(hosts), .origins = origins, .origin_count = 2};
}

static struct cors judge(const char *origin, const char *peer, const struct settings *s, bool keys)
{
    struct http_field field = HTTP_FIELD(ORIGIN, str_of(origin));
    struct http_head head = {.method = METHOD_POST,
                             .authority = STR("llm.example.org:8080"),
                             .fields = &field,
                             .field_count = origin != NULL};
    struct http_call call = {.head = &head, .peer = str_of(peer)};
    struct cors c;
    cors_judge(&call, s, keys, &c);
    return c;
}

#define TCP "127.0.0.1:4711"

static void without_keys_local_pages_and_programs_may_call(void **state)
{
    (void)state;
    static const struct {
        const char *origin;
        bool may;
    } rows[] = {
        {"http://localhost", true},
        {"http://localhost:3000", true},
        {"https://LOCALHOST:3000", true},
        {"http://app.localhost:3000", true},
        {"http://127.0.0.1:5173", true},
        {"http://127.9.9.9", true},
        {"http://[::1]:3000", true},
        {"https://llm.example.org", true},
        {"https://llm.example.org:444", true},
        {"app://obsidian.md", true},
        {"tauri://localhost", true},
        {"vscode-webview://0abc", true},
        {"chrome-extension://abc", true},
        {"moz-extension://5f0a", true},
        {"file://", true},
        {"https://app.example.com", true},
        {"https://x.example.net:8443", true},
        {"https://example.com", false},
        {"https://x.example.net", false},
        {"https://x.y.example.net:8443", false},
        {"https://evil.example", false},
        {"HTTPS://evil.example", false},
        {"http://localhost.evil.example", false},
        {"http://127.0.0.1.evil.example", false},
        {"http://evillocalhost", false},
        {"http://0.0.0.0:3000", false},
        {"http://localhost@evil.example", false},
        {"http://localhost/evil", false},
        {"http://[::2]:80", false},
        {"null", false},
        {"", false},
        {"app", false},
        {"://x", false},
        {"app://x http://evil.example", false},
        {"app://x, http://evil.example", false},
    };
    struct origin origins[2];
    struct settings s;
    configure(&s, origins);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cors c = judge(rows[i].origin, TCP, &s, false);
        if (c.foreign == rows[i].may) fail_msg("%s", rows[i].origin);
        assert_true(str_eq(c.allow, rows[i].may ? str_of(rows[i].origin) : STR("")));
        assert_true(c.varies);
        c = judge(rows[i].origin, "unix", &s, false);
        if (c.foreign == rows[i].may) fail_msg("unix: %s", rows[i].origin);
    }
}

static void with_keys_only_configured_pages_may_read(void **state)
{
    (void)state;
    static const struct {
        const char *origin;
        bool may;
    } rows[] = {
        {"https://app.example.com", true}, {"https://x.example.net:8443", true},
        {"http://localhost:3000", false},  {"app://obsidian.md", false},
        {"https://evil.example", false},   {"null", false},
    };
    struct origin origins[2];
    struct settings s;
    configure(&s, origins);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cors c = judge(rows[i].origin, TCP, &s, true);
        assert_false(c.foreign); /* the key decides */
        assert_true(c.varies);
        assert_true(str_eq(c.allow, rows[i].may ? str_of(rows[i].origin) : STR("")));
        s.any_origin = true;
        c = judge(rows[i].origin, TCP, &s, true);
        assert_true(str_eq(c.allow, rows[i].may ? str_of(rows[i].origin) : STR("*")));
        s.any_origin = false;
        struct settings none = {0};
        c = judge(rows[i].origin, TCP, &none, true);
        assert_true(!c.foreign && !c.varies && !c.allow.len);
    }
}

/* A proxy on a UNIX socket passes on the page of its own host, which need not be told here; it may
 * ask, and needs nobody's leave to read. */
static void by_a_socket_a_page_may_ask_its_own_host(void **state)
{
    (void)state;
    struct settings s = {0};
    static const struct {
        const char *origin;
        bool foreign;
    } rows[] = {
        {"https://llm.example.org:8080", false},
        {"http://LLM.example.org:8080", false},
        {"https://llm.example.org", true},
        {"https://evil.example", true},
        {"null", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cors c = judge(rows[i].origin, "unix", &s, false);
        if (c.foreign != rows[i].foreign) fail_msg("%s", rows[i].origin);
        assert_int_equal(c.allow.len, 0);
        assert_true(judge(rows[i].origin, TCP, &s, false).foreign);
    }
}

/* Nobody but a page that lies says more than one. */
static void several_origins_are_that_of_no_page(void **state)
{
    (void)state;
    static const char *const lines[] = {"origin: http://localhost", "Origin: http://localhost",
                                        NULL};
    struct settings s = {.any_origin = true};
    struct cors c;
    struct http_head head = head_of(lines);
    struct http_call call = {.head = &head, .peer = STR(TCP)};
    cors_judge(&call, &s, false, &c);
    assert_true(c.foreign && c.varies && !c.allow.len);
    cors_judge(&call, &s, true, &c);
    assert_true(!c.foreign && c.varies && str_eq(c.allow, STR("*")));
    free(head.fields);
}

/* What caches may keep says that it depends on the origin even where there was none. */
static void answers_vary_where_origins_matter(void **state)
{
    (void)state;
    struct origin origins[2];
    struct settings configured, none = {0};
    configure(&configured, origins);
    for (int method = METHOD_GET; method <= METHOD_POST; method++)
        for (int way = 0; way < 4; way++) {
            struct http_head head = {.method = method};
            struct http_call call = {.head = &head, .peer = STR(TCP)};
            struct cors c;
            cors_judge(&call, way & 1 ? &configured : &none, way & 2, &c);
            assert_int_equal(c.varies, method != METHOD_POST && way != 2);
            assert_true(!c.foreign && !c.allow.len);
        }
}

static void preflights_are_seen(void **state)
{
    (void)state;
    static const char *const lines[] = {"Access-Control-Request-Method: POST", NULL};
    struct http_head head = head_of(lines);
    head.method = METHOD_OPTIONS;
    assert_true(cors_is_preflight(&head));
    head.method = METHOD_POST;
    assert_false(cors_is_preflight(&head));
    head.method = METHOD_OPTIONS;
    head.field_count = 0;
    assert_false(cors_is_preflight(&head));
    free(head.fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_keys_local_pages_and_programs_may_call),
        cmocka_unit_test(with_keys_only_configured_pages_may_read),
        cmocka_unit_test(by_a_socket_a_page_may_ask_its_own_host),
        cmocka_unit_test(several_origins_are_that_of_no_page),
        cmocka_unit_test(answers_vary_where_origins_matter),
        cmocka_unit_test(preflights_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
