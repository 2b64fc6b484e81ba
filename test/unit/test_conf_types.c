/* SPDX-License-Identifier: Apache-2.0 */
/* Values as the file writes them, and the schema table's own consistency. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "conf/conf.h"
#include "conf/group.h"
#include "conf/types.h"

/* Parses `text` for the row. NULL: it is in *field; else the problem's words, on `a`. */
static const char *parse(struct arena *a, const struct conf_row *row, const char *text, void *field)
{
    struct conf_input in = {.text = str_of(text), .written = str_of(text), .arena = a};
    return conf__kind(row->type)->parse(row, &in, field) ? NULL : in.problem.ptr;
}

static void assert_refused(const struct conf_row *row, const char *text, const char *words)
{
    struct arena a;
    uint64_t untouched = 77;
    arena_init(&a, SIZE_MAX, 1024);
    const char *problem = parse(&a, row, text, &untouched);
    assert_non_null(problem);
    if (!strstr(problem, words)) fail_msg("%s: \"%s\" has no \"%s\"", text, problem, words);
    assert_int_equal(untouched, 77);
    arena_fini(&a);
}

static void assert_number(const struct conf_row *row, const char *text, uint64_t expected)
{
    struct arena a;
    uint64_t value = 77;
    arena_init(&a, SIZE_MAX, 1024);
    assert_null(parse(&a, row, text, &value));
    assert_int_equal(value, expected);
    arena_fini(&a);
}

static void reads_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t us;
    } good[] = {
        {"0", 0},          {"7us", 7},         {"500ms", 500000},    {"30s", 30000000},
        {"5m", 300000000}, {"1h", 3600000000}, {"2d", 172800000000}, {"10 s", 10000000},
    };
    static const char *const bad[] = {"", "5", "s", "1.5s", "-5", "5 parsecs", "5S", "1h30m"};
    static const struct conf_row row = {.type = CONF_DURATION, .max = UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_number(&row, good[i].text, good[i].us);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_refused(&row, bad[i], "is not a duration such as");
    assert_refused(&row, "99999999999999999999s", "out of range");
    assert_refused(&row, "9999999999999999999s", "out of range");
    assert_refused(&row, "-1s", "out of range");
}

