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
#include "conf/value.h"

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
    static const char *const bad[] = {"", "5", "s", "1.5s", "-1s", "5 parsecs", "5S", "1h30m"};
    uint64_t us;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(conf__parse_duration(str_of(good[i].text), &us), 0);
        assert_int_equal(us, good[i].us);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(conf__parse_duration(str_of(bad[i]), &us), ERR_SYNTAX);
    assert_int_equal(conf__parse_duration(STR("99999999999999999999s"), &us), ERR_RANGE);
    assert_int_equal(conf__parse_duration(STR("9999999999999999999s"), &us), ERR_RANGE);
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
    static const char *const bad[] = {"", "k", "1.5k", "-1", "1T", "12kk", "0x10"};
    uint64_t bytes;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(conf__parse_size(str_of(good[i].text), &bytes), 0);
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(conf__parse_size(str_of(bad[i]), &bytes), ERR_SYNTAX);
    assert_int_equal(conf__parse_size(STR("99999999999999999G"), &bytes), ERR_RANGE);
}

static void reads_booleans(void **state)
{
    (void)state;
    bool v;
    assert_int_equal(conf__parse_bool(STR("true"), &v), 0);
    assert_true(v);
    assert_int_equal(conf__parse_bool(STR("Off"), &v), 0);
    assert_false(v);
    assert_int_equal(conf__parse_bool(STR("1"), &v), ERR_SYNTAX);
}

/* What is written for a number reads back as that number. */
static void numbers_survive_writing(void **state)
{
    (void)state;
    static const uint64_t values[] = {0,     1,       1000,    1024,     1500,
                                      65536, 1000000, 1 << 20, 90000000, 3600000000};
    static const struct conf_row rows[] = {
        {.type = CONF_COUNT},
        {.type = CONF_SIZE},
        {.type = CONF_SIZE, .unit = "tokens", .zero = "model"},
        {.type = CONF_DURATION},
        {.type = CONF_DURATION, .zero = "never"},
    };
    struct arena a;
    arena_init(&a, SIZE_MAX, 1024);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t j = 0; j < ARRAY_LEN(values); j++) {
            uint64_t back;
            struct str text = conf__number_text(&a, &rows[i], values[j]);
            assert_int_equal(conf__parse_number(&rows[i], text, &back), 0);
            assert_int_equal(back, values[j]);
        }
    }
    arena_fini(&a);
}

struct near_case {
    const char *const *words;
};

static struct str near_word(const void *ctx, size_t i)
{
    return str_of(((const struct near_case *)ctx)->words[i]);
}

static void suggests_near_names_only(void **state)
{
    (void)state;
    static const char *const words[] = {"connect", "between", "total"};
    struct near_case c = {words};
    assert_true(str_eq(conf__nearest(STR("conect"), near_word, &c, 3), STR("connect")));
    assert_true(str_eq(conf__nearest(STR("totl"), near_word, &c, 3), STR("total")));
    assert_int_equal(conf__nearest(STR("zebra"), near_word, &c, 3).len, 0);
    assert_int_equal(conf__nearest(STR(""), near_word, &c, 3).len, 0);
    char text[100];
    memset(text, 'x', sizeof text);
    assert_int_equal(conf__nearest(str_n(text, sizeof text), near_word, &c, 3).len, 0);
}

static void check_row(const struct conf_row *row)
{
    bool number = row->type == CONF_COUNT || row->type == CONF_SIZE || row->type == CONF_DURATION;
    size_t length = strlen(row->doc);
    assert_true(length > 0 && row->doc[length - 1] == '.');
    assert_true(strchr(row->doc, '|') == NULL); /* would end a table's cell */
    assert_true((row->type == CONF_WORD || row->type == CONF_ENUM) == (row->words != NULL));
    assert_true((row->type >= CONF_GROUP) == (row->group != NULL));
    if (row->flags & CONF_SECRET) assert_true(row->type == CONF_TEXT || row->type == CONF_PAIRS);
    if (row->flags & CONF_RESTART)
        assert_true(row->type <= CONF_COUNT || row->type == CONF_ADDRESSES);
    if (row->words) assert_true(conf__word_index(row, str_of(row->standard)) >= 0);
    if (row->flags & CONF_INHERIT) {
        assert_int_equal(row->type, CONF_DURATION); /* CONF_UNSET is none */
        assert_non_null(row->implied);
        assert_null(row->standard);
    } else if (number) {
        uint64_t value;
        assert_non_null(row->standard);
        assert_int_equal(conf__parse_number(row, str_of(row->standard), &value), 0);
        assert_true(value <= row->max && (value >= row->min || (value == 0 && row->zero)));
    }
}

static void check_group(const struct conf_group *group)
{
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        check_row(row);
        assert_ptr_equal(conf__row(group, str_of(row->name)), row);
        if (row->group) check_group(row->group);
    }
}

static void rows_are_sound(void **state)
{
    (void)state;
    check_group(&conf__root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_durations),          cmocka_unit_test(reads_sizes),
        cmocka_unit_test(reads_booleans),           cmocka_unit_test(numbers_survive_writing),
        cmocka_unit_test(suggests_near_names_only), cmocka_unit_test(rows_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
