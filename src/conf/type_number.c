/* SPDX-License-Identifier: Apache-2.0 */
/* Counts, sizes and durations: a uint64_t within the row's range, and perhaps a word that stands
 * for 0. */
#include <inttypes.h>

#include "base/err.h"
#include "conf/conf.h"
#include "conf/types.h"

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

/* What differs between them. */
struct number {
    int (*read)(struct str text, uint64_t *out); /* ERR_SYNTAX, ERR_RANGE */
    struct str (*write)(struct arena *a, const struct conf_row *row, uint64_t value); /* not 0 */
    const char *hint;
    const char *unit_hint; /* where the row has a unit of its own */
};

/* reading */

static int read_with_unit(struct str text, const struct unit *units, uint64_t *out)
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

/* "500us", "500ms", "30s", "5m", "1h", "2d", "0" */
static int read_duration(struct str text, uint64_t *us)
{
    if (!str_eq(text, STR("0"))) return read_with_unit(text, durations, us);
    *us = 0;
    return 0;
}

/* "4096", "16k", "16KiB" (1024), "16KB" (1000), up to G */
static int read_size(struct str text, uint64_t *bytes)
{
    int err = str_to_u64(text, bytes);
    return err == ERR_SYNTAX ? read_with_unit(text, sizes, bytes) : err;
}

/* writing: the shortest text that reads back */

static struct str write_with_unit(struct arena *a, const struct unit *units, uint64_t value)
{
    while (units->factor > 1 && value % units->factor != 0)
        units++;
    return arena_printf(a, "%" PRIu64 "%s", value / units->factor, units->name);
}

static struct str write_count(struct arena *a, const struct conf_row *row, uint64_t value)
{
    (void)row;
    return arena_printf(a, "%" PRIu64, value);
}

static struct str write_size(struct arena *a, const struct conf_row *row, uint64_t value)
{
    return row->unit || value % 1024 ? write_count(a, row, value)
                                     : write_with_unit(a, sizes, value);
}

static struct str write_duration(struct arena *a, const struct conf_row *row, uint64_t value)
{
    (void)row;
    return write_with_unit(a, durations, value);
}

static const struct number count = {
    .read = str_to_u64, .write = write_count, .hint = "a whole number"};
static const struct number size = {
    .read = read_size,
    .write = write_size,
    .hint = "a size such as 65536, 64KiB or 10MiB",
    .unit_hint = "a count such as 4096 or 32k",
};
static const struct number duration = {
    .read = read_duration,
    .write = write_duration,
    .hint = "a duration such as 500ms, 30s, 5m or 1h",
};

/* the row's range */

/* The smallest number that may be written: a word that stands for 0 replaces the digit. */
static uint64_t least(const struct conf_row *row)
{
    return row->zero ? MAX(row->min, 1) : row->min;
}

static struct str digits(struct arena *a, const struct conf_row *row, const struct number *number,
                         uint64_t value)
{
    return value ? number->write(a, row, value) : STR("0");
}

/* "auto, or 1 to 256 sequences" */
static struct str range(struct arena *a, const struct conf_row *row, const struct number *number)
{
    struct str min = digits(a, row, number, least(row));
    struct str max = digits(a, row, number, row->max);
    return arena_printf(a, "%s%s%s%s%" STR_FMT " to %" STR_FMT "%s%s", row->zero ? row->zero : "",
                        row->off ? ", " : "", row->off ? row->off : "", row->zero ? ", or " : "",
                        STR_ARG(min), STR_ARG(max), row->unit ? " " : "",
                        row->unit ? row->unit : "");
}

/* What a word stands for, if it is one of the row's. */
static bool read_word(const struct conf_row *row, struct str text, uint64_t *value)
{
    if (row->zero && str_eq(text, str_of(row->zero))) {
        *value = 0;
        return true;
    }
    if (row->off && str_eq(text, str_of(row->off))) {
        *value = CONF_OFF;
        return true;
    }
    return false;
}

/* Whether the text is such a number but for a minus in front. */
static bool negative(const struct number *number, struct str text)
{
    uint64_t value;
    return str_starts(text, STR("-")) && number->read(str_skip(text, 1), &value) != ERR_SYNTAX;
}

static bool refuse_text(const struct conf_row *row, struct conf_input *in,
                        const struct number *number)
{
    return conf__refuse(in, "%s is not %s%s%s%s%s", conf__shown(row, in),
                        row->unit && number->unit_hint ? number->unit_hint : number->hint,
                        row->zero ? " or the word " : "", row->zero ? row->zero : "",
                        row->off ? " or " : "", row->off ? row->off : "");
}

