/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/tests.h"

#include "jinja/args.h"
#include "jinja/dict.h"
#include "jinja/letters.h"
#include "jinja/number.h"
#include "jinja/print.h"
#include "jinja/walk.h"

/* A test that depends on nothing but the value. */
#define SIMPLE_TEST(name, holds)                                        \
    static int name(struct run *r UNUSED, const struct value *v UNUSED, \
                    const struct args *args UNUSED, struct value *out)  \
    {                                                                   \
        *out = value_bool(holds);                                       \
        return 0;                                                       \
    }

static bool is_undefined(const struct value *v)
{
    return v->kind == KIND_UNDEFINED || v->kind == KIND_MISSING;
}

static bool is_callable(const struct value *v)
{
    return v->kind == KIND_MACRO || v->kind == KIND_FUNCTION || v->kind == KIND_METHOD ||
           v->kind == KIND_LOOP || v->kind == KIND_JOINER || is_undefined(v);
}

static bool is_sequence(const struct value *v)
{
    return value_is_sequence(v) || v->kind == KIND_TEXT || v->kind == KIND_DICT ||
           v->kind == KIND_RANGE || is_undefined(v);
}

SIMPLE_TEST(test_defined, !is_undefined(v))
SIMPLE_TEST(test_undefined, is_undefined(v))
SIMPLE_TEST(test_none, v->kind == KIND_NONE)
SIMPLE_TEST(test_boolean, v->kind == KIND_BOOL)
SIMPLE_TEST(test_true, v->kind == KIND_BOOL && v->truth)
SIMPLE_TEST(test_false, v->kind == KIND_BOOL && !v->truth)
SIMPLE_TEST(test_integer, v->kind == KIND_INT || v->kind == KIND_BIG)
SIMPLE_TEST(test_float, v->kind == KIND_FLOAT)
SIMPLE_TEST(test_number, value_is_number(v))
SIMPLE_TEST(test_string, v->kind == KIND_TEXT)
SIMPLE_TEST(test_mapping, v->kind == KIND_DICT)
SIMPLE_TEST(test_sequence, is_sequence(v))
SIMPLE_TEST(test_iterable, value_is_iterable(v) || v->kind == KIND_LOOP)
SIMPLE_TEST(test_callable, is_callable(v))
SIMPLE_TEST(test_escaped, v->markup)

/* --- numbers --- */

static int remainder_of(struct run *r, const struct value *v, const struct value *by, double *out)
{
    struct value rest;
    int err = number_binary(r, BINARY_MOD, v, by, &rest);
    if (err) return err;
    if (!value_to_double(&rest, out)) return run_raise(r, "a number is wanted");
    return 0;
}

static int test_odd(struct run *r, const struct value *v, const struct args *args UNUSED,
                    struct value *out)
{
    const struct value two = value_int(2);
    double rest = 0;
    int err = remainder_of(r, v, &two, &rest);
    *out = value_bool(rest == 1);
    return err;
}

static int test_even(struct run *r, const struct value *v, const struct args *args UNUSED,
                     struct value *out)
{
    const struct value two = value_int(2);
    double rest = 0;
    int err = remainder_of(r, v, &two, &rest);
    *out = value_bool(rest == 0);
    return err;
}

static int test_divisibleby(struct run *r, const struct value *v, const struct args *args,
                            struct value *out)
{
    double rest = 0;
    int err = remainder_of(r, v, &args->items[0], &rest);
    *out = value_bool(rest == 0);
    return err;
}

/* --- texts --- */

static int is_in_case(struct run *r, const struct value *v, bool upper, struct value *out)
{
    struct value text;
    int err = value_to_text(r, v, &text);
    return err ? err : text_is_cased(r, &text, upper, out);
}

static int test_upper(struct run *r, const struct value *v, const struct args *args UNUSED,
                      struct value *out)
{
    return is_in_case(r, v, true, out);
}

