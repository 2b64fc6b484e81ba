/* SPDX-License-Identifier: Apache-2.0 */
/* Formats take only what is valid, and what people write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/err.h"
#include "engine/grammar/formats.h"

enum { ROOM = 64 << 20 };

/* Texts as they stand between quotes, each list with a NULL at its end. */
struct row {
    const char *name;
    const char *good[16], *bad[24];
};

static const struct row rows[] = {
    {"date",
     {"2024-02-29", "2000-02-29", "1996-02-29", "2023-12-31", "0001-01-01", "2023-04-30"},
     {"2023-02-29", "1900-02-29", "2100-02-29", "2023-04-31", "2023-13-01", "2023-00-10",
      "2023-01-00", "2023-01-32", "0000-01-01", "0000-02-29", "2023-1-1", "20230101", "2023-02-30",
      " 2023-01-01", "2023-01-01T00:00:00Z", ""}},
    {"time",
     {"00:00:00Z", "23:59:59.123+05:30", "12:00:00-23:59"},
     {"24:00:00Z", "12:60:00Z", "12:00:60Z", "12:00:00", "12:00Z", "12:00:00.Z", "12:00:00+24:00",
      "12:00:00z"}},
    {"date-time",
     {"2024-02-29T12:00:00Z", "1985-04-12T23:20:50.52Z", "1990-12-31T15:59:59-08:00"},
     {"2023-02-29T12:00:00Z", "2024-02-29 12:00:00Z", "2024-02-29", "2024-02-29T12:00:00",
      "2024-02-29T25:00:00Z"}},
    {"duration",
     {"P1Y2M3DT4H5M6S", "PT1H", "P4W", "PT36H", "P1D", "P1YT1S"},
     {"P", "PT", "P1", "1D", "P1YT", "P1Y2W", "PT1D", "P1H", "PT1H5S", "P1D2H", "p1d", "P-1D",
      "P1.5D"}},
    {"email",
     {"joe@example.com", "joe.bloggs+tag@mail.example.co.uk", "a_b'c@x.org", "1@2.museum"},
     {"joe", "@example.com", "joe@", ".joe@example.com", "joe.@example.com", "j..b@example.com",
      "joe@example", "joe@-a.com", "joe@a-.com", "joe@a..com", "joe@1.2.3.4", "j b@example.com",
      "joe@example.com.", "a@b@c.de", "joe@xn--a.com", "joe@a.1",
      "x1234567890123456789012345678901234567890123456789012345678901234@a.de"}},
    {"hostname",
     {"localhost", "www.example.com", "a-b.c1", "4you.de", "EXAMPLE.com", "a.b-c-d.e",
      "a.b.c.d.e.f.g.h", "ab-c", "a--b"},
     {"", "-a", "a-", "a..b", ".a", "a.", "a_b", "1.2.3.400", "12", "xn--X", "a.ab--c.de", "ab--",
      "a b", "é.de", "a12345678901234567890123456789012345678901234567890123456789012x.de"}},
    {"idn-email",
     {"jörg@straße.example.de", "joe@example.com", "中文@例.中文", "δοκ.ιμή@x.한글"},
     {"jörg", "jörg@straße", "@a.de", "ö..a@a.de", "a@a.2", "JÖRG@a.de", "a@B\xcc\x88.de"}},
    {"idn-hostname",
     {"straße.de", "中文.中文", "한글", "пример.бг", "www.example.com", "a-ö.b"},
     {"Ä.de", "-ö", "ö-", "a..ö", "öö--ö", "xn--ö", "ö.1", "a\xcc\x88", "。", "ö_", "äöüäöüäöüäöüä",
      "ö.ö.ö.ö.ö"}},
    {"ipv4",
     {"127.0.0.1", "255.255.255.255", "0.0.0.0", "192.168.10.250"},
     {"256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.04", "1.2.3.", "a.b.c.d", "1.2.3.4 "}},
    {"ipv6",
     {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "fe80::a:b",
      "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1::3:4:5:6:7:8", "ABCD::ef01"},
     {":", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", ":::", "12345::", "::1%eth0",
      "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "g::", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:"}},
    {"uri",
     {"http://example.com", "https://user:pw@a.b:8080/c/d?e=f&g=%20#h", "mailto:joe@example.com",
      "urn:isbn:0451450523", "http://[::1]:80/", "http://127.0.0.1/", "file:///etc/hosts",
      "data:,x", "HTTP://EXAMPLE.COM/~a?b?/c", "about:blank", "foo:/bar", "ftp://a/b//c"},
     {"",
      "example.com",
      "//a/b",
      "/a",
      "http://",
      "http:/a",
      "http:a",
      "http://a b/",
      "http://a/%2",
      "http://a/<b>",
      "1a:b",
      ":a",
      "http://1.2.3.400/",
      "http://a:99999/",
      "http://a:65536/",
      "http://a/\\\\b",
      "http://a/\\\"",
      "foo:///a",
      "http://é.de/",
      "http://a/#b#c",
      "foo:"}},
    {"uri-reference",
     {"", "a", "a/b", "/a//b", "//host/a", "?q", "#f", "../x", "a?b:c", "./a:b", "http://a.b/c"},
     {"a b", "1:2", "a:", "%", "a#b#c", "\\\\a", "[", "////"}},
    {"iri",
     {"http://a.de/straße?q=ü#日本", "urn:ä"},
     {"http://a.de/\xe2\x80\xae", "http://a.de/😀", "ä:b", "http://a.de/\xe3\x80\x80",
      "http://a.de/ "}},
    {"iri-reference", {"ä/ö", "#ü", ""}, {"ä ö", "ä:b"}},
    {"json-pointer",
     {"", "/", "/a/b~0c~1d", "/é/\\\"/\\n", "//"},
     {"a", "/~", "/~2", "/a~", "/\"", "#/a"}},
    {"relative-json-pointer",
     {"0", "1/a", "0#", "12/", "120/a"},
     {"", "/a", "01", "100", "#", "-1", "1a", "1##"}},
    {"uuid",
     {"123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"},
     {"123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400",
      "{123e4567-e89b-12d3-a456-426614174000}", "g23e4567-e89b-12d3-a456-426614174000"}},
};