static bool parse(const struct conf_row *row, struct conf_input *in, void *field,
                  const struct number *number)
{
    uint64_t value = 0;
    bool word = read_word(row, in->text, &value);
    int err = word ? 0 : number->read(in->text, &value);
    if (err == ERR_SYNTAX && !negative(number, in->text)) return refuse_text(row, in, number);
    if (!err && value == 0 && row->zero && !word)
        return conf__refuse(in, "%s could mean two things: say \"%s\", or a number",
                            conf__shown(row, in), row->zero);
    if (err || (!word && (value < row->min || value > row->max)))
        return conf__refuse(in, "%s is out of range: %s", conf__shown(row, in),
                            range(in->arena, row, number).ptr);
    *(uint64_t *)field = value;
    return true;
}

static struct str print(struct arena *a, const struct conf_row *row, const void *field,
                        const struct number *number)
{
    uint64_t value = *(const uint64_t *)field;
    if (value == CONF_OFF && row->off) return str_of(row->off);
    return value == 0 && row->zero ? str_of(row->zero) : digits(a, row, number, value);
}

/* JSON Schema */

static void schema_integer(struct json_writer *w, const struct conf_row *row)
{
    json_write_object(w);
    json_write_str_member(w, "type", STR("integer"));
    json_write_u64_member(w, "minimum", least(row));
    json_write_u64_member(w, "maximum", row->max);
    json_write_object_end(w);
}

static void schema_end(struct json_writer *w, const struct conf_row *row)
{
    if (row->zero) conf__schema_const(w, row->zero);
    if (row->off) conf__schema_const(w, row->off);
    conf__schema_ref(w, "reference");
    json_write_array_end(w);
}

static bool equal(const void *a, const void *b)
{
    return *(const uint64_t *)a == *(const uint64_t *)b;
}

/* counts */

static struct str count_describe(struct arena *a, const struct conf_row *row)
{
    return range(a, row, &count);
}

static bool count_parse(const struct conf_row *row, struct conf_input *in, void *field)
{
    return parse(row, in, field, &count);
}

static struct str count_print(struct arena *a, const struct conf_row *row, const void *field)
{
    return print(a, row, field, &count);
}

static void count_schema(struct json_writer *w, const struct conf_row *row)
{
    json_write_key(w, "anyOf");
    json_write_array(w);
    schema_integer(w, row);
    schema_end(w, row);
}

const struct conf_kind conf__kind_count = {
    .size = sizeof(uint64_t),
    .describe = count_describe,
    .parse = count_parse,
    .print = count_print,
    .schema = count_schema,
    .equal = equal,
    .plain = true,
};

/* sizes */

static const struct conf_def size_def = {
    .name = "size",
    .doc = "65536, 64KiB or 16k (1024), 64KB (1000).",
    .pattern = "^[0-9]+ *(B|[kKmMgG]|[KMG]iB|[kKMG]B)?$",
};

static struct str size_describe(struct arena *a, const struct conf_row *row)
{
    return arena_printf(a, "%s: %s", row->unit ? "count" : "size", range(a, row, &size).ptr);
}

static bool size_parse(const struct conf_row *row, struct conf_input *in, void *field)
{
    return parse(row, in, field, &size);
}

static struct str size_print(struct arena *a, const struct conf_row *row, const void *field)
{
    return print(a, row, field, &size);
}

static void size_schema(struct json_writer *w, const struct conf_row *row)
{
    json_write_key(w, "anyOf");
    json_write_array(w);
    schema_integer(w, row);
    conf__schema_ref(w, size_def.name);
    schema_end(w, row);
}

const struct conf_kind conf__kind_size = {
    .size = sizeof(uint64_t),
    .describe = size_describe,
    .parse = size_parse,
    .print = size_print,
    .schema = size_schema,
    .equal = equal,
    .plain = true,
    .def = &size_def,
};

/* durations, microseconds */

static const struct conf_def duration_def = {
    .name = "duration",
    .doc = "500us, 500ms, 30s, 5m, 1h or 2d.",
    .pattern = "^[0-9]+ *(us|ms|s|m|h|d)$|^0$",
};

static struct str duration_describe(struct arena *a, const struct conf_row *row)
{
    return arena_printf(a, "duration: %s", range(a, row, &duration).ptr);
}

static bool duration_parse(const struct conf_row *row, struct conf_input *in, void *field)
{
    return parse(row, in, field, &duration);
}

static struct str duration_print(struct arena *a, const struct conf_row *row, const void *field)
{
    return print(a, row, field, &duration);
}

static void duration_schema(struct json_writer *w, const struct conf_row *row)
{
    json_write_key(w, "anyOf");
    json_write_array(w);
    if (least(row) == 0) {
        json_write_object(w);
        json_write_u64_member(w, "const", 0);
        json_write_object_end(w);
    }
    conf__schema_ref(w, duration_def.name);
    schema_end(w, row);
}

const struct conf_kind conf__kind_duration = {
    .size = sizeof(uint64_t),
    .describe = duration_describe,
    .parse = duration_parse,
    .print = duration_print,
    .schema = duration_schema,
    .equal = equal,
    .def = &duration_def,
};
