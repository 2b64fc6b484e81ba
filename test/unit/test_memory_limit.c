/* SPDX-License-Identifier: Apache-2.0 */
/* What control groups say of memory, in trees as the kernel shows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "node/memory_limit.h"
#include "node/memory_watch.h"

static char root[64];

/* The file below `root`, with the folders that it needs. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/hostler-limit-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int drop_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static double used_of(struct memory_limit *m)
{
    memory_limit_find(root, m);
    return memory_limit_used(m);
}

static void v2_counts_what_cannot_be_taken_back(void **state)
{
    (void)state;
    struct memory_limit m;
    put("/proc/self/cgroup", "0::/system.slice/hostler.service\n");
    put("/sys/fs/cgroup/system.slice/hostler.service/memory.max", "1000000\n");
    put("/sys/fs/cgroup/system.slice/hostler.service/memory.current", "900000\n");
    put("/sys/fs/cgroup/system.slice/hostler.service/memory.stat",
        "anon 500000\nfile 400000\ninactive_file 300000\nactive_file 100000\n");
    assert_true(used_of(&m) == 0.5);
    assert_int_equal(m.bytes, 1000000);
    put("/sys/fs/cgroup/system.slice/hostler.service/memory.max",
        "500000\n"); /* changed meanwhile */
    assert_true(memory_limit_used(&m) == 1.0);
}

static void a_group_above_may_have_the_limit(void **state)
{
    (void)state;
    struct memory_limit m;
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
    put("/sys/fs/cgroup/a/memory.max", "1000\n");
    put("/sys/fs/cgroup/a/memory.current", "250\n");
    assert_true(used_of(&m) == 0.25);
}

/* A container sees its own group at the mount, whatever path it is told. */
static void a_container_has_its_group_at_the_mount(void **state)
{
    (void)state;
    struct memory_limit m;
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "2000\n");
    put("/sys/fs/cgroup/memory.current", "1000\n");
    assert_true(used_of(&m) == 0.5);
    put("/proc/self/cgroup", "0::/docker/0123456789\n");
    assert_true(used_of(&m) == 0.5);
}

static void v1_is_read_as_well(void **state)
{
    (void)state;
    struct memory_limit m;
    put("/proc/self/cgroup", "9:name=systemd:/\n5:cpu,memory:/box\n0::/\n");
    put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1000000\n");
    put("/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "800000\n");
    put("/sys/fs/cgroup/memory/box/memory.stat",
        "cache 1\ntotal_inactive_file 50000\ntotal_active_file 150000\n");
    assert_true(used_of(&m) == 0.6);
}

static void where_there_is_no_limit_nothing_is_short(void **state)
{
    (void)state;
    struct memory_limit m;
    assert_true(used_of(&m) == 0); /* not even a file */
    put("/proc/self/cgroup", "nonsense\n4:memory:/\n0::/x\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "800000\n");
    put("/sys/fs/cgroup/x/memory.max", "max\n");
    assert_true(used_of(&m) == 0);
    assert_int_equal(m.bytes, 0);
}

static void shortage_ends_a_little_below_where_it_began(void **state)
{
    (void)state;
    assert_false(memory_is_short(0.91, 92, false));
    assert_true(memory_is_short(0.92, 92, false));
    assert_true(memory_is_short(0.90, 92, true));
    assert_false(memory_is_short(0.88, 92, true));
    assert_false(memory_is_short(1, 0, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(v2_counts_what_cannot_be_taken_back, make_root, drop_root),
        cmocka_unit_test_setup_teardown(a_group_above_may_have_the_limit, make_root, drop_root),
        cmocka_unit_test_setup_teardown(a_container_has_its_group_at_the_mount, make_root,
                                        drop_root),
        cmocka_unit_test_setup_teardown(v1_is_read_as_well, make_root, drop_root),
        cmocka_unit_test_setup_teardown(where_there_is_no_limit_nothing_is_short, make_root,
                                        drop_root),
        cmocka_unit_test(shortage_ends_a_little_below_where_it_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
