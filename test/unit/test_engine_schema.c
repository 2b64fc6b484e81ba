/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas as terms: how instances are written, what is refused and how, and that hostile ones end.
 * What each keyword means is in test/data/schemas.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/schema.h"

static const struct schema_options spaced = {.spaces = true}, compact = {.spaces = false};

/* A schema that was compiled, or why not. */
struct compiled {
    struct arena arena;
    struct terms *terms; /* an automaton's */
    term root;
    int err;
    struct grammar_why why;
};

static void import(struct compiled *c, struct terms *t, term root)
{
    c->err = terms_finish(t, root, NULL);
    c->terms = terms_new(GRAMMAR_BYTES_MAX);
    assert_non_null(c->terms);
    if (!c->err) c->root = terms_import(c->terms, t);
}

static void compile(struct compiled *c, struct str schema, const struct schema_options *options)
{
    const struct json *v;
    term root = TERM_NONE;
    struct terms *t = terms_new(GRAMMAR_BYTES_MAX);
    *c = (struct compiled){.why = {.arena = &c->arena}};
    assert_non_null(t);
    arena_init(&c->arena, GRAMMAR_BYTES_MAX, 1 << 12);
    assert_int_equal(json_parse(&c->arena, schema, &v, NULL), 0);
    c->err = schema_term(t, v, options, &c->why, &root);
    if (!c->err) import(c, t, root);
    terms_free(t);
}

static void done(struct compiled *c)
{
    terms_free(c->terms);
    arena_fini(&c->arena);
}

static void good(struct compiled *c, const char *schema)
{
    compile(c, str_of(schema), &spaced);
    if (c->err) fail_msg("%s: %.*s", schema, STR_ARG(c->why.text));
}

static void takes(struct compiled *c, const char *text)
{
    if (!term_takes(c->terms, c->root, str_of(text))) fail_msg("'%s' is not taken", text);
}

static void rejects(struct compiled *c, const char *text)
{
    if (term_takes(c->terms, c->root, str_of(text))) fail_msg("'%s' is taken", text);
}

/* --- how instances are written --- */

static void properties_have_an_order(void **state)
{
    struct compiled c;
    (void)state;
    good(&c, "{\"properties\":{\"b\":{\"type\":\"null\"},\"a\":{\"type\":\"null\"}},"
             "\"required\":[\"z\",\"a\"],\"type\":\"object\"}");
    takes(&c, "{\"b\":null,\"a\":null,\"z\":1}");
    takes(&c, "{\"a\":null,\"z\":1}");
    takes(&c, "{\"a\":null,\"z\":1,\"c\":[]}");
    rejects(&c, "{\"a\":null,\"b\":null,\"z\":1}");
    rejects(&c, "{\"z\":1,\"a\":null}");
    rejects(&c, "{\"a\":null,\"c\":[],\"z\":1}");
    rejects(&c, "{\"a\":null,\"z\":1,\"b\":null}");
    done(&c);
}

/* What is written with a point is read as a double, which is another number then. */
static void large_values_have_no_point(void **state)
{
    struct compiled c;
    (void)state;
    good(&c, "{\"enum\":[5,12345678901234567890123,[9007199254740993]]}");
    takes(&c, "5");
    takes(&c, "5.0");
    takes(&c, "12345678901234567890123");
    rejects(&c, "12345678901234567890123.0");
    takes(&c, "[9007199254740993]");
    rejects(&c, "[9007199254740993.0]");
    done(&c);
}

/* Never ignored, as if it were not there. */
static void what_is_malformed_is_refused(void **state)
{
    static const char *const schemas[] = {
        "{\"allOf\":{\"type\":\"null\"}}",
        "{\"anyOf\":{}}",
        "{\"prefixItems\":{\"type\":\"null\"}}",
        "{\"properties\":[\"a\"]}",
        "{\"patternProperties\":[]}",
        "{\"dependencies\":[1]}",
        "{\"dependentRequired\":[\"a\"]}",
        "{\"dependentSchemas\":true}",
        "{\"dependentRequired\":{\"a\":\"b\"}}",
        "{\"uniqueItems\":\"yes\"}",
        "{\"format\":1}",
        "{\"$ref\":1}",
        "{\"required\":[1]}",
        "{\"required\":\"a\"}",
        "{\"properties\":{\"a\":1}}",
        "{\"items\":1}",
        "{\"additionalProperties\":\"no\"}",
        "{\"propertyNames\":1}",
        "{\"contains\":\"a\"}",
        "{\"not\":[]}",
        "{\"if\":1,\"then\":true}",
        "{\"if\":true,\"then\":1}",
        "{\"minLength\":\"1\"}",
        "{\"maxItems\":1.5}",
        "{\"pattern\":[]}",
        "{\"multipleOf\":0}",
        "{\"multipleOf\":-1}",
        "{\"type\":[\"null\",1]}",
        "{\"unevaluatedProperties\":1}",
        "{\"unevaluatedItems\":1}",
        "{\"additionalItems\":1,\"items\":[]}",
        "{\"maxProperties\":-1}",
        "{\"minProperties\":null}",
        "{\"anyOf\":[1]}",
        "{\"patternProperties\":{\"(\":true}}",
    };
    struct compiled c;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
        compile(&c, str_of(schemas[i]), &spaced);
        if (c.err != ERR_UNSUPPORTED && c.err != ERR_SYNTAX) fail_msg("%s: %d", schemas[i], c.err);
        done(&c);
    }
}

