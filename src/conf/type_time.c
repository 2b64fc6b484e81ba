/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time: a uint64_t of microseconds since 1970 UTC, written as RFC 3339 has them. 0 is
 * none. */
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "conf/types.h"

/* The parts of "2026-12-31T23:59:59.5+01:00". */
struct moment {
    unsigned year, month, day, hour, minute, second, us;
    int offset_s; /* its clock is so far ahead of UTC */
};

/* reading */

/* Takes `count` digits off *rest. */
static bool take_number(struct str *rest, size_t count, unsigned *out)
{
    unsigned n = 0;
    if (rest->len < count) return false;
    for (size_t i = 0; i < count; i++) {
        char c = rest->ptr[i];
        if (c < '0' || c > '9') return false;
        n = n * 10 + (unsigned)(c - '0');
    }
    *rest = str_skip(*rest, count);
    *out = n;
    return true;
}

static bool take_char(struct str *rest, const char *allowed)
{
    if (rest->len == 0 || str_find_char(str_of(allowed), rest->ptr[0]) < 0) return false;
    *rest = str_skip(*rest, 1);
    return true;
}

static bool take_date(struct str *rest, struct moment *m)
{
    return take_number(rest, 4, &m->year) && take_char(rest, "-") &&
           take_number(rest, 2, &m->month) && take_char(rest, "-") && take_number(rest, 2, &m->day);
}

/* Digits behind the point; those that are less than a microsecond are dropped. */
static bool take_fraction(struct str *rest, struct moment *m)
{
    unsigned digit, unit = 100000;
    if (!take_char(rest, ".")) return true;
    if (!take_number(rest, 1, &digit)) return false;
    do {
        m->us += digit * unit;
        unit /= 10;
    } while (take_number(rest, 1, &digit));
    return true;
}

static bool take_offset(struct str *rest, struct moment *m)
{
    unsigned hours, minutes;
    if (take_char(rest, "Zz")) return true;
    bool minus = rest->len && rest->ptr[0] == '-';
    if (!take_char(rest, "+-") || !take_number(rest, 2, &hours) || !take_char(rest, ":") ||
        !take_number(rest, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    m->offset_s = (int)(hours * 3600 + minutes * 60) * (minus ? -1 : 1);
    return true;
}

static bool take_clock(struct str *rest, struct moment *m)
{
    return take_char(rest, "Tt ") && take_number(rest, 2, &m->hour) && take_char(rest, ":") &&
           take_number(rest, 2, &m->minute) && take_char(rest, ":") &&
           take_number(rest, 2, &m->second) && take_fraction(rest, m) && take_offset(rest, m);
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* A minute may end with a leap second, which counts as the next one. */
static bool possible(const struct moment *m)
{
    return m->month >= 1 && m->month <= 12 && m->day >= 1 &&
           m->day <= days_of_month(m->year, m->month) && m->hour <= 23 && m->minute <= 59 &&
           m->second <= 60;
}

/* "2026-12-31T23:59:59Z"; a date alone is its midnight. ERR_SYNTAX, ERR_RANGE: before 1970. */
static int read_time(struct str text, uint64_t *us)
{
    struct moment m = {0};
    struct str rest = text;
    if (!take_date(&rest, &m) || (rest.len && !take_clock(&rest, &m)) || rest.len || !possible(&m))
        return ERR_SYNTAX;
    struct tm tm = {.tm_year = (int)m.year - 1900,
                    .tm_mon = (int)m.month - 1,
                    .tm_mday = (int)m.day,
                    .tm_hour = (int)m.hour,
                    .tm_min = (int)m.minute,
                    .tm_sec = (int)m.second};
    int64_t s = timegm(&tm) - m.offset_s;
    if (s < 0 || (s == 0 && m.us == 0)) return ERR_RANGE;
    *us = (uint64_t)s * USEC_PER_SEC + m.us;
    return 0;
}

static bool time_parse(const struct conf_row *row, struct conf_input *in, void *field)
{
    uint64_t us;
    if (row->zero && str_eq(in->text, str_of(row->zero))) {
        *(uint64_t *)field = 0;
        return true;
    }
    int err = read_time(in->text, &us);
    if (err == ERR_RANGE)
        return conf__refuse(in, "%s is not after 1970-01-01", conf__shown(row, in));
    if (err)
        return conf__refuse(
            in, "%s is no point in time such as 2026-12-31T23:59:59Z or 2026-12-31%s%s",
            conf__shown(row, in), row->zero ? " nor the word " : "", row->zero ? row->zero : "");
    *(uint64_t *)field = us;
    return true;
}

/* writing */

/* Without a fraction where there is none. */
static struct str time_print(struct arena *a, const struct conf_row *row, const void *field)
{
    uint64_t us = *(const uint64_t *)field;
    char text[CLOCK_RFC3339_SIZE];
    if (us == 0) return str_of(row->zero ? row->zero : "");
    clock_rfc3339(us, text);
    struct str whole = str_sub(str_of(text), 0, sizeof "2026-12-31T23:59:59" - 1);
    if (us % USEC_PER_SEC == 0) return arena_printf(a, "%" STR_FMT "Z", STR_ARG(whole));
    return arena_dup(a, str_of(text));
}

static struct str time_describe(struct arena *a, const struct conf_row *row)
{
    return arena_printf(a, "%s%spoint in time", row->zero ? row->zero : "",
                        row->zero ? ", or " : "");
}

static const struct conf_def time_def = {
    .name = "time",
    .doc = "2026-12-31T23:59:59Z, or 2027-01-01T00:59:59+01:00, which is the same.",
    .pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+([Zz]|[+-][0-9]{2}:[0-9]{2})$",
    .format = "date-time",
};

static void schema_date(struct json_writer *w)
{
    json_write_object(w);
    json_write_str_member(w, "type", STR("string"));
    json_write_str_member(w, "pattern", STR("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"));
    json_write_str_member(w, "format", STR("date"));
    json_write_object_end(w);
}

static void time_schema(struct json_writer *w, const struct conf_row *row)
{
    json_write_key(w, "anyOf");
    json_write_array(w);
    conf__schema_ref(w, time_def.name);
    schema_date(w);
    if (row->zero) conf__schema_const(w, row->zero);
    conf__schema_ref(w, "reference");
    json_write_array_end(w);
}

static bool time_equal(const void *a, const void *b)
{
    return *(const uint64_t *)a == *(const uint64_t *)b;
}

static bool time_empty(const void *field)
{
    return *(const uint64_t *)field == 0;
}

const struct conf_kind conf__kind_time = {
    .size = sizeof(uint64_t),
    .describe = time_describe,
    .parse = time_parse,
    .print = time_print,
    .schema = time_schema,
    .equal = time_equal,
    .empty = time_empty,
    .quoted = true,
    .def = &time_def,
};
