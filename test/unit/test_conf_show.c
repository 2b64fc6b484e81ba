/* SPDX-License-Identifier: Apache-2.0 */
/* What is generated from the schema table: the effective configuration, the JSON Schema, the
 * manual. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "conf/conf.h"
#include "conf/schema.h"

enum { OUTPUT_MAX = 1 << 20 };

static const char sample[] =
    "listen: [\":8080\", \"unix:/run/h\"]\n"
    "models:\n"
    "  - name: \"a:#b\"\n"
    "    aliases: [\"12\", 'true', \"gr\\u00fcn\", \"$${x}\"]\n"
    "    endpoints:\n"
    "      - { url: \"http://h/v1\", key: sk-secret-1, labels: { a: \"b \\\"c\\\"\" } }\n"
    "    engine: { command: [run, \"${socket}\", \"$${socket\", \"two\\nlines\"], env: { T: sk-secret-2 } }\n"
    "  - name: b\n"
    "    endpoints: [{ url: \"unix:/x\", capacity: 3 }]\n"
    "    fallback: \"12\"\n"
    "keys: [{ name: n, key: sk-secret-3 }]\n"
    "timeouts: { total: none, connect: 1500ms }\n"
    "limits: { body_max: 5MB }\n";

static struct conf *load(struct str text)
{
    struct conf_problems p;
    struct conf *c = NULL;
    conf_problems_init(&p);
    int err = conf_parse(text, "test.yaml", &c, &p);
    for (size_t i = 0; i < p.count; i++)
        print_error("%u: %.*s: %.*s\n", p.items[i].line, STR_ARG(p.items[i].setting),
                    STR_ARG(p.items[i].text));
    assert_int_equal(err, 0);
    conf_problems_fini(&p);
    return c;
}

static bool has(const struct buf *b, const char *text)
{
    return str_find(buf_str(b), str_of(text)) >= 0;
}

static void shown_yaml_reads_back(void **state)
{
    (void)state;
    struct buf first, second;
    struct conf *c = load(str_of(sample));
    buf_init(&first, OUTPUT_MAX);
    buf_init(&second, OUTPUT_MAX);
    assert_int_equal(conf_write_yaml(c, &first), 0);
    struct conf *again = load(buf_str(&first));
    assert_int_equal(conf_write_yaml(again, &second), 0);
    assert_true(str_eq(buf_str(&first), buf_str(&second)));
    assert_true(str_eq(again->models[0].name, STR("a:#b")));
    assert_true(str_eq(again->models[0].aliases[3], STR("${x}")));
    assert_true(str_eq(again->models[0].engine->command[2], STR("${socket")));
    assert_true(str_eq(again->models[0].engine->command[3], STR("two\nlines")));
    assert_int_equal(again->timeouts.total_us, 0);
    assert_int_equal(again->timeouts.connect_us, 1500000);
    assert_int_equal(again->limits.body_max, 5000000);
    assert_int_equal(again->models[0].endpoint_count, 2);
    conf_unref(c);
    conf_unref(again);
    buf_fini(&first);
    buf_fini(&second);
}

static void shows_no_secrets(void **state)
{
    (void)state;
    struct buf out;
    struct conf *c = load(str_of(sample));
    buf_init(&out, OUTPUT_MAX);
    assert_int_equal(conf_write_yaml(c, &out), 0);
    assert_false(has(&out, "sk-secret"));
    assert_true(has(&out, "\"[redacted]\""));
    buf_clear(&out);
    assert_int_equal(conf_write_json(c, &out), 0);
    assert_false(has(&out, "sk-secret"));
    assert_true(has(&out, "\"connect\":\"1500ms\""));
    assert_true(has(&out, "\"total\":\"none\""));
    assert_true(has(&out, "\"body_max\":5000000"));
    assert_true(has(&out, "\"head_max\":\"64KiB\""));
    assert_true(has(&out, "\"capacity\":\"unlimited\""));
    conf_unref(c);
    buf_fini(&out);
}

/* Every setting stands in both documents. */
static void check_group(const struct conf_group *group, const struct buf *manual,
                        const struct buf *schema)
{
    for (size_t i = 0; i < group->row_count; i++) {
        const struct conf_row *row = &group->rows[i];
        char text[128];
        snprintf(text, sizeof text, row->type == CONF_GROUP ? "## `%s`" : "| `%s` |", row->name);
        assert_true(has(manual, text));
        snprintf(text, sizeof text, "\"%s\":{\"description\"", row->name);
        assert_true(has(schema, text));
        if (row->group) check_group(row->group, manual, schema);
    }
}

static void documents_every_setting(void **state)
{
    (void)state;
    struct buf manual, schema;
    buf_init(&manual, OUTPUT_MAX);
    buf_init(&schema, OUTPUT_MAX);
    assert_int_equal(conf_write_manual(&manual), 0);
    assert_int_equal(conf_write_json_schema(&schema), 0);
    check_group(&conf__root, &manual, &schema);
    buf_fini(&manual);
    buf_fini(&schema);
}

/* The manual's examples are in order as far as a group can be on its own. */
static void check_examples(const struct conf_group *group)
{
    struct conf_problems p;
    struct conf *c = NULL;
    conf_problems_init(&p);
    int err = conf_parse(str_of(group->example), "example", &c, &p);
    for (size_t i = 0; i < p.count; i++) {
        struct str text = p.items[i].text;
        bool elsewhere =
            str_find(text, STR("is missing")) >= 0 || str_find(text, STR("cannot be read")) >= 0 ||
            str_find(text, STR("is not set")) >= 0 || str_find(text, STR("no model")) >= 0;
        if (!elsewhere) fail_msg("%s: %.*s", group->name, STR_ARG(text));
    }
    if (!err) conf_unref(c);
    conf_problems_fini(&p);
    for (size_t i = 0; i < group->row_count; i++)
        if (group->rows[i].group) check_examples(group->rows[i].group);
}

static void examples_are_in_order(void **state)
{
    (void)state;
    check_examples(&conf__root);
}

static void output_has_a_limit(void **state)
{
    (void)state;
    struct buf out;
    struct conf *c = load(str_of(sample));
    buf_init(&out, 100);
    assert_int_equal(conf_write_yaml(c, &out), ERR_TOO_LARGE);
    buf_clear(&out);
    assert_int_equal(conf_write_json(c, &out), ERR_TOO_LARGE);
    buf_clear(&out);
    assert_int_equal(conf_write_manual(&out), ERR_TOO_LARGE);
    buf_clear(&out);
    assert_int_equal(conf_write_json_schema(&out), ERR_TOO_LARGE);
    conf_unref(c);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shown_yaml_reads_back),   cmocka_unit_test(shows_no_secrets),
        cmocka_unit_test(documents_every_setting), cmocka_unit_test(examples_are_in_order),
        cmocka_unit_test(output_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
