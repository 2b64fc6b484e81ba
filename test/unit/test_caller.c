/* SPDX-License-Identifier: Apache-2.0 */
/* gate: who is asking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/err.h"
#include "gate/caller.h"
#include "head_of.h"

static const struct str hosts[] = {STR_INIT("llm.example.org"), STR_INIT("10.0.0.5"),
                                   STR_INIT("[fd00::1]")};

static void hosts_count_as_this_machine(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool always; /* also when none is configured */
        bool local;
    } rows[] = {
        {"localhost", true, true},
        {"LOCALHOST:80", true, true},
        {"app.localhost:80", true, true},
        {"127.1.2.3:80", true, true},
        {"[::1]:80", true, true},
        {"llm.example.org", false, true},
        {"LLM.example.org:8080", false, true},
        {"10.0.0.5:80", false, true},
        {"[fd00::1]:80", false, true},
        {"x.llm.example.org", false, false},
        {"llm.example.org.evil", false, false},
        {"10.0.0.50", false, false},
        {"[fd00::1", false, false},
        {"127.0.0.1.evil.example", false, false},
        {"evillocalhost", false, false},
        {"0.0.0.0:80", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct str host = str_of(rows[i].host);
        if (caller_is_local_name(host, hosts, ARRAY_LEN(hosts)) != rows[i].local)
            fail_msg("%s", rows[i].host);
        assert_int_equal(caller_is_local_name(host, NULL, 0), rows[i].always);
    }
}

/* What a proxy tells narrows, and never widens. */
static void all_names_that_were_asked_for_must_be_local(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *told; /* NULL: nothing */
        bool unclear;
        bool local[2]; /* by TCP, by a UNIX socket */
    } rows[] = {
        {"localhost", NULL, false, {true, true}},
        {"llm.example.org", NULL, false, {true, true}},
        {"evil.example", NULL, false, {false, true}},
        {"", NULL, false, {true, true}},
        {"localhost", "llm.example.org", false, {true, true}},
        {"localhost", "evil.example", false, {false, false}},
        {"evil.example", "localhost", false, {false, true}},
        {"localhost", NULL, true, {false, false}},
        {"localhost", "localhost", true, {false, false}},
    };
    struct settings s = {.hosts = hosts, .host_count = ARRAY_LEN(hosts)};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_head head = {.authority = str_of(rows[i].host)};
        struct http_call call = {.head = &head, .peer = STR("127.0.0.1:4711")};
        struct forwarded way = {.host = str_of(rows[i].told), .host_unclear = rows[i].unclear};
        if (caller_asks_local(&call, &way, &s) != rows[i].local[0]) fail_msg("row %zu", i);
        call.peer = STR("unix");
        if (caller_asks_local(&call, &way, &s) != rows[i].local[1]) fail_msg("unix, row %zu", i);
    }
}

static void keys_must_agree(void **state)
{
    (void)state;
    static const struct http_field a = {HDR_AUTHORIZATION, STR_INIT("Authorization"),
                                        STR_INIT("bearer  one")},
                                   basic = {HDR_AUTHORIZATION, STR_INIT("Authorization"),
                                            STR_INIT("Basic two")},
                                   b = {HDR_X_API_KEY, STR_INIT("x-api-key"), STR_INIT("one")},
                                   none = {HDR_API_KEY, STR_INIT("api-key"), STR_INIT("")},
                                   other = {HDR_API_KEY, STR_INIT("api-key"), STR_INIT("two")};
    static const struct {
        struct http_field headers[3];
        int err;
        const char *key;
    } rows[] = {
        {{a}, 0, "one"},
        {{basic}, 0, NULL},
        {{none}, 0, NULL},
        {{basic, other}, 0, "two"},
        {{b, none, a}, 0, "one"},
        {{a, b, other}, ERR_DUPLICATE, "untouched"},
        {{other, b}, ERR_DUPLICATE, "untouched"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_head head = {.fields = (struct http_field *)(uintptr_t)rows[i].headers,
                                 .field_count = 3};
        struct str key = STR("untouched");
        assert_int_equal(caller_key(&head, &key), rows[i].err);
        assert_true(str_eq(key, str_of(rows[i].key)));
        assert_true(rows[i].key || !key.ptr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_count_as_this_machine),
        cmocka_unit_test(all_names_that_were_asked_for_must_be_local),
        cmocka_unit_test(keys_must_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
