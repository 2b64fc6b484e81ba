/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal numbers and their ranges, beside what integers say of the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/rand.h"
#include "engine/grammar/numbers.h"

enum { ROOM = 64 << 20 };

struct fixture {
    struct arena arena;
    struct terms *terms;
};

static struct fixture fresh(void)
{
    struct fixture f = {.terms = terms_new(ROOM)};
    assert_non_null(f.terms);
    arena_init(&f.arena, ROOM, 1 << 12);
    return f;
}

static void done(struct fixture *f)
{
    assert_false(terms_failed(f->terms));
    terms_free(f->terms);
    arena_fini(&f->arena);
}

static int read_number(struct arena *arena, const char *text, struct decimal *out)
{
    const struct json *v;
    assert_int_equal(json_parse(arena, str_of(text), &v, NULL), 0);
    return decimal_of(arena, v, out);
}

static struct decimal number(struct fixture *f, const char *text)
{
    struct decimal d;
    assert_int_equal(read_number(&f->arena, text, &d), 0);
    return d;
}

static void is_written(struct fixture *f, const char *text, const char *wanted)
{
    struct decimal d = number(f, text);
    struct str out = decimal_text(&f->arena, &d);
    if (!str_eq(out, str_of(wanted))) fail_msg("%s became %.*s", text, STR_ARG(out));
}

static void decimals_have_one_text(void **state)
{
    struct fixture f = fresh();
    (void)state;
    is_written(&f, "0", "0");
    is_written(&f, "-0.0", "0");
    is_written(&f, "12.50", "12.5");
    is_written(&f, "1e3", "1000");
    is_written(&f, "-125e-2", "-1.25");
    is_written(&f, "1.5e-7", "0.00000015");
    is_written(&f, "18446744073709551615", "18446744073709551615");
    is_written(&f, "1e21", "1000000000000000000000");
    done(&f);
}

static void what_is_no_number_is_refused(void **state)
{
    struct fixture f = fresh();
    struct decimal d;
    (void)state;
    assert_int_equal(read_number(&f.arena, "\"1\"", &d), ERR_INVALID);
    assert_int_equal(read_number(&f.arena, "null", &d), ERR_INVALID);
    done(&f);
}

static void they_are_compared(void **state)
{
    static const char *const order[] = {"-100",  "-20.5", "-20.25", "-3",   "0",
                                        "0.001", "0.01",  "2",      "2.25", "10"};
    struct fixture f = fresh();
    (void)state;
    for (int i = 0; i < (int)ARRAY_LEN(order); i++)
        for (int k = 0; k < (int)ARRAY_LEN(order); k++) {
            struct decimal a = number(&f, order[i]), b = number(&f, order[k]);
            assert_int_equal(decimal_compare(&a, &b), (i > k) - (i < k));
        }
    done(&f);
}

static void is_between(struct fixture *f, const char *floor, const char *text, const char *ceiling)
{
    struct decimal d = number(f, text);
    struct decimal low = decimal_floor(&f->arena, &d), high = decimal_ceiling(&f->arena, &d);
    assert_true(str_eq(decimal_text(&f->arena, &low), str_of(floor)));
    assert_true(str_eq(decimal_text(&f->arena, &high), str_of(ceiling)));
}

static void wholes_around_them(void **state)
{
    struct fixture f = fresh();
    (void)state;
    is_between(&f, "2", "2.5", "3");
    is_between(&f, "-3", "-2.5", "-2");
    is_between(&f, "-1", "-0.5", "0");
    is_between(&f, "99", "99.01", "100");
    is_between(&f, "7", "7", "7");
    done(&f);
}

/* --- ranges, beside numbers of hundredths --- */

enum { LARGEST = 2500, BOUNDS = 60 };

static struct bound random_bound(struct fixture *f, struct rng *r, int *hundredths)
{
    char text[16];
    unsigned kind = (unsigned)rng_below(r, 4);
    struct bound b = {.set = kind > 0, .strict = rng_below(r, 2)};
    *hundredths = (int)rng_below(r, 2 * LARGEST) - LARGEST;
    if (kind == 1) *hundredths -= *hundredths % 100;
    if (kind == 2) *hundredths -= *hundredths % 10;
    (void)snprintf(text, sizeof text, "%.2f", *hundredths / 100.0);
    b.at = number(f, text);
    return b;
}

static bool above(const struct bound *b, int bound, int n)
{
    return !b->set || n > bound || (n == bound && !b->strict);
}

