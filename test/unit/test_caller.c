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

static void hosts_count_as_this_machine(void **state)
{
    (void)state;
    static const struct str hosts[] = {STR_INIT("llm.example.org"), STR_INIT("10.0.0.5"),
                                       STR_INIT("[fd00::1]")};
    static const struct {
        const char *host;
        const char *origin; /* NULL: none */
        bool local;
    } rows[] = {
        {"llm.example.org", NULL, true},
        {"LLM.example.org:8080", NULL, true},
        {"10.0.0.5:80", NULL, true},
        {"[fd00::1]:80", NULL, true},
        {"localhost", "https://llm.example.org", true},
        {"llm.example.org", "https://llm.example.org:444", true},
        {"llm.example.org", "app://x", true},
        {"llm.example.org", "https://evil.example", false},
        {"llm.example.org", "null", false},
        {"x.llm.example.org", NULL, false},
        {"llm.example.org.evil", NULL, false},
        {"10.0.0.50", NULL, false},
        {"[fd00::1", NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_field origin = HTTP_FIELD(ORIGIN, str_of(rows[i].origin));
        struct http_head head = {.authority = str_of(rows[i].host),
                                 .fields = &origin,
                                 .field_count = rows[i].origin != NULL};
        struct http_call call = {.head = &head, .peer = STR("127.0.0.1")};
        if (caller_is_local(&call, hosts, ARRAY_LEN(hosts)) != rows[i].local)
            fail_msg("%s %s", rows[i].host, rows[i].origin ? rows[i].origin : "");
        if (!rows[i].origin) assert_false(caller_is_local(&call, NULL, 0));
        call.peer = STR("unix");
        assert_true(caller_is_local(&call, NULL, 0));
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
        cmocka_unit_test(keys_must_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
