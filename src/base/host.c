/* SPDX-License-Identifier: Apache-2.0 */
#include "base/host.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/cgroup.h"

/* --- processors --- */

/* Of every period this much time; false: no limit. */
static bool quota_of(const struct cgroup *g, uint64_t *quota, uint64_t *period)
{
    char text[CGROUP_TEXT_MAX];
    if (g->v1) {
        *quota = cgroup_number(g, "cpu.cfs_quota_us"); /* -1: no limit */
        *period = cgroup_number(g, "cpu.cfs_period_us");
    } else {
        struct str rest = cgroup_text(g, "cpu.max", text), word;
        if (!str_cut(&rest, ' ', &word) || str_to_u64(word, quota)) return false;
        if (!str_cut(&rest, '\n', &word) || str_to_u64(word, period)) return false;
    }
    return *quota != UINT64_MAX && *period != UINT64_MAX && *period > 0;
}

static uint64_t group_processors(const char *root)
{
    struct cgroup g;
    uint64_t least = UINT64_MAX, quota, period;
    if (!cgroup_find(root, STR("cpu"), &g)) return least;
    do {
        if (quota_of(&g, &quota, &period)) least = MIN(least, (quota + period - 1) / period);
    } while (cgroup_up(&g));
    return least;
}

unsigned host_processors(const char *root)
{
    cpu_set_t set;
    uint64_t n = 1;
    if (!sched_getaffinity(0, sizeof set, &set)) n = (uint64_t)CPU_COUNT(&set);
    return (unsigned)MAX(MIN(n, group_processors(root)), 1u);
}

/* --- memory --- */

static uint64_t machine_memory(const char *root)
{
    unsigned long long kib;
    char line[128], path[128];
    uint64_t bytes = UINT64_MAX;
    (void)snprintf(path, sizeof path, "%s/proc/meminfo", root);
    FILE *f = fopen(path, "re");
    if (!f) return bytes;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1) bytes = (uint64_t)kib * 1024;
    }
    fclose(f);
    return bytes;
}

static uint64_t group_memory(const char *root)
{
    struct cgroup g;
    uint64_t least = UINT64_MAX;
    if (!cgroup_find(root, STR("memory"), &g)) return least;
    do {
        uint64_t most = cgroup_number(&g, g.v1 ? "memory.limit_in_bytes" : "memory.max");
        uint64_t used = cgroup_number(&g, g.v1 ? "memory.usage_in_bytes" : "memory.current");
        if (most != UINT64_MAX && used != UINT64_MAX) least = MIN(least, most - MIN(used, most));
    } while (cgroup_up(&g));
    return least;
}

uint64_t host_memory(const char *root)
{
    uint64_t of_machine = machine_memory(root), of_groups = group_memory(root);
    return MIN(of_machine, of_groups);
}
