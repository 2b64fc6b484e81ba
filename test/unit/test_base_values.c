/* SPDX-License-Identifier: Apache-2.0 */
/* base: hash, rand, pace, pin, clock, err and stdio. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/pace.h"
#include "base/pin.h"
#include "base/rand.h"
#include "base/stdio.h"

static void fnv_is_the_published_one(void **state)
{
    (void)state;
    assert_true(hash_fnv(STR("")) == 0xcbf29ce484222325);
    assert_true(hash_fnv(STR("a")) == 0xaf63dc4c8601ec8c);
    assert_true(hash_fnv(STR("foobar")) == 0x85944171f73967e8);
}

/* The key 00..0f and the texts "", 00, 00 01, ...: SipHash-1-3 as computed by an
 * independent implementation. */
static void sip_is_the_published_one(void **state)
{
    (void)state;
    static const uint64_t due[] = {0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d,
                                   0x8bf80ab8e7ddf7fb, 0xcf75576088d38328, 0xdef9d52f49533b67,
                                   0xc50d2b50c59f22a7, 0xd3927d989bb11140, 0x369095118d299a8e,
                                   0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
                                   0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34,
                                   0xd320d86d2a519956, 0xcc4fdd1a7d908b66, 0x9cf2689063dbd80c};
    char text[ARRAY_LEN(due)];
    for (size_t len = 0; len < ARRAY_LEN(due); len++) {
        text[len] = (char)len;
        if (hash_sip(str_n(text, len), 0x0706050403020100, 0x0f0e0d0c0b0a0908) != due[len])
            fail_msg("length %zu", len);
    }
}

/* Likewise SipHash-2-4 of 128 bits, first half first; as OpenSSL computes it. */
static void tags_are_the_published_ones(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        struct hash_tag tag;
    } due[] = {
        {0, {{0xe6a825ba047f81a3, 0x930255c71472f66d}}},
        {1, {{0x44af996bd8c187da, 0x45fc229b11597634}}},
        {7, {{0x53c1dbd8beebf1a1, 0x3982f01fa64ab8c0}}},
        {8, {{0x61f55862baa9623b, 0xb49714f364e2830f}}},
        {15, {{0x11a8b03399e99354, 0xd9c3cf970fec087e}}},
        {16, {{0xbb54b067caa4e26e, 0x77052385bf1533fd}}},
        {25, {{0x7b445e2d045fce8e, 0x6f8f8dcbeab95150}}},
    };
    static const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    char text[25];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)i;
    for (size_t i = 0; i < ARRAY_LEN(due); i++)
        if (!hash_tag_eq(hash_tag(str_n(text, due[i].len), key), due[i].tag))
            fail_msg("length %zu", due[i].len);
}

static void tags_differ_by_either_half(void **state)
{
    (void)state;
    struct hash_tag a = {{1, 2}}, first = {{3, 2}}, second = {{1, 3}};
    assert_true(hash_tag_eq(a, a));
    assert_false(hash_tag_eq(a, first));
    assert_false(hash_tag_eq(a, second));
}

static void keyed_hashes_differ_by_text(void **state)
{
    (void)state;
    assert_true(hash_keyed(STR("a")) == hash_keyed(STR("a")));
    assert_true(hash_keyed(STR("a")) != hash_keyed(STR("b")));
    assert_true(hash_keyed(STR("a")) != hash_keyed(STR("a\0")));
}

static void one_seed_gives_one_sequence(void **state)
{
    (void)state;
    struct rng a, b, c;
    rng_seed(&a, 1);
    rng_seed(&b, 1);
    rng_seed(&c, 2);
    size_t same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t v = rng_next(&a);
        assert_true(v == rng_next(&b));
        same += v == rng_next(&c);
    }
    assert_int_equal(same, 0);
    rng_seed_random(&a);
    rng_seed_random(&b);
    assert_true(rng_next(&a) != rng_next(&b));
}

static void draws_are_even(void **state)
{
    (void)state;
    struct rng r;
    size_t counts[7] = {0}, low = 0;
    rng_seed(&r, 42);
    for (int i = 0; i < 70000; i++) {
        uint64_t v = rng_below(&r, 7);
        assert_true(v < 7);
        counts[v]++;
        double unit = rng_unit(&r);
        assert_true(unit >= 0 && unit < 1);
        low += unit < 0.25;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 9500, 10500);
    assert_in_range(low, 16800, 18200);
    assert_true(rng_below(&r, 1) == 0);
    for (int i = 0; i < 100; i++)
        assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
}

static void random_bytes_fill(void **state)
{
    (void)state;
    unsigned char a[300] = {0}, b[300] = {0};
    rand_bytes(a, sizeof a);
    rand_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    size_t zeros = 0;
    for (size_t i = 0; i < sizeof a; i++)
        zeros += a[i] == 0;
    assert_true(zeros < 30);
    rand_bytes(a, 0);
}