static void reads_paces(void **state)
{
    (void)state;
    static const struct conf_row row = {.type = CONF_PACE};
    static const char *const good[] = {"auto", "1.1x",  "2x",     "2.50x", "100x",
                                       "1ms",  "50 ms", "1500us", "60s"};
    static const char *const unread[] = {"",    "x",    "2",    "fast", "2X",
                                         "+2x", "2e1x", ".5x",  "2.x",  "1.2.3x",
                                         "-1x", "ms",   "1.5s", "5m",   "1s2s"};
    static const char *const outside[] = {"1x",
                                          "1.09x",
                                          "100.1x",
                                          "0x",
                                          "0ms",
                                          "999us",
                                          "61s",
                                          "99999999999999999999s",
                                          "9999999999999999999s"};
    struct arena a;
    arena_init(&a, SIZE_MAX, 1024);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct str value;
        assert_null(parse(&a, &row, good[i], &value));
        assert_true(str_eq(conf__kind(CONF_PACE)->print(&a, &row, &value), str_of(good[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(unread); i++)
        assert_refused(&row, unread[i], "is not auto, a factor such as 2x or a duration");
    for (size_t i = 0; i < ARRAY_LEN(outside); i++)
        assert_refused(&row, outside[i], "out of range: auto, 1.1x to 100x, or 1ms to 60s");
    arena_fini(&a);
}

static void reads_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},        {"4096", 4096}, {"16k", 16384},   {"16K", 16384}, {"10MiB", 10 << 20},
        {"1G", 1 << 30}, {"1KB", 1000},  {"2MB", 2000000}, {"5B", 5},      {"64 KiB", 65536},
    };
    static const char *const bad[] = {"", "k", "1.5k", "1T", "12kk", "0x10"};
    static const struct conf_row row = {.type = CONF_SIZE, .max = UINT64_MAX};
    static const struct conf_row tokens = {
        .type = CONF_SIZE, .max = UINT64_MAX, .unit = "tokens", .zero = "model"};
    static const struct conf_row memory = {
        .type = CONF_SIZE, .min = 16, .max = 65536, .zero = "auto", .off = "off"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_number(&row, good[i].text, good[i].bytes);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_refused(&row, bad[i], "is not a size such as");
    assert_refused(&row, "99999999999999999G", "out of range");
    assert_refused(&row, "-1", "out of range");
    assert_refused(&tokens, "many", "is not a count such as 4096 or 32k or the word model");
    assert_number(&memory, "auto", 0);
    assert_number(&memory, "off", CONF_OFF);
    assert_refused(&memory, "none",
                   "is not a size such as 65536, 64KiB or 10MiB or the word auto or off");
    assert_refused(&memory, "8", "out of range: auto, off, or 16 to 64KiB");
    assert_refused(&row, "off", "is not a size such as");
}

static void counts_have_a_range(void **state)
{
    (void)state;
    static const struct conf_row row = {
        .type = CONF_COUNT, .min = 2, .max = 9, .zero = "auto", .unit = "cats"};
    assert_number(&row, "auto", 0);
    assert_number(&row, "9", 9);
    assert_refused(&row, "0", "say \"auto\", or a number");
    assert_refused(&row, "1", "out of range: auto, or 2 to 9 cats");
    assert_refused(&row, "10", "out of range");
    assert_refused(&row, "x", "is not a whole number or the word auto");
}

static void reads_booleans(void **state)
{
    (void)state;
    static const struct conf_row row = {.type = CONF_BOOL};
    struct arena a;
    bool v = false;
    arena_init(&a, SIZE_MAX, 1024);
    assert_null(parse(&a, &row, "true", &v));
    assert_true(v);
    assert_null(parse(&a, &row, "Off", &v));
    assert_false(v);
    assert_refused(&row, "1", "neither true nor false");
    arena_fini(&a);
}

static void reads_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t us;
    } good[] = {
        {"2026-12-31T23:59:59Z", 1798761599000000},
        {"2026-12-31t23:59:59z", 1798761599000000},
        {"2026-12-31 23:59:59Z", 1798761599000000},
        {"2027-01-01T00:59:59+01:00", 1798761599000000},
        {"2026-12-31T18:29:59-05:30", 1798761599000000},
        {"2026-12-31T23:59:59.5Z", 1798761599500000},
        {"2026-12-31T23:59:59.0000019Z", 1798761599000001},
        {"2026-12-31T23:59:60Z", 1798761600000000},
        {"2027-01-01", 1798761600000000},
        {"2024-02-29", 1709164800000000},
        {"2000-02-29", 951782400000000},
        {"1970-01-01T00:00:01Z", 1000000},
        {"9999-12-31T23:59:59Z", 253402300799000000},
    };
    static const char *const bad[] = {
        "",
        "soon",
        "2026",
        "2026-12",
        "2026-13-01",
        "2026-00-01",
        "2026-12-00",
        "2026-04-31",
        "2025-02-29",
        "2100-02-29",
        "26-12-31",
        "2026-12-31T",
        "2026-12-31T23:59Z",
        "2026-12-31T23:59:59",
        "2026-12-31T24:00:00Z",
        "2026-12-31T23:60:00Z",
        "2026-12-31T23:59:61Z",
        "2026-12-31T23:59:59.Z",
        "2026-12-31T23:59:59+1:00",
        "2026-12-31T23:59:59+24:00",
        "2026-12-31T23:59:59Zx",
        "2026-12-31x",
        "-026-12-31",
        "10000-01-01",
    };
    static const struct conf_row row = {.type = CONF_TIME};
    static const struct conf_row never = {.type = CONF_TIME, .zero = "never"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_number(&row, good[i].text, good[i].us);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_refused(&row, bad[i], "is no point in time such as 2026-12-31T23:59:59Z");
    assert_refused(&row, "1969-12-31", "is not after 1970-01-01");
    assert_refused(&row, "1970-01-01T00:30:00+01:00", "is not after 1970-01-01");
    assert_refused(&row, "0000-01-01", "is not after 1970-01-01");
    assert_number(&never, "never", 0);
    assert_refused(&never, "nie", "nor the word never");
}

/* In UTC, and without a fraction that is none. */
static void writes_times(void **state)
{
    (void)state;
    static const struct {
        uint64_t us;
        const char *text;
    } cases[] = {
        {1798761599000000, "2026-12-31T23:59:59Z"},
        {1798761599500000, "2026-12-31T23:59:59.500000Z"},
        {1, "1970-01-01T00:00:00.000001Z"},
        {0, "never"},
    };
    static const struct conf_row row = {.type = CONF_TIME, .zero = "never"};
    struct arena a;
    arena_init(&a, SIZE_MAX, 1024);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str text = conf__kind(CONF_TIME)->print(&a, &row, &cases[i].us);
        assert_true(str_eq(text, str_of(cases[i].text)));
        assert_number(&row, cases[i].text, cases[i].us);
    }
    arena_fini(&a);
}

