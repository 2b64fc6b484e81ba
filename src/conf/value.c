/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/value.h"

#include <inttypes.h>

#include "base/err.h"

struct unit {
    const char *name;
    uint64_t factor;
};

/* The units that are used for writing stand first, largest first. */
static const struct unit durations[] = {
    {"d", 86400000000ull},
    {"h", 3600000000ull},
    {"m", 60000000},
    {"s", 1000000},
    {"ms", 1000},
    {"us", 1},
    {NULL, 0},
};

static const struct unit sizes[] = {
    {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1},
    {"G", 1ull << 30},   {"M", 1ull << 20},   {"K", 1ull << 10},   {"g", 1ull << 30},
    {"m", 1ull << 20},   {"k", 1ull << 10},   {"GB", 1000000000},  {"MB", 1000000},
    {"KB", 1000},        {"kB", 1000},        {NULL, 0},
};

static int parse_with_unit(struct str text, const struct unit *units, uint64_t *out)
{
    size_t digits = 0;
    uint64_t n;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    int err = str_to_u64(str_sub(text, 0, digits), &n);
    if (err) return err;
    struct str unit = str_trim(str_skip(text, digits));
    for (; units->name; units++) {
        if (!str_eq(unit, str_of(units->name))) continue;
        return __builtin_mul_overflow(n, units->factor, out) ? ERR_RANGE : 0;
    }
    return ERR_SYNTAX;
}

int conf__parse_duration(struct str text, uint64_t *us)
{
    if (str_eq(text, STR("0"))) {
        *us = 0;
        return 0;
    }
    return parse_with_unit(text, durations, us);
}

int conf__parse_size(struct str text, uint64_t *bytes)
{
    int err = str_to_u64(text, bytes);
    return err == ERR_SYNTAX ? parse_with_unit(text, sizes, bytes) : err;
}

int conf__parse_bool(struct str text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!str_eq_nocase(text, str_of(words[i]))) continue;
        *out = i % 2;
        return 0;
    }
    return ERR_SYNTAX;
}

int conf__parse_number(const struct conf_row *row, struct str text, uint64_t *out)
{
    if (row->zero && str_eq(text, str_of(row->zero))) {
        *out = 0;
        return 0;
    }
    switch (row->type) {
    case CONF_SIZE: return conf__parse_size(text, out);
    case CONF_DURATION: return conf__parse_duration(text, out);
    default: return str_to_u64(text, out);
    }
}

static struct str with_unit(struct arena *a, const struct unit *units, uint64_t value)
{
    while (units->factor > 1 && value % units->factor != 0)
        units++;
    return arena_printf(a, "%" PRIu64 "%s", value / units->factor, units->name);
}

struct str conf__number_text(struct arena *a, const struct conf_row *row, uint64_t value)
{
    if (value == 0 && row->zero) return str_of(row->zero);
    if (value == 0) return STR("0");
    if (row->type == CONF_DURATION) return with_unit(a, durations, value);
    if (row->type == CONF_SIZE && !row->unit && value % 1024 == 0)
        return with_unit(a, sizes, value);
    return arena_printf(a, "%" PRIu64, value);
}

uint64_t conf__least(const struct conf_row *row)
{
    return row->zero ? MAX(row->min, 1) : row->min;
}

struct str conf__range_text(struct arena *a, const struct conf_row *row)
{
    const char *unit = row->unit ? row->unit : "";
    struct conf_row plain = *row;
    plain.zero = NULL;
    struct str min = conf__number_text(a, &plain, conf__least(row));
    struct str max = conf__number_text(a, &plain, row->max);
    return arena_printf(a, "%s%s%" STR_FMT " to %" STR_FMT "%s%s", row->zero ? row->zero : "",
                        row->zero ? ", or " : "", STR_ARG(min), STR_ARG(max), *unit ? " " : "",
                        unit);
}

int conf__word_index(const struct conf_row *row, struct str text)
{
    for (int i = 0; row->words[i]; i++)
        if (str_eq(text, str_of(row->words[i]))) return i;
    return -1;
}

struct str conf__words_text(struct arena *a, const struct conf_row *row)
{
    struct str text = str_of(row->words[0]);
    for (size_t i = 1; row->words[i]; i++)
        text = arena_printf(a, "%" STR_FMT "%s%s", STR_ARG(text), row->words[i + 1] ? ", " : " or ",
                            row->words[i]);
    return text;
}

size_t conf__forbidden(struct str s, size_t at)
{
    static const char *const sequences[] = {"\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf",
                                            "\xef\xbf\xbe", "\xef\xbf\xbf"};
    struct str rest = str_skip(s, at);
    unsigned char c = (unsigned char)rest.ptr[0];
    if (c < ' ' || c == 0x7f) return 1;
    if (c < 0x80) return 0;
    if (c == 0xc2 && rest.len > 1 && (unsigned char)rest.ptr[1] < 0xa0) return 2;
    for (size_t i = 0; i < ARRAY_LEN(sequences); i++)
        if (str_starts(rest, str_of(sequences[i]))) return 3;
    return 0;
}

/* Edits (insert, delete, change) between two short texts. */
static size_t distance(struct str a, struct str b)
{
    enum { LONGEST = 32 };
    size_t line[LONGEST + 1];
    if (a.len > LONGEST || b.len > LONGEST) return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        line[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = line[0];
        line[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = line[j];
            line[j] = MIN(change, MIN(line[j], line[j - 1]) + 1);
        }
    }
    return line[b.len];
}

struct str conf__nearest(struct str text, struct str (*candidate)(const void *ctx, size_t i),
                         const void *ctx, size_t count)
{
    size_t best = text.len < 4 ? 2 : text.len / 3 + 2; /* one more than the edits we forgive */
    struct str nearest = STR_NULL;
    for (size_t i = 0; i < count; i++) {
        struct str c = candidate(ctx, i);
        size_t longer = MAX(text.len, c.len), shorter = MIN(text.len, c.len);
        size_t d = longer - shorter < best ? distance(text, c) : best;
        if (d >= best) continue;
        best = d;
        nearest = c;
    }
    return nearest;
}
