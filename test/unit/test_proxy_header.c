/* SPDX-License-Identifier: Apache-2.0 */
/* transport: the PROXY protocol's header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "transport/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc0\x00\x02\x01\x0a\x00\x00\x05\xa0\x64\x1f\x90"
#define V6                                                             \
    "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" \
    "\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" \
    "\x00\x01\xff\xff"

/* Bytes that are gone behind their end, where a reader that goes too far is seen. */
static enum proxy_header_outcome parse(struct str bytes, struct proxy_header *out)
{
    char *copy = malloc(bytes.len ? bytes.len : 1);
    if (bytes.len) memcpy(copy, bytes.ptr, bytes.len);
    *out = (struct proxy_header){0};
    enum proxy_header_outcome outcome = proxy_header_parse(str_n(copy, bytes.len), out);
    free(copy);
    return outcome;
}

static void assert_end(const struct proxy_header_end *e, const char *address, unsigned port)
{
    char room[IP_TEXT_ROOM];
    struct str text = ip_text(&e->address, room);
    if (!str_eq(text, str_of(address))) fail_msg("%" STR_FMT, STR_ARG(text));
    assert_int_equal(e->port, port);
}

/* However the bytes come, the answer is known with the header's last one, and not before. */
static void assert_whole(struct str bytes, size_t size, enum proxy_header_outcome want,
                         struct proxy_header *out)
{
    for (size_t i = 0; i < size; i++)
        if (parse(str_sub(bytes, 0, i), out) != PROXY_HEADER_MORE) fail_msg("%zu bytes", i);
    assert_int_equal(parse(bytes, out), want);
    assert_int_equal(out->size, size);
}

static void clients_are_told(void **state)
{
    (void)state;
    struct proxy_header h;
    assert_whole(STR(SIGNATURE "\x21\x11\x00\x0c" V4), 28, PROXY_HEADER_CLIENT, &h);
    assert_end(&h.source, "192.0.2.1", 41060);
    assert_end(&h.destination, "10.0.0.5", 8080);
    assert_whole(STR(SIGNATURE "\x21\x11\x00\x0c" V4 "GET / HTTP/1.1"), 28, PROXY_HEADER_CLIENT,
                 &h);
    assert_whole(STR(SIGNATURE "\x21\x21\x00\x24" V6), 52, PROXY_HEADER_CLIENT, &h);
    assert_end(&h.source, "2001:db8::1", 1);
    assert_end(&h.destination, "fd00::2", 65535);
}

static void what_else_is_told_is_skipped(void **state)
{
    (void)state;
    struct proxy_header h;
    assert_whole(STR(SIGNATURE "\x21\x11\x00\x12" V4 "\x04\x00\x03xyz"
                               "GET"),
                 34, PROXY_HEADER_CLIENT, &h);
    assert_end(&h.source, "192.0.2.1", 41060);
    assert_whole(STR(SIGNATURE "\x21\x11\x00\x0e" V4 "\xff\xff"), 30, PROXY_HEADER_CLIENT, &h);
}

static void what_has_no_client_is_the_proxys_own(void **state)
{
    (void)state;
    struct proxy_header h;
    assert_whole(STR(SIGNATURE "\x20\x00\x00\x00"), 16, PROXY_HEADER_LOCAL, &h);
    assert_whole(STR(SIGNATURE "\x20\x11\x00\x0c" V4), 28, PROXY_HEADER_LOCAL, &h);
    assert_whole(STR(SIGNATURE "\x20\xff\x00\x01x"), 17, PROXY_HEADER_LOCAL, &h);
    assert_whole(STR(SIGNATURE "\x21\x00\x00\x00"), 16, PROXY_HEADER_LOCAL, &h);
    assert_whole(STR(SIGNATURE "\x21\x12\x00\x0c" V4), 28, PROXY_HEADER_LOCAL, &h);
    assert_whole(STR(SIGNATURE "\x21\x31\x00\x03/un"), 19, PROXY_HEADER_LOCAL, &h);
}

static void the_rest_is_refused_early(void **state)
{
    (void)state;
    static const struct {
        struct str bytes;
        size_t known; /* with so many bytes */
        const char *why;
    } rows[] = {
        {STR_INIT("GET / HTTP/1.1\r\n"), 1, "signature"},
        {STR_INIT("\r\n\r\n\r"), 5, "signature"},
        {STR_INIT("\x16\x03\x01"), 1, "signature"},
        {STR_INIT(SIGNATURE "\x11\x11"), 13, "version is not 2"},
        {STR_INIT(SIGNATURE "\x31\x11"), 13, "version is not 2"},
        {STR_INIT(SIGNATURE "\x22\x11"), 13, "neither LOCAL nor PROXY"},
        {STR_INIT(SIGNATURE "\x21\x11\x10\x00"), 16, "longer than 4096"},
        {STR_INIT(SIGNATURE "\x20\x00\xff\xff"), 16, "longer than 4096"},
        {STR_INIT(SIGNATURE "\x21\x11\x00\x0b" V4), 27, "cut off"},
        {STR_INIT(SIGNATURE "\x21\x11\x00\x00"), 16, "cut off"},
        {STR_INIT(SIGNATURE "\x21\x21\x00\x0c" V4), 28, "cut off"},
        {STR_INIT(SIGNATURE "\x21\x41\x00\x0c" V4), 28, "family is unknown"},
        {STR_INIT(SIGNATURE "\x21\x10\x00\x0c" V4), 28, "family is unknown"},
        {STR_INIT(SIGNATURE "\x21\x13\x00\x0c" V4), 28, "family is unknown"},
    };
    struct proxy_header h;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t n = 0; n <= rows[i].bytes.len; n++) {
            enum proxy_header_outcome got = parse(str_sub(rows[i].bytes, 0, n), &h);
            if (got != (n < rows[i].known ? PROXY_HEADER_MORE : PROXY_HEADER_INVALID))
                fail_msg("row %zu, %zu bytes: %d", i, n, (int)got);
        }
        if (!strstr(h.why, rows[i].why)) fail_msg("row %zu: %s", i, h.why);
    }
    assert_int_equal(parse(STR("PROXY TCP4 192.0.2.1 10.0.0.5 41060 8080\r\n"), &h),
                     PROXY_HEADER_INVALID);
    assert_string_equal(h.why, "it is of version 1");
}

static void the_longest_is_taken(void **state)
{
    (void)state;
    static char bytes[PROXY_HEADER_MAX] = SIGNATURE "\x21\x11\x0f\xf0" V4;
    struct proxy_header h;
    assert_int_equal(parse(str_n(bytes, sizeof bytes - 1), &h), PROXY_HEADER_MORE);
    assert_int_equal(parse(str_n(bytes, sizeof bytes), &h), PROXY_HEADER_CLIENT);
    assert_int_equal(h.size, PROXY_HEADER_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_are_told),
        cmocka_unit_test(what_else_is_told_is_skipped),
        cmocka_unit_test(what_has_no_client_is_the_proxys_own),
        cmocka_unit_test(the_rest_is_refused_early),
        cmocka_unit_test(the_longest_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
