/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that cannot be set up: libcrypto's allocations fail one after the other. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "conf/conf.h"
#include "mesh/lists.h"
#include "node/worker.h"
#include "mesh/service.h"

/* libcrypto's own header is visible in one folder of src/ only. */
int CRYPTO_set_mem_functions(void *(*alloc)(size_t, const char *, int),
                             void *(*resize)(void *, size_t, const char *, int),
                             void (*release)(void *, const char *, int));

static unsigned long left = ULONG_MAX; /* allocations until they fail */

static void *alloc(size_t size, const char *file UNUSED, int line UNUSED)
{
    if (left == 0) return NULL;
    left--;
    return malloc(size);
}

static void *resize(void *old, size_t size, const char *file UNUSED, int line UNUSED)
{
    if (left == 0) return NULL;
    left--;
    return realloc(old, size);
}

static void release(void *p, const char *file UNUSED, int line UNUSED)
{
    free(p);
}

static void what_cannot_be_set_up_can_be_let_go(void **state)
{
    (void)state;
    static const char text[] = "models: [{ name: m, endpoints: [{ url: 'http://127.0.0.1:1' }] }]";
    struct conf_problems problems;
    struct conf *conf;
    struct mesh *mesh;
    conf_problems_init(&problems);
    assert_int_equal(conf_parse(str_of(text), "test.yaml", &conf, &problems), 0);
    conf_problems_fini(&problems);
    assert_int_equal(mesh_new(1, NULL, &mesh), 0);
    assert_int_equal(mesh_load_conf(mesh, conf, NULL, 1), 0);
    int failures = 0, err = -1;
    for (unsigned long n = 0; err; n++) {
        struct worker w = {0};
        struct keyring *keyring;
        struct loop *loop;
        assert_int_equal(keyring_new(conf, &keyring), 0);
        assert_int_equal(loop_new_real(&loop), 0);
        left = n;
        err = worker_init(&w, NULL, 0, loop, mesh_current(mesh), keyring, NULL);
        left = ULONG_MAX;
        failures += err != 0;
        worker_fini(&w);
        loop_free(loop);
    }
    assert_true(failures > 0);
    mesh_free(mesh);
    conf_unref(conf);
}

static void one_that_never_was_can_be_let_go(void **state)
{
    (void)state;
    struct worker w = {0};
    worker_fini(&w);
}

int main(void)
{
    if (!CRYPTO_set_mem_functions(alloc, resize, release)) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_set_up_can_be_let_go),
        cmocka_unit_test(one_that_never_was_can_be_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
