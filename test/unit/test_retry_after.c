/* SPDX-License-Identifier: Apache-2.0 */
/* http: how long a response asks to wait, in all forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "http/retry_after.h"

#define SEC UINT64_C(1000000)
#define NOW (UINT64_C(784111737) * SEC) /* Sun, 06 Nov 1994 08:48:57 GMT */

static uint64_t wait_of(const char *ms, const char *seconds)
{
    struct http_field headers[2];
    struct http_head head = {.fields = headers};
    if (seconds)
        headers[head.field_count++] =
            (struct http_field){HDR_RETRY_AFTER, STR("Retry-After"), str_of(seconds)};
    if (ms)
        headers[head.field_count++] =
            (struct http_field){HDR_RETRY_AFTER_MS, STR("retry-after-ms"), str_of(ms)};
    return http_retry_after(&head, NOW);
}

static void all_forms_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *ms, *seconds;
        uint64_t want;
    } rows[] = {
        {NULL, NULL, 0},
        {NULL, "", 0},
        {NULL, "0", 0},
        {NULL, "7", 7 * SEC},
        {NULL, "1.5", 1500000},
        {NULL, "0.25", 250000},
        {NULL, "3600", 3600 * SEC},
        {NULL, "86400", 3600 * SEC},
        {NULL, "99999999999999999999999999", 3600 * SEC},
        {NULL, "-1", 0},
        {NULL, "soon", 0},
        {NULL, "7 seconds", 0},
        {NULL, "0x10", 0},
        {NULL, "inf", 0},
        {NULL, "Sun, 06 Nov 1994 08:49:37 GMT", 40 * SEC},
        {NULL, "Sunday, 06-Nov-94 08:49:37 GMT", 40 * SEC},
        {NULL, "Sun Nov  6 08:49:37 1994", 40 * SEC},
        {NULL, "Sun, 06 Nov 1994 08:48:57 GMT", 0},
        {NULL, "Sat, 05 Nov 1994 08:49:37 GMT", 0},
        {NULL, "Mon, 07 Nov 1994 08:49:37 GMT", 3600 * SEC},
        {NULL, "Sunday, 06-Nov-43 08:49:37 GMT", 3600 * SEC}, /* 2043 */
        {NULL, "Sunday, 06-Nov-45 08:49:37 GMT", 0},          /* 1945 */
        {NULL, "Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {NULL, "Thu, 01 Jan 1900 00:00:00 GMT", 0},
        {NULL, "Sun, 06 Nov 1994 08:49:37 CET", 0},
        {NULL, "Sun, 06 Nov 1994 08:49:37 GMT and much more behind it", 0},
        {"250", NULL, 250000},
        {"250", "7", 250000},
        {"0.5", NULL, 500},
        {"1e3", NULL, SEC},
        {"7200000", NULL, 3600 * SEC},
        {"x", "7", 7 * SEC},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t got = wait_of(rows[i].ms, rows[i].seconds);
        if (got != rows[i].want)
            fail_msg("%s, %s: %llu", rows[i].ms ? rows[i].ms : "-",
                     rows[i].seconds ? rows[i].seconds : "-", (unsigned long long)got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_forms_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
