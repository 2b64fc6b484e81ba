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

/* One reading of a text by a schema; `problems` and `warnings` have a line for each: "line:
 * setting: words". */
struct reading {
    struct arena arena;
    char problems[2048];
    char warnings[2048];
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
    struct conf_problems problems, warnings;
    memset(base, 0, schema->size);
    arena_init(&r.arena, SIZE_MAX, 1024);
    conf_problems_init(&problems);
    conf_problems_init(&warnings);
    conf__load_init(&l, schema, base, &r.arena, STR("test.yaml"), &problems, &warnings);
    (void)conf__load_text(&l, str_of(text));
    conf__load_fini(&l);
    list_problems(r.problems, sizeof r.problems, &problems);
    list_problems(r.warnings, sizeof r.warnings, &warnings);
    conf_problems_fini(&problems);
    conf_problems_fini(&warnings);
    return r;
}

/* Reads what is in order. */
static struct arena read_good(const struct conf_group *schema, void *base, const char *text)
{
    struct reading r = reading_of(schema, base, text);
    assert_string_equal(r.problems, "");
    assert_string_equal(r.warnings, "");
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

/* --- a group with a short form --- */

struct post {
    struct str place;
    uint64_t floor;
    unsigned line;
};

struct office {
    struct post desk;
    struct post *safe;
    struct post *doors;
    size_t door_count;
};

static const struct conf_row post_rows[] = {
    {.name = "floor",
     .type = CONF_COUNT,
     ROW(post, floor),
     .max = 9,
     .standard = "1",
     .doc = "How high."},
    {.name = "place",
     .type = CONF_TEXT,
     ROW(post, place),
     .flags = CONF_REQUIRED,
     .wanted = "where it is",
     .doc = "Where."},
};
static const struct conf_group post = {
    .name = "post",
    .size = sizeof(struct post),
    .line_offset = offsetof(struct post, line),
    .text_row = "place",
    ROWS(post_rows),
    .doc = "",
    .example = "",
};
static const struct conf_row office_rows[] = {
    {.name = "desk", .type = CONF_GROUP, ROW(office, desk), .group = &post, .doc = "One."},
    {.name = "safe", .type = CONF_OPTIONAL, ROW(office, safe), .group = &post, .doc = "Perhaps."},
    {.name = "doors",
     .type = CONF_LIST,
     ROW(office, doors),
     .count_offset = offsetof(struct office, door_count),
     .max = 3,
     .group = &post,
     .flags = CONF_RESTART,
     .standard = "front",
     .doc = "Some."},
};
static const struct conf_group office = {
    .name = "", .size = sizeof(struct office), ROWS(office_rows), .doc = "", .example = ""};

/* What is shown is as short as it can be. */
static void a_text_may_stand_for_a_group(void **state)
{
    (void)state;
    struct office o;
    struct arena a = read_good(&office, &o, "desk: here\nsafe:\n  there\ndoors: back\n");
    assert_str(o.desk.place, "here");
    assert_int_equal(o.desk.floor, 1);
    assert_str(o.safe->place, "there");
    assert_int_equal(o.safe->line, 3);
    assert_int_equal(o.door_count, 1);
    assert_str(o.doors[0].place, "back");
    assert_int_equal(o.doors[0].line, 4);
    arena_fini(&a);
    assert_reads_as(&office, &o, "desk: { place: a, floor: 1 }\ndoors: { place: b }\n",
                    "desk: \"a\"\ndoors: [\"b\"]\n", "{\"desk\":\"a\",\"doors\":[\"b\"]}");
    assert_reads_as(&office, &o, "desk: { floor: 2, place: a }\ndoors: [b, { floor: 3, place: c }]",
                    "desk:\n  floor: 2\n  place: \"a\"\ndoors:\n  - \"b\"\n  - floor: 3\n"
                    "    place: \"c\"\n",
                    "{\"desk\":{\"floor\":2,\"place\":\"a\"},\"doors\":[\"b\",{\"floor\":3,"
                    "\"place\":\"c\"}]}");
    assert_reads_as(&office, &o, "desk: a\ndoors: []\n", "desk: \"a\"\ndoors: []\n",
                    "{\"desk\":\"a\",\"doors\":[]}");
}

static void problems_of_short_forms_name_what_was_written(void **state)
{
    (void)state;
    struct office o;
    assert_problems(&office, &o, "desk: \"\\x01\"\ndoors: [b, [c]]\n",
                    "1: desk: has a control character in it or is not UTF-8\n"
                    "2: doors[1]: is a list; settings such as `floor:` are expected below it\n");
    assert_problems(&office, &o, "desk: { floor: 3 }\nsafe: { place: a, floor: x }\n",
                    "1: desk.place: is missing: write where it is\n"
                    "2: safe.floor: \"x\" is not a whole number\n");
    assert_problems(&office, &o, "doors: [a, b, c, d]\n", "1: doors: has more than 3 items\n");
}

static void a_variable_may_hold_short_forms(void **state)
{
    (void)state;
    struct office o, other;
    setenv("HOSTLER_DOORS", "a, b", 1);
    setenv("HOSTLER_SAFE", "c", 1);
    setenv("HOSTLER_DESK_FLOOR", "4", 1);
    struct arena a = read_good(&office, &o, "desk: here\ndoors: back\n");
    assert_shown(&office, &o,
                 "desk:\n  floor: 4\n  place: \"here\"\nsafe: \"c\"\ndoors: [\"a\", \"b\"]\n",
                 "{\"desk\":{\"floor\":4,\"place\":\"here\"},\"safe\":\"c\",\"doors\":[\"a\","
                 "\"b\"]}");
    setenv("HOSTLER_DESK", "there", 1);
    setenv("HOSTLER_DESK_FLOOR", "x", 1);
    assert_problems(&office, &other, "{}", "0: HOSTLER_DESK_FLOOR: \"x\" is not a whole number\n");
    unsetenv("HOSTLER_DOORS");
    unsetenv("HOSTLER_SAFE");
    unsetenv("HOSTLER_DESK");
    unsetenv("HOSTLER_DESK_FLOOR");
    struct arena b = read_good(&office, &other, "desk: here\ndoors: [a, { place: b }]\n");
    assert_differ(&office, &o, &other, "");
    arena_fini(&b);
    b = read_good(&office, &other, "desk: here\ndoors: [a, { place: b, floor: 2 }]\n");
    assert_differ(&office, &o, &other, "doors");
    arena_fini(&b);
    arena_fini(&a);
}

static void both_forms_are_documented(void **state)
{
    (void)state;
    static const char object[] =
        "{\"type\":\"object\",\"additionalProperties\":false,\"required\":["
        "\"place\"],\"properties\":{\"floor\":{";
    static const char text[] = "\"anyOf\":[{\"type\":[\"string\",\"number\",\"boolean\"]},";
    char expected[512];
    assert_has(conf__write_manual, &office, "| `safe` | text or group |  | Perhaps. |\n");
    assert_has(conf__write_manual, &office, "| `doors` | text, group, or list of them | `front` |");
    assert_has(conf__write_manual, &office,
               "One text in place of the settings below is the `place`.\n");
    snprintf(expected, sizeof expected, "\"safe\":{\"description\":\"Perhaps.\",%s%s", text,
             object);
    assert_has(conf__write_json_schema, &office, expected);
    snprintf(expected, sizeof expected, "{\"type\":\"array\",\"items\":{%s%s", text, object);
    assert_has(conf__write_json_schema, &office, expected);
}

/* --- alternatives --- */

struct source {
    struct str url;
    struct post *select;
    struct str key;
    uint64_t share;
    struct str near;
    struct str far;
    struct str *towns;
    size_t town_count;
};

struct sources {
    struct source *items;
    size_t count;
};

static const struct conf_row source_rows[] = {
    {.name = "url",
     .type = CONF_TEXT,
     ROW(source, url),
     .choice = 1,
     .flags = CONF_REQUIRED,
     .wanted = "where it is",
     .doc = "Where."},
    {.name = "select",
     .type = CONF_OPTIONAL,
     ROW(source, select),
     .group = &post,
     .choice = 1,
     .flags = CONF_REQUIRED,
     .wanted = "which ones",
     .instead = "it has its own",
     .doc = "Which."},
    {.name = "key", .type = CONF_TEXT, ROW(source, key), .belongs_to = "url", .doc = "Secret."},
    {.name = "share",
     .type = CONF_COUNT,
     ROW(source, share),
     .max = 9,
     .standard = "1",
     .belongs_to = "select",
     .doc = "Part."},
    {.name = "near", .type = CONF_TEXT, ROW(source, near), .choice = 2, .doc = "Near."},
    {.name = "far", .type = CONF_TEXT, ROW(source, far), .choice = 2, .doc = "Far."},
    {.name = "towns",
     .type = CONF_TEXTS,
     ROW(source, towns),
     .count_offset = offsetof(struct source, town_count),
     .belongs_to = "far",
     .doc = "Between."},
};
static const struct conf_group source = {
    .name = "sources[]",
    .size = sizeof(struct source),
    .text_row = "url",
    ROWS(source_rows),
    .doc = "",
    .example = "",
};
static const struct conf_row sources_rows[] = {
    {.name = "sources",
     .type = CONF_LIST,
     ROW(sources, items),
     .count_offset = offsetof(struct sources, count),
     .max = 100,
     .group = &source,
     .doc = "Some."},
};
static const struct conf_group sources = {
    .name = "", .size = sizeof(struct sources), ROWS(sources_rows), .doc = "", .example = ""};

static void alternatives_are_shown_alone(void **state)
{
    (void)state;
    struct sources s;
    struct arena a = read_good(&sources, &s, "sources: [a, { url: b, key: k }, { select: c }]\n");
    assert_int_equal(s.count, 3);
    assert_str(s.items[1].url, "b");
    assert_str(s.items[2].select->place, "c");
    arena_fini(&a);
    assert_reads_as(&sources, &s,
                    "sources: [a, { url: b, key: k, select: }, { select: c, url: '', share: 2 }]\n",
                    "sources:\n  - \"a\"\n  - url: \"b\"\n    key: \"k\"\n"
                    "  - select: \"c\"\n    share: 2\n",
                    "{\"sources\":[\"a\",{\"url\":\"b\",\"key\":\"k\"},"
                    "{\"select\":\"c\",\"share\":2}]}");
}

static void one_alternative_is_written(void **state)
{
    (void)state;
    struct sources s;
    assert_problems(&sources, &s,
                    "sources:\n"
                    "  - { url: a, select: b }\n"
                    "  - {}\n"
                    "  - { select: b, key: k }\n"
                    "  - { url: a, share: 2 }\n"
                    "  - { url: a, near: b, far: c }\n"
                    "  - { url: a, near: b, towns: [c] }\n"
                    "  - { url: a, towns: [c] }\n"
                    "  - { url: a, towns: [], far: '', near: c }\n",
                    "2: sources[0]: has both `url` and `select`: keep one\n"
                    "3: sources[1]: needs `url` (where it is) or `select` (which ones)\n"
                    "4: sources[2].key: belongs to `url`, not to `select`: it has its own\n"
                    "5: sources[3].share: belongs to `select`, not to `url`\n"
                    "6: sources[4]: has both `near` and `far`: keep one\n"
                    "7: sources[5].towns: belongs to `far`, not to `near`\n"
                    "8: sources[6].towns: belongs to `far`, which is not written\n");
    /* What could not be read is the cause of what seems to be missing. */
    assert_problems(&sources, &s, "sources: [{ url: [] }, { selct: a }]\n",
                    "1: sources[0].url: is a list; one value is expected\n"
                    "1: sources[1].selct: unknown setting; did you mean \"select\"?\n");
}

static void alternatives_are_documented(void **state)
{
    (void)state;
    assert_has(conf__write_manual, &sources,
               "| `url` | text | `select` is needed | Where. Not beside `select`. |\n");
    assert_has(conf__write_manual, &sources, "| `key` | text |  | Secret. Belongs to `url`. |\n");
    assert_has(conf__write_manual, &sources, "| `near` | text |  | Near. Not beside `far`. |\n");
    assert_has(
        conf__write_json_schema, &sources,
        "\"required\":[],\"allOf\":[{\"oneOf\":[{\"required\":[\"url\"]},{\"required\":[\"select\"]}]},"
        "{\"oneOf\":[{\"required\":[\"near\"]},{\"required\":[\"far\"]},{\"not\":{\"anyOf\":["
        "{\"required\":[\"near\"]},{\"required\":[\"far\"]}]}}]}],\"dependentRequired\":{"
        "\"key\":[\"url\"],\"share\":[\"select\"],\"towns\":[\"far\"]}");
}

/* --- points in time --- */

struct ticket {
    uint64_t until_us;
    uint64_t renewed_us;
};

static const struct conf_row ticket_rows[] = {
    {.name = "until",
     .type = CONF_TIME,
     ROW(ticket, until_us),
     .zero = "never",
     .standard = "never",
     .flags = CONF_RESTART,
     .doc = "Its end."},
    {.name = "renewed", .type = CONF_TIME, ROW(ticket, renewed_us), .doc = "Its last begin."},
};
static const struct conf_group ticket = {
    .name = "", .size = sizeof(struct ticket), ROWS(ticket_rows), .doc = "", .example = ""};

static void a_time_is_a_type_of_value(void **state)
{
    (void)state;
    struct ticket t, other;
    assert_reads_as(&ticket, &t, "{}", "until: \"never\"\n", "{\"until\":\"never\"}");
    assert_reads_as(&ticket, &t, "until: 2027-01-01T01:00:00+01:00\nrenewed: 2026-01-01\n",
                    "until: \"2027-01-01T00:00:00Z\"\nrenewed: \"2026-01-01T00:00:00Z\"\n",
                    "{\"until\":\"2027-01-01T00:00:00Z\",\"renewed\":\"2026-01-01T00:00:00Z\"}");
    assert_int_equal(t.until_us, 1798761600000000);
    assert_problems(&ticket, &other, "until: tomorrow\n",
                    "1: until: \"tomorrow\" is no point in time such as 2026-12-31T23:59:59Z or "
                    "2026-12-31 nor the word never\n");
    assert_has(conf__write_manual, &ticket,
               "| `until` | never, or point in time | `never` | Its end.");
    assert_has(conf__write_manual, &ticket, "| `renewed` | point in time |  | Its last begin. |");
    assert_has(conf__write_json_schema, &ticket, "\"format\":\"date-time\"");
    assert_has(conf__write_json_schema, &ticket,
               "\"description\":\"Its end.\",\"anyOf\":[{\"$ref\":\"#/$defs/time\"},");
    setenv("HOSTLER_UNTIL", "2027-01-01", 1);
    struct arena a = read_good(&ticket, &other, "renewed: 2026-02-01\n");
    unsetenv("HOSTLER_UNTIL");
    assert_differ(&ticket, &t, &other, "");
    arena_fini(&a);
    a = read_good(&ticket, &other, "until: 2027-01-02\n");
    assert_differ(&ticket, &t, &other, "until");
    arena_fini(&a);
}

/* --- former names --- */

struct tower {
    struct str colour;
};

struct town {
    uint64_t height;
    struct tower *towers;
    size_t tower_count;
};

static const struct conf_row tower_rows[] = {
    {.name = "colour", .former = "color", .type = CONF_TEXT, ROW(tower, colour), .doc = "Looks."},
};
static const struct conf_group tower = {
    .name = "towers[]", .size = sizeof(struct tower), ROWS(tower_rows), .doc = "", .example = ""};
static const struct conf_row town_rows[] = {
    {.name = "height",
     .former = "size",
     .type = CONF_COUNT,
     ROW(town, height),
     .max = 99,
     .standard = "1",
     .doc = "How high."},
    {.name = "towers",
     .former = "spires",
     .type = CONF_LIST,
     ROW(town, towers),
     .count_offset = offsetof(struct town, tower_count),
     .max = 9,
     .group = &tower,
     .doc = "Some."},
};
static const struct conf_group town = {
    .name = "", .size = sizeof(struct town), ROWS(town_rows), .doc = "", .example = ""};

static void assert_warned(struct town *t, const char *text, const char *warnings)
{
    struct reading r = reading_of(&town, t, text);
    assert_string_equal(r.problems, "");
    assert_string_equal(r.warnings, warnings);
    arena_fini(&r.arena);
}

static void an_old_name_is_read_with_a_warning(void **state)
{
    (void)state;
    struct town t;
    assert_warned(&t, "towers: [{}]\nsize: 7\n", "2: size: has a new name: write `height`\n");
    assert_int_equal(t.height, 7);
    assert_warned(&t, "spires: [{ colour: a }, { color: b }]\n",
                  "1: spires: has a new name: write `towers`\n"
                  "1: towers[1].color: has a new name: write `colour`\n");
    assert_int_equal(t.tower_count, 2);
    assert_problems(&town, &t, "size: 7\nheight: 8\n",
                    "1: size: is the old name of `height`, which is written too: keep `height`\n");
    assert_problems(&town, &t, "siz: 7\n", "1: siz: unknown setting; did you mean \"height\"?\n");
    assert_problems(&town, &t, "size: x\n", "1: size: \"x\" is not a whole number\n");
}

static void so_is_a_variable_of_an_old_name(void **state)
{
    (void)state;
    static const char warning[] = "0: HOSTLER_SIZE: has a new name: set HOSTLER_HEIGHT\n";
    struct town t;
    setenv("HOSTLER_SIZE", "9", 1);
    assert_warned(&t, "{}", warning);
    assert_int_equal(t.height, 9);
    assert_warned(&t, "height: 3\n", warning);
    assert_int_equal(t.height, 9);
    setenv("HOSTLER_HEIGHT", "8", 1);
    assert_problems(&town, &t, "{}",
                    "0: HOSTLER_SIZE: is the old name of HOSTLER_HEIGHT, which is set too: keep "
                    "HOSTLER_HEIGHT\n");
    unsetenv("HOSTLER_SIZE");
    assert_warned(&t, "size: 3\n", "1: size: has a new name: write `height`\n");
    assert_int_equal(t.height, 8);
    unsetenv("HOSTLER_HEIGHT");
}

static void an_old_name_is_documented(void **state)
{
    (void)state;
    assert_has(conf__write_manual, &town,
               "| How high. Was called `size`, which is still read. |\n");
    assert_has(conf__write_json_schema, &town,
               "\"size\":{\"description\":\"The old name of `height`.\",\"deprecated\":true,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_setting_is_one_row),
        cmocka_unit_test(a_text_may_stand_for_a_group),
        cmocka_unit_test(problems_of_short_forms_name_what_was_written),
        cmocka_unit_test(a_variable_may_hold_short_forms),
        cmocka_unit_test(both_forms_are_documented),
        cmocka_unit_test(alternatives_are_shown_alone),
        cmocka_unit_test(one_alternative_is_written),
        cmocka_unit_test(alternatives_are_documented),
        cmocka_unit_test(a_time_is_a_type_of_value),
        cmocka_unit_test(an_old_name_is_read_with_a_warning),
        cmocka_unit_test(so_is_a_variable_of_an_old_name),
        cmocka_unit_test(an_old_name_is_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