static bool below(const struct bound *b, int bound, int n)
{
    return !b->set || n < bound || (n == bound && !b->strict);
}

/* All ways to write n hundredths with up to `places` digits behind the point. */
static void check_texts(struct terms *t, term a, int n, bool wanted, unsigned places)
{
    char text[16];
    unsigned needs = n % 10 ? 2U : n % 100 ? 1U : 0U;
    for (unsigned digits = needs; digits <= 2; digits++) {
        int size = abs(n);
        int len =
            snprintf(text, sizeof text, "%s%d.%02d", n < 0 ? "-" : "", size / 100, size % 100);
        text[digits ? len - 2 + (int)digits : len - 3] = '\0';
        bool taken = term_takes(t, a, str_of(text));
        if (taken != (wanted && digits <= places)) fail_msg("%s: %d", text, taken);
    }
}

static void ranges(void **state)
{
    struct fixture f = fresh();
    struct rng r;
    (void)state;
    rng_seed(&r, 1);
    for (unsigned i = 0; i < BOUNDS; i++) {
        int low_at, high_at;
        struct bound low = random_bound(&f, &r, &low_at), high = random_bound(&f, &r, &high_at);
        uint32_t places = i % 4 == 3 ? TERM_ANY_NUMBER : i % 4;
        term a = numbers_between(f.terms, &low, &high, places);
        for (int n = -LARGEST - 200; n <= LARGEST + 200; n++)
            check_texts(f.terms, a, n, above(&low, low_at, n) && below(&high, high_at, n),
                        MIN(places, 2));
    }
    done(&f);
}

static void needless_zeros_are_refused(void **state)
{
    struct fixture f = fresh();
    struct bound none = {0};
    (void)state;
    term a = numbers_between(f.terms, &none, &none, TERM_ANY_NUMBER);
    assert_true(term_takes(f.terms, a, STR("0")));
    assert_true(term_takes(f.terms, a, STR("0.50")));
    assert_false(term_takes(f.terms, a, STR("-0")));
    assert_false(term_takes(f.terms, a, STR("00")));
    assert_false(term_takes(f.terms, a, STR("01")));
    assert_false(term_takes(f.terms, a, STR("1.")));
    assert_false(term_takes(f.terms, a, STR("1e5")));
    done(&f);
}

static void any_numbers(void **state)
{
    struct fixture f = fresh();
    (void)state;
    term any = numbers_any(f.terms), whole = numbers_whole(f.terms);
    assert_true(term_takes(f.terms, any, STR("-0.5e+10")));
    assert_true(term_takes(f.terms, any, STR("1E9")));
    assert_true(term_takes(f.terms, any, STR("1e299")));
    assert_false(term_takes(f.terms, any, STR("1e300")));
    assert_false(term_takes(f.terms, any, STR("1e")));
    assert_false(term_takes(f.terms, any, STR("-")));
    assert_false(term_takes(f.terms, any, STR("+1")));
    assert_true(term_takes(f.terms, whole, STR("-120")));
    assert_false(term_takes(f.terms, whole, STR("1.0")));
    assert_false(term_takes(f.terms, whole, STR("012")));
    done(&f);
}

static void are_multiples(const char *of, int unit_hundredths)
{
    struct fixture f = fresh();
    struct decimal d = number(&f, of);
    bool can;
    term a = numbers_multiples(f.terms, &d, &can);
    assert_true(can);
    for (int n = -LARGEST; n <= LARGEST; n += 100) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", n / 100);
        assert_int_equal(term_takes(f.terms, a, str_of(text)), n % unit_hundredths == 0);
    }
    done(&f);
}

static void multiples(void **state)
{
    struct fixture f = fresh();
    struct decimal d = number(&f, "0.01"), odd = number(&f, "0.3");
    bool can;
    (void)state;
    are_multiples("3", 300);
    are_multiples("17", 1700);
    term a = numbers_multiples(f.terms, &d, &can);
    assert_true(can);
    assert_true(term_takes(f.terms, a, STR("1.25")));
    assert_true(term_takes(f.terms, a, STR("-3.5")));
    assert_false(term_takes(f.terms, a, STR("1.255")));
    (void)numbers_multiples(f.terms, &odd, &can);
    assert_false(can);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_have_one_text),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(they_are_compared),
        cmocka_unit_test(wholes_around_them),
        cmocka_unit_test(ranges),
        cmocka_unit_test(needless_zeros_are_refused),
        cmocka_unit_test(any_numbers),
        cmocka_unit_test(multiples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
