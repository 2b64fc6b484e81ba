/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

#include "gate/archive.h"

static const struct archive_limits roomy = {.bytes = 1 << 20, .age_us = 1000};

static struct archived response_of(struct str id, struct str owner, struct str text)
{
    return (struct archived){
        .id = id, .owner = owner, .response = text, .input = STR("[]"), .output = STR("[1]")};
}

static void put(struct archive *a, const struct archive_limits *limits, const char *id,
                struct archived *previous, uint64_t now)
{
    struct archived r = response_of(str_of(id), STR("me"), STR("{\"x\":1}"));
    archive_put(a, limits, &r, previous, now);
}

static bool has(struct archive *a, const struct archive_limits *limits, const char *id,
                uint64_t now)
{
    struct archived *r = archive_find(a, limits, STR("me"), str_of(id), now);
    archived_unref(r);
    return r != NULL;
}

static void what_was_kept_is_found_by_its_owner(void **state)
{
    (void)state;
    struct archive *a = archive_new();
    put(a, &roomy, "resp_1", NULL, 1);
    struct archived *r = archive_find(a, &roomy, STR("me"), STR("resp_1"), 2);
    assert_non_null(r);
    assert_true(str_eq(r->response, STR("{\"x\":1}")) && str_eq(r->input, STR("[]")) &&
                str_eq(r->output, STR("[1]")));
    archived_unref(r);
    assert_null(archive_find(a, &roomy, STR("you"), STR("resp_1"), 2));
    assert_null(archive_find(a, &roomy, STR("me"), STR("resp_2"), 2));
    assert_false(archive_delete(a, STR("you"), STR("resp_1")));
    assert_true(archive_delete(a, STR("me"), STR("resp_1")));
    assert_false(archive_delete(a, STR("me"), STR("resp_1")));
    assert_int_equal(archive_bytes(a), 0);
    archive_free(a);
}

static void the_old_go(void **state)
{
    (void)state;
    struct archive *a = archive_new();
    put(a, &roomy, "resp_1", NULL, 1);
    put(a, &roomy, "resp_2", NULL, 500);
    assert_true(has(a, &roomy, "resp_1", 1000));
    assert_false(has(a, &roomy, "resp_1", 1001));
    assert_true(has(a, &roomy, "resp_2", 1001));
    archive_free(a);
}

static void bytes_have_a_limit(void **state)
{
    (void)state;
    struct archive *a = archive_new();
    put(a, &roomy, "resp_0", NULL, 1);
    struct archive_limits tight = {.bytes = archive_bytes(a) * 3, .age_us = 1000};
    char id[16];
    for (int i = 1; i < 10; i++) {
        (void)snprintf(id, sizeof id, "resp_%d", i);
        put(a, &tight, id, NULL, 1);
        assert_true(archive_bytes(a) <= tight.bytes);
    }
    assert_false(has(a, &tight, "resp_6", 1));
    assert_true(has(a, &tight, "resp_7", 1) && has(a, &tight, "resp_9", 1));
    struct archive_limits none = {.age_us = 1000};
    put(a, &none, "resp_x", NULL, 1);
    assert_false(has(a, &roomy, "resp_x", 1));
    archive_free(a);
}

/* What has no room would drive out all others, and itself. */
static void what_does_not_fit_harms_nobody(void **state)
{
    (void)state;
    static char large[4096];
    struct archive *a = archive_new();
    struct archive_limits tight = {.bytes = 4000, .age_us = 1000};
    put(a, &tight, "resp_0", NULL, 1);
    struct archived r = response_of(STR("resp_x"), STR("me"), str_n(large, sizeof large));
    archive_put(a, &tight, &r, NULL, 1);
    assert_false(has(a, &tight, "resp_x", 1));
    assert_true(has(a, &tight, "resp_0", 1));
    /* nor what has none together with what it continues */
    r.response.len = 1500;
    r.id = STR("resp_1");
    archive_put(a, &tight, &r, NULL, 1);
    struct archived *first = archive_find(a, &tight, STR("me"), STR("resp_1"), 1);
    r.id = STR("resp_2");
    r.response.len = 2500;
    archive_put(a, &tight, &r, first, 1);
    archived_unref(first);
    assert_false(has(a, &tight, "resp_2", 1));
    assert_true(has(a, &tight, "resp_0", 1) && has(a, &tight, "resp_1", 1));
    archive_free(a);
}

/* What is continued stays for who continues it, though nobody finds it by itself. */
static void a_conversation_is_a_chain(void **state)
{
    (void)state;
    struct archive *a = archive_new();
    struct archived *last = NULL;
    char id[16];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(id, sizeof id, "resp_%d", i);
        put(a, &roomy, id, last, 1);
        archived_unref(last);
        last = archive_find(a, &roomy, STR("me"), str_of(id), 1);
    }
    assert_true(archive_delete(a, STR("me"), STR("resp_0")));
    size_t length = 0;
    for (struct archived *r = last; r; r = r->previous)
        length++;
    assert_int_equal(length, 1000);
    archived_unref(last);
    archive_free(a);
}

static void *hammer(void *archive)
{
    char id[16];
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(id, sizeof id, "resp_%d", i % 7);
        struct archived *previous = archive_find(archive, &roomy, STR("me"), str_of(id), 1);
        put(archive, &roomy, id, i % 50 ? previous : NULL, 1);
        if (i % 11 == 0) (void)archive_delete(archive, STR("me"), str_of(id));
        archived_unref(previous);
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    (void)state;
    struct archive *a = archive_new();
    pthread_t threads[3];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, a), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    archive_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_kept_is_found_by_its_owner),
        cmocka_unit_test(the_old_go),
        cmocka_unit_test(bytes_have_a_limit),
        cmocka_unit_test(what_does_not_fit_harms_nobody),
        cmocka_unit_test(a_conversation_is_a_chain),
        cmocka_unit_test(threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