static void random_digits_fill(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdef";
    char text[4096], again[sizeof text];
    unsigned seen = 0;
    rand_hex(text, sizeof text);
    rand_hex(again, sizeof again);
    assert_int_equal(strlen(text), sizeof text - 1);
    assert_string_not_equal(text, again);
    for (const char *c = text; *c; c++) {
        const char *digit = strchr(digits, *c);
        assert_non_null(digit);
        seen |= 1u << (digit - digits);
    }
    assert_int_equal(seen, 0xffff);
    rand_hex(text, 1);
    assert_string_equal(text, "");
}

static void paces(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct pace pace;
    } cases[] = {{"auto", {0}},           {"2x", {.times = 2}},     {"1.5x", {.times = 1.5}},
                 {"50ms", {.us = 50000}}, {"2500us", {.us = 2500}}, {"2 s", {.us = 2000000}}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pace pace = {.times = 7, .us = 7};
        assert_int_equal(pace_read(str_of(cases[i].text), &pace), 0);
        assert_true(fabs(pace.times - cases[i].pace.times) < 1e-9);
        assert_int_equal(pace.us, cases[i].pace.us);
    }
}

/* The digest of nothing, as any other program prints it. */
static void pins_are_read_and_written(void **state)
{
    (void)state;
    static const char base64[] = "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    static const char *const same[] = {
        base64,
        "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    };
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        unsigned char digest[PIN_SIZE];
        char text[PIN_TEXT_SIZE];
        assert_int_equal(pin_read(str_of(same[i]), digest), 0);
        pin_write(digest, text);
        assert_string_equal(text, base64);
    }
}

static void refuses_what_is_no_pin(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "sha256:",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha512:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=", /* Base64 for URLs */
        "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hS",
        "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU47DEQ",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8",
        "sha256:g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    };
    unsigned char digest[PIN_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (pin_read(str_of(bad[i]), digest) != ERR_SYNTAX) fail_msg("%s", bad[i]);
}

static void clocks(void **state)
{
    (void)state;
    uint64_t a = clock_mono_us(), b = clock_mono_us();
    assert_true(b >= a);
    assert_true(clock_wall_us() > (uint64_t)1700000000 * USEC_PER_SEC);
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
    clock_rfc3339((uint64_t)951782400 * USEC_PER_SEC - 1, text);
    assert_string_equal(text, "2000-02-28T23:59:59.999999Z");
    clock_rfc3339((uint64_t)1795227356 * USEC_PER_SEC + 123456, text);
    assert_string_equal(text, "2026-11-21T02:15:56.123456Z");
}

static void errors_have_names_and_texts(void **state)
{
    (void)state;
    assert_string_equal(err_name(ERR_TIMEOUT), "ERR_TIMEOUT");
    assert_string_equal(err_name(-ECONNREFUSED), "ECONNREFUSED");
    assert_string_equal(err_text(-ECONNREFUSED), strerror(ECONNREFUSED));
    assert_string_equal(err_name(0), "OK");
    assert_string_equal(err_name(-99999), "UNKNOWN");
    assert_string_equal(err_name(7), "UNKNOWN");
    assert_string_equal(err_text(-999), "unknown error");
    for (int code = -1100; code < 10; code++)
        assert_true(err_text(code) && err_name(code));
}

/* In a process of its own. `closed`: a bit per descriptor. Returns a bit per descriptor that is
 * /dev/null then, and bit 3 when the next one that is opened is none of the three. */
static int claimed(unsigned closed)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct stat null, st;
        int bits = 0;
        for (int fd = 0; fd < 3; fd++)
            if (closed & 1u << fd) close(fd);
        if (stdio_claim() || stat("/dev/null", &null)) _exit(64);
        for (int fd = 0; fd < 3; fd++)
            bits |= !fstat(fd, &st) && st.st_rdev == null.st_rdev ? 1 << fd : 0;
        _exit(bits | (open("/", O_RDONLY) > 2) << 3);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void closed_descriptors_are_claimed(void **state)
{
    (void)state;
    unsigned own = (unsigned)claimed(0);
    assert_true(own & 8);
    for (unsigned closed = 1; closed < 8; closed++)
        assert_int_equal(claimed(closed), own | closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fnv_is_the_published_one),
        cmocka_unit_test(sip_is_the_published_one),
        cmocka_unit_test(tags_are_the_published_ones),
        cmocka_unit_test(tags_differ_by_either_half),
        cmocka_unit_test(keyed_hashes_differ_by_text),
        cmocka_unit_test(one_seed_gives_one_sequence),
        cmocka_unit_test(draws_are_even),
        cmocka_unit_test(random_bytes_fill),
        cmocka_unit_test(random_digits_fill),
        cmocka_unit_test(paces),
        cmocka_unit_test(pins_are_read_and_written),
        cmocka_unit_test(refuses_what_is_no_pin),
        cmocka_unit_test(clocks),
        cmocka_unit_test(errors_have_names_and_texts),
        cmocka_unit_test(closed_descriptors_are_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
