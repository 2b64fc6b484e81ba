/* SPDX-License-Identifier: Apache-2.0 */
/* What control groups say of memory, in trees as the kernel shows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/memory_limit.h"
#include "node/memory_watch.h"
#include "tree.h"

static double used_of(struct memory_limit *m)
{
    memory_limit_find(tree_root, m);
    return memory_limit_used(m);
}

static void v2_counts_what_cannot_be_taken_back(void **state)
{
    (void)state;
    struct memory_limit m;
    tree_put("/proc/self/cgroup", "0::/system.slice/hostler.service\n");
    tree_put("/sys/fs/cgroup/system.slice/hostler.service/memory.max", "1000000\n");
    tree_put("/sys/fs/cgroup/system.slice/hostler.service/memory.current", "900000\n");
    tree_put("/sys/fs/cgroup/system.slice/hostler.service/memory.stat",
             "anon 500000\nfile 400000\ninactive_file 300000\nactive_file 100000\n");
    assert_true(used_of(&m) == 0.5);
    assert_int_equal(m.bytes, 1000000);
    tree_put("/sys/fs/cgroup/system.slice/hostler.service/memory.max",
             "500000\n"); /* changed meanwhile */
    assert_true(memory_limit_used(&m) == 1.0);
}

static void a_group_above_may_have_the_limit(void **state)
{
    (void)state;
    struct memory_limit m;
    tree_put("/proc/self/cgroup", "0::/a/b/c\n");
    tree_put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
    tree_put("/sys/fs/cgroup/a/memory.max", "1000\n");
    tree_put("/sys/fs/cgroup/a/memory.current", "250\n");
    assert_true(used_of(&m) == 0.25);
}

/* A container sees its own group at the mount, whatever path it is told. */
static void a_container_has_its_group_at_the_mount(void **state)
{
    (void)state;
    struct memory_limit m;
    tree_put("/proc/self/cgroup", "0::/\n");
    tree_put("/sys/fs/cgroup/memory.max", "2000\n");
    tree_put("/sys/fs/cgroup/memory.current", "1000\n");
    assert_true(used_of(&m) == 0.5);
    tree_put("/proc/self/cgroup", "0::/docker/0123456789\n");
    assert_true(used_of(&m) == 0.5);
}

static void v1_is_read_as_well(void **state)
{
    (void)state;
    struct memory_limit m;
    tree_put("/proc/self/cgroup", "9:name=systemd:/\n5:cpu,memory:/box\n0::/\n");
    tree_put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1000000\n");
    tree_put("/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "800000\n");
    tree_put("/sys/fs/cgroup/memory/box/memory.stat",
             "cache 1\ntotal_inactive_file 50000\ntotal_active_file 150000\n");
    assert_true(used_of(&m) == 0.6);
}

static void where_there_is_no_limit_nothing_is_short(void **state)
{
    (void)state;
    struct memory_limit m;
    assert_true(used_of(&m) == 0); /* not even a file */
    tree_put("/proc/self/cgroup", "nonsense\n4:memory:/\n0::/x\n");
    tree_put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    tree_put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "800000\n");
    tree_put("/sys/fs/cgroup/x/memory.max", "max\n");
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
        cmocka_unit_test_setup_teardown(v2_counts_what_cannot_be_taken_back, tree_make, tree_drop),
        cmocka_unit_test_setup_teardown(a_group_above_may_have_the_limit, tree_make, tree_drop),
        cmocka_unit_test_setup_teardown(a_container_has_its_group_at_the_mount, tree_make,
                                        tree_drop),
        cmocka_unit_test_setup_teardown(v1_is_read_as_well, tree_make, tree_drop),
        cmocka_unit_test_setup_teardown(where_there_is_no_limit_nothing_is_short, tree_make,
                                        tree_drop),
        cmocka_unit_test(shortage_ends_a_little_below_where_it_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
