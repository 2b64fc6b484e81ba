/* SPDX-License-Identifier: Apache-2.0 */
/* What a process may use of its machine, in trees as the kernel shows them. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/host.h"
#include "tree.h"

static unsigned in_the_mask(void)
{
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return (unsigned)CPU_COUNT(&set);
}

/* --- processors --- */

static void without_quotas_the_mask_counts(void **state)
{
    (void)state;
    unsigned all = in_the_mask();
    assert_int_equal(host_processors(tree_root), all);
    tree_put("/proc/self/cgroup", "0::/a\n");
    tree_put("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
    assert_int_equal(host_processors(tree_root), all);
    tree_put("/sys/fs/cgroup/a/cpu.max", "99900000 100000\n");
    assert_int_equal(host_processors(tree_root), all);
    tree_put("/sys/fs/cgroup/a/cpu.max", "nonsense\n");
    assert_int_equal(host_processors(tree_root), all);
}

static void the_mask_may_leave_one(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
        if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(host_processors(tree_root), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

/* A unit of systemd has its quota in its own group, a container at the mount. */
static void the_least_quota_of_all_groups_counts(void **state)
{
    (void)state;
    tree_put("/proc/self/cgroup", "0::/system.slice/hostler.service\n");
    tree_put("/sys/fs/cgroup/system.slice/hostler.service/cpu.max", "90000 100000\n");
    assert_int_equal(host_processors(tree_root), 1);
    tree_put("/sys/fs/cgroup/system.slice/hostler.service/cpu.max", "max 100000\n");
    tree_put("/sys/fs/cgroup/system.slice/cpu.max", "10000 100000\n");
    assert_int_equal(host_processors(tree_root), 1);
    tree_put("/proc/self/cgroup", "0::/somewhere/of/the/host\n");
    tree_put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    assert_int_equal(host_processors(tree_root), 1);
}

static void quotas_of_version_1_count_as_well(void **state)
{
    (void)state;
    tree_put("/proc/self/cgroup", "4:memory:/\n3:cpu,cpuacct:/box\n0::/\n");
    tree_put("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1\n");
    tree_put("/sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
    assert_int_equal(host_processors(tree_root), in_the_mask());
    tree_put("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "50000\n");
    assert_int_equal(host_processors(tree_root), 1);
}

/* --- memory --- */

static void memory_is_the_least_of_machine_and_groups(void **state)
{
    (void)state;
    assert_true(host_memory(tree_root) == UINT64_MAX);
    tree_put("/proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 50 kB\n");
    assert_int_equal(host_memory(tree_root), 50 * 1024);
    tree_put("/proc/self/cgroup", "0::/a/b\n");
    tree_put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    tree_put("/sys/fs/cgroup/a/b/memory.current", "1000\n");
    tree_put("/sys/fs/cgroup/a/memory.max", "20000\n");
    tree_put("/sys/fs/cgroup/a/memory.current", "5000\n");
    assert_int_equal(host_memory(tree_root), 15000);
    tree_put("/sys/fs/cgroup/a/memory.current", "30000\n");
    assert_int_equal(host_memory(tree_root), 0);
}

static void memory_of_version_1_counts_as_well(void **state)
{
    (void)state;
    tree_put("/proc/meminfo", "MemAvailable: 50 kB\n");
    tree_put("/proc/self/cgroup", "4:memory:/box\n");
    tree_put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "9223372036854771712\n");
    tree_put("/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "1000\n");
    assert_int_equal(host_memory(tree_root), 50 * 1024);
    tree_put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "3000\n");
    assert_int_equal(host_memory(tree_root), 2000);
}

int main(void)
{
#define IN_A_TREE(test) cmocka_unit_test_setup_teardown(test, tree_make, tree_drop)
    const struct CMUnitTest tests[] = {
        IN_A_TREE(without_quotas_the_mask_counts),
        IN_A_TREE(the_mask_may_leave_one),
        IN_A_TREE(the_least_quota_of_all_groups_counts),
        IN_A_TREE(quotas_of_version_1_count_as_well),
        IN_A_TREE(memory_is_the_least_of_machine_and_groups),
        IN_A_TREE(memory_of_version_1_counts_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
