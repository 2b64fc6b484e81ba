/* SPDX-License-Identifier: Apache-2.0 */
/* gate: through whom a request has come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "gate/via.h"
#include "head_of.h"

#define OWN "1.1 hostler-a1"
#define FOUR_HOPS "1.1 hostler-b, 1.1 hostler-c (x), 2 Hostler-d, HTTP/1.1\thostler-e"

static void loops_are_seen(void **state)
{
    (void)state;
    static const struct {
        bool loops;
        const char *lines[5];
    } rows[] = {
        {false, {"via-x: 1.1 hostler-a1"}},
        {false, {"via: "}},
        {false, {"via: 1.1 hostler-a2, 1.0 nginx"}},
        {false, {"via: 1.1 hostler-a11"}},
        {false, {"via: hostler-a1"}}, /* no protocol before it */
        {true, {"via: 1.1 hostler-a1"}},
        {true, {"Via: HTTP/1.1   HOSTLER-A1 (Hostler)"}},
        {true, {"via: 1.1\thostler-a1\t(x)"}},
        {true, {"via: 1.0 nginx,1.1 hostler-a1 , 1.1 x"}},
        {true, {"via: 1.0 nginx", "x: y", "via: 1.1 hostler-a1"}},
        {false, {"via: 1 a,1 b,1 c,1 d,1 e", "via: 1 f,1 g,1 h,1 i,1 j", "via: 1 k,,,,,,,,,,,"}},
        {false, {"via: " FOUR_HOPS, "via: 1.1 x, " FOUR_HOPS}},
        {true, {"via: " FOUR_HOPS, "via: 1.1 x", "via: " FOUR_HOPS ", 1.1 hostler-b"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_head head = head_of(rows[i].lines);
        if (via_loops(&head, STR(OWN)) != rows[i].loops) fail_msg("%zu: %s", i, rows[i].lines[0]);
        free(head.fields);
    }
}

static void names_of_others_stay_here(void **state)
{
    (void)state;
    static const struct {
        const char *want;
        const char *lines[4];
    } rows[] = {
        {OWN, {"x: y"}},
        {OWN, {"via: "}},
        {OWN, {"via: ,,  ,\t"}},
        {"1.1 hostler-b2, " OWN, {"via: 1.1 hostler-b2"}},
        {"1.1 proxy, " OWN, {"via: 1.1 alice-laptop.corp.example:3128 (squid/6.1)"}},
        {"1.0 proxy, HTTP/2 hostler-b2, 2 proxy, " OWN,
         {"via: 1.0 fred , HTTP/2 hostler-b2 (x)", "Via: 2\tp"}},
        {"1.1 proxy, " OWN, {"via: 1.1 a (b, alice laptop)"}},
        {"1.1 proxy, " OWN, {"via: 1.1 hostler-a.alice.example"}},
        {OWN, {"via: alice"}},
        {OWN, {"via: 1.1"}},
        {OWN, {"via: HTTP/ alice"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_head head = head_of(rows[i].lines);
        struct arena arena;
        arena_init(&arena, 1 << 16, 512);
        struct str got = via_onward(&arena, &head, STR(OWN));
        if (!str_eq(got, str_of(rows[i].want))) fail_msg("%zu: %" STR_FMT, i, STR_ARG(got));
        arena_fini(&arena);
        free(head.fields);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_are_seen),
        cmocka_unit_test(names_of_others_stay_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
