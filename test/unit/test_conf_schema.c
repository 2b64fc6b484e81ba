/* SPDX-License-Identifier: Apache-2.0 */
/* What a row of the schema table brings with it, shown on small tables of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "conf/conf_priv.h"
#include "conf/group.h"

enum { OUTPUT_MAX = 1 << 20 };

#define ROW(owner, field) .offset = offsetof(struct owner, field)
#define ROWS(table) .rows = table, .row_count = ARRAY_LEN(table)

/* One reading of a text by a schema; `problems` has a line for each: "line: setting: words". */
struct reading {
    struct arena arena;
    char problems[2048];
};

static void list_problems(char *out, size_t size, const struct conf_problems *p)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < p->count; i++)
        n += (size_t)snprintf(out + n, size - n, "%u: %.*s: %.*s\n", p->items[i].line,
                              STR_ARG(p->items[i].setting), STR_ARG(p->items[i].text));
}

static struct reading reading_of(const struct conf_group *schema, void *base, const char *text)
{
    struct reading r;
    struct conf__load l;
    struct conf_problems problems;
    memset(base, 0, schema->size);
    arena_init(&r.arena, SIZE_MAX, 1024);
    conf_problems_init(&problems);
    conf__load_init(&l, schema, base, &r.arena, STR("test.yaml"), &problems);
    (void)conf__load_text(&l, str_of(text));
    conf__load_fini(&l);
    list_problems(r.problems, sizeof r.problems, &problems);
    conf_problems_fini(&problems);
    return r;
}

/* Reads what is in order. */
static struct arena read_good(const struct conf_group *schema, void *base, const char *text)
{
    struct reading r = reading_of(schema, base, text);
    assert_string_equal(r.problems, "");
    return r.arena;
}

static void assert_problems(const struct conf_group *schema, void *base, const char *text,
                            const char *expected)
{
    struct reading r = reading_of(schema, base, text);
    assert_string_equal(r.problems, expected);
    arena_fini(&r.arena);
}

static void assert_str(struct str s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    if (s.len) assert_memory_equal(s.ptr, expected, s.len);
}

static void assert_shown(const struct conf_group *schema, const void *base, const char *yaml,
                         const char *json)
{
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    assert_int_equal(conf__write_yaml(schema, base, &out), 0);
    assert_str(buf_str(&out), yaml);
    buf_clear(&out);
    assert_int_equal(conf__write_json(schema, base, &out), 0);
    assert_str(buf_str(&out), json);
    buf_fini(&out);
}

/* What the text reads as is shown so, and what is shown reads as the same. */
static void assert_reads_as(const struct conf_group *schema, void *base, const char *text,
                            const char *yaml, const char *json)
{
    struct arena a = read_good(schema, base, text);
    assert_shown(schema, base, yaml, json);
    arena_fini(&a);
    a = read_good(schema, base, yaml);
    assert_shown(schema, base, yaml, json);
    arena_fini(&a);
}

static void assert_has(int (*write)(const struct conf_group *schema, struct buf *out),
                       const struct conf_group *schema, const char *expected)
{
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    assert_int_equal(write(schema, &out), 0);
    if (str_find(buf_str(&out), str_of(expected)) < 0)
        fail_msg("no \"%s\" in %.*s", expected, STR_ARG(buf_str(&out)));
    buf_fini(&out);
}

static void assert_differ(const struct conf_group *schema, const void *a, const void *b,
                          const char *expected)
{
    struct buf names;
    buf_init(&names, 1024);
    assert_int_equal(conf__compare(schema, a, b, &names), 0);
    assert_str(buf_str(&names), expected);
    buf_fini(&names);
}

/* --- one row --- */

struct house {
    struct {
        uint64_t patience_us;
    } door;
};

static const struct conf_row door_rows[] = {
    {.name = "patience",
     .type = CONF_DURATION,
     ROW(house, door.patience_us),
     .max = 3600000000,
     .standard = "5s",
     .flags = CONF_RESTART,
     .doc = "How long a guest waits."},
};
static const struct conf_group door = {.name = "door", ROWS(door_rows), .doc = "", .example = ""};
static const struct conf_row house_rows[] = {
    {.name = "door", .type = CONF_GROUP, .group = &door, .doc = ""},
};
static const struct conf_group house = {
    .name = "", .size = sizeof(struct house), ROWS(house_rows), .doc = "", .example = ""};

/* A setting is one row and a field. */
static void a_setting_is_one_row(void **state)
{
    (void)state;
    struct house h, other;
    assert_reads_as(&house, &h, "door: { patience: 90s }", "door:\n  patience: 90s\n",
                    "{\"door\":{\"patience\":\"90s\"}}");
    assert_int_equal(h.door.patience_us, 90000000);
    assert_reads_as(&house, &h, "{}", "door:\n  patience: 5s\n",
                    "{\"door\":{\"patience\":\"5s\"}}");
    assert_problems(&house, &h, "door:\n  patience: 2h\n",
                    "2: door.patience: \"2h\" is out of range: 0 to 1h\n");
    assert_problems(&house, &h, "door:\n  patienc: 2h\n",
                    "2: door.patienc: unknown setting; did you mean \"patience\"?\n");
    assert_has(conf__write_manual, &house,
               "\n| `patience` | duration: 0 to 1h | `5s` | How long a guest waits. Takes effect "
               "after a restart. |\n");
    assert_has(conf__write_json_schema, &house,
               "\"patience\":{\"description\":\"How long a guest waits.\",\"anyOf\":[{\"const\":0},"
               "{\"$ref\":\"#/$defs/duration\"},{\"$ref\":\"#/$defs/reference\"}],"
               "\"default\":\"5s\"}");
    setenv("HOSTLER_DOOR_PATIENCE", "7s", 1);
    struct arena a = read_good(&house, &other, "door: { patience: 5s }");
    unsetenv("HOSTLER_DOOR_PATIENCE");
    assert_int_equal(other.door.patience_us, 7000000);
    assert_differ(&house, &h, &h, "");
    assert_differ(&house, &h, &other, "door.patience");
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_setting_is_one_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
