/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "jinja/args.h"
#include "jinja/filter_tables.h"
#include "jinja/number.h"
#include "jinja/text.h"

#define FILTER(name)                                                                      \
    static int name(struct run *r, const struct value *v, const struct args *args UNUSED, \
                    struct value *out)

FILTER(filter_abs)
{
    struct value zero = value_int(0);
    int order = 0;
    if (!value_is_number(v)) return run_raise(r, "bad operand type for abs(): '%s'", value_type(v));
    int err = value_order(r, v, &zero, &order);
    if (err) return err;
    if (order < 0) return number_negate(r, v, out);
    if (v->kind == KIND_FLOAT) {
        *out = value_float(fabs(v->real));
        out->own = v->own;
        return 0;
    }
    return number_binary(r, BINARY_ADD, v, &zero, out);
}

/* int() of a text as a float; the default when it is none. */
static int int_by_float(struct run *r, const struct value *v, const struct value *otherwise,
                        struct value *out)
{
    double real;
    if (number_float_of_text(value_str(v), &real) && isfinite(real))
        return number_truncate(r, real, out);
    *out = *otherwise;
    return 0;
}

static int to_int(struct run *r, const struct value *v, const struct args *args, struct value *out)
{
    int64_t base, integer;
    struct value otherwise = arg_given(&args->items[0]) ? args->items[0] : value_int(0);
    int err = arg_int(r, &args->items[1], 10, &base);
    if (err) return err;
    if (v->kind == KIND_TEXT) {
        err = base == 0 || (base >= 2 && base <= 36)
                  ? number_of_text(r, value_str(v), (int)base, out)
                  : NUMBER_NONE;
        return err == NUMBER_NONE ? int_by_float(r, v, &otherwise, out) : err;
    }
    if (v->kind == KIND_UNDEFINED) return run_raise(r, "the value is undefined");
    *out = otherwise;
    if (v->kind == KIND_FLOAT && isinf(v->real))
        return run_raise(r, "cannot convert float infinity to integer");
    if (v->kind == KIND_FLOAT && !isnan(v->real)) return number_truncate(r, v->real, out);
    if (v->kind == KIND_BIG) *out = *v;
    if (value_to_int(v, &integer)) *out = value_int(integer);
    return 0;
}

static int to_float(struct run *r, const struct value *v, const struct args *args,
                    struct value *out)
{
    double real;
    if (v->kind == KIND_UNDEFINED) return run_raise(r, "the value is undefined");
    *out = arg_given(&args->items[0]) ? args->items[0] : value_float(0);
    if (v->kind == KIND_TEXT ? number_float_of_text(value_str(v), &real)
                             : value_to_double(v, &real))
        *out = value_float(real);
    return 0;
}

/* The digits of data stay data. */
FILTER(filter_int)
{
    int err = to_int(r, v, args, out);
    if (!err) out->own = out->own && v->own && !v->marks;
    return err;
}

FILTER(filter_float)
{
    int err = to_float(r, v, args, out);
    if (!err) out->own = out->own && v->own && !v->marks;
    return err;
}

/* Round half to even, on the exact decimal value of the number. */
static double round_to(double real, int64_t digits)
{
    char room[400];
    if (digits > 22 || !isfinite(real)) return real;
    if (digits < -308) return copysign(0, real);
    if (digits >= 0) {
        snprintf(room, sizeof room, "%.*f", (int)digits, real);
        return strtod(room, NULL);
    }
    double scale = pow(10, (double)-digits);
    return nearbyint(real / scale) * scale;
}

static int round_common(struct run *r, const struct value *v, int64_t digits, struct value *out)
{
    int64_t integer;
    if (v->kind == KIND_FLOAT) {
        *out = value_float(round_to(v->real, digits));
        return 0;
    }
    if (!value_to_int(v, &integer))
        return run_raise(r, "type %s doesn't define __round__ method", value_type(v));
    *out = value_int(digits >= 0 ? integer : (int64_t)round_to((double)integer, digits));
    return 0;
}

static int round_towards(struct run *r, const struct value *v, int64_t digits, bool up,
                         struct value *out)
{
    double real, scale = pow(10, (double)digits);
    if (!value_to_double(v, &real)) return run_raise(r, "a number is wanted");
    if (!isfinite(real * scale)) return run_raise(r, "cannot round this number");
    *out = value_float((up ? ceil(real * scale) : floor(real * scale)) / scale);
    return 0;
}

FILTER(filter_round)
{
    int64_t digits;
    struct value method = value_text(STR("common"), true);
    int err = arg_int(r, &args->items[0], 0, &digits);
    if (!err && arg_given(&args->items[1])) err = arg_text(r, &args->items[1], &method);
    if (err) return err;
    struct str name = value_str(&method);
    if (str_eq(name, STR("common")))
        err = round_common(r, v, digits, out);
    else if (str_eq(name, STR("ceil")) || str_eq(name, STR("floor")))
        err = round_towards(r, v, digits, name.ptr[0] == 'c', out);
    else
        return run_raise(r, "method must be common, ceil or floor");
    if (!err) out->own = v->own;
    return err;
}

FILTER(filter_filesizeformat)
{
    static const char units[] = "kMGTPEZY";
    struct sink s = {0};
    double bytes, base = arg_true(&args->items[0]) ? 1024 : 1000;
    const char *infix = base > 1000 ? "i" : "";
    if (v->kind == KIND_TEXT ? !number_float_of_text(value_str(v), &bytes)
                             : !value_to_double(v, &bytes))
        return run_raise(r, "a number is wanted");
    double unit = base * base;
    size_t i = 0;
    for (; i + 2 < sizeof units && bytes >= unit; i++)
        unit *= base;
    int err;
    if (bytes == 1)
        err = sink_put(r, &s, STR("1 Byte"), v->own);
    else if (bytes < base)
        err = sink_printf(r, &s, v->own, "%.0f Bytes", trunc(bytes));
    else
        err = sink_printf(r, &s, v->own, "%.1f %c%sB", base * bytes / unit,
                          *infix && units[i] == 'k' ? 'K' : units[i], infix);
    return err ? err : sink_end(r, &s, out);
}

const struct builtin filters_of_numbers[] = {
    {"int", filter_int, "?default ?base"},
    {"float", filter_float, "?default"},
    {"abs", filter_abs, ""},
    {"round", filter_round, "?precision ?method"},
    {"filesizeformat", filter_filesizeformat, "?binary"},
};

const size_t filters_of_numbers_count = ARRAY_LEN(filters_of_numbers);
