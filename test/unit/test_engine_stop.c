/* SPDX-License-Identifier: Apache-2.0 */
/* Stop strings across token borders, whole characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/text/stop.h"

struct run {
    struct stop stop;
    char out[256];
    size_t len;
    bool found;
};

static void begin(struct run *r, const char *a, const char *b)
{
    const struct str strings[] = {str_of(a), str_of(b)};
    memset(r, 0, sizeof *r);
    stop_init(&r->stop, strings, b ? 2 : a ? 1 : 0);
}

/* What has come out after this token. */
static const char *feed(struct run *r, const char *bytes, bool last)
{
    struct str out;
    r->found = stop_feed(&r->stop, str_of(bytes), last, &out) == STOP_FOUND;
    if (out.len) memcpy(r->out + r->len, out.ptr, out.len);
    r->len += out.len;
    r->out[r->len] = 0;
    return r->out;
}

static void text_passes_without_stops(void **state)
{
    (void)state;
    struct run r;
    begin(&r, NULL, NULL);
    assert_string_equal(feed(&r, "ab", false), "ab");
    assert_string_equal(feed(&r, "", false), "ab");
    assert_string_equal(feed(&r, "c", true), "abc");
    stop_fini(&r.stop);
}

static void a_stop_over_three_tokens_is_cut(void **state)
{
    (void)state;
    struct run r;
    begin(&r, "END", NULL);
    assert_string_equal(feed(&r, "abcE", false), "abc");
    assert_string_equal(feed(&r, "N", false), "abc");
    assert_false(r.found);
    assert_string_equal(feed(&r, "Dxyz", false), "abc");
    assert_true(r.found);
    stop_fini(&r.stop);
}

static void what_was_held_comes_when_it_was_no_stop(void **state)
{
    (void)state;
    struct run r;
    begin(&r, "aab", NULL);
    assert_string_equal(feed(&r, "xa", false), "x");
    assert_string_equal(feed(&r, "a", false), "x");
    assert_string_equal(feed(&r, "a", false), "xa");
    assert_string_equal(feed(&r, "b", false), "xa");
    assert_true(r.found);
    stop_fini(&r.stop);
    begin(&r, "aab", NULL);
    assert_string_equal(feed(&r, "xaa", true), "xaa");
    stop_fini(&r.stop);
}

static void the_first_of_several_wins(void **state)
{
    (void)state;
    struct run r;
    begin(&r, "world", "o w");
    assert_string_equal(feed(&r, "hello world", false), "hell");
    assert_true(r.found);
    stop_fini(&r.stop);
}

static void characters_are_never_split(void **state)
{
    (void)state;
    struct run r;
    begin(&r, "\xe2\x82\xac!", NULL);
    assert_string_equal(feed(&r, "a\xf0\x9f", false), "a");
    assert_string_equal(feed(&r, "\x98\x80", false), "a\xf0\x9f\x98\x80");
    assert_string_equal(feed(&r, "\xe2\x82", false), "a\xf0\x9f\x98\x80");
    assert_string_equal(feed(&r, "\xac", false), "a\xf0\x9f\x98\x80");
    assert_string_equal(feed(&r, "!", false), "a\xf0\x9f\x98\x80");
    assert_true(r.found);
    stop_fini(&r.stop);
}

static void invalid_bytes_do_not_hold_text_back(void **state)
{
    (void)state;
    struct run r;
    begin(&r, NULL, NULL);
    assert_int_equal(strlen(feed(&r, "\xff\xfe", false)), 2);
    assert_int_equal(strlen(feed(&r, "\xe2\x82", false)), 2);
    assert_int_equal(strlen(feed(&r, "x", false)), 5);
    stop_fini(&r.stop);
}

/* Any split of a text into tokens gives the same text before the same stop. */
static void splits_do_not_matter(void **state)
{
    (void)state;
    const char *text = "caf\xc3\xa9 \xe2\x82\xac one two STOP three";
    size_t len = strlen(text);
    srand(5);
    for (int i = 0; i < 500; i++) {
        struct run r;
        begin(&r, "STOP", "TOPS");
        for (size_t at = 0; at < len && !r.found;) {
            char piece[8] = "";
            size_t n = 1 + (size_t)rand() % 5;
            if (n > len - at) n = len - at;
            memcpy(piece, text + at, n);
            at += n;
            feed(&r, piece, at == len);
        }
        assert_true(r.found);
        assert_string_equal(r.out, "caf\xc3\xa9 \xe2\x82\xac one two ");
        stop_fini(&r.stop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_passes_without_stops),
        cmocka_unit_test(a_stop_over_three_tokens_is_cut),
        cmocka_unit_test(what_was_held_comes_when_it_was_no_stop),
        cmocka_unit_test(the_first_of_several_wins),
        cmocka_unit_test(characters_are_never_split),
        cmocka_unit_test(invalid_bytes_do_not_hold_text_back),
        cmocka_unit_test(splits_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