/* What is written for a number reads back as that number. */
static void numbers_survive_writing(void **state)
{
    (void)state;
    static const uint64_t values[] = {0,     1,       1000,    1024,     1500,
                                      65536, 1000000, 1 << 20, 90000000, 3600000000};
    static const struct conf_row rows[] = {
        {.type = CONF_COUNT, .max = UINT64_MAX},
        {.type = CONF_SIZE, .max = UINT64_MAX},
        {.type = CONF_SIZE, .max = UINT64_MAX, .unit = "tokens", .zero = "model"},
        {.type = CONF_DURATION, .max = UINT64_MAX},
        {.type = CONF_DURATION, .max = UINT64_MAX, .zero = "never"},
    };
    struct arena a;
    arena_init(&a, SIZE_MAX, 1024);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct conf_kind *kind = conf__kind(rows[i].type);
        for (size_t j = 0; j < ARRAY_LEN(values); j++) {
            struct str text = arena_dup(&a, kind->print(&a, &rows[i], &values[j]));
            assert_number(&rows[i], text.ptr, values[j]);
        }
    }
    arena_fini(&a);
}

/* Each kind has all that is asked of it. */
static void kinds_are_whole(void **state)
{
    (void)state;
    for (enum conf_type type = 0; conf__scalar(type); type++) {
        const struct conf_kind *kind = conf__kind(type);
        assert_true(kind->size > 0);
        assert_non_null(kind->describe);
        assert_non_null(kind->parse);
        assert_non_null(kind->print);
        assert_non_null(kind->schema);
        assert_non_null(kind->equal);
    }
}

/* The default of a single value is one that may be written. */
static void check_standard(const struct conf_row *row)
{
    struct arena a;
    union {
        struct str text;
        uint64_t number;
    } field;
    arena_init(&a, SIZE_MAX, 1024);
    const char *problem = parse(&a, row, row->standard, &field);
    if (problem) fail_msg("%s: %s", row->name, problem);
    arena_fini(&a);
}

static void check_row(const struct conf_row *row)
{
    bool scalar = conf__scalar(row->type);
    size_t length = strlen(row->doc);
    assert_true(length > 0 && row->doc[length - 1] == '.');
    assert_true(strchr(row->doc, '|') == NULL); /* would end a table's cell */
    assert_true(row->type == CONF_TEXTS ||
                (row->type == CONF_WORD || row->type == CONF_ENUM) == (row->words != NULL));
    assert_true((row->type >= CONF_GROUP) == (row->group != NULL));
    if (row->flags & CONF_SECRET)
        assert_true(row->type == CONF_PAIRS || (scalar && conf__kind(row->type)->wipe));
    if (row->flags & CONF_INHERIT) {
        assert_true(row->type == CONF_DURATION || row->type == CONF_SIZE); /* CONF_UNSET is none */
        assert_non_null(row->implied);
        assert_null(row->standard);
    } else if (scalar && (row->zero || !conf__kind(row->type)->empty)) {
        assert_non_null(row->standard);
    }
    if (scalar && row->standard) check_standard(row);
}

static void check_alternatives(const struct conf_group *group, const struct conf_row *row)
{
    const struct conf_row *owner = conf__row(group, str_of(row->belongs_to));
    assert_true(!row->belongs_to || (owner && owner->choice));
    if (!row->choice) return;
    const struct conf_row *first = conf__alternative(group, row->choice, NULL);
    assert_null(row->standard);
    assert_true(row->type != CONF_GROUP &&
                (!conf__scalar(row->type) || conf__kind(row->type)->empty));
    assert_int_equal(row->flags & CONF_REQUIRED, first->flags & CONF_REQUIRED);
    if (row->flags & CONF_REQUIRED) assert_non_null(row->wanted);
}

static void check_group(const struct conf_group *group)
{
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        check_row(row);
        check_alternatives(group, row);
        assert_ptr_equal(conf__row(group, str_of(row->name)), row);
        assert_null(conf__row(group, str_of(row->former)));
        if (row->group) check_group(row->group);
    }
    const struct conf_row *text = conf__row(group, str_of(group->text_row));
    assert_true(!group->text_row || (text && conf__scalar(text->type)));
}

static void rows_are_sound(void **state)
{
    (void)state;
    check_group(&conf__root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_durations), cmocka_unit_test(reads_paces),
        cmocka_unit_test(reads_sizes),     cmocka_unit_test(counts_have_a_range),
        cmocka_unit_test(reads_booleans),  cmocka_unit_test(reads_times),
        cmocka_unit_test(writes_times),    cmocka_unit_test(numbers_survive_writing),
        cmocka_unit_test(kinds_are_whole), cmocka_unit_test(rows_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
