/* SPDX-License-Identifier: Apache-2.0 */
/* API keys: look-up by digest, patterns, and what a look-up costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "policy/keys.h"

static const struct key *find(const struct keyring *ring, struct digester *h, struct str presented)
{
    const struct key *key;
    assert_int_equal(keyring_find(ring, h, presented, &key), 0);
    return key;
}

static struct str all[] = {STR_INIT("*")};
static struct str some[] = {STR_INIT("demo"), STR_INIT("llama-*")};
static struct conf_key two_keys[] = {
    {.name = STR_INIT("ci"), .key = STR_INIT("sk-first-key"), .models = all, .model_count = 1},
    {.name = STR_INIT("web"), .key = STR_INIT("sk-second-key"), .models = some, .model_count = 2},
    {.name = STR_INIT("again"), .key = STR_INIT("sk-first-key"), .models = some, .model_count = 2},
};

static void finds_keys_by_digest(void **state)
{
    (void)state;
    struct conf conf = {.keys = two_keys, .key_count = 3};
    struct keyring *ring;
    struct digester *h;
    assert_int_equal(keyring_new(&conf, &ring), 0);
    assert_non_null(h = digester_new());
    assert_true(keyring_required(ring));

    const struct key *ci = find(ring, h, STR("sk-first-key"));
    const struct key *web = find(ring, h, STR("sk-second-key"));
    assert_true(ci && str_eq(key_name(ci), STR("ci")));
    assert_true(web && str_eq(key_name(web), STR("web")));
    assert_true(str_eq(key_tenant(ci), STR("08a25707b54a2461"))); /* in every process */
    assert_false(str_eq(key_tenant(ci), key_tenant(web)));
    assert_null(find(ring, h, STR("sk-first-keY")));
    assert_null(find(ring, h, STR("sk-first-key ")));
    assert_null(find(ring, h, STR("")));
    assert_null(find(ring, h, STR_NULL));

    assert_true(key_allows(ci, STR("anything/at:all")));
    assert_true(key_allows(web, STR("demo")));
    assert_true(key_allows(web, STR("llama-3.1-8b")));
    assert_true(key_allows(web, STR("llama-")));
    assert_false(key_allows(web, STR("demo2")));
    assert_false(key_allows(web, STR("Demo")));
    assert_false(key_allows(web, STR("llama")));
    assert_false(key_allows(web, STR("")));
    assert_true(key_allows(NULL, STR("demo")));

    digester_free(h);
    keyring_unref(keyring_ref(ring));
    keyring_unref(ring);
}

/* What was found lately is of the keyring that it was found in, also when the next one comes to lie
 * in its place. */
static void a_new_keyring_knows_only_its_own_keys(void **state)
{
    (void)state;
    struct digester *h = digester_new();
    assert_non_null(h);
    for (size_t round = 0; round < 20; round++) {
        struct conf conf = {.keys = &two_keys[round % 2], .key_count = 1};
        struct keyring *ring;
        assert_int_equal(keyring_new(&conf, &ring), 0);
        for (size_t again = 0; again < 2; again++) {
            const struct key *key = find(ring, h, two_keys[round % 2].key);
            assert_true(key && str_eq(key_name(key), two_keys[round % 2].name));
            assert_null(find(ring, h, two_keys[1 - round % 2].key));
        }
        keyring_unref(ring);
    }
    digester_free(h);
}

static void no_keys_are_required_when_none_are_configured(void **state)
{
    (void)state;
    struct conf conf = {0};
    struct keyring *ring;
    struct digester *h;
    assert_int_equal(keyring_new(&conf, &ring), 0);
    assert_non_null(h = digester_new());
    assert_false(keyring_required(ring));
    assert_null(find(ring, h, STR("sk-first-key")));
    digester_free(h);
    digester_free(NULL);
    keyring_unref(ring);
    keyring_unref(NULL);
}

enum { MANY = 1000 };

static void many_keys_are_found_and_cheap(void **state)
{
    (void)state;
    static struct conf_key keys[MANY];
    static char texts[MANY][40];
    for (size_t i = 0; i < MANY; i++) {
        int n = snprintf(texts[i], sizeof texts[i], "sk-hostler-%024zu", i);
        keys[i] = (struct conf_key){.name = str_n(texts[i], (size_t)n),
                                    .key = str_n(texts[i], (size_t)n),
                                    .models = all,
                                    .model_count = 1};
    }
    struct conf conf = {.keys = keys, .key_count = MANY};
    struct keyring *ring;
    struct digester *h;
    assert_int_equal(keyring_new(&conf, &ring), 0);
    assert_non_null(h = digester_new());
    uint64_t begin = clock_mono_us();
    for (size_t round = 0; round < 100; round++) {
        for (size_t i = 0; i < MANY; i++) {
            const struct key *k = find(ring, h, keys[i].key);
            assert_true(k && str_eq(key_name(k), keys[i].name));
        }
    }
    print_message("one look-up: %.3f us\n", (double)(clock_mono_us() - begin) / (100.0 * MANY));
    digester_free(h);
    keyring_unref(ring);
}

/* A name keeps its place, a new keyring or not; what there is no place for is "other". */
static void names_have_places_in_the_metrics(void **state)
{
    (void)state;
    struct key_labels labels;
    struct conf_key named_other = {.name = STR_INIT("other"), .key = STR_INIT("sk-third-key")};
    struct conf_key *keys = two_keys;
    char text[16];
    key_labels_init(&labels);
    for (unsigned round = 0; round < 2; round++, keys = &named_other) {
        struct conf conf = {.keys = keys, .key_count = round ? 1 : 2};
        struct keyring *ring;
        struct digester *h = digester_new();
        assert_int_equal(keyring_new(&conf, &ring), 0);
        const struct key *key = find(ring, h, keys[0].key);
        assert_int_equal(key_label(key), KEY_LABEL_OTHER);
        keyring_label(ring, &labels);
        assert_true(str_eq(labels.names[key_label(key)], key_name(key)));
        assert_int_equal(key_label(key), round ? KEY_LABEL_OTHER : KEY_LABELS_OWN);
        digester_free(h);
        keyring_unref(ring);
    }
    assert_int_equal(key_label(NULL), KEY_LABEL_NONE);
    assert_int_equal(labels.count, KEY_LABELS_OWN + 2);
    for (unsigned i = labels.count; i < KEY_LABELS; i++) {
        (void)snprintf(text, sizeof text, "key-%u", i);
        assert_int_equal(key_labels_place(&labels, str_of(text)), i);
    }
    assert_int_equal(key_labels_place(&labels, STR("one more")), KEY_LABEL_OTHER);
    assert_int_equal(key_labels_place(&labels, STR("web")), KEY_LABELS_OWN + 1);
    key_labels_fini(&labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_keys_by_digest),
        cmocka_unit_test(a_new_keyring_knows_only_its_own_keys),
        cmocka_unit_test(no_keys_are_required_when_none_are_configured),
        cmocka_unit_test(many_keys_are_found_and_cheap),
        cmocka_unit_test(names_have_places_in_the_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