static int test_lower(struct run *r, const struct value *v, const struct args *args UNUSED,
                      struct value *out)
{
    return is_in_case(r, v, false, out);
}

/* --- comparisons --- */

static int test_eq(struct run *r, const struct value *v, const struct args *args, struct value *out)
{
    *out = value_bool(value_equal(r, v, &args->items[0]));
    return 0;
}

static int test_ne(struct run *r, const struct value *v, const struct args *args, struct value *out)
{
    *out = value_bool(!value_equal(r, v, &args->items[0]));
    return 0;
}

#define ORDER_TEST(name, holds)                                                    \
    static int name(struct run *r, const struct value *v, const struct args *args, \
                    struct value *out)                                             \
    {                                                                              \
        int order = 0;                                                             \
        int err = value_order(r, v, &args->items[0], &order);                      \
        *out = value_bool(holds);                                                  \
        return err;                                                                \
    }

ORDER_TEST(test_lt, order < 0)
ORDER_TEST(test_le, order <= 0)
ORDER_TEST(test_gt, order > 0)
ORDER_TEST(test_ge, order >= 0)

static int test_in(struct run *r, const struct value *v, const struct args *args, struct value *out)
{
    bool there = false;
    int err = value_contains(r, &args->items[0], v, &there);
    *out = value_bool(there);
    return err;
}

/* The same object; for values without identity of their own, the same value. */
static int test_sameas(struct run *r, const struct value *v, const struct args *args,
                       struct value *out)
{
    const struct value *other = &args->items[0];
    bool plain = value_is_number(v) || v->kind == KIND_TEXT || v->kind == KIND_NONE;
    bool same =
        v->kind == other->kind && (plain ? value_equal(r, v, other) : v->pointer == other->pointer);
    *out = value_bool(same);
    return 0;
}

static int test_filter(struct run *r, const struct value *v, const struct args *args UNUSED,
                       struct value *out)
{
    *out = value_bool(v->kind == KIND_TEXT && r->hooks->filter(value_str(v)));
    return 0;
}

static int test_test(struct run *r UNUSED, const struct value *v, const struct args *args UNUSED,
                     struct value *out)
{
    *out = value_bool(v->kind == KIND_TEXT && test_find(value_str(v)));
    return 0;
}

static const struct builtin tests[] = {
    {"defined", test_defined, ""},     {"string", test_string, ""},
    {"none", test_none, ""},           {"mapping", test_mapping, ""},
    {"iterable", test_iterable, ""},   {"sequence", test_sequence, ""},
    {"undefined", test_undefined, ""}, {"boolean", test_boolean, ""},
    {"true", test_true, ""},           {"false", test_false, ""},
    {"integer", test_integer, ""},     {"float", test_float, ""},
    {"number", test_number, ""},       {"callable", test_callable, ""},
    {"escaped", test_escaped, ""},     {"odd", test_odd, ""},
    {"even", test_even, ""},           {"divisibleby", test_divisibleby, "num"},
    {"upper", test_upper, ""},         {"lower", test_lower, ""},
    {"eq", test_eq, "other"},          {"equalto", test_eq, "other"},
    {"==", test_eq, "other"},          {"ne", test_ne, "other"},
    {"!=", test_ne, "other"},          {"lt", test_lt, "other"},
    {"lessthan", test_lt, "other"},    {"<", test_lt, "other"},
    {"le", test_le, "other"},          {"<=", test_le, "other"},
    {"gt", test_gt, "other"},          {"greaterthan", test_gt, "other"},
    {">", test_gt, "other"},           {"ge", test_ge, "other"},
    {">=", test_ge, "other"},          {"in", test_in, "seq"},
    {"sameas", test_sameas, "other"},  {"filter", test_filter, ""},
    {"test", test_test, ""},
};

const struct builtin *test_find(struct str name)
{
    return builtin_find(tests, ARRAY_LEN(tests), name);
}
