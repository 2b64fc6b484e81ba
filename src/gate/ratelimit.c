/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/ratelimit.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "dialect/surface.h"

/* The same in both dialects. Resets are durations in OpenAI's ("6m0s", "12ms"), and times in
 * Anthropic's ("2026-01-31T12:00:00Z"). */
static const struct pair {
    struct str openai;
    struct str anthropic;
    bool reset;
} pairs[] = {
    {STR_INIT("x-ratelimit-limit-requests"), STR_INIT("anthropic-ratelimit-requests-limit"), false},
    {STR_INIT("x-ratelimit-remaining-requests"), STR_INIT("anthropic-ratelimit-requests-remaining"),
     false},
    {STR_INIT("x-ratelimit-reset-requests"), STR_INIT("anthropic-ratelimit-requests-reset"), true},
    {STR_INIT("x-ratelimit-limit-tokens"), STR_INIT("anthropic-ratelimit-tokens-limit"), false},
    {STR_INIT("x-ratelimit-remaining-tokens"), STR_INIT("anthropic-ratelimit-tokens-remaining"),
     false},
    {STR_INIT("x-ratelimit-reset-tokens"), STR_INIT("anthropic-ratelimit-tokens-reset"), true},
};

static_assert(ARRAY_LEN(pairs) == RATELIMIT_FIELDS_MAX, "there is room for all");

/* A unit of a duration, in microseconds, taken off *rest; 0: none is there. */
static uint64_t take_unit(struct str *rest)
{
    static const struct {
        struct str name;
        uint64_t us;
    } units[] = {
        {STR_INIT("ms"), USEC_PER_MS},           {STR_INIT("us"), 1},
        {STR_INIT("s"), USEC_PER_SEC},           {STR_INIT("m"), 60ull * USEC_PER_SEC},
        {STR_INIT("h"), 3600ull * USEC_PER_SEC}, {STR_INIT("d"), 86400ull * USEC_PER_SEC},
    };
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_starts(*rest, units[i].name)) {
            *rest = str_skip(*rest, units[i].name.len);
            return units[i].us;
        }
    return rest->len == 0 ? USEC_PER_SEC : 0; /* a number alone is seconds */
}

/* "1h6m0.5s" in microseconds. False: it is none, or beyond a year. */
static bool read_duration(struct str text, uint64_t *out)
{
    double sum = 0;
    if (text.len == 0) return false;
    while (text.len) {
        size_t digits = 0;
        double number;
        while (digits < text.len &&
               (text.ptr[digits] == '.' || (text.ptr[digits] >= '0' && text.ptr[digits] <= '9')))
            digits++;
        if (str_to_double(str_sub(text, 0, digits), &number)) return false;
        text = str_skip(text, digits);
        uint64_t unit = take_unit(&text);
        if (!unit) return false;
        sum += number * (double)unit;
    }
    *out = (uint64_t)sum;
    return sum >= 0 && sum < 366.0 * 86400 * USEC_PER_SEC;
}

static struct str as_time(struct arena *arena, struct str duration, uint64_t now_us)
{
    char text[CLOCK_RFC3339_SIZE];
    uint64_t us;
    if (!read_duration(duration, &us)) return STR_NULL;
    clock_rfc3339(now_us + us, text);
    return arena_try_dup(arena, str_of(text));
}

/* In UTC, as Anthropic has them, but for fractions. False: it is none. */
static bool read_time(struct str text, uint64_t *out)
{
    struct tm tm = {0};
    char room[40];
    if (text.len < 20 || text.len >= sizeof room || !str_ends(text, STR("Z"))) return false;
    memcpy(room, text.ptr, text.len);
    room[text.len] = '\0';
    if (!strptime(room, "%Y-%m-%dT%H:%M:%S", &tm)) return false;
    time_t seconds = timegm(&tm);
    *out = seconds > 0 ? (uint64_t)seconds * USEC_PER_SEC : 0;
    return seconds > 0;
}

static struct str as_duration(struct arena *arena, struct str time, uint64_t now_us)
{
    uint64_t at;
    if (!read_time(time, &at)) return STR_NULL;
    uint64_t seconds = at > now_us ? (at - now_us + USEC_PER_SEC - 1) / USEC_PER_SEC : 0;
    char digits[STR_U64_ROOM];
    return arena_try_cat(arena, str_of_u64(seconds, 10, digits), STR("s"));
}

unsigned ratelimit_translate(struct arena *arena, const struct http_head *head, enum surface asked,
                             enum surface sent, uint64_t now_us, struct http_field *fields,
                             unsigned n)
{
    bool to = surface_row(asked)->dialect == &dialect_anthropic;
    bool from = surface_row(sent)->dialect == &dialect_anthropic;
    for (size_t i = 0; i < ARRAY_LEN(pairs) && to != from; i++) {
        const struct pair *p = &pairs[i];
        struct str value = http_head_get_name(head, from ? p->anthropic : p->openai);
        if (value.len && p->reset)
            value = from ? as_duration(arena, value, now_us) : as_time(arena, value, now_us);
        if (value.len)
            fields[n++] =
                (struct http_field){.name = from ? p->openai : p->anthropic, .value = value};
    }
    return n;
}
