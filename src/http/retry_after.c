/* SPDX-License-Identifier: Apache-2.0 */
#include "http/retry_after.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"

enum { DATE_MAX = 40, FIFTY_YEARS = 50 };

/* A year of two digits is the one that is at most 50 years ahead, and less than that ago. */
static void settle_century(struct tm *tm, uint64_t now_wall_us)
{
    time_t now = (time_t)(now_wall_us / USEC_PER_SEC);
    struct tm today;
    gmtime_r(&now, &today);
    tm->tm_year = today.tm_year - today.tm_year % 100 + tm->tm_year % 100;
    if (tm->tm_year > today.tm_year + FIFTY_YEARS) tm->tm_year -= 100;
    if (tm->tm_year <= today.tm_year - FIFTY_YEARS) tm->tm_year += 100;
}

int http_parse_date(struct str text, uint64_t now_wall_us, int64_t *out)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y"};
    char copy[DATE_MAX];
    if (text.len == 0 || text.len >= sizeof copy) return ERR_SYNTAX;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct tm tm = {0};
        const char *end = strptime(copy, forms[i], &tm);
        if (!end || end != copy + text.len) continue;
        if (i == 1) settle_century(&tm, now_wall_us);
        *out = timegm(&tm);
        return 0;
    }
    return ERR_SYNTAX;
}

/* `text` as a number of units of that many microseconds. */
static bool read_wait(struct str text, double unit_us, uint64_t *out)
{
    double value;
    if (str_to_double(text, &value) || value < 0) return false;
    *out = (uint64_t)MIN(value * unit_us, (double)HTTP_RETRY_AFTER_MAX_US);
    return true;
}

uint64_t http_retry_after(const struct http_head *head, uint64_t now_wall_us)
{
    uint64_t wait;
    int64_t date;
    struct str seconds = http_head_get(head, HDR_RETRY_AFTER);
    if (read_wait(http_head_get(head, HDR_RETRY_AFTER_MS), USEC_PER_MS, &wait)) return wait;
    if (read_wait(seconds, USEC_PER_SEC, &wait)) return wait;
    if (http_parse_date(seconds, now_wall_us, &date) || date <= 0) return 0;
    uint64_t due = (uint64_t)date * USEC_PER_SEC;
    return due > now_wall_us ? MIN(due - now_wall_us, HTTP_RETRY_AFTER_MAX_US) : 0;
}