/* A $ref that is looked for in all of a large document, again and again. */
static void references_have_a_budget(void **state)
{
    struct compiled c;
    struct buf text;
    (void)state;
    buf_init(&text, 64 << 20);
    assert_int_equal(buf_append(&text, STR("{\"$defs\":{\"a\":{\"$id\":\"/x\"}},\"examples\":[0")),
                     0);
    for (unsigned i = 0; i < 300000; i++)
        assert_int_equal(buf_append(&text, STR(",0")), 0);
    assert_int_equal(buf_append(&text, STR("],\"prefixItems\":[true")), 0);
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(buf_append(&text, STR(",{\"$ref\":\"x\",\"description\":\"\"}")), 0);
    assert_int_equal(buf_append(&text, STR("]}")), 0);
    compile(&c, buf_str(&text), &spaced);
    assert_int_equal(c.err, ERR_TOO_LARGE);
    done(&c);
    buf_fini(&text);
}

static void objects_may_be_closed(void **state)
{
    (void)state;
    static const struct schema_options closed = {.closed = true};
    static const struct {
        const char *schema, *text;
        bool taken;
    } cases[] = {
        {"{\"properties\":{\"a\":{}},\"type\":\"object\"}", "{\"a\":1}", true},
        {"{\"properties\":{\"a\":{}},\"type\":\"object\"}", "{\"a\":1,\"b\":1}", false},
        {"{\"properties\":{\"a\":{}},\"required\":[\"b\"]}", "{\"a\":1,\"b\":1}", true},
        {"{\"allOf\":[{\"properties\":{\"a\":{}}},{\"properties\":{\"b\":{}}}]}",
         "{\"a\":1,\"b\":1}", true},
        /* These say what else there may be. */
        {"{\"type\":\"object\"}", "{\"b\":1}", true},
        {"{\"properties\":{\"a\":{}},\"additionalProperties\":true}", "{\"a\":1,\"b\":1}", true},
        {"{\"properties\":{\"a\":{}},\"patternProperties\":{\"^b\":{}}}", "{\"a\":1,\"b\":1}",
         true},
        {"{\"properties\":{\"a\":{}},\"minProperties\":2}", "{\"a\":1,\"b\":1}", true},
        {"{\"properties\":{\"a\":{}},\"not\":{\"patternProperties\":{\"^b\":false}}}",
         "{\"a\":1,\"b\":1}", true},
        {"{\"allOf\":[{\"properties\":{\"a\":{}}}],\"unevaluatedProperties\":{}}",
         "{\"a\":1,\"b\":1}", true},
        {"{\"allOf\":[{\"properties\":{\"a\":{}}}],\"unevaluatedProperties\":{\"type\":\"null\"}}",
         "{\"a\":1,\"b\":null}", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct compiled c;
        compile(&c, str_of(cases[i].schema), &closed);
        assert_int_equal(c.err, 0);
        if (term_takes(c.terms, c.root, str_of(cases[i].text)) != cases[i].taken)
            fail_msg("%s: %s", cases[i].schema, cases[i].text);
        done(&c);
    }
}

static void merged_properties_have_the_order_of_their_schemas(void **state)
{
    struct compiled c;
    (void)state;
    good(&c, "{\"properties\":{\"b\":{}},\"allOf\":[{\"properties\":{\"a\":{},\"b\":{}}}],"
             "\"type\":\"object\"}");
    takes(&c, "{\"b\":1,\"a\":2}");
    rejects(&c, "{\"a\":2,\"b\":1}");
    done(&c);
    good(&c, "{\"$ref\":\"#/$defs/x\",\"properties\":{\"b\":{}},\"type\":\"object\","
             "\"$defs\":{\"x\":{\"properties\":{\"c\":{}}}}}");
    takes(&c, "{\"c\":1,\"b\":2}");
    rejects(&c, "{\"b\":2,\"c\":1}");
    done(&c);
}

static void white_space_is_bounded(void **state)
{
    struct compiled c;
    (void)state;
    good(&c, "{\"properties\":{\"a\":{\"items\":{\"type\":\"null\"}}},\"type\":\"object\"}");
    takes(&c, "{\"a\": [null, null]}");
    takes(&c, "{\n  \"a\": [\n    null,\n    null\n  ]\n}");
    takes(&c, "{\n\t\"a\": [\n\t\tnull\n\t]\n}");
    takes(&c, "{ }");
    rejects(&c, "{  \"a\":[]}");
    rejects(&c, "{\n\n\"a\":[]}");
    rejects(&c, "{\"a\" :[]}");
    rejects(&c, " {}");
    rejects(&c, "{} ");
    done(&c);
}

static void white_space_may_be_left_out(void **state)
{
    struct compiled c;
    (void)state;
    compile(&c, STR("{\"type\":\"array\"}"), &compact);
    takes(&c, "[1,{\"a\":2}]");
    rejects(&c, "[1, 2]");
    rejects(&c, "[ ]");
    done(&c);
}

static void names_have_one_text(void **state)
{
    struct compiled c;
    (void)state;
    good(&c, "{\"properties\":{\"a\":{\"type\":\"null\"}},\"type\":\"object\"}");
    takes(&c, "{\"\\n\":1}");
    takes(&c, "{\"aa\":1}");
    rejects(&c, "{\"a\":1}");
    rejects(&c, "{\"\\u0061\":1}");
    rejects(&c, "{\"a\":null,\"a\":1}");
    done(&c);
}

static void any_object(void **state)
{
    struct compiled c = {0};
    struct terms *t = terms_new(GRAMMAR_BYTES_MAX);
    (void)state;
    assert_non_null(t);
    import(&c, t, schema_any_object(t, &spaced));
    takes(&c, "{}");
    takes(&c, "{\"a\": [1, -2.5e3, \"\\u00e9\", {\"b\": null}], \"a\": true}");
    rejects(&c, "[]");
    rejects(&c, "{\"a\"}");
    rejects(&c, "{\"a\": 01}");
    rejects(&c, "{\"a\": \"\t\"}");
    rejects(&c, "{\"a\": 1,}");
    terms_free(t);
    terms_free(c.terms);
}

static void any_value(void **state)
{
    struct compiled c = {0};
    struct terms *t = terms_new(GRAMMAR_BYTES_MAX);
    (void)state;
    assert_non_null(t);
    import(&c, t, schema_any_value(t, &compact));
    takes(&c, "[[[[]]],{\"\":\"\"}]");
    takes(&c, "false");
    takes(&c, "0");
    rejects(&c, "");
    rejects(&c, "[[]");
    rejects(&c, "nul");
    terms_free(t);
    terms_free(c.terms);
}

/* What readers make a double of. */
static void numbers_that_must_not_be_others_have_few_digits(void **state)
{
    struct compiled c;
    (void)state;
    good(&c, "{\"type\":\"number\",\"not\":{\"type\":\"integer\"}}");
    takes(&c, "-12.5");
    takes(&c, "123456789.000001");
    rejects(&c, "2");
    rejects(&c, "2.0");
    rejects(&c, "1126448303931682110963.03");
    rejects(&c, "1.00000000000000000001");
    done(&c);
    good(&c, "{\"type\":\"number\",\"not\":{\"enum\":[1]}}");
    takes(&c, "1.5");
    takes(&c, "123456789012345678901");
    rejects(&c, "1.0");
    rejects(&c, "1.00000000000000000001");
    done(&c);
    good(&c, "{\"type\":\"number\",\"not\":{\"multipleOf\":3}}");
    takes(&c, "3.5");
    rejects(&c, "3.00000000000000000001");
    done(&c);
}

static void rules_may_call_themselves(void **state)
{
    struct compiled c;
    (void)state;
    good(&c, "{\"type\":\"object\",\"properties\":{\"next\":{\"anyOf\":[{\"$ref\":\"#\"},"
             "{\"type\":\"null\"}]}},\"required\":[\"next\"],\"additionalProperties\":false}");
    takes(&c, "{\"next\":{\"next\":{\"next\":null}}}");
    rejects(&c, "{\"next\":{\"next\":{}}}");
    done(&c);
}

/* --- refusals --- */

static void fails(const char *schema, int err, const char *why)
{
    struct compiled c;
    compile(&c, str_of(schema), &spaced);
    if (c.err != err) fail_msg("%s: %d", schema, c.err);
    if (!str_eq(c.why.text, str_of(why))) fail_msg("%.*s", STR_ARG(c.why.text));
    done(&c);
}

static void is_refused(const char *schema, const char *why)
{
    fails(schema, ERR_UNSUPPORTED, why);
}

/* Wherever it stands, and whether or not a value could come to it. */
static void is_malformed(const char *schema, const char *why)
{
    char within[512], further[512];
    fails(schema, ERR_SYNTAX, why);
    (void)snprintf(within, sizeof within, "{\"$defs\":{\"x\":%s},\"type\":\"null\"}", schema);
    (void)snprintf(further, sizeof further, "#/$defs/x%s", why + 1);
    fails(within, ERR_SYNTAX, further);
}

static void refusals_name_keyword_and_path(void **state)
{
    (void)state;
    is_refused("{\"$ref\":\"http://example.com/x\"}",
               "#: $ref: only schemas of the same document can be meant.");
    is_refused("{\"anyOf\":[{\"$ref\":\"#\"}]}", "#: $ref: it refers to itself.");
    is_refused("{\"multipleOf\":0.3}", "#: multipleOf: multiples of this are not supported.");
    is_refused("{\"items\":{\"$dynamicRef\":\"#x\"}}",
               "#/items: $dynamicRef: it is not supported.");
    is_refused("{\"pattern\":\"a(?=b)\"}",
               "#: pattern: look ahead at byte 1 of the pattern cannot be enforced.");
}

static void malformed_keywords_are_named(void **state)
{
    (void)state;
    static const char no_list[] = "it must be an array",
                      no_names[] = "it must be an array of strings",
                      no_object[] = "it must be an object", no_text[] = "it must be a string",
                      no_number[] = "it must be a number", empty[] = "it must not be empty",
                      no_count[] = "it must be a whole number that is not negative",
                      no_lists[] = "it must be an object of arrays of strings";
    static const struct {
        const char *keyword, *value, *why;
    } rows[] = {
        {"$ref", "1", no_text},
        {"$anchor", "{}", no_text},
        {"$defs", "[]", no_object},
        {"definitions", "true", no_object},
        {"allOf", "{}", no_list},
        {"anyOf", "[]", empty},
        {"anyOf", "\"a\"", no_list},
        {"oneOf", "[]", empty},
        {"type", "[]", empty},
        {"type", "5", "it must be a string, or an array of strings"},
        {"type", "[\"null\",5]", "it must be a string, or an array of strings"},
        {"enum", "[]", empty},
        {"enum", "{}", no_list},
        {"minimum", "\"1\"", no_number},
        {"maximum", "null", no_number},
        {"exclusiveMinimum", "\"1\"", no_number},
        {"exclusiveMaximum", "[]", no_number},
        {"multipleOf", "0", "it must be a number above 0"},
        {"multipleOf", "\"1\"", "it must be a number above 0"},
        {"minLength", "\"3\"", no_count},
        {"maxLength", "1.5", no_count},
        {"pattern", "5", no_text},
        {"format", "true", no_text},
        {"prefixItems", "{}", no_list},
        {"minItems", "-1", no_count},
        {"maxItems", "[]", no_count},
        {"uniqueItems", "\"yes\"", "it must be true or false"},
        {"minContains", "null", no_count},
        {"maxContains", "\"1\"", no_count},
        {"properties", "[]", no_object},
        {"patternProperties", "1", no_object},
        {"required", "true", no_names},
        {"required", "[\"a\",1]", no_names},
        {"minProperties", "{}", no_count},
        {"maxProperties", "-1", no_count},
        {"dependentRequired", "[]", no_lists},
        {"dependentRequired", "{\"a\":[1]}", no_lists},
        {"dependentSchemas", "[]", no_object},
        {"dependencies", "{\"a\":[1]}", "it must be an object of schemas and arrays of strings"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char schema[128], why[256];
        (void)snprintf(schema, sizeof schema, "{\"%s\":%s}", rows[i].keyword, rows[i].value);
        (void)snprintf(why, sizeof why, "#: %s: %s.", rows[i].keyword, rows[i].why);
        is_malformed(schema, why);
    }
}

static void malformed_schemas_within_are_found(void **state)
{
    (void)state;
    static const char *const holders[] = {"not",
                                          "if",
                                          "then",
                                          "else",
                                          "items",
                                          "additionalItems",
                                          "unevaluatedItems",
                                          "contains",
                                          "additionalProperties",
                                          "unevaluatedProperties",
                                          "propertyNames"};
    for (size_t i = 0; i < ARRAY_LEN(holders); i++) {
        char schema[128], why[256];
        (void)snprintf(schema, sizeof schema, "{\"%s\":\"no\"}", holders[i]);
        (void)snprintf(why, sizeof why, "#/%s: schema: it must be an object or a boolean.",
                       holders[i]);
        is_malformed(schema, why);
    }
    is_malformed("{\"allOf\":[{},3]}", "#/allOf/1: schema: it must be an object or a boolean.");
    is_malformed("{\"items\":[{},{\"minLength\":-1}]}",
                 "#/items/1: minLength: it must be a whole number that is not negative.");
    is_malformed("{\"dependencies\":{\"a\":[\"b\"],\"c\":1}}",
                 "#/dependencies/c: schema: it must be an object or a boolean.");
    is_malformed("{\"properties\":{\"a/b\":{\"type\":\"int\"}}}",
                 "#/properties/a~1b: type: there is no type \"int\", only null, boolean, integer, "
                 "number, string, array and object.");
    is_malformed("{\"properties\":{\"a\":{\"$ref\":\"#/$defs/A\"}}}",
                 "#/properties/a: $ref: #/$defs/A is not there.");
    /* A reference may lead to what no keyword has. */
    fails("{\"$ref\":\"#/x/y\",\"x\":{\"y\":{\"enum\":5}}}", ERR_SYNTAX,
          "#/x/y: enum: it must be an array.");
}

/* As those of agents' tools: references are looked for among many values. */
static void large_schemas_are_checked(void **state)
{
    (void)state;
    char schema[8192] = "{\"$defs\":{\"a\":{\"type\":\"string\"}},\"properties\":{";
    struct arena arena;
    struct grammar_why why = {.arena = &arena};
    const struct json *v;
    for (unsigned i = 0; i < 100; i++) {
        size_t len = strlen(schema);
        (void)snprintf(schema + len, sizeof schema - len, "%s\"p%u\":{\"$ref\":\"#/$defs/a\"}",
                       i ? "," : "", i);
    }
    strcat(schema, "}}");
    arena_init(&arena, GRAMMAR_BYTES_MAX, 1 << 12);
    assert_int_equal(json_parse(&arena, str_of(schema), &v, NULL), 0);
    assert_int_equal(schema_check(v, &why), 0);
    arena_fini(&arena);
}

static void what_looks_malformed_may_be_none(void **state)
{
    (void)state;
    static const char *const schemas[] = {
        "{\"properties\":{\"required\":{},\"type\":{},\"enum\":true}}",
        "{\"const\":{\"type\":5},\"default\":{\"enum\":[]},\"examples\":[{\"type\":5}]}",
        "{\"enum\":[{\"type\":5}],\"x-order\":{\"type\":5}}",
        "{\"properties\":null,\"dependentRequired\":null,\"uniqueItems\":null}",
        "{\"minimum\":1,\"exclusiveMinimum\":true,\"items\":[],\"description\":null}",
    };
    for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
        struct compiled c;
        good(&c, schemas[i]);
        done(&c);
    }
}

static void what_no_value_meets_has_no_text(void **state)
{
    struct compiled c;
    (void)state;
    good(&c, "{\"type\":\"object\",\"properties\":{\"a\":false},\"required\":[\"a\"]}");
    assert_int_equal(c.root, TERM_NONE);
    done(&c);
    good(&c, "{\"properties\":{\"n\":{\"$ref\":\"#\"}},\"required\":[\"n\"],\"type\":\"object\"}");
    assert_int_equal(c.root, TERM_NONE);
    done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_values_have_no_point),
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(references_have_a_budget),
        cmocka_unit_test(properties_have_an_order),
        cmocka_unit_test(objects_may_be_closed),
        cmocka_unit_test(merged_properties_have_the_order_of_their_schemas),
        cmocka_unit_test(white_space_is_bounded),
        cmocka_unit_test(white_space_may_be_left_out),
        cmocka_unit_test(names_have_one_text),
        cmocka_unit_test(any_object),
        cmocka_unit_test(any_value),
        cmocka_unit_test(numbers_that_must_not_be_others_have_few_digits),
        cmocka_unit_test(rules_may_call_themselves),
        cmocka_unit_test(refusals_name_keyword_and_path),
        cmocka_unit_test(malformed_keywords_are_named),
        cmocka_unit_test(malformed_schemas_within_are_found),
        cmocka_unit_test(large_schemas_are_checked),
        cmocka_unit_test(what_looks_malformed_may_be_none),
        cmocka_unit_test(what_no_value_meets_has_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
