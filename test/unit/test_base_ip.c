/* SPDX-License-Identifier: Apache-2.0 */
/* base: addresses and networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/ip.h"

/* What a text is read as, written again; "-": it is refused. */
static void expect(int (*parse)(struct str, struct ip *), const char *text, const char *want)
{
    struct ip a = {.bytes = {1, 2, 3}}, before = a;
    char room[IP_TEXT_ROOM];
    int err = parse(str_of(text), &a);
    if (want[0] == '-') {
        if (err != ERR_SYNTAX) fail_msg("%s: taken", text);
        assert_memory_equal(&a, &before, sizeof a);
        return;
    }
    struct str got = ip_text(&a, room);
    if (err || !str_eq(got, str_of(want))) fail_msg("%s: %" STR_FMT, text, STR_ARG(got));
}

static void addresses_are_read(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"2001:DB8::1", "2001:db8::1"},
        {"::", "::"},
        {"::1", "::1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"0:0:0:0:0:ffff:c000:0201", "192.0.2.1"},
        {"::192.0.2.1", "::192.0.2.1"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
        {"", "-"},
        {"1.2.3", "-"},
        {"1.2.3.4.5", "-"},
        {"01.2.3.4", "-"},
        {"0x7f.0.0.1", "-"},
        {"1.2.3.256", "-"},
        {"1.2.3.4 ", "-"},
        {" 1.2.3.4", "-"},
        {"1.2.3.4:80", "-"},
        {"[::1]", "-"},
        {"fe80::1%eth0", "-"},
        {"1::2::3", "-"},
        {"localhost", "-"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "-"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(ip_parse, rows[i][0], rows[i][1]);
    }
    struct ip a;
    assert_int_equal(ip_parse(STR("1.2.3.4\0x"), &a), ERR_SYNTAX);
    assert_int_equal(ip_parse(STR_NULL, &a), ERR_SYNTAX);
}

static void nodes_may_have_a_port(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1:80", "192.0.2.1"},
        {"192.0.2.1:0", "192.0.2.1"},
        {"192.0.2.1:_hidden", "192.0.2.1"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"[2001:db8::1]:65535", "2001:db8::1"},
        {"[::ffff:10.0.0.1]:1", "10.0.0.1"},
        {"2001:db8::1", "2001:db8::1"},
        {"::1", "::1"},
        {"192.0.2.1:", "-"},
        {"192.0.2.1:65536", "-"},
        {"192.0.2.1:_", "-"},
        {"192.0.2.1:x", "-"},
        {"[192.0.2.1]", "-"},
        {"[192.0.2.1]:80", "-"},
        {"[::1", "-"},
        {"[::1]80", "-"},
        {"[::1]:", "-"},
        {"[]", "-"},
        {"[]:80", "-"},
        {"]", "-"},
        {":80", "-"},
        {"", "-"},
        {"unix", "-"},
        {"unknown", "-"},
        {"_gateway", "-"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(ip_parse_node, rows[i][0], rows[i][1]);
    }
}

static void networks_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
        unsigned bits;
    } rows[] = {
        {"10.0.0.0/8", 0, 104},
        {"0.0.0.0/0", 0, 96},
        {"192.0.2.7", 0, 128},
        {"192.0.2.7/32", 0, 128},
        {"::/0", 0, 0},
        {"fd00::/8", 0, 8},
        {"2001:db8::7", 0, 128},
        {"::ffff:10.0.0.0/104", 0, 104},
        {"10.1.0.0/8", ERR_RANGE, 0},
        {"10.0.0.1/31", ERR_RANGE, 0},
        {"fd00::1/8", ERR_RANGE, 0},
        {"::ffff:10.0.0.0/8", ERR_RANGE, 0},
        {"10.0.0.0/33", ERR_SYNTAX, 0},
        {"fd00::/129", ERR_SYNTAX, 0},
        {"10.0.0.0/", ERR_SYNTAX, 0},
        {"10.0.0.0/08", ERR_SYNTAX, 0},
        {"10.0.0.0/+8", ERR_SYNTAX, 0},
        {"10.0.0.0/8/8", ERR_SYNTAX, 0},
        {"10/8", ERR_SYNTAX, 0},
        {"/8", ERR_SYNTAX, 0},
        {"", ERR_SYNTAX, 0},
        {"example.com/8", ERR_SYNTAX, 0},
        {"10.0.0.0/255.0.0.0", ERR_SYNTAX, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip_network n = {.bits = 1000};
        int err = ip_network_parse(str_of(rows[i].text), &n);
        if (err != rows[i].err) fail_msg("%s: %d", rows[i].text, err);
        assert_int_equal(n.bits, err ? 1000 : rows[i].bits);
    }
}

static void networks_have_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *network;
        const char *address;
        bool has;
    } rows[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"10.0.0.0/8", "::10.1.2.3", false},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", false},
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fe00::1", false},
        {"2001:db8:8000::/33", "2001:db8:7fff::", false},
        {"2001:db8:8000::/33", "2001:db8:ffff::", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip_network n;
        struct ip a;
        assert_int_equal(ip_network_parse(str_of(rows[i].network), &n), 0);
        assert_int_equal(ip_parse(str_of(rows[i].address), &a), 0);
        if (ip_network_has(&n, &a) != rows[i].has)
            fail_msg("%s %s", rows[i].network, rows[i].address);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(nodes_may_have_a_port),
        cmocka_unit_test(networks_are_read),
        cmocka_unit_test(networks_have_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