static void check_row(const struct row *row)
{
    struct terms *t = terms_new(ROOM);
    struct grammar_why why = {0};
    term a = TERM_NONE;
    assert_int_equal(format_term(t, str_of(row->name), &why, &a), 0);
    for (const char *const *p = row->good; *p; p++)
        if (!term_takes(t, a, str_of(*p))) fail_msg("%s does not take '%s'", row->name, *p);
    for (const char *const *p = row->bad; *p; p++)
        if (term_takes(t, a, str_of(*p))) fail_msg("%s takes '%s'", row->name, *p);
    assert_false(terms_failed(t));
    terms_free(t);
}

static void formats_take_what_is_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_row(&rows[i]);
}

/* Every day of 0000 to 2400 that there is, and none that there is not. */
static void dates_are_those_of_the_calendar(void **state)
{
    (void)state;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct terms *t = terms_new(ROOM);
    struct grammar_why why = {0};
    term a = TERM_NONE;
    assert_int_equal(format_term(t, STR("date"), &why, &a), 0);
    for (int year = 0; year <= 2400; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 0; month <= 13; month++) {
            int last = month < 1 || month > 12 ? 0 : lengths[month - 1] + (leap && month == 2);
            for (int day = 0; day <= 32; day += day == 1 ? 26 : 1) {
                char text[40];
                (void)snprintf(text, sizeof text, "%04d-%02d-%02d", year, month, day);
                bool is = year > 0 && day >= 1 && day <= last;
                if (term_takes(t, a, str_of(text)) != is) fail_msg("%s", text);
            }
        }
    }
    terms_free(t);
}

static void others_are_unknown(void **state)
{
    (void)state;
    struct terms *t = terms_new(ROOM);
    struct grammar_why why = {0};
    term a;
    assert_int_equal(format_term(t, STR("regex"), &why, &a), FORMAT_UNKNOWN);
    assert_int_equal(format_term(t, STR("Date"), &why, &a), FORMAT_UNKNOWN);
    assert_int_equal(format_term(t, STR(""), &why, &a), FORMAT_UNKNOWN);
    terms_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_take_what_is_valid),
        cmocka_unit_test(dates_are_those_of_the_calendar),
        cmocka_unit_test(others_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
