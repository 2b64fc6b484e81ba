/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pace.h"

#include "base/err.h"

/* Digits, and perhaps a point with digits behind it. */
static bool is_decimal(struct str text)
{
    struct str rest = text, piece;
    unsigned pieces = 0;
    while (str_cut(&rest, '.', &piece)) {
        for (size_t i = 0; i < piece.len; i++)
            if (piece.ptr[i] < '0' || piece.ptr[i] > '9') return false;
        if (!piece.len || ++pieces > 2) return false;
    }
    return true;
}

static int read_times(struct str text, struct pace *out)
{
    double times;
    if (!is_decimal(text)) return ERR_SYNTAX;
    int err = str_to_double(text, &times);
    if (err) return err;
    if (times < PACE_TIMES_LEAST || times > PACE_TIMES_MOST) return ERR_RANGE;
    *out = (struct pace){.times = times};
    return 0;
}

static int read_duration(struct str text, struct pace *out)
{
    static const struct {
        const char *unit;
        uint64_t us;
    } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000 * 1000}};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        struct str unit = str_of(units[i].unit);
        uint64_t n;
        if (!str_ends(text, unit)) continue;
        int err = str_to_u64(str_trim(str_sub(text, 0, text.len - unit.len)), &n);
        if (err == ERR_SYNTAX) continue; /* the s of "5ms" */
        if (err || n > PACE_US_MOST || n * units[i].us > PACE_US_MOST ||
            n * units[i].us < PACE_US_LEAST)
            return ERR_RANGE;
        *out = (struct pace){.us = n * units[i].us};
        return 0;
    }
    return ERR_SYNTAX;
}

int pace_read(struct str text, struct pace *out)
{
    if (str_ends(text, STR("x"))) return read_times(str_sub(text, 0, text.len - 1), out);
    if (!str_eq(text, STR("auto"))) return read_duration(text, out);
    *out = (struct pace){0};
    return 0;
}
